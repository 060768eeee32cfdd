//! `kubectl federate reconcile`.

mod watch;

use clap::Args;

use super::{
    DryRun, Session,
    job::{Scope, name_the_unplaced, none_found, print_done, report},
};
use crate::{
    error::{Error, Result},
    reconcile::{Members, Observations, Status, observe, preview, run},
    state::{Record, Store},
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
    #[arg(value_name = "NAME")]
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
    /// Looks at each member once, then settles the Jobs one after another.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        if self.watch {
            return watch::watch(&self, session).await;
        }
        let (store, registry) = session.federation().await?;
        let namespace = if self.all_namespaces { None } else { Some(session.namespace()?) };
        let Scope { records, errors: mut troubles } =
            Scope::read(&store, &registry.uid, &self.names, namespace.as_deref()).await?;
        if records.is_empty() && troubles.is_empty() {
            session.output().note(none_found(namespace.as_deref()));
        }
        let all: Vec<_> = records.iter().collect();
        let members = if self.reopen {
            // What is opened again may go anywhere.
            session.members(&registry, registry.members.keys().cloned().collect()).await
        } else {
            session.members_to_settle(&registry, &all).await
        };
        let observed = observe(&all, &members).await;
        for (record, observations) in records.into_iter().zip(observed) {
            let job = format!("job.batch/{}", record.name());
            let before = record.clone();
            let reopened = self.reopened(session, &store, record, observations, &members).await;
            let (record, observations) = match reopened {
                Ok(reopened) => reopened,
                Err(error) => {
                    troubles.push(error);
                    continue;
                }
            };
            let settled = match run(
                &store,
                record,
                observations,
                &members,
                || session.now(),
                &|_| (),
            )
            .await
            {
                Ok(settled) => settled,
                Err(error) => {
                    troubles.push(error.into());
                    continue;
                }
            };
            print_done(session, &settled.done, DryRun::None);
            match settled.record {
                None => session.output().line(format!("job.batch {:?} deleted", before.name())),
                Some(record) => {
                    let unchanged = record == before && settled.done.is_empty();
                    let status = Status::of(&record, &settled.observations);
                    let what = if unchanged { "unchanged" } else { "reconciled" };
                    session.output().line(format!(
                        "{job} {what}: {} {}",
                        status.word(),
                        status.completions()
                    ));
                    name_the_unplaced(session, &record, &status);
                    troubles.extend(report(session, &record, &status));
                }
            }
        }
        Error::all(troubles)
    }

    /// The record with what was deleted open again, if that is asked for and there is anything:
    /// what was deleted since the last reconcile, too.
    async fn reopened(
        &self,
        session: &Session<'_>,
        store: &Store,
        mut record: Record,
        mut observations: Observations,
        members: &Members,
    ) -> Result<(Record, Observations)> {
        if !self.reopen {
            return Ok((record, observations));
        }
        loop {
            let (mut seen, looked) = preview(&record, observations, members, session.now()).await;
            observations = looked;
            if !seen.reopen() {
                return Ok((record, observations));
            }
            match store.replace(&seen).await {
                Err(error) if error.is_conflict() => {
                    record = store.record(record.namespace(), record.name()).await?;
                    observations.forget_confirmed();
                }
                written => return Ok((written?, observations)),
            }
        }
    }
}
