//! `kubectl federate job suspend` and `resume`.

use clap::Args;

use super::{
    Federation, Session,
    change::{How, change},
};
use crate::{
    cli::DryRunFlag,
    error::{Error, Result},
};

/// The examples in its help.
const SUSPEND_EXAMPLES: &str = "\
Examples:
  # Stop the pods of a job in all clusters
  kubectl federate job suspend pi

  # Print what would be done in each cluster
  kubectl federate job suspend pi --dry-run=client";

/// Suspend jobs: stop their pods in all clusters, and keep what has succeeded
#[derive(Debug, Args)]
#[command(after_long_help = SUSPEND_EXAMPLES)]
pub struct Suspend {
    #[command(flatten)]
    jobs: Jobs,
}

/// The examples in its help.
const RESUME_EXAMPLES: &str = "\
Examples:
  # Let a suspended job go on
  kubectl federate job resume pi

  # Resume several jobs
  kubectl federate job resume pi euler";

/// Resume suspended jobs
#[derive(Debug, Args)]
#[command(after_long_help = RESUME_EXAMPLES)]
pub struct Resume {
    #[command(flatten)]
    jobs: Jobs,
}

/// The arguments of both.
#[derive(Debug, Args)]
struct Jobs {
    /// The names of the jobs
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    dry_run: DryRunFlag,
}

impl Suspend {
    /// Suspends one after another; what fails does not stop the rest.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        self.jobs.set(session, true).await
    }
}

impl Resume {
    /// Resumes one after another; what fails does not stop the rest.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        self.jobs.set(session, false).await
    }
}

impl Jobs {
    async fn set(self, session: &Session<'_>, suspend: bool) -> Result<()> {
        let (store, registry) = session.federation().await?;
        let federation = Federation { store: &store, registry: &registry };
        let namespace = session.namespace()?;
        let what = if suspend { "suspended" } else { "resumed" };
        // Whoever stops a Job is not to be told that a server of today would not take it any more.
        let dry_run = self.dry_run.strategy;
        let how = How { what, rehearsed: false, dry_run, recreate: None, open_only: true };
        let mut troubles = Vec::new();
        for name in &self.names {
            let suspending = |manifest: &crate::job::Manifest| Ok(manifest.suspending(suspend));
            match change(session, &federation, (&namespace, name), how, suspending).await {
                Ok(trouble) => troubles.extend(trouble),
                Err(error) => troubles.push(error),
            }
        }
        Error::all(troubles)
    }
}
