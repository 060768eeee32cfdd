//! A Job as it was read from a member.

use jiff::Timestamp;
use serde_json::Value;

use super::{Indexes, Ownership, labels};

/// The fields of a Job in a member that decisions need.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent fields and conditions of the API"
)]
pub struct Observed {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// The owner of the shard, if the Job has all three labels.
    pub owner: Option<Ownership>,
    /// Whether it is being deleted: `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// The last change of the spec that the Job has: [`labels::GENERATION`]; 0 without one.
    pub generation: i32,
    /// What was credited, as the annotation says: [`labels::CREDITED`].
    pub credited: Option<String>,
    /// `spec.suspend`.
    pub suspended: bool,
    /// `spec.parallelism`.
    pub parallelism: i32,
    /// `spec.backoffLimit`.
    pub backoff_limit: Option<i32>,
    /// `spec.ttlSecondsAfterFinished`.
    pub ttl_seconds: Option<i64>,
    /// `spec.backoffLimitPerIndex`.
    pub backoff_limit_per_index: Option<i32>,
    /// `spec.maxFailedIndexes`.
    pub max_failed_indexes: Option<i32>,
    /// `spec.completions`.
    pub completions: Option<i32>,
    /// Whether `spec.completionMode` is `Indexed`.
    pub indexed: bool,
    /// `status.active`: pods that are pending or running.
    pub active: i32,
    /// `status.ready`: pods that are ready.
    pub ready: i32,
    /// `status.terminating`: pods that are being deleted; they do not count as active.
    pub terminating: i32,
    /// `status.succeeded`. It can exceed completions.
    pub succeeded: i32,
    /// `status.failed`.
    pub failed: i32,
    /// `status.completedIndexes`; empty if the Job is not Indexed.
    pub completed_indexes: Indexes,
    /// `status.failedIndexes`.
    pub failed_indexes: Indexes,
    /// Pods in `status.uncountedTerminatedPods.succeeded`.
    pub uncounted_succeeded: i32,
    /// Pods in `status.uncountedTerminatedPods.failed`.
    pub uncounted_failed: i32,
    /// Whether the condition `Suspended` is true: the Job controller has seen the suspension.
    pub suspension_seen: bool,
    /// `status.conditions` as read, so that one can be added.
    pub conditions: Vec<Value>,
    /// Whether the Job is about to end: `FailureTarget` or `SuccessCriteriaMet` is true.
    pub ending: bool,
    /// `status.startTime`.
    pub start: Option<Timestamp>,
    /// How the Job ended, if it has.
    pub end: Option<End>,
}

/// How a Job ended: its `Complete` or `Failed` condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Which of the two.
    pub kind: EndKind,
    /// The condition's reason, such as `BackoffLimitExceeded`; empty on older servers.
    pub reason: String,
    /// The condition's message.
    pub message: String,
    /// When the Job ended: its completion time, or the condition's last transition.
    pub at: Option<Timestamp>,
}

/// The two ways a Job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndKind {
    /// All completions have succeeded.
    Complete,
    /// The Job controller gave the Job up.
    Failed,
}

impl Observed {
    /// Reads a Job from an API server's object. An absent field is zero or `None`, as in the Job API.
    pub fn from_object(job: &Value) -> Self {
        let metadata = &job["metadata"];
        let status = &job["status"];
        let count = |field: &str| number(&status[field]).unwrap_or(0);
        Self {
            name: text(&metadata["name"]),
            uid: text(&metadata["uid"]),
            owner: owner(&metadata["labels"]),
            deleting: metadata["deletionTimestamp"].is_string(),
            resource_version: text(&metadata["resourceVersion"]),
            generation: annotation(metadata, labels::GENERATION)
                .and_then(|n| n.parse().ok())
                .unwrap_or(0),
            credited: annotation(metadata, labels::CREDITED).map(str::to_owned),
            suspended: job["spec"]["suspend"] == true,
            parallelism: number(&job["spec"]["parallelism"]).unwrap_or(1),
            backoff_limit: number(&job["spec"]["backoffLimit"]),
            ttl_seconds: job["spec"]["ttlSecondsAfterFinished"].as_i64(),
            backoff_limit_per_index: number(&job["spec"]["backoffLimitPerIndex"]),
            max_failed_indexes: number(&job["spec"]["maxFailedIndexes"]),
            completions: number(&job["spec"]["completions"]),
            indexed: job["spec"]["completionMode"] == "Indexed",
            active: count("active"),
            ready: count("ready"),
            terminating: count("terminating"),
            succeeded: count("succeeded"),
            failed: count("failed"),
            completed_indexes: indexes(&status["completedIndexes"]),
            failed_indexes: indexes(&status["failedIndexes"]),
            uncounted_succeeded: uncounted(status, "succeeded"),
            uncounted_failed: uncounted(status, "failed"),
            suspension_seen: is_true(status, "Suspended"),
            conditions: status["conditions"].as_array().cloned().unwrap_or_default(),
            ending: is_true(status, "FailureTarget") || is_true(status, "SuccessCriteriaMet"),
            start: time(&status["startTime"]),
            end: end(status),
        }
    }
}

impl Observed {
    /// Whether the Job is suspended and no pod of it has run: no counter has moved.
    pub fn has_run_nothing(&self) -> bool {
        self.suspended
            && self.start.is_none()
            && [self.active, self.terminating, self.failed] == [0; 3]
            && self.succeeded == self.credited_count()
    }

    /// Whether the Job was never resumed: the ledger has not changed it yet.
    pub fn untouched(&self) -> bool {
        self.generation == 0 && self.has_run_nothing()
    }

    /// Whether the Job is suspended, its Job controller has seen that, and no pod of it runs, is
    /// being deleted or waits to be counted.
    pub fn quiet(&self) -> bool {
        let moving =
            [self.active, self.terminating, self.uncounted_succeeded, self.uncounted_failed];
        self.suspended && self.suspension_seen && moving == [0; 4]
    }

    /// Whether the Job can be credited: it has not ended, is not about to end, and is not being
    /// deleted.
    pub fn takes_credit(&self) -> bool {
        self.end.is_none() && !self.ending && !self.deleting
    }

    /// The indexes that have succeeded or failed.
    pub fn ended_indexes(&self) -> Indexes {
        self.completed_indexes.with(&self.failed_indexes)
    }

    /// The credited indexes by the annotation; none if there is no annotation that can be read.
    pub fn credited_indexes(&self) -> Indexes {
        self.credited.as_ref().and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    /// The number of credited completions by the annotation; 0 if there is none that can be read.
    pub fn credited_count(&self) -> i32 {
        match &self.credited {
            Some(_) if self.indexed => self.credited_indexes().len(),
            Some(text) => text.parse::<i32>().unwrap_or(0).max(0),
            None => 0,
        }
    }
}

fn annotation<'a>(metadata: &'a Value, key: &str) -> Option<&'a str> {
    metadata["annotations"].get(key)?.as_str()
}

/// A number of pods or completions, which is at least 0.
fn number(value: &Value) -> Option<i32> {
    value.as_i64().and_then(|n| i32::try_from(n).ok()).filter(|n| *n >= 0)
}

fn indexes(value: &Value) -> Indexes {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn uncounted(status: &Value, of: &str) -> i32 {
    let uids = status["uncountedTerminatedPods"][of].as_array().map_or(0, Vec::len);
    i32::try_from(uids).unwrap_or(i32::MAX)
}

fn is_true(status: &Value, kind: &str) -> bool {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    conditions
        .into_iter()
        .any(|condition| condition["type"] == kind && condition["status"] == "True")
}

fn owner(labels: &Value) -> Option<Ownership> {
    let label = |key| labels.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(Ownership {
        federation: label(labels::FEDERATION)?,
        job: label(labels::JOB)?,
        shard: label(labels::SHARD)?,
    })
}

fn end(status: &Value) -> Option<End> {
    status["conditions"]
        .as_array()?
        .iter()
        .filter(|condition| condition["status"] == "True")
        .find_map(|condition| {
            let kind = match condition["type"].as_str()? {
                "Complete" => EndKind::Complete,
                "Failed" => EndKind::Failed,
                _ => return None,
            };
            Some(End {
                kind,
                reason: text(&condition["reason"]),
                message: text(&condition["message"]),
                at: time(&status["completionTime"])
                    .or_else(|| time(&condition["lastTransitionTime"])),
            })
        })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}
