//! `kubectl federate job scale`.

use clap::Args;

use crate::{
    cli::{
        ChangeFlags, DryRunFlag, Session,
        events::{Reporter, Wording},
        job_name::job_name,
        number::natural,
        output::{Several, print_changed},
    },
    error::{Error, Result},
    federation::Request,
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Run at most 6 pods at a time over all clusters
  kubectl federate job scale pi --parallelism=6

  # Ask for more completions
  kubectl federate job scale pi --completions=24

  # Print what would change in each cluster
  kubectl federate job scale pi --parallelism=3 --dry-run=client";

/// Change the parallelism of a job, or its completions
///
/// The new numbers are divided over the clusters as those of a new job are. A work queue has no
/// completions to change.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Scale {
    /// The name of the job
    #[arg(value_parser = job_name)]
    name: String,
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
        let format = self.output.format()?;
        let parallelism = self.parallelism.or(self.replicas);
        if parallelism.is_none() && self.completions.is_none() {
            return Err(Error::new("must specify --parallelism, --replicas or --completions"));
        }
        let reporter = Reporter::new(session, Wording::new("scaled"));
        let reporter = reporter.keeping(format.is_some());
        let federation = session.federation(&reporter).await?;
        let request =
            Request { open_only: true, ..Request::new(&self.name, self.dry_run.strategy) };
        let namespace = session.namespace()?;
        let scaled = federation.edit(&namespace, &self.name, &request, |manifest| {
            Ok(manifest.scaled(parallelism, self.completions)?)
        });
        reporter.interruptible(scaled).await??;
        let jobs = reporter.objects();
        print_changed(session.world(), format.as_ref(), jobs, Several::Apart).await
    }
}
