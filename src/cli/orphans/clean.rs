//! `kubectl federate orphans clean`.

use clap::Args;

use super::{
    Which, name_the_unanswered,
    recordless::{Then, have, recordless},
    rows::Columns,
};
use crate::{
    cli::{
        DryRunFlag, Session,
        confirm::Confirmation,
        events::{Reporter, Wording},
        left_records::name_none_found,
        other_host::other_host,
    },
    error::{Error, Result},
    federation::{
        self, Cleaning, DryRun, Federation, HostError, Named, Orphan, Progress, Reason, Unasked,
    },
    print::{counted, federate},
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Choose orphans of the namespace, and delete them
  kubectl federate orphans clean

  # Delete those of all namespaces that have ended or never ran
  kubectl federate orphans clean -A --yes

  # Delete those in one cluster, also those that still run
  kubectl federate orphans clean --clusters=west --yes --running

  # Delete all that a deleted job has left
  kubectl federate orphans clean --selector=kubectl-federate.dev/job=UID --yes --running

  # Show what would be deleted
  kubectl federate orphans clean -A --dry-run=client";

/// What is said of a cancelled command.
const UNCHANGED: &str = "nothing was deleted";

/// Delete jobs in the clusters that no federated job knows
///
/// On a terminal you choose from a list. Elsewhere --yes deletes those that have ended or never
/// ran. One that still runs is deleted if you name it, or with --running. One whose record may have
/// been lost is deleted if you name it, or its federated job by -l kubectl-federate.dev/job=UID.
/// Jobs of other federations are never deleted.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Clean {
    #[command(flatten)]
    which: Which,
    /// Ask nothing
    #[arg(short, long)]
    yes: bool,
    /// With --yes, delete those that still run, too
    #[arg(long)]
    running: bool,
    /// Clusters that were unregistered and are gone for good, by name or uid, and hosts that
    /// `restore` could not mark as moved, by uid; they are asked no more
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    #[arg(conflicts_with_all = ["yes", "running", "strategy", "names", "selector", "clusters"])]
    forget: Vec<String>,
    #[command(flatten)]
    dry_run: DryRunFlag,
}

impl Clean {
    /// Finds the orphans, has some of them chosen, and deletes these.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let namespace = self.which.selection.namespace(session)?;
        let reporter = Reporter::new(session, Wording::new("deleted"));
        let federation = reporter.opening(session, &[], None).await?;
        self.which.check_clusters(&federation.registry)?;
        if !self.forget.is_empty() {
            self.refuse_acting(session, &federation).await?;
            session.left().begin(
                "no cluster was forgotten",
                "it is not known whether the clusters were forgotten. Run the same command again",
            );
            federation.forget_former(&self.forget).await?;
            for name in &self.forget {
                session.output().line(format!("cluster {name:?} forgotten"));
            }
            return Ok(());
        }
        let found = Box::pin(federation.orphans(namespace.as_deref()));
        let mut found = reporter.interruptible(found).await??;
        let answered = name_the_unanswered(session, &found);
        let mut orphans = std::mem::take(&mut found.orphans);
        let named = self.which.narrow(&mut orphans)?;
        let uncertain = without_uncertain(session, &mut orphans);
        orphans.retain(|orphan| orphan.progress() != Progress::Terminating);
        if orphans.is_empty() {
            if named.is_ok() {
                name_none_found(session, &federation, namespace.as_deref()).await;
            }
            return Error::all([answered, uncertain, named]);
        }
        let asks = !self.yes && self.dry_run.strategy == DryRun::None;
        let chosen =
            if asks { self.ask(session, orphans).await? } else { self.allowed(session, orphans)? };
        session.left().begin(
            UNCHANGED,
            "jobs that are not named above may be deleted, too. The same command finds those that \
             are left",
        );
        let cleaning = Cleaning { running: self.running, dry_run: self.dry_run.strategy };
        let cleaned = federation.clean(chosen, cleaning).await.map_err(Error::from);
        Error::all([cleaned, answered, uncertain, named])
    }

    /// Refuses to forget a host that was not marked as moved, and that answers and acts for the
    /// federation still.
    ///
    /// # Errors
    /// There is such a one, or the user's contexts cannot be read.
    async fn refuse_acting(
        &self,
        session: &Session<'_>,
        federation: &Federation<'_>,
    ) -> Result<()> {
        for uid in &self.forget {
            if !federation.registry.unmarked.contains_key(uid) {
                continue;
            }
            let Some(store) = other_host(session, uid).await? else { continue };
            if federation.acts(uid, store.host().clone()).await == Some(true) {
                let name = store.host().name().to_owned();
                let host = federation.store.host().name().to_owned();
                return Err(federation::Error::from(HostError::StillActs { name, host }).into());
            }
        }
        Ok(())
    }

    /// Those that the flags allow to be deleted; says of the others what would.
    ///
    /// # Errors
    /// The namespace is not known.
    fn allowed(&self, session: &Session<'_>, orphans: Vec<Orphan>) -> Result<Vec<Orphan>> {
        let Unasked { chosen, recoverable, unfinished } =
            Unasked::choose(orphans, self.which.named(), self.running);
        self.name_the_recordless(session, &recoverable, Then::Stay)?;
        let output = session.output();
        if unfinished > 0 {
            let (jobs, them) = have(unfinished);
            output.note(format!(
                "{jobs} not ended, and would lose work: --running deletes {them}, too."
            ));
        }
        Ok(chosen)
    }

    /// Says of which Jobs the records may have been lost, and what can be done about that.
    ///
    /// # Errors
    /// The namespace is not known.
    fn name_the_recordless<'o>(
        &self,
        session: &Session<'_>,
        orphans: impl IntoIterator<Item = &'o Orphan>,
        then: Then,
    ) -> Result<()> {
        let (namespace, clusters) =
            (self.which.selection.namespace(session)?, self.which.clusters_flag());
        let (output, scope) = (session.output(), (namespace.as_deref(), clusters.as_deref()));
        if let Some(text) = recordless(output, scope, orphans, then) {
            output.note(text);
        }
        Ok(())
    }

    /// Those that the user chooses and confirms.
    ///
    /// # Errors
    /// There is no terminal, or the user cancels.
    async fn ask(&self, session: &Session<'_>, orphans: Vec<Orphan>) -> Result<Vec<Orphan>> {
        let output = session.output();
        if !output.can_ask() {
            return Err(Error::new(format!(
                "{} found, and there is no terminal to ask which of them to delete",
                counted(orphans.len(), "orphan")
            ))
            .hint(match self.which.named() {
                Named::No => {
                    "--yes deletes those that have ended or never ran, but none whose record may \
                    have been lost; with --running it deletes those that still run, too."
                }
                Named::FederatedJobs => {
                    "--yes deletes those that have ended or never ran; with --running it deletes \
                    those that still run, too."
                }
                Named::Jobs => "--yes deletes those that you named, also those that still run.",
            }));
        }
        let columns =
            Columns { numbers: true, namespace: self.which.selection.all_namespaces, wide: false };
        output.note_table(&columns.table(session, &orphans, None));
        let may_be_lost = orphans.iter().filter(|orphan| orphan.record_may_be_lost);
        self.name_the_recordless(session, may_be_lost, Then::Asked)?;
        let (question, count) = ("Which of them are to be deleted?", orphans.len());
        let chosen = session
            .world()
            .asking(UNCHANGED, move |output| output.choose_several(question, count))
            .await?
            .ok_or_else(|| Error::new(format!("cancelled: {UNCHANGED}")))?;
        let chosen: Vec<_> = chosen.into_iter().map(|index| orphans[index].clone()).collect();
        let unfinished = chosen.iter().filter(|orphan| orphan.progress().is_unfinished()).count();
        let lost = [format!("{} not ended, and would lose work.", have(unfinished).0)];
        Confirmation {
            consequences: if unfinished > 0 { &lost } else { &[] },
            question: &format!("Delete {}?", counted(chosen.len(), "job")),
            flag: "--yes",
            unchanged: UNCHANGED,
        }
        .ask(session.world(), false)
        .await?;
        Ok(chosen)
    }
}

/// Takes out the Jobs that may belong to a record that cannot be read. They are never deleted.
fn without_uncertain(session: &Session<'_>, orphans: &mut Vec<Orphan>) -> Result<()> {
    let mut count = 0;
    orphans.retain(|orphan| {
        let is_uncertain = orphan.reason == Reason::Unreadable;
        count += usize::from(is_uncertain);
        if is_uncertain {
            let text = "it stays: a record of its namespace cannot be read, and it may belong to \
                that one";
            let job = format!("job.batch/{}: {text}", orphan.job.name);
            session.output().warning(Some(&orphan.cluster), &job);
        }
        !is_uncertain
    });
    if count == 0 {
        return Ok(());
    }
    Err(Error::new("a record cannot be read")
        .hint(format!("{} shows which.", federate("job get", ["-A"]))))
}
