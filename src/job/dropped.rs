//! What an API server did not keep of a Job; pure.
//!
//! A server drops a field whose feature gate is closed, and without strict validation one that it
//! does not know. Neither is an error, so the only way to learn of it is to compare what was sent
//! with what is stored.

use serde_json::Value;

/// Fields of a pod's spec that are left out of the stored object where they are false or zero,
/// since that is what they are without being written (they are no pointers in
/// `k8s.io/api/core/v1`). Any other false or zero means something.
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

/// The fields below `spec` that are in the Job as sent and not in the Job as stored, as paths such
/// as `spec.template.spec.hostUsers`. Of a part that is missing as a whole only its own path is
/// given. What the server added, or holds with another value, is not looked at.
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

/// The item of a stored list that an item sent has become: the one in its place, unless something
/// was put between them.
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

/// Whether a field with this value is the same as without it, so that a server may leave it out.
fn says_nothing(field: &str, value: &Value) -> bool {
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
            "completions": 3, "podFailurePolicy": {"rules": [{"action": "Ignore"}]}, "maxFailedIndexes": 0,
            "template": {"spec": {"hostUsers": false, "containers": [{"name": "a", "resizePolicy": [{"x": "y"}]}]}},
        });
        let stored = json!({"completions": 3, "template": {"spec": {"containers": [{"name": "a", "image": "i"}]}}});
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
            "selector": null, "template": {"metadata": {"creationTimestamp": null, "labels": {}}, "spec": {
                "hostNetwork": false, "hostname": "", "volumes": [], "affinity": {"nodeAffinity": {}},
                "containers": [{"name": "a", "tty": false, "ports": [{"containerPort": 80, "hostPort": 0}]}],
            }},
        });
        let stored = json!({"template": {"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80}]}]}}});
        assert_eq!(of(sent, stored), Vec::<String>::new());
    }

    #[test]
    fn another_value_or_form_is_not_a_loss() {
        let sent = json!({"suspend": true, "template": {"spec": {"containers": [{"limits": {"cpu": 1}}]}}});
        let stored = json!({"suspend": false, "template": {"spec": {"containers": [{"limits": {"cpu": "1"}}]}}});
        assert_eq!(of(sent, stored), Vec::<String>::new());
    }

    #[test]
    fn what_somebody_put_into_a_list_does_not_hide_what_is_missing() {
        let sent = json!({"containers": [{"name": "a", "lost": 1}, {"name": "b", "kept": 1}], "plain": ["x", "y"]});
        let stored = json!({
            "containers": [{"name": "sidecar"}, {"name": "a"}, {"name": "b", "kept": 1}], "plain": ["w", "x", "y"],
        });
        assert_eq!(of(sent, stored), ["spec.containers[0].lost"]);
        assert_eq!(of(json!({"plain": ["x", "y"]}), json!({"plain": ["x"]})), ["spec.plain[1]"]);
    }
}
