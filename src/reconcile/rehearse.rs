//! The rehearsal: every member is asked whether it would take its shard, before anything is written.

use super::{Members, jobs_path};
use crate::{
    cluster::{Connection, Error, WriteOptions, fan_out},
    job::shard,
    state::Record,
};

/// A namespace that every cluster has.
const EVERYWHERE: &str = "default";

/// A member that would not take its shard.
#[derive(Debug)]
pub struct Refusal {
    /// The member.
    pub cluster: String,
    /// What it said.
    pub error: Error,
}

/// Sends each reachable member its shard as a server dry run with strict field validation: an invalid Job,
/// an unknown field, a name that is taken, a missing namespace or right shows here, in the server's words.
///
/// A member that cannot be reached refuses nothing: its shard waits for it. One whose context or credential is wrong
/// does: nothing would come of waiting.
pub async fn rehearse(record: &Record, members: &Members) -> Vec<Refusal> {
    let ask = async |(id, cluster): (u32, String)| {
        if let Some(error) = members.wrong(&cluster) {
            return Some(Refusal { cluster, error: error.clone() });
        }
        let connection = members.get(&cluster).ok()?;
        let error = try_create(record, id, connection).await.err().filter(|error| !error.is_unreachable())?;
        Some(Refusal { cluster, error })
    };
    let shards = record.shards.iter().map(|(id, shard)| (*id, shard.cluster.clone()));
    fan_out(shards, ask).await.into_iter().flatten().collect()
}

/// Where the namespace is missing and is to be made, a server refuses to look at the Job: making the
/// namespace is rehearsed, and the Job itself in another one.
async fn try_create(record: &Record, id: u32, connection: &Connection) -> Result<(), Error> {
    match try_create_in(record.namespace(), record, id, connection).await {
        Err(error) if error.is_not_found() && record.state.create_namespace => {
            connection.try_namespace(record.namespace()).await?;
            match try_create_in(EVERYWHERE, record, id, connection).await {
                Err(error) if error.is_forbidden() || error.is_already_exists() => Ok(()),
                other => other,
            }
        }
        other => other,
    }
}

async fn try_create_in(
    namespace: &str,
    record: &Record,
    id: u32,
    connection: &Connection,
) -> Result<(), Error> {
    let options = WriteOptions { dry_run: true, strict: true };
    let mut job = shard(&record.manifest, record.job_name(id), &record.spec(id), &record.ownership(id));
    job["metadata"]["namespace"] = namespace.into();
    connection.create(&jobs_path(namespace), &job, options).await.map(drop)
}
