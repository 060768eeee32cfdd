//! `kubectl federate job adopt`.

use std::collections::BTreeSet;

use clap::Args;

use super::describe;
use crate::{
    cli::{
        DryRunFlag, Session,
        confirm::Confirmation,
        events::{Reporter, Wording},
        job_name::job_name,
    },
    error::Result,
    federation::{DryRun, Look, ToAdopt},
    job::labels,
    print::{counted, federate},
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Show what would become of the jobs pi in two clusters
  kubectl federate job adopt pi --clusters=east,west --dry-run=client

  # Make one federated job of them, without a question
  kubectl federate job adopt pi --clusters=east,west --yes";

/// Make one federated job of jobs that exist in clusters
///
/// The jobs have the same name and namespace, and the same template. They get labels and
/// annotations. Their pods run on, and what they have achieved counts. Nothing is written if one
/// of the jobs does not fit. An Indexed job is adopted alone. The command can be interrupted at
/// any time and run again.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Adopt {
    /// The name of the jobs
    #[arg(value_name = "NAME", value_parser = job_name)]
    job: String,
    /// The clusters that have them
    #[arg(long, value_name = "NAMES", value_delimiter = ',', required = true)]
    clusters: Vec<String>,
    /// Do not ask before the jobs are adopted
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    dry_run: DryRunFlag,
    /// Make the namespace of the jobs in the host, if the host lacks it
    #[arg(long)]
    create_namespace: bool,
}

impl Adopt {
    /// Shows what will change, asks, and adopts the Jobs.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let reporter = Reporter::new(session, Wording::new("adopted"));
        let federation = reporter.opening(session, &[], None).await?;
        let namespace = session.namespace()?;
        let clusters: BTreeSet<_> = self.clusters.into_iter().collect();
        let asked = ToAdopt {
            namespace: &namespace,
            name: &self.job,
            clusters: &clusters,
            create_namespace: self.create_namespace,
        };
        let dry_run = self.dry_run.strategy;
        let proposed = Box::pin(federation.propose_adoption(asked, dry_run));
        let proposed = reporter.interruptible(proposed).await??;
        let output = session.output();
        output.note_table(&describe::shards(&proposed.look));
        let consequences = consequences(&proposed.look);
        let confirmation = Confirmation {
            consequences: &consequences,
            question: "Adopt these jobs?",
            flag: "--yes",
            unchanged: "nothing was adopted",
        };
        // An adoption that was begun was agreed to.
        if !proposed.is_begun {
            confirmation.ask(session.world(), self.yes || dry_run != DryRun::None).await?;
        }
        let adopted = federation.adopt(proposed, dry_run);
        Ok(Box::pin(reporter.interruptible(adopted)).await??)
    }
}

/// What becomes of the Jobs: a sentence each.
fn consequences(look: &Look) -> Vec<String> {
    let Look { record, status, .. } = look;
    let manifest = &record.manifest;
    let name = record.name();
    let parallelism = manifest.size().parallelism;
    let mut said = Vec::new();
    said.push(match manifest.size().completions {
        Some(completions) => format!(
            "The federated job {name} has parallelism {parallelism} and completions \
             {completions}, of which {} have succeeded.",
            status.succeeded
        ),
        None => format!("The federated job {name} is a work queue of parallelism {parallelism}."),
    });
    said.push(format!(
        "Each job gets the labels {}, {} and {}, and the annotations {} and {}. Its pods run on, \
         without the labels.",
        labels::FEDERATION,
        labels::JOB,
        labels::SHARD,
        labels::GENERATION,
        labels::RECOVERY
    ));
    if let Some(seconds) = manifest.ttl_seconds_after_finished() {
        said.push(format!(
            "ttlSecondsAfterFinished, {seconds}, is taken off the jobs. They get it back when the \
             federated job has ended."
        ));
    }
    if manifest.suspended() {
        let resume = federate("job resume", [name, "-n", record.namespace()]);
        said.push(format!("The federated job is suspended, as its jobs are: {resume} starts it."));
    }
    if record.shards.len() > 1 {
        said.extend(shared_limits(look));
    }
    said.push(
        "Whoever deletes the federated job together with its shards deletes these jobs.".to_owned(),
    );
    said
}

/// What several Jobs have together from now on.
fn shared_limits(Look { record, status, .. }: &Look) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(limit) = record.manifest.backoff_limit() {
        let (pods, have) =
            (counted(status.failed, "pod"), if status.failed == 1 { "has" } else { "have" });
        said.push(format!(
            "backoffLimit, {limit}, holds for all clusters together: {pods} {have} failed."
        ));
    }
    if let Some(seconds) = record.manifest.active_deadline_seconds() {
        said.push(format!(
            "activeDeadlineSeconds, {seconds}, counts from the first start in any cluster."
        ));
    }
    if record.manifest.size().completions.is_none() && status.succeeded > 0 {
        said.push("A pod of the work queue has succeeded, so no further pods start.".to_owned());
    }
    said
}
