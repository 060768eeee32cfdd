//! How a manifest becomes a federated Job: read, divided, rehearsed, and only then written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::{
    Federation, Session, finish_begun, name_own_indexes, name_the_dropped, report, same_namespace,
};
use crate::{
    cli::Document,
    cluster,
    error::{Error, Result},
    federation::{Refusal, preflight, simulate},
    job::Manifest,
    print::{Table, some_of},
    reconcile::{
        Done, Members, Observation, Observations, Reconciled, Status, new_record, observe, run,
    },
    state::{self, Phase, Record, Registry, Store},
};

const NAMESPACE_HINT: &str = "--create-namespace makes the namespace wherever it is missing.";

/// A manifest, and where it was read.
pub(super) struct Source {
    /// The file, and the place in it.
    pub source: String,
    /// What it says.
    pub manifest: Manifest,
}

/// Takes documents as manifests: each is a Job, in the namespace of `-n` if that is given, and none
/// is there twice.
pub(super) fn manifests(session: &Session<'_>, documents: Vec<Document>) -> Result<Vec<Source>> {
    let default_namespace = session.namespace()?;
    let mut seen: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut manifests = Vec::new();
    for Document { source, object } in documents {
        let invalid = |cause: &dyn Display| Error::new(format!("{source}: {cause}"));
        let manifest = Manifest::new(object, &default_namespace, &random_suffix())
            .map_err(|error| invalid(&error))?;
        same_namespace(session, manifest.namespace())?;
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
        let mut record = new_record(registry, manifest, session.now())
            .map_err(|error| Error::new(format!("{source}: job {name:?}: {error}")))?;
        record.state.create_namespace = create_namespace;
        Ok(Self { record, source })
    }

    /// Makes sure that the host has no federated Job of this name, as far as it says so.
    ///
    /// # Errors
    /// It has.
    pub async fn check_name(&self, store: &Store) -> Result<()> {
        match store.record(self.record.namespace(), self.record.name()).await {
            Ok(there) => Err(taken(&self.record, &self.source)
                .hint(what_to_do_about(&there, &self.record.federation))),
            Err(_) => Ok(()),
        }
    }

    /// Prints what each member is to get, and what is to be thought of.
    pub fn print_plan(&self, session: &Session<'_>) {
        let mut table = Table::new(["CLUSTER", "PARALLELISM", "COMPLETIONS"]);
        for shard in self.record.shards.values() {
            let completions = shard
                .completions
                .map_or("<none>".to_owned(), |completions| completions.to_string());
            table.row([shard.cluster.clone(), shard.parallelism.to_string(), completions]);
        }
        session.output().note_table(&table);
        name_own_indexes(session, &self.record);
    }

    /// Writes the record, and has reconcile do the rest; gives what was done in members, and the
    /// error where one did not do its part. One that did not answer is not asked for the Jobs that
    /// follow: the reconcile that it needs anyway does these too.
    pub async fn submit(
        self,
        session: &Session<'_>,
        store: &Store,
        members: &mut Members,
    ) -> Result<(Vec<Done>, Option<Error>)> {
        let Self { record, source } = self;
        if record.state.create_namespace {
            store.ensure_namespace(record.namespace()).await?;
        }
        let record = match store.create(&record).await {
            Ok(record) => record,
            Err(error) => return Err(host_refusal(store, &record, &source, error).await),
        };
        let observations = unmade(&record, members);
        let finish = finish_begun(&record);
        let progress = session.output().progress("creating", 2 * record.shards.len() as u64);
        let settled =
            run(store, record, observations, members, || session.now(), &|_| progress.step())
                .await
                .map_err(|error| Error::from(error).hint(finish))?;
        drop(progress);
        lose_the_silent(members, &settled.observations);
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
    /// The flag that makes the namespace, where the verb has it and it would help.
    flag: bool,
    /// The commands that make the namespace where it is missing.
    namespaces: BTreeSet<String>,
    /// The commands that delete Jobs that have the name.
    in_the_way: BTreeSet<String>,
}

impl Rehearsal {
    /// Asks the host and every member whether they would take a new federated Job.
    ///
    /// # Errors
    /// The host would not.
    pub async fn create(
        &mut self,
        session: &Session<'_>,
        federation: &Federation<'_>,
        proposal: &Proposal,
        members: &mut Members,
    ) -> Result<()> {
        let Proposal { record, source } = proposal;
        match federation.store.try_create(record).await {
            Err(error) if error.is_not_found() && record.state.create_namespace => {}
            Err(error) => return Err(host_refusal(federation.store, record, source, error).await),
            Ok(()) => {}
        }
        let say = |error: &cluster::Error| Some(during("creating", source, error));
        self.flag = true;
        self.ask(session, federation.registry, record, members, say).await;
        Ok(())
    }

    /// Asks every member whether it would take its part of a changed Job, also of what the change
    /// would open there. Of what it has already, it is asked whether it is valid: that there is a
    /// Job of that name is no refusal then, nor is a quota that counts Jobs.
    ///
    /// `source` is the file that the change was read from, if it was.
    pub async fn change(
        &mut self,
        session: &Session<'_>,
        federation: &Federation<'_>,
        (before, after): (&Record, &Record),
        source: Option<&str>,
        members: &mut Members,
    ) {
        let has = |cluster: &str| before.shards.values().any(|shard| shard.cluster == cluster);
        let observations = observe(&[after], members).await.remove(0);
        let foreseen = simulate(after, observations, members, session.now()).await;
        let foreseen = foreseen.and_then(|Reconciled { record, .. }| record);
        let mut after = after.clone();
        for (id, shard) in foreseen.into_iter().flat_map(|record| record.shards) {
            after.shards.entry(id).or_insert(shard);
        }
        // What has passed would hide what is wrong with the limits of the Job.
        for shard in after.shards.values_mut() {
            (shard.seen, shard.active_deadline_seconds) = (None, None);
        }
        let said = |error: &cluster::Error| {
            let about_the_job = error.is_invalid() || error.reason() == "BadRequest";
            let new = error.cluster().is_some_and(|cluster| !has(cluster));
            (about_the_job || new).then(|| match source {
                Some(source) => during("applying", source, error),
                None => error.report(),
            })
        };
        self.flag = source.is_some();
        self.ask(session, federation.registry, &after, members, said).await;
    }

    /// Asks every member whether it can read its part of a Job; what else it has against it is not
    /// looked at.
    ///
    /// `source` is the file that the Job was read from, if it was.
    pub async fn read(&mut self, record: &Record, source: Option<&str>, members: &mut Members) {
        for Refusal { cluster, error } in preflight(record, members).await.refusals {
            if error.reason() == "BadRequest" {
                let report = source
                    .map_or_else(|| error.report(), |source| during("applying", source, &error));
                self.reports.entry(report).or_default().insert(cluster);
            }
        }
    }

    async fn ask(
        &mut self,
        session: &Session<'_>,
        registry: &Registry,
        record: &Record,
        members: &mut Members,
        say: impl Fn(&cluster::Error) -> Option<String>,
    ) {
        self.asked.extend(record.shards.values().map(|shard| shard.cluster.clone()));
        let rehearsed = preflight(record, members).await;
        name_the_dropped(session, record, &rehearsed.dropped);
        for Refusal { cluster, error } in rehearsed.refusals {
            let Some(report) = say(&error) else { continue };
            if let Some(member) = registry.members.get(&cluster) {
                let (context, namespace) =
                    (session.context_of(&cluster, member), record.namespace());
                let kubectl = |what: &str| format!("`kubectl --context={context} {what}`");
                if error.is_not_found() {
                    self.namespaces.insert(kubectl(&format!("create namespace {namespace}")));
                } else if error.is_already_exists() {
                    let delete = format!("--namespace={namespace} delete job {}", record.name());
                    self.in_the_way.insert(kubectl(&delete));
                }
            }
            self.reports.entry(report).or_default().insert(cluster.clone());
            self.refused.insert(cluster);
        }
    }

    /// What was said, each with the clusters that said it.
    pub fn refusals(&self) -> impl Iterator<Item = String> {
        self.reports.iter().map(|(text, clusters)| in_clusters(text, clusters))
    }

    /// Prints what was said, and ends the command if anything was. `done` is what was not done:
    /// `created`, `changed`.
    pub fn end(self, session: &Session<'_>, done: &str) -> Result<()> {
        if self.reports.is_empty() {
            return Ok(());
        }
        for refusal in self.refusals() {
            session.output().error(&Error::verbatim(refusal));
        }
        let (refused, asked) = (self.refused.len(), self.asked.len());
        let refused = some_of(refused, asked, "cluster");
        let error = Error::new(format!("nothing was {done}: {refused} refused"));
        let hint = match (self.namespaces.is_empty(), self.in_the_way.is_empty()) {
            (false, _) if self.flag => NAMESPACE_HINT.to_owned(),
            (false, _) => format!("The namespace is missing there: {}", listed(&self.namespaces)),
            (true, false) => format!(
                "What is there is no part of a federated job: take another name, or delete it: {}",
                listed(&self.in_the_way)
            ),
            (true, true) => return Err(error),
        };
        Err(error.hint(hint))
    }
}

/// Asks members no more in this command that did not answer: they would have to be waited for
/// again.
pub(super) fn lose_the_silent(members: &mut Members, observations: &Observations) {
    for (cluster, observation) in &observations.members {
        if let Observation::Unknown { why } = observation {
            members.give_up(cluster, why.clone());
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
    Observations {
        members: clusters.map(|cluster| (cluster.clone(), observation(&cluster))).collect(),
        places: members.places().clone(),
        ..Observations::default()
    }
}

/// Why the host would not take the record; that it has one of this name already is said of the Job.
async fn host_refusal(store: &Store, record: &Record, source: &str, error: state::Error) -> Error {
    if error.is_already_exists() {
        let error = taken(record, source);
        return match store.record(record.namespace(), record.name()).await {
            Ok(there) => error.hint(what_to_do_about(&there, &record.federation)),
            // It went meanwhile, or only a look at it by itself can say more.
            Err(_) => error,
        };
    }
    let state::Error::Cluster(error) = error else { return error.into() };
    let refusal = Error::verbatim(during("creating", source, &error));
    if error.is_not_found() { refusal.hint(NAMESPACE_HINT) } else { refusal }
}

/// What a server says where the name is taken.
fn taken(record: &Record, source: &str) -> Error {
    let sentence =
        format!("error when creating {source:?}: jobs.batch {:?} already exists", record.name());
    Error::server("AlreadyExists", sentence)
}

/// What to do about the federated Job that has the name already.
fn what_to_do_about(there: &Record, federation: &str) -> String {
    let job = format!("{} -n {}", there.name(), there.namespace());
    if there.federation != federation {
        "It belongs to another federation: take another name.".to_owned()
    } else if there.state.deleting.is_some() {
        format!("It is being deleted: `kubectl federate reconcile {job}` finishes that.")
    } else if there.state.outcome.is_some() {
        format!(
            "It has ended: `kubectl federate job delete {job} --cascade=background` makes room for a new one."
        )
    } else if there
        .shards
        .values()
        .any(|shard| matches!(shard.phase, Phase::Planned | Phase::Created))
    {
        format!("`kubectl federate reconcile {job}` finishes what was begun.")
    } else {
        format!("`kubectl federate job get {job}` shows how far it is.")
    }
}

/// Commands, one after another.
fn listed(commands: &BTreeSet<String>) -> String {
    commands.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// A server's refusal as kubectl prints it: with the file in it, unless the sentence is about an
/// invalid object.
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
