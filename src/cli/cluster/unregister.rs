//! `kubectl federate cluster unregister`.

use clap::Args;

use crate::{cli::Session, error::Result};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Take a member out that carries no shard
  kubectl federate cluster unregister west";

/// Take a cluster out of the federation
///
/// Nothing is changed in the cluster itself. A cluster that carries a shard of a job cannot be
/// unregistered, because its work would be forgotten.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Unregister {
    /// The member's name
    #[arg(value_name = "NAME")]
    name: String,
}

impl Unregister {
    /// Removes the member, unless a ledger names it.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        session.federation(&()).await?.unregister(&self.name).await?;
        session.output().line(format!("cluster {:?} unregistered", self.name));
        Ok(())
    }
}
