//! The bodies of all writes to a shard's Job; pure.
//!
//! A write and the dry run that precedes it take their body from here. So a server judges in the
//! dry run what it will be sent. A body says nothing about the version of the Job that it is for:
//! [`conditional`] adds that.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    job::{self, Indexes, Observed, credit::Credit, labels},
    state::{Outcome, Record},
};

/// A patch that holds only for the Job with this uid, at the version that was read.
pub(crate) fn conditional(mut body: Value, read: &Observed) -> Value {
    body["metadata"]["uid"] = read.uid.as_str().into();
    body["metadata"]["resourceVersion"] = read.resource_version.as_str().into();
    body
}

/// The Job that is POSTed for a shard.
pub(crate) fn creation(record: &Record, id: u32) -> Value {
    job::shard(&record.manifest, record.job_name(id), &record.spec(id), &record.ownership(id))
}

/// The patch that makes the spec of a shard's Job what the ledger says. A Job that has ended is
/// allowed to expire.
pub(crate) fn change(record: &Record, id: u32) -> Value {
    let own = record.spec(id);
    if record.shards[&id].phase.ended() {
        job::expire(&record.manifest, &own)
    } else {
        job::change(&record.manifest, &own, &record.state.removed)
    }
}

/// The patch that suspends a Job.
pub(crate) fn suspension() -> Value {
    json!({ "spec": { "suspend": true } })
}

/// The patch that lets a Job run fewer pods.
pub(crate) fn parallelism(pods: i32) -> Value {
    json!({ "spec": { "parallelism": pods } })
}

/// The patch of the status that credits every index which is not the shard's own, before its Job
/// first runs.
pub(crate) fn assignment(record: &Record, id: u32, job: &Observed) -> Value {
    credit(job, &others(record, id, job))
}

/// The credit of every index of a Job that is not the shard's own.
pub(crate) fn others(record: &Record, id: u32, job: &Observed) -> Credit {
    let own = record.shards[&id].indexes.clone().unwrap_or_default();
    Credit::Indexes(Indexes::all(job.completions.unwrap_or(0)).without(&own))
}

/// The patch of the status that credits completions to a Job as it was read. Its annotation says
/// how much it has been credited in all.
pub(crate) fn credit(job: &Observed, credit: &Credit) -> Value {
    let after = credit.given(job, Timestamp::now());
    let mut status = json!({ "succeeded": after.succeeded });
    if let Credit::Indexes(_) = credit {
        status["completedIndexes"] = after.completed_indexes.to_string().into();
    }
    if let Some(start) = after.start.filter(|_| job.start.is_none()) {
        status["startTime"] = written_time(start).into();
    }
    json!({
        "metadata": { "annotations": { labels::CREDITED: after.credited } },
        "status": status,
    })
}

/// The patch of the status that credits all that a Job has left, so that it is Complete.
pub(crate) fn completion(job: &Observed) -> Value {
    credit(job, &Credit::rest(job))
}

/// The patch of the status that makes a Job Failed, with the reason of the federated Job's outcome.
pub(crate) fn failure(outcome: &Outcome, job: &Observed) -> Value {
    let now = written_time(Timestamp::now());
    let condition = json!({
        "type": "FailureTarget",
        "status": "True",
        "reason": outcome.reason,
        "message": outcome.message,
        "lastProbeTime": now,
        "lastTransitionTime": now,
    });
    let mut conditions = job.conditions.clone();
    conditions.push(condition);
    let mut status = json!({ "conditions": conditions });
    if job.start.is_none() {
        status["startTime"] = now.into();
    }
    json!({ "status": status })
}

/// A time as the API writes it: to the second.
fn written_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
