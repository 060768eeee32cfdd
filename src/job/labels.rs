//! The labels and annotations by which a Job in a member is known to be a shard of ours.

/// Label on a shard and on its pods: the uid of the federation.
pub const FEDERATION: &str = "kubectl-federate.dev/federation";
/// Label on a shard and on its pods: the uid of the federated Job.
pub const JOB: &str = "kubectl-federate.dev/job";
/// Label on a shard and on its pods: the shard's id within the federated Job.
pub const SHARD: &str = "kubectl-federate.dev/shard";

/// Annotation on a shard: what it was credited, a number or, of an Indexed Job, the indexes. It is written together with
/// the status that says that they are done, so that the two never differ.
pub const CREDITED: &str = "kubectl-federate.dev/credited";
/// Annotation on a shard: which of the changes of its spec it has, counted by the ledger.
pub const GENERATION: &str = "kubectl-federate.dev/generation";

/// Labels that the Job controller generates, on Jobs fetched from a cluster. A Job created with a
/// foreign `controller-uid` is refused with 422.
pub(super) const GENERATED: [&str; 4] =
    ["controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"];

/// Whose a shard is: the values of the three labels.
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
    /// The labels as they are written to a Job and to its pods.
    pub fn labels(&self) -> [(&'static str, &str); 3] {
        [(FEDERATION, &self.federation), (JOB, &self.job), (SHARD, &self.shard)]
    }
}
