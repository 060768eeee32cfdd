//! Jobs are deleted: on the user's word, or because they have run nothing and nobody would ever
//! start them.

use super::{Done, Performed, Target, as_it_is, failed, look, present};
use crate::{
    cluster::{Connection, DeleteOptions, Error, Propagation, fan_out},
    job::Observed,
    reconcile::{Answer, Members, Observations, decide::is_assigned, job_path, observe::shard_id},
    state::{Cascade, Record},
};

/// How often a Job that keeps changing is looked at again before it is left where it is. The Job
/// controller changes a new one once, to say that it is suspended.
const RETRACTIONS: u32 = 3;

/// Deletes a Job on the condition that it has this uid.
pub(super) async fn delete(target: &Target<'_>, cascade: Cascade) -> Performed {
    if target.record.state.deleting.is_none() {
        return begin_again(target, cascade).await;
    }
    match remove(target, cascade, None).await {
        Err(error) if error.is_conflict() => {
            match look(target.record, target.id, target.connection, &target.path).await {
                Answer::Job(job) if target.uid == Some(&job.uid) => {
                    (Answer::Refused(error.to_string()), None)
                }
                other => (other, None),
            }
        }
        Err(error) => (failed(&error), None),
        Ok(performed) => performed,
    }
}

/// Deletes a Job that runs indexes which are not its own, so that it is begun again: only as it is
/// now.
async fn begin_again(target: &Target<'_>, cascade: Cascade) -> Performed {
    let shard = target.record.shards.get(&target.id);
    as_it_is(target, async |job| {
        if shard.is_none_or(|shard| is_assigned(shard, job) || job.has_run_nothing()) {
            return Ok(None);
        }
        remove(target, cascade, Some(&job.resource_version)).await.map(Some)
    })
    .await
}

/// Sends the deletion of a Job that has this uid, and this version where it matters.
async fn remove(
    target: &Target<'_>,
    cascade: Cascade,
    resource_version: Option<&str>,
) -> Result<Performed, Error> {
    let propagation = match cascade {
        Cascade::Background => Propagation::Background,
        Cascade::Foreground => Propagation::Foreground,
    };
    let options = DeleteOptions {
        propagation,
        uid: target.uid,
        resource_version,
        ..DeleteOptions::default()
    };
    match target.connection.delete(&target.path, options).await {
        Ok(status) if status["kind"] == "Status" => Ok((Answer::Gone, Some("deleted".to_owned()))),
        Ok(job) => Ok((present(&job), None)),
        Err(error) if error.is_not_found() => Ok((Answer::Gone, None)),
        Err(error) => Err(error),
    }
}

/// Deletes the Jobs that were seen of shards whose uid this record never knew, because the record
/// is gone and nobody would ever start them. Only one that has run nothing goes: somebody else may
/// have started it before the record was removed.
pub(in crate::reconcile) async fn retract(
    record: &Record,
    members: &Members,
    observations: &Observations,
) -> Vec<Done> {
    let unknown = |id: &u32| record.shards.get(id).is_some_and(|shard| shard.uid.is_none());
    let made = observations.jobs().filter(|(_, id, _)| unknown(id));
    let take_back = async |(cluster, id, _): (&str, u32, &Observed)| {
        let path = job_path(record.namespace(), record.job_name(id));
        let gone = match members.get(cluster) {
            Ok(connection) => delete_unstarted(record, id, connection, &path).await,
            Err(_) => false,
        };
        let name = record.job_name(id).to_owned();
        gone.then(|| Done { cluster: cluster.to_owned(), name, what: "deleted".to_owned() })
    };
    fan_out(made, take_back).await.into_iter().flatten().collect()
}

/// Deletes a shard's Job exactly as it was seen to have run nothing; says whether it did.
async fn delete_unstarted(record: &Record, id: u32, connection: &Connection, path: &str) -> bool {
    for _ in 0..RETRACTIONS {
        let Ok(job) = connection.get(path).await else { return false };
        let seen = Observed::of(&job);
        if shard_id(record, &seen) != Some(id) || !seen.has_run_nothing() {
            return false;
        }
        let options = DeleteOptions {
            uid: Some(&seen.uid),
            resource_version: job["metadata"]["resourceVersion"].as_str(),
            ..DeleteOptions::default()
        };
        match connection.delete(path, options).await {
            Err(error) if error.is_conflict() => {}
            deleted => return deleted.is_ok(),
        }
    }
    false
}
