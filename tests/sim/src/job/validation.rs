//! The rules for a Job's spec, in the words and the order of a real API server.

use serde_json::Value;

use super::{LEGACY_NAME_LABEL, LEGACY_UID_LABEL, NAME_LABEL, UID_LABEL};
use crate::meta;
use crate::object::{self, flag, number, text};
use crate::pod;
use crate::selector::Labels;
use crate::status::FieldError;

/// The largest parallelism, and number of failed indexes, of an Indexed Job.
const INDEXED_LIMIT: i64 = 100_000;
/// Above so many parallel pods or failed indexes, the completions of a Job with limits per index
/// are bounded.
const HIGH_LIMIT: i64 = 10_000;

/// The rules for a whole Job, besides those for its metadata.
pub(crate) fn validate(job: &Value, errors: &mut Vec<FieldError>) {
    generated_selector(job, errors);
    spec(job, errors);
    if let (true, Some(completions @ 1..)) = (super::indexed(job), number(job, "/spec/completions"))
    {
        let hostname = format!("{}-{}", object::name(job), completions - 1);
        if !meta::dns_label(&hostname).is_empty() {
            let why = format!("will not able to create pod with invalid DNS label: {hostname}");
            errors.push(FieldError::invalid("metadata.name", object::name(job), why));
        }
    }
}

/// The warnings that a new Job comes with.
pub(crate) fn warnings(job: &Value) -> Vec<String> {
    let faults = meta::dns_label(object::name(job));
    let mut warnings = Vec::new();
    if !faults.is_empty() {
        warnings.push(format!(
            "metadata.name: this is used in Pod names and hostnames, which can result in \
             surprising behavior; a DNS label is recommended: [{}]",
            faults.join(" ")
        ));
    }
    warnings
}

fn generated_selector(job: &Value, errors: &mut Vec<FieldError>) {
    if flag(job, "/spec/manualSelector") || job["spec"]["selector"].is_null() {
        return;
    }
    let (name, uid) = (object::name(job), object::uid(job));
    let template = &job["spec"]["template"];
    let expected =
        [(LEGACY_UID_LABEL, uid), (LEGACY_NAME_LABEL, name), (UID_LABEL, uid), (NAME_LABEL, name)];
    for (key, value) in expected {
        let field = format!("spec.template.metadata.labels[{key}]");
        match object::label(template, key) {
            Some(found) if found == value => {}
            Some(_) => {
                let labels = template["metadata"]["labels"].clone();
                errors.push(FieldError::invalid(&field, labels, format!("must be '{value}'")));
            }
            None => {
                errors.push(FieldError::required(&field, format!("must be '{value}'")));
            }
        }
    }
    let selected = Labels::of_spec(&job["spec"]["selector"]).is_some_and(|s| {
        s.selects(|key| expected.iter().find(|(k, _)| *k == key).map(|(_, v)| *v))
    });
    if !selected {
        let selector = job["spec"]["selector"].clone();
        errors.push(FieldError::invalid(
            "spec.selector",
            selector,
            "`selector` not auto-generated",
        ));
    }
}

/// The rules for a Job's spec.
pub(super) fn spec(job: &Value, errors: &mut Vec<FieldError>) {
    for field in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        if let Some(value @ ..0) = number(job, &format!("/spec/{field}")) {
            errors.push(FieldError::invalid(
                &format!("spec.{field}"),
                value,
                "must be greater than or equal to 0",
            ));
        }
    }
    if number(job, "/spec/maxFailedIndexes").is_some()
        && number(job, "/spec/backoffLimitPerIndex").is_none()
    {
        errors.push(FieldError::required(
            "spec.backoffLimitPerIndex",
            "when maxFailedIndexes is specified",
        ));
    }
    crate::controller::validate_gang(job, errors);
    completion_mode(job, errors);
    success_policy(job, errors);
    replacement_policy(job, errors);
    template(job, errors);
    if job["spec"]["selector"].is_null() {
        errors.push(FieldError::required("spec.selector", ""));
    }
    let template = &job["spec"]["template"];
    if Labels::of_spec(&job["spec"]["selector"]).is_none_or(|s| !s.matches(template)) {
        let labels = template["metadata"]["labels"].clone();
        errors.push(FieldError::invalid(
            "spec.template.metadata.labels",
            labels,
            "`selector` does not match template `labels`",
        ));
    }
}

fn completion_mode(job: &Value, errors: &mut Vec<FieldError>) {
    let mode = text(job, "/spec/completionMode");
    let completions = number(job, "/spec/completions");
    let parallelism = number(job, "/spec/parallelism");
    let failed = number(job, "/spec/maxFailedIndexes");
    let per_index = number(job, "/spec/backoffLimitPerIndex");
    if !matches!(mode, "Indexed" | "NonIndexed") {
        let supported = ["NonIndexed", "Indexed"];
        errors.push(FieldError::not_supported("spec.completionMode", mode, &supported));
    }
    if mode == "NonIndexed" {
        for (field, value) in [("backoffLimitPerIndex", per_index), ("maxFailedIndexes", failed)] {
            if let Some(value) = value {
                let field = format!("spec.{field}");
                errors.push(FieldError::invalid(&field, value, "requires indexed completion mode"));
            }
        }
    }
    if mode != "Indexed" {
        return;
    }
    if completions.is_none() {
        errors.push(FieldError::required("spec.completions", "when completion mode is Indexed"));
    }
    if let Some(value) = parallelism.filter(|p| *p > INDEXED_LIMIT) {
        let why = format!(
            "must be less than or equal to {INDEXED_LIMIT} when completion mode is Indexed"
        );
        errors.push(FieldError::invalid("spec.parallelism", value, why));
    }
    if let (Some(value), Some(completions)) = (failed, completions)
        && value > completions
    {
        let why = "must be less than or equal to completions";
        errors.push(FieldError::invalid("spec.maxFailedIndexes", value, why));
    }
    if let Some(value) = failed.filter(|f| *f > INDEXED_LIMIT) {
        let why = format!("must be less than or equal to {INDEXED_LIMIT}");
        errors.push(FieldError::invalid("spec.maxFailedIndexes", value, why));
    }
    if per_index.is_some() && completions.is_some_and(|c| c > INDEXED_LIMIT) {
        if failed.is_none() {
            let why = format!("must be specified when completions is above {INDEXED_LIMIT}");
            errors.push(FieldError::required("spec.maxFailedIndexes", why));
        }
        let why = format!(
            "must be less than or equal to {HIGH_LIMIT} when completions are above {INDEXED_LIMIT} \
             and used with backoff limit per index"
        );
        for (field, value) in [("parallelism", parallelism), ("maxFailedIndexes", failed)] {
            if let Some(value) = value.filter(|v| *v > HIGH_LIMIT) {
                errors.push(FieldError::invalid(&format!("spec.{field}"), value, why.clone()));
            }
        }
    }
}

fn success_policy(job: &Value, errors: &mut Vec<FieldError>) {
    let policy = &job["spec"]["successPolicy"];
    if !policy.is_null() && !super::indexed(job) {
        errors.push(FieldError::invalid(
            "spec.successPolicy",
            policy.clone(),
            "requires indexed completion mode",
        ));
    }
}

fn replacement_policy(job: &Value, errors: &mut Vec<FieldError>) {
    let policy = text(job, "/spec/podReplacementPolicy");
    let supported: &[&str] = if job["spec"]["podFailurePolicy"].is_null() {
        &["Failed", "TerminatingOrFailed"]
    } else {
        &["Failed"]
    };
    if !policy.is_empty() && !supported.contains(&policy) {
        errors.push(FieldError::not_supported("spec.podReplacementPolicy", policy, supported));
    }
}

fn template(job: &Value, errors: &mut Vec<FieldError>) {
    meta::labels(job, "/spec/template/metadata/labels", "spec.template.labels", errors);
    meta::annotations(
        job,
        "/spec/template/metadata/annotations",
        "spec.template.annotations",
        errors,
    );
    pod::validate_spec(job, "/spec/template/spec", "spec.template.spec", errors);
    let field = "spec.template.spec.restartPolicy";
    match text(job, "/spec/template/spec/restartPolicy") {
        "" | "Always" => {
            errors.push(FieldError::required(field, "valid values: \"OnFailure\", \"Never\""));
        }
        "Never" => {}
        "OnFailure" if job["spec"]["podFailurePolicy"].is_null() => {}
        policy @ "OnFailure" => errors.push(FieldError::invalid(
            field,
            policy,
            "only \"Never\" is supported when podFailurePolicy is specified",
        )),
        policy => errors.push(FieldError::not_supported(field, policy, &["OnFailure", "Never"])),
    }
}
