//! What a cluster still has of a shard whose Job somebody deleted: another Job in its place, or
//! pods that the deletion has left. They may do the work that others would do again.

use std::collections::BTreeMap;

use serde_json::Value;

use super::pods::pods_of;
use crate::{
    cluster::{Connection, Error, fan_out},
    job::{
        Observed, labels,
        pod::{Pod, UID_LABEL},
    },
    reconcile::{Members, jobs_path},
    state::{Phase, Record, Shard},
};

/// What is there of a shard whose Job is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remains {
    /// A Job with the labels of the shard that somebody made since, under this name.
    Job(String),
    /// So many pods that the deletion has left, and that run or wait; and so many that have
    /// succeeded and were not counted.
    Pods(usize, usize),
    /// Nothing is known, and why.
    Unknown(String),
}

/// What the members have of the shards whose Jobs somebody deleted, and whose work nobody does
/// yet. Each member gets one list of Jobs and one of pods.
pub(super) async fn remains(record: &Record, members: &Members) -> BTreeMap<u32, Remains> {
    let mut asked = BTreeMap::<&str, Vec<(u32, &Shard)>>::new();
    for (id, shard) in record.shards.iter().filter(|(_, shard)| is_to_reopen(record, shard)) {
        asked.entry(&shard.cluster).or_default().push((*id, shard));
    }
    let ask = async |(cluster, shards): (&str, Vec<(u32, &Shard)>)| {
        let (there, elsewhere): (Vec<_>, Vec<_>) =
            shards.into_iter().partition(|(_, shard)| members.of_shard(shard).is_ok());
        let unknown = |(id, shard): (u32, &Shard)| {
            let why = members.of_shard(shard).err().unwrap_or_default();
            (id, Remains::Unknown(why.to_owned()))
        };
        let mut found: Vec<_> = elsewhere.into_iter().map(unknown).collect();
        if let (false, Ok(connection)) = (there.is_empty(), members.get(cluster)) {
            match of_member(record, &there, connection).await {
                Ok(here) => found.extend(here),
                Err(error) => {
                    let why = error.to_string();
                    found.extend(there.iter().map(|(id, _)| (*id, Remains::Unknown(why.clone()))));
                }
            }
        }
        found
    };
    fan_out(asked, ask).await.into_iter().flatten().collect()
}

/// Whether the work of a shard would be done by others if a user said so, and its Job is gone. One
/// that may have ended is asked for in any case.
pub(super) fn is_to_reopen(record: &Record, shard: &Shard) -> bool {
    let is_held = shard.phase == Phase::Deleted && !shard.reopened && !shard.is_taken_over();
    record.state.outcome.is_none() && is_held && !shard.may_have_ended()
}

async fn of_member(
    record: &Record,
    shards: &[(u32, &Shard)],
    connection: &Connection,
) -> Result<Vec<(u32, Remains)>, Error> {
    let namespace = record.namespace();
    let (federation, job) = (&record.federation, &record.state.uid);
    let selector = format!("{}={federation},{}={job}", labels::FEDERATION, labels::JOB);
    let jobs = connection.list(&jobs_path(namespace), &selector).await?;
    let jobs: Vec<_> = jobs.iter().map(Observed::from_object).collect();
    let uids: Vec<_> = shards.iter().filter_map(|(_, shard)| shard.uid.as_deref()).collect();
    let pods = pods_of(connection, namespace, &uids).await?;
    let found = shards.iter().filter_map(|(id, shard)| {
        let is_there =
            |job: &&Observed| job.owner.as_ref() == Some(&record.ownership(*id)) && !job.deleting;
        let remains = match jobs.iter().find(is_there) {
            Some(job) => Some(Remains::Job(job.name.clone())),
            None => left_pods(shard, &pods),
        };
        Some((*id, remains?))
    });
    Ok(found.collect())
}

/// The pods that a deletion has left on purpose: they have no owner any more. Those that still have
/// one are about to be removed.
fn left_pods(shard: &Shard, pods: &[Value]) -> Option<Remains> {
    let uid = shard.uid.as_deref()?;
    let is_of_it = |pod: &&Value| {
        let labels = &pod["metadata"]["labels"];
        let owners = pod["metadata"]["ownerReferences"].as_array();
        let is_owned = owners.is_some_and(|owners| owners.iter().any(|it| it["uid"] == uid));
        labels[UID_LABEL] == uid && !is_owned
    };
    let pods: Vec<_> = pods.iter().filter(is_of_it).map(Pod::from_object).collect();
    let live = pods.iter().filter(|pod| pod.active()).count();
    let succeeded = pods.iter().filter(|pod| pod.succeeded()).count();
    let counted = usize::try_from(shard.achieved()).unwrap_or(0);
    let uncounted = succeeded.saturating_sub(counted);
    (live + uncounted > 0).then_some(Remains::Pods(live, uncounted))
}
