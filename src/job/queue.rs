//! Jobs whose cluster decides when they run; pure.
//!
//! A queueing system such as Kueue suspends the Jobs that are created, resumes them when there is
//! room, and suspends them again when somebody else resumes them. A shard in such a cluster is
//! *queued*. Its Job is stopped by a *hold*, and never by `spec.suspend` alone: the cluster undoes
//! that.
//!
//! A hold has three parts, which are written in one request:
//!
//! - a queue that does not exist, [`HOLD_QUEUE`]. Kueue admits no Job of such a queue;
//! - `parallelism: 0`. Kueue drops the quota of a Job whose parallelism changes. A Job that another
//!   system resumes runs no pods;
//! - `suspend: true`.
//!
//! Only the names of the label and of the annotations are Kueue's. Every other system that owns
//! `spec.suspend` gets the same hold.

use serde_json::{Map, Value, json};

use super::{
    Manifest, Patch, gang,
    labels::{self, LOCAL_QUEUE, WORKLOAD},
};

pub use labels::{QUEUE_NAME, STOPPING};

/// The queue of a Job that is held. No cluster has it.
pub const HOLD_QUEUE: &str = "kubectl-federate-hold";

/// What Kueue sets in the template of a Job that it admits, as JSON pointers below `spec.template`.
const SET_AT_ADMISSION: [&str; 6] = [
    "/spec/nodeSelector",
    "/spec/tolerations",
    "/metadata/labels/kueue.x-k8s.io~1podset",
    "/metadata/labels/kueue.x-k8s.io~1cluster-queue-name",
    "/metadata/labels/kueue.x-k8s.io~1local-queue-name",
    "/metadata/annotations/kueue.x-k8s.io~1workload",
];

/// What the labels and annotations of Kueue begin with.
const KUEUE: &str = "kueue.x-k8s.io/";

/// The fields of a template's spec by which Kueue says on which nodes its pods run.
const PLACES: [&str; 3] = ["nodeSelector", "schedulingGates", "tolerations"];

/// Annotations by which Kueue may run a Job with other counts than it has. The counts of a shard
/// are the federation's to decide.
const OTHER_COUNTS: [&str; 2] =
    ["kueue.x-k8s.io/job-min-parallelism", "kueue.x-k8s.io/job-completions-equal-parallelism"];

/// The question whether a cluster decides when this Job runs: the Job, not suspended. It must only
/// be sent as a dry run.
pub fn question(mut job: Value) -> Value {
    job["spec"]["suspend"] = false.into();
    job
}

/// The same question about a Job that exists: it is asked under a name that is not taken.
pub fn question_again(job: Value) -> Value {
    let mut job = question(job);
    let metadata = job["metadata"].as_object_mut();
    if let Some(Value::String(name)) = metadata.and_then(|metadata| metadata.remove("name")) {
        // Room for what a server appends.
        let prefix: String = name.chars().take(50).collect();
        job["metadata"]["generateName"] = format!("{prefix}-").into();
    }
    job
}

/// The queue in which a cluster would put a Job, by its answer to the [`question`]; empty for none.
/// None if the cluster leaves `spec.suspend` alone.
pub fn queue_in_answer(answer: &Value) -> Option<String> {
    let label = answer["metadata"]["labels"].get(QUEUE_NAME).and_then(Value::as_str);
    (answer["spec"]["suspend"] == true).then(|| label.unwrap_or_default().to_owned())
}

/// Why a shard must not be created in a cluster that gave this answer to the [`question`]: the
/// path of a field and a reason.
pub fn unfit(answer: &Value) -> Option<String> {
    let manager = answer["spec"]["managedBy"].as_str().unwrap_or_default();
    if !matches!(manager, "" | "kubernetes.io/job-controller") {
        return Some(format!(
            "spec.managedBy: the cluster hands the job to {manager:?}, which may run it in another \
             cluster and would overwrite what is credited to it"
        ));
    }
    if !answer["spec"]["successPolicy"].is_null() {
        return Some(
            "spec.successPolicy: the cluster adds it to the job, which would end there before all \
             of its indexes have succeeded"
                .to_owned(),
        );
    }
    queue_in_answer(answer)?;
    let annotations = &answer["metadata"]["annotations"];
    let annotation = OTHER_COUNTS.iter().find(|key| annotations.get(**key).is_some())?;
    Some(format!(
        "metadata.annotations[{annotation}]: the cluster queues the job, and would change the \
         parallelism that it was given"
    ))
}

/// Makes a Job that is to be created one that is held, and that is to wait in this queue once it is
/// released.
pub fn hold(job: &mut Value, queue: &str) {
    for (map, key, value) in
        [("labels", QUEUE_NAME, HOLD_QUEUE), ("annotations", labels::QUEUE, queue)]
    {
        if !job["metadata"][map].is_object() {
            job["metadata"][map] = Map::new().into();
        }
        job["metadata"][map][key] = value.into();
    }
    job["spec"]["suspend"] = true.into();
    job["spec"]["parallelism"] = 0.into();
    gang::hold(&mut job["spec"]);
}

/// The patch that holds a Job of this queue.
pub fn hold_patch(queue: &str) -> Value {
    let mut patch = json!({});
    hold(&mut patch, queue);
    patch
}

/// Changes a patch of a queued Job that runs or waits in its queue: `spec.suspend` is its cluster's
/// to decide. No server lets the queue of a Job change that is not suspended.
pub fn leave_in_queue(patch: &mut Value, queue: &str, parallelism: i32, is_suspended: bool) {
    leave_suspend(patch, parallelism, is_suspended);
    if is_suspended {
        set_queue(patch, queue);
    } else if let Some(labels) = patch["metadata"]["labels"].as_object_mut() {
        labels.remove(QUEUE_NAME);
    }
}

/// Changes a patch of a queued Job: it says nothing of `spec.suspend`, and of `spec.parallelism`
/// only if it changes that.
///
/// A change of `parallelism` makes Kueue stop a Job that runs, and admit it anew. The patch
/// suspends such a Job, so that no pod of it starts before it is admitted.
pub fn leave_suspend(patch: &mut Value, parallelism: i32, is_suspended: bool) {
    let Some(spec) = patch["spec"].as_object_mut() else { return };
    spec.remove("suspend");
    if spec.get("parallelism").is_none_or(|asked| *asked == parallelism) {
        spec.remove("parallelism");
    } else if !is_suspended {
        spec.insert("suspend".to_owned(), true.into());
    }
}

/// Changes a patch of a Job that is held: it goes to its queue, and its cluster decides when it
/// runs. What Kueue set in the template at an earlier admission is put back to what the manifest
/// says: otherwise the Job waits for the nodes that it had.
pub fn release(patch: &mut Value, queue: &str, manifest: &Manifest, template: &Value) {
    if let Some(spec) = patch["spec"].as_object_mut() {
        spec.remove("suspend");
    }
    set_queue(patch, queue);
    if was_admitted(template) {
        let back = put_back(template, &manifest.object()["spec"]["template"]);
        merge(&mut patch["spec"]["template"], back);
    }
}

/// Changes a patch of a Job whose cluster does not decide any more when it runs: it is resumed.
pub fn resume(patch: &mut Value) {
    patch["spec"]["suspend"] = false.into();
}

/// Whether a template has what Kueue sets at an admission.
pub fn was_admitted(template: &Value) -> bool {
    template["metadata"]["annotations"].get(WORKLOAD).is_some()
}

/// Takes what belongs to Kueue out of a template, and what it sets at an admission, for comparing.
pub(super) fn forget_admission(template: &mut Value) {
    let is_admitted = was_admitted(template);
    for map in ["labels", "annotations"] {
        let map = template.pointer_mut(&format!("/metadata/{map}")).and_then(Value::as_object_mut);
        if let Some(map) = map {
            map.retain(|key, _| !key.starts_with(KUEUE));
        }
    }
    if let Some(Value::Object(spec)) = template.get_mut("spec").filter(|_| is_admitted) {
        spec.retain(|field, _| !PLACES.contains(&field.as_str()));
    }
}

/// Whether a template is of a Job that was admitted to the queue of held Jobs. A Job that is held
/// keeps what an admission to its own queue set.
pub fn is_of_hold_queue(template: &Value) -> bool {
    template["metadata"]["labels"].get(LOCAL_QUEUE).is_some_and(|queue| queue == HOLD_QUEUE)
}

fn set_queue(patch: &mut Value, queue: &str) {
    let queue = Some(queue).filter(|queue| !queue.is_empty());
    patch["metadata"]["labels"][QUEUE_NAME] = queue.into();
}

/// The merge patch that gives a template what the manifest has in the fields that Kueue sets.
fn put_back(current: &Value, asked: &Value) -> Value {
    let mut wanted = current.clone();
    for pointer in SET_AT_ADMISSION {
        let (parent, key) = pointer.rsplit_once('/').unwrap_or_default();
        let key = key.replace("~1", "/");
        let Some(fields) = wanted.pointer_mut(parent).and_then(Value::as_object_mut) else {
            continue;
        };
        match asked.pointer(pointer) {
            Some(value) => _ = fields.insert(key, value.clone()),
            None => _ = fields.remove(&key),
        }
    }
    Patch::difference(current, &wanted)
}

/// Adds the fields of a patch to another, whose own fields count.
fn merge(into: &mut Value, other: Value) {
    match (into, other) {
        (Value::Object(into), Value::Object(other)) => {
            for (key, value) in other {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into @ Value::Null, other) => *into = other,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
            "spec": {"template": {"spec": {"nodeSelector": {"disk": "ssd"},
                "containers": [{"name": "pi", "image": "pi"}], "restartPolicy": "Never"}}}});
        Manifest::new(job, "work", "").expect("valid")
    }

    #[test]
    fn who_decides_when_a_job_runs_is_told_by_the_answer_and_not_by_the_label() {
        let answer = |suspend: bool, labels: Value| {
            let answer = json!({"metadata": {"labels": labels}, "spec": {"suspend": suspend}});
            queue_in_answer(&answer)
        };
        let queue = json!({QUEUE_NAME: "team"});
        assert_eq!(answer(true, queue.clone()), Some("team".to_owned()));
        assert_eq!(answer(true, Value::Null), Some(String::new()));
        assert_eq!(answer(false, queue), None);
    }

    #[test]
    fn a_job_that_others_would_run_or_change_is_unfit() {
        let answer = |suspend: bool, manager: Value, annotations: Value| {
            unfit(&json!({"metadata": {"annotations": annotations},
                "spec": {"suspend": suspend, "managedBy": manager}}))
            .unwrap_or_default()
        };
        let none = Value::Null;
        for manager in [json!(null), json!(""), json!("kubernetes.io/job-controller")] {
            assert_eq!(answer(true, manager, none.clone()), "");
        }
        let multikueue = json!("kueue.x-k8s.io/multikueue");
        assert!(answer(true, multikueue.clone(), none.clone()).starts_with("spec.managedBy: "));
        assert!(answer(false, multikueue, none).starts_with("spec.managedBy: "));
        for key in OTHER_COUNTS {
            let annotations = json!({key: "1"});
            let why = answer(true, json!(null), annotations.clone());
            assert!(why.starts_with(&format!("metadata.annotations[{key}]: ")), "{why}");
            assert_eq!(answer(false, json!(null), annotations), "", "no queue, no change");
        }
    }

    #[test]
    fn a_patch_of_a_queued_job_leaves_suspend_to_its_cluster() {
        let patch = || {
            json!({"metadata": {"labels": {QUEUE_NAME: "team", "a": "b"}},
                "spec": {"suspend": false, "parallelism": 3, "backoffLimit": 2}})
        };
        let after = |parallelism: i32, is_suspended: bool| {
            let mut patch = patch();
            leave_in_queue(&mut patch, "team", parallelism, is_suspended);
            (patch["metadata"]["labels"].clone(), patch["spec"].clone())
        };
        let (waiting, admitted) = (json!({QUEUE_NAME: "team", "a": "b"}), json!({"a": "b"}));
        let limits = json!({"backoffLimit": 2});
        assert_eq!(after(3, true), (waiting.clone(), limits.clone()));
        assert_eq!(after(3, false), (admitted.clone(), limits));
        assert_eq!(after(2, true), (waiting, json!({"parallelism": 3, "backoffLimit": 2})));
        assert_eq!(
            after(2, false),
            (admitted, json!({"parallelism": 3, "suspend": true, "backoffLimit": 2}))
        );
    }

    #[test]
    fn a_release_puts_back_what_an_admission_set_and_no_more() {
        let admitted = json!({
            "metadata": {
                "labels": {"kueue.x-k8s.io/podset": "main", "own": "label"},
                "annotations": {WORKLOAD: "job-pi"},
            },
            "spec": {"nodeSelector": {"disk": "hdd", "type": "spot"},
                "tolerations": [{"key": "spot"}], "priority": 3},
        });
        let mut patch = json!({"metadata": {}, "spec": {"suspend": false, "parallelism": 3,
            "template": {"spec": {"nodeSelector": {"disk": "nvme"}}}}});
        release(&mut patch, "", &manifest(), &admitted);
        let expected = json!({
            "metadata": {"labels": {QUEUE_NAME: null}},
            "spec": {"parallelism": 3, "template": {
                "metadata": {
                    "labels": {"kueue.x-k8s.io/podset": null}, "annotations": {WORKLOAD: null},
                },
                "spec": {"nodeSelector": {"disk": "nvme", "type": null}, "tolerations": null},
            }},
        });
        assert_eq!(patch, expected, "what an edit changes stays");
        let mut patch = json!({"metadata": {}, "spec": {"suspend": false, "parallelism": 3}});
        let template = json!({"spec": {"nodeSelector": {"a": "b"}}});
        release(&mut patch, "team", &manifest(), &template);
        let expected =
            json!({"metadata": {"labels": {QUEUE_NAME: "team"}}, "spec": {"parallelism": 3}});
        assert_eq!(patch, expected, "nothing was set");
    }
}
