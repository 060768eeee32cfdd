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

/// Suspend jobs: their pods are stopped in all clusters, and what has succeeded counts
#[derive(Debug, Args)]
pub struct Suspend {
    #[command(flatten)]
    jobs: Jobs,
}

/// Resume suspended jobs
#[derive(Debug, Args)]
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
