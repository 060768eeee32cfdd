//! `kubectl federate reconcile`.

use clap::Args;

use super::{
    Session,
    confirm::choose,
    events::{Live, Reporter, Wording},
    job_name::job_name,
    unmarked::name_those_that_act,
};
use crate::{
    error::{Error, Result},
    federation::{Federation, Remains, Reopen, Scope, Uncertain, UncertainWork},
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Reconcile all jobs of the namespace once
  kubectl federate reconcile

  # Reconcile one job until it has finished
  kubectl federate reconcile pi --watch

  # Reconcile the jobs of all namespaces, for example from cron
  kubectl federate reconcile --all-namespaces

  # Move work that has not started to a cluster that was registered or uncordoned
  kubectl federate reconcile pi --rebalance

  # Run the rest of a shard again that somebody deleted in its cluster
  kubectl federate reconcile pi --reopen";

/// Finish what was begun, and record what happened
///
/// Compares the record of each federated job with its clusters. Creates the shards that are
/// missing, finishes deletions, and records the outcome of jobs that have ended. It writes nothing
/// if there is nothing to do. It can be interrupted at any time and run again.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
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
    /// Do not ask before work is run again that may have been done: of a shard that is gone and to
    /// which its cluster had given a ttlSecondsAfterFinished, or of which pods or another job are
    /// left there, or of a record that was restored
    #[arg(short = 'y', long)]
    yes: bool,
    /// Move work that has not started to clusters that carry less than their share, such as a new
    /// one
    #[arg(long, conflicts_with = "watch")]
    rebalance: bool,
    /// Go on until all jobs have finished. It is an error if a job cannot go on by itself, because
    /// it is suspended, paused or stopped
    #[arg(long)]
    watch: bool,
}

impl Reconcile {
    /// Reconciles the Jobs, once or until all is done.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        if self.yes && !self.reopen {
            let why = "--yes needs --reopen: it answers the question what may be run again";
            return Err(Error::new(why));
        }
        let reconcile = Box::pin(self.reconcile(session));
        if !self.watch {
            return reconcile.await;
        }
        // What ends by itself in the clusters needs nobody.
        let left = || {
            "interrupted. The pods that run go on. The same command finishes what was begun, and \
             goes on with the rest."
                .to_owned()
        };
        session.world().interruptible_with(reconcile, left).await
    }

    /// What is to be opened again. Work that may be done is asked for.
    async fn which(
        &self,
        session: &Session<'_>,
        federation: &Federation<'_>,
        scope: Scope<'_>,
    ) -> Result<Reopen> {
        if !self.reopen {
            return Ok(Reopen::None);
        }
        let held = federation.uncertain(scope).await?;
        // Where nobody can be asked, the flag is the consent to what is not known to be done.
        let is_told = |it: &&Uncertain| !it.work.is_undone() || session.output().can_ask();
        for Uncertain { job, work } in held.iter().filter(is_told) {
            session.output().note(format!("job.batch/{job}: {}", about(job, work)));
        }
        let unchanged = "nothing was run again";
        if self.yes {
            return Ok(Reopen::All);
        }
        if held.iter().all(|it| it.work.is_undone()) {
            if held.is_empty() || !session.output().can_ask() {
                return Ok(Reopen::Undone);
            }
            let question = "Have other shards do what is left of them?";
            return match choose(session.world(), question, &["yes"], "--yes", unchanged).await? {
                Some(_) => Ok(Reopen::Undone),
                None => Err(Error::new(format!("cancelled: {unchanged}"))),
            };
        }
        // A cluster that does not answer keeps its own work back, and not that of others.
        let is_silent = |it: &Uncertain| {
            matches!(it.work, UncertainWork::Deleted { remains: Some(Remains::Unknown(_)), .. })
        };
        if !session.output().can_ask() && held.iter().all(|it| it.work.is_undone() || is_silent(it))
        {
            return Ok(Reopen::Undone);
        }
        let question = "Run again what may have been done already?";
        match choose(session.world(), question, &["yes", "no"], "--yes", unchanged).await? {
            Some(0) => Ok(Reopen::All),
            Some(_) => Ok(Reopen::Undone),
            None => Err(Error::new(format!("cancelled: {unchanged}"))),
        }
    }

    async fn reconcile(&self, session: &Session<'_>) -> Result<()> {
        let live = if self.watch { Live::Stdout } else { Live::No };
        let reporter = Reporter::new(session, Wording { live, ..Wording::new("reconciled") });
        let namespace = if self.all_namespaces { None } else { Some(session.namespace()?) };
        // Who watches reads the records in each round, and is interrupted as a whole.
        let mut federation = if self.watch {
            session.federation(&reporter).await?
        } else {
            reporter.opening(session, &self.names, namespace.as_deref()).await?
        };
        let scope = Scope { names: &self.names, namespace: namespace.as_deref() };
        if self.watch {
            name_those_that_act(session, &federation).await;
            federation.reconcile_until_done(scope).await?;
        } else {
            let reopen = self.which(session, &federation, scope).await?;
            let reconciled = async {
                if self.rebalance {
                    federation.rebalance(scope).await?;
                }
                let act = name_those_that_act(session, &federation);
                tokio::join!(federation.reconcile(scope, reopen), act).0
            };
            reporter.interruptible(Box::pin(reconciled)).await??;
        }
        Ok(())
    }
}

/// What is not known of some work, a sentence.
fn about(job: &str, work: &UncertainWork) -> String {
    // Of several shards in one cluster each is named.
    let its_shard = |name: &str, cluster: &str| {
        let name = if name == job { String::new() } else { format!(" {name}") };
        format!("its shard{name} in cluster {cluster}")
    };
    match work {
        UncertainWork::Shard { name, cluster, ttl_seconds: Some(seconds) } => format!(
            "{} is gone, and may have finished: the cluster had set its ttlSecondsAfterFinished \
             to {seconds}.",
            its_shard(name, cluster)
        ),
        UncertainWork::Shard { name, cluster, ttl_seconds: None } => format!(
            "what is left of {} may have been done: its record was restored from a backup.",
            its_shard(name, cluster)
        ),
        UncertainWork::Deleted { name, cluster, remains } => {
            let shard = its_shard(name, cluster);
            match remains {
                None => format!("the job of {shard} was deleted, and nothing of it is left there."),
                Some(Remains::Job(there)) => format!(
                    "the job of {shard} was deleted, and job {there} is in its place, with its \
                     labels. What that does is not counted."
                ),
                Some(Remains::Pods(live, succeeded)) => format!(
                    "the job of {shard} was deleted, and pods of it are left there: {live} may \
                     run on, and {succeeded} succeeded without being counted."
                ),
                Some(Remains::Unknown(why)) => format!(
                    "the job of {shard} was deleted, and it is not known what is left of it \
                     there: {why}."
                ),
            }
        }
        UncertainWork::Withheld(work) => format!(
            "{work} may have been done since the backup was made from which its record was \
             restored."
        ),
    }
}
