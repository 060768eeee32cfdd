//! `kubectl federate job logs`.

use std::{fmt::Display, time::Duration};

use clap::{ArgAction, Args, builder::BoolishValueParser};
use jiff::Timestamp;

use crate::{
    cli::{
        InClusters, Session,
        events::{Reporter, Wording},
        job_name::job_name,
    },
    cluster::flags::go_duration,
    error::{Error, Exit, Result},
    federation::{
        self, Containers, LogLine, LogReader, LogSource, LogTerms, LogsError, LogsRead, Since,
    },
    print::{LogText, Output, federate},
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Print the logs of all pods of a job, in all clusters
  kubectl federate job logs pi

  # Follow the logs until the job has ended, also those of pods that start later
  kubectl federate job logs pi --follow --max-log-requests=20

  # Print the last 20 lines of each pod that failed
  kubectl federate job logs pi --failed --tail=20

  # Print what the pods of one cluster wrote in the last hour, with times
  kubectl federate job logs pi --clusters=west --since=1h --timestamps";

/// The most logs that are read side by side, as in kubectl.
const MOST: usize = 5;

/// How long a pod is waited for if nothing else is said, as in kubectl.
const WAIT: &str = "20s";

/// Print the logs of a federated job: of all its pods, in all clusters
///
/// Each line begins with the cluster, the pod and the container that it is from. Pods are found by
/// the jobs in the clusters, so that those of adopted jobs are among them.
///
/// With --follow the command goes on until the job has ended. It picks up pods that start later. A
/// log that breaks off is read on from there, without a line lost or repeated.
///
/// A cluster that does not answer, and a log that cannot be read, are told on stderr, as is a pod
/// that lacks the container. The others are read, and the exit code is 1. Logs come one after
/// another, by cluster and pod. One that takes longer than 45 seconds goes on beside the next. On a
/// terminal, control characters in the logs are escaped, apart from colours; elsewhere the bytes
/// are passed on as they are.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
#[command(after_long_help = EXAMPLES)]
pub struct Logs {
    /// The name of the job
    #[arg(value_name = "NAME", value_parser = job_name)]
    job: String,
    /// Go on until the job has ended
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    clusters: InClusters,
    /// Only the logs of pods with this completion index, of an Indexed job
    #[arg(long, value_name = "INDEX")]
    index: Option<i32>,
    /// Only the logs of pods that failed
    #[arg(long)]
    failed: bool,
    /// Of this container; otherwise of the pod's default container, or of its first
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    /// Of all containers of each pod
    #[arg(long)]
    all_containers: bool,
    /// Of the instance of each container that ran before the present one
    #[arg(short, long)]
    previous: bool,
    /// Only lines newer than this: 5s, 2m or 3h
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only lines from this time on (RFC3339)
    #[arg(long, value_name = "TIME")]
    since_time: Option<String>,
    /// How many of the last lines of each log; -1 is all of them
    #[arg(long, value_name = "LINES", default_value_t = -1)]
    tail: i64,
    /// How many bytes of each log at most; 0 is all of them
    #[arg(long, value_name = "BYTES", default_value_t = 0, hide_default_value = true)]
    limit_bytes: u64,
    /// How long to wait for the first pod of a job that has none yet
    #[arg(long, value_name = "DURATION", default_value = WAIT)]
    pod_running_timeout: String,
    /// Taken as kubectl takes it: all pods are read in any case; it sets --prefix
    #[arg(long)]
    all_pods: bool,
    /// Print the time of each line
    #[arg(long)]
    timestamps: bool,
    /// Begin each line with the cluster, the pod and the container that it is from
    #[arg(long, value_name = "BOOL", value_parser = BoolishValueParser::new())]
    #[arg(action = ArgAction::Set, num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "true", default_missing_value = "true", hide_possible_values = true)]
    prefix: bool,
    /// How many logs are followed at a time at most; those that have ended do not count
    #[arg(long, value_name = "NUMBER", default_value_t = MOST)]
    max_log_requests: usize,
    /// Exit with 0 also if some logs cannot be read
    #[arg(long)]
    ignore_errors: bool,
}

impl Logs {
    /// Whether it goes on and on.
    pub fn follows(&self) -> bool {
        self.follow
    }

    /// Reads the logs, and prints their lines as they come.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let terms = self.terms(session.namespace()?)?;
        let reporter = Reporter::new(session, Wording::new("read"));
        let mut federation = session.federation(&reporter).await?;
        let output = session.output();
        let lines =
            Lines { output, is_named: self.prefix || self.all_pods, timestamps: self.timestamps };
        let read = if self.follow {
            Box::pin(federation.follow_logs(&terms, &lines)).await
        } else {
            Box::pin(federation.read_logs(&terms, &lines)).await
        };
        let LogsRead { logs, some_unread } = read.map_err(|error| match error {
            LogsError::Job(error) => not_read(*error, &terms.namespace),
            LogsError::TooMany { asked, .. } => {
                let command = federate("job logs", self.with_most(asked));
                Error::new(error).hint(format!("{command} follows them all."))
            }
            error => Error::new(error),
        })?;
        if logs == 0 && !some_unread {
            let LogTerms { namespace, name, .. } = terms;
            output.note(format!("No logs of job.batch/{name} found in {namespace} namespace."));
        }
        if some_unread && !self.ignore_errors {
            Err(Error::silent(Exit::Failed.code()))
        } else {
            Ok(())
        }
    }

    /// What was typed, with another number of logs that may be followed.
    fn with_most(&self, most: usize) -> Vec<String> {
        let mut words = vec![self.job.clone()];
        for (is_given, flag) in [
            (self.follow, "--follow"),
            (self.failed, "--failed"),
            (self.all_containers, "--all-containers"),
            (self.previous, "--previous"),
            (self.all_pods, "--all-pods"),
            (self.timestamps, "--timestamps"),
            (!self.prefix, "--prefix=false"),
            (self.ignore_errors, "--ignore-errors"),
        ] {
            words.extend(is_given.then(|| flag.to_owned()));
        }
        let clusters = self.clusters.names().into_iter().collect::<Vec<_>>().join(",");
        for (flag, value) in [
            ("clusters", Some(clusters).filter(|names| !names.is_empty())),
            ("index", self.index.map(|index| index.to_string())),
            ("container", self.container.clone()),
            ("since", self.since.clone()),
            ("since-time", self.since_time.clone()),
            ("tail", (self.tail >= 0).then(|| self.tail.to_string())),
            ("limit-bytes", (self.limit_bytes > 0).then(|| self.limit_bytes.to_string())),
            ("pod-running-timeout", Some(self.pod_running_timeout.clone()).filter(|it| it != WAIT)),
        ] {
            words.extend(value.map(|value| format!("--{flag}={value}")));
        }
        words.push(format!("--max-log-requests={most}"));
        words
    }

    fn terms(&self, namespace: String) -> Result<LogTerms> {
        let containers = match (&self.container, self.all_containers) {
            (Some(name), true) => {
                return Err(Error::new(format!(
                    "--all-containers=true should not be specified with container name {name}"
                )));
            }
            (Some(name), false) => Containers::Named(name.clone()),
            (None, true) => Containers::All,
            (None, false) => Containers::Default,
        };
        if self.tail < -1 {
            return Err(Error::new("--tail must be greater than or equal to -1"));
        }
        Ok(LogTerms {
            namespace,
            name: self.job.clone(),
            clusters: self.clusters.names(),
            containers,
            since: since(self.since.as_deref(), self.since_time.as_deref())?,
            tail: u64::try_from(self.tail).ok(),
            limit: Some(self.limit_bytes).filter(|bytes| *bytes > 0),
            patience: patience(&self.pod_running_timeout)?,
            previous: self.previous,
            failed: self.failed,
            index: self.index,
            most: self.max_log_requests,
            waits: false,
        })
    }
}

/// Why a Job's logs cannot be read. `kubectl logs` has words of its own for one that is not there.
fn not_read(error: federation::Error, namespace: &str) -> Error {
    let is_missing = matches!(error, federation::Error::NotFound { .. });
    let error = Error::from(error);
    if !is_missing {
        return error;
    }
    let why =
        format!("error from server (NotFound): {} in namespace {namespace:?}", error.message());
    error.reworded(why)
}

/// How long a pod is waited for.
fn patience(text: &str) -> Result<Duration> {
    match go_duration(text) {
        Some(Duration::ZERO) => Err(Error::new("--pod-running-timeout must be higher than zero")),
        Some(patience) => Ok(patience),
        None => Err(Error::new(format!("--pod-running-timeout: time: invalid duration {text:?}"))),
    }
}

/// From when on, by either of the two flags. As in kubectl, 0 seconds are no limit.
fn since(ago: Option<&str>, time: Option<&str>) -> Result<Option<Since>> {
    let ago = ago.map_or(Ok(0), |text| {
        if text.starts_with('-') {
            return Err(Error::new("--since must be greater than 0"));
        }
        let duration = go_duration(text).or_else(|| (text == "0").then_some(Duration::ZERO));
        let invalid = || Error::new(format!("--since: time: invalid duration {text:?}"));
        Ok(duration.ok_or_else(invalid)?.as_secs_f64().round() as u64)
    })?;
    match (ago, time.filter(|time| !time.is_empty())) {
        (0, None) => Ok(None),
        (seconds, None) => Ok(Some(Since::Seconds(seconds))),
        (0, Some(time)) => match time.parse::<Timestamp>() {
            Ok(time) => Ok(Some(Since::Time(time))),
            Err(_) => Err(Error::new(format!(
                "--since-time: {time:?} is no time such as 2026-01-31T12:00:00Z"
            ))),
        },
        (_, Some(_)) => {
            Err(Error::new("at most one of `sinceTime` or `sinceSeconds` may be specified"))
        }
    }
}

/// Prints lines as they come.
pub(super) struct Lines<'s> {
    /// Where.
    pub output: &'s Output,
    /// Whether each begins with whose it is.
    pub is_named: bool,
    /// Whether each has its time.
    pub timestamps: bool,
}

impl LogReader for Lines<'_> {
    fn line(&self, source: &LogSource, line: LogLine<'_>) {
        let LogSource { cluster, pod, container, .. } = source;
        let LogLine { time, text, continues, is_ended } = line;
        self.output.log_line(&LogText {
            source: &format!("{cluster}/pod/{pod}/{container}"),
            is_named: self.is_named,
            time: time.filter(|_| self.timestamps),
            text,
            continues,
            is_ended,
        });
    }

    fn unread(&self, cluster: &str, pod: Option<&str>, why: &dyn Display) {
        let text = match pod {
            Some(pod) => format!("pod/{pod}: {why}"),
            None => why.to_string(),
        };
        self.output.warning(Some(cluster), &text);
    }

    fn silent(&self, cluster: &str, why: &str) {
        self.output.warning(Some(cluster), why);
    }

    fn waits(&self, most: usize) {
        self.output.note(format!(
            "More than {most} logs are to be followed: some wait until others end. \
             --max-log-requests increases the limit."
        ));
    }

    fn is_closed(&self) -> bool {
        self.output.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_read_as_in_kubectl() {
        for (ago, time, expected) in [
            (None, None, None),
            (Some("0"), None, None),
            (Some("90s"), None, Some(Since::Seconds(90))),
            (Some("1h1.6s"), None, Some(Since::Seconds(3602))),
            (None, Some("1970-01-01T00:00:09Z"), Timestamp::from_second(9).ok().map(Since::Time)),
        ] {
            assert_eq!(since(ago, time).expect("it is right"), expected, "{ago:?} {time:?}");
        }
        for (ago, time, said) in [
            (Some("-5s"), None, "error: --since must be greater than 0"),
            (Some("soon"), None, "error: --since: time: invalid duration \"soon\""),
            (
                None,
                Some("noon"),
                "error: --since-time: \"noon\" is no time such as 2026-01-31T12:00:00Z",
            ),
            (
                Some("1s"),
                Some("1970-01-01T00:00:09Z"),
                "error: at most one of `sinceTime` or `sinceSeconds` may be specified",
            ),
        ] {
            assert_eq!(since(ago, time).expect_err("it is wrong").to_string(), said);
        }
    }
}
