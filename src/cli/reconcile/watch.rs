//! `kubectl federate reconcile --watch`.

use std::{collections::BTreeMap, time::Duration};

use super::{Reconcile, Session};
use crate::{
    cli::{
        job::{self, name_the_unplaced, none_found, not_found, report},
        rounds::{About, Key, Rounds, View, interruptible, key},
    },
    error::{Error, Result},
    reconcile::{Done, Idle, Observations, Status, run},
    state::Record,
};

/// Reconciles in rounds, until the outcome of every Job in scope is recorded and all shards have
/// ended. If the others do not go on by themselves, that is an error that names them.
///
/// Each action is printed when it is done, and the status of a Job whenever it changes.
pub(super) async fn watch(reconcile: &Reconcile, session: &Session<'_>) -> Result<()> {
    interruptible(session, go_on(reconcile, session)).await
}

async fn go_on(reconcile: &Reconcile, session: &Session<'_>) -> Result<()> {
    let namespace = if reconcile.all_namespaces { None } else { Some(session.namespace()?) };
    let about = About { names: &reconcile.names, namespace: namespace.clone() };
    let rounds = Rounds::begin(session, about).await?;
    let mut watching = Watching { session, rounds, told: BTreeMap::new() };
    loop {
        match watching.round().await? {
            Some(Round { finished: true, troubles }) => {
                if watching.told.is_empty() && troubles.is_empty() {
                    session.output().note(none_found(namespace.as_deref()));
                }
                return Error::all(troubles);
            }
            _ => watching.rounds.pause(Duration::MAX).await,
        }
    }
}

/// One watch, between rounds.
struct Watching<'a, 's> {
    session: &'a Session<'s>,
    rounds: Rounds<'a, 's>,
    /// The status of each Job that was printed last. None for a Job that was deleted.
    told: BTreeMap<Key, Option<String>>,
}

/// The result of one round.
struct Round {
    /// Whether nothing is left to wait for.
    finished: bool,
    /// The errors that a reconcile without `--watch` would end with.
    troubles: Vec<Error>,
}

impl Watching<'_, '_> {
    /// Reconciles all Jobs in scope once. None if the host does not answer.
    async fn round(&mut self) -> Result<Option<Round>> {
        let Some(View { records, absent, errors }) = self.rounds.read().await? else {
            return Ok(None);
        };
        let mut round = Round { finished: true, troubles: errors };
        for key in absent {
            match self.told.insert(key.clone(), None) {
                None => {
                    self.told.remove(&key);
                    round.troubles.push(not_found(&key.1));
                }
                // Another process has deleted it.
                Some(Some(_)) => self.tell_deleted(&key.1),
                Some(None) => {}
            }
        }
        let all: Vec<_> = records.iter().collect();
        let observed = self.rounds.observe(&all).await;
        let (mut looked, mut resting) = (Vec::new(), Vec::new());
        for (record, observations) in records.into_iter().zip(observed) {
            match self.reconcile(record, observations).await {
                Turn::Away => round.finished = false,
                Turn::Removed => {}
                Turn::Kept { record, status, quiet } => {
                    let ended = record.shards.values().all(|shard| !shard.phase.live());
                    let rest = Idle::of(&record, &status).filter(|_| quiet);
                    round.finished &= rest.is_some() || (ended && record.state.outcome.is_some());
                    resting.extend(rest.map(|rest| job::resting(&record, &status, rest)));
                    looked.push((record, status));
                }
                Turn::Failed(error) => round.troubles.push(error),
            }
        }
        self.rounds.tell_troubles(looked.iter().map(|(record, status)| (&**record, &**status)));
        if round.finished {
            let left =
                looked.iter().filter_map(|(record, status)| report(self.session, record, status));
            round.troubles.extend(left);
            round.troubles.extend(resting);
        }
        Ok(Some(round))
    }

    async fn reconcile(&mut self, record: Record, observations: Observations) -> Turn {
        let session = self.session;
        let (key, job) = (key(&record), format!("job.batch/{}", record.name()));
        let before = record.clone();
        let tell = |done: &Done| session.output().line(done.to_string());
        let rounds = &self.rounds;
        let now = || session.now();
        let settled =
            match run(&rounds.store, record, observations, &rounds.members, now, &tell).await {
                Ok(settled) => settled,
                Err(error) => {
                    return self.rounds.lost(error).map_or_else(Turn::Failed, |()| Turn::Away);
                }
            };
        if !settled.done.is_empty() {
            self.rounds.soon();
        }
        let Some(record) = settled.record else {
            self.told.insert(key.clone(), None);
            self.tell_deleted(&key.1);
            return Turn::Removed;
        };
        let status = Status::of(&record, &settled.observations);
        let stands = format!("{} {}", status.word(), status.completions());
        if self.told.get(&key).and_then(Option::as_ref) != Some(&stands) {
            let unchanged = record == before && settled.done.is_empty();
            let what = if unchanged { "unchanged" } else { "reconciled" };
            session.output().line(format!("{job} {what}: {stands}"));
            self.told.insert(key, Some(stands));
            if Idle::of(&record, &status).is_none() {
                name_the_unplaced(session, &record, &status);
            }
        }
        let quiet = settled.done.is_empty();
        Turn::Kept { record: Box::new(record), status: Box::new(status), quiet }
    }

    fn tell_deleted(&self, name: &str) {
        self.session.output().line(format!("job.batch {name:?} deleted"));
    }
}

/// What happened to one Job in a round.
enum Turn {
    /// The host stopped answering.
    Away,
    /// It was deleted, as was asked for.
    Removed,
    /// It exists. `quiet` if nothing was done for it in this round.
    Kept { record: Box<Record>, status: Box<Status>, quiet: bool },
    /// The host refused.
    Failed(Error),
}
