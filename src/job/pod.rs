//! What a pod of a Job says of itself.

use serde_json::Value;

/// By this finalizer the Job controller holds a pod until it has counted it.
const TRACKING: &str = "batch.kubernetes.io/job-tracking";
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// A typed view of a pod; what a credit needs to know, and no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// Its completion index, in an Indexed Job.
    pub index: Option<i32>,
    /// The Job controller has not counted it yet: it carries the finalizer
    /// `batch.kubernetes.io/job-tracking`.
    pub tracked: bool,
    /// `status.phase`.
    pub phase: Phase,
    /// `metadata.deletionTimestamp` is set.
    pub deleting: bool,
}

/// `status.phase` of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not all of its containers were started, or nothing is known of it.
    Pending,
    /// At least one container runs.
    Running,
    /// All containers ended with exit code 0.
    Succeeded,
    /// All containers ended, one of them not with 0.
    Failed,
}

impl Pod {
    /// Reads a pod as an API server gave it.
    pub fn of(pod: &Value) -> Self {
        let metadata = &pod["metadata"];
        let finalizers = metadata["finalizers"].as_array();
        let index = [&metadata["annotations"], &metadata["labels"]]
            .into_iter()
            .find_map(|map| map.get(INDEX));
        Self {
            name: metadata["name"].as_str().unwrap_or_default().to_owned(),
            resource_version: metadata["resourceVersion"].as_str().unwrap_or_default().to_owned(),
            index: index.and_then(Value::as_str).and_then(|index| index.parse().ok()),
            tracked: finalizers.is_some_and(|finalizers| finalizers.iter().any(|f| f == TRACKING)),
            phase: match pod["status"]["phase"].as_str() {
                Some("Running") => Phase::Running,
                Some("Succeeded") => Phase::Succeeded,
                Some("Failed") => Phase::Failed,
                _ => Phase::Pending,
            },
            deleting: metadata["deletionTimestamp"].is_string(),
        }
    }

    /// Whether the Job controller counts it as active: it has not ended and is not being deleted.
    pub fn active(&self) -> bool {
        !self.ended() && !self.deleting
    }

    /// Whether it runs and may go on.
    pub fn runs(&self) -> bool {
        self.phase == Phase::Running && !self.deleting
    }

    /// Whether its containers have ended.
    pub fn ended(&self) -> bool {
        matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }
}
