//! Where a Job as a server has it runs or ends in another way than the Job that was sent; pure.
//!
//! Admission policies and webhooks change what is written. A server that adds a field is as
//! dangerous as one that drops it: a shard with a `ttlSecondsAfterFinished` that is not ours
//! expires with its result. What a server drops is found by [`super::dropped()`].

use serde_json::Value;

/// The fields of a container that decide what it does. No server gives them a default.
const CONTAINER_FIELDS: [&str; 4] = ["image", "command", "args", "envFrom"];

/// Those whose values are not shown, because they may hold a password or a token.
const SECRETIVE: [&str; 3] = ["command", "args", "envFrom"];

/// What is different, one sentence for each field: of the Job's `ttlSecondsAfterFinished`,
/// `podReplacementPolicy`, `backoffLimitPerIndex` and `podFailurePolicy`, and of the containers of
/// its template.
///
/// Counts and limits are not compared here: the ledger says what they are to be at each moment.
pub fn differences(sent: &Value, stored: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let (sent, stored) = (&sent["spec"], &stored["spec"]);
    for field in ["ttlSecondsAfterFinished", "backoffLimitPerIndex"] {
        compare(field, &sent[field], &stored[field], &mut found);
    }
    let policy = "podReplacementPolicy";
    if stored[policy] != *default_replacement(sent) || !sent[policy].is_null() {
        compare(policy, &sent[policy], &stored[policy], &mut found);
    }
    if sent["podFailurePolicy"].is_null() && !stored["podFailurePolicy"].is_null() {
        found.push("it has a podFailurePolicy".to_owned());
    }
    for list in ["initContainers", "containers"] {
        let containers = |spec: &Value| spec["template"]["spec"][list].clone();
        compare_containers(&containers(sent), &containers(stored), &mut found);
    }
    found
}

/// The default of `podReplacementPolicy` (KEP-3939).
fn default_replacement(spec: &Value) -> &'static str {
    if spec["podFailurePolicy"].is_null() { "TerminatingOrFailed" } else { "Failed" }
}

/// Adds a sentence where a server has another value than was sent. A value that it dropped is not
/// another one. The values of [`SECRETIVE`] fields are not shown.
fn compare(field: &str, sent: &Value, stored: &Value, found: &mut Vec<String>) {
    if stored.is_null() || stored == sent {
        return;
    }
    found.push(if SECRETIVE.contains(&field) {
        format!("{field} is another")
    } else {
        format!("{field} is {}, not {}", text(stored), text(sent))
    });
}

fn compare_containers(sent: &Value, stored: &Value, found: &mut Vec<String>) {
    let list = |containers: &Value| containers.as_array().cloned().unwrap_or_default();
    let sent = list(sent);
    for container in list(stored) {
        let name = container["name"].as_str().unwrap_or_default();
        let Some(own) = sent.iter().find(|own| own["name"] == container["name"]) else {
            found.push(format!("it has a further container {name:?}"));
            continue;
        };
        for field in CONTAINER_FIELDS {
            let field_found = &mut Vec::new();
            compare(field, &own[field], &container[field], field_found);
            found.extend(field_found.iter().map(|text| format!("container {name:?}: {text}")));
        }
        for variable in list(&container["env"]) {
            let is_sent = list(&own["env"]).iter().any(|own| {
                own["name"] == variable["name"]
                    && text_of(&own["value"]) == text_of(&variable["value"])
            });
            if !is_sent {
                let variable = variable["name"].as_str().unwrap_or_default();
                found.push(format!("container {name:?}: env {variable} is another"));
            }
        }
    }
}

/// The text of an environment variable: servers leave out an empty one.
fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "unset".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(container: Value) -> Value {
        json!({"spec": {
            "completions": 3,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        }})
    }

    fn sent() -> Value {
        let env = json!([{"name": "A", "value": "1"}, {"name": "E", "value": ""}, {"name": "B",
            "valueFrom": {"fieldRef": {
            "fieldPath": "metadata.name"}}}]);
        job(json!({"name": "a", "image": "i", "args": ["x"], "env": env}))
    }

    #[test]
    fn defaults_of_servers_are_no_differences() {
        let mut stored = sent();
        stored["spec"]["podReplacementPolicy"] = "TerminatingOrFailed".into();
        stored["spec"]["backoffLimit"] = 6.into();
        let container = &mut stored["spec"]["template"]["spec"]["containers"][0];
        container["imagePullPolicy"] = "Always".into();
        container["env"][1] = json!({"name": "E"});
        container["env"][2]["valueFrom"]["fieldRef"]["apiVersion"] = "v1".into();
        assert_eq!(differences(&sent(), &stored), Vec::<String>::new());
        let mut sent = sent();
        sent["spec"]["podFailurePolicy"] = json!({"rules": []});
        stored["spec"]["podFailurePolicy"] = json!({"rules": []});
        stored["spec"]["podReplacementPolicy"] = "Failed".into();
        assert_eq!(differences(&sent, &stored), Vec::<String>::new());
    }

    #[test]
    fn no_difference_shows_the_value_of_a_secretive_field() {
        for field in SECRETIVE {
            let found = &mut Vec::new();
            compare(field, &json!(["--password=x"]), &json!(["--password=y"]), found);
            assert_eq!(*found, [format!("{field} is another")]);
        }
    }

    #[test]
    fn what_a_server_sets_adds_or_changes_is_named() {
        for (pointer, value, said) in [
            (
                "/spec",
                json!({"ttlSecondsAfterFinished": 60}),
                "ttlSecondsAfterFinished is 60, not unset",
            ),
            (
                "/spec",
                json!({"podReplacementPolicy": "Failed"}),
                "podReplacementPolicy is Failed, not unset",
            ),
            ("/spec", json!({"backoffLimitPerIndex": 1}), "backoffLimitPerIndex is 1, not unset"),
            ("/spec", json!({"podFailurePolicy": {"rules": []}}), "it has a podFailurePolicy"),
            (
                "/spec/template/spec",
                json!({"initContainers": [{"name": "side"}]}),
                "it has a further container \"side\"",
            ),
            (
                "/spec/template/spec/containers/0",
                json!({"image": "mirror/i"}),
                "container \"a\": image is mirror/i, not i",
            ),
            (
                "/spec/template/spec/containers/0",
                json!({"command": ["--password=y"]}),
                "container \"a\": command is another",
            ),
            (
                "/spec/template/spec/containers/0/env/0",
                json!({"value": "2"}),
                "container \"a\": env A is another",
            ),
        ] {
            let mut stored = sent();
            let place = stored.pointer_mut(pointer).and_then(Value::as_object_mut).expect("there");
            place.extend(value.as_object().expect("fields").clone());
            assert_eq!(differences(&sent(), &stored), [said]);
        }
    }
}
