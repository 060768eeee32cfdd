//! `kubectl federate cluster lease`.

use clap::Args;

use super::steps;
use crate::{cli::Session, error::Result, job::parse_lease};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Give the work of a cluster to others once nobody has reached it for long
  kubectl federate cluster lease west 30m

  # Let it wait for the cluster again, however long that is away
  kubectl federate cluster lease west none";

/// Set how long the shards of a cluster may run without contact
///
/// A shard with a lease stops by itself unless a command renews it in time, and no pod of it runs
/// longer than the lease. `reconcile` and `job wait` renew a lease once less than half of it is
/// left, so one of them must run at least every half lease. Once all shards in a silent cluster
/// have stopped, the next `reconcile` gives the work to other clusters without a question.
/// Completions that ended there unseen run twice.
///
/// Shards that are created from now on get it. Those that exist keep what they have. Only the
/// registry is changed: the cluster need not answer.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Lease {
    /// The member's name
    #[arg(value_name = "NAME")]
    name: String,
    /// How long it is: 1m or more, longer than any pod runs; none, or 0, takes the lease away
    #[arg(value_name = "DURATION", value_parser = length)]
    lease: Length,
}

/// The length of a lease in seconds; none for no lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length(pub Option<i64>);

/// Reads the length of a lease, such as `30m`.
///
/// # Errors
/// It is none.
pub fn length(text: &str) -> std::result::Result<Length, String> {
    parse_lease(text).map(Length)
}

impl Lease {
    /// Writes the lease to the registry.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        steps::begin(session, &self.name, [], "configured");
        let changed = session.federation(&()).await?.lease(&self.name, self.lease.0).await?;
        let what = if changed { "configured" } else { "unchanged" };
        session.output().line(format!("cluster/{} {what}", self.name));
        Ok(())
    }
}
