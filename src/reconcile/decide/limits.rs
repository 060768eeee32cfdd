//! One budget and one clock for the whole Job: what each shard may still fail, and until when it
//! may run; pure.

use crate::{
    job::{Observed, Spec},
    state::{Phase, Record, Shard},
};

/// Whether a shard's Job may fail more than the others leave of the whole Job's limits. Between two
/// reconciles each may spend all that it has.
pub(in crate::reconcile) fn exceeds_budget(own: &Spec, job: &Observed) -> bool {
    let exceeds = |most: Option<i32>, has: Option<i32>| {
        most.is_some_and(|most| has.is_none_or(|has| has > most))
    };
    exceeds(own.backoff_limit, job.backoff_limit)
        || exceeds(own.max_failed_indexes, job.max_failed_indexes)
}

/// Sets `activeDeadlineSeconds` of each shard that runs so that all end at one time: that of the
/// first shard's start plus the Job's.
pub(in crate::reconcile) fn share_deadline(record: &mut Record) {
    let Some(seconds) = record.manifest.active_deadline_seconds() else {
        for shard in record.shards.values_mut().filter(|shard| !shard.phase.ended()) {
            if shard.active_deadline_seconds.take().is_some() {
                shard.change();
            }
        }
        return;
    };
    let runs_since = |shard: &Shard| {
        shard.seen.as_ref().filter(|seen| shard.phase == Phase::Started && !seen.suspended)?.start
    };
    let Some(started) = record.state.started.filter(|_| !record.manifest.suspended()) else {
        return;
    };
    for shard in record.shards.values_mut() {
        let Some(since) = runs_since(shard) else { continue };
        let own = Some((started + seconds - since).max(1)).filter(|own| *own != seconds);
        if shard.active_deadline_seconds != own {
            shard.active_deadline_seconds = own;
            shard.change();
        }
    }
}

/// Lets `activeDeadlineSeconds` begin anew, as a resume does in Kubernetes. Servers before 1.36
/// keep a suspended Job's old `startTime` and judge by it at once, so that what has passed since is
/// added; it is set right once the new start is seen. What starts there were is remembered: a
/// member that did not answer meanwhile has the old one for good.
pub(in crate::reconcile) fn restart_deadline(record: &mut Record, now: i64) {
    record.state.started = None;
    let seconds = record.manifest.active_deadline_seconds();
    for shard in record.shards.values_mut().filter(|shard| !shard.phase.ended()) {
        shard.start_before_resume = match &shard.seen {
            Some(seen) if seen.suspended || seen.start.is_some() => seen.start,
            // It may have started since it was seen.
            _ => Some(now).filter(|_| shard.phase == Phase::Started),
        };
        let passed =
            shard.seen.as_ref().and_then(|seen| seen.start).map(|start| (now - start).max(0));
        shard.active_deadline_seconds =
            seconds.zip(passed).map(|(seconds, passed)| seconds.saturating_add(passed));
    }
}

/// When a shard's Job started, where that is a start since the last resume.
pub(in crate::reconcile) fn new_start(shard: &Shard, job: &Observed) -> Option<i64> {
    let start = job.start.filter(|_| !job.suspended && !job.suspension_seen)?.as_second();
    Some(start).filter(|start| shard.start_before_resume.is_none_or(|old| *start > old))
}

/// Whether the Job as a whole has outlived its `ttlSecondsAfterFinished`.
pub(in crate::reconcile) fn expired(record: &Record, now: i64) -> bool {
    let ttl = record.manifest.ttl_seconds_after_finished().zip(record.state.outcome.as_ref());
    ttl.is_some_and(|(ttl, outcome)| now >= outcome.at.saturating_add(ttl))
}
