//! A shard comes to be: its Job is made, and of an Indexed one told which indexes are not its own.

use super::{Performed, Target, credit::patch, failed, present, update};
use crate::{
    cluster::{Error, WriteOptions},
    job::{Indexes, Observed, credit::Credit, shard},
    reconcile::{Answer, jobs_path},
};

/// POSTs a shard's Job. A name that is taken is looked at: it may be this very shard, made by a run
/// that was killed before it could say so.
pub(super) async fn create(target: &Target<'_>) -> Performed {
    let Target { record, id, connection, .. } = target;
    let (name, namespace) = (record.job_name(*id), record.namespace());
    let job = shard(&record.manifest, name, &record.spec(*id), &record.ownership(*id));
    let jobs = jobs_path(namespace);
    let post = || connection.create(&jobs, &job, WriteOptions::default());
    let mut answer = post().await;
    if record.state.create_namespace && answer.as_ref().is_err_and(Error::is_not_found) {
        answer = match connection.ensure_namespace(namespace).await {
            Ok(()) => post().await,
            Err(error) => Err(error),
        };
    }
    match answer {
        Ok(job) => (present(&job), Some("created".to_owned())),
        Err(error) if error.is_already_exists() => match target.look().await {
            Answer::Gone => (
                Answer::Refused(format!(
                    "jobs.batch {name:?} in namespace {namespace:?} exists already and is not part of this federated job"
                )),
                None,
            ),
            found => (found, None),
        },
        Err(error) => (failed(&error), None),
    }
}

/// Credits every index that is not the shard's own. Its Job is suspended and has run nothing, so
/// that there is no pod to think of.
pub(super) async fn assign(target: &Target<'_>) -> Performed {
    let own = target.record.shards[&target.id].indexes.clone().unwrap_or_default();
    update(target, "assigned its indexes", |job: &Observed| {
        if job.credited.is_some() || !job.has_run_nothing() {
            return None;
        }
        let others = Indexes::all(job.completions.unwrap_or(0)).without(&own);
        Some(("/status", patch(job, &Credit::Indexes(others))))
    })
    .await
}
