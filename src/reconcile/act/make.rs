//! The Job of a shard is created, and one of an Indexed Job is told which indexes belong to others.

use serde_json::Value;

use super::{
    bodies,
    change::lacks_indexes,
    target::{Performed, Target, answer_of, answer_of_error},
    wait::wait_for_first_look,
};
use crate::{
    cluster::{Connection, Error, FieldValidation, WriteOptions},
    job::{Observed, Ownership, gang, queue},
    reconcile::{
        observe::{Answer, Created, QueueAnswer},
        paths::jobs_path,
    },
};

/// Asks a cluster, by a dry run, whether it decides when the Job of a new shard runs.
///
/// # Errors
/// The cluster refuses the Job, or would run it in a way that a shard must not be run.
pub(crate) async fn ask_queue(
    connection: &Connection,
    namespace: &str,
    job: &Value,
    field_validation: FieldValidation,
) -> Result<QueueAnswer, Error> {
    let options = WriteOptions { dry_run: true, field_validation };
    let question = queue::question(job.clone());
    let answer = connection.create(&jobs_path(namespace), &question, options).await?;
    let invalid = |why: &str| {
        let name = job["metadata"]["name"].as_str().unwrap_or_default();
        let message = format!("jobs.batch {name:?} is invalid: {why}");
        Error::refusal(connection.name(), 422, "Invalid", message)
    };
    if let Some(why) = queue::unfit(&answer) {
        return Err(invalid(&why));
    }
    let queue = queue::queue_in_answer(&answer);
    if let Some(why) = gang::unfit(job, &answer, queue.is_some()) {
        return Err(invalid(why));
    }
    Ok(QueueAnswer { queue })
}

/// The Job of a new shard as it is to be POSTed to a cluster that has given this answer: held, if
/// the cluster decides when it runs.
pub(crate) fn prepared(job: Value, answer: &QueueAnswer) -> Value {
    match &answer.queue {
        Some(queue) => bodies::held(job, queue),
        None => job,
    }
}

/// POSTs a shard's Job. `answer` is what its cluster has answered about it in this command; none
/// where it was not asked.
///
/// Where the name is taken, the Job there is read: it may be this very shard,
/// created by a process that was killed before it could record that.
///
/// The second value names what the server changed of the Job, in either direction.
pub(super) async fn create(
    target: &Target<'_>,
    answer: Option<QueueAnswer>,
) -> (Performed, Option<Vec<String>>) {
    let Target { record, id, connection, .. } = target;
    let namespace = record.namespace();
    let job = bodies::creation(record, *id);
    let jobs = jobs_path(namespace);
    let field_validation = record.state.field_validation.of_writes();
    let post = async || {
        let answer = match &answer {
            Some(answer) => answer.clone(),
            None => ask_queue(connection, namespace, &job, field_validation).await?,
        };
        let job = prepared(job.clone(), &answer);
        let options = WriteOptions { dry_run: false, field_validation };
        let stored = connection.create(&jobs, &job, options).await?;
        Ok((job, stored))
    };
    let mut created = post().await;
    if record.state.create_namespace && created.as_ref().is_err_and(Error::is_not_found) {
        created = match connection.ensure_namespace(namespace).await {
            Ok(()) => post().await,
            Err(error) => Err(error),
        };
    }
    match created {
        Ok((sent, stored)) => {
            let altered = target.altered(&sent, &stored);
            if let Some(created) = Created::of(&stored) {
                // It is created once.
                let _ = target.created.set(created);
            }
            ((answer_of(&stored), Some("created".to_owned())), Some(altered))
        }
        Err(error) if error.is_already_exists() => match target.read().await {
            Answer::Gone => ((name_taken(target).await, None), None),
            found => ((found, None), None),
        },
        Err(error) => ((answer_of_error(&error), None), None),
    }
}

/// The answer where the name is taken by a Job that is not this shard's. Its labels say whose it
/// is.
async fn name_taken(target: &Target<'_>) -> Answer {
    let Target { record, connection, path, .. } = target;
    let owner = match connection.get(path).await {
        Ok(job) => Observed::from_object(&job).owner,
        Err(error) => return answer_of_error(&error),
    };
    let whose = match owner {
        None => "is not part of this federated job".to_owned(),
        Some(owner) if owner.federation != record.federation => {
            "belongs to another federation".to_owned()
        }
        Some(owner) if owner.job != record.state.uid => {
            "is a shard of another federated job".to_owned()
        }
        Some(Ownership { shard, .. }) => {
            let is_known = shard.parse().is_ok_and(|id: u32| record.shards.contains_key(&id));
            let lacking =
                if is_known { "" } else { ", which the record lacks: job recover adds it" };
            format!("is shard {shard} of this federated job{lacking}")
        }
    };
    let (name, namespace) = (record.job_name(target.id), record.namespace());
    Answer::NameTaken(format!(
        "jobs.batch {name:?} in namespace {namespace:?} exists already and {whose}"
    ))
}

/// Credits every index that is not the shard's own. The Job is suspended and has run nothing, so no
/// pod has to be considered.
pub(super) async fn assign(target: &Target<'_>) -> Performed {
    let shard = &target.record.shards[&target.id];
    if let Some(unseen) = wait_for_first_look(target).await {
        return unseen;
    }
    target
        .act_on_current(async |job| {
            if job.credited.is_some() || !job.has_run_nothing() {
                return Ok(None);
            }
            if let Some(why) = shard.indexes.as_ref().and_then(|own| lacks_indexes(own, job)) {
                return Ok(Some((Answer::Refused(why), None)));
            }
            let assignment = bodies::assignment(target.record, target.id, job, target.now());
            let stored = target.patch("/status", assignment, job).await?;
            Ok(Some((answer_of(&stored), Some("assigned its indexes".to_owned()))))
        })
        .await
}
