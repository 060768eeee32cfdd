//! The Job of a shard is created, and one of an Indexed Job is told which indexes belong to others.

use super::{
    credit::patch,
    target::{Performed, Target, answer_of, answer_of_error},
};
use crate::{
    cluster::{Error, WriteOptions},
    job::{Indexes, Observed, credit::Credit, shard},
    reconcile::{observe::Answer, paths::jobs_path},
};

/// POSTs a shard's Job. Where the name is taken, the Job there is read: it may be this very shard,
/// created by a process that was killed before it could record that.
pub(super) async fn create(target: &Target<'_>) -> Performed {
    let Target { record, id, connection, .. } = target;
    let (name, namespace) = (record.job_name(*id), record.namespace());
    let job = shard(&record.manifest, name, &record.spec(*id), &record.ownership(*id));
    let jobs = jobs_path(namespace);
    let post = || connection.create(&jobs, &job, WriteOptions::default());
    let mut created = post().await;
    if record.state.create_namespace && created.as_ref().is_err_and(Error::is_not_found) {
        created = match connection.ensure_namespace(namespace).await {
            Ok(()) => post().await,
            Err(error) => Err(error),
        };
    }
    match created {
        Ok(job) => (answer_of(&job), Some("created".to_owned())),
        Err(error) if error.is_already_exists() => match target.read().await {
            Answer::Gone => (
                Answer::Refused(format!(
                    "jobs.batch {name:?} in namespace {namespace:?} exists already and is not part \
                     of this federated job"
                )),
                None,
            ),
            found => (found, None),
        },
        Err(error) => (answer_of_error(&error), None),
    }
}

/// Credits every index that is not the shard's own. The Job is suspended and has run nothing, so no
/// pod has to be considered.
pub(super) async fn assign(target: &Target<'_>) -> Performed {
    let own = target.record.shards[&target.id].indexes.clone().unwrap_or_default();
    target
        .update("assigned its indexes", |job: &Observed| {
            if job.credited.is_some() || !job.has_run_nothing() {
                return None;
            }
            let others = Indexes::all(job.completions.unwrap_or(0)).without(&own);
            Some(("/status", patch(job, &Credit::Indexes(others))))
        })
        .await
}
