//! One failure budget and one deadline for all shards of a Job; pure.

use crate::{
    job::Observed,
    reconcile::observe::Clocks,
    state::{Phase, Record, Shard},
};

/// Sets `activeDeadlineSeconds` of each running shard so that all reach their deadline at one time:
/// the start of the first shard plus the federated Job's `activeDeadlineSeconds`.
///
/// `started` of the record is by the host's clock. The start of a Job is by its member's, and so is
/// its deadline.
pub(super) fn share_deadline(record: &mut Record, clocks: &Clocks) {
    let Some(seconds) = record.manifest.active_deadline_seconds() else {
        for shard in record.shards.values_mut().filter(|shard| !shard.phase.ended()) {
            if shard.active_deadline_seconds.take().is_some() {
                shard.change_deadline();
            }
        }
        return;
    };
    let running_since = |shard: &Shard| {
        shard.seen.as_ref().filter(|seen| shard.phase == Phase::Started && !seen.suspended)?.start
    };
    let Some(started) = record.state.started.filter(|_| !record.manifest.suspended()) else {
        return;
    };
    for shard in record.shards.values_mut() {
        let Some(since) = running_since(shard) else { continue };
        let since = clocks.host_time(&shard.cluster, since);
        let left = seconds.saturating_add(started.saturating_sub(since)).max(1);
        let left = Some(left).filter(|left| *left != seconds);
        let set = shard.active_deadline_seconds.unwrap_or(seconds);
        let changes = (left.unwrap_or(seconds) - set).abs();
        // The measurement of a clock varies by a second or so.
        let tolerance = if clocks.is_skewed(&shard.cluster) { 5 } else { 0 };
        if changes > tolerance {
            shard.active_deadline_seconds = left;
            shard.change_deadline();
        }
    }
}

/// Starts the deadline again, as a resume does in Kubernetes.
///
/// Servers before 1.36 keep the old `startTime` of a suspended Job and apply the deadline to it at
/// once. So the time since that start is added, until the new start is seen. The start times before
/// this resume are remembered: a cluster that was unreachable during the suspension keeps its old
/// `startTime`.
pub(super) fn restart_deadline(record: &mut Record, clocks: &Clocks, now: i64) {
    record.state.started = None;
    let seconds = record.manifest.active_deadline_seconds();
    for shard in record.shards.values_mut().filter(|shard| !shard.phase.ended()) {
        // Start times are by the member's clock, and so is what they are compared with.
        let now = clocks.member_time(&shard.cluster, now);
        shard.start_before_resume = match &shard.seen {
            Some(seen) if seen.suspended || seen.start.is_some() => {
                seen.start.or(shard.start_before_resume)
            }
            // It may have started since it was seen.
            _ => Some(now).filter(|_| shard.phase == Phase::Started),
        };
        let passed =
            shard.seen.as_ref().and_then(|seen| seen.start).map(|start| (now - start).max(0));
        shard.active_deadline_seconds =
            seconds.zip(passed).map(|(seconds, passed)| seconds.saturating_add(passed));
        if let Some(lease) = &mut shard.lease {
            lease.restart(passed.unwrap_or(0));
        }
    }
}

/// When a shard's Job started, by the host's clock, if that was after the last resume.
///
/// A Job whose controller saw neither the suspension nor the resume keeps its old `startTime` for
/// good. Once it has the change that resumes it, it counts as started `now`: the deadline begins
/// with the resume, for this shard as for all others.
pub(super) fn start_since_resume(
    shard: &Shard,
    job: &Observed,
    clocks: &Clocks,
    now: i64,
) -> Option<i64> {
    let start = job.start.filter(|_| !job.suspended && !job.suspension_seen)?.as_second();
    if shard.start_before_resume.is_none_or(|old| start > old) {
        return Some(clocks.host_time(&shard.cluster, start));
    }
    (job.generation >= shard.generation).then_some(now)
}

/// Whether the `ttlSecondsAfterFinished` of the federated Job has passed since its end.
pub(super) fn expired(record: &Record, now: i64) -> bool {
    let ttl = record.manifest.ttl_seconds_after_finished().zip(record.state.outcome.as_ref());
    ttl.is_some_and(|(ttl, outcome)| now >= outcome.at.saturating_add(ttl))
}
