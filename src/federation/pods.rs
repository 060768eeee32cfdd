//! The pods of the shards of a Job in each member. Those of adopted Jobs do not carry our labels:
//! all are found by the uids of their Jobs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    cluster::{Connection, Error, fan_out},
    job::pod,
    reconcile::{Members, pods_path},
    state::{Record, Shard},
};

/// What a member says.
pub(super) struct Answer {
    /// Why the cluster of a shard is not asked, if one is not.
    pub absent: Option<String>,
    /// The pods of the others.
    pub pods: Option<(Connection, Result<Vec<Value>, Error>)>,
}

/// Asks these clusters, or all where there is none, with one list each.
pub(super) async fn pods(
    record: &Record,
    members: &Members,
    clusters: &BTreeSet<String>,
) -> Vec<(String, Answer)> {
    let mut shards: BTreeMap<&str, Vec<&Shard>> = BTreeMap::new();
    let is_asked = |shard: &&Shard| clusters.is_empty() || clusters.contains(&shard.cluster);
    for shard in record.shards.values().filter(is_asked) {
        // A Job whose uid is not known has run nothing.
        if shard.uid.is_some() {
            shards.entry(&shard.cluster).or_default().push(shard);
        }
    }
    let namespace = record.namespace();
    let ask = async |(cluster, shards): (&str, Vec<&Shard>)| {
        let answer = ask(members, namespace, cluster, &shards).await;
        (cluster.to_owned(), answer)
    };
    fan_out(shards, ask).await
}

async fn ask(members: &Members, namespace: &str, cluster: &str, shards: &[&Shard]) -> Answer {
    let (mut uids, mut absent, mut pods) = (Vec::new(), None, None);
    for shard in shards {
        match members.of_shard(shard) {
            Ok(_) => uids.extend(shard.uid.as_deref()),
            Err(why) => absent = Some(why.to_owned()),
        }
    }
    if let (false, Ok(connection)) = (uids.is_empty(), members.get(cluster)) {
        let listed = pods_of(connection, namespace, &uids).await;
        pods = Some((connection.clone(), listed));
    }
    Answer { absent, pods }
}

/// The pods of the Jobs with these uids.
pub(super) async fn pods_of(
    connection: &Connection,
    namespace: &str,
    uids: &[&str],
) -> Result<Vec<Value>, Error> {
    connection.list(&pods_path(namespace), &pod::selector(uids)).await
}
