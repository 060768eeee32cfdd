//! The rules for a change of a Job's status. Those of Kubernetes before 1.32 are few. Of the others
//! most hold only where the fields that they are about change, so that a status that breaks one can
//! still be written.

use serde_json::Value;

use crate::controller::indexes::{self, Intervals};
use crate::object::{finished, has_condition, items, moment, number, text};
use crate::status::FieldError;
use crate::version::Version;

/// The rules for a changed status.
pub(crate) fn validate_status(
    version: Version,
    job: &Value,
    old: &Value,
    errors: &mut Vec<FieldError>,
) {
    counters(job, errors);
    if version.checks_status() {
        whole(job, old, errors);
    } else {
        criteria(job, errors);
    }
    criteria_kept(job, old, errors);
}

/// What older servers refuse: `SuccessCriteriaMet` on a Job without a success policy, which on them
/// is every Job.
fn criteria(job: &Value, errors: &mut Vec<FieldError>) {
    let truth = |kind: &str| has_condition(job, kind, "True");
    let mut refuse =
        |why: &str| errors.push(FieldError::invalid_unprinted("status.conditions", why));
    if !truth("SuccessCriteriaMet") {
        return;
    }
    if !super::indexed(job) {
        refuse("cannot set SuccessCriteriaMet to NonIndexed Job");
    }
    if truth("Failed") {
        refuse("cannot set SuccessCriteriaMet=True and Failed=true conditions");
    }
    if truth("FailureTarget") {
        refuse("cannot set SuccessCriteriaMet=True and FailureTarget=true conditions");
    }
    if job["spec"]["successPolicy"].is_null() {
        refuse("cannot set SuccessCriteriaMet=True for Job without SuccessPolicy");
    }
}

/// What newer servers refuse.
fn whole(job: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let changed = |field: &str| job["status"][field] != old["status"][field];
    let truth = |object: &Value, kind: &str| has_condition(object, kind, "True");
    let turned = |kind: &str| truth(job, kind) != truth(old, kind);
    let ended_changed = finished(job) != finished(old);
    conditions(job, &turned, changed("failedIndexes"), errors);
    times(job, &turned, &changed, ended_changed, errors);
    if finished(job) {
        ended(job, &changed, ended_changed, errors);
    }
    index_lists(job, &changed, errors);
    if (changed("ready") || changed("active"))
        && let Some(ready) = number(job, "/status/ready")
        && ready > number(job, "/status/active").unwrap_or_default()
    {
        errors.push(FieldError::invalid(
            "status.ready",
            ready,
            "cannot set more ready pods than active",
        ));
    }
    for kind in ["Failed", "FailureTarget"] {
        if truth(job, "SuccessCriteriaMet") && truth(job, kind) {
            let why = format!("cannot set SuccessCriteriaMet=True and {kind}=true conditions");
            errors.push(FieldError::invalid_unprinted("status.conditions", &why));
        }
    }
    transitions(job, old, errors);
}

fn counters(job: &Value, errors: &mut Vec<FieldError>) {
    for field in ["active", "succeeded", "failed", "ready", "terminating"] {
        if let Some(value @ ..0) = number(job, &format!("/status/{field}")) {
            errors.push(FieldError::invalid(
                &format!("status.{field}"),
                value,
                "must be greater than or equal to 0",
            ));
        }
    }
}

fn conditions(
    job: &Value,
    turned: &dyn Fn(&str) -> bool,
    failed_indexes_changed: bool,
    errors: &mut Vec<FieldError>,
) {
    let truth = |kind: &str| has_condition(job, kind, "True");
    let mut refuse =
        |why: &str| errors.push(FieldError::invalid_unprinted("status.conditions", why));
    if (turned("Complete") || turned("Failed")) && truth("Complete") && truth("Failed") {
        refuse("cannot set Complete=True and Failed=true conditions");
    }
    if (turned("Complete") || turned("FailureTarget"))
        && truth("Complete")
        && truth("FailureTarget")
    {
        refuse("cannot set Complete=True and FailureTarget=true conditions");
    }
    if (turned("Failed") || failed_indexes_changed) && truth("Failed") && !truth("FailureTarget") {
        refuse("cannot set Failed=True condition without the FailureTarget=true condition");
    }
    if (turned("Complete") || turned("SuccessCriteriaMet"))
        && truth("Complete")
        && !truth("SuccessCriteriaMet")
    {
        refuse("cannot set Complete=True condition without the SuccessCriteriaMet=true condition");
    }
}

fn times(
    job: &Value,
    turned: &dyn Fn(&str) -> bool,
    changed: &dyn Fn(&str) -> bool,
    ended_changed: bool,
    errors: &mut Vec<FieldError>,
) {
    let complete = has_condition(job, "Complete", "True");
    let (start, end) = (moment(job, "/status/startTime"), moment(job, "/status/completionTime"));
    let printed = || job["status"]["completionTime"].clone();
    if turned("Complete") || changed("completionTime") {
        if end.is_some() && !complete {
            let why = "cannot set completionTime when there is no Complete=True condition";
            errors.push(FieldError::invalid("status.completionTime", printed(), why));
        }
        if end.is_none() && complete {
            let why = "completionTime is required for Complete jobs";
            errors.push(FieldError::required("status.completionTime", why));
        }
    }
    if (changed("startTime") || changed("completionTime"))
        && let (Some(start), Some(end)) = (start, end)
        && end < start
    {
        let why = "must be equal to or after `startTime`";
        errors.push(FieldError::invalid("status.completionTime", printed(), why));
    }
    let nothing_to_do = super::suspended(job) && number(job, "/spec/completions") == Some(0);
    if (ended_changed || changed("startTime")) && !nothing_to_do && start.is_none() && finished(job)
    {
        errors.push(FieldError::required(
            "status.startTime",
            "startTime is required for finished job",
        ));
    }
}

fn ended(
    job: &Value,
    changed: &dyn Fn(&str) -> bool,
    ended_changed: bool,
    errors: &mut Vec<FieldError>,
) {
    let active = number(job, "/status/active").unwrap_or_default();
    if (ended_changed || changed("active")) && active > 0 {
        errors.push(FieldError::invalid(
            "status.active",
            active,
            "active>0 is invalid for finished job",
        ));
    }
    let uncounted = items(job, "/status/uncountedTerminatedPods/failed").len()
        + items(job, "/status/uncountedTerminatedPods/succeeded").len();
    if (ended_changed || changed("uncountedTerminatedPods")) && uncounted > 0 {
        let value = job["status"]["uncountedTerminatedPods"].clone();
        let why = "must be empty for finished job";
        errors.push(FieldError::invalid("status.uncountedTerminatedPods", value, why));
    }
    if let Some(terminating @ 1..) = number(job, "/status/terminating")
        && (ended_changed || changed("terminating"))
    {
        let why = "terminating>0 is invalid for finished job";
        errors.push(FieldError::invalid("status.terminating", terminating, why));
    }
}

fn index_lists(job: &Value, changed: &dyn Fn(&str) -> bool, errors: &mut Vec<FieldError>) {
    let completed = text(job, "/status/completedIndexes");
    let failed = job["status"]["failedIndexes"].as_str();
    let per_index = number(job, "/spec/backoffLimitPerIndex").is_some();
    let completions = number(job, "/spec/completions");
    if let Some(completions) = completions {
        let mut check = |field: &str, list: &str| {
            if let Err(why) = indexes::check(list, completions) {
                let why = format!("error parsing {field}: {why}");
                errors.push(FieldError::invalid(&format!("status.{field}"), list, why));
            }
        };
        if changed("completedIndexes") {
            check("completedIndexes", completed);
        }
        if let Some(failed) = failed.filter(|_| changed("failedIndexes") && per_index) {
            check("failedIndexes", failed);
        }
    }
    if changed("completedIndexes") && !completed.is_empty() && !super::indexed(job) {
        let why = "cannot set non-empty completedIndexes when non-indexed completion mode";
        errors.push(FieldError::invalid("status.completedIndexes", completed, why));
    }
    let Some(failed) = failed else { return };
    if changed("failedIndexes") && !per_index {
        let why = "cannot set non-null failedIndexes when backoffLimitPerIndex is null";
        errors.push(FieldError::invalid("status.failedIndexes", failed, why));
    }
    if (changed("failedIndexes") || changed("completedIndexes"))
        && let Some(completions) = completions
    {
        let completed = Intervals::parse(completed, completions);
        let overlap =
            Intervals::parse(failed, completions).indexes().find(|index| completed.has(*index));
        if let Some(index) = overlap {
            let why = format!("failedIndexes and completedIndexes overlap at index: {index}");
            errors.push(FieldError::invalid("status.failedIndexes", failed, why));
        }
    }
}

fn transitions(job: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let truth = |object: &Value, kind: &str| has_condition(object, kind, "True");
    for kind in ["Failed", "Complete", "FailureTarget"] {
        if truth(old, kind) && !truth(job, kind) {
            let why = format!("cannot disable the terminal {kind}=True condition");
            errors.push(FieldError::invalid_unprinted("status.conditions", &why));
        }
    }
    let count = |object: &Value, field: &str| {
        number(object, &format!("/status/{field}")).unwrap_or_default()
    };
    let elastic =
        super::indexed(job) && number(job, "/spec/completions") == number(job, "/spec/parallelism");
    for (field, checked) in [("failed", true), ("succeeded", !elastic)] {
        if checked && count(job, field) < count(old, field) {
            let why = format!("cannot decrease the {field} counter");
            errors.push(FieldError::invalid(&format!("status.{field}"), count(job, field), why));
        }
    }
    let (new, was) = (&job["status"]["completionTime"], &old["status"]["completionTime"]);
    if !new.is_null() && !was.is_null() && new != was {
        errors.push(FieldError::invalid(
            "status.completionTime",
            new.clone(),
            "field is immutable",
        ));
    }
    let (new, was) = (&job["status"]["startTime"], &old["status"]["startTime"]);
    let resuming = truth(old, "Suspended") && has_condition(job, "Suspended", "False");
    if !was.is_null() && new != was && !super::suspended(job) && !resuming {
        let why = "field is immutable for unsuspended job once set";
        errors.push(FieldError::invalid("status.startTime", new.clone(), why));
    }
}

/// What all servers refuse.
fn criteria_kept(job: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let truth = |object: &Value, kind: &str| has_condition(object, kind, "True");
    if truth(old, "SuccessCriteriaMet") && !truth(job, "SuccessCriteriaMet") {
        let why = "cannot disable the SuccessCriteriaMet=True condition";
        errors.push(FieldError::invalid_unprinted("status.conditions", why));
    }
    if truth(old, "Complete")
        && !truth(old, "SuccessCriteriaMet")
        && truth(job, "SuccessCriteriaMet")
    {
        let why = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions";
        errors.push(FieldError::invalid_unprinted("status.conditions", why));
    }
}
