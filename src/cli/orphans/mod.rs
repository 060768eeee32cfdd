//! `kubectl federate orphans …`: Jobs in the clusters that no federated Job knows.

mod clean;
mod list;
mod recordless;
mod rows;

use clap::{Args, Subcommand};

use self::rows::object;
use super::{InClusters, Selection, Session};
use crate::{
    error::{Error, Result},
    federation::{self, Named, Orphan, Unanswered, some_clusters},
    job::labels,
    print::{Output, federate},
    state::{MemberState, Registry},
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Show the jobs in the clusters that no federated job knows
  kubectl federate orphans list -A

  # Choose some of them, and delete them
  kubectl federate orphans clean -A";

/// Find and delete jobs in the clusters that no federated job knows
///
/// Such jobs carry the labels of this federation, and no record has them: their federated job was
/// deleted and they were kept, their cluster was unregistered, or a process was interrupted.
#[derive(Debug, Subcommand)]
#[command(after_long_help = EXAMPLES)]
pub enum Orphans {
    List(list::List),
    Clean(clean::Clean),
}

impl Orphans {
    /// Whether the verb writes to no cluster.
    pub fn only_looks(&self) -> bool {
        matches!(self, Self::List(_))
    }

    /// Runs the verb.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        match self {
            Self::List(verb) => Box::pin(verb.run(session)).await,
            Self::Clean(verb) => verb.run(session).await,
        }
    }
}

/// Which orphans are meant.
#[derive(Debug, Args)]
struct Which {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    clusters: InClusters,
}

impl Which {
    /// Refuses a cluster that the registry knows neither as a member nor as a former one.
    fn check_clusters(&self, registry: &Registry) -> Result<()> {
        let is_known = |name: &String| {
            registry.members.contains_key(name)
                || registry.former.values().any(|former| former.name == *name)
        };
        match self.clusters.names().into_iter().find(|name| !is_known(name)) {
            Some(name) => Err(federation::Error::not_registered(&name, registry).into()),
            None => Ok(()),
        }
    }

    /// Keeps the orphans that are meant. Gives an error for each name that none has.
    fn narrow(&self, orphans: &mut Vec<Orphan>) -> Result<Result<()>> {
        let names = &self.selection.names;
        let fields = self.selection.fields()?;
        orphans.retain(|orphan| {
            (names.is_empty() || names.contains(&orphan.job.name))
                && self.clusters.has(&orphan.cluster)
                && self.selection.matches(&orphan.labels)
                && fields.matches(&object(orphan))
        });
        let is_missing = |name: &&String| orphans.iter().all(|orphan| orphan.job.name != **name);
        let missing = names.iter().filter(is_missing);
        let not_found = missing
            .map(|name| Err(Error::server("NotFound", format!("orphans {name:?} not found"))));
        Ok(Error::all(not_found))
    }

    /// The flag that narrows to clusters, where there is one.
    fn clusters_flag(&self) -> Option<String> {
        let names: Vec<_> = self.clusters.names().into_iter().collect();
        (!names.is_empty()).then(|| format!("--clusters={}", names.join(",")))
    }

    /// How the user has said which orphans are meant.
    fn named(&self) -> Named {
        if !self.selection.names.is_empty() {
            Named::Jobs
        } else if self.selection.names_values_of(labels::JOB) {
            Named::FederatedJobs
        } else {
            Named::No
        }
    }
}

/// The command that deletes all orphans that these words select. On a terminal it asks which of
/// them. Elsewhere a flag says so; where some may run on, another one says that these are meant,
/// too.
pub fn clean_all<'w>(
    output: &Output,
    words: impl IntoIterator<Item = &'w str>,
    run_on: bool,
) -> String {
    let flags: &[&str] = match run_on {
        _ if output.can_ask() => &[],
        true => &["--yes", "--running"],
        false => &["--yes"],
    };
    federate("orphans clean", words.into_iter().chain(flags.iter().copied()))
}

/// The flag for a namespace, or for all.
fn scope(namespace: Option<&str>) -> String {
    namespace.map_or_else(|| "-A".to_owned(), |name| format!("--namespace={name}"))
}

/// The command that rebuilds the records of Jobs in a namespace, or in all. `federation` is the uid
/// of theirs, if it is another one than that of the registry.
pub fn recover_of(namespace: Option<&str>, federation: Option<&str>) -> String {
    let scope = scope(namespace);
    let federation = federation.map(|uid| format!("--federation={uid}"));
    federate("job recover", ["--all".to_owned(), scope].into_iter().chain(federation))
}

/// The command that takes over the Jobs of another federation, and what comes before it where the
/// registry is in use: such a one takes over none.
pub fn take_over(in_use: bool, namespace: Option<&str>, federation: &str) -> String {
    let recover = recover_of(namespace, Some(federation));
    if !in_use {
        return recover;
    }
    let init = federate("init", ["--context=CONTEXT"]);
    format!("make another host by {init} and register the clusters there. Then {recover}")
}

/// Names the clusters that did not answer. That a member did not is an error; a cluster that was
/// unregistered or declared lost may be gone for good.
fn name_the_unanswered(session: &Session<'_>, found: &federation::Orphans) -> Result<()> {
    let mut members = 0;
    for Unanswered { cluster, state, why } in &found.unanswered {
        let standing = match state {
            None => "it was unregistered, and ",
            Some(MemberState::Lost) => "it was declared lost, and ",
            Some(_) => {
                members += 1;
                ""
            }
        };
        let text = format!("{standing}could not be asked: {why}");
        session.output().warning(Some(cluster), &text);
    }
    match members {
        0 => Ok(()),
        n => {
            let clusters = some_clusters(n, found.asked);
            Err(Error::new(format!("{clusters} could not be asked")))
        }
    }
}
