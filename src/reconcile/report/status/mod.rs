//! The status of a federated Job over all its members; pure.

mod fields;
mod meddling;
mod predicates;
mod shard;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use self::{
    fields::{completions, counts, submitted, time},
    predicates::{is_closed, is_ending, is_suspended, no_place, waits_in_queue},
    shard::{DELETED, FORESEEN},
};
use crate::{
    job::{Indexes, Observed, Size},
    reconcile::{
        allocate::work,
        observe::{Observation, Observations, Place},
    },
    state::{Folded, MemberState, Phase, RanTwice, Record, Shard, Totals, Verdict},
};

pub use meddling::Meddling;
pub use shard::{JobTimes, ShardStatus};

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
    /// The names of all members by their states, where no member takes what is unplaced; otherwise
    /// empty.
    pub idle_members: BTreeMap<&'static str, Vec<String>>,
    /// How many of the unplaced completions wait only for running pods to end.
    pub waiting: i32,
    /// Of an Indexed Job, the indexes that succeeded in any shard.
    pub completed_indexes: Option<Indexes>,
    /// Of an Indexed Job, the indexes that failed for good.
    pub failed_indexes: Option<Indexes>,
    /// What has succeeded twice, because a cluster was declared lost.
    pub ran_twice: RanTwice,
    /// The shards by id.
    pub shards: Vec<ShardStatus>,
    /// The totals of the shards that are not in the ledger any more.
    pub folded: Box<Folded>,
    /// The members that have not been listed since the record was recovered, restored or moved, and
    /// why not. Work may be in them that is not known, so none is opened.
    pub unlisted: BTreeMap<String, String>,
    /// The clusters that were given up before they were listed, and may have shards that the ledger
    /// lacks: their names by their uids.
    pub missed: BTreeMap<String, String>,
    word: String,
    conditions: Vec<Value>,
    /// The condition that the Job gets once its last shard has ended, where the outcome is latched.
    condition_to_come: Option<&'static str>,
    asked: Size,
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
        // A suspended Job gives up its start. One that has ended keeps it, as in Kubernetes.
        let keeps_start = outcome.is_some() || !record.manifest.suspended();
        let started = record.state.started.filter(|_| keeps_start);
        // A deletion removes shards from the ledger. Their work is not unplaced.
        // Nor is it known what is unplaced before all members have been listed.
        let is_known = record.state.deleting.is_none() && record.state.unlisted.is_empty();
        let unplaced = if is_known { record.unplaced() } else { 0 };
        let waits = unplaced > 0 && !is_closed(record, &observations.places);
        let waiting = if waits { work::waiting_for_pods(record) } else { 0 };
        Self {
            active: sum(|shard| shard.seen.active),
            ready: live(|job| job.ready),
            terminating: live(|job| job.terminating),
            succeeded: record.achieved(),
            failed: record.failed_pods(),
            start: started.and_then(|start| Timestamp::from_second(start).ok()),
            completion: end.filter(|_| complete && !is_ending(record)),
            end: end.filter(|_| !is_ending(record)),
            completed_indexes: record.manifest.indexed().then(|| record.completed_indexes()),
            failed_indexes: record.manifest.indexed().then(|| record.failed_indexes()),
            unplaced,
            idle_members: if unplaced > waiting && no_place(record) {
                Place::by_state(&observations.places, &record.manifest)
            } else {
                BTreeMap::new()
            },
            waiting,
            ran_twice: record.ran_twice(),
            word: word(record, unplaced - waiting, &shards),
            conditions: conditions(record, &shards),
            condition_to_come: outcome
                .filter(|_| is_ending(record))
                .map(|outcome| outcome.verdict.as_str()),
            asked: record.manifest.size(),
            unlisted: unlisted(record, observations),
            missed: record.state.missed.clone(),
            folded: record.state.folded.clone(),
            shards,
        }
    }

    /// Says which shards are in no record yet, and so in no member: a reconcile would record them.
    /// This is the record as it is stored.
    pub fn name_the_foreseen(&mut self, stored: &Record) {
        let is_foreseen =
            |it: &&mut ShardStatus| it.uid.is_none() && !stored.shards.contains_key(&it.id);
        self.shards.iter_mut().filter(is_foreseen).for_each(|it| it.state = FORESEEN);
    }

    /// The word in the STATUS column: kubectl's word for a Job. `Unknown`, `Forbidden`,
    /// `Unauthorized`, `Suspended`, `Refused` and `Unplaced` are appended where they apply to a
    /// shard or to completions.
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

    /// Whether a number of completions is asked for, as not of a work queue.
    pub fn counts_completions(&self) -> bool {
        self.asked.completions.is_some()
    }

    /// The COMPLETIONS column, as kubectl prints it for a Job.
    pub fn completions(&self) -> String {
        completions(self.asked, self.succeeded)
    }

    /// The unplaced completions that do not only wait for running pods to end: shards were deleted,
    /// or no member takes them.
    pub fn held_back(&self) -> i32 {
        self.unplaced - self.waiting
    }

    /// Whether no member takes work of any Job, whatever the preferences say.
    pub fn all_members_closed(&self) -> bool {
        !self.idle_members.is_empty()
            && self.idle_members.keys().all(|state| !state.starts_with(MemberState::Ready.as_str()))
    }

    /// The members that have a shard: how many of them answered, and how many there are. Shards
    /// that somebody deleted, lost ones, and those in no record, do not count.
    pub fn clusters(&self) -> (usize, usize) {
        let is_there =
            |shard: &&ShardStatus| ![DELETED, FORESEEN].contains(&shard.state) && !shard.is_lost();
        let all: BTreeSet<_> =
            self.shards.iter().filter(is_there).map(|shard| &shard.cluster).collect();
        let unknown =
            self.shards.iter().filter(|shard| shard.unknown.is_some()).map(|shard| &shard.cluster);
        let unknown: BTreeSet<_> = unknown.collect();
        (all.difference(&unknown).count(), all.len())
    }

    /// The names of the members with shards that are waited for and that give no answer at all.
    pub fn silent_clusters(&self) -> Vec<String> {
        let silent = self.shards.iter().filter(|shard| shard.silent).map(|shard| &shard.cluster);
        silent.collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }

    /// The federated Job as one batch/v1 Job: the spec as submitted, and one status over all
    /// members.
    pub fn to_job(&self, record: &Record) -> Value {
        let mut job = Self::submitted(record);
        job["status"] = self.to_value();
        job
    }

    /// The federated Job as it is recorded, of whose status nothing is known.
    pub fn submitted(record: &Record) -> Value {
        submitted(record)
    }

    fn to_value(&self) -> Value {
        let mut status = counts(&[
            ("active", self.active),
            ("ready", self.ready),
            ("terminating", self.terminating),
            ("succeeded", self.succeeded),
            ("failed", self.failed),
            ("unplaced", self.unplaced),
            ("ranTwice", self.ran_twice.count),
        ]);
        status.insert("phase".into(), self.word.as_str().into());
        if !self.conditions.is_empty() {
            status.insert("conditions".into(), self.conditions.clone().into());
        }
        for (field, at) in [("startTime", self.start), ("completionTime", self.completion)] {
            if let Some(at) = at {
                status.insert(field.into(), time(at.as_second()));
            }
        }
        for (field, indexes) in [
            ("completedIndexes", self.completed_indexes.as_ref()),
            ("failedIndexes", self.failed_indexes.as_ref()),
            ("ranTwiceIndexes", Some(&self.ran_twice.indexes)),
        ] {
            if let Some(indexes) = indexes.filter(|indexes| !indexes.is_empty()) {
                status.insert(field.into(), indexes.to_string().into());
            }
        }
        if !self.unlisted.is_empty() {
            let names = self.unlisted.keys().map(String::as_str);
            status.insert("unlisted".into(), names.collect::<Vec<_>>().into());
        }
        if !self.missed.is_empty() {
            status.insert("missed".into(), json!(self.missed));
        }
        status.insert("shards".into(), self.shards.iter().map(ShardStatus::to_value).collect());
        if !self.folded.clusters.is_empty() {
            status.insert("folded".into(), self.folded.clusters.iter().map(totals).collect());
        }
        Value::Object(status)
    }
}

/// The members that have yet to be listed, and why they have not been.
fn unlisted(record: &Record, observations: &Observations) -> BTreeMap<String, String> {
    let why = |name: &String| match observations.members.get(name) {
        Some(Observation::Unknown { why }) => why.clone(),
        _ => "it was not asked".to_owned(),
    };
    record.state.unlisted.iter().map(|name| (name.clone(), why(name))).collect()
}

/// What shards of one member did that are not in the ledger any more.
fn totals((cluster, totals): (&String, &Totals)) -> Value {
    let Totals { shards, achieved, failed, .. } = totals;
    json!({ "cluster": cluster, "shards": shards, "succeeded": achieved, "failed": failed })
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
    let is = |phase| record.shards.values().any(|shard| shard.phase == phase && !shard.is_lost());
    let halted: BTreeSet<_> =
        shards.iter().filter(|shard| shard.is_halted()).map(|shard| shard.id).collect();
    let runs = |(id, shard): (&u32, &Shard)| {
        let waits = waits_in_queue(record, shard) || halted.contains(id);
        shard.phase == Phase::Started && !shard.is_lost() && !waits
    };
    let mut word = if is_suspended(record) {
        "Suspended"
    } else if record.manifest.size().parallelism == 0 {
        "Paused"
    } else if record.shards.iter().any(runs) {
        "Running"
    } else if [Phase::Planned, Phase::Created, Phase::Started].into_iter().any(is) {
        "Pending"
    } else {
        "Stopped"
    }
    .to_owned();
    let is_unknown = |shard: &ShardStatus| shard.unknown.is_some() && shard.denial.is_none();
    if shards.iter().any(is_unknown) || !record.state.unlisted.is_empty() {
        word.push_str(",Unknown");
    }
    let denials: BTreeSet<_> = shards.iter().filter_map(|shard| shard.denial).collect();
    word.extend(denials.iter().flat_map(|denial| [",", denial.as_str()]));
    let is_meddled = |how| shards.iter().any(|shard| shard.meddling == Some(how));
    if is_meddled(Meddling::Suspended) {
        word.push_str(",Suspended");
    }
    if is_meddled(Meddling::Paused) {
        word.push_str(",Paused");
    }
    if record.shards.values().any(|shard| shard.refusal.is_some()) {
        word.push_str(",Refused");
    }
    if unplaced > 0 {
        word.push_str(",Unplaced");
    }
    word
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
