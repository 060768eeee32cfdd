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

/// How long an action waits for one change of a Job.
const PATIENCE: Duration = Duration::from_secs(3);

/// Stops a Job and credits all that it has left, so that it is Complete with what it achieved.
pub(super) async fn retire(target: &Target<'_>) -> Performed {
    let shard = target.record.shards.get(&target.id);
    stop(target, "stopped", |job| {
        if shard.is_some_and(|shard| has_lost_credit(shard, job)) {
            return None;
        }
        Some(bodies::completion(job))
    })
    .await
}

/// Makes a Job Failed, with the reason of the federated Job's outcome.
pub(super) async fn fail(target: &Target<'_>) -> Performed {
    let Some(outcome) = &target.record.state.outcome else { return (target.read().await, None) };
    stop(target, "stopped", |job| Some(bodies::failure(outcome, job))).await
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
    // When a Job may run fewer pods, its controller first removes those that do not run yet.
    let shrunk = target
        .update("wound down", |job| {
            let shrinks = job.takes_credit() && job.succeeded == 0 && job.parallelism > running;
            shrinks.then(|| ("", bodies::parallelism(running)))
        })
        .await;
    match shrunk.0 {
        // The Job has succeeded itself. Its controller starts no more pods, and waiting is all that
        // is left to do.
        Answer::Job(job) if job.takes_credit() && job.succeeded > 0 => {
            return (
                Answer::Waiting(job, waiting_for_pods(usize::try_from(running).unwrap_or(0))),
                None,
            );
        }
        Answer::Job(_) => {}
        _ => return shrunk,
    }
    let counted = wait_until(target, |job| job.end.is_some() || job.active <= running).await;
    if !matches!(counted, Answer::Job(_)) {
        return (counted, None);
    }
    let performed = target
        .update("wound down", |job| {
            let needs_credit = job.takes_credit() && job.succeeded == 0;
            needs_credit.then(|| ("/status", bodies::credit(job, &Credit::Count(1))))
        })
        .await;
    match performed {
        (Answer::Job(job), None) if !job.takes_credit() => (wait_for_end(target, job).await, None),
        performed => performed,
    }
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
            let suspends = job.takes_credit() && !job.suspended;
            suspends.then(|| ("", bodies::suspension()))
        })
        .await;
    let (Answer::Job(_), done) = suspended else { return suspended };
    let begun = Instant::now();
    let mut change_watch = ChangeWatch::default();
    loop {
        let read_at = Instant::now();
        let is_still = |job: &Observed| !job.takes_credit() || job.quiet() || job.untouched();
        let job = match wait_until(target, is_still).await {
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

fn waiting_for_pods(count: usize) -> String {
    format!("waiting for {count} {} to end", if count == 1 { "pod" } else { "pods" })
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
    wait_until(target, |job| job.end.is_some()).await
}

/// Reads a Job again and again until a condition is met. If that takes too long, the answer says
/// what is waited for.
async fn wait_until(target: &Target<'_>, is_met: impl Fn(&Observed) -> bool) -> Answer {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(25);
    loop {
        let job = match target.read().await {
            Answer::Job(job) => job,
            other => return other,
        };
        if is_met(&job) {
            return Answer::Job(job);
        }
        if begun.elapsed() + pause > PATIENCE {
            let why = match job.active + job.terminating {
                0 => "its Job controller has not answered yet".to_owned(),
                pods => waiting_for_pods(usize::try_from(pods).unwrap_or(0)),
            };
            return Answer::Waiting(job, why);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(400));
    }
}
