//! What each kind adds to creating and updating: its defaults and its rules.

use serde_json::{Value, json};

use crate::job;
use crate::object;
use crate::pod;
use crate::resource::Resource;
use crate::status::FieldError;
use crate::version::Version;

/// Brings a new object to the form in which it is validated.
pub(crate) fn prepare_create(version: Version, resource: &Resource, object: &mut Value) {
    match resource.kind {
        "Job" => job::prepare_create(version, object),
        "Pod" => pod::prepare_create(object),
        "Namespace" => {
            let name = object::name(object).to_owned();
            object::put(object, &["metadata", "labels", "kubernetes.io/metadata.name"], name);
            object::put(object, &["spec"], json!({"finalizers": ["kubernetes"]}));
            object::put(object, &["status"], json!({"phase": "Active"}));
        }
        "Secret" => {
            object::put_default(object, &["type"], "Opaque");
            encode_secret(object);
        }
        _ => {}
    }
}

/// The rules for a new object of the kind, beyond those for its metadata.
pub(crate) fn validate_create(resource: &Resource, object: &Value, errors: &mut Vec<FieldError>) {
    match resource.kind {
        "Job" => job::validate(object, errors),
        "Pod" => pod::validate_spec(object, "/spec", "spec", errors),
        "ConfigMap" => config_map(object, errors),
        _ => {}
    }
}

/// The warnings that come with a new object.
pub(crate) fn warnings(resource: &Resource, object: &Value) -> Vec<String> {
    if resource.kind == "Job" { job::warnings(object) } else { Vec::new() }
}

/// Keeps what a write may not touch: the status in an update, all but the status in an update of
/// the status.
pub(crate) fn prepare_update(
    version: Version,
    resource: &Resource,
    object: &mut Value,
    old: &Value,
    status: bool,
) {
    if resource.status {
        object::copy(object, old, if status { &["spec"] } else { &["status"] });
    }
    match resource.kind {
        "Job" => job::prepare_update(version, object, old),
        "Pod" => {
            pod::default_spec(object, "spec");
            if status {
                object::copy(object, old, &["metadata", "ownerReferences"]);
            }
        }
        "Secret" => encode_secret(object),
        _ => {}
    }
}

/// The rules for a change of an object of the kind, beyond those for its metadata.
pub(crate) fn validate_update(
    version: Version,
    resource: &Resource,
    object: &Value,
    old: &Value,
    status: bool,
    errors: &mut Vec<FieldError>,
) {
    match resource.kind {
        "Job" if status => job::validate_status(version, object, old, errors),
        "Job" => job::validate_update(version, object, old, errors),
        "Pod" if !status => pod::validate_update(object, old, errors),
        "ConfigMap" => config_map(object, errors),
        _ => {}
    }
}

/// What reading an object back from storage adds to it or leaves out.
pub(crate) fn finish(resource: &Resource, object: &mut Value) {
    if resource.kind == "Job" {
        job::finish(object);
    }
    if matches!(resource.kind, "Job" | "Pod") {
        for condition in object
            .pointer_mut("/status/conditions")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
            .filter(|c| c.is_object())
        {
            for time in ["lastProbeTime", "lastTransitionTime"] {
                if condition.get(time).is_none() {
                    condition[time] = Value::Null;
                }
            }
        }
    }
}

/// Whether an object that is being deleted, and that nothing holds, goes away.
pub(crate) fn may_vanish(resource: &Resource, object: &Value) -> bool {
    resource.kind != "Namespace" || object::items(object, "/spec/finalizers").is_empty()
}

fn config_map(object: &Value, errors: &mut Vec<FieldError>) {
    let mut size = 0;
    for (field, entries) in [("data", object.get("data")), ("binaryData", object.get("binaryData"))]
    {
        for (key, value) in entries.and_then(Value::as_object).into_iter().flatten() {
            let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if key.is_empty() || !key.chars().all(good) {
                errors.push(FieldError::invalid(
                    &format!("{field}[{key}]"),
                    key.as_str(),
                    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' \
                     (e.g. 'key.name',  \
                     or 'KEY_NAME',  or 'key-name', regex used for validation is \
                     '[-._a-zA-Z0-9]+')",
                ));
            }
            let length = value.as_str().map_or(0, str::len);
            size += if field == "binaryData" { length / 4 * 3 } else { length };
        }
    }
    if size > 1024 * 1024 {
        errors.push(FieldError::too_long("", 1024 * 1024));
    }
}

/// A Secret's stringData becomes data.
fn encode_secret(object: &mut Value) {
    use base64::Engine;
    let Some(Value::Object(plain)) = object::take(object, &["stringData"]) else { return };
    for (key, value) in plain {
        let text =
            base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default());
        object::put(object, &["data", &key], text);
    }
}
