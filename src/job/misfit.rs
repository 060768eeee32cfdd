//! Why an existing Job cannot become a shard of a federated Job; pure.

use serde_json::Value;

use super::{
    Indexes, Invalid, Manifest, Owner, changes,
    labels::{QUEUE_NAME, is_reserved_for_shards},
    pod::UID_LABEL,
};

/// The Job controller of Kubernetes, as `spec.managedBy` names it.
const JOB_CONTROLLER: &str = "kubernetes.io/job-controller";

/// Fields in which the Jobs of one federated Job differ.
const OWN_FIELDS: [&str; 3] = ["spec.parallelism", "spec.completions", "spec.suspend"];

/// Why an existing Job cannot become a shard: a sentence that begins with the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The cluster has no such Job.
    #[error("there is no such job")]
    Missing,
    /// The cluster could not be asked for it.
    #[error("it cannot be read: {0}")]
    Unread(String),
    /// The cluster gets no work, and its work goes to others.
    #[error("its cluster is {0}: the work of the job would be given to others")]
    Leaving(&'static str),
    /// It is being deleted.
    #[error("metadata.deletionTimestamp: it is being deleted")]
    Deleting,
    /// Another object owns it, such as a CronJob: a kind and a name.
    #[error("metadata.ownerReferences: {0} {1:?} owns it")]
    Owned(String, String),
    /// It has a label or an annotation of a shard: which map, and which key.
    #[error("metadata.{0}: it has {1}, so it is or was a shard of a federated job")]
    Shard(&'static str, String),
    /// Another federated Job has labelled it: which one, if that was recorded.
    #[error("it is a shard of another federated job by now{}", named(.0.as_ref()))]
    TakenOver(Option<Owner>),
    /// Since its adoption was recorded, fields were changed: what they are and were.
    #[error("it was changed since its adoption was recorded: {}", .0.join(", "))]
    Changed(Vec<String>),
    /// A queue decides when it runs: its name.
    #[error("metadata.labels: a queue decides when it runs, kueue.x-k8s.io/queue-name is {0:?}")]
    Queued(String),
    /// Another controller runs it.
    #[error("spec.managedBy: {0} runs it, and not the Job controller")]
    ManagedBy(String),
    /// Its pods are chosen by a selector of its own.
    #[error("spec.manualSelector: its selector may choose pods of others")]
    ManualSelector,
    /// It ends by a rule of its own. A shard has none, because the rule is about all shards.
    #[error("spec.successPolicy: its cluster would end it by its own indexes alone")]
    SuccessPolicy,
    /// Its pods cannot be found.
    #[error(
        "spec.template.metadata.labels: it lacks batch.kubernetes.io/controller-uid, so its pods \
        cannot be found"
    )]
    Unlabelled,
    /// It is no Job that can be divided.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// Fields differ from those of the Job in another cluster.
    #[error("{} {} of the job in cluster {cluster}", fields.join(", "), differ(fields))]
    Differs {
        /// The paths of the fields.
        fields: Vec<String>,
        /// The other cluster.
        cluster: String,
    },
    /// Another Indexed Job has the same indexes.
    #[error(
        "spec.completionMode: it and the job in cluster {cluster} both have the indexes \
        {indexes}; an Indexed job is adopted alone"
    )]
    SameIndexes {
        /// The other cluster.
        cluster: String,
        /// The indexes that both have.
        indexes: Indexes,
    },
    /// It runs no pods, and those of others run.
    #[error("spec.parallelism is 0, and not 0 in cluster {0}")]
    Paused(String),
    /// It is about to end.
    #[error("status.conditions: it is about to end; it can be adopted once it has")]
    Ending,
    /// It has failed, and others have not ended.
    #[error("status.conditions: it has failed, and the job in cluster {0} would be stopped")]
    Failed(String),
    /// More pods have failed in all than the federated Job allows.
    #[error(
        "status.failed: {failed} {} failed in all, and spec.backoffLimit is {limit}",
        if *failed == 1 { "pod has" } else { "pods have" }
    )]
    FailedPods {
        /// In all clusters.
        failed: i32,
        /// The limit that the Jobs have.
        limit: i32,
    },
    /// The deadline of the federated Job has passed.
    #[error(
        "spec.activeDeadlineSeconds: the deadline of all jobs counts from the start of this one, \
        and has passed"
    )]
    PastDeadline,
}

fn differ(fields: &[String]) -> &'static str {
    if fields.len() == 1 { "differs from that" } else { "differ from those" }
}

fn named(owner: Option<&Owner>) -> String {
    owner
        .map(|Owner { job, federation }| format!(", {job} of federation {federation}"))
        .unwrap_or_default()
}

/// The manifest of an existing Job that can become a shard, as far as it can be told by itself.
/// `job` is an object as a server has it.
///
/// # Errors
/// All that speaks against it.
pub fn adoptable(job: &Value) -> Result<Manifest, Vec<Misfit>> {
    let (metadata, spec) = (&job["metadata"], &job["spec"]);
    let mut misfits = Vec::new();
    if metadata["deletionTimestamp"].is_string() {
        misfits.push(Misfit::Deleting);
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let owners = metadata["ownerReferences"].as_array().into_iter().flatten();
    misfits.extend(owners.map(|owner| Misfit::Owned(text(&owner["kind"]), text(&owner["name"]))));
    misfits.extend(mark_of_shard(metadata));
    if let Some(queue) = metadata["labels"].get(QUEUE_NAME).and_then(Value::as_str) {
        misfits.push(Misfit::Queued(queue.to_owned()));
    }
    if let Some(controller) = spec["managedBy"].as_str().filter(|name| *name != JOB_CONTROLLER) {
        misfits.push(Misfit::ManagedBy(controller.to_owned()));
    }
    if spec["manualSelector"] == true {
        misfits.push(Misfit::ManualSelector);
    } else if spec["template"]["metadata"]["labels"][UID_LABEL].is_null() {
        misfits.push(Misfit::Unlabelled);
    }
    if !spec["successPolicy"].is_null() {
        misfits.push(Misfit::SuccessPolicy);
    }
    let mut object = job.clone();
    if let Some(spec) = object["spec"].as_object_mut() {
        spec.remove("managedBy");
    }
    match Manifest::new(object, "", "") {
        Ok(manifest) if misfits.is_empty() => return Ok(manifest),
        Ok(_) => {}
        Err(error) => misfits.push(error.into()),
    }
    Err(misfits)
}

/// The first label or annotation that only shards have.
fn mark_of_shard(metadata: &Value) -> Option<Misfit> {
    ["labels", "annotations"].into_iter().find_map(|map| {
        let mut keys = metadata[map].as_object().into_iter().flat_map(|map| map.keys());
        let key = keys.find(|key| is_reserved_for_shards(key))?;
        Some(Misfit::Shard(map, key.clone()))
    })
}

/// The paths of the fields in which two Jobs differ and shards of one federated Job must not, such
/// as `spec.template.spec.containers[0].image`. What a server fills in is no difference.
pub fn differing(one: &Manifest, other: &Manifest) -> Vec<String> {
    let changes = changes(one, other).into_iter().map(|(path, _)| path);
    let mut fields: Vec<_> = changes.filter(|path| !OWN_FIELDS.contains(&path.as_str())).collect();
    if one.size().completions.is_some() != other.size().completions.is_some() {
        fields.push("spec.completions".to_owned());
    }
    fields
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::job::labels::{CREDITED, FEDERATION, REOPEN};

    /// A Job as a server has it.
    fn stored() -> Value {
        json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": "pi", "namespace": "work", "uid": "u", "labels": {"a": "b"},
                "annotations": {REOPEN: "true"}},
            "spec": {
                "parallelism": 2, "completions": 4, "backoffLimit": 6,
                "managedBy": JOB_CONTROLLER,
                "selector": {"matchLabels": {UID_LABEL: "u"}},
                "template": {
                    "metadata": {"labels": {UID_LABEL: "u", "job-name": "pi"}},
                    "spec": {"restartPolicy": "Never", "containers": [{"name": "pi",
                        "image": "pi"}]},
                },
            },
            "status": {"active": 2},
        })
    }

    #[test]
    fn a_plain_job_is_adoptable_and_what_its_cluster_added_is_no_part_of_it() {
        let manifest = adoptable(&stored()).expect("it fits");
        let spec = &manifest.object()["spec"];
        assert_eq!(spec["template"]["metadata"], json!({}));
        assert!(spec["selector"].is_null() && spec["managedBy"].is_null(), "{spec}");
    }

    #[test]
    fn each_misfit_names_the_field() {
        let owner = json!([{"kind": "CronJob", "name": "nightly"}]);
        for (pointer, value, said) in [
            (
                "/metadata/deletionTimestamp",
                json!("2026-01-01T00:00:00Z"),
                "metadata.deletionTimestamp: it is being deleted",
            ),
            (
                "/metadata/ownerReferences",
                owner,
                "metadata.ownerReferences: CronJob \"nightly\" owns it",
            ),
            (
                "/metadata/labels",
                json!({FEDERATION: "f"}),
                "metadata.labels: it has kubectl-federate.dev/federation, so it is or was a shard \
                of a federated job",
            ),
            (
                "/metadata/annotations",
                json!({CREDITED: "3"}),
                "metadata.annotations: it has kubectl-federate.dev/credited, so it is or was a \
                shard of a federated job",
            ),
            (
                "/metadata/labels",
                json!({QUEUE_NAME: "gpus"}),
                "metadata.labels: a queue decides when it runs, kueue.x-k8s.io/queue-name is \
                \"gpus\"",
            ),
            (
                "/spec/managedBy",
                json!("kueue.x-k8s.io/multikueue"),
                "spec.managedBy: kueue.x-k8s.io/multikueue runs it, and not the Job controller",
            ),
            (
                "/spec/manualSelector",
                json!(true),
                "spec.manualSelector: its selector may choose pods of others",
            ),
            (
                "/spec/successPolicy",
                json!({"rules": []}),
                "spec.successPolicy: its cluster would end it by its own indexes alone",
            ),
            (
                "/spec/template/metadata/labels",
                json!({"controller-uid": "u"}),
                "spec.template.metadata.labels: it lacks batch.kubernetes.io/controller-uid, so \
                its pods cannot be found",
            ),
            (
                "/spec/parallelism",
                json!(-1),
                "spec.parallelism: Invalid value: -1: must be an integer from 0 to 2147483647",
            ),
        ] {
            let mut job = stored();
            let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
            job.pointer_mut(parent).expect("it is there")[field] = value;
            let misfits = adoptable(&job).expect_err("it does not fit");
            let said_of: Vec<_> = misfits.iter().map(ToString::to_string).collect();
            assert_eq!(said_of, [said]);
        }
    }

    #[test]
    fn fields_that_differ_are_named_and_counts_of_shards_may_differ() {
        let changed = |pointer: &str, value: Value| {
            let mut job = stored();
            let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
            job.pointer_mut(parent).expect("it is there")[field] = value;
            let other = adoptable(&job).expect("it fits");
            differing(&adoptable(&stored()).expect("it fits"), &other)
        };
        for (pointer, value) in [
            ("/spec/parallelism", json!(7)),
            ("/spec/completions", json!(7)),
            ("/spec/suspend", json!(true)),
            ("/spec/completionMode", json!("NonIndexed")),
            ("/spec/template/spec/dnsPolicy", json!("ClusterFirst")),
            ("/metadata/labels", json!({"c": "d"})),
        ] {
            assert_eq!(changed(pointer, value), Vec::<String>::new(), "{pointer}");
        }
        for (pointer, value, field) in [
            ("/spec/completions", Value::Null, "spec.completions"),
            ("/spec/completionMode", json!("Indexed"), "spec.completionMode"),
            ("/spec/backoffLimit", json!(3), "spec.backoffLimit"),
            ("/spec/activeDeadlineSeconds", json!(60), "spec.activeDeadlineSeconds"),
            ("/spec/ttlSecondsAfterFinished", json!(60), "spec.ttlSecondsAfterFinished"),
            (
                "/spec/template/spec/containers/0/image",
                json!("e"),
                "spec.template.spec.containers[0].image",
            ),
            (
                "/spec/template/spec/tolerations",
                json!([{"key": "a"}]),
                "spec.template.spec.tolerations",
            ),
        ] {
            assert_eq!(changed(pointer, value), [field], "{pointer}");
        }
    }
}
