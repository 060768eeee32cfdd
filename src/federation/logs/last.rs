//! The last lines of pods that failed, for who looks at a Job closely.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::targets::default_container;
use crate::{
    cluster::{Connection, Error, fan_out, path},
    federation::pods::pods_of,
    reconcile::{Members, Status},
    state::Record,
};

/// How many lines are read.
const LINES: u32 = 5;

/// The most bytes of them.
const BYTES: usize = 2048;

/// How long a member may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The last lines of a pod that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastLines {
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// The lines.
    pub lines: Vec<String>,
}

/// Reads the last lines of one pod of each shard of which pods failed, by the shards' ids. What
/// cannot be read, or not soon, is left out: it is more than was asked for.
pub(in crate::federation) async fn last_lines(
    record: &Record,
    status: &Status,
    members: &Members,
) -> BTreeMap<u32, LastLines> {
    let failed = status.shards.iter().filter(|shard| shard.seen.failed > 0);
    let failed = failed.filter_map(|seen| {
        let shard = record.shards.get(&seen.id)?;
        Some((seen.id, members.of_shard(shard).ok()?, shard.uid.as_deref()?))
    });
    let ask = async |(id, connection, uid): (u32, &Connection, &str)| {
        let reading = read(connection, record.namespace(), uid);
        let read = tokio::time::timeout(PATIENCE, reading).await;
        read.ok()?.ok()?.map(|lines| (id, lines))
    };
    fan_out(failed, ask).await.into_iter().flatten().collect()
}

async fn read(
    connection: &Connection,
    namespace: &str,
    uid: &str,
) -> Result<Option<LastLines>, Error> {
    let pods = pods_of(connection, namespace, &[uid]).await?;
    let failed = pods.iter().filter(|pod| pod["status"]["phase"] == "Failed");
    let Some(pod) = failed.max_by_key(|pod| ended_at(pod)) else { return Ok(None) };
    let (Some(name), Some(container)) = (pod["metadata"]["name"].as_str(), failed_container(pod))
    else {
        return Ok(None);
    };
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("container", container);
    query.append_pair("tailLines", &LINES.to_string());
    query.append_pair("limitBytes", &BYTES.to_string());
    let log =
        format!("{}/log?{}", path::object(path::CORE, namespace, "pods", name), query.finish());
    let mut stream = connection.stream(&log, false).await?;
    let mut bytes = Vec::new();
    while bytes.len() < BYTES
        && let Some(more) = stream.next().await?
    {
        bytes.extend_from_slice(&more);
    }
    bytes.truncate(BYTES);
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().take(LINES as usize).map(str::to_owned).collect();
    Ok(Some(LastLines { pod: name.to_owned(), container: container.to_owned(), lines }))
}

/// The container that ended with an error, or the one that is meant where none is named.
fn failed_container(pod: &Value) -> Option<&str> {
    let statuses = ["containerStatuses", "initContainerStatuses"].into_iter();
    let mut statuses =
        statuses.flat_map(|list| pod["status"][list].as_array().into_iter().flatten());
    let failed = statuses.find(|status| {
        status["state"]["terminated"]["exitCode"].as_i64().is_some_and(|code| code != 0)
    });
    failed.and_then(|status| status["name"].as_str()).or_else(|| default_container(pod))
}

/// When the last container of a pod ended, as far as its status says; the pod's own time else.
fn ended_at(pod: &Value) -> &str {
    let statuses = pod["status"]["containerStatuses"].as_array().into_iter().flatten();
    let ends = statuses.filter_map(|status| status["state"]["terminated"]["finishedAt"].as_str());
    ends.max().or_else(|| pod["metadata"]["creationTimestamp"].as_str()).unwrap_or_default()
}
