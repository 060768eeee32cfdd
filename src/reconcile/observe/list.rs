//! The lists that the members are asked for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    clocks::Clocks,
    members::Members,
    observations::{Bar, Found, Observation, Observations, shard_id},
};
use crate::{
    cluster::{Connection, Error, WatchedPath, fan_out, path},
    job::{Observed, labels},
    reconcile::paths::jobs_path,
    state::{Member, Record, Registry},
};

/// The Jobs of one member, with their namespaces, by the uid of the federated Job in their labels;
/// or why there are none. Each record looks up its own, so that the time for all records grows
/// with the number of Jobs and not with its square.
type Listed = Result<BTreeMap<String, Vec<Job>>, Absence>;

/// Why a member was not listed.
struct Absence {
    why: String,
    /// What keeps the user from it, if something does.
    bar: Option<Bar>,
}

impl From<&Error> for Absence {
    fn from(error: &Error) -> Self {
        let bar = error.is_lasting().then(|| Bar { denial: error.denial() });
        Self { why: error.to_string(), bar }
    }
}

/// A Job as it was listed.
#[derive(Clone)]
struct Job {
    namespace: String,
    observed: Box<Observed>,
    /// What it keeps of its federated Job, where the record asks for that.
    found: Option<Found>,
}

/// Asks the members of all these federated Jobs for their shards. Each member gets one LIST,
/// however many federated Jobs there are. The result has one entry per record, in their order.
///
/// Where all records are in one namespace, only that namespace is listed. A user with rights in one
/// namespace needs no more.
pub async fn observe(records: &[&Record], members: &Members) -> Vec<Observations> {
    Question::about(records).observe(records, members, BTreeMap::new()).await
}

/// Connects to the members with these names, as [`Members::join`] does, and asks those of them
/// that carry shards while their identity is being checked. What another cluster has answered is
/// not used (G7).
pub async fn join_and_observe(
    records: &[&Record],
    members: &Members,
    registry: &Registry,
    names: BTreeSet<String>,
    dial: impl Fn(&str, &Member) -> Result<Connection, Error>,
) -> Vec<Observations> {
    let question = Question::about(records);
    let ask = async |cluster: &str, connection: &Connection| {
        let is_asked = question.clusters.contains(cluster);
        if is_asked { Some(question.ask(connection).await) } else { None }
    };
    let ahead = members.join_and_ask(registry, names, dial, ask).await;
    let ahead = ahead.into_iter().filter_map(|(name, listed)| Some((name, listed?))).collect();
    question.observe(records, members, ahead).await
}

/// What the members are asked about records.
struct Question<'r> {
    /// Those that are asked.
    clusters: BTreeSet<&'r str>,
    /// The uids of the records that have to know more of what their Jobs keep.
    rebuilt: BTreeSet<&'r str>,
    path: String,
    selector: String,
}

impl<'r> Question<'r> {
    fn about(records: &[&'r Record]) -> Self {
        let rebuilt = records.iter().filter(|record| record.awaits_lists());
        Self {
            clusters: records.iter().flat_map(|record| record.clusters()).collect(),
            rebuilt: rebuilt.map(|record| record.state.uid.as_str()).collect(),
            path: path(records),
            selector: selector(records),
        }
    }

    async fn ask(&self, connection: &Connection) -> Listed {
        list(connection, &self.path, &self.selector, &self.rebuilt).await
    }

    /// Asks those that have not answered `ahead`.
    async fn observe(
        &self,
        records: &[&Record],
        members: &Members,
        mut ahead: BTreeMap<String, Listed>,
    ) -> Vec<Observations> {
        let clusters = self.clusters.iter().map(|cluster| (*cluster, ahead.remove(*cluster)));
        let ask = async |(cluster, listed): (&str, Option<Listed>)| {
            let listed = match (listed, members.get(cluster)) {
                (Some(listed), Ok(_)) => listed,
                (None, Ok(connection)) => self.ask(connection).await,
                (_, Err(why)) => Err(members
                    .lasting_error(cluster)
                    .map_or_else(|| Absence { why: why.to_owned(), bar: None }, Absence::from)),
            };
            (cluster.to_owned(), listed)
        };
        let listed = fan_out(clusters.collect::<Vec<_>>(), ask).await;
        observations(records, members, listed.into_iter().collect())
    }
}

/// What the lists of the members say of each record.
fn observations(
    records: &[&Record],
    members: &Members,
    mut listed: BTreeMap<String, Listed>,
) -> Vec<Observations> {
    let bar = |listed: &Listed| listed.as_ref().err()?.bar;
    let bars = listed.iter().filter_map(|(name, listed)| Some((name.clone(), bar(listed)?)));
    let bars: BTreeMap<_, _> = bars.collect();
    // Of each uid, how many records have yet to be answered: one may be a copy of another.
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    for record in records {
        *left.entry(&record.state.uid).or_default() += 1;
    }
    records
        .iter()
        .map(|record| {
            let found = found_of(record, &listed);
            let left = left.entry(&record.state.uid).or_default();
            *left = left.saturating_sub(1);
            let observed = observations_of(record, &mut listed, *left == 0);
            Observations {
                members: with_asked_members(observed, members),
                places: members.places().clone(),
                clocks: Clocks::default(),
                found,
                untested: BTreeMap::new(),
                bars: bars.clone(),
                overdue: BTreeMap::new(),
            }
        })
        .collect()
}

/// What unlisted and missed members have of a record.
fn found_of(record: &Record, listed: &BTreeMap<String, Listed>) -> BTreeMap<String, Vec<Found>> {
    let asked = record.state.unlisted.iter().chain(record.state.missed.values());
    let answered = asked.filter_map(|name| Some((name, listed.get(name)?.as_ref().ok()?)));
    let found = |jobs: &BTreeMap<String, Vec<Job>>| {
        let jobs = jobs.get(&record.state.uid).into_iter().flatten();
        let here = jobs.filter(|job| job.namespace == record.namespace());
        here.filter_map(|job| job.found.clone()).collect()
    };
    answered.map(|(name, jobs)| (name.clone(), found(jobs))).collect()
}

/// What [`observe`] lists in each member for these records, to be watched.
pub fn watched(records: &[&Record]) -> WatchedPath {
    WatchedPath { path: path(records), labels: selector(records), name: String::new() }
}

async fn list(
    connection: &Connection,
    path: &str,
    selector: &str,
    rebuilt: &BTreeSet<&str>,
) -> Listed {
    let read = |object: Value| {
        let observed = Box::new(Observed::from_object(&object));
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        let uid = observed.owner.as_ref()?.job.clone();
        let found = rebuilt.contains(uid.as_str()).then(|| Found::from_object(&object));
        Some((uid, Job { namespace, observed, found }))
    };
    let jobs = connection.list_each(path, selector, &read).await;
    let mut by_federated_job: BTreeMap<String, Vec<Job>> = BTreeMap::new();
    for (uid, job) in jobs.map_err(|error| Absence::from(&error))? {
        by_federated_job.entry(uid).or_default().push(job);
    }
    Ok(by_federated_job)
}

fn path(records: &[&Record]) -> String {
    match records {
        [first, rest @ ..] if rest.iter().all(|record| record.namespace() == first.namespace()) => {
            jobs_path(first.namespace())
        }
        _ => path::collection(path::BATCH, None, "jobs"),
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

/// What the members of one record's shards said of that record. `is_last` says that no other record
/// needs it: then it is taken out of what they said, because of many records it is much.
fn observations_of(
    record: &Record,
    listed: &mut BTreeMap<String, Listed>,
    is_last: bool,
) -> BTreeMap<String, Observation> {
    let members = record.clusters().into_iter().filter_map(|cluster| {
        let observation = match listed.get_mut(cluster)? {
            Err(Absence { why, .. }) => Observation::Unknown { why: why.clone() },
            Ok(jobs) => {
                let id = |job: &Job| {
                    let is_there = job.namespace == record.namespace();
                    shard_id(record, &job.observed).filter(|_| is_there)
                };
                let uid = &record.state.uid;
                let all = if is_last { jobs.remove(uid) } else { jobs.get(uid).cloned() };
                let all = all.unwrap_or_default().into_iter();
                Observation::known(all.filter_map(|job| Some((id(&job)?, job.observed))).collect())
            }
        };
        Some((cluster.to_owned(), observation))
    });
    members.collect()
}

/// Adds the members that have no shard of this record. They are not listed: a shard that is opened
/// there is asked for by name.
fn with_asked_members(
    mut observations: BTreeMap<String, Observation>,
    members: &Members,
) -> BTreeMap<String, Observation> {
    for cluster in members.asked() {
        observations.entry(cluster.to_owned()).or_insert_with(|| match members.get(cluster) {
            Ok(_) => Observation::known(BTreeMap::new()),
            Err(why) => Observation::Unknown { why: why.to_owned() },
        });
    }
    observations
}
