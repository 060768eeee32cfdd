//! `kubectl federate job …`: federated Jobs.

mod apply;
mod change;
mod create;
mod delete;
mod describe;
mod diff;
mod edit;
mod get;
mod patch;
mod rest;
mod scale;
mod submission;
mod suspend;
mod wait;

use std::collections::{BTreeMap, BTreeSet};

use clap::Subcommand;

pub(super) use diff::FAILED as DIFF_FAILED;
pub(super) use rest::{name_the_unplaced, resting};

use super::{DryRun, Session};
use crate::{
    error::{Error, Result},
    job::own_index_variables,
    print::some_of,
    reconcile::{Done, Members, ShardStatus, Status},
    state::{self, Record, Registry, Store},
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Divide a job over the clusters, and look at it
  kubectl federate job create -f pi.yaml
  kubectl federate job get pi

  # Delete it with its shards in all clusters
  kubectl federate job delete pi --cascade=background";

/// Create, change, look at, wait for and delete federated jobs
#[derive(Debug, Subcommand)]
#[command(after_long_help = EXAMPLES)]
pub enum Job {
    Create(create::Create),
    Apply(apply::Apply),
    Diff(diff::Diff),
    Get(get::Get),
    Describe(describe::Describe),
    Wait(wait::Wait),
    Scale(scale::Scale),
    Suspend(suspend::Suspend),
    Resume(suspend::Resume),
    Edit(edit::Edit),
    Patch(patch::Patch),
    Delete(delete::Delete),
}

impl Job {
    /// The exit code of a failure.
    pub fn failure(&self) -> u8 {
        if matches!(self, Self::Diff(_)) { DIFF_FAILED } else { 1 }
    }

    /// Runs the verb.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        match self {
            Self::Create(verb) => verb.run(session).await,
            Self::Apply(verb) => verb.run(session).await,
            Self::Diff(verb) => verb.run(session).await,
            Self::Scale(verb) => verb.run(session).await,
            Self::Suspend(verb) => verb.run(session).await,
            Self::Resume(verb) => verb.run(session).await,
            Self::Edit(verb) => verb.run(session).await,
            Self::Patch(verb) => verb.run(session).await,
            Self::Get(verb) => verb.run(session).await,
            Self::Describe(verb) => verb.run(session).await,
            Self::Wait(verb) => verb.run(session).await,
            Self::Delete(verb) => verb.run(session).await,
        }
    }
}

/// The federation that a command works with.
pub(super) struct Federation<'a> {
    /// Where the records are.
    pub store: &'a Store,
    /// The members.
    pub registry: &'a Registry,
}

/// Makes sure that an object of a file is in the namespace of `-n`, where that was given.
pub(super) fn same_namespace(session: &Session<'_>, namespace: &str) -> Result<()> {
    match session.namespace_flag() {
        Some(flag) if flag != namespace => Err(Error::new(format!(
            "the namespace from the provided object {namespace:?} does not match the namespace {flag:?}. You must pass \
             '--namespace={namespace}' to perform this operation."
        ))),
        _ => Ok(()),
    }
}

/// Says which members a dry run could not ask.
pub(super) fn name_the_unasked(session: &Session<'_>, record: &Record, members: &Members) {
    for shard in record.shards.values() {
        if let Err(why) = members.get(&shard.cluster) {
            let text = format!("job.batch/{}: could not be asked: {why}", record.name());
            session.output().warning(Some(&shard.cluster), &text);
        }
    }
}

/// Says which fields of a Job the servers of some clusters would drop without a word.
pub(super) fn name_the_dropped(
    session: &Session<'_>,
    record: &Record,
    dropped: &BTreeMap<String, BTreeSet<String>>,
) {
    for (path, clusters) in dropped {
        let names: Vec<_> = clusters.iter().map(String::as_str).collect();
        let what = if names.len() == 1 { "cluster" } else { "clusters" };
        let text = format!(
            "job.batch/{}: {path} is not kept by the server of {what} {}",
            record.name(),
            names.join(", ")
        );
        session.output().warning(None, &text);
    }
}

/// Warns where containers of an Indexed Job would not learn their index.
pub(super) fn name_own_indexes(session: &Session<'_>, record: &Record) {
    for path in own_index_variables(&record.manifest) {
        let text = format!(
            "job.batch/{}: {path} sets JOB_COMPLETION_INDEX: the container sees that, and not the index of its pod",
            record.name()
        );
        session.output().warning(None, &text);
    }
}

/// What kubectl says where there is nothing to show.
pub(super) fn none_found(namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) => format!("No resources found in {namespace} namespace."),
        None => "No resources found".to_owned(),
    }
}

/// Reads one record, or says in kubectl's words that there is none.
pub(super) async fn find(store: &Store, namespace: &str, name: &str) -> Result<Record> {
    store.record(namespace, name).await.map_err(|error| match error {
        error if error.is_not_found() => not_found(name),
        error => error.into(),
    })
}

/// What kubectl says where there is no Job of that name.
pub(super) fn not_found(name: &str) -> Error {
    Error::server("NotFound", format!("jobs.batch {name:?} not found"))
}

/// Reads a record again that somebody has changed. Another federated Job that has taken its name
/// since is not the one that was meant.
pub(super) async fn again(store: &Store, record: &Record) -> Result<Record> {
    let current = find(store, record.namespace(), record.name()).await?;
    if current.state.uid == record.state.uid {
        return Ok(current);
    }
    Err(Error::server(
        "Conflict",
        format!(
            "jobs.batch {:?} was deleted and made anew meanwhile: the new one stays",
            record.name()
        ),
    ))
}

/// Prints what was, or would be, done in members: `job.batch/pi started in cluster east`.
pub(super) fn print_done(session: &Session<'_>, done: &[Done], dry_run: DryRun) {
    for done in done {
        session.output().line(format!("{done}{}", dry_run.suffix()));
    }
}

/// The records that a command is about, and errors of their own for those that cannot be read.
pub(super) struct Scope {
    pub records: Vec<Record>,
    pub errors: Vec<Error>,
}

impl Scope {
    /// The records with these names in a namespace; or, without names, all of the namespace, or of
    /// all namespaces.
    pub async fn read(
        store: &Store,
        federation: &str,
        names: &[String],
        namespace: Option<&str>,
    ) -> Result<Self> {
        let found: Vec<Result<Record>> = match (names, namespace) {
            ([_, ..], Some(namespace)) => {
                let names: BTreeSet<_> = names.iter().collect();
                crate::cluster::fan_out(names, async |name| find(store, namespace, name).await)
                    .await
            }
            ([_, ..], None) => {
                return Err(Error::new(
                    "a resource cannot be retrieved by name across all namespaces",
                ));
            }
            ([], namespace) => {
                let records = store.records(federation, namespace).await?;
                records.into_iter().map(|record| record.map_err(Error::from)).collect()
            }
        };
        let mut scope = Self { records: Vec::new(), errors: Vec::new() };
        for record in found {
            match record {
                Ok(record) if record.federation == federation => scope.records.push(record),
                Ok(record) => scope.errors.push(of_another(&record)),
                Err(error) => scope.errors.push(error),
            }
        }
        Ok(scope)
    }
}

/// A record that is there, but of another federation.
pub(super) fn of_another(record: &Record) -> Error {
    Error::from(state::Error::OtherFederation {
        object: format!(
            "configmap {}/{}",
            record.namespace(),
            Record::config_map_name(record.name())
        ),
        federation: record.federation.clone(),
    })
}

/// The hint where the record says what is to be done, and it is not known how much of it was.
pub(super) fn finish_begun(record: &Record) -> String {
    let (name, namespace) = (record.name(), record.namespace());
    format!("`kubectl federate reconcile {name} -n {namespace}` finishes what was begun.")
}

/// Prints the shares that are not known, refused, or unplaced, and gives the error that ends the
/// command if there is one of the first two.
pub(super) fn report(session: &Session<'_>, record: &Record, status: &Status) -> Option<Error> {
    let job = format!("job.batch/{}", record.name());
    for shard in &status.shards {
        if let Some(why) = shard.unknown.as_ref().or(shard.refused.as_ref()) {
            session
                .output()
                .warning(Some(&shard.cluster), &format!("{job}: {}: {why}", shard.state));
        }
    }
    let count = |counts: fn(&ShardStatus) -> bool| {
        let shards = status.shards.iter().filter(|shard| counts(shard));
        shards.map(|shard| &shard.cluster).collect::<BTreeSet<_>>().len()
    };
    let clusters = count(|_| true);
    let unknown = count(|shard| shard.unknown.is_some());
    let refused = count(|shard| shard.unknown.is_none() && shard.refused.is_some());
    let sentence = match (unknown, refused) {
        (0, 0) => return None,
        (unknown, 0) => format!("{} could not be asked", some_of(unknown, clusters, "cluster")),
        (0, refused) => format!("{} refused", some_of(refused, clusters, "cluster")),
        _ => format!("of {clusters} clusters, {unknown} could not be asked and {refused} refused"),
    };
    let finish = format!("kubectl federate reconcile {} -n {}", record.name(), record.namespace());
    Some(
        Error::new(format!("{job}: {sentence}")).hint(format!("`{finish}` finishes what is left.")),
    )
}
