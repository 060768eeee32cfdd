//! What the fields of a Job hold, as far as they are read or written here; pure.
//!
//! A server says it of any field, but each in the words of its decoder, and only once it is asked.

use serde_json::Value;

use super::Invalid;

/// What a field holds (`k8s.io/api/batch/v1`, `k8s.io/apimachinery/pkg/apis/meta/v1`); null is as if it were absent.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Bool,
    Int32,
    Int64,
    Text,
    Object,
    /// An object that holds texts.
    Texts,
    /// A list of objects.
    Objects,
}

/// The fields, outer ones before those in them. Numbers that are divided are checked where they are read.
const FIELDS: [(&str, Kind); 27] = [
    ("metadata", Kind::Object),
    ("metadata.name", Kind::Text),
    ("metadata.generateName", Kind::Text),
    ("metadata.namespace", Kind::Text),
    ("metadata.labels", Kind::Texts),
    ("metadata.annotations", Kind::Texts),
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
    ("spec.selector", Kind::Object),
    ("spec.successPolicy", Kind::Object),
    ("spec.template", Kind::Object),
    ("spec.template.metadata", Kind::Object),
    ("spec.template.metadata.labels", Kind::Texts),
    ("spec.template.metadata.annotations", Kind::Texts),
    ("spec.template.spec", Kind::Object),
    ("spec.template.spec.containers", Kind::Objects),
    ("spec.template.spec.initContainers", Kind::Objects),
    ("spec.template.spec.volumes", Kind::Objects),
];

/// Makes sure that the fields that are there hold what they are to hold.
///
/// # Errors
/// The first that does not.
pub(super) fn check(object: &Value) -> Result<(), Invalid> {
    for (path, kind) in FIELDS {
        let pointer = format!("/{}", path.replace('.', "/"));
        if let Some(value) = object.pointer(&pointer).filter(|value| !value.is_null()) {
            kind.check(path, value)?;
        }
    }
    Ok(())
}

impl Kind {
    fn check(self, path: &str, value: &Value) -> Result<(), Invalid> {
        let (holds, what) = match self {
            Self::Bool => (value.is_boolean(), "must be true or false"),
            Self::Int32 => {
                let fits = |number| i32::try_from(number).is_ok();
                (value.as_i64().is_some_and(fits), "must be an integer up to 2147483647")
            }
            Self::Int64 => (value.is_i64(), "must be an integer"),
            Self::Text => (value.is_string(), "must be a string"),
            Self::Object | Self::Texts => (value.is_object(), "must be an object"),
            Self::Objects => (value.is_array(), "must be a list"),
        };
        if !holds {
            return Err(Invalid::value(path, value, what));
        }
        let within: Vec<(String, &Value)> = match (self, value) {
            (Self::Texts, Value::Object(fields)) => {
                fields.iter().map(|(key, value)| (format!("{path}[{key}]"), value)).collect()
            }
            (Self::Objects, Value::Array(items)) => {
                items.iter().enumerate().map(|(n, value)| (format!("{path}[{n}]"), value)).collect()
            }
            _ => Vec::new(),
        };
        let each = if matches!(self, Self::Texts) { Self::Text } else { Self::Object };
        within
            .iter()
            .filter(|(_, value)| !value.is_null())
            .try_for_each(|(path, value)| each.check(path, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_holds_something_else_is_named() {
        for (path, value, said) in [
            (
                "/spec/backoffLimit",
                json!("x"),
                r#"spec.backoffLimit: Invalid value: "x": must be an integer"#,
            ),
            ("/spec/backoffLimit", json!(1.5), "spec.backoffLimit: Invalid value: 1.5"),
            ("/spec/backoffLimit", json!(1_i64 << 40), "spec.backoffLimit: Invalid value: 1099511627776"),
            ("/spec/activeDeadlineSeconds", json!("10m"), "spec.activeDeadlineSeconds: "),
            ("/spec/suspend", json!("yes"), r#"spec.suspend: Invalid value: "yes": must be true or false"#),
            ("/spec/completionMode", json!(1), "spec.completionMode: Invalid value: 1: must be a string"),
            ("/spec/successPolicy", json!([]), "spec.successPolicy: Invalid value: []: must be an object"),
            ("/metadata/labels", json!({"a": 1}), "metadata.labels[a]: Invalid value: 1: must be a string"),
            ("/metadata/annotations", json!("a"), "metadata.annotations: "),
            ("/metadata/name", json!(7), "metadata.name: Invalid value: 7: must be a string"),
            ("/spec/template/spec", json!([]), "spec.template.spec: Invalid value: []"),
            ("/spec/template/spec/containers", json!({}), "spec.template.spec.containers: "),
            ("/spec/template/spec/containers", json!([{}, "pi"]), "spec.template.spec.containers[1]: "),
        ] {
            let mut job = json!({"metadata": {"labels": {}, "annotations": {}}, "spec": {
                "backoffLimit": -1, "activeDeadlineSeconds": 1_i64 << 40, "suspend": true, "completionMode": "",
                "successPolicy": {}, "template": {"spec": {"containers": [{}]}}}});
            assert_eq!(check(&job), Ok(()));
            let (parent, field) = path.rsplit_once('/').expect("a path");
            let parent = job.pointer_mut(parent).expect("it is there");
            parent[field] = json!(null);
            assert_eq!(check(&job), Ok(()), "null is as if it were absent");
            job.pointer_mut(path.rsplit_once('/').expect("a path").0).expect("it is there")[field] = value;
            let error = check(&job).expect_err("it holds something else").to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
