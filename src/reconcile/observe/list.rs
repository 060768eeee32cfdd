//! The lists that the members are asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    clocks::Clocks,
    members::Members,
    observations::{Observation, Observations, shard_id},
};
use crate::{
    cluster::{Connection, fan_out, path},
    job::{Observed, labels},
    reconcile::paths::jobs_path,
    state::Record,
};

/// The Jobs of one member, with their namespaces, by the uid of the federated Job in their labels;
/// or why there are none. Each record looks up its own, so that the time for all records grows
/// with the number of Jobs and not with its square.
type Listed = Result<BTreeMap<String, Vec<(String, Observed)>>, String>;

/// Asks the members of all these federated Jobs for their shards. Each member gets one LIST,
/// however many federated Jobs there are. The result has one entry per record, in their order.
///
/// Where all records are in one namespace, only that namespace is listed. A user with rights in one
/// namespace needs no more.
pub async fn observe(records: &[&Record], members: &Members) -> Vec<Observations> {
    let clusters: BTreeSet<&str> = records
        .iter()
        .flat_map(|record| record.shards.values())
        .map(|shard| shard.cluster.as_str())
        .collect();
    let path = path(records);
    let selector = selector(records);
    let ask = async |cluster: &str| {
        let listed = match members.get(cluster) {
            Ok(connection) => list(connection, &path, &selector).await,
            Err(why) => Err(why.to_owned()),
        };
        (cluster.to_owned(), listed)
    };
    let listed: BTreeMap<_, _> = fan_out(clusters, ask).await.into_iter().collect();
    records
        .iter()
        .map(|record| Observations {
            members: with_asked_members(observations_of(record, &listed), members),
            places: members.places().clone(),
            clocks: Clocks::default(),
        })
        .collect()
}

async fn list(connection: &Connection, path: &str, selector: &str) -> Listed {
    let jobs = connection.list(path, selector).await.map_err(|error| error.to_string())?;
    let mut by_federated_job: BTreeMap<String, Vec<(String, Observed)>> = BTreeMap::new();
    for job in &jobs {
        let observed = Observed::from_object(job);
        let Some(owner) = &observed.owner else { continue };
        let namespace = job["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        by_federated_job.entry(owner.job.clone()).or_default().push((namespace, observed));
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

/// What the members of one record's shards said of that record.
fn observations_of(
    record: &Record,
    listed: &BTreeMap<String, Listed>,
) -> BTreeMap<String, Observation> {
    let clusters: BTreeSet<_> = record.shards.values().map(|shard| &shard.cluster).collect();
    let members = clusters.into_iter().filter_map(|cluster| {
        let observation = match listed.get(cluster)? {
            Err(why) => Observation::Unknown { why: why.clone() },
            Ok(jobs) => Observation::known(
                jobs.get(&record.state.uid)
                    .into_iter()
                    .flatten()
                    .filter(|(namespace, _)| namespace == record.namespace())
                    .filter_map(|(_, job)| Some((shard_id(record, job)?, job.clone())))
                    .collect(),
            ),
        };
        Some((cluster.clone(), observation))
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
