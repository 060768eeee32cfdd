//! `kubectl federate job create`.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;

use super::{Session, finish_begun, name_the_dropped, name_the_unasked, report, same_namespace};
use crate::{
    cli::{Document, DryRun, Filenames},
    cluster,
    error::{Error, Result},
    job::Manifest,
    print::{Table, some_of},
    reconcile::{Members, Observation, Observations, Refusal, Status, propose, rehearse, settle},
    state::{self, Phase, Record, Registry, Store},
};

/// Divide a job over the clusters and create a part of it in each
///
/// Every cluster is asked first whether it would take its part: nothing is written unless all that answer
/// would.
#[derive(Debug, Args)]
pub struct Create {
    #[command(flatten)]
    filenames: Filenames,
    /// none, client (print the plan) or server (have every cluster check it too)
    #[arg(long, value_name = "STRATEGY", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "none", default_missing_value = "client", hide_possible_values = true)]
    dry_run: DryRun,
    /// Make the job's namespace in the host and in the clusters that lack it
    #[arg(long)]
    create_namespace: bool,
}

const NAMESPACE_HINT: &str = "--create-namespace makes the namespace wherever it is missing.";

/// A Job that is ready to be written, and where it was read.
struct Proposal {
    record: Record,
    source: String,
}

impl Create {
    /// Reads and divides all documents, has them rehearsed, and only then writes.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        let documents = self.filenames.read("create", &mut *session.world().stdin())?;
        let (store, registry) = session.federation().await?;
        let proposals = self.propose(session, documents, &registry)?;
        let records: Vec<_> = proposals.iter().map(|proposal| &proposal.record).collect();
        let mut members = match self.dry_run {
            DryRun::Client => Members::default(),
            DryRun::None | DryRun::Server => session.members_of(&registry, &records).await,
        };
        if self.dry_run != DryRun::Client {
            self.rehearse(session, (&store, &registry), &proposals, &mut members).await?;
        }
        let mut troubles = Vec::new();
        for Proposal { record, source } in proposals {
            print_plan(session, &record);
            let name = record.name().to_owned();
            if self.dry_run == DryRun::Server {
                name_the_unasked(session, &record, &members);
            }
            if self.dry_run == DryRun::None {
                troubles.extend(self.submit(session, &store, record, &source, &mut members).await?);
            }
            session.output().line(format!("job.batch/{name} created{}", self.dry_run.suffix()));
        }
        Error::all(troubles)
    }

    fn propose(
        &self,
        session: &Session<'_>,
        documents: Vec<Document>,
        registry: &Registry,
    ) -> Result<Vec<Proposal>> {
        let default_namespace = session.namespace()?;
        let mut seen: BTreeMap<(String, String), String> = BTreeMap::new();
        let mut proposals = Vec::new();
        for Document { source, object } in documents {
            let invalid = |cause: &dyn std::fmt::Display| Error::new(format!("{source}: {cause}"));
            let manifest = Manifest::new(object, &default_namespace, &random_suffix())
                .map_err(|error| invalid(&error))?;
            same_namespace(session, manifest.namespace())?;
            let key = (manifest.namespace().to_owned(), manifest.name().to_owned());
            if let Some(first) = seen.insert(key, source.clone()) {
                return Err(invalid(&format!("job {:?} is in {first} too", manifest.name())));
            }
            let name = manifest.name().to_owned();
            let mut record = propose(registry, manifest, session.now())
                .map_err(|error| Error::new(format!("{source}: job {name:?}: {error}")))?;
            record.state.create_namespace = self.create_namespace;
            proposals.push(Proposal { record, source });
        }
        Ok(proposals)
    }

    /// Asks the host and every member whether they would take all of this. What they say against it is
    /// printed, the same answer of several clusters once.
    async fn rehearse(
        &self,
        session: &Session<'_>,
        (store, registry): (&Store, &Registry),
        proposals: &[Proposal],
        members: &mut Members,
    ) -> Result<()> {
        let mut refused = BTreeSet::new();
        let mut hint = None;
        let mut reports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for Proposal { record, source } in proposals {
            match store.try_create(record).await {
                Err(error) if error.is_not_found() && self.create_namespace => {}
                Err(error) => return Err(host_refusal(store, record, source, error).await),
                Ok(()) => {}
            }
            let rehearsal = rehearse(record, members).await;
            name_the_dropped(session, record, &rehearsal.dropped);
            for Refusal { cluster, error } in rehearsal.refusals {
                if error.is_not_found() {
                    hint = Some(NAMESPACE_HINT.to_owned());
                } else if error.is_already_exists() && hint.is_none() {
                    hint = registry
                        .members
                        .get(&cluster)
                        .map(|member| in_the_way(record, session.context_of(&cluster, member)));
                }
                reports.entry(when_creating(source, &error)).or_default().insert(cluster.clone());
                refused.insert(cluster);
            }
        }
        if reports.is_empty() {
            return Ok(());
        }
        for (text, clusters) in reports {
            session.output().error(&Error::verbatim(in_clusters(&text, &clusters)));
        }
        let all: BTreeSet<_> = proposals
            .iter()
            .flat_map(|proposal| proposal.record.shards.values().map(|shard| &shard.cluster))
            .collect();
        let (refused, all) = (refused.len(), all.len());
        let refused = some_of(refused, all, "cluster");
        let error = Error::new(format!("nothing was created: {refused} refused"));
        Err(match hint {
            Some(hint) => error.hint(hint),
            None => error,
        })
    }

    /// Writes the record, and has reconcile do the rest; gives the error where a member did not do its part. One that did
    /// not answer is not asked for the Jobs that follow: the reconcile that it needs anyway does these too.
    async fn submit(
        &self,
        session: &Session<'_>,
        store: &Store,
        record: Record,
        source: &str,
        members: &mut Members,
    ) -> Result<Option<Error>> {
        if self.create_namespace {
            store.ensure_namespace(record.namespace()).await?;
        }
        let record = match store.create(&record).await {
            Ok(record) => record,
            Err(error) => return Err(host_refusal(store, &record, source, error).await),
        };
        let observations = unmade(&record, members);
        let finish = finish_begun(&record);
        let progress = session.output().progress("creating", 2 * record.shards.len() as u64);
        let settled = settle(store, record, observations, members, || session.now(), &|_| progress.step())
            .await
            .map_err(|error| Error::from(error).hint(finish))?;
        drop(progress);
        for (cluster, observation) in &settled.observations.members {
            if let Observation::Unknown { why } = observation {
                members.lose(cluster, why.clone());
            }
        }
        Ok(settled.record.and_then(|record| {
            let status = Status::of(&record, &settled.observations);
            report(session, &record, &status)
        }))
    }
}

/// Why the host would not take the record; that it has one of this name already is said of the Job.
async fn host_refusal(store: &Store, record: &Record, source: &str, error: state::Error) -> Error {
    if error.is_already_exists() {
        let sentence =
            format!("error when creating {source:?}: jobs.batch {:?} already exists", record.name());
        let error = Error::server("AlreadyExists", sentence);
        return match store.record(record.namespace(), record.name()).await {
            Ok(there) => error.hint(what_to_do_about(&there, &record.federation)),
            // It went meanwhile, or only a look at it by itself can say more.
            Err(_) => error,
        };
    }
    let state::Error::Cluster(error) = error else { return error.into() };
    let refusal = Error::verbatim(when_creating(source, &error));
    if error.is_not_found() { refusal.hint(NAMESPACE_HINT) } else { refusal }
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
    } else if there.shards.values().any(|shard| matches!(shard.phase, Phase::Planned | Phase::Created)) {
        format!("`kubectl federate reconcile {job}` finishes what was begun.")
    } else {
        format!("`kubectl federate job get {job}` shows how far it is.")
    }
}

/// What to do about Jobs in members that have the name, such as those that a deletion left there.
fn in_the_way(record: &Record, context: &str) -> String {
    format!(
        "What is there is no part of a federated job: take another name, or delete it: `kubectl --context={context} \
         --namespace={} delete job {}`",
        record.namespace(),
        record.name()
    )
}

/// What is known of members right after the rehearsal: that they have no such Job.
fn unmade(record: &Record, members: &Members) -> Observations {
    let observation = |cluster: &str| match members.get(cluster) {
        Ok(_) => Observation::known(BTreeMap::new()),
        Err(why) => Observation::Unknown { why: why.to_owned() },
    };
    let clusters = record.shards.values().map(|shard| shard.cluster.clone());
    Observations {
        members: clusters.map(|cluster| (cluster.clone(), observation(&cluster))).collect(),
        places: members.places().clone(),
    }
}

/// A server's refusal as kubectl prints it: with the file in it, unless the sentence is about an invalid object.
fn when_creating(source: &str, error: &cluster::Error) -> String {
    error.report().replacen("): ", &format!("): error when creating {source:?}: "), 1)
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

fn print_plan(session: &Session<'_>, record: &Record) {
    let mut table = Table::new(["CLUSTER", "PARALLELISM", "COMPLETIONS"]);
    for shard in record.shards.values() {
        let completions =
            shard.completions.map_or("<none>".to_owned(), |completions| completions.to_string());
        table.row([shard.cluster.clone(), shard.parallelism.to_string(), completions]);
    }
    session.output().note_table(&table);
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
