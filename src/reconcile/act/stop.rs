//! A Job is stopped: it keeps what it achieved, or it fails because the federated Job has failed.
//!
//! The Job is suspended first. Then the action waits until no pod of it is active or ending, so
//! that the pods that this ends are not counted as failures. One write to the status then says how
//! the Job ended. What takes longer than a moment is left to the next reconcile, which continues
//! where this one stopped.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{
    bodies,
    change_watch::ChangeWatch,
    credit::pods,
    target::{CHANGING, Performed, Target, answer_of, answer_of_error},
    wait::{PATIENCE, waiting_for_pods},
};
use crate::{
    cluster::Error,
    job::{
        Observed,
        credit::{self as rules, Credit},
    },
    reconcile::{
        decide::has_lost_credit,
        observe::{Answer, shard_id},
    },
};

/// Stops a Job and credits all that it has left, so that it is Complete with what it achieved.
pub(super) async fn retire(target: &Target<'_>) -> Performed {
    let shard = target.record.shards.get(&target.id);
    stop(target, "stopped", |job| {
        if shard.is_some_and(|shard| has_lost_credit(shard, job)) {
            return None;
        }
        Some(bodies::completion(job, target.now()))
    })
    .await
}

/// Makes a Job Failed, with the reason of the federated Job's outcome.
pub(super) async fn fail(target: &Target<'_>) -> Performed {
    let Some(outcome) = &target.record.state.outcome else { return (target.read().await, None) };
    stop(target, "stopped", |job| Some(bodies::failure(outcome, job, target.now()))).await
}

/// Gives a suspended Job that is about to end a `startTime`, without which no server lets it end.
///
/// Kueue takes the `startTime` of a Job away as long as it has evicted it. So such a Job leaves its
/// queue first: it is suspended, and holds no quota.
pub(super) async fn set_start(target: &Target<'_>) -> Performed {
    let unqueued = target
        .update("taken out of its queue", |job| {
            let leaves = job.ends_only_with_start() && job.in_hold_queue;
            leaves.then(|| ("", bodies::unqueue()))
        })
        .await;
    if !matches!(unqueued.0, Answer::Job(_)) {
        return unqueued;
    }
    let written = target
        .update("given a start time", |job| {
            job.ends_only_with_start().then(|| ("/status", bodies::start(target.now())))
        })
        .await;
    match written {
        (Answer::Job(job), Some(done)) => (wait_for_end(target, job).await, Some(done)),
        other => other,
    }
}

/// Makes a work queue start no further pods. Running pods go on and complete the Job. Pods that do
/// not run yet are removed.
pub(super) async fn wind_down(target: &Target<'_>) -> Performed {
    let uid = target.uid.unwrap_or_default();
    let pods = match pods(target.connection, target.record.namespace(), uid).await {
        Ok(pods) => pods,
        Err(error) => return (answer_of_error(&error), None),
    };
    let running = pods.iter().filter(|pod| pod.runs()).count();
    let running = i32::try_from(running).unwrap_or(i32::MAX);
    if running == 0 {
        return retire(target).await;
    }
    // A queueing system stops a Job whose parallelism changes. In such a cluster a pod that does
    // not run yet may start, which costs less than those that run.
    if !target.record.shards[&target.id].queued
        && let Some(performed) = shrink(target, running).await
    {
        return performed;
    }
    let performed = target
        .update("wound down", |job| {
            let needs_credit = job.takes_credit() && job.succeeded == 0;
            needs_credit.then(|| ("/status", bodies::credit(job, &Credit::Count(1), target.now())))
        })
        .await;
    match performed {
        (Answer::Job(job), None) if !job.takes_credit() => (wait_for_end(target, job).await, None),
        performed => performed,
    }
}

/// Lets the Job of a work queue run no more pods than run now. What has to happen before it can be
/// credited is returned; none if nothing has.
async fn shrink(target: &Target<'_>, running: i32) -> Option<Performed> {
    // When a Job may run fewer pods, its controller first removes those that do not run yet.
    let shrunk = target
        .update("wound down", |job| {
            let shrinks = job.takes_credit() && job.succeeded == 0 && job.parallelism > running;
            shrinks.then(|| ("", bodies::parallelism(running, job)))
        })
        .await;
    match shrunk.0 {
        // The Job has succeeded itself. Its controller starts no more pods, and waiting is all that
        // is left to do.
        Answer::Job(job) if job.takes_credit() && job.succeeded > 0 => {
            let why = waiting_for_pods(usize::try_from(running).unwrap_or(0));
            return Some((Answer::Waiting(job, why), None));
        }
        Answer::Job(_) => {}
        _ => return Some(shrunk),
    }
    let counted = target.wait_until(|job| job.end.is_some() || job.active <= running).await;
    (!matches!(counted, Answer::Job(_))).then_some((counted, None))
}

/// Suspends the Job, waits until no pod of it is active or ending, and writes to its status how it
/// ended. The write is conditional on the version that was read before the pods were listed: if
/// somebody resumes the Job meanwhile, nothing is written.
async fn stop(
    target: &Target<'_>,
    what: &str,
    status: impl Fn(&Observed) -> Option<Value>,
) -> Performed {
    let suspended = target
        .update("suspended", |job| {
            let suspends = job.takes_credit() && !job.is_held();
            suspends.then(|| ("", bodies::suspension(job)))
        })
        .await;
    let (Answer::Job(_), done) = suspended else { return suspended };
    let begun = Instant::now();
    let mut change_watch = ChangeWatch::default();
    loop {
        let read_at = Instant::now();
        let is_still = |job: &Observed| !job.takes_credit() || job.quiet() || job.untouched();
        let job = match target.wait_until(is_still).await {
            Answer::Job(job) => job,
            other => return (other, done),
        };
        if !job.takes_credit() {
            return (wait_for_end(target, job).await, done);
        }
        let why = match hindrance(target, &job, read_at, &mut change_watch).await {
            Ok(Some(why)) => why,
            Ok(None) => {
                let ours = shard_id(target.record, &job) == Some(target.id);
                let Some(patch) = status(&job).filter(|_| ours) else {
                    return (Answer::Job(job), done);
                };
                match target.patch("/status", patch, &job).await {
                    Ok(job) => return (answer_at_end(target, &job).await, Some(what.to_owned())),
                    Err(error) if error.is_conflict() => CHANGING.to_owned(),
                    Err(error) if error.is_not_found() => return (Answer::Gone, done),
                    Err(error) => return (answer_of_error(&error), done),
                }
            }
            Err(error) => return (answer_of_error(&error), done),
        };
        if begun.elapsed() > PATIENCE {
            return (Answer::Waiting(job, why), done);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Why a quiet Job cannot be told yet how it ended; none where it can.
///
/// Servers before 1.31 report a Job as quiet a moment before the pods that they delete count as
/// terminating. So the pods are listed. Where that is forbidden, the Job must stay unchanged for a
/// while instead: otherwise a missing right would leave it suspended for ever. The same holds where
/// a failed pod waits for a successor, because its Job controller may be about to count it.
async fn hindrance(
    target: &Target<'_>,
    job: &Observed,
    read_at: Instant,
    change_watch: &mut ChangeWatch,
) -> Result<Option<String>, Error> {
    let pods = match pods(target.connection, target.record.namespace(), &job.uid).await {
        Ok(pods) => Some(pods),
        Err(error) if error.is_forbidden() => None,
        Err(error) => return Err(error),
    };
    let listed = pods.as_deref().unwrap_or_default();
    let moving = rules::moving(job, listed);
    if moving > 0 {
        return Ok(Some(waiting_for_pods(moving)));
    }
    let needs_stillness =
        pods.is_none() || listed.iter().any(|pod| rules::awaits_successor(job, pod));
    if needs_stillness && !job.untouched() && !change_watch.is_still(job, listed, read_at) {
        return Ok(Some("waiting until its Job controller has nothing left to count".to_owned()));
    }
    Ok(None)
}

/// The answer of the write that says how a Job ends: the Job at its end, if that comes soon.
async fn answer_at_end(target: &Target<'_>, written: &Value) -> Answer {
    match answer_of(written) {
        Answer::Job(job) => wait_for_end(target, job).await,
        other => other,
    }
}

/// Waits a moment for the end of a Job whose status says how it ends.
async fn wait_for_end(target: &Target<'_>, job: Box<Observed>) -> Answer {
    if job.end.is_some() {
        return Answer::Job(job);
    }
    target.wait_until(|job| job.end.is_some()).await
}
