//! What a Job's author leaves open.

use serde_json::{Value, json};

use super::{LEGACY_NAME_LABEL, LEGACY_UID_LABEL, NAME_LABEL, UID_LABEL};
use crate::object::{self, flag, put, put_default, take};
use crate::pod;
use crate::version::Version;

/// Brings a new Job to the form in which it is validated. Its name and uid are there.
pub(crate) fn prepare_create(version: Version, job: &mut Value) {
    drop_unknown(version, job, &Value::Null);
    take(job, &["status"]);
    put(job, &["status"], json!({}));
    default(job);
    if !flag(job, "/spec/manualSelector") {
        select(job);
    }
}

/// Drops the fields that the server's version keeps behind a gate; what the stored Job has stays.
pub(super) fn drop_unknown(version: Version, job: &mut Value, old: &Value) {
    for field in ["successPolicy", "managedBy"] {
        if !version.has_success_policy() && old["spec"][field].is_null() {
            take(job, &["spec", field]);
        }
    }
}

/// The defaults of a Job's spec.
pub(super) fn default(job: &mut Value) {
    let spec = object::map(job, "spec");
    if spec["completions"].is_null() && spec["parallelism"].is_null() {
        put(spec, &["completions"], 1);
    }
    put_default(spec, &["parallelism"], 1);
    let limit = if spec["backoffLimitPerIndex"].is_null() { 6 } else { i64::from(i32::MAX) };
    put_default(spec, &["backoffLimit"], limit);
    put_default(spec, &["completionMode"], "NonIndexed");
    put_default(spec, &["suspend"], false);
    put_default(spec, &["manualSelector"], false);
    let policy = if spec["podFailurePolicy"].is_null() { "TerminatingOrFailed" } else { "Failed" };
    put_default(spec, &["podReplacementPolicy"], policy);
    pod::default_spec(object::map(spec, "template"), "spec");
    // A template with no labels yet has its metadata nevertheless.
    object::map(object::map(spec, "template"), "metadata");
}

/// Generates the selector, and the labels by which it selects.
fn select(job: &mut Value) {
    let (name, uid) = (object::name(job).to_owned(), object::uid(job).to_owned());
    let labels = ["spec", "template", "metadata", "labels"];
    for (key, value) in [
        (LEGACY_NAME_LABEL, &name),
        (NAME_LABEL, &name),
        (LEGACY_UID_LABEL, &uid),
        (UID_LABEL, &uid),
    ] {
        let path = [&labels[..], &[key]].concat();
        put_default(job, &path, value.as_str());
    }
    put_default(job, &["spec", "selector", "matchLabels", UID_LABEL], uid);
}

/// What reading a Job back from storage adds: a Job with no labels gets those of its template.
/// Counters that are zero are left out.
pub(crate) fn finish(job: &mut Value) {
    let labels = job["spec"]["template"]["metadata"]["labels"].clone();
    let own = job["metadata"]["labels"].as_object().is_none_or(serde_json::Map::is_empty);
    if own && labels.is_object() {
        put(job, &["metadata", "labels"], labels);
    }
    for counter in ["active", "succeeded", "failed"] {
        if job["status"][counter] == 0 {
            take(job, &["status", counter]);
        }
    }
    if job["status"]["completedIndexes"] == "" {
        take(job, &["status", "completedIndexes"]);
    }
}
