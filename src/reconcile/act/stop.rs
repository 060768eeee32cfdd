//! A Job is stopped: it keeps what it achieved, or it fails because the federated Job has failed.
//!
//! The Job is suspended first. Then the action waits until no pod of it is active or ending, so
//! that the pods that this ends are not counted as failures. One write to the status then says how
//! the Job ended. What takes longer than a moment is left to the next reconcile, which continues
//! where this one stopped.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    credit::{patch, pods, written_time},
    target::{CHANGING, Performed, Target, answer_of, answer_of_error},
};
use crate::{
    job::{Observed, credit::Credit},
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
        Some(patch(job, &Credit::rest(job)))
    })
    .await
}

/// Makes a Job Failed, with the reason of the federated Job's outcome.
pub(super) async fn fail(target: &Target<'_>) -> Performed {
    let Some(outcome) = &target.record.state.outcome else { return (target.read().await, None) };
    stop(target, "stopped", |job| {
        let now = written_time(Timestamp::now());
        let condition = json!({
            "type": "FailureTarget",
            "status": "True",
            "reason": outcome.reason,
            "message": outcome.message,
            "lastProbeTime": now,
            "lastTransitionTime": now,
        });
        let mut conditions = job.conditions.clone();
        conditions.push(condition);
        let mut status = json!({ "conditions": conditions });
        if job.start.is_none() {
            status["startTime"] = now.into();
        }
        Some(json!({ "status": status }))
    })
    .await
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
            shrinks.then(|| ("", json!({ "spec": { "parallelism": running } })))
        })
        .await;
    match shrunk.0 {
        // The Job has succeeded itself. Its controller starts no more pods, and waiting is all that
        // is left to do.
        Answer::Job(job) if job.takes_credit() && job.succeeded > 0 => {
            return (Answer::Waiting(job, format!("waiting for {running} pods to end")), None);
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
            needs_credit.then(|| ("/status", patch(job, &Credit::Count(1))))
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
            suspends.then(|| ("", json!({ "spec": { "suspend": true } })))
        })
        .await;
    let (Answer::Job(_), done) = suspended else { return suspended };
    let begun = Instant::now();
    loop {
        let is_still = |job: &Observed| !job.takes_credit() || job.quiet() || job.untouched();
        let job = match wait_until(target, is_still).await {
            Answer::Job(job) => job,
            other => return (other, done),
        };
        if !job.takes_credit() {
            return (wait_for_end(target, job).await, done);
        }
        // Servers before 1.31 report a Job as quiet a moment before the pods that they delete count
        // as terminating. So the pods are listed.
        let moving = match pods(target.connection, target.record.namespace(), &job.uid).await {
            Ok(pods) => pods.iter().filter(|pod| !pod.ended() || pod.tracked).count(),
            Err(error) => return (answer_of_error(&error), done),
        };
        let why = if moving > 0 {
            format!("waiting for {moving} pods to end")
        } else {
            let ours = shard_id(target.record, &job) == Some(target.id);
            let Some(patch) = status(&job).filter(|_| ours) else {
                return (Answer::Job(job), done);
            };
            match target.patch("/status", patch, &job).await {
                Ok(job) => {
                    let answer = match answer_of(&job) {
                        Answer::Job(job) => wait_for_end(target, job).await,
                        other => other,
                    };
                    return (answer, Some(what.to_owned()));
                }
                Err(error) if error.is_conflict() => CHANGING.to_owned(),
                Err(error) if error.is_not_found() => return (Answer::Gone, done),
                Err(error) => return (answer_of_error(&error), done),
            }
        };
        if begun.elapsed() > PATIENCE {
            return (Answer::Waiting(job, why), done);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
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
                pods => format!("waiting for {pods} pods to end"),
            };
            return Answer::Waiting(job, why);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(400));
    }
}
