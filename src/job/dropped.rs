//! The fields of a Job that an API server did not keep; pure.
//!
//! A server drops a field whose feature gate is off. Without strict validation it also drops a
//! field that it does not know. Neither is an error: only comparing the sent object with the stored
//! one shows it.

use serde_json::Value;

/// Fields of a pod's spec that a stored object lacks if they are false or zero, because they are no
/// pointers in `k8s.io/api/core/v1`. In any other field, false or zero differs from absent.
const PLAIN: [&str; 15] = [
    "chapAuthDiscovery",
    "chapAuthSession",
    "failureThreshold",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostPort",
    "initialDelaySeconds",
    "periodSeconds",
    "readOnly",
    "stdin",
    "stdinOnce",
    "successThreshold",
    "timeoutSeconds",
    "tty",
];

/// The fields below `spec` that the sent Job has and the stored Job lacks, as paths such as
/// `spec.template.spec.hostUsers`. If an object or a list is missing, only its own path is given.
/// Fields that the server added or changed do not count.
pub fn dropped(sent: &Value, stored: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    compare("spec", &sent["spec"], &stored["spec"], &mut paths);
    paths
}

fn compare(path: &str, sent: &Value, stored: &Value, paths: &mut Vec<String>) {
    match (sent, stored) {
        (_, Value::Null) if !says_nothing(last_field(path), sent) => paths.push(path.to_owned()),
        (Value::Object(sent), Value::Object(stored)) => {
            for (field, value) in sent {
                let stored = stored.get(field).unwrap_or(&Value::Null);
                compare(&format!("{path}.{field}"), value, stored, paths);
            }
        }
        (Value::Array(sent), Value::Array(stored)) => {
            for (n, item) in sent.iter().enumerate() {
                compare(&format!("{path}[{n}]"), item, counterpart(n, item, sent, stored), paths);
            }
        }
        _ => {}
    }
}

/// The item of the stored list that corresponds to an item of the sent list: the one at the same
/// position, or the one of the same name if the lengths differ.
fn counterpart<'a>(n: usize, item: &Value, sent: &[Value], stored: &'a [Value]) -> &'a Value {
    let in_place = stored.get(n).filter(|_| sent.len() == stored.len());
    let named =
        || stored.iter().find(|other| item.get("name").is_some() && item["name"] == other["name"]);
    let same = || stored.iter().find(|other| *other == item);
    in_place.or_else(named).or_else(same).unwrap_or(&Value::Null)
}

fn last_field(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// Whether the field with this value means the same as the field absent.
pub(super) fn says_nothing(field: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value && PLAIN.contains(&field),
        Value::Number(value) => value.as_i64() == Some(0) && PLAIN.contains(&field),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.iter().all(|(field, value)| says_nothing(field, value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(sent: Value, stored: Value) -> Vec<String> {
        dropped(&json!({ "spec": sent }), &json!({ "spec": stored }))
    }

    #[test]
    fn what_is_missing_is_named_by_its_path_and_as_a_whole() {
        let sent = json!({
            "completions": 3, "podFailurePolicy": {"rules": [{"action": "Ignore"}]},
            "maxFailedIndexes": 0,
            "template": {"spec": {"hostUsers": false, "containers": [{"name": "a",
            "resizePolicy": [{"x": "y"}]}]}},
        });
        let stored = json!({"completions": 3, "template": {"spec": {"containers": [{"name": "a",
            "image": "i"}]}}});
        assert_eq!(
            of(sent, stored),
            [
                "spec.maxFailedIndexes",
                "spec.podFailurePolicy",
                "spec.template.spec.containers[0].resizePolicy",
                "spec.template.spec.hostUsers",
            ]
        );
    }

    #[test]
    fn what_means_nothing_may_be_left_out() {
        let sent = json!({
            "selector": null,
            "template": {"metadata": {"creationTimestamp": null, "labels": {}}, "spec": {
                "hostNetwork": false, "hostname": "", "volumes": [],
                "affinity": {"nodeAffinity": {}},
                "containers": [{"name": "a", "tty": false, "ports": [{"containerPort": 80,
                "hostPort": 0}]}],
            }},
        });
        let stored = json!({"template": {"spec": {"containers": [{"name": "a",
            "ports": [{"containerPort": 80}]}]}}});
        assert_eq!(of(sent, stored), Vec::<String>::new());
    }

    #[test]
    fn another_value_or_form_is_not_a_loss() {
        let sent = json!({"suspend": true,
            "template": {"spec": {"containers": [{"limits": {"cpu": 1}}]}}});
        let stored = json!({"suspend": false,
            "template": {"spec": {"containers": [{"limits": {"cpu": "1"}}]}}});
        assert_eq!(of(sent, stored), Vec::<String>::new());
    }

    #[test]
    fn what_somebody_put_into_a_list_does_not_hide_what_is_missing() {
        let sent = json!({"containers": [{"name": "a", "lost": 1}, {"name": "b", "kept": 1}],
            "plain": ["x", "y"]});
        let stored = json!({
            "containers": [{"name": "sidecar"}, {"name": "a"}, {"name": "b", "kept": 1}],
            "plain": ["w", "x", "y"],
        });
        assert_eq!(of(sent, stored), ["spec.containers[0].lost"]);
        assert_eq!(of(json!({"plain": ["x", "y"]}), json!({"plain": ["x"]})), ["spec.plain[1]"]);
    }
}
