//! `kubectl federate job wait`.

use clap::Args;

use crate::{
    cli::{
        Session,
        duration::timeout,
        events::{Live, Reporter, Wording},
        job_name::job_name,
    },
    error::{Error, Result},
    federation::{Goal, Scope, Timeout, WaitTerms},
};

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
        (word, None) => {
            let error = Error::new(format!("unrecognized condition: {text:?}"));
            let meant = MEANT.iter().find(|(words, _)| words.contains(&word));
            Err(error.hint(match meant {
                Some((_, goal)) => format!("Did you mean --for={goal}?"),
                None => "--for takes condition=NAME[=VALUE], delete or create.".to_owned(),
            }))
        }
    }
}

/// What is meant by words that `--for` does not take.
const MEANT: [(&[&str], &str); 5] = [
    (&["complete", "completed", "completion", "done"], "condition=complete"),
    (&["failed", "fail", "failure"], "condition=failed"),
    (&["suspended", "suspend"], "condition=suspended"),
    (&["deleted", "deletion", "gone"], "delete"),
    (&["created", "creation"], "create"),
];

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
        session.world().interruptible(Box::pin(self.wait(session))).await
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
}
