//! `kubectl federate job events`.

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    cli::{
        InClusters, PrintFlags, Session,
        events::{Reporter, Wording},
        job_name::job_name,
        output::print,
    },
    error::{Error, Exit, Result},
    federation::{JobEvents, MemberEvent},
    job::text,
    print::{Format, Table, age},
    reconcile::Clocks,
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Show the events of a job and its pods in all clusters
  kubectl federate job events pi

  # Show the warnings, and those to come
  kubectl federate job events pi --types=Warning --watch

  # Print the reasons of the events in one cluster
  kubectl federate job events pi --clusters=west -o jsonpath='{.items[*].reason}'";

/// The annotation of an event that is printed as an object: the cluster that has it.
const CLUSTER: &str = "kubectl-federate.dev/cluster";

/// Show the events of a federated job and its pods, of all clusters
///
/// They are in the order in which they were seen last. Clusters keep events for an hour, unless
/// they are told otherwise. Nothing is written.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Events {
    /// The name of the job
    #[arg(value_name = "NAME", value_parser = job_name)]
    job: String,
    #[command(flatten)]
    clusters: InClusters,
    /// Only events of these types: Normal, Warning
    #[arg(long, value_name = "TYPES", value_delimiter = ',')]
    types: Vec<String>,
    /// Afterwards, show events as they come
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    output: PrintFlags,
    /// Print no column names
    #[arg(long)]
    no_headers: bool,
    /// Taken as kubectl takes it: lists are always read in chunks of 500
    #[arg(long, value_name = "N", default_value_t = 500, hide_default_value = true)]
    chunk_size: i64,
}

impl Events {
    /// Whether it goes on and on.
    pub fn watches(&self) -> bool {
        self.watch
    }

    /// Reads the events of all members, and prints them.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let is_type = |word: &String| ["normal", "warning"].contains(&&*word.to_lowercase());
        if !self.types.iter().all(is_type) {
            return Err(Error::new("valid --types are Normal or Warning"));
        }
        let format = self.output.format()?;
        if self.watch && matches!(format, Some(Format::GoTemplate(_))) {
            return Err(Error::new("--watch cannot be used with a go-template"));
        }
        let (namespace, clusters) = (session.namespace()?, self.clusters.names());
        let reporter = Reporter::new(session, Wording::new("shown"));
        let mut federation = session.federation(&reporter).await?;
        let (widths, is_begun) = (Vec::new(), false);
        let mut shown = Shown { session, terms: &self, format, widths, is_begun };
        if self.watch {
            let mut told = Ok(());
            let tell = &mut |found| {
                told = shown.more(found);
                told.is_ok() && !session.output().is_closed()
            };
            let watch = federation.watch_job_events(&namespace, &self.job, &clusters, tell);
            Box::pin(watch).await?;
            return told;
        }
        let found = federation.job_events(&namespace, &self.job, &clusters).await?;
        let is_whole = found.silent.is_empty();
        shown.all(found, &namespace).await?;
        if is_whole { Ok(()) } else { Err(Error::silent(Exit::Failed.code())) }
    }

    fn is_asked(&self, event: &MemberEvent) -> bool {
        let kind = text(&event.object["type"]);
        self.types.is_empty() || self.types.iter().any(|asked| asked.eq_ignore_ascii_case(kind))
    }
}

/// What was shown.
struct Shown<'s> {
    session: &'s Session<'s>,
    terms: &'s Events,
    /// None for the table.
    format: Option<Format>,
    /// Of the columns of the table.
    widths: Vec<usize>,
    is_begun: bool,
}

impl Shown<'_> {
    /// Prints all events there are, as one list.
    async fn all(&mut self, mut found: JobEvents, namespace: &str) -> Result<()> {
        found.events.retain(|event| self.terms.is_asked(event));
        let output = self.session.output();
        self.name_the_silent(&found.silent);
        if found.events.is_empty() {
            if found.silent.is_empty() {
                output.note(format!("No events found in {namespace} namespace."));
            }
            return Ok(());
        }
        let objects = || event_list(found.events.iter().map(object).collect());
        if !print(self.session.world(), self.format.as_ref(), objects, "event").await? {
            output.block(&self.table(&found).render());
        }
        Ok(())
    }

    /// Prints events that are new.
    ///
    /// # Errors
    /// A template does not fit one.
    fn more(&mut self, mut found: JobEvents) -> Result<()> {
        found.events.retain(|event| self.terms.is_asked(event));
        let output = self.session.output();
        let Some(format) = &self.format else {
            if !found.events.is_empty() {
                let table = self.table(&found);
                output.block(&table.render_below(&mut self.widths));
                self.is_begun = true;
            }
            self.name_the_silent(&found.silent);
            return Ok(());
        };
        for event in found.events.iter().map(object) {
            if *format == Format::Yaml && self.is_begun {
                output.line("---");
            }
            if let Some(printed) = format.print(&event, "event") {
                output.exactly(&printed.text);
                if let Some(why) = printed.failed {
                    return Err(Error::new(why));
                }
            }
            self.is_begun = true;
        }
        self.name_the_silent(&found.silent);
        Ok(())
    }

    fn table(&self, found: &JobEvents) -> Table {
        let headers = ["CLUSTER", "LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"];
        let mut table = Table::new(headers).no_headers(self.terms.no_headers || self.is_begun);
        for MemberEvent { cluster, object } in &found.events {
            let about = &object["involvedObject"];
            table.row([
                cluster.clone(),
                last_seen(object, cluster, &found.clocks, self.session.now()),
                text(&object["type"]).to_owned(),
                text(&object["reason"]).to_owned(),
                format!("{}/{}", text(&about["kind"]), text(&about["name"])),
                text(&object["message"]).trim().to_owned(),
            ]);
        }
        table
    }

    fn name_the_silent(&self, silent: &BTreeMap<String, String>) {
        for (cluster, why) in silent {
            self.session.output().warning(Some(cluster), why);
        }
    }
}

/// The list that `kubectl events` makes of several.
fn event_list(items: Vec<Value>) -> Value {
    json!({"apiVersion": "v1", "kind": "EventList", "metadata": {}, "items": items})
}

/// The event with the cluster that has it.
fn object(event: &MemberEvent) -> Value {
    let mut object = event.object.clone();
    object["metadata"]["annotations"][CLUSTER] = event.cluster.as_str().into();
    object
}

/// How long ago an event was seen last, and how often since when, as kubectl writes it.
fn last_seen(event: &Value, cluster: &str, clocks: &Clocks, now: Timestamp) -> String {
    let ago = |time: &Value| {
        let at = time.as_str().and_then(|time| time.parse::<Timestamp>().ok());
        let at = at.map(|at| clocks.host_time(cluster, at.as_second()));
        let at = at.and_then(|at| Timestamp::from_second(at).ok());
        at.map_or(age::UNKNOWN.to_owned(), |at| age::age(now, at))
    };
    let has_time = event["eventTime"].is_string();
    let first = ago(&event[if has_time { "eventTime" } else { "firstTimestamp" }]);
    let series = &event["series"];
    let (last, count) = if series.is_object() {
        (&series["lastObservedTime"], &series["count"])
    } else {
        (&event["lastTimestamp"], &event["count"])
    };
    match count.as_i64() {
        Some(count) if count > 1 || series.is_object() => {
            format!("{} (x{count} over {first})", ago(last))
        }
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_kubectl_does() {
        let now: Timestamp = "2026-01-01T12:20:00Z".parse().expect("a time");
        let (old, new) = ("2026-01-01T12:00:00Z", "2026-01-01T12:08:00Z");
        for (event, expected) in [
            (json!({"firstTimestamp": old, "lastTimestamp": old, "count": 1}), "20m"),
            (json!({"firstTimestamp": old, "lastTimestamp": new, "count": 3}), "12m (x3 over 20m)"),
            (
                json!({"eventTime": old, "series": {"count": 3, "lastObservedTime": new}}),
                "12m (x3 over 20m)",
            ),
            (json!({"eventTime": new}), "12m"),
            (json!({"eventTime": null, "firstTimestamp": null}), "<unknown>"),
        ] {
            assert_eq!(last_seen(&event, "west", &Clocks::default(), now), expected, "{event}");
        }
    }
}
