//! The leases of shards: what is known of their ends, when they are renewed, and when the work of a
//! cluster that nobody reaches is given to others; pure. The rules are in `src/job/lease`.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    limits::start_since_resume,
    lookup::{Lookup, is_ours, lookup},
};
use crate::{
    job::{End, EndKind, Lease, Observed},
    reconcile::{
        allocate::pods,
        observe::{Clocks, Observations},
    },
    seams::{self, Defect},
    state::{Origin, Phase, Record, Seen, Shard},
};

/// How much the end of a lease varies from one measurement of clocks to the next, in seconds.
const JITTER: u64 = 5;

/// Records until when the Job of a shard may start pods, as far as its Job tells. It is not known
/// of a Job that has not started since it was resumed.
pub(super) fn see(shard: &mut Shard, job: &Observed, clocks: &Clocks, now: Timestamp) {
    let grace = shard.lease.as_ref().map(|lease| lease.pods_grace(&job.template));
    // Its cluster suspends and resumes it, and each resume would start the lease anew. Or its
    // cluster took the deadline of the pods away, without which nothing bounds them.
    if shard.lease.is_some() && (shard.queued || grace == Some(None)) {
        shard.lease = None;
        if shard.phase == Phase::Started {
            shard.change_deadline();
        }
    }
    // What was known of it when it was given up stays: its Job is stopped, and starts no more.
    if shard.given_up.is_some() && shard.lease.as_ref().is_some_and(|it| it.until.is_some()) {
        return;
    }
    let is_stale = job.generation < shard.generation;
    let starts = start_since_resume(shard, job, clocks, now.as_second());
    let Some(lease) = &mut shard.lease else { return };
    let start = job.start.filter(|_| starts.is_some()).map(Timestamp::as_second);
    let latest = start.and_then(|start| lease.latest(start, job.active_deadline_seconds));
    // By a clock that is not known it might seem to be over too early.
    let latest = latest.filter(|_| !clocks.is_unknown(&shard.cluster));
    let until = latest.map(|latest| clocks.host_time(&shard.cluster, latest));
    lease.grace_seconds = grace.flatten().unwrap_or(lease.grace_seconds);
    // The measurement of a clock varies by a second or so, and is no reason to write.
    let is_known = until.zip(lease.until).is_some_and(|(new, old)| new.abs_diff(old) <= JITTER);
    // What was read before a resume tells of a start that counts no more.
    let is_later = until.zip(lease.until).is_none_or(|(new, old)| new > old);
    if !is_known && (is_later || !is_stale) {
        lease.until = until;
    }
}

/// Leaves out what has failed since the last contact, while it is not known what of it a lease has
/// ended: its Job is about to end, or kubelets have ended its pods already, and the Job controller
/// has yet to act. A limit would be exceeded before [`expire`] tells.
pub(super) fn await_end(
    shard: &mut Shard,
    job: &Observed,
    own: Option<i64>,
    before: Option<&Seen>,
    (clocks, now): (&Clocks, Timestamp),
) {
    if shard.lease.is_none() || job.end.is_some() || seams::has(Defect::ExpiryFails) {
        return;
    }
    let has_passed = !clocks.is_host_unknown()
        && (passed_at(shard, job, own, clocks, now).is_some()
            || passed_unseen(shard, job, own, now.as_second()));
    if let Some(seen) = shard.seen.as_mut().filter(|_| job.ending || has_passed) {
        seen.leave_failures_out(before);
    }
}

/// Records which failed pods of a Job that has ended its lease has ended, if it has passed by then.
/// `before` is what was known before; `own` is the user's deadline in seconds.
///
/// The pods that ran then were ended by the Job controller or by kubelets. Nobody can tell them
/// from pods that failed since the last contact, so as many as may have run are no failures, and
/// the indexes that failed since then run again.
pub(super) fn expire(
    shard: &mut Shard,
    job: &Observed,
    end: &End,
    own: Option<i64>,
    before: Option<&Seen>,
    clocks: &Clocks,
) {
    if !passed_before_end(shard, job, end, own, clocks) {
        return;
    }
    // A change of it may have been on its way.
    let active = before.map_or(0, |before| before.active);
    let most = shard.parallelism.max(job.parallelism).max(active).max(0);
    let failed_before = before.map_or(0, |before| before.failed);
    let ended = (job.failed - failed_before).clamp(0, most);
    if let Some(lease) = &mut shard.lease {
        lease.ended_pods = Some(if seams::has(Defect::ExpiryFails) { 0 } else { ended });
    }
    if let Some(seen) = &mut shard.seen {
        seen.failed_indexes = before.map(|b| b.failed_indexes.clone()).unwrap_or_default();
    }
    shard.reopened |= shard.phase == Phase::Failed;
}

/// Whether the lease of a Job had passed when its end was decided. The Job controller may have been
/// away: once it is back, it judges the pods that kubelets have ended first. Before the lease has
/// passed, pods fail for reasons of their own.
fn passed_before_end(
    shard: &Shard,
    job: &Observed,
    end: &End,
    own: Option<i64>,
    clocks: &Clocks,
) -> bool {
    let actual = job.active_deadline_seconds;
    let is_its = shard.lease.as_ref().is_some_and(|lease| lease.is_deadline(actual, own));
    // One that goes on in its cluster becomes Complete by its own work, before its deadline.
    let may_pass = end.kind == EndKind::Failed || shard.given_up.is_some();
    if !(is_its && may_pass) {
        return false;
    }
    let Some(at) = job.decided_at().map(Timestamp::as_second) else { return false };
    let over = job.start.zip(actual).map(|(start, it)| start.as_second().saturating_add(it));
    let at_host = clocks.host_time(&shard.cluster, at);
    end.reason == "DeadlineExceeded"
        || over.is_some_and(|over| at >= over)
        || passed_unseen(shard, job, own, at_host)
}

/// Whether the lease of a shard that was given up has passed `at` this second by the host's clock,
/// by what is recorded. The Job is stopped when its cluster is back, and since 1.36 a suspension
/// clears its start.
fn passed_unseen(shard: &Shard, job: &Observed, own: Option<i64>, at: i64) -> bool {
    let lease = shard.lease.as_ref().filter(|_| shard.given_up.is_some());
    lease.is_some_and(|lease| {
        let has_passed = lease.until.is_some_and(|until| at >= until);
        has_passed && lease.is_deadline(job.active_deadline_seconds, own)
    })
}

/// Renews the leases of running Jobs of which less than half is left. A Job that waits for another
/// change gets the renewal together with that, or alone where its cluster refuses the change. A
/// lease that has passed is over.
pub(super) fn renew(record: &mut Record, observations: &Observations, now: Timestamp) {
    if record.manifest.suspended() {
        return;
    }
    let mut renewed = Vec::new();
    for (&id, shard) in &record.shards {
        let (Lookup::Found(job), Some(lease)) = (lookup(id, shard, observations), &shard.lease)
        else {
            continue;
        };
        let is_refused = observations.refused(&shard.cluster, id).is_some();
        let waits_for_it = if is_refused {
            lacks_refused_change(shard, job)
        } else {
            job.generation == shard.generation
        };
        let takes_it = waits_for_it
            && takes_renewal(record, id, job)
            && !awaits_its_end(record, id, job, &observations.clocks, now);
        let is_unknown = observations.clocks.is_unknown(&shard.cluster);
        let is_due = takes_it && (lease.until.is_some() || is_unknown);
        let Some(start) = job.start.filter(|_| is_due) else { continue };
        let now = observations.clocks.member_time(&shard.cluster, now.as_second());
        let running = now - start.as_second();
        if let Some(mut lease) = lease.renewed(running, record.own_deadline(id), !is_unknown) {
            let latest = lease.latest(start.as_second(), job.active_deadline_seconds);
            let host_time = |at| observations.clocks.host_time(&shard.cluster, at);
            lease.until = latest.filter(|_| !is_unknown).map(host_time);
            renewed.push((id, lease, is_refused));
        }
    }
    for (id, lease, is_alone) in renewed {
        let Some(shard) = record.shards.get_mut(&id) else { continue };
        if is_alone {
            // The change that is refused has the longer deadline by now, too.
            shard.lease = Some(lease);
        } else {
            shard.change_deadline();
            let renewal = shard.generation;
            shard.lease = Some(Lease { renewal, ..lease });
        }
    }
}

/// Whether the lease of a running Job has passed, so that its Job controller will end it. Nothing
/// is to be changed of such a Job: a longer deadline would let it go on with pods that kubelets
/// have ended, and the Job controller would count these as failures.
///
/// That is not known where the clock of the host is not, which may be off by days. A cluster that
/// does not say its time is taken to have the host's.
pub(super) fn awaits_its_end(
    record: &Record,
    id: u32,
    job: &Observed,
    clocks: &Clocks,
    now: Timestamp,
) -> bool {
    let (shard, own) = (&record.shards[&id], record.own_deadline(id));
    !clocks.is_host_unknown() && passed_at(shard, job, own, clocks, now).is_some()
}

/// When the lease of a running Job passed, in seconds since 1970 by the host's clock, as far as the
/// clocks are known.
fn passed_at(
    shard: &Shard,
    job: &Observed,
    own: Option<i64>,
    clocks: &Clocks,
    now: Timestamp,
) -> Option<i64> {
    let lease = shard.lease.as_ref().filter(|_| job.end.is_none())?;
    // A Job that has yet to be suspended and resumed may have passed meanwhile. One that was has
    // got a deadline that is as much longer as it ran before.
    let start = job.start.filter(|_| !job.suspended && !job.suspension_seen)?;
    let start = clocks.host_time(&shard.cluster, start.as_second());
    let running = now.as_second().saturating_sub(start);
    let actual = job.active_deadline_seconds;
    let has_passed = lease.has_passed(running, actual, own);
    has_passed.then(|| start.saturating_add(actual.unwrap_or(0)))
}

/// The live shards that await their ends, and since when, in seconds since 1970 by the host's
/// clock. Those of clusters whose clocks are not known are left out: either may be off by days.
pub(in crate::reconcile) fn overdue(
    record: &Record,
    observations: &Observations,
    now: Timestamp,
) -> BTreeMap<u32, i64> {
    let clocks = &observations.clocks;
    let is_told = |shard: &Shard| !shard.is_over() && !clocks.is_unknown(&shard.cluster);
    let live = record.shards.iter().filter(|(_, shard)| is_told(shard));
    let since = |(&id, shard): (&u32, &Shard)| match lookup(id, shard, observations) {
        Lookup::Found(job) if is_ours(record, id, job) => {
            Some((id, passed_at(shard, job, record.own_deadline(id), clocks, now)?))
        }
        _ => None,
    };
    live.filter_map(since).collect()
}

/// Whether the lease of a shard can be renewed: its Job runs, and goes on.
fn takes_renewal(record: &Record, id: u32, job: &Observed) -> bool {
    let shard = &record.shards[&id];
    let runs = shard.phase == Phase::Started && !shard.is_over() && !shard.retired;
    let goes_on = !job.suspended && !job.ending && job.end.is_none() && !job.deleting;
    runs && goes_on && is_ours(record, id, job)
}

/// Whether what the cluster of a shard refused is a change of more than the lease.
fn lacks_refused_change(shard: &Shard, job: &Observed) -> bool {
    job.generation < shard.generation && !shard.lacks_renewal_alone(job)
}

/// Whether the deadline of a Job is to be made longer although its cluster refuses another change
/// of it: its lease was renewed.
pub(in crate::reconcile) fn is_renewed_alone(record: &Record, id: u32, job: &Observed) -> bool {
    let shard = &record.shards[&id];
    let is_open = record.state.outcome.is_none() && !record.manifest.suspended();
    let is_longer = job
        .active_deadline_seconds
        .is_some_and(|is| record.spec(id).active_deadline_seconds.is_some_and(|asked| asked > is));
    shard.lease.is_some()
        && is_open
        && is_longer
        && lacks_refused_change(shard, job)
        && takes_renewal(record, id, job)
}

/// Gives up the shards whose leases are over in clusters that do not answer: what they were not
/// seen to have done is opened elsewhere. Nothing is given up where the clock of the host is not
/// known: the local one may be off by days.
pub(super) fn give_up_expired(record: &mut Record, observations: &Observations, now: Timestamp) {
    if observations.clocks.is_host_unknown() {
        return;
    }
    let ends = |lease: &Lease| {
        let begun = lease.until.map(|until| until - lease.seconds);
        if seams::has(Defect::GiveUpEarly) { begun } else { lease.over_at() }
    };
    let is_over = |shard: &Shard| {
        let over_at = shard.lease.as_ref().and_then(ends);
        over_at.filter(|at| *at <= now.as_second() && !shard.is_over())
    };
    let over = record.shards.iter().filter_map(|(id, shard)| {
        // A record that was restored may not know that the lease was renewed since, or that the
        // Job has ended. One that was moved has all shards as they are.
        let is_exact = record.state.origin == Some(Origin::Move);
        let is_unlisted = !is_exact && record.state.unlisted.contains(&shard.cluster);
        if is_unlisted || shard.restored {
            return None;
        }
        let at = is_over(shard)?;
        observations.answer(shard).is_none().then_some((*id, at))
    });
    let over: Vec<_> = over.collect();
    for (id, at) in &over {
        let place = observations.places.get(&record.shards[id].cluster);
        let consent = place.and_then(|place| place.lease.as_ref()).map(|lease| &lease.consent);
        record.give_up_leased(*id, *at, consent);
    }
    // Some leases were over before the federation moved here.
    let has_passed = |name: &&String| {
        let mut there = record.shards.values().filter(|it| it.cluster == **name);
        there.any(|it| it.given_up.is_some() && it.lease.is_some())
    };
    let silent = record.state.unlisted.iter().filter(has_passed).cloned().collect();
    record.wait_no_more(&silent);
    let has_shares = record.manifest.size().completions.is_some();
    if !over.is_empty() && has_shares && record.state.outcome.is_none() {
        pods::divide(record, &observations.places);
    }
}
