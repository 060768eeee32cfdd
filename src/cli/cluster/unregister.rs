//! `kubectl federate cluster unregister`.

use clap::Args;

use super::{Session, not_found};
use crate::error::{Error, Result};

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
        let Self { name } = self;
        let (store, mut registry) = session.federation().await?;
        loop {
            if !registry.members.contains_key(&name) {
                return Err(not_found(&name));
            }
            let mut jobs = Vec::new();
            for record in store.records(&registry.uid, None).await? {
                let record = record?;
                if record.shards.values().any(|shard| shard.cluster == name) {
                    jobs.push(format!("{}/{}", record.namespace(), record.name()));
                }
            }
            if !jobs.is_empty() {
                let message = format!("cluster {name:?} carries a shard of {}", jobs.join(", "));
                return Err(Error::new(message).hint(
                    "Delete these jobs first: kubectl federate job delete NAME -n NAMESPACE",
                ));
            }
            match store.set_member(&registry, &name, None).await {
                Err(error) if error.is_conflict() => registry = store.registry().await?,
                done => break drop(done?),
            }
        }
        session.output().line(format!("cluster {name:?} unregistered"));
        Ok(())
    }
}
