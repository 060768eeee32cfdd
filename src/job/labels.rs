//! The labels and annotations of shards.

/// The prefix of our labels and annotations.
const PREFIX: &str = "kubectl-federate.dev/";
/// Annotation on a federated Job. With `true`, another shard does what is left of a shard that
/// somebody deleted.
pub const REOPEN: &str = "kubectl-federate.dev/reopen";
/// Label on a shard and on its pods: the uid of the federation.
pub const FEDERATION: &str = "kubectl-federate.dev/federation";
/// Label on a shard and on its pods: the uid of the federated Job.
pub const JOB: &str = "kubectl-federate.dev/job";
/// Label on a shard and on its pods: the shard's id within the federated Job.
pub const SHARD: &str = "kubectl-federate.dev/shard";

/// Annotation on a shard: what was credited, a number, or the indexes for an Indexed Job. It is
/// written in one request with the status that counts the credit, so that the two never differ.
pub const CREDITED: &str = "kubectl-federate.dev/credited";
/// Annotation on a shard: the number of the last change of its spec, counted by the ledger.
pub const GENERATION: &str = "kubectl-federate.dev/generation";

/// Labels that the Job controller generates. A server refuses a new Job that has another Job's
/// `controller-uid` with 422.
const GENERATED: [&str; 4] = [
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
];

/// Whether the Job controller or this program sets the label or annotation on single shards. A
/// submitted Job must not have it.
pub(super) fn is_generated(key: &str) -> bool {
    GENERATED.contains(&key) || (key.starts_with(PREFIX) && key != REOPEN)
}

/// The owner of a shard: the values of the three labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    /// The federation's uid.
    pub federation: String,
    /// The federated Job's uid.
    pub job: String,
    /// The shard's id in the ledger of that Job.
    pub shard: String,
}

impl Ownership {
    /// The labels, as written to a Job and its pods.
    pub fn labels(&self) -> [(&'static str, &str); 3] {
        [(FEDERATION, &self.federation), (JOB, &self.job), (SHARD, &self.shard)]
    }
}
