//! Jobs are deleted: because the user asked for it, or because they have run nothing and nobody
//! would ever start them.

use super::{
    done::Done,
    target::{ATTEMPTS, Performed, Target, answer_of, answer_of_error, read},
};
use crate::{
    cluster::{Connection, DeleteOptions, Error, Propagation, fan_out},
    job::Observed,
    reconcile::{
        decide::is_assigned,
        observe::{Answer, Members, Observations, shard_id},
        paths::job_path,
    },
    state::{Cascade, Record},
};

/// How often a Job that keeps changing is read again before it is left in place. The Job controller
/// changes a new Job once, to set its condition `Suspended`.
const RETRACTIONS: u32 = 3;

/// Deletes a Job on the condition that it has this uid.
pub(super) async fn delete(target: &Target<'_>, cascade: Cascade) -> Performed {
    if target.record.state.deleting.is_none() {
        return delete_to_start_over(target, cascade).await;
    }
    match send(target, cascade, None).await {
        Err(error) if error.is_conflict() => {
            match read(target.record, target.id, target.connection, &target.path).await {
                Answer::Job(job) if target.uid == Some(&job.uid) => {
                    (Answer::Refused(error.to_string()), None)
                }
                other => (other, None),
            }
        }
        Err(error) => (answer_of_error(&error), None),
        Ok(performed) => performed,
    }
}

/// Deletes a Job that runs indexes which are not its own, so that its work is opened again.
async fn delete_to_start_over(target: &Target<'_>, cascade: Cascade) -> Performed {
    let shard = target.record.shards.get(&target.id);
    target
        .act_on_current(async |job| {
            if shard.is_none_or(|shard| is_assigned(shard, job) || job.has_run_nothing()) {
                return Ok(None);
            }
            send(target, cascade, Some(&job.resource_version)).await.map(Some)
        })
        .await
}

/// Sends the deletion, on the condition that the Job has the target's uid and, if given, this
/// resourceVersion.
async fn send(
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
        Ok(job) => Ok((answer_of(&job), None)),
        Err(error) if error.is_not_found() => Ok((Answer::Gone, None)),
        Err(error) => Err(error),
    }
}

/// Deletes the observed Jobs of shards whose uid this record never knew. The record is gone, so
/// nobody would ever start them. Only a Job that has run nothing is deleted: somebody else may have
/// started it before the record was removed.
pub(in crate::reconcile) async fn retract(
    record: &Record,
    members: &Members,
    observations: &Observations,
) -> Vec<Done> {
    let unknown = |id: &u32| record.shards.get(id).is_some_and(|shard| shard.uid.is_none());
    let created = observations.jobs().filter(|(_, id, _)| unknown(id));
    let retract_one = async |(cluster, id, _): (&str, u32, &Observed)| {
        let path = job_path(record.namespace(), record.job_name(id));
        let deleted = match members.get(cluster) {
            Ok(connection) => delete_unstarted(record, id, connection, &path).await,
            Err(_) => false,
        };
        let name = record.job_name(id).to_owned();
        deleted.then(|| Done { cluster: cluster.to_owned(), name, what: "deleted".to_owned() })
    };
    fan_out(created, retract_one).await.into_iter().flatten().collect()
}

/// Deletes a shard's Job on the condition that it has run nothing and is unchanged since that was
/// read. Returns whether it did.
async fn delete_unstarted(record: &Record, id: u32, connection: &Connection, path: &str) -> bool {
    for _ in 0..RETRACTIONS {
        let Ok(job) = connection.get(path).await else { return false };
        let observed = Observed::from_object(&job);
        if shard_id(record, &observed) != Some(id) || !observed.has_run_nothing() {
            return false;
        }
        let options = DeleteOptions {
            uid: Some(&observed.uid),
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

/// The deletion of a Job that no ledger knows.
pub struct DeleteIf<'a> {
    /// The Job's namespace.
    pub namespace: &'a str,
    /// The Job as it was read.
    pub job: &'a Observed,
    /// Whether the Job as it is now may be deleted, if it has changed since.
    pub may_go: &'a (dyn Fn(&Observed) -> bool + Sync),
    /// Whether this is a dry run.
    pub dry_run: bool,
}

/// Deletes a Job in the background, on the condition that it is the one that was read and may be
/// deleted as it is now. Returns false if it may not; that it is gone already is success.
///
/// # Errors
/// The cluster cannot be asked, or refuses.
pub async fn delete_if(connection: &Connection, deletion: DeleteIf<'_>) -> Result<bool, Error> {
    let DeleteIf { namespace, job, may_go, dry_run } = deletion;
    let path = job_path(namespace, &job.name);
    let mut current = job.clone();
    let mut attempt = 0;
    loop {
        attempt += 1;
        if current.uid != job.uid {
            return Ok(true);
        }
        if !may_go(&current) {
            return Ok(false);
        }
        let options = DeleteOptions {
            uid: Some(&current.uid),
            resource_version: Some(&current.resource_version),
            dry_run,
            ..DeleteOptions::default()
        };
        match connection.delete(&path, options).await {
            Err(error) if error.is_conflict() && attempt < ATTEMPTS => {}
            Err(error) if error.is_not_found() => return Ok(true),
            deleted => return deleted.map(|_| true),
        }
        current = match connection.get(&path).await {
            Ok(object) => Observed::from_object(&object),
            Err(error) if error.is_not_found() => return Ok(true),
            Err(error) => return Err(error),
        };
    }
}
