//! Where a Job as a server has it runs or ends in another way than the Job that was sent; pure.
//!
//! Admission policies and webhooks change what is written. A server that adds a field is as
//! dangerous as one that drops it: a shard with a `ttlSecondsAfterFinished` that is not ours
//! expires with its result. So the whole spec is compared, but for what the API fills in
//! ([`super::defaults`]) and for [`NOT_COMPARED`]. What a server drops is found by
//! [`super::dropped()`].

use serde_json::Value;

use super::{
    Size, defaults::defaulted, dropped::says_nothing, labels::is_generated,
    quantity::same_quantity, queue,
};

/// The fields of a Job's spec that are not compared here.
const NOT_COMPARED: [&str; 9] = [
    // Counts and limits: the ledger says what they are to be at each moment.
    "activeDeadlineSeconds",
    "backoffLimit",
    "completions",
    "maxFailedIndexes",
    "parallelism",
    "suspend",
    // A cluster that changes these gets no shard: `queue::unfit`, `gang::unfit`.
    "managedBy",
    "scheduling",
    // Each Job gets its own of the server.
    "selector",
];

/// The texts of the template that are shown. Others may hold a password or a token.
const SHOWN: [&str; 9] = [
    "dnsPolicy",
    "image",
    "imagePullPolicy",
    "nodeName",
    "priorityClassName",
    "restartPolicy",
    "runtimeClassName",
    "schedulerName",
    "serviceAccountName",
];

/// The lists of the template whose items are told apart by a field of theirs, with that field. Of
/// others the place counts.
const NAMED: [(&str, &str); 9] = [
    ("containers", "name"),
    ("env", "name"),
    ("imagePullSecrets", "name"),
    ("initContainers", "name"),
    ("ports", "containerPort"),
    ("resourceClaims", "name"),
    ("schedulingGates", "name"),
    ("volumeMounts", "mountPath"),
    ("volumes", "name"),
];

/// The objects of which each entry is named, also where none was sent.
const MAPS: [&str; 4] = [
    "template.metadata",
    "template.metadata.annotations",
    "template.metadata.labels",
    "template.spec.nodeSelector",
];

/// What a server has added or changed, one sentence for each field of the Job's spec.
///
/// Counts and limits are not compared here: the ledger says what they are to be at each moment.
pub fn differences(sent: &Value, stored: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let [sent, stored] = [sent, stored].map(|job| {
        let mut job = defaulted(job, Size { parallelism: 0, completions: None });
        let template = &mut job["spec"]["template"];
        queue::forget_admission(template);
        if let Some(Value::Object(labels)) = template.pointer_mut("/metadata/labels") {
            labels.retain(|label, _| !is_generated(label));
        }
        job["spec"].take()
    });
    for (field, value) in fields(&stored) {
        if !NOT_COMPARED.contains(&field.as_str()) {
            compare(&Place::default().of(field), &sent[field], value, &mut found);
        }
    }
    found
}

/// Where a value is.
#[derive(Debug, Clone, Default)]
struct Place {
    /// What a sentence begins with: `container "a": ` or nothing.
    whose: String,
    /// The path from there, such as `template.spec.restartPolicy`.
    path: String,
    /// The last field of the path.
    field: String,
}

impl Place {
    /// The place of a field of the object here.
    fn of(&self, field: &str) -> Self {
        let path = match self.path.as_str() {
            "" => field.to_owned(),
            path => format!("{path}.{field}"),
        };
        Self { path, field: field.to_owned(), whose: self.whose.clone() }
    }

    fn is_in_template(&self) -> bool {
        !self.whose.is_empty() || self.path.starts_with("template")
    }

    fn is_shown(&self) -> bool {
        SHOWN.contains(&self.field.as_str()) && !self.path.starts_with("template.metadata")
    }

    /// A value as it is shown here; none where it is not.
    fn text(&self, value: &Value) -> Option<String> {
        match value {
            Value::Null => Some("unset".to_owned()),
            Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
            Value::String(text) if !self.is_in_template() || self.is_shown() => Some(text.clone()),
            _ => None,
        }
    }
}

/// Adds the sentences about a value and what is in it. A value that the server dropped is not
/// another one.
fn compare(place: &Place, sent: &Value, stored: &Value, found: &mut Vec<String>) {
    if stored == sent
        || says_nothing(&place.field, stored)
        || same_quantity(&place.path, sent, stored)
    {
        return;
    }
    match (sent, stored) {
        (Value::Object(_), Value::Object(stored)) => {
            for (field, value) in stored {
                compare(&place.of(field), &sent[field], value, found);
            }
        }
        (Value::Null, Value::Object(stored)) if MAPS.contains(&place.path.as_str()) => {
            for (field, value) in stored {
                compare(&place.of(field), &Value::Null, value, found);
            }
        }
        (Value::Null | Value::Array(_), Value::Array(items)) if key_of(&place.field).is_some() => {
            compare_named(place, sent, items, found);
        }
        (Value::Array(sent), Value::Array(stored))
            if sent.len() == stored.len() && stored.iter().all(Value::is_object) =>
        {
            for (n, (sent, stored)) in sent.iter().zip(stored).enumerate() {
                let path = format!("{}[{n}]", place.path);
                compare(&Place { path, ..place.clone() }, sent, stored, found);
            }
        }
        _ => found.push(sentence(place, sent, stored)),
    }
}

fn sentence(place: &Place, sent: &Value, stored: &Value) -> String {
    let Place { whose, path, .. } = place;
    match (place.text(stored), place.text(sent)) {
        (Some(stored), Some(sent)) => format!("{whose}{path} is {stored}, not {sent}"),
        (None, _) if sent.is_null() => format!("{whose}{path} is added"),
        _ => format!("{whose}{path} is another"),
    }
}

/// The field by which the items of this list are told apart.
fn key_of(list: &str) -> Option<&'static str> {
    NAMED.iter().find(|(name, _)| *name == list).map(|(_, key)| *key)
}

/// The same for the items of a list in [`NAMED`]. Of a container each field is compared, another
/// item is named as a whole.
fn compare_named(place: &Place, sent: &Value, stored: &[Value], found: &mut Vec<String>) {
    let key = key_of(&place.field).unwrap_or_default();
    let is_containers = matches!(place.field.as_str(), "containers" | "initContainers");
    for item in stored {
        let name = &item[key];
        let own = sent.as_array().into_iter().flatten().find(|own| own[key] == *name);
        if is_containers {
            let Some(own) = own else {
                found.push(format!("it has a further container {name}"));
                continue;
            };
            let whose = format!("container {name}: ");
            for (field, value) in fields(item) {
                let place = Place { whose: whose.clone(), ..Place::default() };
                compare(&place.of(field), &own[field], value, found);
            }
            continue;
        }
        let name = name.as_str().map_or_else(|| name.to_string(), str::to_owned);
        let path = format!("{} {name}", place.path);
        let Some(own) = own else {
            found.push(format!("{}{path} is added", place.whose));
            continue;
        };
        let mut inside = Vec::new();
        for (field, value) in fields(item) {
            compare(&place.of(field), &own[field], value, &mut inside);
        }
        if !inside.is_empty() {
            found.push(format!("{}{path} is another", place.whose));
        }
    }
}

fn fields(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(container: Value) -> Value {
        json!({"spec": {
            "completions": 3,
            "template": {"metadata": {"labels": {"a": "b"}},
                "spec": {"restartPolicy": "Never", "containers": [container]}},
        }})
    }

    fn sent() -> Value {
        let env = json!([{"name": "A", "value": "1"}, {"name": "E", "value": ""}, {"name": "B",
            "valueFrom": {"fieldRef": {
            "fieldPath": "metadata.name"}}}]);
        let resources = json!({"limits": {"cpu": 0.5, "memory": "1024Mi"}});
        job(json!({"name": "a", "image": "i", "args": ["x"], "env": env, "resources": resources}))
    }

    #[test]
    fn defaults_of_servers_are_no_differences() {
        let mut stored = sent();
        stored["spec"]["podReplacementPolicy"] = "TerminatingOrFailed".into();
        stored["spec"]["backoffLimit"] = 6.into();
        let container = &mut stored["spec"]["template"]["spec"]["containers"][0];
        container["imagePullPolicy"] = "Always".into();
        container["resources"] = json!({"limits": {"cpu": "500m", "memory": "1Gi"}});
        container["env"][1] = json!({"name": "E"});
        container["env"][2]["valueFrom"]["fieldRef"]["apiVersion"] = "v1".into();
        stored["spec"]["selector"] = json!({"matchLabels": {"controller-uid": "u"}});
        stored["spec"]["template"]["metadata"]["labels"] =
            json!({"a": "b", "controller-uid": "u", "batch.kubernetes.io/job-name": "pi"});
        assert_eq!(differences(&sent(), &stored), Vec::<String>::new());
        let mut sent = sent();
        sent["spec"]["podFailurePolicy"] = json!({"rules": []});
        stored["spec"]["podFailurePolicy"] = json!({"rules": []});
        stored["spec"]["podReplacementPolicy"] = "Failed".into();
        assert_eq!(differences(&sent, &stored), Vec::<String>::new());
    }

    #[test]
    fn no_difference_shows_a_text_that_may_be_a_secret() {
        for (pointer, value) in [
            ("/spec/template/spec/containers/0/command", json!(["--password=s3cret"])),
            ("/spec/template/spec/containers/0/args", json!(["s3cret"])),
            ("/spec/template/spec/containers/0/env/0/value", json!("s3cret")),
            ("/spec/template/spec/containers/0/newField", json!("s3cret")),
            ("/spec/template/metadata/annotations", json!({"image": "s3cret"})),
            ("/spec/template/metadata/labels/image", json!("s3cret")),
            ("/spec/template/spec/newField", json!({"image": [{"s3cret": "s3cret"}]})),
        ] {
            let mut stored = sent();
            let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
            stored.pointer_mut(parent).expect("there")[field] = value;
            let found = differences(&sent(), &stored);
            assert_eq!(found.len(), 1, "{pointer}: {found:?}");
            assert!(!found[0].contains("s3cret"), "{found:?}");
        }
    }

    #[test]
    fn what_a_queue_sets_at_an_admission_is_no_difference() {
        let mut stored = sent();
        let template = &mut stored["spec"]["template"];
        template["metadata"]["annotations"] = json!({"kueue.x-k8s.io/workload": "job-pi"});
        template["metadata"]["labels"]["kueue.x-k8s.io/podset"] = "main".into();
        template["spec"]["nodeSelector"] = json!({"zone": "a"});
        template["spec"]["tolerations"] = json!([{"key": "a"}]);
        assert_eq!(differences(&sent(), &stored), Vec::<String>::new());
    }

    #[test]
    fn a_changed_rule_of_a_failure_policy_is_named() {
        let with = |action: &str| {
            let mut job = sent();
            job["spec"]["podFailurePolicy"] = json!({"rules": [{"action": action}]});
            job
        };
        assert_eq!(
            differences(&with("FailJob"), &with("Ignore")),
            ["podFailurePolicy.rules[0].action is Ignore, not FailJob"]
        );
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
                "podReplacementPolicy is Failed, not TerminatingOrFailed",
            ),
            (
                "/spec",
                json!({"successPolicy": {"rules": [{"succeededCount": 1}]}}),
                "successPolicy is added",
            ),
            (
                "/spec",
                json!({"completionMode": "Indexed"}),
                "completionMode is Indexed, not NonIndexed",
            ),
            ("/spec", json!({"newField": {"a": 1}}), "newField is added"),
            (
                "/spec/template/metadata",
                json!({"annotations": {"sidecar/inject": "yes"}}),
                "template.metadata.annotations.sidecar/inject is added",
            ),
            (
                "/spec/template/spec",
                json!({"restartPolicy": "OnFailure"}),
                "template.spec.restartPolicy is OnFailure, not Never",
            ),
            (
                "/spec/template/spec",
                json!({"activeDeadlineSeconds": 9}),
                "template.spec.activeDeadlineSeconds is 9, not unset",
            ),
            (
                "/spec/template/spec",
                json!({"hostNetwork": true}),
                "template.spec.hostNetwork is true, not unset",
            ),
            (
                "/spec/template/spec",
                json!({"tolerations": [{"key": "a"}]}),
                "template.spec.tolerations is added",
            ),
            (
                "/spec/template/spec",
                json!({"volumes": [{"name": "x", "emptyDir": {}}]}),
                "template.spec.volumes x is added",
            ),
            (
                "/spec/template/spec/containers/0",
                json!({"livenessProbe": {"exec": {"command": ["x"]}}}),
                "container \"a\": livenessProbe is added",
            ),
            (
                "/spec/template/spec/containers/0",
                json!({"resources": {"limits": {"cpu": "2"}}}),
                "container \"a\": resources.limits.cpu is another",
            ),
            (
                "/spec/template/spec/containers/0/env/2",
                json!({"valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}),
                "container \"a\": env B is another",
            ),
            ("/spec", json!({"backoffLimitPerIndex": 1}), "backoffLimitPerIndex is 1, not unset"),
            (
                "/spec",
                json!({"podFailurePolicy": {"rules": [{"action": "Ignore"}]},
                    "podReplacementPolicy": "TerminatingOrFailed"}),
                "podFailurePolicy is added",
            ),
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
                "container \"a\": command is added",
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
