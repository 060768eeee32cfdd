//! The rules for a change of a Job's spec.

use serde_json::Value;

use super::{defaults, validation};
use crate::object::{self, has_condition, number, put};
use crate::status::FieldError;
use crate::version::Version;

/// Fills in what an update leaves open, and counts the generations of the spec.
pub(crate) fn prepare_update(version: Version, job: &mut Value, old: &Value) {
    defaults::drop_unknown(version, job, old);
    defaults::default(job);
    if job["spec"] != old["spec"] {
        let generation = number(old, "/metadata/generation").unwrap_or_default();
        put(job, &["metadata", "generation"], generation + 1);
    }
}

/// The rules for a changed Job. A real server applies some rules twice, and lists them as often.
pub(crate) fn validate_update(
    version: Version,
    job: &Value,
    old: &Value,
    errors: &mut Vec<FieldError>,
) {
    validation::validate(job, errors);
    validation::spec(job, errors);
    crate::controller::validate_gang_update(job, old, errors);
    completions(job, old, errors);
    immutable(job, old, "selector", errors);
    template(version, job, old, errors);
    for field in
        ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"]
    {
        immutable(job, old, field, errors);
    }
}

fn immutable(job: &Value, old: &Value, field: &str, errors: &mut Vec<FieldError>) {
    let (new, was) = (&job["spec"][field], &old["spec"][field]);
    if new != was {
        errors.push(FieldError::invalid(
            &format!("spec.{field}"),
            new.clone(),
            "field is immutable",
        ));
    }
}

fn completions(job: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    if !super::indexed(job) {
        immutable(job, old, "completions", errors);
        return;
    }
    let (new, was) = (number(job, "/spec/completions"), number(old, "/spec/completions"));
    if let Some(new) = new.filter(|_| new != was)
        && number(job, "/spec/parallelism") != Some(new)
    {
        let why = "can only be modified in tandem with spec.parallelism";
        errors.push(FieldError::invalid("spec.completions", new, why));
    }
}

/// A template never changes, but for where its pods may run and what they may use, while the Job is
/// suspended and has no pods.
fn template(version: Version, job: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let (new, was) = (&job["spec"]["template"], &old["spec"]["template"]);
    let free = version.frees_suspended_jobs();
    let never_started = old["status"]["startTime"].is_null();
    let quiet = (never_started || has_condition(old, "Suspended", "True"))
        && number(old, "/status/active").unwrap_or_default() == 0;
    let mut allowed = was.clone();
    if super::suspended(old) && if free { quiet } else { never_started } {
        for path in [
            &["spec", "nodeSelector"][..],
            &["spec", "tolerations"],
            &["spec", "schedulingGates"],
            &["metadata", "annotations"],
            &["metadata", "labels"],
        ] {
            object::copy(&mut allowed, new, path);
        }
        if !new["spec"]["affinity"].is_null() || !was["spec"]["affinity"].is_null() {
            object::copy(&mut allowed, new, &["spec", "affinity", "nodeAffinity"]);
            let left = allowed["spec"]["affinity"].as_object();
            let is_gone = new["spec"]["affinity"].is_null();
            if is_gone && left.is_some_and(serde_json::Map::is_empty) {
                object::take(&mut allowed, &["spec", "affinity"]);
            }
        }
        for list in ["containers", "initContainers"].into_iter().filter(|_| free) {
            let containers = allowed["spec"].get_mut(list).and_then(Value::as_array_mut);
            for (index, container) in containers.into_iter().flatten().enumerate() {
                object::copy(container, &new["spec"][list][index], &["resources"]);
            }
        }
    }
    if *new != allowed {
        errors.push(FieldError::invalid("spec.template", new.clone(), "field is immutable"));
    }
}
