//! `kubectl federate cluster …`: the members.

mod label;
mod list;
mod register;
mod unregister;

use clap::Subcommand;

use super::Session;
use crate::error::Result;

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Register two clusters, by the contexts of your kubeconfig
  kubectl federate cluster register west
  kubectl federate cluster register london --cluster-context=spare

  # Show which members answer
  kubectl federate cluster list";

/// Register, list and unregister the clusters of the federation
#[derive(Debug, Subcommand)]
#[command(after_long_help = EXAMPLES)]
pub enum Cluster {
    Register(register::Register),
    List(list::List),
    Unregister(unregister::Unregister),
}

impl Cluster {
    /// Runs the verb.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        match self {
            Self::Register(verb) => verb.run(session).await,
            Self::List(verb) => verb.run(session).await,
            Self::Unregister(verb) => verb.run(session).await,
        }
    }
}
