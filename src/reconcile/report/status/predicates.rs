//! Questions about a record, or a shard of it, that the status answers; pure.

use crate::state::{Phase, Record, Shard};

/// Whether what is held back would be placed if a member took it.
pub(super) fn no_place(record: &Record) -> bool {
    record.state.outcome.is_none() && !record.holds_back()
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
