//! `kubectl federate orphans list`.

use clap::Args;

use super::{
    Which, name_the_unanswered,
    rows::{Columns, object},
    take_over,
};
use crate::{
    cli::{
        ListFlags, Session,
        events::{Reporter, Wording},
        left_records::name_none_found,
        output::{is_table, listing, print},
    },
    error::{Error, Result},
    federation::Orphans,
    print::{Format, format::list},
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
    #[command(flatten)]
    list: ListFlags,
}

impl List {
    /// Asks the clusters, reads the records, and prints what no record has.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let format = self.list.format()?;
        let format = format.as_ref();
        let namespace = self.which.selection.namespace(session)?;
        let reporter = Reporter::new(session, Wording::new("listed"));
        let federation = session.federation(&reporter).await?;
        self.which.check_clusters(&federation.registry)?;
        let mut found = federation.orphans(namespace.as_deref()).await?;
        let named = self.which.narrow(&mut found.orphans)?;
        found.orphans = self.list.table.sorted(found.orphans, object, listing(format))?;
        let output = session.output();
        let objects = || list(found.orphans.iter().map(object).collect());
        let printed = print(session.world(), format, objects, "job.batch").await;
        match found.orphans.as_slice() {
            _ if !is_table(format) => {}
            [] if named.is_ok() => {
                name_none_found(session, &federation, namespace.as_deref()).await;
            }
            [] => {}
            orphans => {
                let columns = Columns {
                    numbers: false,
                    namespace: self.which.selection.all_namespaces,
                    wide: format == Some(&Format::Wide),
                };
                output.table(&columns.table(session, orphans, Some(&self.list.table)));
            }
        }
        name_the_foreign(session, namespace.as_deref(), &found);
        printed?;
        Error::all([named, name_the_unanswered(session, &found)])
    }
}

/// Says how many Jobs are of other federations, and what to do if such a one was lost.
fn name_the_foreign(session: &Session<'_>, namespace: Option<&str>, found: &Orphans) {
    for (federation, jobs) in &found.foreign {
        let jobs = match jobs {
            1 => "1 job carries".to_owned(),
            n => format!("{n} jobs carry"),
        };
        session.output().note(format!(
            "{jobs} the labels of another federation, {federation}. If its host is gone for good, \
            {} rebuilds its records.",
            take_over(found.in_use, namespace, federation)
        ));
    }
}
