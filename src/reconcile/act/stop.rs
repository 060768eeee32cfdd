//! A Job is stopped: kept with what it achieved, or failed because the whole has.
//!
//! It is suspended first and waited for until nothing of it moves, so that the pods that this ends
//! are not counted as failures, and then told how it ended in one write. What takes longer than a
//! moment is left to the next reconcile, which finds it where it is.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    CHANGING, Performed, Target,
    credit::{patch, pods, written_time},
    failed, present, update,
};
use crate::{
    job::{Observed, credit::Credit},
    reconcile::{Answer, decide::has_lost_credit, observe::shard_id},
};

/// How long a command waits for a Job to become quiet or to end, at a time.
const PATIENCE: Duration = Duration::from_secs(3);

/// Stops a Job and credits what is left of it: it is Complete with what it achieved.
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

/// Makes a Job Failed for the reason that the whole has failed for.
pub(super) async fn fail(target: &Target<'_>) -> Performed {
    let Some(outcome) = &target.record.state.outcome else { return (target.look().await, None) };
    stop(target, "stopped", |job| {
        let now = written_time(Timestamp::now());
        let condition = json!({
            "type": "FailureTarget", "status": "True", "reason": outcome.reason, "message": outcome.message,
            "lastProbeTime": now, "lastTransitionTime": now,
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

/// Has a work queue start nothing new: what runs goes on and ends it, what does not run yet never
/// will.
pub(super) async fn wind_down(target: &Target<'_>) -> Performed {
    let uid = target.uid.unwrap_or_default();
    let pods = match pods(target.connection, target.record.namespace(), uid).await {
        Ok(pods) => pods,
        Err(error) => return (failed(&error), None),
    };
    let running = pods.iter().filter(|pod| pod.runs()).count();
    let running = i32::try_from(running).unwrap_or(i32::MAX);
    if running == 0 {
        return retire(target).await;
    }
    // Of a Job that may run fewer pods, those go first that do not run yet.
    let shrunk = update(target, "wound down", |job| {
        let shrinks = stoppable(job) && job.succeeded == 0 && job.parallelism > running;
        shrinks.then(|| ("", json!({ "spec": { "parallelism": running } })))
    })
    .await;
    match shrunk.0 {
        // Its Job controller stops none of its pods now, and all that is left to do is to wait.
        Answer::Job(job) if stoppable(&job) && job.succeeded > 0 => {
            return (Answer::Waiting(job, format!("waiting for {running} pods to end")), None);
        }
        Answer::Job(_) => {}
        _ => return shrunk,
    }
    let counted = until(target, |job| job.end.is_some() || job.active <= running).await;
    if !matches!(counted.0, Answer::Job(_)) {
        return counted;
    }
    let performed = update(target, "wound down", |job| {
        (stoppable(job) && job.succeeded == 0).then(|| ("/status", patch(job, &Credit::Count(1))))
    })
    .await;
    match performed {
        (Answer::Job(job), None) if !stoppable(&job) => {
            ended(target, (Answer::Job(job), None)).await
        }
        performed => performed,
    }
}

fn stoppable(job: &Observed) -> bool {
    job.takes_credit()
}

/// Suspends the Job, waits until nothing of it moves, and writes to its status how it ended: on the
/// condition that it is still as it was before its pods were listed, so that somebody who has
/// resumed it since has not been overlooked.
async fn stop(
    target: &Target<'_>,
    what: &str,
    status: impl Fn(&Observed) -> Option<Value>,
) -> Performed {
    let suspended = update(target, "suspended", |job| {
        (stoppable(job) && !job.suspended).then(|| ("", json!({ "spec": { "suspend": true } })))
    })
    .await;
    let (Answer::Job(_), done) = suspended else { return suspended };
    let begun = Instant::now();
    loop {
        let still = |job: &Observed| !stoppable(job) || job.quiet() || job.untouched();
        let job = match until(target, still).await {
            (Answer::Job(job), _) => job,
            performed => return (performed.0, done),
        };
        if !stoppable(&job) {
            return ended(target, (Answer::Job(job), done)).await;
        }
        // Servers before 1.31 say so a moment before the pods that they delete count as
        // terminating.
        let moving = match pods(target.connection, target.record.namespace(), &job.uid).await {
            Ok(pods) => pods.iter().filter(|pod| !pod.ended() || pod.tracked).count(),
            Err(error) => return (failed(&error), done),
        };
        let why = if moving > 0 {
            format!("waiting for {moving} pods to end")
        } else {
            let ours = shard_id(target.record, &job) == Some(target.id);
            let Some(patch) = status(&job).filter(|_| ours) else {
                return (Answer::Job(job), done);
            };
            match target.patch("/status", patch, &job).await {
                Ok(job) => return ended(target, (present(&job), Some(what.to_owned()))).await,
                Err(error) if error.is_conflict() => CHANGING.to_owned(),
                Err(error) if error.is_not_found() => return (Answer::Gone, done),
                Err(error) => return (failed(&error), done),
            }
        };
        if begun.elapsed() > PATIENCE {
            return (Answer::Waiting(job, why), done);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits a moment for a Job to end that was told to.
async fn ended(target: &Target<'_>, performed: Performed) -> Performed {
    match performed {
        (Answer::Job(job), what) if job.end.is_none() => {
            (until(target, |job| job.end.is_some()).await.0, what)
        }
        performed => performed,
    }
}

/// Looks at a Job until something is so, for a while; says then what it waits for.
async fn until(target: &Target<'_>, met: impl Fn(&Observed) -> bool) -> Performed {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(25);
    loop {
        let job = match target.look().await {
            Answer::Job(job) => job,
            other => return (other, None),
        };
        if met(&job) {
            return (Answer::Job(job), None);
        }
        if begun.elapsed() + pause > PATIENCE {
            let why = match job.active + job.terminating {
                0 => "its Job controller has not answered yet".to_owned(),
                pods => format!("waiting for {pods} pods to end"),
            };
            return (Answer::Waiting(job, why), None);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(400));
    }
}
