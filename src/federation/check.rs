//! Asking the host and the members by dry run whether they would take what is about to be written.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    error::Error,
    event::Event,
    labelled::Labelled,
    open::Federation,
    preflight::{Preflight, preflight, preflight_adoption, preflight_change, preflight_fields},
    refusal::Refusal,
    refusals::{Forgotten, InTheWay, Owner, Place, Refusals},
    request::Request,
};
use crate::{
    cluster::{self, FieldValidation, fan_out},
    job::{Manifest, Observed, labels},
    reconcile::{Members, Observations, job_path, jobs_path},
    state::{self, Record},
};

impl Federation<'_> {
    /// Asks the host and every member whether they would take a new federated Job.
    ///
    /// # Errors
    /// The host would not.
    pub(super) async fn ask_creation(
        &self,
        record: &Record,
        source: &str,
        members: &Members,
    ) -> Result<Preflight, Error> {
        self.check_record(record, source).await?;
        Ok(preflight(record, members).await)
    }

    /// Adds what the members have said to a new federated Job to the refusals.
    pub(super) async fn check_creation(
        &self,
        record: &Record,
        source: &str,
        answers: Preflight,
        members: &Members,
        refusals: &mut Refusals,
    ) {
        let say = |error: &cluster::Error| report_during("creating", source, error);
        self.add_refusals(record, answers, members, refusals, say).await;
    }

    /// Asks the host whether it would take the record of an adoption, and every member whether it
    /// would accept each write that follows, and grants the rights that a shard needs.
    ///
    /// # Errors
    /// The host would not. What the members say is added to the refusals.
    pub(super) async fn check_adoption(
        &self,
        record: &Record,
        source: &str,
        observations: &Observations,
        members: &Members,
        refusals: &mut Refusals,
    ) -> Result<(), Error> {
        self.check_record(record, source).await?;
        let answers = preflight_adoption(record, observations, members, self.now()).await;
        self.add_refusals(record, answers, members, refusals, cluster::Error::report).await;
        Ok(())
    }

    /// Asks the host whether it would take a new record.
    ///
    /// # Errors
    /// It would not.
    pub(super) async fn check_record(&self, record: &Record, source: &str) -> Result<(), Error> {
        match self.store.try_create(record).await {
            Err(error) if error.is_not_found() && record.state.create_namespace => Ok(()),
            Err(error) => Err(self.host_refusal(record, source, error).await),
            Ok(()) => Ok(()),
        }
    }

    /// Asks every member whether it would accept each write that a changed Job needs there, and the
    /// values of all fields.
    pub(super) async fn ask_change(
        &self,
        (before, after): (&Record, &Record),
        observations: &Observations,
        members: &Members,
    ) -> Preflight {
        Box::pin(preflight_change(before, after, observations, members, self.now())).await
    }

    /// Adds what the members have said to a change to the refusals. `source` is the file that the
    /// change was read from, if it was.
    pub(super) async fn check_change(
        &self,
        after: &Record,
        answers: Preflight,
        source: Option<&str>,
        members: &Members,
        refusals: &mut Refusals,
    ) {
        let say = |error: &cluster::Error| match source {
            Some(source) => report_during("applying", source, error),
            None => error.report(),
        };
        self.add_refusals(after, answers, members, refusals, say).await;
    }

    /// Asks every member whether it knows all fields that a Job has and `before` lacks; what else
    /// it has against the Job is not looked at. Fields that the request lets pass are named.
    ///
    /// # Errors
    /// One does not know a field.
    pub(super) async fn check_fields(
        &self,
        before: &Manifest,
        record: &Record,
        request: &Request<'_>,
        members: &Members,
    ) -> Result<(), Error> {
        let source = request.source;
        let mut refusals = Refusals::new("changed", source.is_some());
        refusals.asked.extend(record.shards.values().map(|shard| shard.cluster.clone()));
        let mut answers = preflight_fields(record, members).await;
        if request.field_validation.is_none() {
            answers.refuse_new_fields(before);
        }
        for (field, clusters) in answers.new_fields(before) {
            self.notify(Event::UnknownField { field, clusters });
        }
        for Refusal { cluster, error } in answers.refusals {
            if error.reason() == "BadRequest" || error.is_invalid() {
                let report = source.map_or_else(
                    || error.report(),
                    |source| report_during("applying", source, &error),
                );
                refusals.add(report, cluster);
            }
        }
        Error::of_refusals(refusals)
    }

    /// Adds the answers of the members to a preflight.
    async fn add_refusals(
        &self,
        record: &Record,
        answers: Preflight,
        members: &Members,
        refusals: &mut Refusals,
        say: impl Fn(&cluster::Error) -> String,
    ) {
        refusals.asked.extend(answers.asked);
        refusals.is_template_refused |= answers.is_template_refused;
        for (path, clusters) in &answers.dropped {
            self.notify(Event::Dropped { record, path, clusters });
        }
        if record.state.field_validation == FieldValidation::Warn {
            for (field, clusters) in &answers.unknown {
                self.notify(Event::UnknownField { field, clusters });
            }
        }
        let mut forgotten = BTreeMap::new();
        for Refusal { cluster, error } in answers.refusals {
            let report = say(&error);
            if error.is_not_found() {
                let place = self.place(&cluster, record, record.name());
                refusals.without_namespace.insert(place);
            } else if error.is_already_exists() {
                let name = new_name(record, &cluster);
                let place = self.place(&cluster, record, name);
                let owner = self.owner(members, &place).await;
                if let Owner::Forgotten(Forgotten { uid, rebuilt_as, .. }) = &owner {
                    let known: &mut Option<String> = forgotten.entry(uid.clone()).or_default();
                    *known = known.take().or_else(|| rebuilt_as.clone());
                }
                refusals.in_the_way.insert(InTheWay { place, owner });
            }
            refusals.add(report, cluster);
        }
        for (uid, rebuilt_as) in forgotten {
            let namespace = record.namespace().to_owned();
            let jobs = self.jobs_left_of(&namespace, &uid, members).await;
            refusals.forgotten.insert(Forgotten { namespace, uid, rebuilt_as }, jobs);
        }
    }

    /// The Jobs of a federated Job in the members that answer: their names, and the members of
    /// each.
    async fn jobs_left_of(
        &self,
        namespace: &str,
        uid: &str,
        members: &Members,
    ) -> BTreeMap<String, BTreeSet<String>> {
        let path = jobs_path(namespace);
        let federation = &self.registry.uid;
        let selector = format!("{}={federation},{}={uid}", labels::FEDERATION, labels::JOB);
        let list = async |cluster: &str| {
            let jobs = match members.get(cluster) {
                Ok(connection) => connection.list(&path, &selector).await.unwrap_or_default(),
                Err(_) => Vec::new(),
            };
            (cluster.to_owned(), jobs)
        };
        let mut left = BTreeMap::<_, BTreeSet<_>>::new();
        for (cluster, jobs) in fan_out(members.asked(), list).await {
            for job in &jobs {
                let name = Observed::from_object(job).name;
                left.entry(name).or_default().insert(cluster.clone());
            }
        }
        left
    }

    /// Where a Job of a record is, or would be.
    pub(super) fn place(&self, cluster: &str, record: &Record, job: &str) -> Place {
        Place {
            cluster: cluster.to_owned(),
            context: self.context(cluster),
            namespace: record.namespace().to_owned(),
            job: job.to_owned(),
        }
    }

    /// Whose Job it is that is there.
    pub(super) async fn owner(&self, members: &Members, place: &Place) -> Owner {
        let Ok(connection) = members.get(&place.cluster) else { return Owner::Unknown };
        let Ok(job) = connection.get(&job_path(&place.namespace, &place.job)).await else {
            return Owner::Unknown;
        };
        let Some(job) = Labelled::read(job) else { return Owner::Nobody };
        if job.owner.federation != self.registry.uid {
            return Owner::AnotherFederation;
        }
        let Ok(records) = self.store.records(&self.registry.uid, Some(&place.namespace)).await
        else {
            return Owner::Unknown;
        };
        // A record that cannot be read may be the one.
        let may_own = |record: Result<Record, state::Error>| {
            record.map_or(true, |record| record.state.uid == job.owner.job)
        };
        if records.into_iter().any(may_own) {
            return Owner::Recorded;
        }
        let Ok(rebuilt_as) = self.rebuilt_as(&job, &place.cluster).await else {
            return Owner::Unknown;
        };
        let (namespace, uid) = (place.namespace.clone(), job.owner.job);
        Owner::Forgotten(Forgotten { namespace, uid, rebuilt_as })
    }
}

/// The name of the newest shard in a member.
fn new_name<'r>(record: &'r Record, cluster: &str) -> &'r str {
    let mut shards = record.shards.iter().rev();
    let shard = shards.find(|(_, shard)| shard.cluster == cluster);
    shard.map_or(record.name(), |(id, _)| record.job_name(*id))
}

/// A server's refusal as kubectl prints it: with the file in it, unless the sentence is about an
/// invalid object. A Job that is made of flags has no file.
pub(super) fn report_during(doing: &str, source: &str, error: &cluster::Error) -> String {
    match error.reason() {
        "" | "Unauthorized" => error.report(),
        _ if source.is_empty() => format!("error: failed to create job: {error}"),
        "Invalid" => error.report(),
        reason => format!("Error from server ({reason}): error when {doing} {source:?}: {error}"),
    }
}
