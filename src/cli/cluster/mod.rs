//! `kubectl federate cluster …`: the members.

mod check;
mod cordon;
mod drain;
mod label;
mod lease;
mod list;
mod lost;
pub mod match_contexts;
pub mod pick;
mod register;
pub mod registrations;
mod steps;
mod unregister;
mod weight;

use clap::Subcommand;

pub(super) use steps::became;

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

/// Manage the clusters of the federation
#[derive(Debug, Subcommand)]
#[command(after_long_help = EXAMPLES)]
pub enum Cluster {
    Register(register::Register),
    List(list::List),
    Check(check::Check),
    Label(label::Label),
    Weight(weight::Weight),
    Lease(lease::Lease),
    Cordon(cordon::Cordon),
    Uncordon(cordon::Uncordon),
    Drain(drain::Drain),
    Lost(lost::Lost),
    Match(match_contexts::Match),
    Unregister(unregister::Unregister),
}

impl Cluster {
    /// Whether the verb writes to no cluster.
    pub fn only_looks(&self) -> bool {
        matches!(self, Self::List(_) | Self::Check(_))
    }

    /// Runs the verb.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        match self {
            Self::Register(verb) => verb.run(session).await,
            Self::List(verb) => Box::pin(verb.run(session)).await,
            Self::Check(verb) => Box::pin(verb.run(session)).await,
            Self::Label(verb) => verb.run(session).await,
            Self::Weight(verb) => verb.run(session).await,
            Self::Lease(verb) => verb.run(session).await,
            Self::Cordon(verb) => verb.run(session).await,
            Self::Uncordon(verb) => verb.run(session).await,
            Self::Drain(verb) => Box::pin(verb.run(session)).await,
            Self::Lost(verb) => Box::pin(verb.run(session)).await,
            Self::Match(verb) => Box::pin(verb.run(session)).await,
            Self::Unregister(verb) => verb.run(session).await,
        }
    }
}
