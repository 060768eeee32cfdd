//! `kubectl federate reconcile`.

use clap::Args;

use super::{
    Session,
    job_name::job_name,
    report::{Live, Reporter, Wording},
};
use crate::{error::Result, federation::Scope};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Reconcile all jobs of the namespace once
  kubectl federate reconcile

  # Reconcile one job until it has finished
  kubectl federate reconcile pi --watch

  # Reconcile the jobs of all namespaces, for example from cron
  kubectl federate reconcile --all-namespaces

  # Run the rest of a shard again that somebody deleted in its cluster
  kubectl federate reconcile pi --reopen";

/// Finish what was begun, and record what happened
///
/// Compares the record of each federated job with its clusters. Creates the shards that are
/// missing, finishes deletions, and records the outcome of jobs that have ended. It writes nothing
/// if there is nothing to do. It can be interrupted at any time and run again.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Reconcile {
    /// The names of the jobs; all of the namespace if left out
    #[arg(value_name = "NAME", value_parser = job_name)]
    names: Vec<String>,
    /// The jobs of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Run again, in any cluster, what was left of the shards that somebody deleted
    #[arg(long, conflicts_with = "watch")]
    reopen: bool,
    /// Go on until all jobs have finished. It is an error if a job cannot go on by itself, because
    /// it is suspended, paused or stopped
    #[arg(long)]
    watch: bool,
}

impl Reconcile {
    /// Reconciles the Jobs, once or until all is done.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let reconcile = self.reconcile(session);
        if self.watch { session.world().interruptible(reconcile).await } else { reconcile.await }
    }

    async fn reconcile(&self, session: &Session<'_>) -> Result<()> {
        let live = if self.watch { Live::Stdout } else { Live::No };
        let reporter = Reporter::new(session, Wording { live, ..Wording::of("reconciled") });
        let mut federation = session.federation(&reporter).await?;
        let namespace = if self.all_namespaces { None } else { Some(session.namespace()?) };
        let scope = Scope { names: &self.names, namespace: namespace.as_deref() };
        if self.watch {
            federation.reconcile_until_done(scope).await?;
        } else {
            federation.reconcile(scope, self.reopen).await?;
        }
        Ok(())
    }
}
