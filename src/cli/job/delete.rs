//! `kubectl federate job delete`.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};

use crate::{
    cli::{
        Filenames, Session,
        confirm::choose_on_terminal,
        events::{Reporter, Wording},
        job_name::job_name,
        output::{Several, print_changed},
    },
    error::{Error, Result},
    federation::{self, Deletion, DryRun, Federation},
    print::{Format, federate},
    state::{self, Record},
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Delete a job and its shards in all clusters
  kubectl federate job delete pi --cascade=background

  # Delete the jobs of a file, and wait until their pods have ended
  kubectl federate job delete -f pi.yaml --cascade=foreground

  # Forget a job, and leave its shards running
  kubectl federate job delete pi --cascade=orphan";

/// Delete a federated job
///
/// By default only the federated job is forgotten: its shards stay in the clusters and keep
/// running. On a terminal you are asked whether to delete them too.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Delete {
    /// The names of the jobs
    #[arg(value_name = "NAME", value_parser = job_name)]
    names: Vec<String>,
    #[command(flatten)]
    filenames: Filenames,
    /// What becomes of the shards in the clusters: orphan (they stay), background (they are
    /// deleted, their pods after them), foreground (their pods are deleted first, and waited for)
    #[arg(long, value_enum, value_name = "HOW", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "background", hide_possible_values = true)]
    cascade: Option<Cascade>,
    /// none, client (find the jobs) or server (have the host and every cluster check it too)
    #[arg(long, value_name = "STRATEGY", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "none", default_missing_value = "client", hide_possible_values = true)]
    dry_run: DryRun,
    /// How to print: name, for the jobs' names in place of sentences
    #[arg(short, long, value_name = "FORMAT", value_parser = names)]
    output: Option<()>,
}

/// Reads the one format that kubectl's `delete` has.
fn names(text: &str) -> Result<()> {
    match text {
        "name" => Ok(()),
        mode => {
            let why = format!("unexpected -o output mode: {mode}. We only support '-o name'");
            Err(Error::new(why))
        }
    }
}

/// The values of `--cascade`, as kubectl's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Cascade {
    #[value(alias = "false")]
    Orphan,
    #[value(alias = "true")]
    Background,
    Foreground,
}

impl Delete {
    /// Deletes one after another; what fails does not stop the rest.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let targets = self.targets(session).await?;
        let reporter = Reporter::new(session, Wording::new("deleted"));
        let format = self.output.map(|()| Format::Name);
        let reporter = reporter.keeping(format.is_some());
        let federation = session.federation(&reporter).await?;
        let mut errors = Vec::new();
        for (namespace, name) in &targets {
            let record = match federation.record(namespace, name).await {
                Ok(record) => record,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            let deletion = self.deletion(session, &record).await?;
            errors.extend(self.delete(&federation, record, deletion).await.err());
        }
        let jobs = reporter.objects();
        print_changed(session.world(), format.as_ref(), jobs, Several::Apart).await?;
        Ok(federation::Error::all(errors)?)
    }

    async fn delete(
        &self,
        federation: &Federation<'_>,
        record: Record,
        deletion: Deletion,
    ) -> Result<(), federation::Error> {
        match self.dry_run {
            DryRun::None => federation.delete(record, deletion).await,
            dry_run => federation.check_deletion(&record, deletion, dry_run).await,
        }
    }

    /// The Jobs that are meant, by namespace and name.
    async fn targets(&self, session: &Session<'_>) -> Result<Vec<(String, String)>> {
        match (self.names.as_slice(), self.filenames.filenames.as_slice()) {
            ([], []) => Err(Error::new("resource(s) were provided, but no name was specified")
                .hint("Name the jobs, or give the files that have them with -f.")),
            (names, []) => {
                let namespace = session.namespace()?;
                Ok(names.iter().map(|name| (namespace.clone(), name.clone())).collect())
            }
            ([], _) => {
                let documents = self.filenames.read("delete", session.world()).await?;
                session.manifests(documents, |rules, objects| {
                    objects.iter().map(|(source, object)| rules.name(source, object)).collect()
                })
            }
            _ => Err(Error::new(
                "when paths, URLs, or stdin is provided as input, you may not specify resource \
                arguments as well",
            )),
        }
    }

    /// As the flag says; without it, as the user says when asked; without a terminal, the Jobs
    /// stay.
    ///
    /// # Errors
    /// The user cancels, which is what Enter alone does.
    async fn deletion(&self, session: &Session<'_>, record: &Record) -> Result<Deletion> {
        match self.cascade {
            Some(Cascade::Orphan) => return Ok(Deletion::Abandon),
            Some(Cascade::Background) => {
                return Ok(Deletion::Cascade(state::Cascade::Background));
            }
            Some(Cascade::Foreground) => {
                return Ok(Deletion::Cascade(state::Cascade::Foreground));
            }
            None => {}
        }
        if !session.output().can_ask() || record.shards.is_empty() || self.dry_run != DryRun::None {
            return Ok(Deletion::Orphan);
        }
        if let Some(begun) = record.state.deleting {
            return go_on(session, record, begun).await;
        }
        let clusters: BTreeSet<_> =
            record.shards.values().map(|shard| shard.cluster.as_str()).collect();
        let clusters = clusters.into_iter().collect::<Vec<_>>().join(", ");
        let name = record.name();
        let question = format!("Delete the jobs {name:?} in {clusters} too, or keep them running?");
        let unchanged = format!("job.batch/{name} was not deleted");
        let words = &["delete", "keep"];
        match choose_on_terminal(session.world(), &question, words, &unchanged).await? {
            Some(0) => Ok(Deletion::Cascade(state::Cascade::Background)),
            Some(_) => Ok(Deletion::Orphan),
            None => {
                Err(Error::new(format!("cancelled: {unchanged}")).hint(without_question(record)))
            }
        }
    }
}

/// As the user says of a deletion that was begun.
///
/// # Errors
/// The user cancels: the deletion stays as it is.
async fn go_on(session: &Session<'_>, record: &Record, begun: state::Cascade) -> Result<Deletion> {
    let name = record.name();
    let question = format!(
        "job.batch/{name} is being deleted already. Continue, or abandon what is in clusters that \
         do not answer?"
    );
    let unchanged = format!("job.batch/{name} is being deleted as before");
    let words = &["continue", "abandon"];
    match choose_on_terminal(session.world(), &question, words, &unchanged).await? {
        Some(0) => Ok(Deletion::Cascade(begun)),
        Some(_) => Ok(Deletion::Abandon),
        None => Err(Error::new(format!("cancelled: {unchanged}"))),
    }
}

/// The commands that delete a Job without a question.
fn without_question(record: &Record) -> String {
    let delete =
        |cascade| federate("job delete", [record.name(), "-n", record.namespace(), cascade]);
    format!(
        "{} deletes the jobs too, {} keeps them running.",
        delete("--cascade=background"),
        delete("--cascade=orphan")
    )
}
