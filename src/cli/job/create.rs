//! `kubectl federate job create`.

use clap::Args;

use crate::{
    cli::{
        ChangeFlags, DryRunFlag, Filenames, Session,
        events::{Reporter, Wording},
        output::{Several, print_changed},
    },
    error::Result,
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Divide a job over the clusters
  kubectl federate job create -f pi.yaml

  # Read the job from standard input
  cat pi.yaml | kubectl federate job create -f -

  # Print what each cluster would get, and create nothing
  kubectl federate job create -f pi.yaml --dry-run=client

  # Create all jobs of a directory, and their namespace where it is missing
  kubectl federate job create -f jobs/ --namespace=math --create-namespace";

/// Divide a job over the clusters and create a shard of it in each
///
/// Every cluster is asked first whether it would accept its shard. Nothing is written unless every
/// cluster that answers accepts.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Create {
    #[command(flatten)]
    filenames: Filenames,
    #[command(flatten)]
    dry_run: DryRunFlag,
    #[command(flatten)]
    output: ChangeFlags,
    /// Make the job's namespace in the host and in the clusters that lack it
    #[arg(long)]
    create_namespace: bool,
}

impl Create {
    /// Creates the Jobs of all documents, or none.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let format = self.output.format()?;
        let documents = self.filenames.read("create", session.world()).await?;
        let wording = Wording { done: false, ..Wording::new("created") };
        let reporter = Reporter::new(session, wording).keeping(format.is_some());
        let federation = session.federation(&reporter).await?;
        let sources = session.manifests(documents, |rules, objects| rules.read(objects))?;
        let submitted =
            federation.submit(sources, self.create_namespace, self.dry_run.strategy).await;
        let jobs = reporter.objects();
        let printed = print_changed(session.world(), format.as_ref(), jobs, Several::Apart).await;
        submitted?;
        printed
    }
}
