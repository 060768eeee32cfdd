//! How a manifest becomes a federated Job: read, divided, rehearsed, and only then written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::{Session, report};
use crate::{
    cli::Document,
    cluster,
    error::{Error, Result},
    job::Manifest,
    print::Table,
    reconcile::{Done, Members, Observation, Observations, Refusal, Status, propose, rehearse, settle},
    state::{self, Record, Registry, Store},
};

const NAMESPACE_HINT: &str = "--create-namespace makes the namespace wherever it is missing.";

/// A manifest, and where it was read.
pub(super) struct Source {
    /// The file, and the place in it.
    pub source: String,
    /// What it says.
    pub manifest: Manifest,
}

/// Takes documents as manifests: each is a Job, in the namespace of `-n` if that is given, and none is there twice.
pub(super) fn manifests(session: &Session<'_>, documents: Vec<Document>) -> Result<Vec<Source>> {
    let default_namespace = session.namespace()?;
    let mut seen: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut manifests = Vec::new();
    for Document { source, object } in documents {
        let invalid = |cause: &dyn Display| Error::new(format!("{source}: {cause}"));
        let manifest =
            Manifest::new(object, &default_namespace, &random_suffix()).map_err(|error| invalid(&error))?;
        if let Some(flag) = session.namespace_flag().filter(|flag| *flag != manifest.namespace()) {
            return Err(Error::new(format!(
                "the namespace from the provided object {:?} does not match the namespace {flag:?}. You must pass \
                 '--namespace={}' to perform this operation.",
                manifest.namespace(),
                manifest.namespace(),
            )));
        }
        let key = (manifest.namespace().to_owned(), manifest.name().to_owned());
        if let Some(first) = seen.insert(key, source.clone()) {
            return Err(invalid(&format!("job {:?} is in {first} too", manifest.name())));
        }
        manifests.push(Source { source, manifest });
    }
    Ok(manifests)
}

/// A new federated Job that is ready to be written, and where it was read.
pub(super) struct Proposal {
    /// What will be written.
    pub record: Record,
    /// The file, and the place in it.
    pub source: String,
}

impl Proposal {
    /// Divides a Job over the members.
    pub fn new(
        session: &Session<'_>,
        registry: &Registry,
        Source { source, manifest }: Source,
        create_namespace: bool,
    ) -> Result<Self> {
        let name = manifest.name().to_owned();
        let mut record = propose(registry, manifest, session.now())
            .map_err(|error| Error::new(format!("{source}: job {name:?}: {error}")))?;
        record.state.create_namespace = create_namespace;
        Ok(Self { record, source })
    }

    /// Prints what each member is to get.
    pub fn print_plan(&self, session: &Session<'_>) {
        let mut table = Table::new(["CLUSTER", "PARALLELISM", "COMPLETIONS"]);
        for shard in self.record.shards.values() {
            let completions =
                shard.completions.map_or("<none>".to_owned(), |completions| completions.to_string());
            table.row([shard.cluster.clone(), shard.parallelism.to_string(), completions]);
        }
        session.output().note_table(&table);
    }

    /// Writes the record, and has reconcile do the rest; gives what was done in members, and the error where one did not
    /// do its part.
    pub async fn submit(
        self,
        session: &Session<'_>,
        store: &Store,
        members: &Members,
    ) -> Result<(Vec<Done>, Option<Error>)> {
        let Self { record, source } = self;
        if record.state.create_namespace {
            store.ensure_namespace(record.namespace()).await?;
        }
        let record = match store.create(&record).await {
            Ok(record) => record,
            Err(error) => return Err(host_refusal(&record, &source, error)),
        };
        let observations = unmade(&record, members);
        let progress = session.output().progress("creating", 2 * record.shards.len() as u64);
        let settled =
            settle(store, record, observations, members, || session.now(), &|_| progress.step()).await?;
        drop(progress);
        let trouble = settled.record.and_then(|record| {
            let status = Status::of(&record, &settled.observations);
            report(session, &record, &status)
        });
        Ok((settled.done, trouble))
    }
}

/// What clusters say against what is about to be written, the same answer of several clusters once.
#[derive(Default)]
pub(super) struct Rehearsal {
    asked: BTreeSet<String>,
    refused: BTreeSet<String>,
    reports: BTreeMap<String, BTreeSet<String>>,
    lacks_namespace: bool,
}

impl Rehearsal {
    /// Asks the host and every member whether they would take a new federated Job.
    ///
    /// # Errors
    /// The host would not.
    pub async fn create(&mut self, store: &Store, proposal: &Proposal, members: &Members) -> Result<()> {
        let Proposal { record, source } = proposal;
        match store.try_create(record).await {
            Err(error) if error.is_not_found() && record.state.create_namespace => {}
            Err(error) => return Err(host_refusal(record, source, error)),
            Ok(()) => {}
        }
        self.ask(record, members, |error| Some(during("creating", source, error))).await;
        Ok(())
    }

    /// Asks every member whether it would take its part of a changed Job. Of what it has already, it is asked whether it is
    /// valid: that there is a Job of that name is no refusal then, nor is a quota that counts Jobs.
    ///
    /// `source` is the file that the change was read from, if it was.
    pub async fn change(&mut self, before: &Record, after: &Record, source: Option<&str>, members: &Members) {
        let has = |cluster: &str| before.shards.values().any(|shard| shard.cluster == cluster);
        let said = |error: &cluster::Error| {
            let about_the_job = error.is_invalid() || error.reason() == "BadRequest";
            let new = error.cluster().is_some_and(|cluster| !has(cluster));
            (about_the_job || new).then(|| match source {
                Some(source) => during("applying", source, error),
                None => error.report(),
            })
        };
        self.ask(after, members, said).await;
    }

    async fn ask(
        &mut self,
        record: &Record,
        members: &Members,
        say: impl Fn(&cluster::Error) -> Option<String>,
    ) {
        self.asked.extend(record.shards.values().map(|shard| shard.cluster.clone()));
        for Refusal { cluster, error } in rehearse(record, members).await {
            let Some(report) = say(&error) else { continue };
            self.lacks_namespace |= error.is_not_found();
            self.reports.entry(report).or_default().insert(cluster.clone());
            self.refused.insert(cluster);
        }
    }

    /// What was said, each with the clusters that said it.
    pub fn refusals(&self) -> impl Iterator<Item = String> {
        self.reports.iter().map(|(text, clusters)| in_clusters(text, clusters))
    }

    /// Prints what was said, and ends the command if anything was. `done` is what was not done: `created`, `changed`.
    pub fn end(self, session: &Session<'_>, done: &str) -> Result<()> {
        if self.reports.is_empty() {
            return Ok(());
        }
        for refusal in self.refusals() {
            session.output().error(&Error::verbatim(refusal));
        }
        let (refused, asked) = (self.refused.len(), self.asked.len());
        let error = Error::new(format!("nothing was {done}: {refused} of {asked} clusters refused"));
        Err(if self.lacks_namespace { error.hint(NAMESPACE_HINT) } else { error })
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

/// What is known of members right after the rehearsal: that they have no such Job.
pub(super) fn unmade(record: &Record, members: &Members) -> Observations {
    let observation = |cluster: &str| match members.get(cluster) {
        Ok(_) => Observation::known(BTreeMap::new()),
        Err(why) => Observation::Unknown { why: why.to_owned() },
    };
    let clusters = record.shards.values().map(|shard| shard.cluster.clone());
    Observations { members: clusters.map(|cluster| (cluster.clone(), observation(&cluster))).collect() }
}

/// Why the host would not take the record; that it has one of this name already is said of the Job.
fn host_refusal(record: &Record, source: &str, error: state::Error) -> Error {
    if error.is_already_exists() {
        let (name, namespace) = (record.name(), record.namespace());
        let sentence = format!("error when creating {source:?}: jobs.batch {name:?} already exists");
        return Error::server("AlreadyExists", sentence)
            .hint(format!("`kubectl federate reconcile {name} -n {namespace}` finishes what was begun."));
    }
    let state::Error::Cluster(error) = error else { return error.into() };
    let refusal = Error::verbatim(during("creating", source, &error));
    if error.is_not_found() { refusal.hint(NAMESPACE_HINT) } else { refusal }
}

/// A server's refusal as kubectl prints it: with the file in it, unless the sentence is about an invalid object.
fn during(what: &str, source: &str, error: &cluster::Error) -> String {
    error.report().replacen("): ", &format!("): error when {what} {source:?}: "), 1)
}

/// The text with the clusters that said it at the end of its first line.
fn in_clusters(text: &str, clusters: &BTreeSet<String>) -> String {
    let names: Vec<_> = clusters.iter().map(String::as_str).collect();
    let what = if names.len() == 1 { "cluster" } else { "clusters" };
    let who = format!(" ({what} {})", names.join(", "));
    match text.split_once(": \n") {
        Some((first, rest)) => format!("{first}{who}:\n{rest}"),
        None => format!("{text}{who}"),
    }
}

/// Five characters as an API server takes them for `generateName`: no vowels, so no words.
fn random_suffix() -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let random = uuid::Uuid::new_v4();
    random.as_bytes()[..5]
        .iter()
        .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]))
        .collect()
}
