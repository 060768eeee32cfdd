//! `kubectl federate job wait`.

use std::cell::Cell;

use clap::Args;

use crate::{
    cli::{
        ChangeFlags, Filenames, Selectors, Session,
        duration::timeout,
        events::{Live, Reporter, Wording},
        job_name::job_name,
        output::{Several, print_changed},
    },
    error::{Error, Result},
    federation::{self, Federation, Goal, Key, Records, Scope, Timeout, WaitTerms, key},
    jsonpath::{JsonPath, relaxed},
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Wait until a job is complete, one hour at most
  kubectl federate job wait pi --for=condition=complete --timeout=1h

  # Wait until 18 completions have succeeded over all clusters
  kubectl federate job wait pi --for=jsonpath='{.status.succeeded}'=18

  # Wait until a job is created, and then until it is complete
  kubectl federate job wait pi --for=create --for=condition=complete --timeout=1h

  # Wait until the jobs of a file are complete
  kubectl federate job wait -f pi.yaml --for=condition=complete --timeout=1h

  # Wait until a deleted job is gone
  kubectl federate job wait pi --for=delete --timeout=60s";

/// Wait until federated jobs meet a condition
///
/// The jobs are reconciled meanwhile. With several --for, a job is to meet all of them, one after
/// another. The command exits at once with an error when a condition cannot be met any more, for
/// example when a job has failed that was to be complete.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Wait {
    /// The names of the jobs
    #[arg(value_parser = job_name)]
    names: Vec<String>,
    #[command(flatten)]
    filenames: Filenames,
    /// What to wait for: condition=NAME[=VALUE] (complete, failed, suspended, …; VALUE is true if
    /// left out), jsonpath='{PATH}'[=VALUE] (any value if left out), delete, or create, which is
    /// waited for first; can be repeated
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
    #[command(flatten)]
    selectors: Selectors,
    #[command(flatten)]
    output: ChangeFlags,
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
        _ if text.starts_with("jsonpath=") => path(&text["jsonpath=".len()..]).map_err(Error::new),
        (word, None) => {
            let error = Error::new(format!("unrecognized condition: {text:?}"));
            let meant = MEANT.iter().find(|(words, _)| words.contains(&word));
            Err(error.hint(match meant {
                Some((_, goal)) => format!("Did you mean --for={goal}?"),
                None => "--for takes condition=NAME[=VALUE], jsonpath='{PATH}'[=VALUE], delete or \
                         create."
                    .to_owned(),
            }))
        }
    }
}

/// Reads a path, and the value behind a single `=`.
fn path(text: &str) -> Result<Goal, String> {
    const FORMAT: &str = "jsonpath wait format must be \
        --for=jsonpath='{.status.readyReplicas}'=3 or --for=jsonpath='{.status.readyReplicas}'";
    let (path, value) = match split(text).as_slice() {
        [path] => (path.clone(), None),
        [path, value] => (path.clone(), Some(value.trim_matches(['\'', '"']).to_owned())),
        _ => return Err(FORMAT.to_owned()),
    };
    let path = relaxed(&path)?;
    if value.as_deref() == Some("") {
        return Err("jsonpath wait has to have a value after equal sign, like \
                    --for=jsonpath='{.status.readyReplicas}'=3"
            .to_owned());
    }
    if path.is_empty() {
        return Err("jsonpath expression cannot be empty".to_owned());
    }
    Ok(Goal::Path { path: JsonPath::parse(&path)?, value })
}

/// The parts between single `=`; two of them are one comparison.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '=' && chars.next_if_eq(&'=').is_none() {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
            part.extend((c == '=').then_some('='));
        }
    }
    parts
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
    /// Whether it writes to no cluster.
    pub fn only_looks(&self) -> bool {
        self.no_reconcile
    }

    /// Looks again and again, at all Jobs in each round, until each has met a condition.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let selects = !self.selectors.is_empty();
        let every = self.all || self.all_namespaces || selects;
        let has_files = !self.filenames.is_empty();
        if self.names.is_empty() && !every && !has_files {
            return Err(Error::new("resource(s) were provided, but no name was specified")
                .hint("Name the jobs, or wait for --all."));
        }
        if has_files && !self.names.is_empty() {
            return Err(Error::new(
                "when paths, URLs, or stdin is provided as input, you may not specify resource \
                arguments as well",
            ));
        }
        if has_files && (selects || self.all) {
            return Err(Error::new(
                "when paths, URLs, or stdin is provided as input, you may not specify a selector \
                or --all as well",
            ));
        }
        if !self.names.is_empty() && selects {
            return Err(Error::new("name cannot be provided when a selector is specified"));
        }
        let is_one = Cell::new(self.names.len() == 1);
        let left = || (is_one.get(), "the same command waits again.".to_owned());
        session.world().waiting(Box::pin(self.wait(session, &is_one)), left).await
    }

    /// Waits. `is_one` is told whether that is for one Job, once it is known.
    async fn wait(&self, session: &Session<'_>, is_one: &Cell<bool>) -> Result<()> {
        let namespace = if self.all_namespaces { None } else { Some(session.namespace()?) };
        let wording = Wording { live: Live::Stderr, ..Wording::new("reconciled") };
        let format = self.output.print.format()?;
        let reporter = Reporter::new(session, wording).keeping(format.is_some());
        let opening = Box::pin(session.federation(&reporter));
        let (mut federation, timeout) = self.timeout.begin(&reporter, &self.names, opening).await?;
        let terms = WaitTerms {
            goals: self.goals.clone(),
            timeout,
            reconcile: !self.no_reconcile,
            goes_on: false,
        };
        let waited = match self.of_files(session).await? {
            Some(jobs) => {
                is_one.set(jobs.len() == 1);
                federation.wait_for(jobs, &terms).await.map_err(Error::from)
            }
            None => self.wait_for(&mut federation, namespace.as_deref(), terms, &reporter).await,
        };
        let jobs = reporter.objects();
        let printed = print_changed(session.world(), format.as_ref(), jobs, Several::Apart).await;
        waited?;
        printed
    }

    /// The Jobs of files; none where no file is named.
    async fn of_files(&self, session: &Session<'_>) -> Result<Option<Vec<Key>>> {
        if self.filenames.is_empty() {
            return Ok(None);
        }
        let documents = self.filenames.read("wait", session.world()).await?;
        let keys = session.manifests(documents, |rules, objects| rules.names(&objects))?;
        Ok(Some(keys))
    }

    async fn wait_for(
        &self,
        federation: &mut Federation<'_>,
        namespace: Option<&str>,
        terms: WaitTerms,
        reporter: &Reporter<'_>,
    ) -> Result<()> {
        if self.selectors.is_empty() {
            let scope = Scope { names: &self.names, namespace };
            return Ok(federation.wait(scope, &terms).await?);
        }
        let fields = self.selectors.fields()?;
        let choosing = async {
            let all = federation.records(&[], namespace).await?;
            Ok::<_, Error>(self.selectors.choose(federation, &fields, all).await)
        };
        let (chosen, timeout) = terms.timeout.begin(reporter, &[], Box::pin(choosing)).await?;
        let (Records { records, errors }, terms) = (chosen, WaitTerms { timeout, ..terms });
        federation::Error::all(errors)?;
        if records.is_empty() {
            // As of what is gone already.
            let is_met = self.goals.contains(&Goal::Delete);
            return if is_met { Ok(()) } else { Err(federation::Error::NothingToWaitFor.into()) };
        }
        Ok(federation.wait_for(records.iter().map(key).collect(), &terms).await?)
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
        for (text, path, value) in [
            ("jsonpath={.status.active}=1", "{.status.active}", Some("1")),
            ("jsonpath=.status.active", "{.status.active}", None),
            ("jsonpath={.x[?(@.a==1)].b}='y z'", "{.x[?(@.a==1)].b}", Some("y z")),
        ] {
            let path = JsonPath::parse(path).expect("a path");
            let expected = Goal::Path { path, value: value.map(str::to_owned) };
            assert_eq!(goal(text).expect(text), expected);
        }
        for (text, why) in [
            ("jsonpath={.x}=1=2", "jsonpath wait format must be"),
            ("jsonpath={.x}=", "jsonpath wait has to have a value after equal sign"),
            ("jsonpath=", "jsonpath expression cannot be empty"),
            ("jsonpath={.x", "unexpected path string"),
        ] {
            let error = goal(text).expect_err(text).to_string();
            assert!(error.starts_with(&format!("error: {why}")), "{error}");
        }
        for text in ["", "complete", "Condition=complete"] {
            let error = goal(text).expect_err(text).to_string();
            assert_eq!(error, format!("error: unrecognized condition: {text:?}"));
        }
    }
}
