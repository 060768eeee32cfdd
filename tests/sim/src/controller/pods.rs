//! The pods of a Job: which of them count as what, which go first, and how a new one is made.

use std::cmp::Reverse;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::job::indexed;
use crate::object::{
    self, annotation, deleting, has_condition, moment, number, put, put_default, text,
};

/// The finalizer on pods that are not counted yet.
pub(crate) const TRACKING: &str = "batch.kubernetes.io/job-tracking";
/// The annotation, and label, with a pod's index.
pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// How often an index has failed before this pod.
pub(super) const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
/// The same for failures that are not counted.
pub(super) const IGNORED: &str = "batch.kubernetes.io/job-index-ignored-failure-count";
const INDEX_VARIABLE: &str = "JOB_COMPLETION_INDEX";
/// Generated names have at most 63 characters, five of them random.
const LONGEST_PREFIX: usize = 58;

pub(super) type Pod = Arc<Value>;

pub(super) fn phase(pod: &Value) -> &str {
    text(pod, "/status/phase")
}

pub(super) fn ended(pod: &Value) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

pub(super) fn active(pod: &Value) -> bool {
    !ended(pod) && !deleting(pod)
}

pub(super) fn terminating(pod: &Value) -> bool {
    !ended(pod) && deleting(pod)
}

pub(super) fn ready(pod: &Value) -> bool {
    has_condition(pod, "Ready", "True")
}

pub(super) fn tracked(pod: &Value) -> bool {
    object::has_finalizer(pod, TRACKING)
}

/// Whether only pods that have failed for good are replaced.
pub(super) fn replaces_failed_only(job: &Value) -> bool {
    text(job, "/spec/podReplacementPolicy") == "Failed"
        || !job["spec"]["podFailurePolicy"].is_null()
}

/// Whether a pod is a failure: one that is being deleted is, unless only those that have ended are
/// replaced.
pub(super) fn failed(pod: &Value, job: &Value) -> bool {
    phase(pod) == "Failed"
        || (!replaces_failed_only(job) && deleting(pod) && phase(pod) != "Succeeded")
}

/// The pod's index.
pub(super) fn index(pod: &Value) -> Option<i64> {
    annotation(pod, INDEX)?.parse().ok().filter(|index| *index >= 0)
}

/// The pod's index, where it is one of the Job's.
pub(super) fn valid_index(pod: &Value, job: &Value) -> Option<i64> {
    index(pod).filter(|index| *index < number(job, "/spec/completions").unwrap_or_default())
}

/// How often the pod's index had failed before it, counted and not counted.
pub(super) fn failures(pod: &Value, key: &str) -> u32 {
    annotation(pod, key).and_then(|count| count.parse().ok()).unwrap_or_default()
}

/// Puts the pods in the order in which they are given up: those that have come least far first.
fn by_progress(pods: &mut [Pod]) {
    pods.sort_by_key(|pod| {
        let phase = match phase(pod) {
            "Pending" => 0,
            "Unknown" => 1,
            _ => 2,
        };
        let made = moment(pod, "/metadata/creationTimestamp").unwrap_or_default();
        (!text(pod, "/spec/nodeName").is_empty(), phase, ready(pod), Reverse(made))
    });
}

/// The active pods that have to go: those with no index, a wrong one or one that another has, and
/// then as many as it takes.
pub(super) fn surplus(job: &Value, pods: &[Pod], at_least: usize) -> Vec<Pod> {
    let (mut gone, mut left) = (Vec::new(), Vec::new());
    if indexed(job) {
        let mut sorted: Vec<Pod> = pods.to_vec();
        sorted.sort_by_key(|pod| index(pod));
        for same in sorted.chunk_by(|a, b| index(a) == index(b)) {
            if valid_index(&same[0], job).is_none() {
                gone.extend_from_slice(same);
                continue;
            }
            let mut same = same.to_vec();
            by_progress(&mut same);
            left.extend(same.pop());
            gone.extend(same);
        }
    } else {
        left = pods.to_vec();
    }
    if gone.len() < at_least {
        by_progress(&mut left);
        left.truncate(at_least - gone.len());
        gone.extend(left);
    }
    gone
}

/// A new pod of a Job, for an index where the Job is Indexed. `replaced` is the pod of that index
/// that failed.
pub(super) fn make(job: &Value, index: Option<i64>, replaced: Option<&Value>) -> Value {
    let template = &job["spec"]["template"];
    let mut pod = json!({"metadata": {}, "spec": template["spec"]});
    for field in ["labels", "annotations", "finalizers"] {
        object::copy(&mut pod, template, &["metadata", field]);
    }
    let name = object::name(job);
    let mut prefix = format!("{name}-");
    if let Some(index) = index {
        let number = index.to_string();
        put(&mut pod, &["metadata", "annotations", INDEX], number.as_str());
        put(&mut pod, &["metadata", "labels", INDEX], number.as_str());
        put(&mut pod, &["spec", "hostname"], format!("{name}-{index}"));
        let end = format!("-{index}-");
        let kept: String = name.chars().take(LONGEST_PREFIX - end.len()).collect();
        prefix = kept + &end;
        for list in ["initContainers", "containers"] {
            for container in
                pod["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
            {
                add_variable(container);
            }
        }
        if !job["spec"]["backoffLimitPerIndex"].is_null() {
            count_failures(&mut pod, job, replaced);
        }
    }
    put(&mut pod, &["metadata", "generateName"], prefix);
    let mut finalizers = object::items(&pod, "/metadata/finalizers").to_vec();
    if !finalizers.iter().any(|f| f == TRACKING) {
        finalizers.push(TRACKING.into());
    }
    put(&mut pod, &["metadata", "finalizers"], finalizers);
    let owner = json!({
        "apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": object::uid(job),
        "controller": true, "blockOwnerDeletion": true,
    });
    put(&mut pod, &["metadata", "ownerReferences"], json!([owner]));
    pod
}

fn add_variable(container: &mut Value) {
    put_default(container, &["env"], json!([]));
    let Some(list) = container["env"].as_array_mut() else { return };
    if !list.iter().any(|v| v["name"] == INDEX_VARIABLE) {
        let field = format!("metadata.labels['{INDEX}']");
        list.push(json!({"name": INDEX_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": field}}}));
    }
}

fn count_failures(pod: &mut Value, job: &Value, replaced: Option<&Value>) {
    let (mut counted, mut ignored) = (0, 0);
    if let Some(replaced) = replaced {
        counted = failures(replaced, FAILURES);
        ignored = failures(replaced, IGNORED);
        if super::policy::counts(job, replaced) {
            counted += 1;
        } else {
            ignored += 1;
        }
    }
    put(pod, &["metadata", "annotations", FAILURES], counted.to_string());
    if ignored > 0 {
        put(pod, &["metadata", "annotations", IGNORED], ignored.to_string());
    }
}
