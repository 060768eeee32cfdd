//! Which fields of a Job can be changed in place, and when.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::job::{
    Manifest,
    defaults::{defaulted, fields},
    gang,
};

/// The fields of a Job's spec that can always be edited in Kubernetes (`ValidateJobSpecUpdate`),
/// and `completions`, which can be edited there in Indexed Jobs only.
const EDITABLE: [&str; 8] = [
    "activeDeadlineSeconds",
    "backoffLimit",
    "completions",
    "maxFailedIndexes",
    "parallelism",
    "podReplacementPolicy",
    "suspend",
    "ttlSecondsAfterFinished",
];

/// When an API server accepts a change of a field in an existing Job.
///
/// The two kinds that need a suspended Job depend on the server's version and on whether the Job
/// has started, so that the dry run of each member decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutability {
    /// Always (`ValidateJobSpecUpdate`).
    Always,
    /// While the Job is suspended: where the pods of the template may run. Before Kubernetes 1.36
    /// the Job must also never have started (`validatePodTemplateUpdate`).
    Scheduling,
    /// While the Job is suspended, since Kubernetes 1.36: the resources of containers
    /// (`validatePodResourceUpdatesOnly`).
    Resources,
    /// Never: the shards must be made anew.
    Never,
}

/// The fields below `spec` in which two manifests differ, with defaults filled in, as paths such as
/// `spec.parallelism` or `spec.template.spec.containers[0].resources`, each with its mutability.
///
/// A path in the template is as short as its mutability allows. `completions` counts as mutable: a
/// shard's own completions never change.
pub fn changes(old: &Manifest, new: &Manifest) -> Vec<(String, Mutability)> {
    let (old, new) = (defaulted(old.object(), old.size()), defaulted(new.object(), new.size()));
    let mut changes = Vec::new();
    for field in union(&old["spec"], &new["spec"]) {
        let (old, new) = (&old["spec"][field], &new["spec"][field]);
        let path = format!("spec.{field}");
        if field == "template" {
            compare(path, old, new, &mut changes);
        } else if field == "scheduling" && old != new && gang::fixed(old) == gang::fixed(new) {
            changes.push((gang::MIN_COUNT.to_owned(), Mutability::Always));
        } else if old != new {
            let editable = EDITABLE.contains(&field.as_str());
            let mutability = if editable { Mutability::Always } else { Mutability::Never };
            changes.push((path, mutability));
        }
    }
    changes
}

fn union<'a>(old: &'a Value, new: &'a Value) -> BTreeSet<&'a String> {
    fields(old).chain(fields(new)).collect()
}

/// Adds the changes of the template at and below a path.
fn compare(path: String, old: &Value, new: &Value, changes: &mut Vec<(String, Mutability)>) {
    if old == new {
        return;
    }
    if let Some(mutability) = field_of_suspended(&path) {
        changes.push((path, mutability));
        return;
    }
    match (old, new) {
        (Value::Object(_), Value::Object(_)) => {}
        // Here an object that is absent is the same as an empty one.
        (Value::Null, Value::Object(_)) | (Value::Object(_), Value::Null)
            if matches!(
                path.as_str(),
                "spec.template.metadata" | "spec.template.spec.affinity"
            ) => {}
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (n, (old, new)) in old.iter().zip(new).enumerate() {
                compare(format!("{path}[{n}]"), old, new, changes);
            }
            return;
        }
        _ => {
            changes.push((path, Mutability::Never));
            return;
        }
    }
    for field in union(old, new) {
        let value = |object: &Value| object.get(field).cloned().unwrap_or_default();
        compare(format!("{path}.{field}"), &value(old), &value(new), changes);
    }
}

/// The mutability of a field of the template that can be changed in a suspended Job.
fn field_of_suspended(path: &str) -> Option<Mutability> {
    let field = path.strip_prefix("spec.template.")?;
    match field {
        "metadata.labels"
        | "metadata.annotations"
        | "spec.nodeSelector"
        | "spec.tolerations"
        | "spec.schedulingGates"
        | "spec.affinity.nodeAffinity" => Some(Mutability::Scheduling),
        _ => {
            let (list, rest) = field.strip_prefix("spec.")?.split_once('[')?;
            let (_, rest) = rest.split_once(']')?;
            let resources = rest == ".resources" && matches!(list, "containers" | "initContainers");
            resources.then_some(Mutability::Resources)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(spec: Value) -> Manifest {
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
            "spec": spec});
        Manifest::new(job, "work", "").expect("valid")
    }

    /// The changes from a Job to one that has a value at a pointer, and back.
    fn changed(pointer: &str, value: Value) -> Vec<(String, Mutability)> {
        let before = json!({"completions": 3, "template": {"metadata": {}, "spec": {
            "affinity": {"podAffinity": {"a": 1}},
            "initContainers": [{"name": "a", "image": "busybox"}],
            "containers": [{"name": "b", "image": "perl"}, {"name": "c", "image": "perl"}],
        }}});
        let mut after = before.clone();
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
        after.pointer_mut(parent).expect("it is there")[field] = value;
        let (before, after) = (manifest(before), manifest(after));
        let there = changes(&before, &after);
        assert_eq!(changes(&after, &before), there, "{pointer}");
        assert_eq!(changes(&after, &after), []);
        there
    }

    #[test]
    fn each_field_has_its_mutability() {
        use Mutability::{Always, Never, Resources, Scheduling};
        for (pointer, value, path, mutability) in [
            ("/parallelism", json!(4), "spec.parallelism", Always),
            ("/suspend", json!(true), "spec.suspend", Always),
            ("/completions", json!(4), "spec.completions", Always),
            ("/scheduling", json!({"schedulingPolicy": {"basic": {}}}), "spec.scheduling", Never),
            ("/manualSelector", json!(true), "spec.manualSelector", Never),
            (
                "/template/metadata/labels",
                json!({"a": "b"}),
                "spec.template.metadata.labels",
                Scheduling,
            ),
            (
                "/template/spec/nodeSelector",
                json!({"a": "b"}),
                "spec.template.spec.nodeSelector",
                Scheduling,
            ),
            (
                "/template/spec/affinity/nodeAffinity",
                json!({"required": 1}),
                "spec.template.spec.affinity.nodeAffinity",
                Scheduling,
            ),
            (
                "/template/spec/affinity/podAffinity",
                json!({"a": 2}),
                "spec.template.spec.affinity.podAffinity.a",
                Never,
            ),
            (
                "/template/spec/containers/1/resources",
                json!({"limits": {"cpu": 1}}),
                "spec.template.spec.containers[1].resources",
                Resources,
            ),
            (
                "/template/spec/initContainers/0/resources",
                json!({"requests": {"cpu": 1}}),
                "spec.template.spec.initContainers[0].resources",
                Resources,
            ),
            (
                "/template/spec/containers/0/image",
                json!("perl:5"),
                "spec.template.spec.containers[0].image",
                Never,
            ),
            ("/template/spec/resources", json!({"a": 1}), "spec.template.spec.resources", Never),
            ("/template/spec/containers", json!([]), "spec.template.spec.containers", Never),
        ] {
            let all = changed(pointer, value);
            assert!(all.contains(&(path.to_owned(), mutability)), "{pointer}: {all:?}");
            assert!(
                all.iter().all(|(_, found)| *found == mutability),
                "{pointer}: only that: {all:?}"
            );
        }
    }

    #[test]
    fn of_a_gang_only_its_min_count_may_change() {
        let job = |scheduling: Value| manifest(json!({"parallelism": 4, "scheduling": scheduling}));
        let gang =
            |min_count: Value| job(json!({"schedulingPolicy": {"gang": {"minCount": min_count}}}));
        let (two, three) = (gang(json!(2)), gang(json!(3)));
        let min_count = [(gang::MIN_COUNT.to_owned(), Mutability::Always)];
        assert_eq!(changes(&two, &three), min_count);
        assert_eq!(changes(&two, &gang(Value::Null)), min_count);
        let never = [("spec.scheduling".to_owned(), Mutability::Never)];
        let basic = job(json!({"schedulingPolicy": {"basic": {}}}));
        let other_mode = job(json!({"schedulingPolicy": {"gang": {"minCount": 2}},
            "disruptionMode": {"all": {}}}));
        for other in [job(Value::Null), basic, other_mode] {
            assert_eq!(changes(&two, &other), never);
            assert_eq!(changes(&other, &two), never);
        }
    }

    #[test]
    fn an_affinity_for_nodes_may_come_and_go() {
        let job = |affinity: Value| manifest(json!({"template": {"spec": {"affinity": affinity}}}));
        let path = "spec.template.spec.affinity.nodeAffinity".to_owned();
        let change = [(path, Mutability::Scheduling)];
        let placed = job(json!({"nodeAffinity": {"required": 1}}));
        for anywhere in [job(Value::Null), job(json!({}))] {
            assert_eq!(changes(&anywhere, &placed), change);
            assert_eq!(changes(&placed, &anywhere), change);
        }
    }
}
