//! The labels and annotations by which a Job in a member is known to be a shard of ours.

/// How our labels and annotations begin.
const PREFIX: &str = "kubectl-federate.dev/";
/// Annotation on a federated Job: `true` says that what is left of a shard that somebody deleted is
/// to be done by another.
pub const REOPEN: &str = "kubectl-federate.dev/reopen";
/// Label on a shard and on its pods: the uid of the federation.
pub const FEDERATION: &str = "kubectl-federate.dev/federation";
/// Label on a shard and on its pods: the uid of the federated Job.
pub const JOB: &str = "kubectl-federate.dev/job";
/// Label on a shard and on its pods: the shard's id within the federated Job.
pub const SHARD: &str = "kubectl-federate.dev/shard";

/// Annotation on a shard: what it was credited, a number or, of an Indexed Job, the indexes. It is
/// written together with the status that says that they are done, so that the two never differ.
pub const CREDITED: &str = "kubectl-federate.dev/credited";
/// Annotation on a shard: which of the changes of its spec it has, counted by the ledger.
pub const GENERATION: &str = "kubectl-federate.dev/generation";

/// Labels that the Job controller generates, on Jobs fetched from a cluster. A Job created with a
/// foreign `controller-uid` is refused with 422.
const GENERATED: [&str; 4] = [
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
];

/// Whether a label or an annotation says something of one shard or its pods, so that no Job that is
/// submitted may have it: the Job controller or we put it there.
pub(super) fn is_generated(key: &str) -> bool {
    GENERATED.contains(&key) || (key.starts_with(PREFIX) && key != REOPEN)
}

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
