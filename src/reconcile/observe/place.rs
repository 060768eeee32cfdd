//! Members as places for work; pure.

use std::collections::BTreeMap;

use crate::state::{Member, MemberState, Registry, Shard};

/// A member of the federation as a place for work, from its registry entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The uid of the cluster that is registered under the member's name.
    pub uid: String,
    /// Its weight, 0 or more.
    pub weight: i32,
    /// Whether new work may be given to it.
    pub takes_work: bool,
    /// Whether it is being unregistered.
    pub leaving: bool,
}

/// The places of a federation, by the names of the members.
pub type Places = BTreeMap<String, Place>;

impl Place {
    /// Whether a shard that names this member was given to another cluster.
    pub(in crate::reconcile) fn moved(&self, shard: &Shard) -> bool {
        shard.cluster_uid.as_ref().is_some_and(|uid| *uid != self.uid)
    }

    /// The places of a federation: one for each member of the registry.
    pub fn all(registry: &Registry) -> BTreeMap<String, Self> {
        let place = |member: &Member| Self {
            uid: member.uid.clone(),
            weight: member.weight,
            takes_work: member.state == MemberState::Ready,
            leaving: member.state == MemberState::Leaving,
        };
        registry.members.iter().map(|(name, member)| (name.clone(), place(member))).collect()
    }
}
