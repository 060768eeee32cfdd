//! `kubectl federate job wait`.

use std::time::Duration;

use clap::Args;

use crate::{
    cli::{
        Session,
        events::{Live, Reporter, Wording},
        job_name::job_name,
    },
    cluster::flags::go_duration,
    error::{Error, Result},
    federation::{Goal, Scope, Timeout, WaitTerms},
};

/// What a negative `--timeout` means.
const WEEK: Duration = Duration::from_hours(7 * 24);

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
    #[arg(value_parser = job_name)]
    names: Vec<String>,
    /// What to wait for: condition=NAME[=VALUE] (complete, failed, suspended, …; VALUE is true if
    /// left out), delete, or create, after which the others are waited for; can be repeated
    #[arg(long = "for", value_name = "CONDITION", required = true, value_parser = goal)]
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

/// Reads what `--for` asks for. Conditions are compared regardless of case.
fn goal(text: &str) -> Result<Goal> {
    match (text.to_lowercase().as_str(), text.strip_prefix("condition=")) {
        ("delete", _) => Ok(Goal::Delete),
        ("create", _) => Ok(Goal::Create),
        (_, Some(condition)) => {
            let (name, value) = condition.split_once('=').unwrap_or((condition, "true"));
            Ok(Goal::Condition { name: name.to_lowercase(), value: value.to_lowercase() })
        }
        _ => Err(Error::new(format!("unrecognized condition: {text:?}"))),
    }
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
    /// Looks again and again, at all Jobs in each round, until each has met a condition.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let every = self.all || self.all_namespaces;
        if self.names.is_empty() && !every {
            return Err(Error::new("resource(s) were provided, but no name was specified")
                .hint("Name the jobs, or wait for --all."));
        }
        if !self.names.is_empty() && self.all {
            return Err(Error::new("name cannot be provided when --all is specified"));
        }
        session.world().interruptible(self.wait(session)).await
    }

    async fn wait(&self, session: &Session<'_>) -> Result<()> {
        let namespace = if self.all_namespaces { None } else { Some(session.namespace()?) };
        let wording = Wording { live: Live::Stderr, ..Wording::new("reconciled") };
        let reporter = Reporter::new(session, wording);
        let mut federation = session.federation(&reporter).await?;
        let scope = Scope { names: &self.names, namespace: namespace.as_deref() };
        let terms = WaitTerms {
            goals: self.goals.clone(),
            timeout: self.timeout,
            reconcile: !self.no_reconcile,
        };
        Ok(federation.wait(scope, &terms).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(name: &str, value: &str) -> Goal {
        Goal::Condition { name: name.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn what_is_waited_for_reads_as_in_kubectl() {
        for (text, expected) in [
            ("delete", Goal::Delete),
            ("Delete", Goal::Delete),
            ("create", Goal::Create),
            ("condition=Complete", condition("complete", "true")),
            ("condition=suspended=False", condition("suspended", "false")),
            ("condition=a=b=c", condition("a", "b=c")),
        ] {
            assert_eq!(goal(text).expect(text), expected);
        }
        for text in ["", "complete", "Condition=complete", "jsonpath={.status.active}=1"] {
            let error = goal(text).expect_err(text).to_string();
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
}
