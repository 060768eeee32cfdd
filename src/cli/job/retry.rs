//! `kubectl federate job retry`.

use clap::Args;

use crate::{
    cli::{
        DryRunFlag, Session,
        confirm::Confirmation,
        events::{Reporter, Wording},
        job_name::job_name,
    },
    error::Result,
    federation::{DryRun, Retry as Proposed, UnknownWork},
    print::counted,
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Run what did not succeed of a failed job, as the job pi-retry
  kubectl federate job retry pi

  # Give the new job a name
  kubectl federate job retry pi --name=pi-again

  # Show how it would be divided
  kubectl federate job retry pi --dry-run=client";

/// Run what did not succeed of a failed job as a new job
///
/// The failed job stays as it is. The new one asks for the completions that did not succeed. That
/// of an Indexed job runs the failed and the missing indexes, under their own numbers.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Retry {
    /// The name of the failed job
    #[arg(value_name = "NAME", value_parser = job_name)]
    job: String,
    /// The name of the new job: NAME-retry if left out, or NAME-retry-2 and so on
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Go on without a question where work may run twice
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    dry_run: DryRunFlag,
}

impl Retry {
    /// Divides what is left, asks where it may run twice, and submits it.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let reporter = Reporter::new(session, Wording { done: false, ..Wording::new("created") });
        let namespace = session.namespace()?;
        let names = std::slice::from_ref(&self.job);
        let federation = reporter.opening(session, names, Some(&namespace)).await?;
        let proposed = async {
            let failed = federation.record(&namespace, &self.job).await?;
            federation.propose_retry(failed, self.name.as_deref()).await
        };
        let retry = reporter.interruptible(Box::pin(proposed)).await??;
        let may = |work: &UnknownWork| {
            format!("It is not known whether this was done: {}.", uncertain(work))
        };
        let repeats = |name: &String| format!("job.batch/{name} runs the same work already.");
        let consequences = retry.uncertain.iter().map(may);
        let consequences: Vec<_> = consequences.chain(retry.earlier.iter().map(repeats)).collect();
        if !consequences.is_empty() && self.dry_run.strategy == DryRun::None {
            Confirmation {
                consequences: &consequences,
                question: "Run it again, although it may run twice?",
                flag: "--yes",
                unchanged: "nothing was created",
            }
            .ask(session.world(), self.yes)
            .await?;
        }
        let detail = detail(&retry);
        let retried = federation.retry(retry, &detail, self.dry_run.strategy);
        Ok(reporter.interruptible(Box::pin(retried)).await??)
    }
}

/// What is run again, a phrase that the record of the new Job keeps.
fn detail(retry: &Proposed) -> String {
    let left = retry.left.map_or("the work queue".to_owned(), |n| counted(n, "completion"));
    let work = format!("{left} of job {}", retry.failed);
    let earlier = retry.earlier.iter().map(|name| format!("the same work as job {name}"));
    let may: Vec<_> = retry.uncertain.iter().map(uncertain).chain(earlier).collect();
    if may.is_empty() { work } else { format!("{work}, of which may have run: {}", may.join(", ")) }
}

/// Work of which it is not known whether it was done, a phrase.
fn uncertain(work: &UnknownWork) -> String {
    match work {
        UnknownWork::Shard { cluster, left: None, .. } => format!("the work in cluster {cluster}"),
        UnknownWork::Shard { cluster, left: Some(n), deleted } => {
            let of = if *deleted { " of a deleted job" } else { "" };
            format!("{}{of} in cluster {cluster}", counted(*n, "completion"))
        }
        UnknownWork::Unlisted { cluster } => {
            format!("the work of unlisted jobs in cluster {cluster}")
        }
        UnknownWork::Withheld { work } => format!("{work} that may have been done since a backup"),
    }
}
