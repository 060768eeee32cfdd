//! A Job as it was read from a member.

use jiff::Timestamp;
use serde_json::Value;

use super::{Indexes, Ownership, gang, labels, queue};

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
    /// `metadata.creationTimestamp`.
    pub created: Option<Timestamp>,
    /// The owner of the shard, if the Job has all three labels.
    pub owner: Option<Ownership>,
    /// Whether it is being deleted: `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// The last change of the spec that the Job has: [`labels::GENERATION`]; 0 without one.
    pub generation: i32,
    /// The last edit of the template that the Job has: [`labels::TEMPLATE_GENERATION`]; 0 without
    /// one.
    pub template_generation: i32,
    /// `spec.template` of a suspended Job; null for any other, whose template cannot change.
    pub template: Value,
    /// What was credited, as the annotation says: [`labels::CREDITED`].
    pub credited: Option<String>,
    /// `spec.suspend`.
    pub suspended: bool,
    /// Whether this program suspended it so that it ends ([`labels::STOPPED`]).
    pub was_stopped: bool,
    /// Whether Kueue is stopping it ([`queue::STOPPING`]): its queue cannot change meanwhile.
    pub stopping: bool,
    /// The queue that it waits in, if its cluster decides when it runs ([`labels::QUEUE`]); empty
    /// for none. Of a Job that was admitted before it had the annotation, the queue that it is in.
    pub queue: Option<String>,
    /// Whether it is in the queue of Jobs that are held: [`queue::HOLD_QUEUE`].
    pub in_hold_queue: bool,
    /// Whether its template has what Kueue sets at an admission, or did not put back.
    pub was_admitted: bool,
    /// Whether its template says that its cluster has admitted it to that queue, which no cluster
    /// should have.
    pub admitted_to_hold_queue: bool,
    /// `spec.parallelism`.
    pub parallelism: i32,
    /// The `minCount` of `spec.scheduling.schedulingPolicy.gang`.
    pub min_count: Option<i32>,
    /// `spec.activeDeadlineSeconds`.
    pub active_deadline_seconds: Option<i64>,
    /// `spec.backoffLimit`.
    pub backoff_limit: Option<i32>,
    /// `spec.ttlSecondsAfterFinished`.
    pub ttl_seconds: Option<i64>,
    /// `spec.backoffLimitPerIndex`.
    pub backoff_limit_per_index: Option<i32>,
    /// Whether a rule of `spec.podFailurePolicy` ignores failures.
    pub ignores_failures: bool,
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
    /// Reads a Job from an API server's object. An absent field is zero or `None`, as in the Job
    /// API.
    pub fn from_object(job: &Value) -> Self {
        let metadata = &job["metadata"];
        let status = &job["status"];
        let count = |field: &str| number(&status[field]).unwrap_or(0);
        let generation = |key| annotation(metadata, key).and_then(|n| n.parse().ok()).unwrap_or(0);
        let suspended = job["spec"]["suspend"] == true;
        let in_queue = metadata["labels"].get(queue::QUEUE_NAME).map(|name| text(name).to_owned());
        let template = &job["spec"]["template"];
        let was_admitted = queue::was_admitted(template);
        let in_hold_queue = in_queue.as_ref().is_some_and(|queue| queue == queue::HOLD_QUEUE);
        Self {
            name: text(&metadata["name"]).to_owned(),
            uid: text(&metadata["uid"]).to_owned(),
            created: time(&metadata["creationTimestamp"]),
            owner: owner(&metadata["labels"]),
            deleting: metadata["deletionTimestamp"].is_string(),
            resource_version: text(&metadata["resourceVersion"]).to_owned(),
            generation: generation(labels::GENERATION),
            template_generation: generation(labels::TEMPLATE_GENERATION),
            template: if suspended { template.clone() } else { Value::Null },
            credited: annotation(metadata, labels::CREDITED).map(str::to_owned),
            suspended,
            was_stopped: annotation(metadata, labels::STOPPED) == Some("true"),
            stopping: annotation(metadata, queue::STOPPING) == Some("true"),
            queue: annotation(metadata, labels::QUEUE)
                .map(str::to_owned)
                .or_else(|| was_admitted.then(|| in_queue.clone().unwrap_or_default())),
            in_hold_queue,
            was_admitted,
            admitted_to_hold_queue: !suspended && queue::is_of_hold_queue(template),
            parallelism: number(&job["spec"]["parallelism"]).unwrap_or(1),
            min_count: gang::written(&job["spec"]),
            active_deadline_seconds: job["spec"]["activeDeadlineSeconds"].as_i64(),
            backoff_limit: number(&job["spec"]["backoffLimit"]),
            ttl_seconds: job["spec"]["ttlSecondsAfterFinished"].as_i64(),
            backoff_limit_per_index: number(&job["spec"]["backoffLimitPerIndex"]),
            ignores_failures: ignores_failures(&job["spec"]["podFailurePolicy"]),
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
    /// Whether the Job runs no pods and none of it has run: no counter has moved. It is suspended,
    /// or it is held and was resumed by somebody.
    pub fn has_run_nothing(&self) -> bool {
        let is_held_without_pods = self.in_hold_queue && self.parallelism == 0;
        (is_held_without_pods || (self.suspended && self.start.is_none()))
            && [self.active, self.terminating, self.failed] == [0; 3]
            && self.succeeded == self.credited_count()
    }

    /// Whether the Job controller has looked at the Job. It makes what a gang needs at its first
    /// look, and only if nothing has succeeded by then, not even by a credit.
    pub fn was_looked_at(&self) -> bool {
        let is_suspended = |condition: &Value| condition["type"] == "Suspended";
        self.start.is_some()
            || self.end.is_some()
            || self.conditions.iter().any(is_suspended)
            || [self.active, self.terminating, self.succeeded, self.failed] != [0; 4]
    }

    /// Whether the Job stays suspended until this program lets it run.
    pub fn is_held(&self) -> bool {
        self.suspended && (self.queue.is_none() || self.in_hold_queue)
    }

    /// Whether the Job was let run: it is not suspended, or its cluster may resume it.
    pub fn was_released(&self) -> bool {
        if self.queue.is_some() { !self.in_hold_queue } else { !self.suspended }
    }

    /// Whether this program has stopped the Job, and not somebody in its cluster.
    pub fn is_stopped(&self) -> bool {
        self.suspended && (self.was_stopped || self.in_hold_queue)
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

    /// Whether a server may let the template change: the Job is suspended, has no pods, and its Job
    /// controller has seen the suspension if it ever started
    /// (`shouldAllowMutablePodTemplate` in `pkg/registry/batch/job/strategy.go`).
    pub fn template_may_change(&self) -> bool {
        self.suspended && (self.start.is_none() || self.suspension_seen) && self.active == 0
    }

    /// Whether the Job can be credited: it has not ended, is not about to end, and is not being
    /// deleted.
    pub fn takes_credit(&self) -> bool {
        self.end.is_none() && !self.ending && !self.deleting
    }

    /// Whether the Job is about to end and cannot: it is suspended and has no `startTime`.
    ///
    /// Since 1.36 a suspension clears `startTime`, and no server accepts a finished Job without one
    /// (`ValidateJobStatusUpdate` in `pkg/apis/batch/validation`). The Job controller sets none
    /// while the Job is suspended. This happens if the last pods are counted after the suspension.
    pub fn ends_only_with_start(&self) -> bool {
        let about_to_end = self.ending && self.end.is_none() && !self.deleting;
        about_to_end && self.suspended && self.start.is_none()
    }

    /// When the Job controller decided that the Job ends, as far as it has: it may wait for pods
    /// from then on.
    pub fn decided_at(&self) -> Option<Timestamp> {
        let decides = |condition: &&Value| {
            let kind = text(&condition["type"]);
            ["FailureTarget", "SuccessCriteriaMet"].contains(&kind) && condition["status"] == "True"
        };
        let decided = self.conditions.iter().find(decides);
        decided
            .and_then(|condition| time(&condition["lastTransitionTime"]))
            .or_else(|| self.end.as_ref()?.at)
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
                reason: text(&condition["reason"]).to_owned(),
                message: text(&condition["message"]).to_owned(),
                at: time(&status["completionTime"])
                    .or_else(|| time(&condition["lastTransitionTime"])),
            })
        })
}

/// A field of an object that is text; empty if it is not there, or none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}
/// Whether a rule of a `podFailurePolicy` has the action `Ignore` (KEP-3329).
fn ignores_failures(policy: &Value) -> bool {
    let rules = policy["rules"].as_array();
    rules.into_iter().flatten().any(|rule| rule["action"] == "Ignore")
}
