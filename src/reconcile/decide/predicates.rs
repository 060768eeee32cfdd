//! Questions about a shard and its Job that decisions, actions and reports ask; pure.

use super::limits;
use crate::{
    job::{Indexes, Observed},
    reconcile::observe::Observations,
    state::{Phase, Record, Shard},
};

/// Whether this is a work queue that has succeeded in some shard. No shard may start anything then.
pub(super) fn winding_down(record: &Record) -> bool {
    record.manifest.size().completions.is_none() && record.achieved() > 0
}

/// Whether the Job of an Indexed shard was told which indexes belong to others. True for every
/// other shard, and where there are no such indexes.
pub(in crate::reconcile) fn is_assigned(shard: &Shard, job: &Observed) -> bool {
    let Some(own) = &shard.indexes else { return true };
    let all = Indexes::all(job.completions.unwrap_or(0));
    job.credited.is_some() || own.with(&job.completed_indexes).contains_all(&all)
}

/// Whether a Job says that it was credited less than the ledger knows it was. That happens where
/// somebody has put the Job back without the annotation. It gets no further credit, because
/// afterwards nobody could tell what it achieved from what it counts.
pub(in crate::reconcile) fn has_lost_credit(shard: &Shard, job: &Observed) -> bool {
    shard.indexes.is_none() && job.credited_count() < shard.credited
}

/// Whether the spec of a shard's Job is to be written: the Job lacks the last change, has larger
/// limits than the other shards leave it, or waits for its start.
pub(in crate::reconcile) fn is_outdated(record: &Record, id: u32, job: &Observed) -> bool {
    let shard = &record.shards[&id];
    if job.generation > shard.generation {
        // The ledger was changed since this record was read.
        return false;
    }
    let waits = shard.phase == Phase::Created && job.suspended && !record.manifest.suspended();
    job.generation < shard.generation || limits::exceeds_budget(&record.spec(id), job) || waits
}

/// Whether the cluster of a shard is no member any more. Where nothing is known of the registry it
/// is one.
pub(super) fn has_left(shard: &Shard, observations: &Observations) -> bool {
    let registered = observations.places.get(&shard.cluster);
    !observations.places.is_empty() && registered.is_none_or(|place| place.moved(shard))
}
