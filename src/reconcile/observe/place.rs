//! Members as places for work; pure.

use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use crate::{
    job::{Lease, Manifest},
    state::{Acceptance, Member, MemberLease, MemberState, Registry, Shard},
};

/// The state of a member that takes work, and none of a Job whose pods may run longer than its
/// lease.
const SHORT_LEASE: &str = "Ready, with a lease shorter than the activeDeadlineSeconds of pods";

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
    /// Who declared it lost, if somebody did.
    pub lost: Option<Acceptance>,
    /// The lease that new shards there get, if any.
    pub lease: Option<MemberLease>,
    /// Whether its work is to be done by others. If true is inside, its running pods are stopped.
    pub drained: Option<bool>,
}

/// The places of a federation, by the names of the members. Clones share them until one is changed:
/// of a thousand Jobs, each knows all places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places(Arc<BTreeMap<String, Place>>);

impl Deref for Places {
    type Target = BTreeMap<String, Place>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Places {
    fn deref_mut(&mut self) -> &mut Self::Target {
        Arc::make_mut(&mut self.0)
    }
}

impl FromIterator<(String, Place)> for Places {
    fn from_iter<I: IntoIterator<Item = (String, Place)>>(places: I) -> Self {
        Self(Arc::new(places.into_iter().collect()))
    }
}

impl Place {
    /// What the registry says of the member.
    pub fn state(&self) -> MemberState {
        match self {
            Self { lost: Some(_), .. } => MemberState::Lost,
            Self { drained: Some(_), .. } => MemberState::Draining,
            Self { leaving: true, .. } => MemberState::Leaving,
            Self { takes_work: true, .. } => MemberState::Ready,
            _ => MemberState::Cordoned,
        }
    }

    /// How long the lease of a new shard there is, in seconds.
    pub(in crate::reconcile) fn lease_seconds(&self) -> Option<i64> {
        self.lease.as_ref().map(|lease| lease.seconds)
    }

    /// Whether the lease of a new shard of a Job there is shorter than its pods may run by their
    /// own `activeDeadlineSeconds`, so that it would end them.
    pub fn ends_pods_of(&self, manifest: &Manifest) -> bool {
        let lease = Lease::planned(manifest, self.lease_seconds(), 0);
        let own = manifest.pod_deadline_seconds();
        lease.zip(own).is_some_and(|(lease, own)| lease.seconds < own)
    }

    /// Whether a shard that names this member was given to another cluster.
    pub(in crate::reconcile) fn moved(&self, shard: &Shard) -> bool {
        !shard.is_in(&self.uid)
    }

    /// The places of a federation: one for each member of the registry.
    pub fn all(registry: &Registry) -> Places {
        let place = |member: &Member| Self {
            uid: member.uid.clone(),
            weight: member.weight,
            takes_work: member.state.takes_work(),
            leaving: member.state == MemberState::Leaving,
            lease: member.lease.clone(),
            lost: member.lost.clone().filter(|_| member.state == MemberState::Lost),
            drained: (member.state == MemberState::Draining).then_some(member.stops_pods),
        };
        registry.members.iter().map(|(name, member)| (name.clone(), place(member))).collect()
    }

    /// The names of all places by their states, as a Job sees them.
    pub(in crate::reconcile) fn by_state(
        places: &Places,
        manifest: &Manifest,
    ) -> BTreeMap<&'static str, Vec<String>> {
        let mut names = BTreeMap::<_, Vec<_>>::new();
        for (name, place) in places.iter() {
            let is_short = place.takes_work && place.ends_pods_of(manifest);
            let state = if is_short { SHORT_LEASE } else { place.state().as_str() };
            names.entry(state).or_default().push(name.clone());
        }
        names
    }
}
