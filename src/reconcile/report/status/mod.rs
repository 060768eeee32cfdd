//! The status of a federated Job over all its members; pure.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    job::{Indexes, Observed, Size},
    reconcile::{allocate::work, observe::Observations},
    state::{Phase, Record, Seen, Shard, Verdict},
};

/// The status of a federated Job over all its members (G9).
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Pods that are pending or running.
    pub active: i32,
    /// Pods that are ready, in the members that answered.
    pub ready: i32,
    /// Pods that are terminating, in the members that answered.
    pub terminating: i32,
    /// Completions that succeeded. No shard counts for more than its completions.
    pub succeeded: i32,
    /// Pods that failed.
    pub failed: i32,
    /// When the first shard started.
    pub start: Option<Timestamp>,
    /// When the whole Job was complete.
    pub completion: Option<Timestamp>,
    /// When the whole Job ended, complete or failed.
    pub end: Option<Timestamp>,
    /// Completions that no live shard carries and that did not succeed.
    pub unplaced: i32,
    /// How many of the unplaced completions wait only for running pods to end.
    pub waiting: i32,
    /// Of an Indexed Job, the indexes that succeeded in any shard.
    pub completed_indexes: Option<Indexes>,
    /// Of an Indexed Job, the indexes that failed for good.
    pub failed_indexes: Option<Indexes>,
    /// The shards by id.
    pub shards: Vec<ShardStatus>,
    word: String,
    conditions: Vec<Value>,
    /// The condition that the Job gets once its last shard has ended, where the outcome is latched.
    condition_to_come: Option<&'static str>,
    asked: Size,
}

/// The status of one shard.
#[derive(Debug, Clone, PartialEq)]
pub struct ShardStatus {
    /// The member that has it.
    pub cluster: String,
    /// The name of its Job there.
    pub name: String,
    /// The uid of its Job, once it is known.
    pub uid: Option<String>,
    /// Pending, Suspended, Running, Complete, Failed, Deleted, or Unknown.
    pub state: &'static str,
    /// Its parallelism, and its completions less what was credited.
    pub share: Size,
    /// What its Job said when it was last seen.
    pub seen: Seen,
    /// What it achieved.
    pub achieved: i32,
    /// Completions that were credited to it.
    pub credited: i32,
    /// Its own indexes, of an Indexed Job.
    pub indexes: Option<Indexes>,
    /// Why nothing is known of it now, where its member does not answer.
    pub unknown: Option<String>,
    /// Why its member refused an action of this run, or to create its Job in an earlier one.
    pub refused: Option<String>,
    /// What it waits for before the rest of an action can be done.
    pub waiting: Option<String>,
    /// What its cluster changed of its Job when it answered the last write of this run: one
    /// sentence for each difference from what was sent.
    pub altered: Vec<String>,
}

impl Status {
    /// The status by the record and the observations.
    pub fn new(record: &Record, observations: &Observations) -> Self {
        let shards: Vec<_> =
            record.shards.keys().map(|id| ShardStatus::new(record, *id, observations)).collect();
        let sum =
            |count: fn(&ShardStatus) -> i32| shards.iter().map(count).fold(0, i32::saturating_add);
        let live = |count: fn(&Observed) -> i32| {
            observations.jobs().map(|(_, _, job)| count(job)).fold(0, i32::saturating_add)
        };
        let outcome = record.state.outcome.as_ref();
        let end = outcome.and_then(|outcome| Timestamp::from_second(outcome.at).ok());
        let complete = outcome.is_some_and(|outcome| outcome.verdict == Verdict::Complete);
        let started = record.state.started.filter(|_| !record.manifest.suspended());
        // A deletion removes shards from the ledger. Their work is not unplaced.
        let unplaced = if record.state.deleting.is_some() { 0 } else { record.unplaced() };
        let waiting = if unplaced > 0 { work::waiting_for_pods(record) } else { 0 };
        Self {
            active: sum(|shard| shard.seen.active),
            ready: live(|job| job.ready),
            terminating: live(|job| job.terminating),
            succeeded: record.achieved(),
            failed: sum(|shard| shard.seen.failed),
            start: started.and_then(|start| Timestamp::from_second(start).ok()),
            completion: end.filter(|_| complete && !is_ending(record)),
            end: end.filter(|_| !is_ending(record)),
            completed_indexes: record.manifest.indexed().then(|| record.completed_indexes()),
            failed_indexes: record.manifest.indexed().then(|| record.failed_indexes()),
            unplaced,
            waiting,
            word: word(record, unplaced - waiting, &shards),
            conditions: conditions(record, &shards),
            condition_to_come: outcome
                .filter(|_| is_ending(record))
                .map(|outcome| outcome.verdict.as_str()),
            asked: record.manifest.size(),
            shards,
        }
    }

    /// The word in the STATUS column: kubectl's word for a Job. `Unknown`, `Refused` and `Unplaced`
    /// are appended where they apply to a shard or to completions.
    pub fn word(&self) -> &str {
        &self.word
    }

    /// Its conditions, as the Job controller would set them for one Job.
    pub fn conditions(&self) -> &[Value] {
        &self.conditions
    }

    /// Whether the Job will have a condition of this type, compared regardless of case, once its
    /// last shard has ended. The outcome is latched then, and cannot change.
    pub fn will_have_condition(&self, kind: &str) -> bool {
        self.condition_to_come.is_some_and(|to_come| to_come.eq_ignore_ascii_case(kind))
    }

    /// The COMPLETIONS column, as kubectl prints it for a Job.
    pub fn completions(&self) -> String {
        match self.asked {
            Size { completions: Some(completions), .. } => {
                format!("{}/{completions}", self.succeeded)
            }
            Size { parallelism, .. } if parallelism > 1 => {
                format!("{}/1 of {parallelism}", self.succeeded)
            }
            _ => format!("{}/1", self.succeeded),
        }
    }

    /// The members that have a shard: how many of them answered, and how many there are. Shards
    /// that somebody deleted do not count.
    pub fn clusters(&self) -> (usize, usize) {
        let is_there =
            |shard: &&ShardStatus| shard.state != word_of_shard(Phase::Deleted, false, false);
        let all: BTreeSet<_> =
            self.shards.iter().filter(is_there).map(|shard| &shard.cluster).collect();
        let unknown =
            self.shards.iter().filter(|shard| shard.unknown.is_some()).map(|shard| &shard.cluster);
        let unknown: BTreeSet<_> = unknown.collect();
        (all.difference(&unknown).count(), all.len())
    }

    /// The federated Job as one batch/v1 Job: the spec as submitted, and one status over all
    /// members.
    pub fn to_job(&self, record: &Record) -> Value {
        let mut job = record.manifest.object().clone();
        job["metadata"]["uid"] = record.state.uid.as_str().into();
        job["metadata"]["creationTimestamp"] = time(record.state.created);
        job["status"] = self.to_value();
        job
    }

    fn to_value(&self) -> Value {
        let mut status = counts(&[
            ("active", self.active),
            ("ready", self.ready),
            ("terminating", self.terminating),
            ("succeeded", self.succeeded),
            ("failed", self.failed),
            ("unplaced", self.unplaced),
        ]);
        if !self.conditions.is_empty() {
            status.insert("conditions".into(), self.conditions.clone().into());
        }
        for (field, at) in [("startTime", self.start), ("completionTime", self.completion)] {
            if let Some(at) = at {
                status.insert(field.into(), time(at.as_second()));
            }
        }
        for (field, indexes) in
            [("completedIndexes", &self.completed_indexes), ("failedIndexes", &self.failed_indexes)]
        {
            if let Some(indexes) = indexes.as_ref().filter(|indexes| !indexes.is_empty()) {
                status.insert(field.into(), indexes.to_string().into());
            }
        }
        status.insert("shards".into(), self.shards.iter().map(ShardStatus::to_value).collect());
        Value::Object(status)
    }
}

impl ShardStatus {
    /// The status of one shard by the record and the observations.
    fn new(record: &Record, id: u32, observations: &Observations) -> Self {
        let shard = &record.shards[&id];
        let seen = shard.seen.clone().unwrap_or_default();
        // A shard that has ended needs no answer, unless it is to be deleted.
        let needs_answer = !shard.phase.ended() || record.state.deleting.is_some();
        let unknown = observations.unknown(shard).filter(|_| needs_answer);
        // What an earlier run was refused keeps the shard Pending still.
        let refused = observations.refused(&shard.cluster, id).or(shard.refusal.as_deref());
        Self {
            cluster: shard.cluster.clone(),
            name: record.job_name(id).to_owned(),
            uid: shard.uid.clone(),
            state: word_of_shard(shard.phase, seen.suspended, unknown.is_some()),
            share: shard.share(),
            achieved: shard.achieved(),
            credited: shard.credited,
            indexes: shard.indexes.clone(),
            waiting: observations
                .waiting(&shard.cluster, id)
                .or_else(|| observations.withheld(shard))
                .map(str::to_owned),
            seen,
            unknown,
            refused: refused.map(str::to_owned),
            altered: observations.altered(&shard.cluster, id).to_vec(),
        }
    }

    fn to_value(&self) -> Value {
        let mut value = counts(&[
            ("active", self.seen.active),
            ("succeeded", self.achieved),
            ("failed", self.seen.failed),
            ("credited", self.credited),
        ]);
        let mut put = |field: &str, of_shard: Value| value.insert(field.to_owned(), of_shard);
        put("cluster", self.cluster.as_str().into());
        put("name", self.name.as_str().into());
        put("state", self.state.into());
        put("parallelism", self.share.parallelism.into());
        if let Some(completions) = self.share.completions {
            put("completions", completions.into());
        }
        if let Some(uid) = &self.uid {
            put("uid", uid.as_str().into());
        }
        if let Some(indexes) = &self.indexes {
            put("indexes", indexes.to_string().into());
        }
        if let Some(why) = self.unknown.as_ref().or(self.refused.as_ref()).or(self.waiting.as_ref())
        {
            put("message", why.as_str().into());
        }
        Value::Object(value)
    }
}

fn counts(counts: &[(&str, i32)]) -> Map<String, Value> {
    counts
        .iter()
        .filter(|(_, n)| *n != 0)
        .map(|(field, n)| ((*field).to_owned(), Value::from(*n)))
        .collect()
}

fn time(second: i64) -> Value {
    Timestamp::from_second(second).map_or(Value::Null, |at| at.to_string().into())
}

fn word_of_shard(phase: Phase, suspended: bool, unknown: bool) -> &'static str {
    match phase {
        Phase::Complete => "Complete",
        Phase::Failed => "Failed",
        Phase::Deleted => "Deleted",
        _ if unknown => "Unknown",
        Phase::Planned => "Pending",
        Phase::Created | Phase::Started if suspended => "Suspended",
        Phase::Created | Phase::Started => "Running",
    }
}

fn word(record: &Record, unplaced: i32, shards: &[ShardStatus]) -> String {
    if record.state.deleting.is_some() {
        return "Terminating".to_owned();
    }
    if let Some(outcome) = &record.state.outcome {
        let word =
            if is_ending(record) { outcome.verdict.target() } else { outcome.verdict.as_str() };
        return word.to_owned();
    }
    let is = |phase| record.shards.values().any(|shard| shard.phase == phase);
    let mut word = if is_suspended(record) {
        "Suspended"
    } else if record.manifest.size().parallelism == 0 {
        "Paused"
    } else if is(Phase::Started) {
        "Running"
    } else if is(Phase::Planned) || is(Phase::Created) {
        "Pending"
    } else {
        "Stopped"
    }
    .to_owned();
    if shards.iter().any(|shard| shard.unknown.is_some()) {
        word.push_str(",Unknown");
    }
    if record.shards.values().any(|shard| shard.refusal.is_some()) {
        word.push_str(",Refused");
    }
    if unplaced > 0 {
        word.push_str(",Unplaced");
    }
    word
}

/// Whether the Job is suspended and no shard is known to run.
fn is_suspended(record: &Record) -> bool {
    let is_stopped = |shard: &Shard| {
        shard.phase != Phase::Started || shard.seen.as_ref().is_some_and(|seen| seen.suspended)
    };
    record.manifest.suspended() && record.shards.values().all(is_stopped)
}

/// Whether the outcome is latched and a shard has yet to end.
fn is_ending(record: &Record) -> bool {
    record.state.outcome.is_some() && record.shards.values().any(|shard| shard.phase.live())
}

fn conditions(record: &Record, shards: &[ShardStatus]) -> Vec<Value> {
    if let Some(outcome) = &record.state.outcome {
        let condition = |kind: &str| {
            json!({
                "type": kind,
                "status": "True",
                "reason": outcome.reason,
                "message": outcome.message,
                "lastProbeTime": time(outcome.at),
                "lastTransitionTime": time(outcome.at),
            })
        };
        let final_condition = (!is_ending(record)).then(|| condition(outcome.verdict.as_str()));
        return [Some(condition(outcome.verdict.target())), final_condition]
            .into_iter()
            .flatten()
            .collect();
    }
    if !is_suspended(record) {
        return Vec::new();
    }
    let since = shards
        .iter()
        .map(|shard| shard.seen.at)
        .max()
        .filter(|at| *at > 0)
        .unwrap_or(record.state.created);
    vec![json!({
        "type": "Suspended",
        "status": "True",
        "reason": "JobSuspended",
        "message": "Job suspended",
        "lastProbeTime": time(since),
        "lastTransitionTime": time(since),
    })]
}

#[cfg(test)]
mod tests;
