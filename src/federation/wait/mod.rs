//! How a condition of federated Jobs is waited for.

mod goal;

pub use goal::Goal;

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    time::Duration,
};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    error::Error,
    event::{Event, Observer},
    key::{Key, key},
    open::Federation,
    reconcile::{Scope, idle},
    rounds::{Rounds, View},
    turns::at_once,
};
use crate::{
    reconcile::{Idle, Observations, Reconciled, Status, preview},
    state::{Record, Verdict},
};

/// How much longer than the timeout it may take what was begun before: the last round, or finding
/// out which Jobs there are. A server that answers does so in this time.
const GRACE: Duration = Duration::from_secs(1);

/// How long is waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// Look once.
    Once,
    /// Look repeatedly for this long.
    After(Duration),
}

impl Timeout {
    /// Does what comes before a wait for the Jobs of these names, such as opening the federation,
    /// in its time. Gives what is left of that.
    ///
    /// # Errors
    /// The time is over, or what `work` gives.
    pub async fn begin<T, E: From<Error>>(
        self,
        observer: &dyn Observer,
        names: &[String],
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<(T, Self), E> {
        let Self::After(time) = self else { return Ok((work.await?, self)) };
        let begun = Instant::now();
        let most = time.saturating_add(GRACE);
        let Some(done) = in_time(most, observer, &BTreeSet::new(), work).await else {
            let each = names.iter().map(|name| Error::TimedOut { name: Some(name.clone()) });
            let error = Error::all(each.collect()).err();
            return Err(error.unwrap_or(Error::TimedOut { name: None }).into());
        };
        Ok((done?, Self::After(time.saturating_sub(begun.elapsed()))))
    }
}

/// What is waited for, how long, and how.
#[derive(Debug, Clone)]
pub struct WaitTerms {
    /// A Job is to meet all of them, one after another.
    pub goals: Vec<Goal>,
    /// How long.
    pub timeout: Timeout,
    /// Whether the Jobs are reconciled meanwhile; else nothing is written.
    pub reconcile: bool,
    /// Whether others are waited for once one can no longer meet its goal.
    pub goes_on: bool,
}

impl WaitTerms {
    fn waits_for(&self, goal: &Goal) -> bool {
        self.goals.contains(goal)
    }

    /// Whether all goals are about the end of the Job, apart from its creation.
    fn waits_for_the_end(&self) -> bool {
        self.goals.iter().all(Goal::is_the_end)
    }
}

impl Federation<'_> {
    /// Looks repeatedly, at all Jobs in each round, until each has met all goals.
    ///
    /// # Errors
    /// Jobs did not meet it in time, or can no longer.
    pub async fn wait(&mut self, scope: Scope<'_>, terms: &WaitTerms) -> Result<(), Error> {
        let named = scope.namespace.iter().flat_map(|namespace| {
            scope.names.iter().map(|name| ((*namespace).to_owned(), name.clone()))
        });
        let jobs: Vec<_> = named.collect();
        let rounds = Rounds::begin(self, scope.names, scope.namespace)?;
        Waiting::new(terms, jobs, rounds).until_met().await
    }

    /// The same of these Jobs.
    ///
    /// # Errors
    /// Jobs did not meet it in time, or can no longer.
    pub async fn wait_for(&mut self, jobs: Vec<Key>, terms: &WaitTerms) -> Result<(), Error> {
        let rounds = Rounds::about(self, jobs.iter().cloned().collect());
        Waiting::new(terms, jobs, rounds).until_met().await
    }
}

/// One wait, between rounds.
struct Waiting<'w, 'f, 'a> {
    terms: &'w WaitTerms,
    rounds: Rounds<'f, 'a>,
    /// The Jobs that have not met all goals yet.
    jobs: BTreeMap<Key, Progress>,
    /// The places of the Jobs that were named, in the order in which they are told.
    places: BTreeMap<Key, usize>,
    /// The Jobs of which it was said that they are suspended or paused.
    told_idle: BTreeSet<Key>,
    /// Whether the host has answered once.
    begun: bool,
    /// Why Jobs that others did not wait for can no longer meet a goal.
    failed: Vec<Error>,
}

/// How far a Job is.
#[derive(Default)]
struct Progress {
    /// Its uid, if it was seen.
    uid: Option<String>,
    /// How many goals it has met.
    met: usize,
    /// As it was seen last.
    seen: Value,
}

/// A Job after a round.
struct Advanced {
    /// None if it was removed.
    record: Option<Record>,
    observations: Observations,
    /// Whether anything was done for it.
    is_changed: bool,
}

/// What one round finds out about a Job.
enum Found {
    Met,
    NotYet(Box<(Record, Status)>),
    /// The Job cannot meet the condition any more, and why.
    Never(Error),
}

impl<'w, 'f, 'a> Waiting<'w, 'f, 'a> {
    fn new(terms: &'w WaitTerms, named: Vec<Key>, rounds: Rounds<'f, 'a>) -> Self {
        let jobs = named.iter().map(|key| (key.clone(), Progress::default())).collect();
        let places = named.into_iter().zip(0..).collect();
        let (told_idle, failed) = Default::default();
        Self { terms, rounds, jobs, places, told_idle, begun: false, failed }
    }

    /// By what Jobs are ordered: those that were named as they were, the others behind.
    fn place(&self, key: &Key) -> usize {
        self.places.get(key).copied().unwrap_or(usize::MAX)
    }

    /// Looks until all goals are met or the time is over.
    async fn until_met(mut self) -> Result<(), Error> {
        let deadline = match self.terms.timeout {
            Timeout::Once => None,
            Timeout::After(time) => Some(later(Instant::now(), time)),
        };
        loop {
            let Some(deadline) = deadline else {
                self.round().await?;
                return self.end(|name| Error::NotMet { name });
            };
            let timed_out = |name| Error::TimedOut { name };
            let most = left(deadline) + GRACE;
            let (observer, told) = (self.rounds.federation.observer, self.rounds.silent());
            // A round may be cut short: that is the same as a kill (G4).
            let Some(ended) = in_time(most, observer, &told, self.round()).await else {
                return self.end(timed_out);
            };
            ended?;
            let left = left(deadline);
            if left.is_zero() || self.is_over() {
                return self.end(timed_out);
            }
            self.rounds.rest(left).await;
        }
    }

    fn now(&self) -> Timestamp {
        self.rounds.federation.now()
    }

    fn is_over(&self) -> bool {
        self.begun && self.jobs.is_empty()
    }

    /// The result: an error for each Job that has not met the condition.
    fn end(mut self, error: impl Fn(Option<String>) -> Error) -> Result<(), Error> {
        if !self.begun && self.jobs.is_empty() {
            return Err(error(None));
        }
        let mut open: Vec<_> = self.jobs.keys().collect();
        open.sort_by_key(|key| self.place(key));
        let open: Vec<_> = open.into_iter().map(|(_, name)| error(Some(name.clone()))).collect();
        self.failed.extend(open);
        Error::all(self.failed)
    }

    /// Handles a Job that can no longer meet its goal.
    fn give_up(&mut self, key: &Key, why: Error) {
        self.failed.push(why);
        if self.terms.goes_on {
            self.jobs.remove(key);
        }
    }

    /// Looks once at all Jobs that have not met a condition yet.
    ///
    /// # Errors
    /// An error that ends the wait before its timeout.
    async fn round(&mut self) -> Result<(), Error> {
        let Some(View { records, absent, errors }) = self.rounds.read().await? else {
            return Ok(());
        };
        Error::all(errors)?;
        if !self.begun {
            self.jobs.extend(records.iter().map(|record| (key(record), Progress::default())));
            if self.jobs.is_empty() && !self.terms.waits_for(&Goal::Delete) {
                return Err(Error::NothingToWaitFor);
            }
        }
        self.miss(absent);
        self.begun = true;
        let is_open = |record: &Record| self.jobs.contains_key(&key(record));
        let mut records: Vec<_> = records.into_iter().filter(is_open).collect();
        records.sort_by_key(|record| self.place(&key(record)));
        let all: Vec<_> = records.iter().collect();
        let observed = self.rounds.observe(&all).await;
        for record in &records {
            let key = key(record);
            let progress = self.jobs.entry(key.clone()).or_default();
            let before = progress.uid.replace(record.state.uid.clone());
            let replaced = before.is_some_and(|uid| uid != record.state.uid);
            if replaced && self.next(&key) == Some(&Goal::Delete) {
                self.met(&key);
            }
        }
        let keys: Vec<_> = records.iter().map(key).collect();
        let advance = async |federation: &Federation<'_>, (record, observations)| {
            self.advance(federation, record, observations).await
        };
        let (at_once, jobs) = (at_once(&records), records.into_iter().zip(observed));
        let advanced = self.rounds.federation.side_by_side(at_once, jobs, advance);
        let mut looked = Vec::new();
        for (key, advanced) in keys.into_iter().zip(advanced.await) {
            let seen = match advanced {
                Ok(seen) => seen,
                Err(error) => {
                    self.rounds.lost(error)?;
                    continue;
                }
            };
            if seen.is_changed {
                self.rounds.soon();
            }
            if let Some(record) = &seen.record {
                self.rounds.know(record, &seen.observations);
            }
            match self.judge(&key, seen.record, &seen.observations) {
                Found::Met => {}
                Found::NotYet(seen) => looked.push(*seen),
                Found::Never(why) => self.give_up(&key, why),
            }
        }
        let pairs = || looked.iter().map(|(record, status)| (record, status));
        self.rounds.tell_failures(pairs());
        self.rounds.tell_queues(pairs()).await;
        self.tell_idle(&looked);
        self.rounds.tell_waiting(pairs()).await;
        if self.terms.goes_on {
            return Ok(());
        }
        Error::all(std::mem::take(&mut self.failed))
    }

    /// Says, once of each Job, that it is suspended or paused, and so will not end by itself.
    fn tell_idle(&mut self, looked: &[(Record, Status)]) {
        if !self.terms.waits_for_the_end() {
            return;
        }
        for (record, status) in looked {
            let Some(rest) = Idle::from_status(record, status) else { continue };
            // Each shard was named, with what resumes it.
            let is_said = rest == Idle::HaltedThere;
            if !is_said && self.told_idle.insert(key(record)) {
                let event = &idle(record, status, rest);
                self.rounds.federation.notify(Event::Rests(event));
            }
        }
    }

    /// Handles Jobs that do not exist: that meets a goal, or may still change, or is an error.
    fn miss(&mut self, mut absent: Vec<Key>) {
        absent.sort_by_key(|key| self.place(key));
        for key in absent {
            let Some(Progress { uid, .. }) = self.jobs.get(&key) else { continue };
            if uid.is_none() && self.terms.waits_for(&Goal::Create) {
                continue;
            }
            match (self.terms.waits_for(&Goal::Delete), self.begun) {
                (true, true) if self.next(&key) == Some(&Goal::Delete) => self.met(&key),
                // kubectl prints nothing for an object that did not exist at the start.
                (true, false) => drop(self.jobs.remove(&key)),
                _ => self.give_up(&key, Error::not_found(&key.0, &key.1)),
            }
        }
    }

    /// What the Job is to meet next; none if it has met all.
    fn next(&self, key: &Key) -> Option<&'w Goal> {
        self.terms.goals.get(self.jobs.get(key)?.met)
    }

    /// The Job has met its next goal.
    fn met(&mut self, key: &Key) {
        let mut job = Value::Null;
        if let Some(progress) = self.jobs.get_mut(key) {
            progress.met += 1;
            job.clone_from(&progress.seen);
            if progress.met == self.terms.goals.len() {
                self.jobs.remove(key);
            }
        }
        if job.is_null() {
            job = json!({"metadata": {"name": key.1, "namespace": key.0}});
        }
        self.rounds.federation.notify(Event::ConditionMet(&key.1, &job));
    }

    /// What a Job as it is after a round comes to; there is none if it was removed.
    fn judge(&mut self, key: &Key, record: Option<Record>, observations: &Observations) -> Found {
        let name = key.1.clone();
        let Some(record) = record else {
            if self.next(key) == Some(&Goal::Delete) {
                self.met(key);
                return Found::Met;
            }
            return Found::Never(Error::not_found(&key.0, &key.1));
        };
        let status = Status::new(&record, observations);
        let job = status.to_job(&record);
        if let Some(progress) = self.jobs.get_mut(key) {
            progress.seen.clone_from(&job);
        }
        let goal = loop {
            let Some(goal) = self.next(key) else { return Found::Met };
            match goal.is_met(&job) {
                Ok(true) => self.met(key),
                Ok(false) => break goal,
                Err(why) => return Found::Never(Error::NotComparable { why }),
            }
        };
        // The outcome is latched before the last shard has ended. The condition comes then.
        if goal.will_be_met(&status) {
            return Found::NotYet(Box::new((record, status)));
        }
        if let (Some(outcome), Goal::Condition { .. }) = (&record.state.outcome, goal) {
            return Found::Never(match outcome.verdict {
                Verdict::Failed => Error::Failed {
                    namespace: record.namespace().to_owned(),
                    name,
                    outcome: Box::new(outcome.clone()),
                },
                Verdict::Complete => Error::Complete { name },
            });
        }
        // A deletion ends by itself where all clusters answer, and the Job is not found then.
        let hangs = !status.unlisted.is_empty()
            || status.shards.iter().any(|shard| shard.unknown.is_some());
        if let (Some(_), Goal::Condition { .. }, true) = (record.state.deleting, goal, hangs) {
            let namespace = record.namespace().to_owned();
            return Found::Never(Error::DeletedAlready { namespace, name });
        }
        // After a reconcile only a user can change this. Without one that is not known.
        let stopped = Idle::from_status(&record, &status).filter(|rest| *rest == Idle::Stopped);
        if let (Some(rest), true, true) =
            (stopped, self.terms.reconcile, self.terms.waits_for_the_end())
        {
            return Found::Never(idle(&record, &status, rest));
        }
        Found::NotYet(Box::new((record, status)))
    }

    /// Reconciles a Job, or only looks at it.
    ///
    /// # Errors
    /// The host does not answer, or refuses.
    async fn advance(
        &self,
        federation: &Federation<'_>,
        record: Record,
        observations: Observations,
    ) -> Result<Advanced, Error> {
        let members = &self.rounds.members;
        if !self.terms.reconcile {
            let (record, observations) = preview(&record, observations, members, self.now()).await;
            return Ok(Advanced { record: Some(record), observations, is_changed: false });
        }
        let Reconciled { record, observations, done } =
            federation.run(record, observations, members).await?;
        Ok(Advanced { record, observations, is_changed: !done.is_empty() })
    }
}

/// Does something in its time. None if that is over before: then those are told that have not
/// answered, but for `told`.
pub(super) async fn in_time<T>(
    most: Duration,
    observer: &dyn Observer,
    told: &BTreeSet<String>,
    work: impl Future<Output = T>,
) -> Option<T> {
    // Whoever is waited for is known as long as the work is there.
    let mut work = pin!(work);
    let done = tokio::time::timeout(most, &mut work).await.ok();
    if done.is_none() {
        observer.time_is_over(told);
    }
    done
}

/// No command lasts longer.
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

fn later(now: Instant, time: Duration) -> Instant {
    now + time.min(LONGEST)
}

fn left(deadline: Instant) -> Duration {
    deadline.duration_since(Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_is_no_time_is_never() {
        let week = Duration::from_hours(7 * 24);
        let begun = Instant::now();
        assert_eq!(left(later(begun, Duration::MAX)), LONGEST);
        assert_eq!(left(later(begun, week)), week);
        tokio::time::advance(2 * week).await;
        assert_eq!(left(later(begun, week)), Duration::ZERO, "it is over");
    }
}
