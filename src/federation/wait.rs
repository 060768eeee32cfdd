//! How a condition of federated Jobs is waited for.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    error::Error,
    event::Event,
    open::Federation,
    reconcile::{Scope, idle},
    records::{Key, key},
    rounds::{Rounds, View},
};
use crate::{
    jsonpath::{self, JsonPath},
    reconcile::{Idle, Observations, Status, preview},
    state::{Record, Verdict},
};

/// How much longer than the timeout the last round may take.
const GRACE: Duration = Duration::from_secs(5);

/// The conditions of a Job that has ended or is about to, in lower case.
const ENDS: [&str; 4] = ["complete", "failed", "failuretarget", "successcriteriamet"];

/// What is waited for.
#[derive(Debug, Clone, PartialEq)]
pub enum Goal {
    /// A condition of the Job's status has this status; both in lower case.
    Condition {
        /// The condition's type.
        name: String,
        /// Its status: `true`, `false` or `unknown`.
        value: String,
    },
    /// The federated Job is gone.
    Delete,
    /// The federated Job is there.
    Create,
    /// A path leads to one value in the Job.
    Path {
        /// The path.
        path: JsonPath,
        /// As which text the value prints; none for any.
        value: Option<String>,
    },
}

/// How long is waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// Look once.
    Once,
    /// Look repeatedly for this long.
    After(Duration),
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
}

impl WaitTerms {
    fn waits_for(&self, goal: &Goal) -> bool {
        self.goals.contains(goal)
    }

    /// Whether all goals are about the end of the Job, apart from its creation.
    fn waits_for_the_end(&self) -> bool {
        self.goals.iter().all(|goal| match goal {
            Goal::Create => true,
            Goal::Delete | Goal::Path { .. } => false,
            Goal::Condition { name, value } => ENDS.contains(&name.as_str()) && value == "true",
        })
    }
}

impl Goal {
    /// Whether the outcome, which is latched, meets this goal once the last shard has ended.
    fn will_be_met(&self, status: &Status) -> bool {
        match self {
            Self::Condition { name, value } => value == "true" && status.will_have_condition(name),
            Self::Delete | Self::Create | Self::Path { .. } => false,
        }
    }

    /// Whether a Job that exists meets this goal.
    ///
    /// # Errors
    /// A path leads to what cannot be compared, in kubectl's words.
    fn is_met(&self, job: &Value) -> Result<bool, String> {
        match self {
            Self::Create => Ok(true),
            Self::Delete => Ok(false),
            Self::Condition { name, value } => Ok(has_condition(job, name, value)),
            Self::Path { path, value } => leads_to(path, value.as_deref(), job),
        }
    }
}

/// Whether the Job has a condition with this status. The first condition of a name counts, as in
/// kubectl.
fn has_condition(job: &Value, name: &str, value: &str) -> bool {
    let says = |condition: &Value, field: &str| {
        condition[field].as_str().unwrap_or_default().to_lowercase()
    };
    let mut conditions = job["status"]["conditions"].as_array().into_iter().flatten();
    conditions
        .find(|condition| says(condition, "type") == *name)
        .is_some_and(|condition| says(condition, "status") == *value)
}

/// Whether a path leads to one value, which prints as this text if one is given.
fn leads_to(path: &JsonPath, value: Option<&str>, job: &Value) -> Result<bool, String> {
    let found = path.find(job)?;
    let one = match found.as_slice() {
        [] => return Ok(false),
        [first, ..] if first.is_empty() => return Ok(false),
        [first] => match first.as_slice() {
            [one] => *one,
            _ => return Err("given jsonpath expression matches more than one value".to_owned()),
        },
        _ => return Err("given jsonpath expression matches more than one list".to_owned()),
    };
    match (value, one) {
        (None, _) => Ok(true),
        (Some(_), jsonpath::Found::Value(Value::Array(_) | Value::Object(_))) => {
            Err("jsonpath leads to a nested object or list which is not supported".to_owned())
        }
        (Some(value), one) => Ok(one.shown().trim() == value.trim()),
    }
}

impl Federation<'_> {
    /// Looks repeatedly, at all Jobs in each round, until each has met all goals.
    ///
    /// # Errors
    /// Jobs did not meet it in time, or can no longer.
    pub async fn wait(&mut self, scope: Scope<'_>, terms: &WaitTerms) -> Result<(), Error> {
        let deadline = match terms.timeout {
            Timeout::Once => None,
            Timeout::After(time) => Some(later(self.now(), time)),
        };
        let named = scope.namespace.iter().flat_map(|namespace| {
            scope
                .names
                .iter()
                .map(|name| (((*namespace).to_owned(), name.clone()), Progress::default()))
        });
        let jobs = named.collect();
        let rounds = Rounds::begin(self, scope.names, scope.namespace)?;
        let told_idle = BTreeSet::new();
        let mut waiting = Waiting { terms, jobs, told_idle, begun: false, rounds };
        loop {
            let Some(deadline) = deadline else {
                waiting.round().await?;
                return waiting.end(|name| Error::NotMet { name });
            };
            let timed_out = |name| Error::TimedOut { name };
            let most = left(deadline, waiting.now()) + GRACE;
            // A round may be cut short: that is the same as a kill (G4).
            let Ok(ended) = tokio::time::timeout(most, waiting.round()).await else {
                return waiting.end(timed_out);
            };
            ended?;
            let left = left(deadline, waiting.now());
            if left.is_zero() || waiting.is_over() {
                return waiting.end(timed_out);
            }
            waiting.rounds.pause(left).await;
        }
    }
}

/// One wait, between rounds.
struct Waiting<'w, 'f, 'a> {
    terms: &'w WaitTerms,
    rounds: Rounds<'f, 'a>,
    /// The Jobs that have not met all goals yet.
    jobs: BTreeMap<Key, Progress>,
    /// The Jobs of which it was said that they are suspended or paused.
    told_idle: BTreeSet<Key>,
    /// Whether the host has answered once.
    begun: bool,
}

/// How far a Job is.
#[derive(Default)]
struct Progress {
    /// Its uid, if it was seen.
    uid: Option<String>,
    /// How many goals it has met.
    met: usize,
}

/// What one round finds out about a Job.
enum Found {
    Met,
    NotYet(Box<(Record, Status)>),
    /// The Job cannot meet the condition any more, and why.
    Never(Error),
}

impl<'w> Waiting<'w, '_, '_> {
    fn now(&self) -> Timestamp {
        self.rounds.federation.now()
    }

    fn is_over(&self) -> bool {
        self.begun && self.jobs.is_empty()
    }

    /// The result: an error for each Job that has not met the condition.
    fn end(&self, error: impl Fn(Option<String>) -> Error) -> Result<(), Error> {
        if !self.begun && self.jobs.is_empty() {
            return Err(error(None));
        }
        Error::all(self.jobs.keys().map(|(_, name)| error(Some(name.clone()))).collect())
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
        let mut never = self.miss(absent);
        self.begun = true;
        let records: Vec<_> =
            records.into_iter().filter(|record| self.jobs.contains_key(&key(record))).collect();
        let all: Vec<_> = records.iter().collect();
        let observed = self.rounds.observe(&all).await;
        let mut looked = Vec::new();
        for (record, observations) in records.into_iter().zip(observed) {
            let key = key(&record);
            let progress = self.jobs.entry(key.clone()).or_default();
            let before = progress.uid.replace(record.state.uid.clone());
            let replaced = before.is_some_and(|uid| uid != record.state.uid);
            if replaced && self.next(&key) == Some(&Goal::Delete) {
                self.met(&key);
            }
            match self.judge(record, observations).await? {
                None | Some(Found::Met) => {}
                Some(Found::NotYet(seen)) => looked.push(*seen),
                Some(Found::Never(why)) => never.push(why),
            }
        }
        let pairs = || looked.iter().map(|(record, status)| (record, status));
        self.rounds.tell_failures(pairs());
        self.rounds.tell_queues(pairs()).await;
        self.tell_idle(&looked);
        self.rounds.federation.notify(Event::Waiting(&looked));
        Error::all(never)
    }

    /// Says, once of each Job, that it is suspended or paused, and so will not end by itself.
    fn tell_idle(&mut self, looked: &[(Record, Status)]) {
        if !self.terms.waits_for_the_end() {
            return;
        }
        for (record, status) in looked {
            let Some(rest) = Idle::from_status(record, status) else { continue };
            if self.told_idle.insert(key(record)) {
                let event = &idle(record, status, rest);
                self.rounds.federation.notify(Event::Rests(event));
            }
        }
    }

    /// Handles Jobs that do not exist: that meets a goal, or may still change, or is an error.
    fn miss(&mut self, absent: Vec<Key>) -> Vec<Error> {
        let mut never = Vec::new();
        for key in absent {
            let Some(Progress { uid, .. }) = self.jobs.get(&key) else { continue };
            if uid.is_none() && self.terms.waits_for(&Goal::Create) {
                continue;
            }
            match (self.terms.waits_for(&Goal::Delete), self.begun) {
                (true, true) if self.next(&key) == Some(&Goal::Delete) => self.met(&key),
                // kubectl prints nothing for an object that did not exist at the start.
                (true, false) => drop(self.jobs.remove(&key)),
                _ => never.push(Error::NotFound { name: key.1 }),
            }
        }
        never
    }

    /// What the Job is to meet next; none if it has met all.
    fn next(&self, key: &Key) -> Option<&'w Goal> {
        self.terms.goals.get(self.jobs.get(key)?.met)
    }

    /// The Job has met its next goal.
    fn met(&mut self, key: &Key) {
        if let Some(progress) = self.jobs.get_mut(key) {
            progress.met += 1;
            if progress.met == self.terms.goals.len() {
                self.jobs.remove(key);
            }
        }
        self.rounds.federation.notify(Event::ConditionMet(&key.1));
    }

    /// Reconciles a Job, or only looks at it. None if the host stopped answering.
    async fn judge(
        &mut self,
        record: Record,
        observations: Observations,
    ) -> Result<Option<Found>, Error> {
        let (key, name) = (key(&record), record.name().to_owned());
        let Some((record, observations)) = self.advance(record, observations).await? else {
            return Ok(None);
        };
        let Some(record) = record else {
            if self.next(&key) == Some(&Goal::Delete) {
                self.met(&key);
                return Ok(Some(Found::Met));
            }
            return Ok(Some(Found::Never(Error::NotFound { name })));
        };
        let status = Status::new(&record, &observations);
        let job = status.to_job(&record);
        let goal = loop {
            let Some(goal) = self.next(&key) else { return Ok(Some(Found::Met)) };
            match goal.is_met(&job) {
                Ok(true) => self.met(&key),
                Ok(false) => break goal,
                Err(why) => return Ok(Some(Found::Never(Error::NotComparable { why }))),
            }
        };
        // The outcome is latched before the last shard has ended. The condition comes then.
        if goal.will_be_met(&status) {
            return Ok(Some(Found::NotYet(Box::new((record, status)))));
        }
        if let (Some(outcome), Goal::Condition { .. }) = (&record.state.outcome, goal) {
            return Ok(Some(Found::Never(match outcome.verdict {
                Verdict::Failed => Error::Failed {
                    namespace: record.namespace().to_owned(),
                    name,
                    outcome: Box::new(outcome.clone()),
                },
                Verdict::Complete => Error::Complete { name },
            })));
        }
        // After a reconcile only a user can change this. Without one that is not known.
        let stopped = Idle::from_status(&record, &status).filter(|rest| *rest == Idle::Stopped);
        if let (Some(rest), true, true) =
            (stopped, self.terms.reconcile, self.terms.waits_for_the_end())
        {
            return Ok(Some(Found::Never(idle(&record, &status, rest))));
        }
        Ok(Some(Found::NotYet(Box::new((record, status)))))
    }

    /// The record after this round: `Some(None)` if it was removed, `None` if the host stopped
    /// answering.
    async fn advance(
        &mut self,
        record: Record,
        observations: Observations,
    ) -> Result<Option<(Option<Record>, Observations)>, Error> {
        let rounds = &self.rounds;
        if !self.terms.reconcile {
            let (record, observations) =
                preview(&record, observations, &rounds.members, self.now()).await;
            return Ok(Some((Some(record), observations)));
        }
        match rounds.federation.run(record, observations, &rounds.members).await {
            Ok(reconciled) => {
                if !reconciled.done.is_empty() {
                    self.rounds.soon();
                }
                Ok(Some((reconciled.record, reconciled.observations)))
            }
            Err(error) => self.rounds.lost(error).map(|()| None),
        }
    }
}

fn later(now: Timestamp, time: Duration) -> Timestamp {
    SignedDuration::try_from(time)
        .ok()
        .and_then(|time| now.checked_add(time).ok())
        .unwrap_or(Timestamp::MAX)
}

fn left(deadline: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(deadline.duration_since(now)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(name: &str, value: &str) -> Goal {
        Goal::Condition { name: name.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn a_condition_is_met_by_its_first_of_that_name_regardless_of_case() {
        let job = json!({"status": {"conditions": [
            {"type": "Suspended", "status": "False"},
            {"type": "Failed", "status": "True"},
            {"type": "Failed", "status": "False"},
        ]}});
        for (goal, met) in [
            (condition("suspended", "false"), true),
            (condition("suspended", "true"), false),
            (condition("failed", "true"), true),
            (condition("failed", "false"), false),
            (condition("complete", "true"), false),
            (condition("complete", "false"), false),
            (Goal::Delete, false),
        ] {
            assert_eq!(goal.is_met(&job), Ok(met), "{goal:?}");
        }
        assert_eq!(condition("failed", "true").is_met(&json!({})), Ok(false));
    }

    #[test]
    fn a_path_leads_to_one_value() {
        let job = json!({
            "metadata": {"name": "pi", "labels": {}}, "spec": {"suspend": true, "none": null},
            "status": {"succeeded": 3, "shards": [{"n": 1}, {"n": 2}]},
        });
        for (path, value, met) in [
            ("{.status.succeeded}", Some("3"), Ok(true)),
            ("{.status.succeeded}", Some(" 3 "), Ok(true)),
            ("{.status.succeeded}", Some("30"), Ok(false)),
            ("{.status.succeeded}", None, Ok(true)),
            ("{.status.failed}", None, Ok(false)),
            ("{.status.failed}", Some("0"), Ok(false)),
            ("{.spec.suspend}", Some("true"), Ok(true)),
            ("{.spec.none}", None, Ok(true)),
            ("{.metadata.labels}", None, Ok(true)),
            (
                "{.metadata.labels}",
                Some("x"),
                Err("jsonpath leads to a nested object or list which is not supported"),
            ),
            (
                "{.status.shards[*].n}",
                None,
                Err("given jsonpath expression matches more than one value"),
            ),
            ("{.status}{.spec}", None, Err("given jsonpath expression matches more than one list")),
        ] {
            let goal = Goal::Path {
                path: JsonPath::parse(path).expect("a path"),
                value: value.map(str::to_owned),
            };
            assert_eq!(goal.is_met(&job), met.map_err(str::to_owned), "{path}={value:?}");
        }
    }

    #[test]
    fn a_deadline_that_is_no_time_is_never() {
        let week = Duration::from_hours(7 * 24);
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(later(now, Duration::MAX), Timestamp::MAX);
        assert_eq!(left(now, later(now, week)), Duration::ZERO, "it is over");
        assert_eq!(left(later(now, week), now), week);
    }
}
