//! Pod failure policies and success policies.

use serde_json::Value;

use super::indexes::Intervals;
use crate::object::{self, items, number, text};

/// What a pod failure policy says of a failed pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Count,
    Ignore,
    FailIndex,
    /// The Job fails, for this reason.
    FailJob(String),
}

/// What the Job's pod failure policy says of a failed pod; counting it, where no rule matches.
pub(super) fn action(job: &Value, pod: &Value) -> Action {
    for (at, rule) in items(job, "/spec/podFailurePolicy/rules").iter().enumerate() {
        let matched = if rule["onExitCodes"].is_object() {
            exit_code(rule, pod)
        } else {
            condition(rule, pod)
        };
        let Some(why) = matched else { continue };
        return match text(rule, "/action") {
            "Ignore" => Action::Ignore,
            "FailIndex" if number(job, "/spec/backoffLimitPerIndex").is_some() => Action::FailIndex,
            "FailJob" => Action::FailJob(format!("{why} matching FailJob rule at index {at}")),
            _ => Action::Count,
        };
    }
    Action::Count
}

/// Whether a failed pod counts against a limit.
pub(super) fn counts(job: &Value, pod: &Value) -> bool {
    action(job, pod) != Action::Ignore
}

fn exit_code(rule: &Value, pod: &Value) -> Option<String> {
    let codes = items(rule, "/onExitCodes/values");
    let wanted = text(rule, "/onExitCodes/containerName");
    let statuses = items(pod, "/status/containerStatuses")
        .iter()
        .chain(items(pod, "/status/initContainerStatuses"));
    for status in statuses {
        let name = text(status, "/name");
        let Some(code) = number(status, "/state/terminated/exitCode").filter(|code| *code != 0)
        else {
            continue;
        };
        let listed = codes.iter().any(|c| c.as_i64() == Some(code));
        let matched = if text(rule, "/onExitCodes/operator") == "NotIn" { !listed } else { listed };
        if matched && (wanted.is_empty() || wanted == name) {
            let pod = format!("{}/{}", object::namespace(pod), object::name(pod));
            return Some(format!("Container {name} for pod {pod} failed with exit code {code}"));
        }
    }
    None
}

fn condition(rule: &Value, pod: &Value) -> Option<String> {
    for pattern in items(rule, "/onPodConditions") {
        let kind = text(pattern, "/type");
        let status = pattern["status"].as_str().unwrap_or("True");
        if object::has_condition(pod, kind, status) {
            let pod = format!("{}/{}", object::namespace(pod), object::name(pod));
            return Some(format!("Pod {pod} has condition {kind}"));
        }
    }
    None
}

/// The sentence for a Job whose success policy the succeeded indexes meet.
pub(super) fn success(job: &Value, succeeded: &Intervals) -> Option<String> {
    let completions = number(job, "/spec/completions").unwrap_or_default();
    for (at, rule) in items(job, "/spec/successPolicy/rules").iter().enumerate() {
        let wanted =
            rule["succeededIndexes"].as_str().map(|list| Intervals::parse(list, completions));
        let met = match &wanted {
            Some(wanted) => wanted.indexes().filter(|index| succeeded.has(*index)).count() as i64,
            None => succeeded.total(),
        };
        let enough =
            number(rule, "/succeededCount").or_else(|| wanted.as_ref().map(Intervals::total));
        if enough.is_some_and(|enough| met >= enough) {
            return Some(format!("Matched rules at index {at}"));
        }
    }
    None
}
