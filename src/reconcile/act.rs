//! The actions: the one place that writes to members.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::{Action, Answer, Members, Observations, job_path, jobs_path, observe::shard_id};
use crate::{
    cluster::{Connection, DeleteOptions, Error, Propagation, WriteOptions, fan_out},
    job::{Observed, shard},
    state::{Cascade, Record},
};

/// How often a Job that keeps changing is looked at again before it is left where it is. The Job controller
/// changes a new one once, to say that it is suspended.
const RETRACTIONS: u32 = 3;

/// Something that was done in a member, to be told to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The member.
    pub cluster: String,
    /// What happened to the Job there, such as `created`, `started` or `deleted`.
    pub what: Cow<'static, str>,
}

/// Asks by name for the Jobs of shards that a list did not have, and adds the answers to the observations.
pub(super) async fn confirm(
    record: &Record,
    shards: &[u32],
    members: &Members,
    observations: &mut Observations,
) {
    let path = job_path(record.namespace(), record.name());
    let ask = async |id: u32| {
        let cluster = record.shards[&id].cluster.clone();
        let answer = match members.get(&cluster) {
            Ok(connection) => look(record, id, connection, &path).await,
            Err(why) => Answer::Unknown(why.to_owned()),
        };
        (cluster, id, answer)
    };
    for (cluster, id, answer) in fan_out(shards.iter().copied(), ask).await {
        observations.take(&cluster, id, answer);
    }
}

/// Takes the actions, all members side by side; what they answer is added to the observations.
///
/// The record must have been written before (G3). `on_done` is told of each as it is done.
pub(super) async fn act(
    record: &Record,
    actions: Vec<Action>,
    members: &Members,
    observations: &mut Observations,
    on_done: &(dyn Fn(&Done) + Sync),
) -> Vec<Done> {
    let take_action = async |action: Action| {
        let (id, cluster) = place(record, &action);
        let (answer, what) = match members.get(&cluster) {
            Ok(connection) => perform(record, &action, connection).await,
            Err(why) => (Answer::Unknown(why.to_owned()), None),
        };
        let done = what.map(|what| Done { cluster: cluster.clone(), what: what.into() });
        if let Some(done) = &done {
            on_done(done);
        }
        (cluster, id, answer, done)
    };
    let mut all = Vec::new();
    for (cluster, id, answer, done) in fan_out(actions, take_action).await {
        all.extend(done);
        observations.take(&cluster, id, answer);
    }
    all
}

fn place(record: &Record, action: &Action) -> (u32, String) {
    match action {
        Action::Create { shard } | Action::Start { shard, .. } => {
            (*shard, record.shards[shard].cluster.clone())
        }
        Action::Delete { shard, cluster, .. } => (*shard, cluster.clone()),
    }
}

/// What a member answered, and what was done there, if anything.
type Performed = (Answer, Option<&'static str>);

async fn perform(record: &Record, action: &Action, connection: &Connection) -> Performed {
    let path = job_path(record.namespace(), record.name());
    match action {
        Action::Create { shard } => create(record, *shard, connection, &path).await,
        Action::Start { shard, uid } => start(record, *shard, uid, connection, &path).await,
        Action::Delete { shard, uid, cascade, .. } => {
            delete(record, *shard, uid, *cascade, connection, &path).await
        }
    }
}

/// POSTs a shard's Job. A name that is taken is looked at: it may be this very shard, made by a run that
/// was killed before it could say so.
async fn create(record: &Record, id: u32, connection: &Connection, path: &str) -> Performed {
    let job = shard(&record.manifest, record.name(), record.shards[&id].share(), &record.ownership(id));
    let jobs = jobs_path(record.namespace());
    let post = || connection.create(&jobs, &job, WriteOptions::default());
    let mut answer = post().await;
    if record.state.create_namespace && answer.as_ref().is_err_and(Error::is_not_found) {
        answer = match connection.ensure_namespace(record.namespace()).await {
            Ok(()) => post().await,
            Err(error) => Err(error),
        };
    }
    match answer {
        Ok(job) => (present(&job), Some("created")),
        Err(error) if error.is_already_exists() => match look(record, id, connection, path).await {
            Answer::Gone => (
                Answer::Refused(format!(
                    "jobs.batch {:?} in namespace {:?} exists already and is not part of this federated job",
                    record.name(),
                    record.namespace()
                )),
                None,
            ),
            found => (found, None),
        },
        Err(error) => (failed(&error), None),
    }
}

/// Resumes a Job on the condition that it is the one whose uid the ledger knows.
async fn start(record: &Record, id: u32, uid: &str, connection: &Connection, path: &str) -> Performed {
    let patch = json!({ "metadata": { "uid": uid }, "spec": { "suspend": false } });
    match connection.patch(path, &patch).await {
        Ok(job) if job["spec"]["suspend"] == true => {
            (Answer::Refused("the job was resumed, and its cluster keeps it suspended".to_owned()), None)
        }
        Ok(job) => (present(&job), Some("started")),
        Err(error) if error.is_not_found() => (Answer::Gone, None),
        // That is how a server says that the uid is another one (422: the field is immutable).
        Err(error) if error.is_conflict() || error.is_invalid() => {
            (replaced(record, id, uid, connection, path, &error).await, None)
        }
        Err(error) => (failed(&error), None),
    }
}

/// Deletes a Job on the condition that it has this uid.
async fn delete(
    record: &Record,
    id: u32,
    uid: &str,
    cascade: Cascade,
    connection: &Connection,
    path: &str,
) -> Performed {
    let propagation = match cascade {
        Cascade::Background => Propagation::Background,
        Cascade::Foreground => Propagation::Foreground,
    };
    let options = DeleteOptions { propagation, uid: Some(uid), ..DeleteOptions::default() };
    match connection.delete(path, options).await {
        Ok(status) if status["kind"] == "Status" => (Answer::Gone, Some("deleted")),
        Ok(job) => (present(&job), None),
        Err(error) if error.is_not_found() => (Answer::Gone, None),
        Err(error) if error.is_conflict() => {
            (replaced(record, id, uid, connection, path, &error).await, None)
        }
        Err(error) => (failed(&error), None),
    }
}

/// Deletes the Jobs that were seen of shards whose uid this record never knew, because the record is gone and
/// nobody would ever start them. Only one that has run nothing goes: somebody else may have
/// started it before the record was removed.
pub(super) async fn retract(record: &Record, members: &Members, observations: &Observations) -> Vec<Done> {
    let path = job_path(record.namespace(), record.name());
    let unknown = |id: &u32| record.shards.get(id).is_some_and(|shard| shard.uid.is_none());
    let made = observations.jobs().filter(|(_, id, _)| unknown(id));
    let take_back = async |(cluster, id, _): (&str, u32, &Observed)| {
        let gone = match members.get(cluster) {
            Ok(connection) => delete_unstarted(record, id, connection, &path).await,
            Err(_) => false,
        };
        gone.then(|| Done { cluster: cluster.to_owned(), what: "deleted".into() })
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

/// What is there instead of a Job that a server says is another one. If it is the same after all, the server
/// has refused.
async fn replaced(
    record: &Record,
    id: u32,
    uid: &str,
    connection: &Connection,
    path: &str,
    error: &Error,
) -> Answer {
    match look(record, id, connection, path).await {
        Answer::Job(job) if job.uid == uid => Answer::Refused(error.to_string()),
        other => other,
    }
}

/// The Job under a shard's name, if it is that shard: it has the uid that the ledger knows, or, for one that
/// the ledger does not know yet, its labels.
async fn look(record: &Record, id: u32, connection: &Connection, path: &str) -> Answer {
    match connection.get(path).await {
        Ok(object) => match present(&object) {
            Answer::Job(job) => {
                let uid = record.shards.get(&id).and_then(|shard| shard.uid.as_ref());
                let ours = uid == Some(&job.uid) || shard_id(record, &job) == Some(id);
                if ours { Answer::Job(job) } else { Answer::Gone }
            }
            other => other,
        },
        Err(error) if error.is_not_found() => Answer::Gone,
        Err(error) => failed(&error),
    }
}

/// The Job that a server answered with, if it is one: a proxy may answer with anything.
fn present(job: &Value) -> Answer {
    match Observed::of(job) {
        observed if job["kind"] == "Job" && !observed.uid.is_empty() => Answer::Job(Box::new(observed)),
        _ => Answer::Unknown("the answer is not a Job".to_owned()),
    }
}

fn failed(error: &Error) -> Answer {
    if error.is_unreachable() {
        Answer::Unknown(error.to_string())
    } else {
        Answer::Refused(error.to_string())
    }
}
