//! `kubectl federate reconcile`.

use clap::Args;

use super::{
    DryRun, Session,
    job::{Scope, none_found, print_done, report},
};
use crate::{
    error::{Error, Result},
    reconcile::{Status, observe, settle},
};

/// Finish what was begun, and record what happened
///
/// Compares what is remembered of each federated job with its clusters, creates the parts that were not created
/// yet, finishes deletions, and latches the outcome of jobs that ended. It does nothing where nothing is to be
/// done, and it can be interrupted at any time and run again.
#[derive(Debug, Args)]
pub struct Reconcile {
    /// The names of the jobs; all of the namespace if left out
    names: Vec<String>,
    /// The jobs of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
}

impl Reconcile {
    /// Looks at each member once, then settles the Jobs one after another.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let (store, registry) = session.federation().await?;
        let namespace = if self.all_namespaces { None } else { Some(session.namespace()?) };
        let Scope { records, errors: mut troubles } =
            Scope::read(&store, &registry.uid, &self.names, namespace.as_deref()).await?;
        if records.is_empty() && troubles.is_empty() {
            session.output().note(none_found(namespace.as_deref()));
        }
        let all: Vec<_> = records.iter().collect();
        let members = session.members_of(&registry, &all).await;
        let observed = observe(&all, &members).await;
        for (record, observations) in records.into_iter().zip(observed) {
            let job = format!("job.batch/{}", record.name());
            let before = record.clone();
            let settled =
                match settle(&store, record, observations, &members, || session.now(), &|_| ()).await {
                    Ok(settled) => settled,
                    Err(error) => {
                        troubles.push(error.into());
                        continue;
                    }
                };
            print_done(session, before.name(), &settled.done, DryRun::None);
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
                    troubles.extend(report(session, &record, &status));
                }
            }
        }
        Error::all(troubles)
    }
}
