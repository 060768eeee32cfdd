//! The bodies of all writes to a shard's Job; pure.
//!
//! A write and the dry run that precedes it take their body from here. So a server judges in the
//! dry run what it will be sent. A body says nothing about the version of the Job that it is for:
//! [`conditional`] adds that.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    job::{self, Indexes, Observed, credit::Credit, gang, labels, queue},
    reconcile::{decide::is_changed_whole, observe::Created},
    seams::{self, Defect},
    state::{Outcome, Record, annotate},
};

/// A patch that holds only for the Job with this uid, at the version that was read.
pub(crate) fn conditional(mut body: Value, read: &Observed) -> Value {
    body["metadata"]["uid"] = read.uid.as_str().into();
    body["metadata"]["resourceVersion"] = read.resource_version.as_str().into();
    body
}

/// The JSON patch that does to a Job what a merge patch does. It holds only while nothing has
/// changed of all that is decided on since the Job was created: who has suspended, retired or
/// credited it meanwhile, has taken its labels away or has let it end, has left a trace in what is
/// compared. A stop of a Job that has not started changes nothing of its spec, and so not its
/// `generation`; but it is written in an annotation, and whoever ends it sets `startTime`.
///
/// None for a patch that changes what is not known of the Job, and for a Job that no server would
/// find to be the same.
pub(crate) fn while_as_created(created: &Created, patch: &Value) -> Option<Value> {
    let before = created.object();
    // Servers compare bytes, and theirs have these escaped, as Go's JSON has.
    let is_escaped = |c| matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
    if before["metadata"].to_string().contains(is_escaped) {
        return None;
    }
    let mut after = before.clone();
    json_patch::merge(&mut after, patch);
    let compared = ["uid", "generation", "labels", "annotations"].map(|field| ("metadata", field));
    let compared = compared.into_iter().chain([("spec", "suspend"), ("status", "startTime")]);
    let mut operations: Vec<Value> = compared
        .map(|(part, field)| {
            json!({"op": "test", "path": format!("/{part}/{field}"), "value": before[part][field]})
        })
        .collect();
    if seams::has(Defect::UncomparedStart) {
        operations.truncate(1);
    }
    for part in ["metadata", "spec"] {
        let (old, new) = (before[part].as_object()?, after[part].as_object()?);
        for field in new.keys().filter(|field| old.get(*field) != new.get(*field)) {
            let path = format!("/{part}/{field}");
            operations.push(json!({"op": "add", "path": path, "value": new[field]}));
        }
        for field in old.keys().filter(|field| !new.contains_key(*field)) {
            operations.push(json!({"op": "remove", "path": format!("/{part}/{field}")}));
        }
    }
    let is_unknown = |field: &str| !patch["spec"][field].is_null();
    (!["template", "selector"].into_iter().any(is_unknown)).then(|| operations.into())
}

/// The Job that is POSTed for a shard.
pub(crate) fn creation(record: &Record, id: u32) -> Value {
    let mut job = asked_for(record, id);
    annotate(&mut job, record.recovery(id));
    job
}

/// The Job of [`creation`] without what only a recovery needs.
pub(crate) fn asked_for(record: &Record, id: u32) -> Value {
    let (name, own, owner) = (record.job_name(id), record.spec(id), record.ownership(id));
    job::shard(&record.manifest, name, &own, &owner)
}

/// The Job of [`creation`] for a cluster that decides when it runs: held, until it is released to
/// this queue.
pub(crate) fn held(mut creation: Value, queue: &str) -> Value {
    queue::hold(&mut creation, queue);
    creation
}

/// The patch that makes a Job a shard that was there before. Of its spec it changes one field: a
/// Job that expires takes its result with it.
pub(crate) fn adoption(record: &Record, id: u32, job: &Observed) -> Value {
    let mut patch = json!({ "metadata": {
        "labels": record.ownership(id).labels().into_iter().collect::<BTreeMap<_, _>>(),
        // The number of the spec that it has.
        "annotations": { labels::GENERATION: "1" },
    }});
    annotate(&mut patch, record.recovery(id));
    if job.ttl_seconds.is_some() {
        patch["spec"]["ttlSecondsAfterFinished"] = Value::Null;
    }
    patch
}

/// The patch that makes the spec of a shard's Job what the ledger says, and its template too if it
/// lacks the last edit of it. A Job that lacks nothing which a user has asked for gets only what it
/// lacks. A Job that has ended is allowed to expire.
pub(crate) fn change(record: &Record, id: u32, job: &Observed) -> Value {
    let (own, shard) = (record.spec(id), &record.shards[&id]);
    if shard.phase.ended() {
        return job::expire(&record.manifest, &own);
    }
    if !is_changed_whole(record, id, job) {
        return adjustment(record, id, job);
    }
    let mut patch = job::change(&record.manifest, &own, &record.state.removed);
    annotate(&mut patch, record.recovery(id));
    if shard.awaits_template(job) {
        let edits = &record.state.template_edits;
        job::change_template(&mut patch, &record.manifest, &own, edits, &job.template);
    }
    if let Some(cluster_queue) = &job.queue {
        let asked = record.manifest.label(queue::QUEUE_NAME).unwrap_or(cluster_queue);
        if record.manifest.suspended() {
            queue::hold(&mut patch, asked);
        } else if job.in_hold_queue {
            queue::release(&mut patch, asked, &record.manifest, &job.template);
        } else {
            queue::leave_in_queue(&mut patch, asked, job.parallelism, job.suspended);
        }
    }
    patch
}

/// The patch of a Job that gets only what it lacks.
fn adjustment(record: &Record, id: u32, job: &Observed) -> Value {
    let lacks = record.shards[&id].lacks(job);
    let mut patch = job::adjust(&record.manifest, &record.spec(id), job, lacks);
    annotate(&mut patch, record.recovery(id));
    if job.in_hold_queue {
        // It gets its pods when it is released.
        let spec = patch["spec"].as_object_mut();
        spec.and_then(|spec| spec.remove("parallelism"));
    } else if job.queue.is_some() {
        queue::leave_suspend(&mut patch, job.parallelism, job.suspended);
    }
    patch
}

/// The patch that renews the lease of a Job which lacks another change, and says nothing of that.
pub(crate) fn renewal(record: &Record, id: u32) -> Value {
    json!({ "spec": { "activeDeadlineSeconds": record.spec(id).active_deadline_seconds } })
}

/// The patch that stops a Job, so that no pod of it runs until it is changed again.
pub(crate) fn suspension(job: &Observed) -> Value {
    match &job.queue {
        Some(queue) => {
            let mut patch = queue::hold_patch(queue);
            if job.min_count.is_some() {
                gang::write(&mut patch["spec"], None);
            }
            patch
        }
        None => json!({
            "metadata": { "annotations": { labels::STOPPED: "true" } },
            "spec": { "suspend": true },
        }),
    }
}

/// The patch that takes a Job out of its queue.
pub(crate) fn unqueue() -> Value {
    json!({ "metadata": { "labels": { queue::QUEUE_NAME: null } } })
}

/// The patch that lets a Job run fewer pods, at least 1. Its gang has no more.
pub(crate) fn parallelism(pods: i32, job: &Observed) -> Value {
    let mut patch = json!({ "spec": { "parallelism": pods } });
    if job.min_count.is_some_and(|gang| gang > pods) {
        gang::write(&mut patch["spec"], Some(pods));
    }
    patch
}

/// The patch of the status that credits every index which is not the shard's own, before its Job
/// first runs.
pub(crate) fn assignment(record: &Record, id: u32, job: &Observed, now: Timestamp) -> Value {
    credit(job, &others(record, id, job), now)
}

/// The credit of every index of a Job that is not the shard's own.
pub(crate) fn others(record: &Record, id: u32, job: &Observed) -> Credit {
    let own = record.shards[&id].indexes.clone().unwrap_or_default();
    Credit::Indexes(Indexes::all(job.completions.unwrap_or(0)).without(&own))
}

/// The patch of the status that credits completions to a Job as it was read. Its annotation says
/// how much it has been credited in all. `now` is by the server's clock: the Job controller writes
/// the completion time by that clock, and no server accepts one that is before `startTime`.
pub(crate) fn credit(job: &Observed, credit: &Credit, now: Timestamp) -> Value {
    let after = credit.given(job, now);
    let mut status = json!({ "succeeded": after.succeeded });
    if let Credit::Indexes(_) = credit {
        status["completedIndexes"] = after.completed_indexes.to_string().into();
    }
    if let Some(start) = after.start.filter(|_| job.start.is_none()) {
        status["startTime"] = written_time(start).into();
    }
    if seams::has(Defect::UnmarkedCredit) {
        return json!({ "status": status });
    }
    json!({
        "metadata": { "annotations": { labels::CREDITED: after.credited } },
        "status": status,
    })
}

/// The patch of the status that credits all that a Job has left, so that it is Complete. `now` is
/// by the server's clock.
pub(crate) fn completion(job: &Observed, now: Timestamp) -> Value {
    credit(job, &Credit::rest(job), now)
}

/// The patch of the status that gives a Job this `startTime`.
pub(crate) fn start(at: Timestamp) -> Value {
    json!({ "status": { "startTime": written_time(at) } })
}

/// The patch of the status that takes away a Job's `startTime`.
pub(crate) fn no_start() -> Value {
    json!({ "status": { "startTime": null } })
}

/// The patch of the status that makes a Job Failed, with the reason of the federated Job's outcome.
/// `now` is by the server's clock.
pub(crate) fn failure(outcome: &Outcome, job: &Observed, now: Timestamp) -> Value {
    let now = written_time(now);
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
