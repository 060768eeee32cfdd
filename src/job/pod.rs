//! A pod of a Job as it was read from a member.

use serde_json::Value;

/// The finalizer that the Job controller keeps on a pod until it has counted the pod.
const TRACKING: &str = "batch.kubernetes.io/job-tracking";
const INDEX: &str = "batch.kubernetes.io/job-completion-index";
const INDEX_FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";

/// The label of a pod that has the uid of its Job (since Kubernetes 1.27).
pub const UID_LABEL: &str = "batch.kubernetes.io/controller-uid";

/// The label selector of the pods of the Jobs with these uids. Our own labels would not do: the
/// pods of an adopted Job do not carry them.
pub fn selector(uids: &[&str]) -> String {
    match uids {
        [uid] => format!("{UID_LABEL}={uid}"),
        uids => format!("{UID_LABEL} in ({})", uids.join(",")),
    }
}

/// The fields of a pod that a credit needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// Its completion index, in an Indexed Job.
    pub index: Option<i32>,
    /// How often its index failed before it was created, in a Job with `backoffLimitPerIndex`:
    /// annotation `batch.kubernetes.io/job-index-failure-count`.
    pub index_failures: i32,
    /// Whether the Job controller has yet to count the pod: it has the finalizer
    /// `batch.kubernetes.io/job-tracking`.
    pub tracked: bool,
    /// `status.phase`.
    pub phase: Phase,
    /// Whether `metadata.deletionTimestamp` is set.
    pub deleting: bool,
}

/// `status.phase` of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not all containers have started, or the phase is unknown.
    Pending,
    /// At least one container runs.
    Running,
    /// All containers ended with exit code 0.
    Succeeded,
    /// All containers ended, at least one of them with another exit code.
    Failed,
}

impl Pod {
    /// Reads a pod from an API server's object.
    pub fn from_object(pod: &Value) -> Self {
        let metadata = &pod["metadata"];
        let finalizers = metadata["finalizers"].as_array();
        let index = [&metadata["annotations"], &metadata["labels"]]
            .into_iter()
            .find_map(|map| map.get(INDEX));
        Self {
            name: metadata["name"].as_str().unwrap_or_default().to_owned(),
            resource_version: metadata["resourceVersion"].as_str().unwrap_or_default().to_owned(),
            index: index.and_then(Value::as_str).and_then(|index| index.parse().ok()),
            index_failures: metadata["annotations"]
                .get(INDEX_FAILURES)
                .and_then(Value::as_str)
                .and_then(|count| count.parse().ok())
                .unwrap_or(0),
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

    /// Whether its containers have ended well.
    pub fn succeeded(&self) -> bool {
        self.phase == Phase::Succeeded
    }

    /// Whether its containers have ended.
    pub fn ended(&self) -> bool {
        matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }
}
