//! The types of the fields that this program reads or writes; pure.
//!
//! A server checks every field, but only once it is asked, and in the words of its decoder.

use serde_json::Value;

use super::Invalid;

/// The type of a field (`k8s.io/api/batch/v1`, `k8s.io/api/core/v1`,
/// `k8s.io/apimachinery/pkg/apis/meta/v1`). Null counts as absent.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Bool,
    Int32,
    Int64,
    Text,
    Object,
    List,
}

/// The fields and their types, outer fields first. `[]` stands for each item of a list, `{}` for
/// each entry of an object. `Size` checks parallelism and completions.
const FIELDS: [(&str, Kind); 38] = [
    ("metadata", Kind::Object),
    ("metadata.name", Kind::Text),
    ("metadata.generateName", Kind::Text),
    ("metadata.namespace", Kind::Text),
    ("metadata.labels", Kind::Object),
    ("metadata.labels.{}", Kind::Text),
    ("metadata.annotations", Kind::Object),
    ("metadata.annotations.{}", Kind::Text),
    ("spec.activeDeadlineSeconds", Kind::Int64),
    ("spec.backoffLimit", Kind::Int32),
    ("spec.backoffLimitPerIndex", Kind::Int32),
    ("spec.maxFailedIndexes", Kind::Int32),
    ("spec.ttlSecondsAfterFinished", Kind::Int32),
    ("spec.manualSelector", Kind::Bool),
    ("spec.suspend", Kind::Bool),
    ("spec.completionMode", Kind::Text),
    ("spec.managedBy", Kind::Text),
    ("spec.podReplacementPolicy", Kind::Text),
    ("spec.podFailurePolicy", Kind::Object),
    ("spec.scheduling", Kind::Object),
    ("spec.scheduling.schedulingPolicy", Kind::Object),
    ("spec.scheduling.schedulingPolicy.gang", Kind::Object),
    ("spec.scheduling.schedulingPolicy.gang.minCount", Kind::Int32),
    ("spec.selector", Kind::Object),
    ("spec.successPolicy", Kind::Object),
    ("spec.template", Kind::Object),
    ("spec.template.metadata", Kind::Object),
    ("spec.template.metadata.labels", Kind::Object),
    ("spec.template.metadata.labels.{}", Kind::Text),
    ("spec.template.metadata.annotations", Kind::Object),
    ("spec.template.metadata.annotations.{}", Kind::Text),
    ("spec.template.spec", Kind::Object),
    ("spec.template.spec.restartPolicy", Kind::Text),
    ("spec.template.spec.nodeSelector", Kind::Object),
    ("spec.template.spec.nodeSelector.{}", Kind::Text),
    ("spec.template.spec.tolerations", Kind::List),
    ("spec.template.spec.volumes", Kind::List),
    ("spec.template.spec.volumes.[]", Kind::Object),
];

/// The lists of containers in a pod template.
const CONTAINERS: [&str; 2] =
    ["spec.template.spec.initContainers", "spec.template.spec.containers"];

/// The fields of each, as above.
const OF_CONTAINERS: [(&str, Kind); 13] = [
    ("", Kind::List),
    (".[]", Kind::Object),
    (".[].name", Kind::Text),
    (".[].image", Kind::Text),
    (".[].command", Kind::List),
    (".[].command.[]", Kind::Text),
    (".[].args", Kind::List),
    (".[].args.[]", Kind::Text),
    (".[].env", Kind::List),
    (".[].env.[]", Kind::Object),
    (".[].env.[].name", Kind::Text),
    (".[].env.[].value", Kind::Text),
    (".[].resources", Kind::Object),
];

/// Checks the types of the fields that are present.
///
/// # Errors
/// The first field of a wrong type.
pub(super) fn check(object: &Value) -> Result<(), Invalid> {
    for (path, kind) in FIELDS {
        kind.check(path, object)?;
    }
    for list in CONTAINERS {
        for (path, kind) in OF_CONTAINERS {
            kind.check(&format!("{list}{path}"), object)?;
        }
    }
    Ok(())
}

impl Kind {
    fn check(self, path: &str, object: &Value) -> Result<(), Invalid> {
        for (path, value) in all(object, path) {
            let (holds, what) = match self {
                Self::Bool => (value.is_boolean(), "must be true or false"),
                Self::Int32 => {
                    let fits = |number| i32::try_from(number).is_ok();
                    (value.as_i64().is_some_and(fits), "must be an integer up to 2147483647")
                }
                Self::Int64 => (value.is_i64(), "must be an integer"),
                Self::Text => (value.is_string(), "must be a string"),
                Self::Object => (value.is_object(), "must be an object"),
                Self::List => (value.is_array(), "must be a list"),
            };
            if !holds {
                return Err(Invalid::value(&path, value, what));
            }
        }
        Ok(())
    }
}

/// All values at a path of [`FIELDS`] that are not null, with their own paths.
fn all<'a>(object: &'a Value, path: &str) -> Vec<(String, &'a Value)> {
    let mut found = vec![(String::new(), object)];
    for step in path.split('.') {
        found = found.into_iter().flat_map(|(path, value)| below(path, value, step)).collect();
        found.retain(|(_, value)| !value.is_null());
    }
    found
}

fn below<'a>(path: String, value: &'a Value, step: &str) -> Vec<(String, &'a Value)> {
    match (step, value) {
        ("[]", Value::Array(items)) => {
            items.iter().enumerate().map(|(n, item)| (format!("{path}[{n}]"), item)).collect()
        }
        ("{}", Value::Object(fields)) => {
            fields.iter().map(|(key, value)| (format!("{path}[{key}]"), value)).collect()
        }
        (field, Value::Object(fields)) => {
            let path = if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
            fields.get(field).map(|value| (path, value)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_field_of_a_wrong_type_is_named() {
        for (path, value, said) in [
            (
                "/spec/backoffLimit",
                json!("x"),
                r#"spec.backoffLimit: Invalid value: "x": must be an integer"#,
            ),
            ("/spec/backoffLimit", json!(1.5), "spec.backoffLimit: Invalid value: 1.5"),
            (
                "/spec/backoffLimit",
                json!(1_i64 << 40),
                "spec.backoffLimit: Invalid value: 1099511627776",
            ),
            ("/spec/activeDeadlineSeconds", json!("10m"), "spec.activeDeadlineSeconds: "),
            (
                "/spec/suspend",
                json!("yes"),
                r#"spec.suspend: Invalid value: "yes": must be true or false"#,
            ),
            (
                "/spec/completionMode",
                json!(1),
                "spec.completionMode: Invalid value: 1: must be a string",
            ),
            (
                "/spec/successPolicy",
                json!([]),
                "spec.successPolicy: Invalid value: []: must be an object",
            ),
            (
                "/metadata/labels",
                json!({"a": 1}),
                "metadata.labels[a]: Invalid value: 1: must be a string",
            ),
            ("/metadata/annotations", json!("a"), "metadata.annotations: "),
            ("/metadata/name", json!(7), "metadata.name: Invalid value: 7: must be a string"),
            ("/spec/template/spec", json!([]), "spec.template.spec: Invalid value: []"),
            ("/spec/template/spec/containers", json!({}), "spec.template.spec.containers: "),
            (
                "/spec/template/spec/containers",
                json!([{}, "pi"]),
                "spec.template.spec.containers[1]: ",
            ),
            (
                "/spec/template/spec/containers",
                json!([{"env": [{"name": "A", "value": "a"}, {"name": "B", "value": 5}]}]),
                "spec.template.spec.containers[0].env[1].value: Invalid value: 5: must be a string",
            ),
            (
                "/spec/template/spec/initContainers",
                json!([{"command": "sleep 5"}]),
                "spec.template.spec.initContainers[0].command: Invalid value: \"sleep 5\": must \
                be a list",
            ),
            (
                "/spec/template/spec/containers",
                json!([{"args": ["-n", 5]}]),
                "spec.template.spec.containers[0].args[1]: Invalid value: 5: must be a string",
            ),
        ] {
            let mut job = json!({"metadata": {"labels": {}, "annotations": {}}, "spec": {
                "backoffLimit": -1, "activeDeadlineSeconds": 1_i64 << 40, "suspend": true,
                "completionMode": "",
                "successPolicy": {}, "template": {"spec": {"containers": [{}]}}}});
            assert_eq!(check(&job), Ok(()));
            let (parent, field) = path.rsplit_once('/').expect("a path");
            let parent = job.pointer_mut(parent).expect("it is there");
            parent[field] = json!(null);
            assert_eq!(check(&job), Ok(()), "null is as if it were absent");
            job.pointer_mut(path.rsplit_once('/').expect("a path").0).expect("it is there")
                [field] = value;
            let error = check(&job).expect_err("it holds something else").to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
