//! The actions: the one place that writes to members.
//!
//! Every change of a Job that exists is one PATCH under the uid and the resourceVersion that were
//! read, so that nobody overwrites what somebody else did meanwhile, were it a process that was
//! frozen for an hour.

pub(crate) mod change;
pub(crate) mod credit;
mod make;
mod remove;
mod stop;

use std::fmt;

use serde_json::Value;

use super::{Action, Answer, Members, Observations, job_path, observe::shard_id};
use crate::{
    cluster::{Connection, Error, fan_out},
    job::Observed,
    state::Record,
};

pub use credit::{Measure, Taken, Wanted, credit};
pub(super) use remove::retract;

/// How often a Job that keeps changing is read again before the rest is left to the next reconcile.
const ATTEMPTS: u32 = 12;

/// What is waited for then.
const CHANGING: &str = "its Job keeps changing";

/// Something that was done in a member, to be told to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The member.
    pub cluster: String,
    /// The name of the Job there.
    pub name: String,
    /// What happened to it: a past participle such as `created`.
    pub what: String,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job.batch/{} {} in cluster {}", self.name, self.what, self.cluster)
    }
}

/// A shard's Job in its member, as the actions address it.
struct Target<'a> {
    record: &'a Record,
    id: u32,
    /// The uid that the Job must have; none before it is made.
    uid: Option<&'a str>,
    connection: &'a Connection,
    path: String,
}

/// Asks by name for the Jobs of shards that a list did not have, and adds the answers to the
/// observations.
pub(crate) async fn confirm(
    record: &Record,
    shards: &[u32],
    members: &Members,
    observations: &mut Observations,
) {
    let ask = async |id: u32| {
        let path = job_path(record.namespace(), record.job_name(id));
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
        let (id, cluster) = (action.shard(), action.cluster(record).to_owned());
        let (answer, what) = match members.get(&cluster) {
            Ok(connection) => perform(record, &action, connection).await,
            Err(why) => (Answer::Unknown(why.to_owned()), None),
        };
        let name = record.job_name(id);
        let done = what.map(|what| Done { cluster: cluster.clone(), name: name.to_owned(), what });
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

/// What a member answered, and what was done there, if anything.
type Performed = (Answer, Option<String>);

async fn perform(record: &Record, action: &Action, connection: &Connection) -> Performed {
    let id = action.shard();
    let path = job_path(record.namespace(), record.job_name(id));
    let target = Target { record, id, uid: action.uid(), connection, path };
    match action {
        Action::Create { .. } => make::create(&target).await,
        Action::Assign { .. } => make::assign(&target).await,
        Action::Change { .. } => change::change(&target).await,
        Action::Credit { .. } => credit::take_off(&target).await,
        Action::WindDown { .. } => stop::wind_down(&target).await,
        Action::Retire { .. } => stop::retire(&target).await,
        Action::Fail { .. } => stop::fail(&target).await,
        Action::Delete { cascade, .. } => remove::delete(&target, *cascade).await,
    }
}

/// Reads a Job, decides what to write to it, and writes that on the condition that it is still as
/// it was read; again where somebody was faster.
///
/// `decide` gives the subresource (`""` or `"/status"`) and the patch, or none where nothing is to
/// be done. `what` is what was done then.
async fn update(
    target: &Target<'_>,
    what: &str,
    decide: impl Fn(&Observed) -> Option<(&'static str, Value)>,
) -> Performed {
    as_it_is(target, async |job| {
        let Some((subresource, patch)) = decide(job) else { return Ok(None) };
        let job = target.patch(subresource, patch, job).await?;
        Ok(Some((present(&job), Some(what.to_owned()))))
    })
    .await
}

/// Reads a Job and does something to it as it is; again where it has changed meanwhile. `act` gives
/// none where nothing is to be done.
async fn as_it_is(
    target: &Target<'_>,
    act: impl AsyncFn(&Observed) -> Result<Option<Performed>, Error>,
) -> Performed {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let job = match target.look().await {
            Answer::Job(job) => job,
            other => return (other, None),
        };
        // Somebody who has taken our labels off since has taken the Job over (G6).
        if shard_id(target.record, &job) != Some(target.id) {
            return (Answer::Job(job), None);
        }
        match act(&job).await {
            Ok(Some(performed)) => return performed,
            Ok(None) => return (Answer::Job(job), None),
            Err(error) if error.is_conflict() && attempt < ATTEMPTS => {}
            Err(error) if error.is_conflict() => {
                return (Answer::Waiting(job, CHANGING.to_owned()), None);
            }
            Err(error) if error.is_not_found() => return (Answer::Gone, None),
            Err(error) => return (failed(&error), None),
        }
    }
}

impl Action {
    /// The shard that it is about.
    pub fn shard(&self) -> u32 {
        match self {
            Self::Create { shard }
            | Self::Assign { shard, .. }
            | Self::Change { shard, .. }
            | Self::Credit { shard, .. }
            | Self::WindDown { shard, .. }
            | Self::Retire { shard, .. }
            | Self::Fail { shard, .. }
            | Self::Delete { shard, .. } => *shard,
        }
    }

    /// The uid that the shard's Job must have; none where it is to be made.
    pub fn uid(&self) -> Option<&str> {
        match self {
            Self::Create { .. } => None,
            Self::Assign { uid, .. }
            | Self::Change { uid, .. }
            | Self::Credit { uid, .. }
            | Self::WindDown { uid, .. }
            | Self::Retire { uid, .. }
            | Self::Fail { uid, .. }
            | Self::Delete { uid, .. } => Some(uid),
        }
    }

    /// The member that it is about.
    pub(crate) fn cluster<'a>(&'a self, record: &'a Record) -> &'a str {
        match self {
            Self::Delete { cluster, .. } => cluster,
            other => &record.shards[&other.shard()].cluster,
        }
    }
}

impl Target<'_> {
    /// The Job as it is, if it is this shard and has the uid that it must have.
    async fn look(&self) -> Answer {
        match look(self.record, self.id, self.connection, &self.path).await {
            Answer::Job(job) if self.uid.is_some_and(|uid| uid != job.uid) => Answer::Gone,
            answer => answer,
        }
    }

    /// Changes the Job, or a subresource of it, if it is still as it was read.
    async fn patch(
        &self,
        subresource: &str,
        mut patch: Value,
        read: &Observed,
    ) -> Result<Value, Error> {
        patch["metadata"]["uid"] = read.uid.as_str().into();
        patch["metadata"]["resourceVersion"] = read.resource_version.as_str().into();
        self.connection.patch(&format!("{}{subresource}", self.path), &patch).await
    }
}

/// The Job under a shard's name, if it is that shard: it has the uid that the ledger knows, or, for
/// one that the ledger does not know yet, its labels.
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
        observed if job["kind"] == "Job" && !observed.uid.is_empty() => {
            Answer::Job(Box::new(observed))
        }
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
