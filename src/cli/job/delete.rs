//! `kubectl federate job delete`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{Session, again, find, finish_begun, name_the_unasked, report, same_namespace};
use crate::{
    cli::{Document, DryRun, Filenames},
    error::{Error, Result},
    federation::{Refusal, preflight_deletion},
    reconcile::{Members, Reconciled, Status, observe, run},
    state::{Cascade, Record, Registry, Store},
};

/// How long to wait before looking again whether pods have gone.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

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
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    filenames: Filenames,
    /// What becomes of the shards in the clusters: orphan (they stay), background (they are
    /// deleted, their pods after them), foreground (their pods are deleted first, and waited for)
    #[arg(long, value_enum, value_name = "HOW", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "background", hide_possible_values = true)]
    cascade: Option<How>,
    /// none, client (find the jobs) or server (have the host and every cluster check it too)
    #[arg(long, value_name = "STRATEGY", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "none", default_missing_value = "client", hide_possible_values = true)]
    dry_run: DryRun,
}

/// The values of `--cascade`, as kubectl's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum How {
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
        let (store, registry) = session.federation().await?;
        let mut troubles = Vec::new();
        for (namespace, name) in &targets {
            match self.delete(session, &store, &registry, namespace, name).await {
                Ok(trouble) => troubles.extend(trouble),
                Err(error) => troubles.push(error),
            }
        }
        Error::all(troubles)
    }

    /// The Jobs that are meant, by namespace and name.
    async fn targets(&self, session: &Session<'_>) -> Result<Vec<(String, String)>> {
        let namespace = session.namespace()?;
        match (self.names.as_slice(), self.filenames.is_empty()) {
            ([], true) => Err(Error::new("resource(s) were provided, but no name was specified")
                .hint("Name the jobs, or give the files that have them with -f.")),
            (names, true) => {
                Ok(names.iter().map(|name| (namespace.clone(), name.clone())).collect())
            }
            ([], false) => {
                let documents = self.filenames.read("delete", session.world()).await?;
                documents.iter().map(|document| target(session, document, &namespace)).collect()
            }
            _ => Err(Error::new(
                "when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well",
            )),
        }
    }

    async fn delete(
        &self,
        session: &Session<'_>,
        store: &Store,
        registry: &Registry,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Error>> {
        let record = find(store, namespace, name).await?;
        if self.dry_run != DryRun::None {
            return self.rehearse(session, store, registry, &record).await.map(|()| None);
        }
        match self.how(session, &record)? {
            How::Orphan if self.cascade == Some(How::Orphan) && record.state.deleting.is_some() => {
                abandon(session, store, registry, record).await?;
                Ok(None)
            }
            How::Orphan => {
                orphan(session, store, registry, record).await?;
                Ok(None)
            }
            How::Background => cascade(session, store, registry, record, Cascade::Background).await,
            How::Foreground => cascade(session, store, registry, record, Cascade::Foreground).await,
        }
    }

    /// Says what would be deleted; nothing is, and nobody is asked.
    async fn rehearse(
        &self,
        session: &Session<'_>,
        store: &Store,
        registry: &Registry,
        record: &Record,
    ) -> Result<()> {
        let mut troubles = Vec::new();
        if self.dry_run == DryRun::Server {
            store.try_remove(record).await?;
            if !matches!(self.cascade, None | Some(How::Orphan)) {
                let members = session.members_of(registry, &[record]).await;
                for Refusal { cluster, error } in preflight_deletion(record, &members).await {
                    troubles
                        .push(Error::verbatim(format!("{} (cluster {cluster})", error.report())));
                }
                name_the_unasked(session, record, &members);
            }
        }
        Error::all(troubles)?;
        session.output().line(format!(
            "job.batch {:?} deleted{}",
            record.name(),
            self.dry_run.suffix()
        ));
        Ok(())
    }

    /// As the flag says; without it, as the user says when asked; without a terminal, the Jobs
    /// stay.
    fn how(&self, session: &Session<'_>, record: &Record) -> Result<How> {
        if let Some(how) = self.cascade {
            return Ok(how);
        }
        if !session.output().can_ask() || record.shards.is_empty() {
            return Ok(How::Orphan);
        }
        let clusters: Vec<_> = record.shards.values().map(|shard| shard.cluster.as_str()).collect();
        let question =
            format!("Delete the jobs {:?} in {} too?", record.name(), clusters.join(", "));
        let too = session.output().confirm(&question, "--cascade=background")?;
        Ok(if too { How::Background } else { How::Orphan })
    }
}

/// Namespace and name of the Job in a document; what else is in it does not matter.
fn target(
    session: &Session<'_>,
    document: &Document,
    default_namespace: &str,
) -> Result<(String, String)> {
    let Document { source, object } = document;
    if object["apiVersion"] != "batch/v1" || object["kind"] != "Job" {
        return Err(Error::new(format!("{source}: kind: must be a batch/v1 Job")));
    }
    let text = |field: &str| object["metadata"][field].as_str().filter(|text| !text.is_empty());
    let name = text("name")
        .ok_or_else(|| Error::new(format!("{source}: resource name may not be empty")))?;
    let namespace = text("namespace").unwrap_or(default_namespace);
    same_namespace(session, namespace)?;
    Ok((namespace.to_owned(), name.to_owned()))
}

/// Forgets the federated Job, and says where its Jobs are and how they are cleaned up.
async fn orphan(
    session: &Session<'_>,
    store: &Store,
    registry: &Registry,
    record: Record,
) -> Result<()> {
    let name = record.name().to_owned();
    let mut record = record;
    if record.state.deleting.is_some() {
        return Err(deleted_already(&record));
    }
    loop {
        match store.remove(&record).await {
            Err(error) if error.is_conflict() => record = again(store, &record).await?,
            done => break done?,
        }
    }
    let output = session.output();
    output.line(format!("job.batch {name:?} deleted"));
    if !record.shards.is_empty() {
        output.note("The jobs in the clusters stay. To delete them:");
        note_commands(session, registry, &record);
    }
    Ok(())
}

/// How the Jobs of a record that is gone are deleted.
fn note_commands(session: &Session<'_>, registry: &Registry, record: &Record) {
    for (id, shard) in &record.shards {
        let job = record.job_name(*id);
        let member = registry.members.get(&shard.cluster);
        let context = member
            .map_or(shard.cluster.as_str(), |member| session.context_of(&shard.cluster, member));
        let namespace = record.namespace();
        session.output().note(format!(
            "  kubectl --context={context} --namespace={namespace} delete job {job}"
        ));
    }
}

fn deleted_already(record: &Record) -> Error {
    let (name, namespace) = (record.name(), record.namespace());
    Error::new(format!("job.batch/{name} is being deleted together with its jobs already")).hint(format!(
        "`kubectl federate reconcile {name} -n {namespace}` goes on with that; `job delete --cascade=orphan` leaves behind what is in \
         clusters that do not answer."
    ))
}

/// Ends a deletion that waits for clusters that do not answer: what can be reached is deleted, and
/// the rest is left behind. Where a cluster that answers has something yet, the deletion goes on.
async fn abandon(
    session: &Session<'_>,
    store: &Store,
    registry: &Registry,
    record: Record,
) -> Result<()> {
    let (name, finish_it) = (record.name().to_owned(), finish_begun(&record));
    let members = session.members_of(registry, &[&record]).await;
    let settled = finish(session, store, record, &members, &|| ())
        .await
        .map_err(|error| error.hint(finish_it))?;
    if let Some(rest) = settled.record {
        let status = Status::of(&rest, &settled.observations);
        if status.shards.iter().any(|shard| shard.unknown.is_none()) {
            return Err(report(session, &rest, &status).unwrap_or_else(|| deleted_already(&rest)));
        }
        store.remove(&rest).await?;
        for shard in &status.shards {
            let why = shard.unknown.as_deref().unwrap_or_default();
            let what = format!(
                "job.batch/{} is left behind, and may run there with up to {} pods: {why}",
                shard.name, shard.share.parallelism
            );
            session.output().warning(Some(&shard.cluster), &what);
        }
        session.output().note("To delete what is left, once it can be reached:");
        note_commands(session, registry, &rest);
    }
    session.output().line(format!("job.batch {name:?} deleted"));
    Ok(())
}

/// Marks the record, so that whoever reconciles next goes on, and then goes on.
async fn cascade(
    session: &Session<'_>,
    store: &Store,
    registry: &Registry,
    record: Record,
    cascade: Cascade,
) -> Result<Option<Error>> {
    let name = record.name().to_owned();
    let finish_it = finish_begun(&record);
    let mut record = record;
    while record.state.deleting != Some(cascade) {
        record.state.deleting = Some(cascade);
        match store.replace(&record).await {
            Err(error) if error.is_conflict() => record = again(store, &record).await?,
            done => {
                record = done?;
                break;
            }
        }
    }
    let members = session.members_of(registry, &[&record]).await;
    let progress = session.output().progress("deleting", record.shards.len() as u64);
    let mut told = false;
    loop {
        let settled = finish(session, store, record, &members, &|| progress.step())
            .await
            .map_err(|error| error.hint(finish_it.clone()))?;
        let Some(rest) = settled.record else { break };
        let status = Status::of(&rest, &settled.observations);
        if status.shards.iter().any(|shard| shard.unknown.is_some() || shard.refused.is_some()) {
            session.output().line(format!("job.batch {name:?} is being deleted"));
            return Ok(report(session, &rest, &status));
        }
        if !told {
            session.output().note("waiting for pods to end");
            told = true;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        record = rest;
    }
    drop(progress);
    session.output().line(format!("job.batch {name:?} deleted"));
    Ok(None)
}

async fn finish(
    session: &Session<'_>,
    store: &Store,
    record: Record,
    members: &Members,
    on_done: &(dyn Fn() + Sync),
) -> Result<Reconciled> {
    let observations = observe(&[&record], members).await.remove(0);
    Ok(run(store, record, observations, members, || session.now(), &|_| on_done()).await?)
}
