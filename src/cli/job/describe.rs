//! `kubectl federate job describe`.

use clap::Args;

use super::{
    Scope, Session,
    get::{name_the_unknown, statuses},
    none_found,
};
use crate::{
    error::{Error, Result},
    print::{Table, age},
    reconcile::Status,
    state::Record,
};

/// Show one federated job in full: what was asked for, what each cluster was given, and what it did
#[derive(Debug, Args)]
pub struct Describe {
    /// The names of the jobs; all of the namespace if left out
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

impl Describe {
    /// Reads the records, asks the members, and prints a section for each.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let (store, registry) = session.federation().await?;
        let namespace = session.namespace()?;
        let Scope { records, errors } =
            Scope::read(&store, &registry.uid, &self.names, Some(&namespace)).await?;
        let rows = statuses(session, &registry, &records).await;
        if rows.is_empty() && errors.is_empty() {
            session.output().note(none_found(Some(&namespace)));
        }
        for (n, (record, status)) in rows.iter().enumerate() {
            if n > 0 {
                session.output().block("\n\n");
            }
            print(session, record, status);
            name_the_unknown(session, record, status);
        }
        Error::all(errors)
    }
}

fn print(session: &Session<'_>, record: &Record, status: &Status) {
    let output = session.output();
    let size = record.manifest.size();
    let asked =
        size.completions.map_or("<unset> (work queue)".to_owned(), |completions| completions.to_string());
    let start = status.start.map(|start| start.to_string());
    let mut fields = vec![
        ("Name:", record.name().to_owned()),
        ("Namespace:", record.namespace().to_owned()),
        ("UID:", record.state.uid.clone()),
        ("Status:", status.word().to_owned()),
        ("Parallelism:", size.parallelism.to_string()),
        ("Completions:", asked),
        ("Start Time:", start.unwrap_or_default()),
    ];
    if let (Some(start), Some(end)) = (status.start, status.end) {
        fields.push(("Ended At:", end.to_string()));
        fields.push(("Duration:", age::age(end, start)));
    }
    if let Some(outcome) = &record.state.outcome {
        fields.push(("Reason:", outcome.reason.clone()));
        fields.push(("Message:", outcome.message.clone()));
    }
    fields.push((
        "Pods Statuses:",
        format!(
            "{} Active ({} Ready) / {} Succeeded / {} Failed",
            status.active, status.ready, status.succeeded, status.failed
        ),
    ));
    if status.unplaced > 0 {
        fields.push(("Unplaced:", format!("{} completions that no cluster carries", status.unplaced)));
    }
    for (label, value) in fields {
        output.line(format!("{label:<16}{value}").trim_end());
    }
    if status.shards.is_empty() {
        return output.line(format!("{:<16}<none>", "Shards:"));
    }
    output.line("Shards:");
    let mut table = Table::new([
        "Cluster",
        "Job",
        "State",
        "Parallelism",
        "Completions",
        "Active",
        "Succeeded",
        "Failed",
    ]);
    for shard in &status.shards {
        table.row(vec![
            shard.cluster.clone(),
            shard.name.clone(),
            shard.state.to_owned(),
            shard.share.parallelism.to_string(),
            shard.share.completions.map_or("<none>".to_owned(), |completions| completions.to_string()),
            shard.seen.active.to_string(),
            shard.seen.succeeded.to_string(),
            shard.seen.failed.to_string(),
        ]);
    }
    for line in table.render().lines() {
        output.line(format!("  {line}"));
    }
}
