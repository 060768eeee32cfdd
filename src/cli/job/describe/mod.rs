//! `kubectl federate job describe`.

mod fields;
mod logs;
mod next;
mod section;
mod tables;

pub(super) use fields::unplaced;
pub(super) use tables::shards;

use clap::Args;

use crate::{
    cli::{
        InClusters, Selector, Session,
        events::{Reporter, Wording},
        job_name::job_name,
        left_records::name_none_found,
        unknown::name_the_unknown,
    },
    error::{Error, Result},
    federation::{self, Described, Records},
    state::Record,
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Describe one job
  kubectl federate job describe pi

  # Describe what two clusters have of it
  kubectl federate job describe pi --clusters=east,west

  # Describe all jobs of a namespace
  kubectl federate job describe --namespace=math

  # Describe the jobs of all namespaces that have a label
  kubectl federate job describe --all-namespaces --selector=team=math";

/// Show one federated job in full: what was asked for, what each cluster was given, and what it did
///
/// Where pods do not run, the pods and events of the clusters are read too; where some failed, the
/// last lines of one of them. Nothing is written. --clusters narrows the tables; what is said of
/// the job as a whole stays.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Describe {
    /// The names of the jobs; all of the namespace if left out
    #[arg(value_name = "NAME", value_parser = job_name)]
    names: Vec<String>,
    /// The jobs of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Only jobs whose labels match, such as team=math,tier!=web
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    #[arg(default_value = "", hide_default_value = true)]
    selector: Selector,
    #[command(flatten)]
    clusters: InClusters,
    /// Taken as kubectl takes it: `job events` shows all events
    #[arg(long)]
    show_events: bool,
    /// Taken as kubectl takes it: lists are always read in chunks of 500
    #[arg(long, value_name = "N", default_value_t = 500, hide_default_value = true)]
    chunk_size: i64,
}

impl Describe {
    /// Reads the records, asks the members, and prints a section for each.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        if !self.selector.is_empty() && !self.names.is_empty() {
            return Err(Error::new("name cannot be provided when a selector is specified"));
        }
        let reporter = Reporter::new(session, Wording::new("described"));
        let namespace = if self.all_namespaces { None } else { Some(session.namespace()?) };
        let namespace = namespace.as_deref();
        let federation = session.federation_about(&self.names, namespace, &reporter).await?;
        let Records { mut records, errors } = federation.records(&self.names, namespace).await?;
        let labels = |record: &Record| record.manifest.object()["metadata"]["labels"].clone();
        records.retain(|record| self.selector.matches(&labels(record)));
        if records.is_empty() && errors.is_empty() {
            name_none_found(session, &federation, namespace).await;
        }
        match records.as_slice() {
            [record] if self.names.len() == 1 => {
                federation.check_shards_in(&self.clusters.names(), record)?;
            }
            records => federation.check_registered(&self.clusters.names(), records)?,
        }
        for (n, one) in federation.describe(records).await.into_iter().enumerate() {
            if n > 0 {
                session.output().block("\n\n");
            }
            print(session, one, &self.clusters);
        }
        Ok(federation::Error::all(errors)?)
    }
}

/// Prints a section of one Job, and of its tables what they say of these clusters.
fn print(session: &Session<'_>, mut described: Described, clusters: &InClusters) {
    fields::print(session, &described.look);
    let next = next::table(&described);
    narrow(&mut described, clusters);
    tables::print(session, &described);
    logs::print(session, &described);
    section::print(session, "Next", next);
    let Described { look, inspection, .. } = &described;
    name_the_unknown(session, &[(&look.record, &look.status)]);
    for (cluster, error) in &inspection.unread {
        let text = format!("job.batch/{}: not all could be read: {error}", look.record.name());
        session.output().warning(Some(cluster), &text);
    }
}

fn narrow(described: &mut Described, clusters: &InClusters) {
    let Described { look, inspection, last_lines, .. } = described;
    clusters.narrow(&mut look.status);
    let has = |id: &u32| look.record.shards.get(id).is_none_or(|it| clusters.has(&it.cluster));
    inspection.shards.retain(|id, _| has(id));
    inspection.unread.retain(|(cluster, _)| clusters.has(cluster));
    last_lines.retain(|id, _| has(id));
}
