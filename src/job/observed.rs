//! What a Job in a member says of itself.

use jiff::Timestamp;
use serde_json::Value;

use super::{Ownership, labels};

/// A typed view of a Job read from a member; what the decisions need, and no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// Whose shard it is, where it carries all three labels.
    pub owner: Option<Ownership>,
    /// `metadata.deletionTimestamp` is set: it is being deleted.
    pub deleting: bool,
    /// `spec.suspend`.
    pub suspended: bool,
    /// `status.active`: pods that are pending or running.
    pub active: i32,
    /// `status.ready`: pods that are ready.
    pub ready: i32,
    /// `status.terminating`: pods that are ending, not counted as active.
    pub terminating: i32,
    /// `status.succeeded`. It can exceed completions.
    pub succeeded: i32,
    /// `status.failed`.
    pub failed: i32,
    /// `status.startTime`.
    pub start: Option<Timestamp>,
    /// How it ended, once it did.
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
    /// When: the completion time, or the condition's last transition.
    pub at: Option<Timestamp>,
}

/// The two ways a Job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndKind {
    /// All its completions succeeded.
    Complete,
    /// Its Job controller gave up.
    Failed,
}

impl Observed {
    /// Reads a Job as an API server gave it. What is absent is zero or none, as in the Job API.
    pub fn of(job: &Value) -> Self {
        let metadata = &job["metadata"];
        let status = &job["status"];
        let count = |field: &str| status[field].as_i64().and_then(|n| i32::try_from(n).ok()).unwrap_or(0);
        Self {
            name: text(&metadata["name"]),
            uid: text(&metadata["uid"]),
            owner: owner(&metadata["labels"]),
            deleting: metadata["deletionTimestamp"].is_string(),
            suspended: job["spec"]["suspend"] == true,
            active: count("active"),
            ready: count("ready"),
            terminating: count("terminating"),
            succeeded: count("succeeded"),
            failed: count("failed"),
            start: time(&status["startTime"]),
            end: end(status),
        }
    }
}

impl Observed {
    /// Whether nothing of it is running or has ended: it is suspended, and no counter ever moved.
    pub fn has_run_nothing(&self) -> bool {
        self.suspended
            && self.start.is_none()
            && [self.active, self.terminating, self.succeeded, self.failed] == [0; 4]
    }
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
    status["conditions"].as_array()?.iter().filter(|condition| condition["status"] == "True").find_map(
        |condition| {
            let kind = match condition["type"].as_str()? {
                "Complete" => EndKind::Complete,
                "Failed" => EndKind::Failed,
                _ => return None,
            };
            Some(End {
                kind,
                reason: text(&condition["reason"]),
                message: text(&condition["message"]),
                at: time(&status["completionTime"]).or_else(|| time(&condition["lastTransitionTime"])),
            })
        },
    )
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}
