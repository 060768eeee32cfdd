//! The actions: the one place that writes to members.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Action, Members, Observation, Observations, job_path, jobs_path, observe::shard_id};
use crate::{
    cluster::{Connection, DeleteOptions, Error, Patch, Propagation, WriteOptions, fan_out},
    job::{Observed, shard},
    state::{Cascade, Record},
};

/// Something that was done in a member, to be told to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The member.
    pub cluster: String,
    /// What happened to the Job there: `created`, `started` or `deleted`.
    pub what: &'static str,
}

/// What a member answered to one action or question.
enum Answer {
    /// The Job as it is now, and what was done to it, if anything.
    Job(Box<Observed>, Option<&'static str>),
    /// There is no such Job, and whether it was this action that removed it.
    Gone { deleted: bool },
    /// The member refused, or the name is taken by a Job that is not ours.
    Refused(String),
    /// No usable answer: whether it happened is not known.
    Unknown(String),
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
        take(observations, &cluster, id, answer);
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
        let answer = match members.get(&cluster) {
            Ok(connection) => perform(record, &action, connection).await,
            Err(why) => Answer::Unknown(why.to_owned()),
        };
        let what = match &answer {
            Answer::Job(_, what) => *what,
            Answer::Gone { deleted: true } => Some("deleted"),
            Answer::Gone { deleted: false } | Answer::Refused(_) | Answer::Unknown(_) => None,
        };
        let done = what.map(|what| Done { cluster: cluster.clone(), what });
        if let Some(done) = &done {
            on_done(done);
        }
        (cluster, id, answer, done)
    };
    let mut all = Vec::new();
    for (cluster, id, answer, done) in fan_out(actions, take_action).await {
        all.extend(done);
        take(observations, &cluster, id, answer);
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

async fn perform(record: &Record, action: &Action, connection: &Connection) -> Answer {
    let path = job_path(record.namespace(), record.name());
    match action {
        Action::Create { shard } => create(record, *shard, connection, &path).await,
        Action::Start { shard, uid } => start(record, *shard, uid, connection, &path).await,
        Action::Delete { uid, cascade, .. } => delete(uid, *cascade, connection, &path).await,
    }
}

/// POSTs a shard's Job. A name that is taken is looked at: it may be this very shard, made by a run that
/// was killed before it could say so.
async fn create(record: &Record, id: u32, connection: &Connection, path: &str) -> Answer {
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
        Ok(job) => seen(&job, Some("created")),
        Err(error) if error.is_already_exists() => match look(record, id, connection, path).await {
            Answer::Gone { .. } => Answer::Refused(error.to_string()),
            found => found,
        },
        Err(error) => failed(&error),
    }
}

/// Resumes a Job on the condition that it is the one whose uid the ledger knows.
async fn start(record: &Record, id: u32, uid: &str, connection: &Connection, path: &str) -> Answer {
    let patch = json!({ "metadata": { "uid": uid }, "spec": { "suspend": false } });
    match connection.patch(path, Patch::Merge, &patch, WriteOptions::default()).await {
        Ok(job) if job["spec"]["suspend"] == true => {
            Answer::Refused("the job was resumed, and its cluster keeps it suspended".to_owned())
        }
        Ok(job) => seen(&job, Some("started")),
        Err(error) if error.is_not_found() => Answer::Gone { deleted: false },
        Err(error) if error.is_conflict() => match look(record, id, connection, path).await {
            Answer::Job(job, _) if job.uid == uid && job.suspended => Answer::Refused(error.to_string()),
            found => found,
        },
        Err(error) => failed(&error),
    }
}

/// Deletes a Job on the condition that it has this uid. A conflict means that another one has its name
/// now, and so that this one is gone; but only a look says so for sure.
async fn delete(uid: &str, cascade: Cascade, connection: &Connection, path: &str) -> Answer {
    let propagation = match cascade {
        Cascade::Background => Propagation::Background,
        Cascade::Foreground => Propagation::Foreground,
    };
    let options = DeleteOptions { propagation, uid: Some(uid), ..DeleteOptions::default() };
    match connection.delete(path, options).await {
        Ok(answer) if answer["kind"] == "Job" => seen(&answer, None),
        Ok(answer) if answer["kind"] == "Status" => Answer::Gone { deleted: true },
        Ok(_) => no_answer(),
        Err(error) if error.is_not_found() => Answer::Gone { deleted: false },
        Err(error) if error.is_conflict() => match connection.get(path).await {
            Ok(job) if job["metadata"]["uid"] == uid => Answer::Refused(error.to_string()),
            Ok(job) => match seen(&job, None) {
                Answer::Job(..) => Answer::Gone { deleted: false },
                other => other,
            },
            Err(error) if error.is_not_found() => Answer::Gone { deleted: false },
            Err(error) => failed(&error),
        },
        Err(error) => failed(&error),
    }
}

/// The Job under a shard's name, if it is that shard.
async fn look(record: &Record, id: u32, connection: &Connection, path: &str) -> Answer {
    match connection.get(path).await {
        Ok(job) if job["kind"] != "Job" => no_answer(),
        Ok(job) => {
            let job = Observed::of(&job);
            if shard_id(record, &job) == Some(id) {
                Answer::Job(Box::new(job), None)
            } else if record.shards[&id].uid.is_some() {
                Answer::Gone { deleted: false }
            } else {
                Answer::Refused(format!(
                    "jobs.batch {:?} in namespace {:?} exists already and is not part of this federated job",
                    record.name(),
                    record.namespace()
                ))
            }
        }
        Err(error) if error.is_not_found() => Answer::Gone { deleted: false },
        Err(error) => failed(&error),
    }
}

/// The Job that a server answered with, if it is one: a proxy may answer with anything.
fn seen(job: &Value, what: Option<&'static str>) -> Answer {
    match Observed::of(job) {
        observed if job["kind"] == "Job" && !observed.uid.is_empty() => Answer::Job(Box::new(observed), what),
        _ => no_answer(),
    }
}

fn no_answer() -> Answer {
    Answer::Unknown("the answer is not a Job".to_owned())
}

fn failed(error: &Error) -> Answer {
    if error.is_unreachable() {
        Answer::Unknown(error.to_string())
    } else {
        Answer::Refused(error.to_string())
    }
}

fn take(observations: &mut Observations, cluster: &str, id: u32, answer: Answer) {
    let observation =
        observations.members.entry(cluster.to_owned()).or_insert_with(|| Observation::known(BTreeMap::new()));
    if let Answer::Unknown(why) = answer {
        *observation = Observation::Unknown { why };
        return;
    }
    let Observation::Known { jobs, absent, refused } = observation else { return };
    match answer {
        Answer::Job(job, _) => {
            absent.remove(&id);
            jobs.insert(id, *job);
        }
        Answer::Gone { .. } => {
            jobs.remove(&id);
            absent.insert(id);
        }
        Answer::Refused(why) => {
            refused.insert(id, why);
        }
        Answer::Unknown(_) => {}
    }
}
