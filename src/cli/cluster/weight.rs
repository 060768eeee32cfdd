//! `kubectl federate cluster weight`.

use clap::Args;

use super::steps;
use crate::{
    cli::{Session, number::natural},
    error::Result,
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Give a cluster twice the share of the others
  kubectl federate cluster weight west 2

  # Give a cluster no share of new jobs that have no preferences
  kubectl federate cluster weight west 0";

/// Set a cluster's share of new jobs
///
/// The weight counts where a job has no preferences. Only the registry is changed: the cluster need
/// not answer.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Weight {
    /// The member's name
    #[arg(value_name = "NAME")]
    name: String,
    /// The cluster's share of a job relative to those of the other clusters
    #[arg(value_name = "N", value_parser = natural, allow_negative_numbers = true)]
    weight: i32,
}

impl Weight {
    /// Writes the weight to the registry.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        steps::begin(session, &self.name, [], "configured");
        let changed = session.federation(&()).await?.weigh(&self.name, self.weight).await?;
        let what = if changed { "configured" } else { "unchanged" };
        session.output().line(format!("cluster/{} {what}", self.name));
        Ok(())
    }
}
