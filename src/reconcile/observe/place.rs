//! Members as places for work; pure.

use std::collections::BTreeMap;

use crate::state::{Member, MemberState, Registry};

/// A member of the federation as a place for work, from its registry entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its weight, 0 or more.
    pub weight: i32,
    /// Whether new work may be given to it.
    pub takes_work: bool,
}

/// The places of a federation, by the names of the members.
pub(in crate::reconcile) type Places = BTreeMap<String, Place>;

impl Place {
    /// The places of a federation: one for each member of the registry.
    pub fn all(registry: &Registry) -> BTreeMap<String, Self> {
        let place = |member: &Member| Self {
            weight: member.weight,
            takes_work: member.state == MemberState::Ready,
        };
        registry.members.iter().map(|(name, member)| (name.clone(), place(member))).collect()
    }
}
