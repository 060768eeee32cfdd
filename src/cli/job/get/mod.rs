//! `kubectl federate job get`.

mod watch;

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;
use serde_json::Value;

use super::{Scope, Session, none_found};
use crate::{
    cli::Selector,
    cluster::fan_out,
    error::{Error, Result},
    print::{Format, Table, age, format::list},
    reconcile::{Status, observe, preview},
    state::Record,
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
    /// The names of the jobs; all of the namespace if left out
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// The jobs of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Only jobs whose labels match, such as team=math,tier!=web
    #[arg(
        short = 'l',
        long,
        value_name = "SELECTOR",
        default_value = "",
        hide_default_value = true
    )]
    selector: Selector,
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
    /// Reads the records, asks the members, and prints the status of each Job.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        if !self.selector.is_empty() && !self.names.is_empty() {
            return Err(Error::new("name cannot be provided when a selector is specified"));
        }
        if self.watch {
            return watch::watch(&self, session).await;
        }
        let (store, registry) = session.federation().await?;
        let namespace = if self.all_namespaces { None } else { Some(session.namespace()?) };
        let Scope { mut records, errors } =
            Scope::read(&store, &registry.uid, &self.names, namespace.as_deref()).await?;
        records.retain(|record| {
            self.selector.matches(&record.manifest.object()["metadata"]["labels"])
        });
        if let ([_], [_]) = (self.names.as_slice(), errors.as_slice()) {
            // As in kubectl, where of one that is not there nothing is printed, no list either.
            return Error::all(errors);
        }
        let rows = statuses(session, &registry, &records).await;
        match self.output.and_then(|format| format.text(&self.objects(&rows), "job.batch")) {
            Some(text) => session.output().block(&text),
            None if rows.is_empty() && errors.is_empty() => {
                session.output().note(none_found(namespace.as_deref()));
            }
            None if rows.is_empty() => {}
            None => self.print_table(session, &rows),
        }
        for (record, status) in &rows {
            name_the_unknown(session, record, status);
        }
        Error::all(errors)
    }

    /// As `kubectl get -o json` has it: the object that was asked for by name, or a list.
    fn objects(&self, rows: &[(Record, Status)]) -> Value {
        match (self.names.as_slice(), rows) {
            ([_], [(record, status)]) => status.to_job(record),
            _ => list(rows.iter().map(|(record, status)| status.to_job(record)).collect()),
        }
    }

    fn print_table(&self, session: &Session<'_>, rows: &[(Record, Status)]) {
        let mut table = self.table();
        for (record, status) in rows {
            table.row(self.row(session, record, status));
        }
        session.output().table(&table);
    }

    fn table(&self) -> Table {
        let mut headers = Vec::new();
        headers.extend(self.all_namespaces.then_some("NAMESPACE"));
        headers.extend(["NAME", "STATUS", "COMPLETIONS", "CLUSTERS", "DURATION", "AGE"]);
        headers.extend((self.output == Some(Format::Wide)).then_some("SHARDS"));
        Table::new(headers).no_headers(self.no_headers)
    }

    fn row(&self, session: &Session<'_>, record: &Record, status: &Status) -> Vec<String> {
        let (known, clusters) = status.clusters();
        let mut row = Vec::new();
        row.extend(self.all_namespaces.then(|| record.namespace().to_owned()));
        row.extend([
            record.name().to_owned(),
            status.word().to_owned(),
            status.completions(),
            format!("{known}/{clusters}"),
            duration(status, session.now()),
            session.age(record.state.created),
        ]);
        row.extend((self.output == Some(Format::Wide)).then(|| shards(status)));
        row
    }
}

/// Each record with its status, as its members report it now. Nothing is written.
pub(super) async fn statuses(
    session: &Session<'_>,
    registry: &crate::state::Registry,
    records: &[Record],
) -> Vec<(Record, Status)> {
    let records: Vec<_> = records.iter().collect();
    let members = session.members_of(registry, &records).await;
    let observed = observe(&records, &members).await;
    let seen = records.into_iter().zip(observed);
    fan_out(seen, async |(record, observations)| {
        let (record, observations) = preview(record, observations, &members, session.now()).await;
        let status = Status::of(&record, &observations);
        (record, status)
    })
    .await
}

/// Warns of each shard whose cluster does not answer, with what was known of it last.
pub(super) fn name_the_unknown(session: &Session<'_>, record: &Record, status: &Status) {
    for shard in &status.shards {
        let Some(why) = &shard.unknown else { continue };
        let known = match shard.seen.at {
            // Only what has a uid on the host is ever started.
            _ if shard.uid.is_none() => "it is not created yet, or has run nothing".to_owned(),
            0 => "nothing is known of it".to_owned(),
            at => format!("{} succeeded as of {} ago", shard.achieved, session.age(at)),
        };
        let share = shard
            .share
            .completions
            .map_or(String::new(), |completions| format!(" of {completions} completions"));
        let job = record.name();
        session.output().warning(
            Some(&shard.cluster),
            &format!("job.batch/{job}: its share{share} is Unknown ({known}): {why}"),
        );
    }
}

fn duration(status: &Status, now: Timestamp) -> String {
    match status.start {
        None => String::new(),
        Some(start) => age::age(status.end.unwrap_or(now), start),
    }
}

/// The SHARDS column: for each cluster what its shards achieved of their completions. Shards that
/// neither run nor are Complete are listed apart, with their state.
fn shards(status: &Status) -> String {
    let mut sums: BTreeMap<(&str, &str), (i32, Option<i32>)> = BTreeMap::new();
    for shard in &status.shards {
        let state = if matches!(shard.state, "Running" | "Complete") { "" } else { shard.state };
        let (achieved, completions) = sums.entry((&shard.cluster, state)).or_default();
        *achieved += shard.achieved;
        *completions = shard.share.completions.map(|own| completions.unwrap_or(0) + own);
    }
    let each = sums.into_iter().map(|((cluster, state), (achieved, completions))| {
        let of = completions.map_or(String::new(), |completions| format!("/{completions}"));
        let state = if state.is_empty() { String::new() } else { format!("({state})") };
        format!("{cluster}:{achieved}{of}{state}")
    });
    each.collect::<Vec<_>>().join(",")
}
