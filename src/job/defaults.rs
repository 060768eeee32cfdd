//! The defaults that an API server fills in. Jobs that differ only in them are the same Job.
//!
//! The defaults of `pkg/apis/batch/v1/defaults.go` and, for pods, `pkg/apis/core/v1/defaults.go`.

use serde_json::{Map, Value};

use super::Size;

/// Fields that mean the same empty as absent. Others do not: an empty `namespaceSelector` selects
/// all namespaces, an absent one selects the pod's own.
const EMPTY: [&str; 8] = [
    "annotations",
    "labels",
    "limits",
    "metadata",
    "nodeSelector",
    "requests",
    "resources",
    "securityContext",
];

/// The defaults of sources of volumes: a source, its field and the value.
const SOURCES: [(&str, &str, &str); 10] = [
    ("azureDisk", "cachingMode", "ReadWrite"),
    ("azureDisk", "fsType", "ext4"),
    ("azureDisk", "kind", "Shared"),
    ("hostPath", "type", ""),
    ("iscsi", "iscsiInterface", "default"),
    ("rbd", "keyring", "/etc/ceph/keyring"),
    ("rbd", "pool", "rbd"),
    ("rbd", "user", "admin"),
    ("scaleIO", "fsType", "xfs"),
    ("scaleIO", "storageMode", "ThinProvisioned"),
];

/// The Job with the defaults of the API filled in, and without null and empty fields. Only for
/// comparing.
pub(super) fn defaulted(object: &Value, size: Size) -> Value {
    let mut job = filled(object, size);
    prune(&mut job);
    job
}

/// The Job with the defaults of the API filled in, as `kubectl get` shows one: the objects that
/// every Job in a cluster has are there, if need be without fields.
pub(super) fn filled(object: &Value, size: Size) -> Value {
    let mut job = object.clone();
    fill(&mut job["metadata"], "labels", Map::new());
    let spec = &mut job["spec"];
    let per_index = !spec["backoffLimitPerIndex"].is_null();
    let failure_policy = !spec["podFailurePolicy"].is_null();
    fill(spec, "parallelism", size.parallelism);
    if let Some(completions) = size.completions {
        fill(spec, "completions", completions);
    }
    fill(spec, "completionMode", "NonIndexed");
    fill(spec, "suspend", false);
    fill(spec, "manualSelector", false);
    fill(spec, "backoffLimit", if per_index { i32::MAX } else { 6 });
    fill(
        spec,
        "podReplacementPolicy",
        if failure_policy { "Failed" } else { "TerminatingOrFailed" },
    );
    for rule in items(&mut spec["podFailurePolicy"], "rules") {
        for pattern in items(rule, "onPodConditions") {
            fill(pattern, "status", "True");
        }
    }
    for field in ["metadata", "spec"] {
        fill(&mut spec["template"], field, Map::new());
    }
    fill(&mut spec["template"]["metadata"], "labels", Map::new());
    fill_pod(&mut spec["template"]["spec"]);
    remove_nulls(&mut job);
    job
}

fn fill_pod(pod: &mut Value) {
    fill(pod, "dnsPolicy", "ClusterFirst");
    fill(pod, "schedulerName", "default-scheduler");
    fill(pod, "securityContext", Map::new());
    fill(pod, "terminationGracePeriodSeconds", 30);
    if let Some(account) = pod.get("serviceAccount").cloned() {
        // The field's old name, which servers still write beside the new one.
        fill(pod, "serviceAccountName", account);
    }
    if let Some(pod) = pod.as_object_mut() {
        pod.remove("serviceAccount");
    }
    for kind in ["containers", "initContainers"] {
        items(pod, kind).for_each(fill_container);
    }
    items(pod, "volumes").for_each(fill_volume);
}

fn fill_container(container: &mut Value) {
    let policy = pull_policy(&container["image"]);
    fill(container, "imagePullPolicy", policy);
    fill(container, "terminationMessagePath", "/dev/termination-log");
    fill(container, "terminationMessagePolicy", "File");
    fill(container, "resources", Map::new());
    for port in items(container, "ports") {
        fill(port, "protocol", "TCP");
    }
    for variable in items(container, "env") {
        if let Some(source) = variable.get_mut("valueFrom") {
            fill_source(source);
        }
    }
    for hook in ["postStart", "preStop"] {
        if let Some(get) = container.pointer_mut(&format!("/lifecycle/{hook}/httpGet")) {
            fill_http_get(get);
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.get_mut(probe) else { continue };
        for (field, default) in [
            ("timeoutSeconds", 1),
            ("periodSeconds", 10),
            ("successThreshold", 1),
            ("failureThreshold", 3),
        ] {
            fill(probe, field, default);
        }
        if let Some(get) = probe.get_mut("httpGet") {
            fill_http_get(get);
        }
    }
}

fn fill_http_get(get: &mut Value) {
    fill(get, "path", "/");
    fill(get, "scheme", "HTTP");
}

/// The source of a variable, or of a file of the downward API.
fn fill_source(source: &mut Value) {
    if let Some(field) = source.get_mut("fieldRef") {
        fill(field, "apiVersion", "v1");
    }
    if let Some(resource) = source.get_mut("resourceFieldRef") {
        fill(resource, "divisor", "0");
    }
}

/// When an image is pulled.
fn pull_policy(image: &Value) -> &'static str {
    if image.as_str().is_some_and(is_latest) { "Always" } else { "IfNotPresent" }
}

/// Whether an image's tag is `latest`, which is the default without a tag and a digest.
fn is_latest(image: &str) -> bool {
    let (name, digest) = image.split_once('@').map_or((image, false), |(name, _)| (name, true));
    let last = name.rsplit('/').next().unwrap_or(name);
    last.split_once(':').map_or(!digest, |(_, tag)| tag == "latest")
}

fn fill_volume(volume: &mut Value) {
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        let Some(source) = volume.get_mut(source) else { continue };
        fill(source, "defaultMode", 0o644);
        items(source, "items").for_each(fill_source);
        for source in items(source, "sources") {
            if let Some(token) = source.get_mut("serviceAccountToken") {
                fill(token, "expirationSeconds", 3600);
            }
            if let Some(files) = source.get_mut("downwardAPI") {
                items(files, "items").for_each(fill_source);
            }
        }
    }
    if let Some(image) = volume.get_mut("image") {
        let policy = pull_policy(&image["reference"]);
        fill(image, "pullPolicy", policy);
    }
    if let Some(claim) = volume.pointer_mut("/ephemeral/volumeClaimTemplate/spec") {
        fill(claim, "volumeMode", "Filesystem");
    }
    for (source, field, default) in SOURCES {
        if let Some(source) = volume.get_mut(source) {
            fill(source, field, default);
        }
    }
}

/// Sets a field of an object if it is absent or null.
fn fill(object: &mut Value, field: &str, default: impl Into<Value>) {
    let Some(fields) = object.as_object_mut() else { return };
    if fields.get(field).is_none_or(Value::is_null) {
        fields.insert(field.to_owned(), default.into());
    }
}

/// The items of a list in an object; none if the object has no such list.
fn items<'v>(object: &'v mut Value, list: &str) -> impl Iterator<Item = &'v mut Value> {
    object.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Removes nulls.
fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(remove_nulls);
            fields.retain(|_, value| !value.is_null());
        }
        Value::Array(items) => items.iter_mut().for_each(remove_nulls),
        _ => {}
    }
}

/// Removes nulls, empty lists, and empty objects that mean the same as absent.
fn prune(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(prune);
            fields.retain(|key, value| match value {
                Value::Null => false,
                Value::Array(items) => !items.is_empty(),
                Value::Object(fields) => !(fields.is_empty() && EMPTY.contains(&key.as_str())),
                _ => true,
            });
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}

/// The names of an object's fields; none for other values.
pub(super) fn fields(object: &Value) -> impl Iterator<Item = &String> {
    object.as_object().into_iter().flat_map(Map::keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(spec: &Value) -> Value {
        let size = Size::from_spec(spec).expect("valid");
        defaulted(&json!({"metadata": {"name": "pi"}, "spec": spec}), size)
    }

    #[test]
    fn what_a_server_fills_in_is_no_difference() {
        let written = json!({"template": {"spec": {
            "restartPolicy": "Never",
            "containers": [{
                "name": "pi", "image": "registry.example.com:5000/perl",
                "env": [{"name": "NAME",
                "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                "ports": [{"containerPort": 80}], "livenessProbe": {"httpGet": {"port": 80}},
            }],
            "volumes": [{"name": "a", "secret": {"secretName": "a"}}, {"name": "b",
            "hostPath": {"path": "/b"}}],
        }}});
        let filled = json!({
            "parallelism": 1, "completions": 1, "completionMode": "NonIndexed", "suspend": false,
            "backoffLimit": 6,
            "manualSelector": false, "podReplacementPolicy": "TerminatingOrFailed",
            "ttlSecondsAfterFinished": null,
            "template": {"metadata": {"labels": {}}, "spec": {
                "restartPolicy": "Never", "dnsPolicy": "ClusterFirst",
                "schedulerName": "default-scheduler",
                "terminationGracePeriodSeconds": 30, "securityContext": {}, "tolerations": [],
                "containers": [{
                    "name": "pi", "image": "registry.example.com:5000/perl",
                    "imagePullPolicy": "Always",
                    "resources": {}, "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                    "env": [{"name": "NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1",
                    "fieldPath": "metadata.name"}}}],
                    "ports": [{"containerPort": 80, "protocol": "TCP"}],
                    "livenessProbe": {
                        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
                        "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1,
                        "failureThreshold": 3,
                    },
                }],
                "volumes": [
                    {"name": "a", "secret": {"secretName": "a", "defaultMode": 420}},
                    {"name": "b", "hostPath": {"path": "/b", "type": ""}},
                ],
            }},
        });
        assert_eq!(of(&written), of(&filled));
    }

    #[test]
    fn other_fields_change_what_is_filled_in() {
        assert_eq!(of(&json!({"backoffLimitPerIndex": 1}))["spec"]["backoffLimit"], i32::MAX);
        let rules = json!([{"onPodConditions": [{"type": "DisruptionTarget"}]}]);
        let policy = json!({"podFailurePolicy": {"rules": rules}});
        assert_eq!(of(&policy)["spec"]["podReplacementPolicy"], "Failed");
        assert_eq!(
            of(&policy)["spec"]["podFailurePolicy"]["rules"][0]["onPodConditions"][0]["status"],
            "True"
        );
        for (image, policy) in [
            ("perl", "Always"),
            ("perl:latest", "Always"),
            ("host:5000/perl", "Always"),
            ("perl:5", "IfNotPresent"),
            ("perl@sha256:1", "IfNotPresent"),
            ("perl:5@sha256:1", "IfNotPresent"),
        ] {
            let spec = of(&json!({"template": {"spec": {"containers": [{"image": image}]}}}));
            assert_eq!(
                spec["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"], policy,
                "{image}"
            );
        }
    }

    #[test]
    fn what_means_something_empty_stays() {
        let terms = json!([{"namespaceSelector": {}, "topologyKey": "zone"}]);
        let spec =
            json!({"template": {"spec": {"affinity": {"podAffinity": {"required": terms}}}}});
        assert_eq!(
            of(&spec)["spec"]["template"]["spec"]["affinity"]["podAffinity"]["required"],
            terms
        );
    }
}
