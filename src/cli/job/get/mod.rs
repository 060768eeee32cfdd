//! `kubectl federate job get`.

mod columns;
mod watch;

use clap::Args;
use serde_json::Value;

use self::columns::Columns;
use crate::{
    cli::{
        Selection, Session,
        events::{Reporter, Wording, name_the_unknown, none_found},
    },
    error::Result,
    federation::{self, Look, Records},
    print::{Format, format::list},
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # List the jobs of the namespace
  kubectl federate job get

  # List the jobs of all namespaces that have a label
  kubectl federate job get --all-namespaces --selector=team=math

  # Print one job with its status over all clusters as JSON
  kubectl federate job get pi -o json

  # Show one job again whenever it changes
  kubectl federate job get pi --watch";

/// Show federated jobs over all their clusters
///
/// Every cluster is asked. Nothing is written.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Get {
    #[command(flatten)]
    selection: Selection,
    /// How to print: wide, json, yaml or name
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
    /// Print no column names
    #[arg(long)]
    no_headers: bool,
    /// Afterwards, show each job again whenever it changes
    #[arg(short, long)]
    watch: bool,
}

impl Get {
    /// Reads the records, asks the members, and prints what it amounts to.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let columns = Columns {
            namespace: self.selection.all_namespaces,
            shards: self.output == Some(Format::Wide),
            headers: !self.no_headers,
        };
        let namespace = self.selection.namespace(session)?;
        let reporter = Reporter::new(session, Wording::new("reconciled"));
        let federation = session.federation(&reporter).await?;
        if self.watch {
            let scope =
                federation::Scope { names: &self.selection.names, namespace: namespace.as_deref() };
            let watch = watch::watch(session, federation, scope, self.output, columns);
            return session.world().interruptible(watch).await;
        }
        let Records { mut records, errors } =
            federation.records(&self.selection.names, namespace.as_deref()).await?;
        records.retain(|record| {
            self.selection.matches(&record.manifest.object()["metadata"]["labels"])
        });
        if let ([_], [_]) = (self.selection.names.as_slice(), errors.as_slice()) {
            // As in kubectl, where of one that is not there nothing is printed, no list either.
            return Ok(federation::Error::all(errors)?);
        }
        let looks = federation.look(records).await;
        match self.output.and_then(|format| format.text(&self.objects(&looks), "job.batch")) {
            Some(text) => session.output().block(&text),
            None if looks.is_empty() && errors.is_empty() => {
                session.output().note(none_found(namespace.as_deref()));
            }
            None if looks.is_empty() => {}
            None => {
                let mut table = columns.table();
                for look in &looks {
                    table.row(columns.row(session, &look.record, &look.status));
                }
                session.output().table(&table);
            }
        }
        for look in &looks {
            name_the_unknown(session, &look.record, &look.status);
        }
        Ok(federation::Error::all(errors)?)
    }

    /// As `kubectl get -o json` has it: the object that was asked for by name, or a list.
    fn objects(&self, looks: &[Look]) -> Value {
        match (self.selection.names.as_slice(), looks) {
            ([_], [look]) => look.status.to_job(&look.record),
            _ => list(looks.iter().map(|look| look.status.to_job(&look.record)).collect()),
        }
    }
}
