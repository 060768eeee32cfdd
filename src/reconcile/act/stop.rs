//! A Job is stopped: kept with what it achieved, or failed because the whole has.
//!
//! It is suspended first and waited for until nothing of it moves, so that the pods that this ends are not counted as failures,
//! and then told how it ended in one write. What takes longer than a moment is left to the next reconcile, which finds it where it is.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{
    Performed, Target,
    credit::{credit_count, credit_indexes, now, pods},
    failed, update,
};
use crate::{
    job::{Indexes, Observed, pod},
    reconcile::{Answer, decide::has_lost_credit},
};

/// How long a command waits for a Job to become quiet or to end, at a time.
const PATIENCE: Duration = Duration::from_secs(3);

/// Stops a Job and credits what is left of it: it is Complete with what it achieved.
pub(super) async fn retire(target: &Target<'_>) -> Performed {
    if let Err(performed) = quiet(target).await {
        return performed;
    }
    let shard = target.record.shards.get(&target.id);
    let performed = update(target, "stopped", |job| {
        if shard.is_some_and(|shard| has_lost_credit(shard, job)) {
            return None;
        }
        let left = match job.completions {
            Some(completions) if job.indexed => {
                let ended = job.completed_indexes.with(&job.failed_indexes);
                let rest = Indexes::all(completions).without(&ended);
                return is_still(job).then(|| ("/status", credit_indexes(job, &rest)));
            }
            Some(completions) => completions - job.succeeded,
            None => 1 - job.succeeded,
        };
        is_still(job).then(|| ("/status", credit_count(job, left.max(0))))
    })
    .await;
    ended(target, performed).await
}

/// Makes a Job Failed for the reason that the whole has failed for.
pub(super) async fn fail(target: &Target<'_>) -> Performed {
    let Some(outcome) = &target.record.state.outcome else { return (target.look().await, None) };
    if let Err(performed) = quiet(target).await {
        return performed;
    }
    let performed = update(target, "failed", |job| {
        if !is_still(job) {
            return None;
        }
        let now = now();
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
        Some(("/status", json!({ "status": status })))
    })
    .await;
    ended(target, performed).await
}

/// Has a work queue start nothing new: what runs goes on and ends it, what does not run yet never will.
pub(super) async fn wind_down(target: &Target<'_>) -> Performed {
    let uid = target.uid.unwrap_or_default();
    let pods = match pods(target.connection, target.record.namespace(), uid).await {
        Ok(pods) => pods,
        Err(error) => return (failed(&error), None),
    };
    let running = pods.iter().filter(|pod| pod.phase == pod::Phase::Running && !pod.deleting).count();
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
    if !matches!(shrunk.0, Answer::Job(_)) {
        return shrunk;
    }
    let counted = until(target, |job| job.end.is_some() || job.active <= running).await;
    if !matches!(counted.0, Answer::Job(_)) {
        return counted;
    }
    let performed = update(target, "wound down", |job| {
        (stoppable(job) && job.succeeded == 0).then(|| ("/status", credit_count(job, 1)))
    })
    .await;
    match performed {
        (Answer::Job(job), None) if !stoppable(&job) => ended(target, (Answer::Job(job), None)).await,
        performed => performed,
    }
}

/// Whether a Job can be told that it has ended: somebody may have resumed it since it was waited for.
fn is_still(job: &Observed) -> bool {
    stoppable(job) && (job.quiet() || job.untouched())
}

fn stoppable(job: &Observed) -> bool {
    job.takes_credit()
}

/// Suspends the Job, and waits until nothing of it moves; an answer where it has ended, or does not become quiet.
async fn quiet(target: &Target<'_>) -> Result<(), Performed> {
    let suspended = update(target, "suspended", |job| {
        (stoppable(job) && !job.suspended).then(|| ("", json!({ "spec": { "suspend": true } })))
    })
    .await;
    match suspended.0 {
        Answer::Job(job) if !stoppable(&job) => return Err(ended(target, (Answer::Job(job), None)).await),
        Answer::Job(_) => {}
        _ => return Err(suspended),
    }
    let begun = Instant::now();
    loop {
        let still = |job: &Observed| !stoppable(job) || job.quiet() || job.untouched();
        let job = match until(target, still).await {
            (Answer::Job(job), _) => job,
            performed => return Err((performed.0, suspended.1)),
        };
        if !stoppable(&job) {
            return Err(ended(target, (Answer::Job(job), suspended.1)).await);
        }
        // Servers before 1.31 say so a moment before the pods that they delete count as terminating.
        let moving = match pods(target.connection, target.record.namespace(), &job.uid).await {
            Ok(pods) => pods.iter().filter(|pod| !pod.ended() || pod.tracked).count(),
            Err(error) => return Err((failed(&error), suspended.1)),
        };
        if moving == 0 {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            return Err((Answer::Waiting(job, format!("waiting for {moving} pods to end")), suspended.1));
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
