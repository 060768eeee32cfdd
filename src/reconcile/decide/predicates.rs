//! Questions about a shard and its Job that decisions, actions and reports ask; pure.

use crate::{
    job::{Indexes, Observed, Spec},
    reconcile::observe::Observations,
    seams::{self, Defect},
    state::{Phase, Record, Shard},
};

/// Whether this is a work queue that has succeeded in some shard. No shard may start anything then.
pub(super) fn winding_down(record: &Record) -> bool {
    record.manifest.size().completions.is_none() && record.achieved() > 0
}

/// Whether the Job of an Indexed shard was told which indexes belong to others. True for every
/// other shard, and where there are no such indexes. A Job that was there before its federated Job
/// was never told: what was credited to it were indexes of its own.
pub(in crate::reconcile) fn is_assigned(shard: &Shard, job: &Observed) -> bool {
    let Some(own) = &shard.indexes else { return true };
    if seams::has(Defect::StartUnassigned) {
        return true;
    }
    let all = Indexes::all(job.completions.unwrap_or(0));
    let was_told = job.credited.is_some() && shard.adoption.is_none();
    was_told || own.with(&job.completed_indexes).contains_all(&all)
}

/// Whether a Job says that it was credited less than the ledger knows it was. That happens where
/// somebody has put the Job back without the annotation. It gets no further credit, because
/// afterwards nobody could tell what it achieved from what it counts.
pub(in crate::reconcile) fn has_lost_credit(shard: &Shard, job: &Observed) -> bool {
    shard.indexes.is_none() && job.credited_count() < shard.credited
}

/// Whether the spec of a shard's Job is to be written: the Job lacks the last change, has larger
/// limits than the other shards leave it or a larger gang than it can fill, waits for its start, or
/// has to be held: its cluster got a queueing system after it was suspended, and would resume it.
pub(in crate::reconcile) fn is_outdated(record: &Record, id: u32, job: &Observed) -> bool {
    let shard = &record.shards[&id];
    if job.generation > shard.generation {
        // The ledger was changed since this record was read.
        return false;
    }
    let waits = shard.phase == Phase::Created && job.is_held() && !record.manifest.suspended();
    let lacks_change = job.generation < shard.generation;
    let own = record.spec(id);
    let is_stuck = awaits_others(shard, &own, job);
    let exceeds = !own.excess(job).is_empty();
    lacks_change || exceeds || is_stuck || waits || escapes(record, job)
}

/// Whether a change of a shard's Job is sent with all fields: the Job starts with it, is to be
/// held, or lacks what a user has asked for. Any other change leaves alone what somebody has
/// changed in the cluster, such as `suspend`.
pub(in crate::reconcile) fn is_changed_whole(record: &Record, id: u32, job: &Observed) -> bool {
    let shard = &record.shards[&id];
    let starts = shard.phase < Phase::Started;
    starts || escapes(record, job) || shard.lacks(job).whole || shard.awaits_template(job)
}

/// Whether the cluster of a Job would resume it although the federated Job is suspended.
fn escapes(record: &Record, job: &Observed) -> bool {
    record.manifest.suspended() && job.queue.is_some() && !job.in_hold_queue
}

/// Whether pods of a gang may wait for more pods than are left to do.
fn awaits_others(shard: &Shard, own: &Spec, job: &Observed) -> bool {
    let is_larger = own.gang.zip(job.min_count).is_some_and(|(left, gang)| gang > left);
    let may_wait = (job.active == 0 || job.active > job.ready) && !seams::has(Defect::GangKept);
    is_larger && may_wait && shard.completions.is_some() && shard.remaining() > 0
}

/// Whether the cluster of a shard is no member any more. Where nothing is known of the registry it
/// is one.
pub(super) fn has_left(shard: &Shard, observations: &Observations) -> bool {
    let registered = observations.places.get(&shard.cluster);
    !observations.places.is_empty() && registered.is_none_or(|place| place.moved(shard))
}
