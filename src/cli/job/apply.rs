//! `kubectl federate job apply`.

use clap::Args;

use super::{
    recreate,
    until_ended::{Submission, UntilEnded, keys},
};
use crate::{
    cli::{
        ChangeFlags, DryRunFlag, Filenames, Session, ValidateFlag,
        changing::interruptible,
        events::{Reporter, Wording},
        output::Several,
    },
    error::Result,
    federation::ApplyTerms,
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Create a job, or change it to match the file
  kubectl federate job apply -f pi.yaml

  # Have every cluster check the change, and change nothing
  kubectl federate job apply -f pi.yaml --dry-run=server

  # Apply a changed template: what has succeeded counts, the rest runs anew
  kubectl federate job apply -f pi.yaml --recreate --yes";

/// Create a job, or change it to match the file
///
/// A field that the file leaves out is removed from the job. Every cluster is asked first whether
/// it would accept its shard. Nothing is written unless every cluster that answers accepts.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Apply {
    #[command(flatten)]
    filenames: Filenames,
    #[command(flatten)]
    dry_run: DryRunFlag,
    #[command(flatten)]
    output: ChangeFlags,
    #[command(flatten)]
    terms: Terms,
    /// Do not ask before pods that run are stopped
    #[arg(short = 'y', long, requires = "recreate")]
    yes: bool,
    #[command(flatten)]
    until_ended: UntilEnded,
}

/// What `apply` and `diff` have to know of what is not in the file.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Terms {
    /// Allow changes of fields that a job in a cluster cannot change, such as its template. The
    /// shards are stopped, what has succeeded counts, and the rest runs anew
    #[arg(long)]
    recreate: bool,
    /// Make the job's namespace in the host and in the clusters that lack it
    #[arg(long)]
    create_namespace: bool,
    #[command(flatten)]
    validate: ValidateFlag,
}

impl Apply {
    /// Creates the Jobs of all documents, or makes them what the documents say.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let format = self.output.print.format()?;
        self.until_ended.check(self.dry_run.strategy)?;
        let documents = self.filenames.read("apply", session.world()).await?;
        let reporter = Reporter::new(session, Wording::new("configured"));
        let reporter = reporter.keeping(format.is_some());
        let federation = reporter.opening(session, &[], None).await?;
        let sources = session.manifests(documents, |rules, objects| rules.read_named(objects))?;
        let apply = async |may_stop| {
            let terms = ApplyTerms { may_stop, ..self.terms.into() };
            let applied = federation.apply(sources.clone(), terms, self.dry_run.strategy);
            let printed = (format.as_ref(), Several::Listed);
            interruptible(session, &reporter, printed, Box::pin(applied)).await
        };
        let submitted = Box::pin(recreate::asking(session, self.yes, apply)).await?;
        let (jobs, objects) = (keys(&sources), reporter.objects());
        let (format, several) = (format.as_ref(), Several::Listed);
        let submission = Submission { jobs, submitted, objects, format, several };
        self.until_ended.finish(session, submission).await
    }
}

impl From<Terms> for ApplyTerms {
    fn from(Terms { recreate, create_namespace, validate }: Terms) -> Self {
        let field_validation = validate.field_validation;
        Self { recreate, may_stop: false, create_namespace, field_validation }
    }
}
