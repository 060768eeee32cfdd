//! `kubectl federate cluster drain`.

use clap::Args;

use super::steps;
use crate::{
    cli::{
        Session,
        duration::timeout,
        events::{Live, Reporter, Wording},
    },
    error::Result,
    federation::{Became, DrainTerms, Timeout},
    state::MemberState,
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Give the work of a cluster to others, and let its running pods finish
  kubectl federate cluster drain west

  # The same, at most for an hour
  kubectl federate cluster drain west --timeout=1h

  # Stop its running pods too, and run what they have not finished elsewhere
  kubectl federate cluster drain west --now";

/// Give the work of a cluster to others
///
/// Work that has not started is taken off the shards in the cluster and done by other clusters.
/// Running pods finish. The command ends when no shard is left, and the cluster stays cordoned. It
/// can be interrupted and repeated.
///
/// Of a work queue (a job without completions) nothing can be taken off a shard that runs: it goes
/// on there until the queue has ended, or until --now stops its pods. What these had in hand then
/// begins again elsewhere.
///
/// Where no other cluster may take the work of a job, it stays.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Drain {
    /// The member's name
    #[arg(value_name = "NAME")]
    name: String,
    /// Stop running pods, and have others do what they have not finished
    #[arg(long)]
    now: bool,
    /// How long to wait for the shards to end, such as 10m; 0s for as long as that takes
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = timeout)]
    timeout: Timeout,
}

impl Drain {
    /// Drains the cluster; each action is printed as it is taken.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let wording = Wording { live: Live::Stdout, done: false, ..Wording::new("reconciled") };
        let reporter = Reporter::new(session, wording);
        let timeout = match self.timeout {
            Timeout::After(limit) => Some(limit),
            Timeout::Once => None,
        };
        let terms = DrainTerms { now: self.now, timeout };
        steps::begin(session, &self.name, [], "set to Draining");
        let mut federation = session.federation(&reporter).await?;
        let member = federation.registry.members.get(&self.name);
        if member.is_some_and(|member| member.state == MemberState::Draining) {
            steps::became(session, &self.name, Became::Draining);
        }
        Ok(federation.drain(&self.name, terms).await?)
    }
}
