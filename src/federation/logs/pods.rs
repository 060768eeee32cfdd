//! The pods of the shards of a Job in each member.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    error::LogsError,
    targets::{Target, targets},
    terms::{LogReader, LogTerms},
};
use crate::{
    cluster::{Connection, Error, fan_out},
    job::pod,
    reconcile::{Members, pods_path},
    state::{Record, Shard},
};

/// The logs that there are, as the members say.
#[derive(Default)]
pub(super) struct Found {
    /// Those that are asked for, by cluster and pod.
    pub targets: Vec<(Connection, Target)>,
    /// The clusters that do not say what there is.
    pub silent: BTreeSet<String>,
}

/// Finds the logs that are asked for, with one list of pods in each member. The pods of adopted
/// Jobs do not carry our labels: all are found by the uids of their Jobs.
///
/// # Errors
/// A pod lacks the container that is asked for.
pub(super) async fn find(
    record: &Record,
    members: &Members,
    terms: &LogTerms,
    reader: &dyn LogReader,
) -> Result<Found, LogsError> {
    let mut shards: BTreeMap<&str, Vec<&Shard>> = BTreeMap::new();
    let is_asked =
        |shard: &&Shard| terms.clusters.is_empty() || terms.clusters.contains(&shard.cluster);
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
    let mut found = Found::default();
    for (cluster, Answer { absent, pods }) in fan_out(shards, ask).await {
        if let Some(why) = absent {
            reader.silent(&cluster, &why);
            found.silent.insert(cluster.clone());
        }
        match pods {
            None => {}
            Some((connection, Ok(pods))) => {
                let targets = targets(&cluster, &pods, terms)?.into_iter();
                found.targets.extend(targets.map(|target| (connection.clone(), target)));
            }
            Some((_, Err(error))) => {
                reader.unread(&cluster, None, &error);
                found.silent.insert(cluster);
            }
        }
    }
    Ok(found)
}

/// What a member says.
struct Answer {
    /// Why the cluster of a shard is not asked, if one is not.
    absent: Option<String>,
    /// The pods of the others.
    pods: Option<(Connection, Result<Vec<Value>, Error>)>,
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
