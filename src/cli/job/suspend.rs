//! `kubectl federate job suspend` and `resume`.

use clap::Args;

use crate::{
    cli::{
        ChangeFlags, DryRunFlag, Session,
        changing::interruptible,
        events::{Reporter, Wording},
        job_name::job_name,
        output::{Several, print_changed},
    },
    error::Result,
    federation::{self, Request},
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
    #[arg(required = true, value_name = "NAME", value_parser = job_name)]
    names: Vec<String>,
    #[command(flatten)]
    dry_run: DryRunFlag,
    #[command(flatten)]
    output: ChangeFlags,
}

impl Suspend {
    /// Suspends side by side; what fails does not stop the rest.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        self.jobs.set(session, true).await
    }
}

impl Resume {
    /// Resumes side by side; what fails does not stop the rest.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        self.jobs.set(session, false).await
    }
}

impl Jobs {
    async fn set(self, session: &Session<'_>, suspend: bool) -> Result<()> {
        let format = self.output.print.format()?;
        let what = if suspend { "suspended" } else { "resumed" };
        // The verb says what changes.
        let wording = Wording { fields: false, ..Wording::new(what) };
        let reporter = Reporter::new(session, wording).keeping(format.is_some());
        let namespace = session.namespace()?;
        let federation = reporter.opening(session, &self.names, Some(&namespace)).await?;
        // Whoever stops a Job is not to be told that a server of today would not take it any more.
        let request = |name: &String| Request {
            preflight: false,
            open_only: true,
            ..Request::new(name, self.dry_run.strategy)
        };
        let requests: Vec<_> = self.names.iter().map(request).collect();
        let jobs: Vec<_> = self.names.iter().map(String::as_str).zip(&requests).collect();
        let set =
            federation.edit_all(&namespace, &jobs, |manifest| Ok(manifest.suspending(suspend)));
        let printed = (format.as_ref(), Several::Apart);
        let set = interruptible(session, &reporter, printed, Box::pin(set)).await?;
        let errors = set.into_iter().filter_map(std::result::Result::err).collect();
        let jobs = reporter.objects();
        let printed = print_changed(session.world(), format.as_ref(), jobs, Several::Apart).await;
        federation::Error::all(errors)?;
        printed
    }
}
