//! The labels and annotations of shards.

use serde::{Deserialize, Serialize};

/// The prefix of our labels and annotations.
const PREFIX: &str = "kubectl-federate.dev/";
/// Annotation on a federated Job. With `true`, another shard does what is left of a shard that
/// somebody deleted.
pub const REOPEN: &str = "kubectl-federate.dev/reopen";
/// Annotation on a federated Job: how long its shards may run without contact, such as `30m`, or
/// `none`. It wins over the leases of the members.
pub const LEASE: &str = "kubectl-federate.dev/lease";
/// Label on a Job: the queue that it waits in (Kueue's `LocalQueue`).
pub const QUEUE_NAME: &str = "kueue.x-k8s.io/queue-name";
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
/// Annotation on a shard whose Job this program has suspended so that it ends, `"true"`. What
/// somebody else has suspended lacks it. A queued Job is stopped by its queue instead.
pub const STOPPED: &str = "kubectl-federate.dev/stopped";
/// Annotation on a shard: what is needed to rebuild the record of its federated Job, compressed. It
/// is written with each change of the spec.
pub const RECOVERY: &str = "kubectl-federate.dev/recovery";
/// Annotation on a shard whose cluster decides when it runs: the queue that its Job is to wait in,
/// empty for none. The Job has it from its creation on, so that every process knows how to hold it.
pub const QUEUE: &str = "kubectl-federate.dev/queue";
/// Annotation on a shard: the generation of the last edit of the template that the Job has. A Job
/// without it has the template that it was created with.
pub const TEMPLATE_GENERATION: &str = "kubectl-federate.dev/template-generation";

/// Labels that the Job controller generates. A server refuses a new Job that has another Job's
/// `controller-uid` with 422.
const GENERATED: [&str; 4] = [
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
];

/// Annotation on a Job that Kueue is stopping, `"true"`: about a second passes until Kueue has put
/// its template back. Kueue's webhook lets no such Job have another queue.
pub const STOPPING: &str = "kueue.x-k8s.io/stopping";
/// Annotation on the template of a Job that Kueue has admitted: the name of its `Workload`.
pub(super) const WORKLOAD: &str = "kueue.x-k8s.io/workload";
/// Label on the template of a Job that Kueue has admitted: the queue that admitted it.
pub(super) const LOCAL_QUEUE: &str = "kueue.x-k8s.io/local-queue-name";

/// What Kueue sets on a Job that it stops, and in the template of one that it admits. They are
/// about one Job in one cluster.
const ADMITTED: [&str; 6] = [
    STOPPING,
    WORKLOAD,
    LOCAL_QUEUE,
    "kueue.x-k8s.io/cluster-queue-name",
    "kueue.x-k8s.io/podset",
    "kueue.x-k8s.io/tas",
];

/// Whether the Job controller, Kueue or this program sets the label or annotation on single Jobs. A
/// submitted Job must not have it: without Kueue it would count as one that Kueue has admitted.
pub(super) fn is_generated(key: &str) -> bool {
    GENERATED.contains(&key) || ADMITTED.contains(&key) || is_reserved_for_shards(key)
}

/// Whether the label or annotation is one that only this program writes, and only on shards.
pub(super) fn is_reserved_for_shards(key: &str) -> bool {
    key.starts_with(PREFIX) && ![REOPEN, LEASE].contains(&key)
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

/// A federated Job, maybe of another federation, by what the labels of its shards say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct Owner {
    /// The federation's uid.
    pub federation: String,
    /// The federated Job's uid.
    pub job: String,
}

impl Ownership {
    /// Whose shard it is.
    pub fn owner(&self) -> Owner {
        Owner { federation: self.federation.clone(), job: self.job.clone() }
    }

    /// The labels, as written to a Job and its pods.
    pub fn labels(&self) -> [(&'static str, &str); 3] {
        [(FEDERATION, &self.federation), (JOB, &self.job), (SHARD, &self.shard)]
    }
}
