//! How a manifest becomes a federated Job: read, divided, asked about, and only then written.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering},
};

use serde_json::Value;

use super::{
    after_write::give_up_on_silent,
    check::report_during,
    dry_run_strategy::DryRun,
    error::{Error, Existing},
    event::{Event, Work},
    key::Key,
    open::{Federation, carrying},
    preflight::preflight,
    refusals::Refusals,
    turns::at_once,
};
use crate::{
    cluster::{FieldValidation, fan_out, fan_out_by},
    job::Manifest,
    reconcile::{Members, Observation, Observations, Status, new_record},
    seams,
    state::{self, Phase, Record},
};

/// A manifest, and where it was read.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file, and the place in it; empty where the Job is made of flags.
    pub source: String,
    /// What it says.
    pub manifest: Manifest,
}

impl Source {
    /// What begins a sentence about it.
    pub(super) fn subject(&self) -> String {
        format!("{}: job {:?}", self.source, self.manifest.name())
    }
}

/// The rules for taking objects as manifests.
#[derive(Debug, Clone, Copy)]
pub struct Manifests<'a> {
    /// The namespace of Jobs that name none.
    pub default_namespace: &'a str,
    /// The namespace that all Jobs must be in, if one was asked for.
    pub asked_namespace: Option<&'a str>,
}

impl Manifests<'_> {
    /// Takes objects, each with the place where it was read, as manifests: each is a Job, in the
    /// namespace that was asked for, and none is there twice.
    ///
    /// # Errors
    /// Some are not; the error of each names its place.
    pub fn read(
        &self,
        objects: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<Vec<Source>, Error> {
        let mut seen: BTreeMap<(String, String), String> = BTreeMap::new();
        let read = |(source, object): (String, Value)| -> Result<Source, Error> {
            let invalid = |why: String| Error::Manifest { source_file: source.clone(), why };
            let manifest = Manifest::new(object, self.default_namespace, &random_suffix())
                .map_err(|error| invalid(error.to_string()))?;
            self.check_namespace(manifest.namespace())?;
            let key = (manifest.namespace().to_owned(), manifest.name().to_owned());
            if let Some(first) = seen.insert(key, source.clone()) {
                return Err(invalid(format!("job {:?} is in {first} too", manifest.name())));
            }
            Ok(Source { source, manifest })
        };
        let (manifests, errors) = parted(objects.into_iter().map(read));
        Error::all(Error::each_once(errors))?;
        Ok(manifests)
    }

    /// The same for manifests that are to be applied: each has a name, by which its Job is found.
    ///
    /// # Errors
    /// As [`Manifests::read`]; or one has only a `generateName`.
    pub fn read_named(&self, objects: Vec<(String, Value)>) -> Result<Vec<Source>, Error> {
        let generated = objects.iter().filter_map(|(_, object)| {
            let metadata = &object["metadata"];
            let prefix = metadata["generateName"].as_str()?;
            let is_named = metadata["name"].is_string();
            (!is_named).then(|| Error::GenerateName { prefix: prefix.to_owned() })
        });
        Error::all(Error::each_once(generated.collect()))?;
        self.read(objects)
    }

    /// The namespaces and the names of the Jobs in these objects, each with the place where it was
    /// read.
    ///
    /// # Errors
    /// Some have none, such as those with a `generateName` alone.
    pub fn names(&self, objects: &[(String, Value)]) -> Result<Vec<Key>, Error> {
        let (keys, errors) =
            parted(objects.iter().map(|(source, object)| self.name(source, object)));
        Error::all(Error::each_once(errors))?;
        Ok(keys)
    }

    /// The namespace and the name of the Job in an object; what else is in it does not matter.
    ///
    /// # Errors
    /// It is no Job, has no name, or is in another namespace than the one that was asked for.
    fn name(&self, source: &str, object: &Value) -> Result<(String, String), Error> {
        let invalid =
            |why: &str| Error::Manifest { source_file: source.to_owned(), why: why.to_owned() };
        if object["apiVersion"] != "batch/v1" || object["kind"] != "Job" {
            return Err(invalid("kind: must be a batch/v1 Job"));
        }
        let text = |field: &str| object["metadata"][field].as_str().filter(|text| !text.is_empty());
        let name = text("name").ok_or_else(|| invalid("resource name may not be empty"))?;
        let namespace = text("namespace").unwrap_or(self.default_namespace);
        self.check_namespace(namespace)?;
        Ok((namespace.to_owned(), name.to_owned()))
    }

    fn check_namespace(&self, object: &str) -> Result<(), Error> {
        match self.asked_namespace {
            Some(asked) if asked != object => {
                Err(Error::OtherNamespace { object: object.to_owned(), asked: asked.to_owned() })
            }
            _ => Ok(()),
        }
    }
}

/// What a submission may do, and what it lets pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct SubmitTerms {
    /// Namespaces are made wherever they are missing.
    pub create_namespace: bool,
    /// What is done about fields that a member does not know.
    pub field_validation: FieldValidation,
}

/// A new federated Job that is ready to be written, and where it was read.
#[derive(Debug)]
pub struct Proposal {
    /// What will be written.
    pub record: Record,
    /// The file, and the place in it.
    pub(super) source: String,
}

impl Federation<'_> {
    /// Divides new Jobs over the members, asks whether they would take them, and only then writes.
    ///
    /// # Errors
    /// Nothing was written; or, for each Job that was, that members did not all do their part.
    pub async fn submit(
        &self,
        sources: Vec<Source>,
        terms: SubmitTerms,
        dry_run: DryRun,
    ) -> Result<(), Error> {
        let (mut proposals, mut errors, count) = (Vec::new(), Vec::new(), sources.len());
        for source in sources {
            match self.propose(source, terms) {
                Ok(proposal) => proposals.push(proposal),
                Err(error) => errors.push(error),
            }
        }
        Error::none_done("created", count, errors)?;
        self.submit_all(proposals, dry_run).await
    }

    /// Asks the members whether they would take new Jobs, and only then writes.
    ///
    /// # Errors
    /// As [`Federation::submit`].
    pub(super) async fn submit_all(
        &self,
        proposals: Vec<Proposal>,
        dry_run: DryRun,
    ) -> Result<(), Error> {
        self.about(proposals.iter().map(|proposal| names(&proposal.record)), dry_run);
        let members = self.unasked();
        if dry_run == DryRun::Client {
            let check = async |proposal: &Proposal| self.check_name(proposal).await;
            let checked = fan_out(&proposals, check).await.into_iter();
            let errors = checked.filter_map(Result::err).collect();
            Error::none_done("created", proposals.len(), errors)?;
        } else {
            self.check_proposals(&proposals, &members).await?;
        }
        // Once the host has refused one Job, no further one is begun.
        let is_refused = AtomicBool::new(false);
        let submit = async |federation: &Self, proposal: Proposal| {
            if is_refused.load(Ordering::Relaxed) {
                return Err(proposal.record);
            }
            federation.name_plan(&proposal.record);
            if dry_run == DryRun::Server {
                federation.name_the_unasked(&proposal.record, &members);
            }
            let record = proposal.record.clone();
            let mut created = Ok(());
            if dry_run == DryRun::None {
                created = Box::pin(federation.create(proposal, &members)).await;
                if !matches!(created, Ok(()) | Err(Error::Unfinished(_))) {
                    is_refused.store(true, Ordering::Relaxed);
                    return Ok(created);
                }
            }
            federation.notify(Event::Created(&record, dry_run));
            Ok(created)
        };
        let at_once = at_once(proposals.iter().map(|proposal| &proposal.record));
        let submitted = self.side_by_side(at_once, proposals, submit).await;
        let (mut errors, mut not_begun, mut said) = (Vec::new(), Vec::new(), BTreeSet::new());
        for submitted in submitted {
            match submitted {
                Ok(Ok(())) => {}
                // What the host has against all of them is said once.
                Ok(Err(Error::HostRefused { error, .. })) if !said.insert(error.to_string()) => {}
                Ok(Err(error)) => errors.push(error),
                Err(record) => not_begun.push(record),
            }
        }
        if !not_begun.is_empty() {
            self.notify(Event::NotBegun(&not_begun));
        }
        Error::all(errors)
    }

    /// Asks the host and the members whether they would take new Jobs.
    ///
    /// # Errors
    /// They would not take all.
    async fn check_proposals(
        &self,
        proposals: &[Proposal],
        members: &Members,
    ) -> Result<(), Error> {
        let records: Vec<_> = proposals.iter().map(|proposal| &proposal.record).collect();
        let (most, carrying) = (at_once(records.iter().copied()), carrying(&records));
        // While the members are connected to, the host has the time to answer.
        let check =
            async |Proposal { record, source }: &Proposal| self.check_record(record, source).await;
        let check = fan_out_by(most, proposals, check);
        let (checked, ()) = tokio::join!(check, self.join(members, carrying));
        let errors = checked.into_iter().filter_map(Result::err).collect();
        Error::none_done("created", proposals.len(), errors)?;
        let mut refusals = Refusals::new("created", true);
        let ask = async |proposal: &Proposal| preflight(&proposal.record, members).await;
        let asked = fan_out_by(most, proposals, ask).await;
        for (Proposal { record, source }, asked) in proposals.iter().zip(asked) {
            self.check_creation(record, source, asked, members, &mut refusals).await;
        }
        Error::of_refusals(refusals)
    }

    /// Divides a Job over the members.
    ///
    /// # Errors
    /// It cannot be divided.
    pub(super) fn propose(
        &self,
        Source { source, manifest }: Source,
        terms: SubmitTerms,
    ) -> Result<Proposal, Error> {
        let name = manifest.name().to_owned();
        match new_record(&self.registry, manifest, self.now()) {
            Ok(mut record) => {
                record.state.create_namespace = terms.create_namespace;
                record.state.field_validation = terms.field_validation;
                Ok(Proposal { record, source })
            }
            Err(error) => Err(Error::NotDivisible { source_file: source, name, error }),
        }
    }

    /// Says what each member is to get, and what is to be thought of.
    pub(super) fn name_plan(&self, record: &Record) {
        self.notify(Event::Planned(record));
        self.name_what_misleads(record);
        self.name_who_gives_no_lease(record);
        self.name_whose_lease_is_short(record);
    }

    /// Makes sure that the host has no federated Job of this name, as far as it says so.
    async fn check_name(&self, Proposal { record, source }: &Proposal) -> Result<(), Error> {
        match self.store.record(record.namespace(), record.name()).await {
            Err(error) if !matches!(error, state::Error::Damaged { .. }) => Ok(()),
            there => Err(self.already_exists(record, source, there.as_ref()).await),
        }
    }

    /// Writes the record, and has reconcile do the rest. A member that did not answer is not asked
    /// for the Jobs that follow: the reconcile that it needs anyway does these too.
    ///
    /// # Errors
    /// The host would not take the record; or [`Error::Unfinished`], where a member did not do its
    /// part.
    pub(super) async fn create(
        &self,
        Proposal { mut record, source }: Proposal,
        members: &Members,
    ) -> Result<(), Error> {
        record.state.leased = self.lease_consent(&record.manifest).await;
        if record.state.create_namespace {
            self.store.ensure_namespace(record.namespace()).await?;
        }
        self.notify(Event::Recording(&record));
        let record = match self.store.create(&record).await {
            Ok(record) => record,
            Err(error) => return Err(self.host_refusal(&record, &source, error).await),
        };
        self.notify(Event::Recorded(&record));
        let observations = unmade(&record, members);
        self.notify(Event::Began(Work::Creating, &record));
        let reconciled = self.run(record, observations, members).await;
        self.notify(Event::Ended);
        let reconciled = reconciled?;
        give_up_on_silent(members, &reconciled.observations);
        self.notify(Event::Done(&reconciled.done, DryRun::None));
        let Some(record) = reconciled.record else { return Ok(()) };
        self.report(&record, &Status::new(&record, &reconciled.observations))
    }

    /// Why the host would not take the record; that it has one of this name already is said of the
    /// Job.
    pub(super) async fn host_refusal(
        &self,
        record: &Record,
        source: &str,
        error: state::Error,
    ) -> Error {
        if error.is_already_exists() {
            let there = self.store.record(record.namespace(), record.name()).await;
            return self.already_exists(record, source, there.as_ref()).await;
        }
        match error {
            state::Error::Cluster(error) => {
                Error::HostRefused { source_file: source.to_owned(), error }
            }
            error => error.into(),
        }
    }

    /// The error that the host has a federated Job of this name already.
    pub(super) async fn already_exists(
        &self,
        record: &Record,
        source: &str,
        there: Result<&Record, &state::Error>,
    ) -> Error {
        let there = match there {
            Ok(there) => Some(self.existing(there).await),
            Err(state::Error::Damaged { .. }) => Some(Existing::Damaged),
            // Where it went meanwhile, or cannot be read, only a look at it by itself says more.
            Err(_) => None,
        };
        Error::AlreadyExists {
            source_file: source.to_owned(),
            namespace: record.namespace().to_owned(),
            name: record.name().to_owned(),
            there,
        }
    }

    async fn existing(&self, there: &Record) -> Existing {
        let begun = |phase| matches!(phase, Phase::Planned | Phase::Created);
        if there.federation != self.registry.uid {
            Existing::OfAnotherFederation { in_use: self.is_in_use().await }
        } else if there.state.deleting.is_some() {
            Existing::Deleting
        } else if there.state.outcome.is_some() {
            Existing::Ended
        } else if there.shards.values().any(|shard| begun(shard.phase)) {
            Existing::Unfinished
        } else {
            Existing::Running
        }
    }
}

/// What succeeded, and the errors of the rest.
pub(super) fn parted<T>(
    results: impl IntoIterator<Item = Result<T, Error>>,
) -> (Vec<T>, Vec<Error>) {
    let (done, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let errors = failed.into_iter().filter_map(Result::err).collect();
    (done.into_iter().filter_map(Result::ok).collect(), errors)
}

/// The namespace and the name of a Job.
pub(super) fn names(record: &Record) -> (&str, &str) {
    (record.namespace(), record.name())
}

impl Error {
    /// A host's refusal as kubectl prints it; none for any other error.
    pub fn host_report(&self) -> Option<String> {
        match self {
            Self::HostRefused { source_file, error } => {
                Some(report_during("creating", source_file, error))
            }
            _ => None,
        }
    }
}

/// What is known of members right after they were asked whether they would take new shards: that
/// they have no such Job.
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

/// Five characters as an API server takes them for `generateName`: no vowels, so no words.
fn random_suffix() -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let random = seams::uuid();
    let letter = |byte: &u8| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]);
    random.as_bytes()[..5].iter().map(letter).collect()
}
