//! The rules for metadata, which all kinds share.

use serde_json::Value;

use crate::object::{self, text};
use crate::resource::Resource;
use crate::status::FieldError;

/// All annotations of an object together, keys and values, in bytes.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters \
    or '-', and must \
    start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for \
    validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or \
    '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
    validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, \
    '-', '_' or '.', \
    and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or \
    '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const KEY: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must \
    start and end with \
    an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for \
    validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

fn too_long(limit: usize) -> String {
    format!("must be no more than {limit} characters")
}

fn too_many_bytes(limit: usize) -> String {
    format!("must be no more than {limit} bytes")
}

fn label_shape(text: &str) -> bool {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(good) && text.ends_with(good) && text.chars().all(|c| good(c) || c == '-')
}

fn name_shape(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(good)
        && text.ends_with(good)
        && text.chars().all(|c| good(c) || "-_.".contains(c))
}

/// What is wrong with a DNS label (RFC 1123).
pub(crate) fn dns_label(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.len() > 63 {
        faults.push(too_long(63));
    }
    if !label_shape(text) {
        let dotted = text.split('.').all(label_shape);
        faults.push(if dotted { "must not contain dots" } else { LABEL }.to_owned());
    }
    faults
}

/// What is wrong with a DNS subdomain (RFC 1123).
pub(crate) fn dns_subdomain(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if text.len() > 253 {
        faults.push(too_long(253));
    }
    if !text.split('.').all(label_shape) {
        faults.push(SUBDOMAIN.to_owned());
    }
    faults
}

fn qualified_name(key: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let name = match key.split_once('/') {
        None => key,
        Some((prefix, name)) => {
            if prefix.is_empty() {
                faults.push("prefix part must be non-empty".to_owned());
            } else {
                faults
                    .extend(dns_subdomain(prefix).into_iter().map(|f| format!("prefix part {f}")));
            }
            name
        }
    };
    if name.is_empty() {
        faults.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        faults.push(format!("name part {}", too_many_bytes(63)));
    }
    if !name_shape(name) {
        faults.push(KEY.to_owned());
    }
    faults
}

/// The rules for a map of labels at a field.
pub(crate) fn labels(object: &Value, pointer: &str, field: &str, errors: &mut Vec<FieldError>) {
    for (key, value) in object::strings(object, pointer) {
        errors.extend(qualified_name(key).into_iter().map(|f| FieldError::invalid(field, key, f)));
        if value.len() > 63 {
            errors.push(FieldError::invalid(field, value, too_many_bytes(63)));
        }
        if !value.is_empty() && !name_shape(value) {
            errors.push(FieldError::invalid(field, value, VALUE));
        }
    }
}

/// The rules for a map of annotations at a field.
pub(crate) fn annotations(
    object: &Value,
    pointer: &str,
    field: &str,
    errors: &mut Vec<FieldError>,
) {
    let mut size = 0;
    for (key, value) in object::strings(object, pointer) {
        let faults = qualified_name(&key.to_lowercase());
        errors.extend(faults.into_iter().map(|f| FieldError::invalid(field, key, f)));
        size += key.len() + value.len();
    }
    if size > ANNOTATIONS_LIMIT {
        errors.push(FieldError::too_long(field, ANNOTATIONS_LIMIT));
    }
}

/// The rules for an object's metadata.
pub(crate) fn validate(resource: &Resource, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let check = |name: &str| {
        if resource.kind == "Namespace" { dns_label(name) } else { dns_subdomain(name) }
    };
    let prefix = text(object, "/metadata/generateName");
    if !prefix.is_empty() {
        let faults = check(prefix.strip_suffix('-').unwrap_or(prefix));
        errors.extend(
            faults.into_iter().map(|f| FieldError::invalid("metadata.generateName", prefix, f)),
        );
    }
    let name = object::name(object);
    if name.is_empty() {
        errors.push(FieldError::required("metadata.name", "name or generateName is required"));
    } else {
        errors
            .extend(check(name).into_iter().map(|f| FieldError::invalid("metadata.name", name, f)));
    }
    labels(object, "/metadata/labels", "metadata.labels", &mut errors);
    annotations(object, "/metadata/annotations", "metadata.annotations", &mut errors);
    errors
}

/// The rules for a change of metadata.
pub(crate) fn validate_update(object: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if object::deleting(old) {
        let had = object::items(old, "/metadata/finalizers");
        let new: Vec<&str> = object::items(object, "/metadata/finalizers")
            .iter()
            .filter(|f| !had.contains(f))
            .filter_map(Value::as_str)
            .collect();
        if !new.is_empty() {
            let why = format!(
                "no new finalizers can be added if the object is being deleted, found new \
                 finalizers []string{new:?}"
            );
            errors.push(FieldError::forbidden("metadata.finalizers", why));
        }
    }
    for field in ["name", "namespace", "uid"] {
        if object["metadata"][field] != old["metadata"][field] {
            let value = object["metadata"][field].clone();
            errors.push(FieldError::invalid(
                &format!("metadata.{field}"),
                value,
                "field is immutable",
            ));
        }
    }
    errors
}
