//! `kubectl federate job wait`.

use std::{collections::BTreeMap, str::FromStr, time::Duration};

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Session, not_found, resting};
use crate::{
    cli::rounds::{About, Key, Rounds, View, interruptible, key},
    cluster::flags::go_duration,
    error::{Error, Result},
    print::Progress,
    reconcile::{Done, Idle, Observations, Status, preview, run},
    state::{Record, Verdict},
};

/// What a negative `--timeout` means.
const WEEK: Duration = Duration::from_hours(7 * 24);

/// How much longer than the timeout the last round may take.
const GRACE: Duration = Duration::from_secs(5);

/// The most columns for the list of clusters beside a progress bar, on a terminal of 80 columns. A
/// longer list is replaced by counts.
const ROOM: usize = 36;

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Wait until a job is complete, one hour at most
  kubectl federate job wait pi --for=condition=complete --timeout=1h

  # Wait until a job is complete or has failed
  kubectl federate job wait pi --for=condition=complete --for=condition=failed

  # Wait until a deleted job is gone
  kubectl federate job wait pi --for=delete --timeout=60s";

/// Wait until federated jobs meet a condition
///
/// The jobs are reconciled meanwhile. With several --for, the first condition that a job meets ends
/// the wait for it. The command exits at once with an error when no condition can be met any more,
/// for example when a job has failed that was to be complete.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Wait {
    /// The names of the jobs
    names: Vec<String>,
    /// What to wait for: condition=NAME[=VALUE] (complete, failed, suspended, …; VALUE is true if
    /// left out), delete, or create, after which the others are waited for; can be repeated
    #[arg(long = "for", value_name = "CONDITION", required = true)]
    goals: Vec<Goal>,
    /// How long to wait at most: 0 checks once, a negative time is a week
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = timeout)]
    #[arg(allow_hyphen_values = true)]
    timeout: Timeout,
    /// Only look: write nothing while waiting
    #[arg(long)]
    no_reconcile: bool,
    /// All jobs that are in the namespace when the command starts
    #[arg(long)]
    all: bool,
    /// All jobs of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
}

/// What `--for` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Goal {
    /// A condition of the Job's status has this status; compared regardless of case.
    Condition { name: String, value: String },
    /// The federated Job is gone.
    Delete,
    /// The federated Job is there.
    Create,
}

impl FromStr for Goal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match (text.to_lowercase().as_str(), text.strip_prefix("condition=")) {
            ("delete", _) => Ok(Self::Delete),
            ("create", _) => Ok(Self::Create),
            (_, Some(condition)) => {
                let (name, value) = condition.split_once('=').unwrap_or((condition, "true"));
                Ok(Self::Condition { name: name.to_lowercase(), value: value.to_lowercase() })
            }
            _ => Err(Error::new(format!("unrecognized condition: {text:?}"))),
        }
    }
}

/// What `--timeout` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timeout {
    /// Look once.
    Once,
    /// Look repeatedly for this long.
    After(Duration),
}

/// Reads a Go duration as kubectl does.
fn timeout(text: &str) -> Result<Timeout, String> {
    let (negative, size) = match text.strip_prefix('-') {
        Some(size) => (true, size),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if size == "0" {
        return Ok(Timeout::Once);
    }
    match go_duration(size) {
        Some(Duration::ZERO) => Ok(Timeout::Once),
        Some(_) if negative => Ok(Timeout::After(WEEK)),
        Some(duration) => Ok(Timeout::After(duration)),
        None if size.parse::<f64>().is_ok() => {
            Err(format!("time: missing unit in duration {text:?}"))
        }
        None => Err(format!("time: invalid duration {text:?}")),
    }
}

impl Wait {
    /// Looks at all Jobs in rounds, until each has met a condition.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let every = self.all || self.all_namespaces;
        if self.names.is_empty() && !every {
            return Err(Error::new("resource(s) were provided, but no name was specified")
                .hint("Name the jobs, or wait for --all."));
        }
        if !self.names.is_empty() && self.all {
            return Err(Error::new("name cannot be provided when --all is specified"));
        }
        interruptible(session, self.wait(session)).await
    }

    async fn wait(&self, session: &Session<'_>) -> Result<()> {
        let namespace = if self.all_namespaces { None } else { Some(session.namespace()?) };
        let about = About { names: &self.names, namespace };
        let deadline = match self.timeout {
            Timeout::Once => None,
            Timeout::After(time) => Some(later(session.now(), time)),
        };
        let named = about.namespace.iter().flat_map(|namespace| {
            self.names.iter().map(move |name| ((namespace.clone(), name.clone()), None))
        });
        let mut waiting = Waiting {
            wait: self,
            session,
            jobs: named.collect(),
            begun: false,
            rounds: Rounds::begin(session, about).await?,
            progress: session.output().progress("waiting", 0),
        };
        loop {
            let Some(deadline) = deadline else {
                waiting.round().await?;
                return waiting.end("condition not met", "for");
            };
            let most = left(deadline, session.now()) + GRACE;
            // A round may be cut short: that is the same as a kill (G4).
            let Ok(ended) = tokio::time::timeout(most, waiting.round()).await else {
                return waiting.end(TIMED_OUT, "on");
            };
            ended?;
            let left = left(deadline, session.now());
            if left.is_zero() || waiting.is_over() {
                return waiting.end(TIMED_OUT, "on");
            }
            waiting.rounds.pause(left).await;
        }
    }

    fn waits_for(&self, goal: &Goal) -> bool {
        self.goals.contains(goal)
    }

    /// Whether all goals are about the end of the Job, apart from its creation.
    fn waits_for_the_end(&self) -> bool {
        self.goals.iter().all(|goal| match goal {
            Goal::Create => true,
            Goal::Delete => false,
            Goal::Condition { name, value } => ENDS.contains(&name.as_str()) && value == "true",
        })
    }

    /// Whether a Job that exists meets one of the goals.
    fn is_met(&self, job: &Value) -> bool {
        let only_create = self.goals.iter().all(|goal| *goal == Goal::Create);
        only_create || self.goals.iter().any(|goal| goal.is_met(job))
    }
}

/// The conditions of a Job that has ended or is about to, in lower case.
const ENDS: [&str; 4] = ["complete", "failed", "failuretarget", "successcriteriamet"];

/// What kubectl prints at the timeout.
const TIMED_OUT: &str = "timed out waiting for the condition";

impl Goal {
    /// Whether the Job's conditions meet this goal. The first condition of a name counts, as in
    /// kubectl.
    fn is_met(&self, job: &Value) -> bool {
        let Self::Condition { name, value } = self else { return false };
        let says = |condition: &Value, field: &str| {
            condition[field].as_str().unwrap_or_default().to_lowercase()
        };
        let mut conditions = job["status"]["conditions"].as_array().into_iter().flatten();
        conditions
            .find(|condition| says(condition, "type") == *name)
            .is_some_and(|condition| says(condition, "status") == *value)
    }
}

/// One wait, between rounds.
struct Waiting<'a, 's> {
    wait: &'a Wait,
    session: &'a Session<'s>,
    rounds: Rounds<'a, 's>,
    /// The Jobs that have not met a condition yet, with the uid of those that were seen.
    jobs: BTreeMap<Key, Option<String>>,
    /// Whether the host has answered once.
    begun: bool,
    progress: Progress,
}

/// What one round finds out about a Job.
enum Found {
    Met,
    NotYet(Box<(Record, Status)>),
    /// The Job cannot meet the condition any more, and why.
    Never(Error),
}

impl Waiting<'_, '_> {
    fn is_over(&self) -> bool {
        self.begun && self.jobs.is_empty()
    }

    /// The result of the command: an error for each Job that has not met the condition.
    fn end(&self, sentence: &str, of: &str) -> Result<()> {
        if !self.begun && self.jobs.is_empty() {
            return Err(Error::new(sentence));
        }
        let names = self.jobs.keys().map(|(_, name)| name);
        Error::all(names.map(|name| Error::new(format!("{sentence} {of} jobs/{name}"))).collect())
    }

    /// Looks once at all Jobs that have not met a condition yet.
    ///
    /// # Errors
    /// An error that ends the wait before its timeout.
    async fn round(&mut self) -> Result<()> {
        let Some(View { records, absent, errors }) = self.rounds.read().await? else {
            return Ok(());
        };
        Error::all(errors)?;
        if !self.begun {
            self.jobs.extend(records.iter().map(|record| (key(record), None)));
            if self.jobs.is_empty() && !self.wait.waits_for(&Goal::Delete) {
                return Err(Error::new("no matching resources found"));
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
            let before = self.jobs.insert(key.clone(), Some(record.state.uid.clone())).flatten();
            let replaced = before.is_some_and(|uid| uid != record.state.uid);
            let found = if replaced && self.wait.waits_for(&Goal::Delete) {
                Some(Found::Met)
            } else {
                self.judge(record, observations).await?
            };
            match found {
                None => {}
                Some(Found::Met) => self.met(&key),
                Some(Found::NotYet(seen)) => looked.push(*seen),
                Some(Found::Never(why)) => never.push(why),
            }
        }
        self.rounds.tell_troubles(looked.iter().map(|(record, status)| (record, status)));
        self.show(&looked);
        Error::all(never)
    }

    /// Handles Jobs that do not exist: that meets a goal, or may still change, or is an error.
    fn miss(&mut self, absent: Vec<Key>) -> Vec<Error> {
        let mut never = Vec::new();
        for key in absent {
            let Some(uid) = self.jobs.get(&key) else { continue };
            if uid.is_none() && self.wait.waits_for(&Goal::Create) {
                continue;
            }
            match (self.wait.waits_for(&Goal::Delete), self.begun) {
                (false, _) => never.push(not_found(&key.1)),
                (true, true) => self.met(&key),
                // kubectl prints nothing for an object that did not exist at the start.
                (true, false) => drop(self.jobs.remove(&key)),
            }
        }
        never
    }

    fn met(&mut self, key: &Key) {
        self.jobs.remove(key);
        self.session.output().line(format!("job.batch/{} condition met", key.1));
    }

    /// Reconciles a Job, or only looks at it. None if the host stopped answering.
    async fn judge(&mut self, record: Record, observations: Observations) -> Result<Option<Found>> {
        let name = record.name().to_owned();
        let Some((record, observations)) = self.advance(record, observations).await? else {
            return Ok(None);
        };
        let Some(record) = record else {
            let deleted = self.wait.waits_for(&Goal::Delete);
            return Ok(Some(if deleted { Found::Met } else { Found::Never(not_found(&name)) }));
        };
        let status = Status::of(&record, &observations);
        if self.wait.is_met(&status.to_job(&record)) {
            return Ok(Some(Found::Met));
        }
        if let (Some(outcome), false) = (&record.state.outcome, self.wait.waits_for(&Goal::Delete))
        {
            return Ok(Some(Found::Never(match outcome.verdict {
                Verdict::Failed => Error::new(format!(
                    "job.batch/{name} has failed: {}: {}",
                    outcome.reason, outcome.message
                ))
                .hint(format!("kubectl federate job describe {name} -n {}", record.namespace())),
                Verdict::Complete => Error::new(format!(
                    "job.batch/{name} is complete: the condition can no longer be met"
                )),
            })));
        }
        // After a reconcile only a user can change this. Without one that is not known.
        let stopped = Idle::of(&record, &status).filter(|rest| *rest == Idle::Stopped);
        if let (Some(rest), false, true) =
            (stopped, self.wait.no_reconcile, self.wait.waits_for_the_end())
        {
            return Ok(Some(Found::Never(resting(&record, &status, rest))));
        }
        Ok(Some(Found::NotYet(Box::new((record, status)))))
    }

    /// The record after this round: `Some(None)` if it was removed, `None` if the host stopped
    /// answering.
    async fn advance(
        &mut self,
        record: Record,
        observations: Observations,
    ) -> Result<Option<(Option<Record>, Observations)>> {
        let session = self.session;
        if self.wait.no_reconcile {
            let (record, observations) =
                preview(&record, observations, &self.rounds.members, session.now()).await;
            return Ok(Some((Some(record), observations)));
        }
        let tell = |done: &Done| session.output().note(done.to_string());
        let rounds = &self.rounds;
        let now = || session.now();
        match run(&rounds.store, record, observations, &rounds.members, now, &tell).await {
            Ok(settled) => {
                if !settled.done.is_empty() {
                    self.rounds.soon();
                }
                Ok(Some((settled.record, settled.observations)))
            }
            Err(error) => self.rounds.lost(error).map(|()| None),
        }
    }

    /// Shows the completions done and asked for, and the state of each cluster.
    fn show(&self, looked: &[(Record, Status)]) {
        let asked = |record: &Record| i64::from(record.manifest.size().completions.unwrap_or(1));
        let done =
            |(record, status): &(Record, Status)| i64::from(status.succeeded).min(asked(record));
        let total: i64 = looked.iter().map(|(record, _)| asked(record)).sum();
        let succeeded: i64 = looked.iter().map(done).sum();
        self.progress.show(succeeded as u64, total as u64, &states(looked));
    }
}

/// `east: Running, west: Complete`, or counts if that is too long:
/// `clusters: 3 Running, 1 Complete`.
fn states(looked: &[(Record, Status)]) -> String {
    let shards: Vec<_> = looked.iter().flat_map(|(_, status)| &status.shards).collect();
    let each: Vec<_> =
        shards.iter().map(|shard| format!("{}: {}", shard.cluster, shard.state)).collect();
    let named = each.join(", ");
    if looked.len() == 1 && named.len() <= ROOM {
        return named;
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for shard in shards {
        *counts.entry(shard.state).or_default() += 1;
    }
    let counts: Vec<_> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    format!("clusters: {}", counts.join(", "))
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
    fn what_is_waited_for_reads_as_in_kubectl() {
        for (text, goal) in [
            ("delete", Goal::Delete),
            ("Delete", Goal::Delete),
            ("create", Goal::Create),
            ("condition=Complete", condition("complete", "true")),
            ("condition=suspended=False", condition("suspended", "false")),
            ("condition=a=b=c", condition("a", "b=c")),
        ] {
            assert_eq!(text.parse::<Goal>().expect(text), goal);
        }
        for text in ["", "complete", "Condition=complete", "jsonpath={.status.active}=1"] {
            let error = text.parse::<Goal>().expect_err(text).to_string();
            assert_eq!(error, format!("error: unrecognized condition: {text:?}"));
        }
    }

    #[test]
    fn a_timeout_is_a_go_duration_of_any_sign() {
        for (text, expected) in [
            ("30s", Timeout::After(Duration::from_secs(30))),
            ("+1m", Timeout::After(Duration::from_mins(1))),
            ("0", Timeout::Once),
            ("0s", Timeout::Once),
            ("-0s", Timeout::Once),
            ("-1s", Timeout::After(WEEK)),
        ] {
            assert_eq!(timeout(text), Ok(expected), "{text}");
        }
        assert_eq!(timeout("30"), Err("time: missing unit in duration \"30\"".to_owned()));
        assert_eq!(timeout("soon"), Err("time: invalid duration \"soon\"".to_owned()));
        assert_eq!(timeout(""), Err("time: invalid duration \"\"".to_owned()));
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
            assert_eq!(goal.is_met(&job), met, "{goal:?}");
        }
        assert!(!condition("failed", "true").is_met(&json!({})));
    }

    #[test]
    fn a_deadline_that_is_no_time_is_never() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(later(now, Duration::MAX), Timestamp::MAX);
        assert_eq!(left(now, later(now, WEEK)), Duration::ZERO, "it is over");
        assert_eq!(left(later(now, WEEK), now), WEEK);
    }
}
