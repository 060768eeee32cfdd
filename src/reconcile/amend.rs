//! From a record and a new manifest to what each member is to do from now on; and what that would come to.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    Action, Answer, Done, Members, Observations, Settled, Unplannable, act, propose, settle::Ground,
    settle_on,
};
use crate::{
    job::{Leeway, Manifest, Observed, immutable},
    state::{Error, Phase, Record, Registry},
};

/// Why a federated Job cannot be changed as asked.
#[derive(Debug, thiserror::Error)]
pub enum Unamendable {
    /// The outcome is latched.
    #[error("it has finished, and a finished job cannot be changed")]
    Finished,
    /// Its deletion together with its shards was asked for.
    #[error("it is being deleted, and cannot be changed any more")]
    Deleting,
    /// A field differs that may not.
    #[error("{path}: field is immutable")]
    Immutable {
        /// The field, such as `spec.template`.
        path: String,
    },
    /// The members have no place for all of it.
    #[error(transparent)]
    Plan(#[from] Unplannable),
}

/// The record with a new manifest, and with what each shard is to do from now on. It is not written yet.
///
/// `recreate` says that what belongs to the shards may change, because they are to be made anew.
///
/// # Errors
/// [`Unamendable`]; the message begins with the field, where one is at fault.
pub fn amend(
    record: &Record,
    registry: &Registry,
    manifest: Manifest,
    recreate: bool,
    now: Timestamp,
) -> Result<Record, Unamendable> {
    if record.state.deleting.is_some() {
        return Err(Unamendable::Deleting);
    }
    if record.state.outcome.is_some() {
        return Err(Unamendable::Finished);
    }
    let leeway = match recreate {
        true => Leeway::Recreated,
        false if record.manifest.suspended() && never_started(record) => Leeway::Scheduling,
        false => Leeway::None,
    };
    if let Some(path) = immutable(&record.manifest, &manifest, leeway) {
        return Err(Unamendable::Immutable { path });
    }
    let planned = propose(registry, manifest, now)?;
    let parallelism: BTreeMap<_, _> =
        planned.shards.values().map(|shard| (shard.cluster.as_str(), shard.parallelism)).collect();
    let mut amended = record.clone();
    amended.manifest = planned.manifest.clone();
    for shard in amended.shards.values_mut() {
        if let Some(parallelism) = parallelism.get(shard.cluster.as_str()) {
            shard.parallelism = *parallelism;
        }
    }
    Ok(amended)
}

fn never_started(record: &Record) -> bool {
    record.shards.values().all(|shard| {
        shard.phase < Phase::Started && shard.seen.as_ref().is_none_or(|seen| seen.start.is_none())
    })
}

/// What settling a record would do in the members, in order, with nothing written anywhere. What a member would refuse is not
/// foreseen, and nothing is foreseen of one that is not known.
pub async fn forecast(
    record: &Record,
    _: &Registry,
    observations: Observations,
    members: &Members,
    now: Timestamp,
) -> Vec<Done> {
    let settled = settle_on(&Imagined { members }, record.clone(), observations, || now).await;
    settled.map_or_else(|_| Vec::new(), |Settled { done, .. }| done)
}

/// A host that takes every write, and members that do what is asked: they are read, and nothing is written to them.
struct Imagined<'a> {
    members: &'a Members,
}

impl Ground for Imagined<'_> {
    async fn replace(&self, record: &Record) -> Result<Record, Error> {
        Ok(record.clone())
    }

    async fn remove(&self, _: &Record) -> Result<(), Error> {
        Ok(())
    }

    async fn read(&self, record: &Record) -> Result<Record, Error> {
        Ok(record.clone())
    }

    async fn confirm(&self, record: &Record, shards: &[u32], observations: &mut Observations) {
        act::confirm(record, shards, self.members, observations).await;
    }

    async fn act(&self, record: &Record, actions: Vec<Action>, observations: &mut Observations) -> Vec<Done> {
        actions.into_iter().map(|action| imagine(record, action, observations)).collect()
    }

    async fn retract(&self, _: &Record, _: &Observations) -> Vec<Done> {
        Vec::new()
    }
}

/// Takes an action in the observations alone.
fn imagine(record: &Record, action: Action, observations: &mut Observations) -> Done {
    let of = |shard: u32| record.shards[&shard].cluster.clone();
    let (id, cluster, what, answer) = match action {
        Action::Create { shard } => {
            (shard, of(shard), "created", Answer::Job(made(record, shard, "imagined", true)))
        }
        Action::Start { shard, uid } => {
            (shard, of(shard), "started", Answer::Job(made(record, shard, &uid, false)))
        }
        Action::Delete { shard, cluster, .. } => (shard, cluster, "deleted", Answer::Gone),
    };
    observations.take(&cluster, id, answer);
    Done { cluster, what: what.into() }
}

fn made(record: &Record, id: u32, uid: &str, suspended: bool) -> Box<Observed> {
    Box::new(Observed {
        name: record.name().to_owned(),
        uid: uid.to_owned(),
        owner: Some(record.ownership(id)),
        deleting: false,
        suspended,
        active: 0,
        ready: 0,
        terminating: 0,
        succeeded: 0,
        failed: 0,
        start: None,
        end: None,
    })
}
