//! What the members say, before anything is decided.

use std::collections::{BTreeMap, BTreeSet};

mod members;

pub use members::Members;

use crate::{
    cluster::{Connection, fan_out},
    job::{Observed, labels},
    state::{Member, MemberState, Record, Registry},
};

/// What is known of one federated Job in each of its members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observations {
    /// By the member's name.
    pub members: BTreeMap<String, Observation>,
    /// What the registry says of each member of the federation: where work can be opened.
    pub places: BTreeMap<String, Place>,
}

/// A member as a place for work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its weight, 0 or more.
    pub weight: i32,
    /// Whether it takes new work.
    pub takes_work: bool,
}

impl Place {
    /// The places that a federation has.
    pub fn all(registry: &Registry) -> BTreeMap<String, Self> {
        let place = |member: &Member| Self {
            weight: member.weight,
            takes_work: member.state == MemberState::Ready,
        };
        registry.members.iter().map(|(name, member)| (name.clone(), place(member))).collect()
    }
}

/// What one member says of one federated Job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// Nothing can be known (G8): it does not answer, refuses, or is another cluster.
    Unknown {
        /// Why, as a sentence.
        why: String,
    },
    /// It answered.
    Known {
        /// The Jobs that carry this federated Job's labels, by shard.
        jobs: BTreeMap<u32, Observed>,
        /// Shards that were asked for by name since the record was read: of these `jobs` says all
        /// there is, of others only what a list had.
        asked: BTreeSet<u32>,
        /// Shards that the member refused to make or to change in this run, and why.
        refused: BTreeMap<u32, String>,
        /// Shards of which as much was taken off, or that are as far stopped, as can be in this
        /// run, and what they wait for.
        waiting: BTreeMap<u32, String>,
    },
}

impl Observation {
    /// A member that answered, with these Jobs.
    pub fn known(jobs: BTreeMap<u32, Observed>) -> Self {
        Self::Known {
            jobs,
            asked: BTreeSet::new(),
            refused: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }
}

/// What a member answered to one action or question about one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The shard's Job as it is now.
    Job(Box<Observed>),
    /// The same, and what has to happen there before the rest of what was asked for can be done.
    Waiting(Box<Observed>, String),
    /// The member has no Job of this shard under its name.
    Gone,
    /// The member refused what was asked, and why.
    Refused(String),
    /// No usable answer, and why: whether it happened is not known.
    Unknown(String),
}

impl Observations {
    /// All Jobs that were seen, with their members' names and their shards' ids.
    pub fn jobs(&self) -> impl Iterator<Item = (&str, u32, &Observed)> {
        let known = self.members.iter().filter_map(|(cluster, observation)| match observation {
            Observation::Known { jobs, .. } => Some((cluster.as_str(), jobs)),
            Observation::Unknown { .. } => None,
        });
        known.flat_map(|(cluster, jobs)| jobs.iter().map(move |(id, job)| (cluster, *id, job)))
    }

    /// Takes in what a member answered about one shard.
    pub fn take(&mut self, cluster: &str, id: u32, answer: Answer) {
        let known = || Observation::known(BTreeMap::new());
        let observation = self.members.entry(cluster.to_owned()).or_insert_with(known);
        match (observation, answer) {
            (observation, Answer::Unknown(why)) => *observation = Observation::Unknown { why },
            (Observation::Unknown { .. }, _) => {}
            (Observation::Known { jobs, asked, .. }, Answer::Job(job)) => {
                asked.insert(id);
                jobs.insert(id, *job);
            }
            (Observation::Known { jobs, asked, waiting, .. }, Answer::Waiting(job, why)) => {
                asked.insert(id);
                jobs.insert(id, *job);
                waiting.insert(id, why);
            }
            (Observation::Known { jobs, asked, .. }, Answer::Gone) => {
                asked.insert(id);
                jobs.remove(&id);
            }
            (Observation::Known { refused, .. }, Answer::Refused(why)) => {
                refused.insert(id, why);
            }
        }
    }

    /// The record was read again: whoever changed it may have made a Job since we asked for one by
    /// name.
    pub fn outdate(&mut self) {
        for observation in self.members.values_mut() {
            if let Observation::Known { asked, .. } = observation {
                asked.clear();
            }
        }
    }

    /// What a shard waits for, if it went as far as it can in this run.
    pub fn waiting(&self, cluster: &str, id: u32) -> Option<&str> {
        match self.members.get(cluster)? {
            Observation::Known { waiting, .. } => waiting.get(&id).map(String::as_str),
            Observation::Unknown { .. } => None,
        }
    }

    /// Why a member refused what was asked for a shard in this run, if it did.
    pub fn refused(&self, cluster: &str, id: u32) -> Option<&str> {
        match self.members.get(cluster)? {
            Observation::Known { refused, .. } => refused.get(&id).map(String::as_str),
            Observation::Unknown { .. } => None,
        }
    }

    /// The reason why nothing is known of a member, if that is so.
    pub fn unknown(&self, cluster: &str) -> Option<&str> {
        match self.members.get(cluster) {
            Some(Observation::Unknown { why }) => Some(why),
            Some(Observation::Known { .. }) => None,
            None => Some("it was not asked"),
        }
    }
}

/// Looks at the members of all these federated Jobs: one LIST per member, however many Jobs there
/// are.
///
/// Where all are in one namespace only that one is listed, so that a user with rights in one
/// namespace needs no more. The result has one entry per record, in their order.
pub async fn observe(records: &[&Record], members: &Members) -> Vec<Observations> {
    let clusters: BTreeSet<&str> = records
        .iter()
        .flat_map(|record| record.shards.values())
        .map(|shard| shard.cluster.as_str())
        .collect();
    let path = scope(records);
    let selector = selector(records);
    let look = async |cluster: &str| {
        let observed = match members.get(cluster) {
            Ok(connection) => list(connection, &path, &selector).await,
            Err(why) => Err(why.to_owned()),
        };
        (cluster.to_owned(), observed)
    };
    let observed: BTreeMap<_, _> = fan_out(clusters, look).await.into_iter().collect();
    records
        .iter()
        .map(|record| Observations {
            members: with_others(of_record(record, &observed), members),
            places: members.places().clone(),
        })
        .collect()
}

async fn list(
    connection: &Connection,
    path: &str,
    selector: &str,
) -> Result<Vec<(String, Observed)>, String> {
    let jobs = connection.list(path, selector).await.map_err(|error| error.to_string())?;
    Ok(jobs
        .iter()
        .map(|job| {
            (
                job["metadata"]["namespace"].as_str().unwrap_or_default().to_owned(),
                Observed::of(job),
            )
        })
        .collect())
}

fn scope(records: &[&Record]) -> String {
    match records {
        [first, rest @ ..] if rest.iter().all(|record| record.namespace() == first.namespace()) => {
            super::jobs_path(first.namespace())
        }
        _ => "/apis/batch/v1/jobs".to_owned(),
    }
}

fn selector(records: &[&Record]) -> String {
    match records {
        [one] => {
            format!("{}={},{}={}", labels::FEDERATION, one.federation, labels::JOB, one.state.uid)
        }
        [first, ..] => format!("{}={}", labels::FEDERATION, first.federation),
        [] => labels::FEDERATION.to_owned(),
    }
}

type Listed = BTreeMap<String, Result<Vec<(String, Observed)>, String>>;

/// Of what all members said, what concerns one record.
fn of_record(record: &Record, observed: &Listed) -> BTreeMap<String, Observation> {
    let clusters: BTreeSet<_> = record.shards.values().map(|shard| &shard.cluster).collect();
    let members = clusters.into_iter().filter_map(|cluster| {
        let observation = match observed.get(cluster)? {
            Err(why) => Observation::Unknown { why: why.clone() },
            Ok(jobs) => Observation::known(
                jobs.iter()
                    .filter(|(namespace, _)| namespace == record.namespace())
                    .filter_map(|(_, job)| Some((shard_id(record, job)?, job.clone())))
                    .collect(),
            ),
        };
        Some((cluster.clone(), observation))
    });
    members.collect()
}

/// Members that carry nothing of a Job are not listed: work that is opened there is asked for by
/// name.
fn with_others(
    mut of_record: BTreeMap<String, Observation>,
    members: &Members,
) -> BTreeMap<String, Observation> {
    for cluster in members.asked() {
        of_record.entry(cluster.to_owned()).or_insert_with(|| match members.get(cluster) {
            Ok(_) => Observation::known(BTreeMap::new()),
            Err(why) => Observation::Unknown { why: why.to_owned() },
        });
    }
    of_record
}

/// The shard that a Job is, where it is one of this record: by its labels and its name together,
/// since a copy that somebody made under another name carries the same labels.
pub(in crate::reconcile) fn shard_id(record: &Record, job: &Observed) -> Option<u32> {
    let owner = job.owner.as_ref()?;
    let id = owner.shard.parse().ok()?;
    (*owner == record.ownership(id) && job.name == record.job_name(id)).then_some(id)
}
