//! What a change stops in the clusters, so that new shards take its place.

use super::error::Stopped;
use crate::{
    reconcile::{Observation, Observations},
    state::{Phase, Record},
};

/// The shards that a change stops although pods of theirs may run.
pub(super) fn stopped(
    before: &Record,
    after: &Record,
    observations: &Observations,
) -> Vec<Stopped> {
    let is_stopped = |id: &u32| {
        before.shards.get(id).is_some_and(|shard| !shard.retired && shard.phase != Phase::Planned)
    };
    let shards = after.shards.iter().filter(|(id, shard)| shard.retired && is_stopped(id));
    let with_pods = shards.filter_map(|(id, shard)| {
        let said = observations.members.get(&shard.cluster);
        let is_silent = matches!(said, Some(Observation::Unknown { .. }));
        let seen = shard.seen.as_ref().filter(|_| !is_silent);
        let active = seen.map(|seen| seen.active);
        let has_none = shard.phase.ended() || active == Some(0);
        let (job, cluster) = (after.name().to_owned(), shard.cluster.clone());
        let shard = after.job_name(*id).to_owned();
        (!has_none).then_some(Stopped { job, shard, cluster, active })
    });
    with_pods.collect()
}
