//! `kubectl federate orphans list`.

use clap::Args;

use super::{
    Which, name_the_unanswered, recover,
    rows::{Columns, object},
};
use crate::{
    cli::{Session, events::none_found},
    error::Result,
    federation::Orphans,
    print::{Format, federate, format},
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Show the orphans of the namespace
  kubectl federate orphans list

  # Show those of all namespaces, with their uids
  kubectl federate orphans list -A -o wide

  # Show those in two clusters
  kubectl federate orphans list --clusters=east,west";

/// Show jobs in the clusters that no federated job knows
///
/// All clusters are asked, also those that were unregistered and are not clean yet. Jobs of other
/// federations, and jobs that another object made, such as a CronJob, are no orphans. Nothing is
/// written.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct List {
    #[command(flatten)]
    which: Which,
    /// How to print: wide, json, yaml or name
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
    /// Print no column names
    #[arg(long)]
    no_headers: bool,
}

impl List {
    /// Asks the clusters, reads the records, and prints what no record has.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let namespace = self.which.selection.namespace(session)?;
        let federation = session.federation(&()).await?;
        self.which.check_clusters(&federation.registry)?;
        let mut found = federation.orphans(namespace.as_deref()).await?;
        let named = self.which.narrow(&mut found.orphans);
        let output = session.output();
        let objects = || format::list(found.orphans.iter().map(object).collect());
        match self.output.and_then(|format| format.text(&objects(), "job.batch")) {
            Some(text) => output.block(&text),
            None if found.orphans.is_empty() && named.is_ok() => {
                output.note(none_found(namespace.as_deref()));
            }
            None if found.orphans.is_empty() => {}
            None => {
                let columns = Columns {
                    numbers: false,
                    namespace: self.which.selection.all_namespaces,
                    wide: self.output == Some(Format::Wide),
                };
                let table = columns.table(session, &found.orphans);
                output.table(&table.no_headers(self.no_headers));
            }
        }
        name_the_foreign(session, namespace.as_deref(), &found);
        named.and(name_the_unanswered(session, &found))
    }
}

/// Says how many Jobs are of other federations, and what to do if such a one was lost.
fn name_the_foreign(session: &Session<'_>, namespace: Option<&str>, found: &Orphans) {
    for (federation, jobs) in &found.foreign {
        let jobs = match jobs {
            1 => "1 job carries".to_owned(),
            n => format!("{n} jobs carry"),
        };
        let first = if found.in_use {
            let init = federate("init", ["--context=CONTEXT"]);
            format!("make another host by {init} and register the clusters there. Then ")
        } else {
            String::new()
        };
        session.output().note(format!(
            "{jobs} the labels of another federation, {federation}. If its host is gone for good, \
            {first}{} rebuilds its records.",
            recover(namespace, Some(federation))
        ));
    }
}
