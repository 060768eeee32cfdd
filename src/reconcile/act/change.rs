//! The spec of a Job is changed to what the ledger says.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::{
    bodies,
    target::{Performed, Target, answer_of},
};
use crate::{
    cluster::Error,
    job::{Indexes, Observed, differences},
    reconcile::{
        decide::{is_assigned, is_outdated},
        observe::Answer,
    },
    state::{Phase, Record},
};

/// Patches the spec, unless the Job says that it has this change or a later one. The first change
/// lets the Job run, so an Indexed Job must have been told its indexes by then.
///
/// The second value names what the server changed of the Job, in either direction.
pub(super) async fn change(target: &Target<'_>) -> (Performed, Option<Vec<String>>) {
    let (record, shard) = (target.record, &target.record.shards[&target.id]);
    if shard.phase.ended() {
        let expired = target.update(description(record, target.id), |job| {
            let patch = || ("", bodies::change(record, target.id));
            (job.generation < record.spec(target.id).generation).then(patch)
        });
        return (expired.await, None);
    }
    let altered = Mutex::new(None);
    let (answer, what) = target
        .act_on_current(async |job| {
            let is_left_alone = job.end.is_some() || !is_assigned(shard, job);
            if is_left_alone || !is_outdated(record, target.id, job) {
                return Ok(None);
            }
            if let Some(refusal) = unstartable(record, target.id, job) {
                return Ok(Some((Answer::Refused(refusal), None)));
            }
            let patch = bodies::change(record, target.id);
            let stored = send(target, patch, job).await?;
            let found = differences(&bodies::creation(record, target.id), &stored);
            *altered.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
            Ok(Some((answer_of(&stored), Some(description(record, target.id).to_owned()))))
        })
        .await;
    let altered = altered.into_inner().unwrap_or_else(PoisonError::into_inner);
    let starts = !record.manifest.suspended();
    match (answer, what) {
        (Answer::Job(job), Some(_)) if starts && job.suspended => {
            let why = "the job was resumed, and its cluster keeps it suspended".to_owned();
            ((Answer::Refused(why), None), altered)
        }
        performed => (performed, altered),
    }
}

/// Sends a change. Before a Job first runs, this also takes away a `ttlSecondsAfterFinished` that
/// is not ours, once: a Job that expires takes its result with it. Where the server does not allow
/// that, the Job keeps it.
async fn send(target: &Target<'_>, patch: Value, job: &Observed) -> Result<Value, Error> {
    let is_unstarted = target.record.shards[&target.id].phase == Phase::Created;
    if !is_unstarted || job.ttl_seconds.is_none() {
        return target.patch("", patch, job).await;
    }
    let mut without_ttl = patch.clone();
    without_ttl["spec"]["ttlSecondsAfterFinished"] = json!(null);
    match target.patch("", without_ttl, job).await {
        Err(error) if error.is_forbidden() || error.is_invalid() => {
            target.patch("", patch, job).await
        }
        sent => sent,
    }
}

/// Why a Job that has not run must not be started: it has other completions than were sent, and
/// nobody can change them.
fn unstartable(record: &Record, id: u32, job: &Observed) -> Option<String> {
    let expected = record.spec(id).completions;
    let shard = &record.shards[&id];
    // The ledger may ask for other completions of an Indexed Job by now than when it was created.
    // What matters is that its own indexes are among them.
    let is_as_sent = match &shard.indexes {
        Some(own) => lacks_indexes(own, job).is_none(),
        None => job.completions == expected,
    };
    if shard.phase != Phase::Created || is_as_sent {
        return None;
    }
    let text = |count: Option<i32>| count.map_or("unset".to_owned(), |count| count.to_string());
    Some(format!(
        "its cluster changed the completions of job {} from {} to {}: it is not started",
        job.name,
        text(expected),
        text(job.completions)
    ))
}

/// Why a Job cannot run the indexes of its shard: its cluster lowered its completions. None where it
/// can. Such a Job would be Complete without them.
pub(super) fn lacks_indexes(own: &Indexes, job: &Observed) -> Option<String> {
    let completions = job.completions.unwrap_or(0);
    (completions < own.end()).then(|| {
        format!(
            "its cluster changed the completions of job {} to {completions}, and its shard has the \
             indexes {own}: it is not started",
            job.name
        )
    })
}

/// What a change of a shard's Job is called.
pub(crate) fn description(record: &Record, id: u32) -> &'static str {
    match record.shards[&id].phase {
        Phase::Created if !record.manifest.suspended() => "started",
        phase if phase.ended() => "given its ttlSecondsAfterFinished",
        _ => "changed",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_that_lacks_indexes_of_its_shard_is_not_started() {
        let own = Indexes::all(9).without(&Indexes::all(6));
        for (completions, is_started) in [(9, true), (12, true), (8, false), (1, false)] {
            let job = Observed::from_object(&json!({
                "metadata": {"name": "pi", "uid": "u"},
                "spec": {"completions": completions, "completionMode": "Indexed"},
            }));
            assert_eq!(lacks_indexes(&own, &job).is_none(), is_started, "{completions}");
        }
    }
}
