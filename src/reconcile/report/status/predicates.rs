//! Questions about a record, or a shard of it, that the status answers; pure.

use crate::{
    job::Observed,
    reconcile::{allocate::work, observe::Places},
    state::{Phase, Record, Shard},
};

/// Whether what is held back would be placed if a member took it.
pub(super) fn no_place(record: &Record) -> bool {
    record.state.outcome.is_none() && !record.holds_back()
}

/// Whether no member may take work of the Job, so that it waits for that and not for pods to end. A
/// suspended Job waits for its user first.
pub(super) fn is_closed(record: &Record, places: &Places) -> bool {
    let are_known = !places.is_empty() && !record.manifest.suspended();
    are_known && work::lacks_place(record, places, false)
}

/// Whether the Job is suspended and no shard is known to run.
pub(super) fn is_suspended(record: &Record) -> bool {
    let is_stopped = |shard: &Shard| {
        shard.phase != Phase::Started
            || shard.is_lost()
            || shard.seen.as_ref().is_some_and(|seen| seen.suspended)
    };
    record.manifest.suspended() && record.shards.values().all(is_stopped)
}

/// Whether the outcome is latched and a shard has yet to end.
pub(super) fn is_ending(record: &Record) -> bool {
    let live = |shard: &Shard| shard.phase.live() && !shard.is_lost();
    record.state.outcome.is_some() && record.shards.values().any(live)
}

/// Whether a shard was released to its queue, and its cluster has not admitted it or has evicted
/// it.
pub(super) fn waits_in_queue(record: &Record, shard: &Shard) -> bool {
    let is_suspended = shard.seen.as_ref().is_some_and(|seen| seen.suspended);
    shard.queued && shard.phase == Phase::Started && is_suspended && !record.manifest.suspended()
}

/// Whether somebody suspended the Job of a shard that is to run. In a queue that is normal. So it
/// is while this program takes work off a shard, or has yet to write what the ledger says.
pub(super) fn is_suspended_there(record: &Record, shard: &Shard, job: &Observed) -> bool {
    is_to_run(record, shard, job) && job.suspended && !job.was_stopped
}

/// Whether somebody set the parallelism of a Job to 0 that is to run. It is not corrected, as
/// nothing is that somebody changed in the cluster, and no pod of it starts (G2).
pub(super) fn is_paused_there(record: &Record, shard: &Shard, job: &Observed) -> bool {
    let has_no_pods = job.parallelism == 0 && shard.parallelism > 0;
    is_to_run(record, shard, job) && has_no_pods && !job.suspended
}

/// Whether a shard is to run pods, and its Job is as it was written last. In a queue its cluster
/// decides that.
fn is_to_run(record: &Record, shard: &Shard, job: &Observed) -> bool {
    let is_stopped = record.state.outcome.is_some()
        || record.state.deleting.is_some()
        || record.manifest.suspended();
    let is_to_run =
        !is_stopped && !shard.retired && !shard.is_lost() && shard.phase == Phase::Started;
    let is_as_written = job.generation >= shard.generation && shard.outstanding() == 0;
    is_to_run && is_as_written && !shard.queued && job.takes_credit()
}
