//! Ledgers and members are brought together: once, or until nothing is left to do.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{
    dry_run_strategy::DryRun,
    error::Error,
    event::{Event, Work},
    key::{Key, key},
    open::{Federation, concerned},
    records::Records,
    remains::{Remains, is_to_reopen, remains},
    rounds::{Rounds, View},
    turns::at_once,
};
use crate::{
    reconcile::{Idle, Members, Observations, Status, preview},
    state::{Acceptance, Accepted, Change, Record, Shard},
};

/// Which federated Jobs a request is about.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Their names; all that there are, where there is none.
    pub names: &'a [String],
    /// Their namespace; none for all namespaces.
    pub namespace: Option<&'a str>,
}

/// Which shards that are gone may be done again by others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reopen {
    /// None.
    None,
    /// Those that somebody deleted before they ended, and of which nothing is left.
    Undone,
    /// Also those that may have ended before they were gone, and those of which something is left
    /// in their clusters: their work may run twice.
    All,
}

/// Work that would be done again, and that may have been done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncertain {
    /// The name of the federated Job.
    pub job: String,
    /// Which work of it.
    pub work: UncertainWork,
}

/// Work that nobody does, as far as the record knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UncertainWork {
    /// A shard whose Job is gone and may have ended before.
    Shard {
        /// The name of its Job.
        name: String,
        /// The member.
        cluster: String,
        /// The `ttlSecondsAfterFinished` that its cluster had given it; none if it was gone when
        /// the record was restored from a backup.
        ttl_seconds: Option<i64>,
    },
    /// What no shard carried when the record was restored, a phrase such as `4 completions`.
    Withheld(String),
    /// A shard whose Job somebody deleted.
    Deleted {
        /// The name that its Job had.
        name: String,
        /// The member.
        cluster: String,
        /// What is left of it there; none if nothing is.
        remains: Option<Remains>,
    },
}

impl UncertainWork {
    /// Whether nothing says that it was done, or is being done.
    pub fn is_undone(&self) -> bool {
        matches!(self, Self::Deleted { remains: None, .. })
    }
}

impl Federation<'_> {
    /// The work in scope that is held back: of shards that are gone, with what is left of them in
    /// their clusters, and of records that were restored.
    ///
    /// # Errors
    /// The host cannot be read.
    pub async fn uncertain(&self, scope: Scope<'_>) -> Result<Vec<Uncertain>, Error> {
        let Records { records, .. } = self.records(scope.names, scope.namespace).await?;
        let all: Vec<_> = records.iter().collect();
        let members = self.unasked();
        // Those of deleted shards, too, of which nothing else is asked.
        let names = self.registry.members.keys().cloned().collect();
        let observed = self.join_and_observe(&all, &members, names).await;
        let mut uncertain = Vec::new();
        for (record, observations) in all.iter().zip(observed) {
            let (seen, _) = preview(record, observations, &members, self.now()).await;
            let shards = seen.shards.iter();
            for (id, shard) in shards.filter(|(_, it)| it.may_have_ended() && !it.reopened) {
                let (cluster, ttl_seconds) = (shard.cluster.clone(), shard.foreign_ttl());
                let name = seen.job_name(*id).to_owned();
                let work = UncertainWork::Shard { name, cluster, ttl_seconds };
                uncertain.push(Uncertain { job: record.name().to_owned(), work });
            }
            let mut left = remains(&seen, &members).await;
            for (id, shard) in seen.shards.iter().filter(|(_, it)| is_to_reopen(&seen, it)) {
                let (name, cluster) = (seen.job_name(*id).to_owned(), shard.cluster.clone());
                let work = UncertainWork::Deleted { name, cluster, remains: left.remove(id) };
                uncertain.push(Uncertain { job: record.name().to_owned(), work });
            }
            let withheld = seen.withheld_work().filter(|_| seen.state.outcome.is_none());
            uncertain.extend(withheld.map(|work| Uncertain {
                job: record.name().to_owned(),
                work: UncertainWork::Withheld(work),
            }));
        }
        Ok(uncertain)
    }

    /// Looks at each member once, then reconciles the Jobs side by side. `reopen` says whether what
    /// is left of shards that are gone may be done by others.
    ///
    /// # Errors
    /// For each Job, what kept it from being reconciled wholly.
    pub async fn reconcile(&self, scope: Scope<'_>, reopen: Reopen) -> Result<(), Error> {
        let Records { records, mut errors } = self.records(scope.names, scope.namespace).await?;
        if records.is_empty() && errors.is_empty() {
            self.notify(Event::NoneFound(scope.namespace));
            self.name_left_to_take_over().await;
        }
        self.about(records.iter().map(|it| (it.namespace(), it.name())), DryRun::None);
        let all: Vec<_> = records.iter().collect();
        let names = match reopen {
            Reopen::None => concerned(&self.registry, &all, self.now()),
            // What is opened again may go anywhere.
            Reopen::Undone | Reopen::All => self.registry.members.keys().cloned().collect(),
        };
        let members = self.unasked();
        let observed = self.join_and_observe(&all, &members, names).await;
        let jobs = records.into_iter().zip(observed).collect();
        errors.extend(self.reconcile_all(jobs, &members, reopen).await);
        Error::all(errors)
    }

    /// Reconciles Jobs, side by side, by what the members have said of each. Meanwhile it is told
    /// how many are done. Gives what kept Jobs from being reconciled wholly.
    pub(super) async fn reconcile_all(
        &self,
        jobs: Vec<(Record, Observations)>,
        members: &Members,
        reopen: Reopen,
    ) -> Vec<Error> {
        let names: Vec<_> = jobs.iter().map(|(record, _)| record.name().to_owned()).collect();
        let open = Mutex::new((0..names.len()).collect::<BTreeSet<_>>());
        let tell = |done: Option<usize>| {
            let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
            open.retain(|place| Some(*place) != done);
            if let Some(next) = open.first() {
                let (done, total) = (names.len() - open.len(), names.len());
                self.notify(Event::Turn(Work::Reconciling, &names[*next], done, total));
            }
        };
        tell(None);
        let reconcile = async |federation: &Self, (place, (record, observations))| {
            let done = federation.reconcile_one(record, observations, members, reopen).await;
            tell(Some(place));
            done
        };
        let at_once = at_once(jobs.iter().map(|(record, _)| record));
        let done = self.side_by_side(at_once, jobs.into_iter().enumerate(), reconcile).await;
        self.notify(Event::Ended);
        done.into_iter().filter_map(Result::err).collect()
    }

    pub(super) async fn reconcile_one(
        &self,
        before: Record,
        mut observations: Observations,
        members: &Members,
        reopen: Reopen,
    ) -> Result<(), Error> {
        let mut record = before.clone();
        if reopen != Reopen::None {
            (record, observations) = self.reopen(record, observations, members, reopen).await?;
        }
        let reconciled = self.run(record, observations, members).await.map_err(uninterrupted)?;
        self.notify(Event::Done(&reconciled.done, DryRun::None));
        let Some(record) = reconciled.record else {
            self.notify(Event::Deleted(&key(&before), DryRun::None));
            return Ok(());
        };
        let changed = record != before || !reconciled.done.is_empty();
        let status = Status::new(&record, &reconciled.observations);
        self.notify(Event::Reconciled { record: &record, status: &status, changed });
        self.notify(Event::Stands(&record, &status));
        self.report(&record, &status)
    }

    /// The record with what was deleted open again, if there is anything: what was deleted since
    /// the last reconcile, too.
    async fn reopen(
        &self,
        record: Record,
        observations: Observations,
        members: &Members,
        reopen: Reopen,
    ) -> Result<(Record, Observations), Error> {
        let mut observations = Some(observations);
        let mut first = true;
        let accepted = match reopen {
            Reopen::All => Some(self.acceptance(Accepted::Reopened, "").await),
            Reopen::None | Reopen::Undone => None,
        };
        let reopened = self
            .store
            .update(record, async |record| {
                let mut known = observations.take().unwrap_or_default();
                if !std::mem::take(&mut first) {
                    known.forget_confirmed();
                }
                let (mut seen, known) = preview(&record, known, members, self.now()).await;
                observations = Some(known);
                let left: Vec<_> = remains(&seen, members).await.into_keys().collect();
                let undone = seen.reopen(&left);
                let work = seen.uncertain_work(&left);
                let uncertain = reopen == Reopen::All && seen.reopen_uncertain(&left);
                if let Some(acceptance) = accepted.as_ref().filter(|_| uncertain) {
                    let Acceptance { what, who, when, .. } = acceptance;
                    seen.accept(Acceptance::new(*what, &work, who, *when));
                }
                Ok::<_, Error>(if undone || uncertain {
                    Change::Replace(seen)
                } else {
                    Change::Keep(record)
                })
            })
            .await?;
        let (Change::Replace(record) | Change::Keep(record) | Change::Remove(record)) = reopened;
        Ok((record, observations.unwrap_or_default()))
    }

    /// Reconciles repeatedly, until of every Job in scope the outcome is latched and all shards
    /// have ended. What is done is told as it is done, and how a Job stands when that changes.
    ///
    /// # Errors
    /// What kept Jobs from being finished; [`Error::Idle`] for each that goes no further unless a
    /// user says so.
    pub async fn reconcile_until_done(&mut self, scope: Scope<'_>) -> Result<(), Error> {
        let rounds = Rounds::begin(self, scope.names, scope.namespace)?.at_length();
        let mut watching = Watching { rounds, told: BTreeMap::new() };
        loop {
            match watching.round().await? {
                Some(Round { finished: true, errors }) => {
                    if watching.told.is_empty() && errors.is_empty() {
                        let federation = &watching.rounds.federation;
                        federation.notify(Event::NoneFound(scope.namespace));
                        federation.name_left_to_take_over().await;
                    }
                    return Error::all(errors);
                }
                _ => watching.rounds.rest(Duration::MAX).await,
            }
        }
    }
}

/// A reconcile that is interrupted is finished by the next one: nothing else was to be done.
fn uninterrupted(error: Error) -> Error {
    match error {
        Error::Interrupted { error, .. } => *error,
        error => error,
    }
}

/// The error of waiting for a Job that goes no further unless a user says so.
pub(super) fn idle(record: &Record, status: &Status, idle: Idle) -> Error {
    Error::Idle {
        namespace: record.namespace().to_owned(),
        name: record.name().to_owned(),
        idle,
        unplaced: status.unplaced,
        asked: record.manifest.size().completions,
        held_back: record.held_back(),
    }
}

/// One watch, between rounds.
struct Watching<'f, 'a> {
    rounds: Rounds<'f, 'a>,
    /// The status of each Job that was told last. None for a Job that was deleted.
    told: BTreeMap<Key, Option<String>>,
}

/// The result of one round.
struct Round {
    /// Whether nothing is left to wait for.
    finished: bool,
    /// The errors that a reconcile in one go would end with.
    errors: Vec<Error>,
}

/// What happened to one Job in a round.
enum Turn {
    /// The host stopped answering.
    Away,
    /// It was deleted, as was asked for.
    Removed(Key),
    /// It exists, and `stands` is what is told of its status. `quiet` if nothing was done for it in
    /// this round.
    Kept {
        record: Box<Record>,
        observations: Box<Observations>,
        status: Box<Status>,
        stands: String,
        quiet: bool,
    },
}

impl Watching<'_, '_> {
    /// Reconciles all Jobs in scope once. None if the host does not answer.
    async fn round(&mut self) -> Result<Option<Round>, Error> {
        let Some(View { records, absent, errors }) = self.rounds.read().await? else {
            return Ok(None);
        };
        let mut round = Round { finished: true, errors };
        for key in absent {
            match self.told.insert(key.clone(), None) {
                None => {
                    self.told.remove(&key);
                    round.errors.push(Error::not_found(&key.0, &key.1));
                }
                // Another process has deleted it.
                Some(Some(_)) => {
                    self.rounds.federation.notify(Event::Deleted(&key, DryRun::None));
                }
                Some(None) => {}
            }
        }
        let all: Vec<_> = records.iter().collect();
        let observed = self.rounds.observe(&all).await;
        let federation = &*self.rounds.federation;
        let turns = federation.side_by_side(
            at_once(&records),
            records.into_iter().zip(observed),
            async |federation: &Federation<'_>, (record, observations)| {
                self.turn(federation, record, observations).await
            },
        );
        let (mut looked, mut idling) = (Vec::new(), Vec::new());
        for turn in turns.await {
            match turn.or_else(|error| self.rounds.lost(error).map(|()| Turn::Away)) {
                Ok(Turn::Away) => round.finished = false,
                Ok(Turn::Removed(key)) => {
                    self.rounds.soon();
                    self.told.insert(key, None);
                }
                Ok(Turn::Kept { record, observations, status, stands, quiet }) => {
                    if !quiet {
                        self.rounds.soon();
                    }
                    self.rounds.know(&record, &observations);
                    self.told.insert(key(&record), Some(stands));
                    // Nobody waits for a shard of a cluster that was declared lost.
                    let over = |shard: &Shard| !shard.phase.live() || shard.is_lost();
                    let ended = record.shards.values().all(over);
                    let rest = Idle::from_status(&record, &status).filter(|_| quiet);
                    round.finished &= rest.is_some() || (ended && record.state.outcome.is_some());
                    idling.extend(rest.map(|rest| idle(&record, &status, rest)));
                    looked.push((record, status));
                }
                Err(error) => {
                    self.rounds.tries_again();
                    round.errors.push(error);
                }
            }
        }
        let pairs = || looked.iter().map(|(record, status)| (&**record, &**status));
        self.rounds.tell_failures(pairs());
        self.rounds.tell_queues(pairs()).await;
        self.rounds.tell_waiting(pairs()).await;
        if round.finished {
            let federation = &*self.rounds.federation;
            let left = looked.iter().map(|(record, status)| federation.report(record, status));
            round.errors.extend(left.filter_map(Result::err));
            round.errors.extend(idling);
        }
        Ok(Some(round))
    }

    /// Reconciles one Job, and tells how it stands if that has changed.
    async fn turn(
        &self,
        federation: &Federation<'_>,
        record: Record,
        observations: Observations,
    ) -> Result<Turn, Error> {
        let (key, before) = (key(&record), record.clone());
        let run = federation.run(record, observations, &self.rounds.members).await;
        let reconciled = run.map_err(uninterrupted)?;
        let Some(record) = reconciled.record else {
            federation.notify(Event::Deleted(&key, DryRun::None));
            return Ok(Turn::Removed(key));
        };
        let status = Status::new(&record, &reconciled.observations);
        let stands = format!("{} {}", status.word(), status.completions());
        if self.told.get(&key).and_then(Option::as_ref) != Some(&stands) {
            let changed = record != before || !reconciled.done.is_empty();
            federation.notify(Event::Reconciled { record: &record, status: &status, changed });
            if Idle::from_status(&record, &status).is_none() {
                federation.notify(Event::Stands(&record, &status));
            }
        }
        let quiet = reconciled.done.is_empty();
        let observations = Box::new(reconciled.observations);
        let (record, status) = (Box::new(record), Box::new(status));
        Ok(Turn::Kept { record, observations, status, stands, quiet })
    }
}
