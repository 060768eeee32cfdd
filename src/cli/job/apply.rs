//! `kubectl federate job apply`.

use clap::Args;

use super::{
    Federation, Session,
    change::{How, amended, carry_out, check_unended, unchanged, understood},
    name_own_indexes, name_the_unasked, of_another, print_done,
    submission::{Proposal, Rehearsal, Source, manifests, unmade},
};
use crate::{
    cli::{Document, DryRun, DryRunFlag, Filenames},
    cluster::fan_out,
    error::{Error, Result},
    federation::simulate,
    job::Manifest,
    reconcile::Members,
    state::Record,
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Create a job, or change it to match the file
  kubectl federate job apply -f pi.yaml

  # Have every cluster check the change, and change nothing
  kubectl federate job apply -f pi.yaml --dry-run=server

  # Apply a changed template: what has succeeded counts, the rest runs anew
  kubectl federate job apply -f pi.yaml --recreate";

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
    terms: Terms,
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
}

/// What is to be done about one manifest.
pub(super) enum Step {
    /// There is no such Job.
    Create(Proposal),
    /// There is one, and it differs.
    Change(Box<Change>),
    /// There is one, and it is what the manifest says.
    Keep(Record),
}

/// A change that is ready to be written.
pub(super) struct Change {
    /// The record as it is.
    pub before: Record,
    /// The record as it is to be.
    pub after: Record,
    /// The manifest as it was read, and where.
    read: Source,
}

impl Step {
    fn written(&self) -> Option<&Record> {
        match self {
            Self::Create(proposal) => Some(&proposal.record),
            Self::Change(change) => Some(&change.after),
            Self::Keep(_) => None,
        }
    }
}

impl Apply {
    /// Reads all documents and finds out what is to be done, has it rehearsed, and only then
    /// writes.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let Self { filenames, dry_run: DryRunFlag { strategy: dry_run }, terms } = self;
        let documents = filenames.read("apply", session.world()).await?;
        let (store, registry) = session.federation().await?;
        let federation = Federation { store: &store, registry: &registry };
        let mut steps = terms.steps(session, &federation, documents).await?;
        let mut members = session.members_to_settle(&registry, &written(&steps)).await;
        terms.look(session, &federation, &mut steps, &members, dry_run).await?;
        if dry_run != DryRun::Client {
            preflight(session, &federation, &steps, &mut members).await?;
        }
        let mut troubles = Vec::new();
        for step in steps {
            match terms.take(session, &federation, step, &mut members, dry_run).await {
                Ok(trouble) => troubles.extend(trouble),
                Err(error) => troubles.push(error),
            }
        }
        Error::all(troubles)
    }
}

impl Terms {
    /// What each document asks for. Nothing is written; one that cannot be done is an error.
    pub async fn steps(
        self,
        session: &Session<'_>,
        federation: &Federation<'_>,
        documents: Vec<Document>,
    ) -> Result<Vec<Step>> {
        for Document { object, .. } in &documents {
            let metadata = &object["metadata"];
            if let (Some(prefix), None) =
                (metadata["generateName"].as_str(), metadata["name"].as_str())
            {
                return Err(Error::new(format!(
                    "from {prefix}: cannot use generate name with apply"
                )));
            }
        }
        let sources = manifests(session, documents)?;
        let find = async |source: Source| {
            let (namespace, name) = (source.manifest.namespace(), source.manifest.name());
            let record = federation.store.record(namespace, name).await;
            (source, record)
        };
        let mut steps = Vec::new();
        for (source, record) in fan_out(sources, find).await {
            steps.push(match record {
                Ok(record) => self.step(session, federation, source, record).await?,
                Err(error) if error.is_not_found() => Step::Create(Proposal::new(
                    session,
                    federation.registry,
                    source,
                    self.create_namespace,
                )?),
                Err(error) => return Err(error.into()),
            });
        }
        Ok(steps)
    }

    async fn step(
        self,
        session: &Session<'_>,
        federation: &Federation<'_>,
        read: Source,
        before: Record,
    ) -> Result<Step> {
        if before.federation != federation.registry.uid {
            return Err(of_another(&before));
        }
        let Source { source, manifest } = &read;
        let subject = subject(source, manifest);
        let said = (subject.as_str(), Some(source.as_str()));
        let recreate = Some(self.recreate);
        let after =
            understood(session, federation, &before, manifest.clone(), recreate, said).await?;
        Ok(match after.map(|after| self.with_namespace(after)) {
            Some(after) => Step::Change(Box::new(Change { before, after, read })),
            None => Step::Keep(before),
        })
    }

    fn amended(
        self,
        session: &Session<'_>,
        federation: &Federation<'_>,
        before: &Record,
        manifest: &Manifest,
        source: &str,
    ) -> Result<Option<Record>> {
        let subject = subject(source, manifest);
        let recreate = Some(self.recreate);
        let after =
            amended(session, federation.registry, before, manifest.clone(), recreate, &subject)?;
        Ok(after.map(|after| self.with_namespace(after)))
    }

    fn with_namespace(self, mut after: Record) -> Record {
        after.state.create_namespace |= self.create_namespace;
        after
    }

    /// Looks at the Jobs that are to be changed: none may have ended by what its clusters say now,
    /// and what becomes of each goes by what runs now.
    pub async fn look(
        self,
        session: &Session<'_>,
        federation: &Federation<'_>,
        steps: &mut [Step],
        members: &Members,
        dry_run: DryRun,
    ) -> Result<()> {
        let mut errors = Vec::new();
        for step in steps {
            let Step::Change(change) = step else { continue };
            let Change { before, after, read: Source { source, manifest } } = &mut **change;
            let subject = subject(source, manifest);
            let seen = check_unended(session, federation, before, members, dry_run, &subject).await;
            match seen.and_then(|seen| self.amended(session, federation, &seen, manifest, source)) {
                Ok(Some(anew)) => *after = anew,
                Ok(None) => {}
                Err(error) => errors.push(error),
            }
        }
        Error::all(errors)
    }

    async fn take(
        self,
        session: &Session<'_>,
        federation: &Federation<'_>,
        step: Step,
        members: &mut Members,
        dry_run: DryRun,
    ) -> Result<Option<Error>> {
        match step {
            Step::Keep(record) => {
                unchanged(session, federation, &record, dry_run).await;
                Ok(None)
            }
            Step::Change(change) => {
                let Change { after, read: Source { source, manifest }, .. } = *change;
                let how = How {
                    what: "configured",
                    rehearsed: true,
                    dry_run,
                    recreate: Some(self.recreate),
                    open_only: false,
                };
                name_own_indexes(session, &after);
                let subject = subject(&source, &manifest);
                let remake =
                    |record: &Record| self.amended(session, federation, record, &manifest, &source);
                carry_out(session, federation, after, members, how, &subject, remake).await
            }
            Step::Create(proposal) => {
                let name = proposal.record.name().to_owned();
                proposal.print_plan(session);
                let mut trouble = None;
                if dry_run == DryRun::None {
                    let (done, left) = proposal.submit(session, federation.store, members).await?;
                    print_done(session, &done, dry_run);
                    trouble = left;
                } else {
                    foresee_creation(session, &proposal.record, members, dry_run).await;
                }
                session.output().line(format!("job.batch/{name} created{}", dry_run.suffix()));
                Ok(trouble)
            }
        }
    }
}

/// The records that are to be written.
pub(super) fn written(steps: &[Step]) -> Vec<&Record> {
    steps.iter().filter_map(Step::written).collect()
}

fn subject(source: &str, manifest: &Manifest) -> String {
    format!("{source}: job {:?}", manifest.name())
}

async fn preflight(
    session: &Session<'_>,
    federation: &Federation<'_>,
    steps: &[Step],
    members: &mut Members,
) -> Result<()> {
    let mut rehearsal = Rehearsal::default();
    for step in steps {
        match step {
            Step::Create(proposal) => {
                rehearsal.create(session, federation, proposal, members).await?;
            }
            Step::Change(change) => {
                let Change { before, after, read } = &**change;
                rehearsal
                    .change(session, federation, (before, after), Some(&read.source), members)
                    .await;
            }
            Step::Keep(_) => {}
        }
    }
    rehearsal.end(session, "applied")
}

/// Says what creating a Job would come to.
pub(super) async fn foresee_creation(
    session: &Session<'_>,
    record: &Record,
    members: &Members,
    dry_run: DryRun,
) {
    let foreseen = simulate(record, unmade(record, members), members, session.now()).await;
    name_the_unasked(session, record, members);
    print_done(session, &foreseen.map_or_else(Vec::new, |foreseen| foreseen.done), dry_run);
}
