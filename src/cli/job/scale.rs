//! `kubectl federate job scale`.

use clap::Args;

use crate::{
    cli::{
        ChangeFlags, DryRunFlag, Session,
        changing::interruptible,
        events::{Reporter, Wording},
        job_name::job_name,
        number::natural,
        output::{Several, print_changed},
    },
    error::{Error, Result},
    federation::{self, Request},
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Run at most 6 pods at a time over all clusters
  kubectl federate job scale pi --parallelism=6

  # Ask for more completions
  kubectl federate job scale pi --completions=24

  # Change several jobs
  kubectl federate job scale pi euler --parallelism=6

  # Print what would change in each cluster
  kubectl federate job scale pi --parallelism=3 --dry-run=client";

/// Change the parallelism of jobs, or their completions
///
/// The new numbers are divided over the clusters as those of a new job are. A work queue has no
/// completions to change.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Scale {
    /// The names of the jobs
    #[arg(required = true, value_name = "NAME", value_parser = job_name)]
    names: Vec<String>,
    /// The most pods at any one time, over all clusters; 0 pauses the job
    #[arg(long, value_name = "N", value_parser = natural)]
    parallelism: Option<i32>,
    /// The same as --parallelism
    #[arg(long, value_name = "N", value_parser = natural)]
    #[arg(conflicts_with = "parallelism")]
    replicas: Option<i32>,
    /// The pods that must succeed, over all clusters
    #[arg(long, value_name = "N", value_parser = natural)]
    completions: Option<i32>,
    #[command(flatten)]
    dry_run: DryRunFlag,
    #[command(flatten)]
    output: ChangeFlags,
}

impl Scale {
    /// Changes the numbers.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let format = self.output.print.format()?;
        let parallelism = self.parallelism.or(self.replicas);
        if parallelism.is_none() && self.completions.is_none() {
            return Err(Error::new("must specify --parallelism, --replicas or --completions"));
        }
        let reporter = Reporter::new(session, Wording::new("scaled"));
        let reporter = reporter.keeping(format.is_some());
        let namespace = session.namespace()?;
        let federation = reporter.opening(session, &self.names, Some(&namespace)).await?;
        let request = |name: &String| Request {
            open_only: true,
            ..Request::new(name, self.dry_run.strategy)
        };
        let requests: Vec<_> = self.names.iter().map(request).collect();
        let jobs: Vec<_> = self.names.iter().map(String::as_str).zip(&requests).collect();
        let scaled = federation.edit_all(&namespace, &jobs, |manifest| {
            Ok(manifest.scaled(parallelism, self.completions)?)
        });
        let printed = (format.as_ref(), Several::Apart);
        let scaled = interruptible(session, &reporter, printed, Box::pin(scaled)).await?;
        let errors = scaled.into_iter().filter_map(std::result::Result::err).collect();
        let jobs = reporter.objects();
        let printed = print_changed(session.world(), format.as_ref(), jobs, Several::Apart).await;
        federation::Error::all(errors)?;
        printed
    }
}
