//! The rehearsal: every member is asked whether it would take its shard, before anything is
//! written.

use std::collections::{BTreeMap, BTreeSet};

use kube::core::{Status, response::StatusSummary};

use crate::{
    cluster::{Connection, DeleteOptions, Error, WriteOptions, fan_out},
    job::{dropped, shard},
    reconcile::{Members, job_path, jobs_path},
    state::Record,
};

/// A namespace that every cluster has.
const EVERYWHERE: &str = "default";

/// A member that would not take its shard, or not let go of it.
#[derive(Debug)]
pub struct Refusal {
    /// The member.
    pub cluster: String,
    /// What it said.
    pub error: Error,
}

/// What the members said to a rehearsal.
#[derive(Debug, Default)]
pub struct Preflight {
    /// Those that would not take their shards.
    pub refusals: Vec<Refusal>,
    /// What the servers of others would not keep of the Job, without refusing it: the clusters by
    /// the fields' paths.
    pub dropped: BTreeMap<String, BTreeSet<String>>,
}

/// Sends each reachable member its shard as a server dry run with strict field validation: an
/// invalid Job, an unknown field, a name that is taken, a missing namespace or right shows here, in
/// the server's words.
///
/// A member that cannot be reached refuses nothing: its shard waits for it. One that took all its
/// time is lost for this command, so that it is not waited for again. One whose context, credential
/// or certificate is wrong refuses: nothing would come of waiting.
pub async fn preflight(record: &Record, members: &mut Members) -> Preflight {
    let ask = async |(id, cluster): (u32, String)| {
        let answer = match (members.lasting_error(&cluster), members.of_shard(&record.shards[&id]))
        {
            (Some(error), _) => Err(error.clone()),
            (None, Ok(connection)) => match try_create(record, id, connection).await {
                Ok(dropped) => may_assign(record, connection).await.map(|()| dropped),
                Err(error) => Err(error),
            },
            (None, Err(_)) => Ok(Vec::new()),
        };
        (cluster, answer)
    };
    let shards = record.shards.iter().map(|(id, shard)| (*id, shard.cluster.clone()));
    let mut rehearsal = Preflight::default();
    for (cluster, answer) in fan_out(shards, ask).await {
        match answer {
            Ok(dropped) => {
                for path in dropped {
                    rehearsal.dropped.entry(path).or_default().insert(cluster.clone());
                }
            }
            Err(error) if error.is_unreachable() && !error.is_distrusted() => {
                if error.is_timeout() {
                    members.give_up(&cluster, error.to_string());
                }
            }
            Err(error) => rehearsal.refusals.push(Refusal { cluster, error }),
        }
    }
    rehearsal
}

/// Sends each reachable member the deletion of its shard as a server dry run. A shard that is gone,
/// or whose Job is another one by now, has nothing to be deleted.
pub async fn preflight_deletion(record: &Record, members: &Members) -> Vec<Refusal> {
    let ask = async |(id, cluster, uid): (u32, String, String)| {
        let path = job_path(record.namespace(), record.job_name(id));
        let error = match (members.lasting_error(&cluster), members.of_shard(&record.shards[&id])) {
            (Some(error), _) => Some(error.clone()),
            (None, Ok(connection)) => {
                let options =
                    DeleteOptions { uid: Some(&uid), dry_run: true, ..DeleteOptions::default() };
                connection.delete(&path, options).await.err()
            }
            (None, Err(_)) => None,
        };
        let error = error.filter(|error| {
            !(error.is_not_found() || error.is_conflict() || error.is_unreachable())
        })?;
        Some(Refusal { cluster, error })
    };
    let made = record
        .shards
        .iter()
        .filter_map(|(id, shard)| Some((*id, shard.cluster.clone(), shard.uid.clone()?)));
    fan_out(made, ask).await.into_iter().flatten().collect()
}

/// Of an Indexed Job that is divided each member must be told which indexes are not its own, by its
/// Job's status.
async fn may_assign(record: &Record, connection: &Connection) -> Result<(), Error> {
    let namespace = record.namespace();
    if !record.manifest.indexed()
        || record.shards.len() < 2
        || connection.allowed("patch", "batch", "jobs", "status", namespace).await?
    {
        return Ok(());
    }
    let message = format!(
        "jobs.batch {:?} is forbidden: an Indexed job over several clusters needs the right to patch resource \
         \"jobs/status\" in API group \"batch\" in the namespace {namespace:?}",
        record.name()
    );
    Err(refusal(connection, 403, "Forbidden", message))
}

/// A refusal of our own, for what a server would learn too late.
fn refusal(connection: &Connection, code: u16, reason: &str, message: String) -> Error {
    let status = Status {
        status: Some(StatusSummary::Failure),
        code,
        message,
        reason: reason.to_owned(),
        ..Status::default()
    };
    Error::Status { cluster: connection.name().to_owned(), status: Box::new(status) }
}

/// Where the namespace is missing and is to be made, a server refuses to look at the Job: making
/// the namespace is rehearsed, and the Job itself in another one. Gives the fields that would not
/// be kept.
async fn try_create(
    record: &Record,
    id: u32,
    connection: &Connection,
) -> Result<Vec<String>, Error> {
    match try_create_in(record.namespace(), record, id, connection).await {
        Err(error) if error.is_not_found() && record.state.create_namespace => {
            connection.try_namespace(record.namespace()).await?;
            match try_create_in(EVERYWHERE, record, id, connection).await {
                Err(error) if error.is_forbidden() || error.is_already_exists() => Ok(Vec::new()),
                other => other,
            }
        }
        other => other,
    }
}

async fn try_create_in(
    namespace: &str,
    record: &Record,
    id: u32,
    connection: &Connection,
) -> Result<Vec<String>, Error> {
    let options = WriteOptions { dry_run: true, strict: true };
    let mut job =
        shard(&record.manifest, record.job_name(id), &record.spec(id), &record.ownership(id));
    job["metadata"]["namespace"] = namespace.into();
    let sent = job.clone();
    // What the shards are not given is judged here alone.
    let asked = &record.manifest.object()["spec"];
    for held_back in ["ttlSecondsAfterFinished", "successPolicy"] {
        if let Some(value) = asked.get(held_back) {
            job["spec"][held_back] = value.clone();
        }
    }
    let stored = connection.create(&jobs_path(namespace), &job, options).await?;
    // A server that does not know these would run the Job at once, or run each index everywhere.
    let lacks = ["suspend", "completionMode"].into_iter().find(|field| {
        let asked = &sent["spec"][field];
        !asked.is_null() && stored["spec"][field] != *asked
    });
    match lacks {
        None => Ok(dropped(&sent, &stored)),
        Some(field) => {
            let message = format!(
                "jobs.batch {:?} is invalid: spec.{field}: this server does not keep it",
                record.name()
            );
            Err(refusal(connection, 422, "Invalid", message))
        }
    }
}
