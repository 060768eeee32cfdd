//! Orphans: Jobs in the clusters with this federation's labels that no ledger knows.
//!
//! | file | what it holds |
//! |---|---|
//! | [`reason`] | why a Job is an orphan; pure |
//! | [`clean`] | how orphans are deleted |

mod clean;
mod reason;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use self::reason::{Known, Place};
use super::{
    error::Error,
    event::Event,
    labelled::{Asked, Labelled, Listing},
    open::Federation,
    recover::kept_by,
};
use crate::{
    cluster::{Connection, fan_out},
    job::{EndKind, Observed, Ownership},
    reconcile::host_time,
    state::{self, MemberState, Recovery, Registry},
};

pub use clean::{Cleaning, Named, Unasked};
pub use reason::Reason;

/// A Job that carries this federation's labels, and that no ledger of it knows.
#[derive(Clone)]
pub struct Orphan {
    /// The name of its cluster as a member, or the one that it had.
    pub cluster: String,
    /// The uid of its cluster.
    pub cluster_uid: String,
    /// Whether its cluster is no member any more.
    pub is_former: bool,
    /// Its namespace.
    pub namespace: String,
    /// What its labels say.
    pub owner: Ownership,
    /// What it is and did.
    pub job: Observed,
    /// Its labels, a map of strings.
    pub labels: serde_json::Value,
    /// When it was created, by the clock of its cluster.
    pub created: Option<Timestamp>,
    /// The same by the clock of the host, in seconds since 1970.
    pub created_by_host: Option<i64>,
    /// Why no ledger knows it.
    pub reason: Reason,
    /// Whether its federated Job may not have been deleted, and only its record was lost: what Jobs
    /// keep is enough to rebuild the record, or the registry is too new to have it.
    pub record_may_be_lost: bool,
    /// The name by which `job recover` rebuilds its record; none if it cannot.
    pub rebuilt_as: Option<String>,
    /// The name of its federated Job.
    federated: String,
    connection: Connection,
}

/// The name of the federated Job that a Job is a shard of: what it says, or else its own.
fn federated_name(job: &Labelled) -> String {
    let recovery = Recovery::from_job(&job.object);
    recovery.map_or_else(|_| job.observed.name.clone(), |it| it.manifest.name().to_owned())
}

/// The federated Jobs whose records can be rebuilt: their names, by namespace and uid.
type Rebuildable = BTreeMap<(String, String), String>;

/// When the record of a Job may have been written at the earliest, in seconds since 1970, by the
/// clock of the host. `created_by_host` says when the Job was created. A Job that was adopted is
/// older than its record.
fn record_since(job: &serde_json::Value, created_by_host: Option<i64>) -> Option<i64> {
    let recovery = Recovery::from_job(job).ok();
    let adopted = recovery.filter(|it| it.shard.adoption.is_some()).map(|it| it.created);
    created_by_host.max(adopted)
}

/// What an orphan did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// No pod of it has ever run.
    NeverRan,
    /// It runs, or would go on if it were resumed.
    Running,
    /// It is suspended, and has run.
    Suspended,
    /// It is Complete.
    Complete,
    /// It is Failed.
    Failed,
    /// It is being deleted.
    Terminating,
}

/// What the host has in the place of a record.
enum Found {
    /// Nothing.
    Nothing,
    /// The record, without the label of its federation.
    Unlabelled,
    /// Something else, which may be a record that cannot be read.
    Another,
}

/// What the clusters were found to have.
#[derive(Default)]
pub struct Orphans {
    /// The orphans, by namespace, name and cluster.
    pub orphans: Vec<Orphan>,
    /// The clusters that did not answer.
    pub unanswered: Vec<Unanswered>,
    /// How many clusters were asked.
    pub asked: usize,
    /// How many Jobs carry the labels of other federations, by the uids of those.
    pub foreign: BTreeMap<String, usize>,
    /// Whether this federation has Jobs or records of its own, so that it cannot take over another
    /// one's. It is found out only if there are Jobs of others.
    pub in_use: bool,
}

/// A cluster that did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// Its name as a member, or the one that it had.
    pub cluster: String,
    /// Its state; none if it was unregistered.
    pub state: Option<MemberState>,
    /// Why it did not answer.
    pub why: String,
}

impl Federation<'_> {
    /// Finds the orphans of a namespace, or of all. All clusters are asked side by side, also those
    /// that were unregistered and are not clean yet. Which records cannot be read, is told. Nothing
    /// is written.
    ///
    /// The records are read after the clusters have answered. A Job is created after its record was
    /// written, so no new Job looks like an orphan.
    ///
    /// # Errors
    /// The host cannot be asked. A cluster that does not answer is no error here.
    pub async fn orphans(&self, namespace: Option<&str>) -> Result<Orphans, Error> {
        let listings = self.labelled(Asked::all(&self.registry), namespace).await;
        let (mut known, unread) = self.known(namespace).await?;
        for error in &unread {
            self.notify(Event::Unread(error));
        }
        let rebuildable = self.look_without_labels(&mut known, &listings).await?;
        let mut found = Orphans { asked: listings.len(), ..Orphans::default() };
        for Listing { asked, answer } in listings {
            match answer {
                Ok((connection, jobs)) => {
                    for job in jobs {
                        self.sort_in(&mut found, job, (&asked, &connection), &known, &rebuildable);
                    }
                }
                Err(error) => found.unanswered.push(Unanswered {
                    cluster: asked.name,
                    state: Some(asked.member.state).filter(|_| !asked.is_former),
                    why: error.to_string(),
                }),
            }
        }
        if !found.foreign.is_empty() && !found.in_use {
            found.in_use = self.is_in_use().await;
        }
        found.orphans.sort_by(|one, other| one.key().cmp(&other.key()));
        Ok(found)
    }

    /// What the records of a namespace, or of all, know; and why some cannot be read.
    async fn known(&self, namespace: Option<&str>) -> Result<(Known, Vec<Error>), Error> {
        let (mut known, mut unread) = (Known::default(), Vec::new());
        for record in self.store.records(&self.registry.uid, namespace).await? {
            match record {
                Ok(record) => known.add(record),
                Err(error) => {
                    known.add_unreadable(error.namespace().map(str::to_owned));
                    unread.push(error.into());
                }
            }
        }
        Ok((known, unread))
    }

    /// Notes the records of listed Jobs that have lost the label of the federation, so that no list
    /// of records has them. Gives the records that are gone, and that can be rebuilt.
    async fn look_without_labels(
        &self,
        known: &mut Known,
        listings: &[Listing],
    ) -> Result<Rebuildable, Error> {
        let (mut without, mut kept) = (BTreeSet::new(), Rebuildable::new());
        for Listing { asked, answer } in listings {
            for job in answer.iter().flat_map(|(_, jobs)| jobs) {
                let is_ours = job.owner.federation == self.registry.uid;
                if !is_ours || known.has(&job.namespace, &job.owner) {
                    continue;
                }
                let (namespace, uid) = (job.namespace.clone(), job.owner.job.clone());
                // A cluster that was unregistered is not asked where a record is rebuilt.
                let recovery = kept_by(job, &asked.member.uid).ok().filter(|_| !asked.is_former);
                if let Some((_, recovery)) = recovery {
                    let name = recovery.manifest.name().to_owned();
                    kept.insert((namespace.clone(), uid.clone()), name);
                }
                without.insert((namespace, uid, federated_name(job)));
            }
        }
        let free = self.note_unlabelled(known, without).await?;
        kept.retain(|(namespace, _), name| free.contains(&(namespace.clone(), name.clone())));
        Ok(kept)
    }

    /// Notes the records that have lost the label of the federation, so that no list has them.
    /// `jobs` are federated Jobs without a record: their namespaces, uids and names. Gives the
    /// namespaces and names of those in whose place the host has nothing.
    async fn note_unlabelled(
        &self,
        known: &mut Known,
        jobs: BTreeSet<(String, String, String)>,
    ) -> Result<BTreeSet<(String, String)>, Error> {
        let ask = async |(namespace, uid, name): (String, String, String)| {
            let found = self.in_place_of_record(&namespace, &uid, &name).await?;
            Ok::<_, Error>((namespace, name, found))
        };
        let mut free = BTreeSet::new();
        for looked in fan_out(jobs, ask).await {
            let (namespace, name, found) = looked?;
            match found {
                Found::Unlabelled => known.add_unreadable(Some(namespace)),
                Found::Nothing => drop(free.insert((namespace, name))),
                Found::Another => {}
            }
        }
        Ok(free)
    }

    /// What the host has in the place of the record of a federated Job.
    async fn in_place_of_record(
        &self,
        namespace: &str,
        uid: &str,
        name: &str,
    ) -> Result<Found, Error> {
        match self.store.any_record(&self.registry.uid, namespace, name).await {
            Err(state::Error::NoRecord { .. }) => {
                let record = self.store.unlabelled(namespace, name).await?;
                let is_it = record.is_some_and(|record| record.state.uid == uid);
                Ok(if is_it { Found::Unlabelled } else { Found::Another })
            }
            Err(error) if error.is_not_found() => Ok(Found::Nothing),
            Err(error @ state::Error::Cluster(_)) => Err(error.into()),
            Ok(_) | Err(_) => Ok(Found::Another),
        }
    }

    /// The name by which `job recover` rebuilds the record of a federated Job from this Job of it,
    /// which is in this member; none if it cannot.
    ///
    /// # Errors
    /// The host cannot be asked.
    pub(super) async fn rebuilt_as(
        &self,
        job: &Labelled,
        cluster: &str,
    ) -> Result<Option<String>, Error> {
        let member = self.registry.members.get(cluster);
        let kept = member.and_then(|member| kept_by(job, &member.uid).ok());
        let Some((_, Recovery { manifest, .. })) = kept else { return Ok(None) };
        let (namespace, name) = (&job.namespace, manifest.name());
        let found = self.in_place_of_record(namespace, &job.owner.job, name).await?;
        let can_be = matches!(found, Found::Nothing | Found::Unlabelled);
        Ok(can_be.then(|| name.to_owned()))
    }

    /// Adds a Job to what was found: as an orphan, as one of another federation, or not at all.
    fn sort_in(
        &self,
        found: &mut Orphans,
        job: Labelled,
        (asked, connection): (&Asked, &Connection),
        known: &Known,
        rebuildable: &Rebuildable,
    ) {
        if job.owner.federation != self.registry.uid {
            *found.foreign.entry(job.owner.federation).or_default() += 1;
            return;
        }
        found.in_use = true;
        let place = Place {
            namespace: &job.namespace,
            cluster: &asked.name,
            uid: &asked.member.uid,
            is_former: asked.is_former,
        };
        let Some(reason) = known.reason(&job.owner, &job.observed, place) else { return };
        if job.has_owner() {
            return;
        }
        let metadata = &job.object["metadata"];
        let created: Option<Timestamp> =
            metadata["creationTimestamp"].as_str().and_then(|at| at.parse().ok());
        let created_by_host =
            created.map(|at| host_time(self.store.host(), connection, at.as_second()));
        let since = record_since(&job.object, created_by_host);
        let rebuilt_as = rebuildable.get(&(job.namespace.clone(), job.owner.job.clone()));
        let rebuilt_as = rebuilt_as.filter(|_| reason == Reason::NoRecord).cloned();
        found.orphans.push(Orphan {
            cluster: asked.name.clone(),
            cluster_uid: asked.member.uid.clone(),
            is_former: asked.is_former,
            labels: metadata["labels"].clone(),
            created,
            created_by_host,
            reason,
            record_may_be_lost: rebuilt_as.is_some()
                || reason == Reason::NoRecord && since.is_some_and(|at| self.registry.may_lack(at)),
            rebuilt_as,
            connection: connection.clone(),
            federated: federated_name(&job),
            namespace: job.namespace,
            owner: job.owner,
            job: job.observed,
        });
    }
}

impl Orphan {
    fn key(&self) -> (&str, &str, &str) {
        (&self.namespace, &self.job.name, &self.cluster)
    }

    /// Whether its cluster is a member, and by which name, is as this registry has it.
    fn place_by(&mut self, registry: &Registry) {
        let member = registry.member_by_uid(&self.cluster_uid);
        self.is_former = member.is_none();
        if let Some((name, _)) = member {
            name.clone_into(&mut self.cluster);
        }
    }

    /// What it did.
    pub fn progress(&self) -> Progress {
        match &self.job.end {
            _ if self.job.deleting => Progress::Terminating,
            Some(end) if end.kind == EndKind::Complete => Progress::Complete,
            Some(_) => Progress::Failed,
            None if self.job.has_run_nothing() => Progress::NeverRan,
            None if self.job.suspended => Progress::Suspended,
            None => Progress::Running,
        }
    }
}

impl Progress {
    /// Whether work may be lost if the Job is deleted: it has run, and has not ended.
    pub fn is_unfinished(self) -> bool {
        matches!(self, Self::Running | Self::Suspended)
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::NeverRan => "NeverRan",
            Self::Running => "Running",
            Self::Suspended => "Suspended",
            Self::Complete => "Complete",
            Self::Failed => "Failed",
            Self::Terminating => "Terminating",
        }
    }
}
