//! `kubectl federate job scale`.

use clap::Args;

use super::{
    Federation, Session,
    change::{How, change},
};
use crate::{
    cli::DryRunFlag,
    error::{Error, Result},
};

/// Change the parallelism of a job, or its completions
///
/// The new numbers are divided over the clusters as those of a new job are. Completions of a work
/// queue cannot be set.
#[derive(Debug, Args)]
pub struct Scale {
    /// The name of the job
    name: String,
    /// Pods at any one time, over all clusters; 0 is a pause
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    parallelism: Option<i32>,
    /// The same
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    #[arg(conflicts_with = "parallelism")]
    replicas: Option<i32>,
    /// Successes wanted, over all clusters
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    completions: Option<i32>,
    #[command(flatten)]
    dry_run: DryRunFlag,
}

impl Scale {
    /// Changes the numbers.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let parallelism = self.parallelism.or(self.replicas);
        if parallelism.is_none() && self.completions.is_none() {
            return Err(Error::new("must specify --parallelism, --replicas or --completions"));
        }
        let (store, registry) = session.federation().await?;
        let federation = Federation { store: &store, registry: &registry };
        let dry_run = self.dry_run.strategy;
        let how = How { what: "scaled", rehearsed: true, dry_run, recreate: None, open_only: true };
        let job = (session.namespace()?, self.name);
        let trouble = change(session, &federation, (&job.0, &job.1), how, |manifest| {
            manifest.scaled(parallelism, self.completions).map_err(Error::new)
        });
        trouble.await?.map_or(Ok(()), Err)
    }
}
