//! `kubectl federate job create`.

use clap::Args;

use super::{
    Federation, Session, name_the_unasked,
    submission::{Proposal, Rehearsal, manifests},
};
use crate::{
    cli::{DryRun, DryRunFlag, Filenames},
    error::{Error, Result},
    reconcile::Members,
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
    /// Make the job's namespace in the host and in the clusters that lack it
    #[arg(long)]
    create_namespace: bool,
}

impl Create {
    /// Reads and divides all documents, has them rehearsed, and only then writes.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let dry_run = self.dry_run.strategy;
        let documents = self.filenames.read("create", session.world()).await?;
        let (store, registry) = session.federation().await?;
        let federation = Federation { store: &store, registry: &registry };
        let mut proposals = Vec::new();
        for source in manifests(session, documents)? {
            proposals.push(Proposal::new(session, &registry, source, self.create_namespace)?);
        }
        let records: Vec<_> = proposals.iter().map(|proposal| &proposal.record).collect();
        let mut members = match dry_run {
            DryRun::Client => Members::default(),
            DryRun::None | DryRun::Server => session.members_of(&registry, &records).await,
        };
        if dry_run == DryRun::Client {
            for proposal in &proposals {
                proposal.check_name(&store).await?;
            }
        } else {
            let mut rehearsal = Rehearsal::default();
            for proposal in &proposals {
                rehearsal.create(session, &federation, proposal, &mut members).await?;
            }
            rehearsal.end(session, "created")?;
        }
        let mut troubles = Vec::new();
        for proposal in proposals {
            proposal.print_plan(session);
            let name = proposal.record.name().to_owned();
            if dry_run == DryRun::Server {
                name_the_unasked(session, &proposal.record, &members);
            }
            if dry_run == DryRun::None {
                let (_, trouble) = proposal.submit(session, &store, &mut members).await?;
                troubles.extend(trouble);
            }
            session.output().line(format!("job.batch/{name} created{}", dry_run.suffix()));
        }
        Error::all(troubles)
    }
}
