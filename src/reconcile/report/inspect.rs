//! A closer look at one federated Job: what the members say beyond the counts. It only reads.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    drift::{absence, drift},
    queue::Queueing,
    stall::{Stall, stalls, wanted},
};
use crate::{
    cluster::{Connection, Error, fan_out, path},
    job::{Observed, dropped, labels, pod, shard},
    reconcile::{
        observe::Members,
        paths::{events_path, job_path, jobs_path, pods_path},
    },
    state::{Record, Shard},
};

/// The result of a closer look at one federated Job.
#[derive(Debug, Default)]
pub struct Inspection {
    /// By the shards' ids. A shard without a finding is not in it.
    pub shards: BTreeMap<u32, Finding>,
    /// Members that could not be read in full, and their errors.
    pub unread: Vec<(String, Error)>,
}

/// What was found of one shard.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// What somebody changed of its Job: one sentence for each difference.
    pub drift: Vec<String>,
    /// The paths of the fields that the member's server did not keep.
    pub dropped: Vec<String>,
    /// What keeps its pods from running.
    pub stalls: Vec<Stall>,
    /// What its queueing system says, if its cluster decides when it runs.
    pub queueing: Option<Queueing>,
}

/// Reads the Jobs of a record in its members. Where fewer pods are ready than should be, it also
/// reads the pods and the warning events. Each member gets at most one list of each.
pub async fn inspect(record: &Record, members: &Members, now: Timestamp) -> Inspection {
    let clusters: BTreeSet<&str> =
        record.shards.values().map(|shard| shard.cluster.as_str()).collect();
    let inspect_member = async |cluster: &str| match members.get(cluster) {
        Ok(connection) => {
            // Of a shard whose cluster is no member any more nothing is known.
            let there = |(_, shard): &(&u32, &Shard)| {
                shard.cluster == cluster && members.of_shard(shard).is_ok()
            };
            let own: Vec<_> = record.shards.iter().filter(there).collect();
            Some((cluster.to_owned(), member(record, &own, connection, now).await))
        }
        Err(_) => None,
    };
    let mut inspection = Inspection::default();
    for (cluster, (shards, unread)) in fan_out(clusters, inspect_member).await.into_iter().flatten()
    {
        inspection.shards.extend(shards);
        inspection.unread.extend(unread.map(|error| (cluster, error)));
    }
    inspection.shards.retain(|_, finding| *finding != Finding::default());
    inspection
}

async fn member(
    record: &Record,
    own: &[(&u32, &Shard)],
    connection: &Connection,
    now: Timestamp,
) -> (BTreeMap<u32, Finding>, Option<Error>) {
    let mut found: BTreeMap<u32, Finding> = own
        .iter()
        .map(|(id, shard)| {
            let drift = absence(record, shard).into_iter().collect();
            (**id, Finding { drift, ..Finding::default() })
        })
        .collect();
    let live = own.iter().filter(|(_, shard)| shard.phase.live());
    let live: Vec<(u32, &Shard)> = live.map(|(id, shard)| (**id, *shard)).collect();
    let jobs = match jobs(record, &live, connection).await {
        Ok(jobs) => jobs,
        Err(error) => return (found, Some(error)),
    };
    let mut stalled = Vec::new();
    for (id, job) in &jobs {
        let finding = found.entry(*id).or_default();
        finding.drift.extend(drift(record, *id, job));
        let observed = Observed::from_object(job);
        if observed.generation >= record.shards[id].generation && !record.shards[id].retired {
            let sent = shard(
                &record.manifest,
                record.job_name(*id),
                &record.spec(*id),
                &record.ownership(*id),
            );
            // A missing deadline is drift: every server keeps that field.
            finding.dropped = dropped(&sent, job);
            finding.dropped.retain(|path| path != "spec.activeDeadlineSeconds");
        }
        if observed.ready < wanted(&observed) || observed.terminating > 0 {
            stalled.push((*id, observed));
        }
    }
    for (id, queueing) in queueing(record, &jobs, connection).await {
        found.entry(id).or_default().queueing = Some(queueing);
    }
    if stalled.is_empty() {
        return (found, None);
    }
    let uids: Vec<_> = stalled.iter().map(|(_, job)| job.uid.as_str()).collect();
    let (pods, warnings) =
        tokio::join!(pods(record, &uids, connection), warnings(record, connection));
    let (pods, no_pods) = split_error(pods);
    let (warnings, no_warnings) = split_error(warnings);
    for (id, job) in stalled {
        found.entry(id).or_default().stalls = stalls(&job, &pods, &warnings, now);
    }
    (found, no_pods.or(no_warnings))
}

/// What the queueing system of a member says of its queued shards. The `Workload`s and events of
/// those that wait are read. A user may lack the rights for both, and needs neither.
async fn queueing(
    record: &Record,
    jobs: &[(u32, Value)],
    connection: &Connection,
) -> Vec<(u32, Queueing)> {
    let queued = jobs.iter().filter(|(id, _)| record.shards[id].queued);
    let ask = async |(id, job): &(u32, Value)| {
        let observed = Observed::from_object(job);
        let (mut workloads, mut events) = (Vec::new(), Vec::new());
        if observed.suspended && !observed.in_hold_queue {
            workloads = read_workloads(record, &observed.uid, connection).await;
        }
        if workloads.is_empty() && observed.suspended && !observed.in_hold_queue {
            let path = events_path(record.namespace());
            let about = format!("{path}?fieldSelector=involvedObject.uid%3D{}", observed.uid);
            events = connection.list(&about, "").await.unwrap_or_default();
        }
        (*id, Queueing::new(job, workloads.first(), &events))
    };
    fan_out(queued, ask).await
}

/// The `Workload` of a Job in the newest version that the member has; empty where it has none, or
/// the user may not read it.
async fn read_workloads(record: &Record, uid: &str, connection: &Connection) -> Vec<Value> {
    for version in ["v1beta2", "v1beta1"] {
        let api = format!("/apis/kueue.x-k8s.io/{version}");
        let path = path::collection(&api, Some(record.namespace()), "workloads");
        match connection.list(&path, &format!("kueue.x-k8s.io/job-uid={uid}")).await {
            Ok(workloads) => return workloads,
            Err(error) if error.is_not_found() => {}
            Err(_) => return Vec::new(),
        }
    }
    Vec::new()
}

/// The Jobs of these shards. A Job without our labels is not in the list, and is asked for by name.
async fn jobs(
    record: &Record,
    shards: &[(u32, &Shard)],
    connection: &Connection,
) -> Result<Vec<(u32, Value)>, Error> {
    if shards.is_empty() {
        return Ok(Vec::new());
    }
    let selector = format!(
        "{}={},{}={}",
        labels::FEDERATION,
        record.federation,
        labels::JOB,
        record.state.uid
    );
    let mut listed = connection.list(&jobs_path(record.namespace()), &selector).await?;
    let mut jobs = Vec::new();
    for (id, shard) in shards {
        let is_it = |job: &Value| job["metadata"]["uid"].as_str() == shard.uid.as_deref();
        if let Some(place) = listed.iter().position(is_it) {
            jobs.push((*id, listed.swap_remove(place)));
            continue;
        }
        match connection.get(&job_path(record.namespace(), record.job_name(*id))).await {
            Ok(job) if is_it(&job) => jobs.push((*id, job)),
            Ok(_) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(jobs)
}

/// The pods of the Jobs with these uids. Those of adopted Jobs do not carry our labels.
async fn pods(
    record: &Record,
    uids: &[&str],
    connection: &Connection,
) -> Result<Vec<Value>, Error> {
    connection.list(&pods_path(record.namespace()), &pod::selector(uids)).await
}

/// The warning events of the namespace. Those about Jobs say why pods could not be created. Those
/// about pods say why they do not run.
async fn warnings(record: &Record, connection: &Connection) -> Result<Vec<Value>, Error> {
    let events = events_path(record.namespace());
    connection.list(&format!("{events}?fieldSelector=type%3DWarning"), "").await
}

fn split_error(read: Result<Vec<Value>, Error>) -> (Vec<Value>, Option<Error>) {
    match read {
        Ok(objects) => (objects, None),
        Err(error) => (Vec::new(), Some(error)),
    }
}
