//! One Job in a cluster: what it can do by itself, and what its pods did.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::evidence::ShardKey;
use super::leases::Reach;

/// The annotation with what was credited to a Job.
pub const CREDITED: &str = "kubectl-federate.dev/credited";

/// A Job of ours, as the simulation has seen it.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts about a Job")]
pub struct Job {
    pub uid: String,
    /// The cluster that it is in.
    pub place: usize,
    /// The shard whose labels it carries.
    pub shard: ShardKey,
    /// Whether it has ever made a pod.
    pub ran: bool,
    /// Whether it is not there any more.
    pub gone: bool,
    /// Whether it was there when its cluster was replaced by another one.
    pub lost: bool,
    /// How many of its pods have succeeded, by index.
    pub successes: BTreeMap<Option<i64>, i64>,
    /// The most failures that its status has counted.
    pub failed: i64,
    /// The pods that failed by themselves, or were ended by their own deadline or by users, while
    /// the Job went on.
    pub failures: BTreeSet<String>,
    /// The pods that were ended by their own deadline after that of the Job.
    outlasted: BTreeSet<String>,
    /// Whether it was given up by itself or by us.
    pub has_failed: bool,
    /// Whether its own deadline has ended it.
    pub ended_by_a_deadline: bool,
    /// Whether some of its indexes have failed for good.
    pub has_failed_indexes: bool,
    /// Whether it can do nothing any more.
    pub over: bool,
    /// Whether it is suspended.
    pub suspended: bool,
    /// Whether a user let its work run again, and the record says so.
    pub may_repeat: bool,
    /// How long it may run.
    pub lease: Reach,
    completions: Option<i64>,
    parallelism: i64,
    /// Whether it ever had to stop pods because fewer are wanted. Its cluster counts them as failed.
    has_shrunk: bool,
    credited: Option<String>,
}

impl Job {
    /// A Job that is seen for the first time.
    pub fn new(place: usize, shard: ShardKey, object: &Value) -> Self {
        Self {
            uid: object["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
            place,
            shard,
            ran: false,
            gone: false,
            lost: false,
            successes: BTreeMap::new(),
            failed: 0,
            failures: BTreeSet::new(),
            outlasted: BTreeSet::new(),
            has_failed: false,
            ended_by_a_deadline: false,
            has_failed_indexes: false,
            over: false,
            suspended: true,
            may_repeat: false,
            lease: Reach::default(),
            completions: object["spec"]["completions"].as_i64(),
            parallelism: 0,
            has_shrunk: false,
            credited: None,
        }
    }

    /// Takes over what its cluster stores.
    pub fn see(&mut self, object: &Value) {
        let status = &object["status"];
        self.failed = self.failed.max(status["failed"].as_i64().unwrap_or(0));
        self.has_failed_indexes |= status["failedIndexes"].as_str().is_some_and(|i| !i.is_empty());
        let conditions = status["conditions"].as_array();
        let is = |kind: &str| {
            let mut all = conditions.into_iter().flatten();
            all.any(|condition| condition["type"] == kind && condition["status"] == "True")
        };
        self.has_failed |= is("Failed") || is("FailureTarget");
        self.ended_by_a_deadline |= conditions.into_iter().flatten().any(|condition| {
            condition["reason"] == "DeadlineExceeded" && condition["status"] == "True"
        });
        self.lease.see(object);
        self.over =
            is("Failed") || is("Complete") || object["metadata"]["deletionTimestamp"].is_string();
        self.suspended = object["spec"]["suspend"] == true;
        let parallelism = object["spec"]["parallelism"].as_i64().unwrap_or(0);
        let completions = object["spec"]["completions"].as_i64();
        self.has_shrunk |= parallelism < self.parallelism || completions < self.completions;
        self.parallelism = parallelism;
        self.completions = completions;
        let credited = self.credited.take();
        self.credited = object["metadata"]["annotations"][CREDITED].as_str().map(str::to_owned);
        self.has_shrunk |= self.ran && credited != self.credited;
    }

    /// Takes over what one of its pods says.
    pub fn see_pod(&mut self, pod: &Value) {
        let (meta, phase) = (&pod["metadata"], pod["status"]["phase"].as_str());
        let has_ended = matches!(phase, Some("Succeeded" | "Failed"));
        self.lease.running += usize::from(!has_ended && !pod["spec"]["nodeName"].is_null());
        let uid = meta["uid"].as_str().unwrap_or_default();
        if phase == Some("Failed") && meta["deletionTimestamp"].is_null() {
            let is_known = self.failures.contains(uid) || self.outlasted.contains(uid);
            let ended =
                if self.lease.outlasts(pod) { &mut self.outlasted } else { &mut self.failures };
            if !is_known {
                ended.insert(uid.to_owned());
            }
        }
    }

    /// Whether a lease has ended it, or pods of it.
    pub fn ended_by_lease(&self) -> bool {
        self.lease.bounds_pods && (self.ended_by_a_deadline || !self.outlasted.is_empty())
    }

    /// How many of its pods have failed that no deadline of the Job did end.
    pub fn own_failures(&self) -> i64 {
        let ended = self.outlasted.len() as i64;
        if self.has_shrunk {
            (self.failed - ended).max(0)
        } else {
            self.failed.min(self.failures.len() as i64)
        }
    }

    /// How many of its pods have succeeded.
    pub fn done(&self) -> i64 {
        self.successes.values().sum()
    }

    /// What it has done, and can do yet by itself: of a Job whose completions are all alike.
    pub fn reach(&self) -> i64 {
        if self.over || self.gone {
            return self.done();
        }
        let credited = self.credited.as_ref().and_then(|text| text.parse().ok()).unwrap_or(0);
        self.done().max(self.completions.unwrap_or(0) - credited)
    }

    /// The same, as indexes.
    pub fn reached_indexes(&self) -> BTreeSet<i64> {
        let done: BTreeSet<i64> = self.successes.keys().filter_map(|index| *index).collect();
        if self.over || self.gone {
            return done;
        }
        let credited = indexes(self.credited.as_deref().unwrap_or_default());
        let own = (0..self.completions.unwrap_or(0)).filter(|index| !credited.contains(index));
        done.into_iter().chain(own).collect()
    }
}

/// The indexes of a list such as `0-3,5`.
pub fn indexes(text: &str) -> BTreeSet<i64> {
    let mut all = BTreeSet::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<i64>(), last.parse::<i64>()) {
            all.extend(first..=last);
        }
    }
    all
}
