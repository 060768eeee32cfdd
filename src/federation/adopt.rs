//! Jobs that exist in members become the shards of one federated Job.
//!
//! The record is written first, and says which Jobs are to get labels. The reconcile that follows
//! labels them. So a command that is killed anywhere is finished by the next reconcile, or by the
//! same command.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    dry_run_strategy::DryRun,
    error::Error,
    event::Event,
    look::Look,
    open::Federation,
    reconcile::Reopen,
    refusals::{Owner, Place, Refusals},
};
use crate::{
    cluster::fan_out,
    job::{Misfit, Observed},
    reconcile::{
        Answer, Candidate, Members, Observations, Status, adopted_record, job_path, preview,
    },
    state::{Accepted, Record, Shard},
};

/// Jobs that fit together as the shards of one federated Job.
pub struct Proposed {
    /// The record as it is to be written, or as an earlier command wrote it; and how the federated
    /// Job stands by it.
    pub look: Look,
    /// Whether an earlier command wrote the record.
    pub is_begun: bool,
    members: Members,
}

/// Which Jobs are to be adopted.
#[derive(Debug, Clone, Copy)]
pub struct ToAdopt<'a> {
    /// Their namespace.
    pub namespace: &'a str,
    /// Their name, which the federated Job gets too.
    pub name: &'a str,
    /// The members that have them.
    pub clusters: &'a BTreeSet<String>,
    /// Whether the host gets the namespace where it lacks it.
    pub create_namespace: bool,
}

impl Federation<'_> {
    /// Reads the Jobs, and makes sure that they fit together, and unless `dry_run` is that of the
    /// client, that the host and the members would take what is to be written. Nothing is.
    ///
    /// # Errors
    /// The federated Job is there already, and is not an adoption of these Jobs; a Job does not
    /// fit; or what the host or a member has against it.
    pub async fn propose_adoption(
        &self,
        asked: ToAdopt<'_>,
        dry_run: DryRun,
    ) -> Result<Proposed, Error> {
        for name in asked.clusters {
            self.member(name)?;
        }
        match self.store.record(asked.namespace, asked.name).await {
            Ok(record) => return self.begun(record, asked.clusters).await,
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
        let members = self.unasked();
        self.join(&members, asked.clusters.clone()).await;
        let jobs = self.read_jobs(asked, &members).await?;
        let clocks = members.clocks(self.store.host());
        let record = match adopted_record(&self.registry, &jobs, &clocks, self.now()) {
            Ok(mut record) => {
                record.state.create_namespace = asked.create_namespace;
                record
            }
            Err(misfits) => return Err(self.misfits(asked, misfits, &jobs, &members).await),
        };
        let mut observations =
            Observations { places: members.places().clone(), clocks, ..Observations::default() };
        for (id, shard) in &record.shards {
            let job = jobs.iter().find(|job| job.cluster == shard.cluster);
            let job = job.map(|job| Box::new(Observed::from_object(&job.object)));
            observations.add(&shard.cluster, *id, job.map_or(Answer::Gone, Answer::Job));
        }
        if dry_run != DryRun::Client {
            let mut refusals = Refusals::new("adopted", true);
            let source = source(&record);
            self.check_adoption(&record, &source, &observations, &members, &mut refusals).await?;
            Error::of_refusals(refusals)?;
        }
        Ok(self.proposed(record, observations, members, false).await)
    }

    /// Writes the record, and labels the Jobs.
    ///
    /// # Errors
    /// The host would not take the record; or [`Error::Unfinished`], where a Job was not labelled.
    pub async fn adopt(&self, proposed: Proposed, dry_run: DryRun) -> Result<(), Error> {
        let Proposed { look, is_begun, members } = proposed;
        let Look { stored: mut record, observations, .. } = look;
        if dry_run != DryRun::None {
            self.foresee(&record, observations, &members, dry_run).await;
            self.notify(Event::Adopted(&record, dry_run));
            return Ok(());
        }
        if is_begun {
            return self.reconcile_one(record, observations, &members, Reopen::None).await;
        }
        let clusters: Vec<_> = record.shards.values().map(|shard| shard.cluster.clone()).collect();
        let detail = format!("the jobs in {}", clusters.join(", "));
        record.accept(self.acceptance(Accepted::Adopted, &detail).await);
        self.notify(Event::Recording(&record));
        if record.state.create_namespace {
            self.store.ensure_namespace(record.namespace()).await?;
        }
        let written = match self.store.create(&record).await {
            Ok(written) => written,
            Err(error) => return Err(self.host_refusal(&record, &source(&record), error).await),
        };
        self.notify(Event::Recorded(&written));
        let reconciled = self.run(written, observations, &members).await?;
        self.notify(Event::Done(&reconciled.done, DryRun::None));
        let Some(record) = reconciled.record else { return Ok(()) };
        self.notify(Event::Adopted(&record, DryRun::None));
        self.report(&record, &Status::new(&record, &reconciled.observations))
    }

    /// Whether a record is that of an adoption of the Jobs in exactly these members.
    fn is_adoption(&self, record: &Record, clusters: &BTreeSet<String>) -> bool {
        let adopted = record.shards.values().filter(|shard| shard.adoption.is_some());
        let adopted: BTreeSet<_> = adopted.map(|shard| shard.cluster.clone()).collect();
        record.federation == self.registry.uid
            && record.state.deleting.is_none()
            && adopted == *clusters
    }

    /// An adoption of the Jobs in these members that an earlier command has recorded.
    ///
    /// # Errors
    /// The record is none of that: the members may have other Jobs of that name by now.
    async fn begun(&self, record: Record, clusters: &BTreeSet<String>) -> Result<Proposed, Error> {
        if self.is_adoption(&record, clusters) {
            let members = self.members_to_reconcile(&[&record]).await;
            let observations = self.observe(&[&record], &members).await.pop().unwrap_or_default();
            if is_of_these_jobs(&record, &observations) {
                return Ok(self.proposed(record, observations, members, true).await);
            }
        }
        Err(self.already_exists(&record, &source(&record), Ok(&record)).await)
    }

    async fn proposed(
        &self,
        stored: Record,
        observations: Observations,
        members: Members,
        is_begun: bool,
    ) -> Proposed {
        let (record, observations) = preview(&stored, observations, &members, self.now()).await;
        let status = Status::new(&record, &observations);
        Proposed { look: Look { stored, record, observations, status }, is_begun, members }
    }

    /// Reads the Jobs, all members at once.
    ///
    /// # Errors
    /// One could not be read.
    async fn read_jobs(
        &self,
        asked: ToAdopt<'_>,
        members: &Members,
    ) -> Result<Vec<Candidate>, Error> {
        let path = job_path(asked.namespace, asked.name);
        let read = async |cluster: &String| {
            let unread = |why: String| (cluster.clone(), Misfit::Unread(why));
            let connection = match members.get(cluster) {
                Ok(connection) => connection,
                Err(why) => return Err(unread(why.to_owned())),
            };
            match connection.get(&path).await {
                Ok(object) if object["kind"] == "Job" && object["metadata"]["uid"].is_string() => {
                    Ok(Candidate { cluster: cluster.clone(), object })
                }
                Ok(_) => Err(unread("the answer is not a Job".to_owned())),
                Err(error) if error.is_not_found() => Err((cluster.clone(), Misfit::Missing)),
                Err(error) => Err(unread(error.to_string())),
            }
        };
        let mut jobs = Vec::new();
        let mut misfits = Vec::new();
        for answer in fan_out(asked.clusters, read).await {
            match answer {
                Ok(job) => jobs.push(job),
                Err(misfit) => misfits.push(misfit),
            }
        }
        jobs.sort_by(|one, other| one.cluster.cmp(&other.cluster));
        misfits.sort_by(|(one, _), (other, _)| one.cmp(other));
        if misfits.is_empty() {
            return Ok(jobs);
        }
        Err(self.misfits(asked, misfits, &jobs, members).await)
    }

    /// The error that says what keeps Jobs from being adopted. Of those that are or were shards it
    /// says whose.
    async fn misfits(
        &self,
        asked: ToAdopt<'_>,
        misfits: Vec<(String, Misfit)>,
        jobs: &[Candidate],
        members: &Members,
    ) -> Error {
        let owners: BTreeMap<_, _> = jobs.iter().map(|job| (&job.cluster, &job.object)).collect();
        let mut errors = Vec::new();
        for (cluster, why) in misfits {
            let labelled = owners.get(&cluster).is_some_and(|job| has_owner(job));
            let owner = if labelled && matches!(why, Misfit::Shard(..)) {
                let place = Place {
                    cluster: cluster.clone(),
                    context: self.context(&cluster),
                    namespace: asked.namespace.to_owned(),
                    job: asked.name.to_owned(),
                };
                self.owner(members, &place).await
            } else {
                Owner::Nobody
            };
            let (namespace, name) = (asked.namespace.to_owned(), asked.name.to_owned());
            let (why, owner) = (Box::new(why), Box::new(owner));
            errors.push(Error::NotAdoptable { namespace, name, cluster, why, owner });
        }
        match errors.len() {
            1 => errors.remove(0),
            _ => Error::Several(errors),
        }
    }
}

/// Whether an adoption has yet to be finished, or its members have the Jobs that it was about.
fn is_of_these_jobs(record: &Record, observations: &Observations) -> bool {
    let has_job = |shard: &Shard| {
        let mut jobs = observations.jobs();
        jobs.any(|(cluster, _, job)| {
            cluster == shard.cluster && shard.uid.as_ref() == Some(&job.uid)
        })
    };
    let mut adopted = record.shards.values().filter(|shard| shard.adoption.is_some());
    record.shards.values().any(Shard::awaits_labels) || adopted.all(has_job)
}

/// Whether a Job carries the three labels of a shard.
fn has_owner(job: &Value) -> bool {
    Observed::from_object(job).owner.is_some()
}

/// What is named in the errors of the host.
fn source(record: &Record) -> String {
    format!("job.batch/{}", record.name())
}
