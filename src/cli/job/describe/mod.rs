//! `kubectl federate job describe`.

mod fields;
mod next;
mod tables;

use clap::Args;

use super::{Scope, Session, get::name_the_unknown, none_found};
use crate::{
    cluster::fan_out,
    error::{Error, Result},
    print::Table,
    reconcile::{Inspection, Observations, Status, inspect, observe, preview},
    state::Record,
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Describe one job
  kubectl federate job describe pi

  # Describe all jobs of a namespace
  kubectl federate job describe --namespace=math";

/// Show one federated job in full: what was asked for, what each cluster was given, and what it did
///
/// Where pods do not run, the pods and events of the clusters are read too. Nothing is written.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Describe {
    /// The names of the jobs; all of the namespace if left out
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// All that is known of one federated Job.
struct Described {
    /// The record as it is stored.
    stored: Record,
    /// What it would be with what the members say.
    record: Record,
    observations: Observations,
    status: Status,
    inspection: Inspection,
}

impl Describe {
    /// Reads the records, asks the members, and prints a section for each.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let (store, registry) = session.federation().await?;
        let namespace = session.namespace()?;
        let Scope { records, errors } =
            Scope::read(&store, &registry.uid, &self.names, Some(&namespace)).await?;
        if records.is_empty() && errors.is_empty() {
            session.output().note(none_found(Some(&namespace)));
        }
        let all: Vec<_> = records.iter().collect();
        let members = session.members_of(&registry, &all).await;
        let observed = observe(&all, &members).await;
        let described =
            fan_out(records.into_iter().zip(observed), async |(stored, observations)| {
                let now = session.now();
                let (record, observations) = preview(&stored, observations, &members, now).await;
                let inspection = inspect(&record, &members, now).await;
                let status = Status::of(&record, &observations);
                Described { stored, record, observations, status, inspection }
            });
        for (n, one) in described.await.iter().enumerate() {
            if n > 0 {
                session.output().block("\n\n");
            }
            one.print(session);
        }
        Error::all(errors)
    }
}

impl Described {
    fn print(&self, session: &Session<'_>) {
        fields::print(session, self);
        tables::print(session, self);
        section(session, "Next", next::table(self, session.now()));
        name_the_unknown(session, &self.record, &self.status);
        for (cluster, error) in &self.inspection.unread {
            let text = format!("job.batch/{}: not all could be read: {error}", self.record.name());
            session.output().warning(Some(cluster), &text);
        }
    }
}

/// Prints a table under a title, if it has rows.
fn section(session: &Session<'_>, title: &str, table: Table) {
    if table.is_empty() {
        return;
    }
    session.output().line(format!("{title}:"));
    for line in table.render().lines() {
        session.output().line(format!("  {line}"));
    }
}
