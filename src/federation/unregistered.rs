//! Clusters that have shards and are no members: the registry was lost, and another one was made.

use std::collections::BTreeSet;

use super::{error::Error, open::Federation, records::Records};
use crate::state::{Acceptance, Member, MemberChange, MemberState, Registry};

impl Federation<'_> {
    /// The member of this name. If there is none, what one would be in which records have shards
    /// that have not ended.
    ///
    /// # Errors
    /// There is neither, or the host cannot be asked.
    pub(super) async fn member_or_carrier(&self, name: &str) -> Result<Member, Error> {
        if let Some(member) = self.registry.members.get(name) {
            return Ok(member.clone());
        }
        let Records { records, .. } = self.records(&[], None).await?;
        let shards = records.iter().flat_map(|record| record.shards.values());
        let there = shards.filter(|shard| shard.cluster == name && !shard.is_over());
        let uids: BTreeSet<_> = there.filter_map(|shard| shard.cluster_uid.as_deref()).collect();
        match uids.first() {
            Some(uid) if uids.len() == 1 && self.registry.member_by_uid(uid).is_none() => {
                Ok(Member::unregistered(uid, name, MemberState::Lost))
            }
            _ => Err(Error::not_registered(name, &self.registry)),
        }
    }

    /// Makes a cluster that is no member, and has shards, one that was declared lost. Gives whether
    /// it was none.
    ///
    /// # Errors
    /// There is no such cluster, or the host cannot be written.
    pub(super) async fn register_lost(
        &mut self,
        name: &str,
        declared: &Acceptance,
    ) -> Result<bool, Error> {
        let carrier = self.member_or_carrier(name).await?;
        // As `cluster register` would have it: once it is back, it may be given work again.
        let (lost, registered) = (Some(declared.clone()), declared.when);
        let lost = Member { lost, registered, weight: 1, ..carrier };
        let make = async |registry: &Registry| {
            Ok::<_, Error>(match registry.members.get(name) {
                Some(_) => MemberChange::Keep,
                None => MemberChange::Set(lost.clone()),
            })
        };
        let changed = self.store.update_member(Registry::clone(&self.registry), name, make).await?;
        if changed == MemberChange::Keep {
            return Ok(false);
        }
        self.registry = self.store.registry().await?.into();
        Ok(true)
    }
}
