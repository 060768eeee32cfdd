//! Pods and pod templates: defaults and rules.

use serde_json::{Value, json};

use crate::meta;
use crate::object::{self, put, put_default, text};
use crate::status::FieldError;

/// Brings a new pod to the form in which it is stored.
pub(crate) fn prepare_create(pod: &mut Value) {
    default_spec(pod, "spec");
    for list in ["initContainers", "containers"] {
        for container in
            pod["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
        {
            let limits = container["resources"]["limits"].as_object().cloned().unwrap_or_default();
            for (name, quantity) in limits {
                put_default(container, &["resources", "requests", &name], quantity);
            }
        }
    }
    put_default(pod, &["spec", "enableServiceLinks"], true);
    put_default(pod, &["spec", "priority"], 0);
    put_default(pod, &["spec", "preemptionPolicy"], "PreemptLowerPriority");
    let mut tolerations = object::items(pod, "/spec/tolerations").to_vec();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        if !tolerations.iter().any(|t| t["key"] == key) {
            tolerations.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute",
                    "tolerationSeconds": 300}));
        }
    }
    put(pod, &["spec", "tolerations"], tolerations);
    let wants = |list: &str| {
        object::items(pod, list)
            .iter()
            .any(|c| c["resources"].as_object().is_some_and(|r| !r.is_empty()))
    };
    let quality = if wants("/spec/containers") || wants("/spec/initContainers") {
        "Burstable"
    } else {
        "BestEffort"
    };
    put(pod, &["status"], json!({"phase": "Pending", "qosClass": quality}));
}

/// Fills in what a pod's spec, under a key of `holder`, leaves open.
pub(crate) fn default_spec(holder: &mut Value, key: &str) {
    let spec = object::map(holder, key);
    put_default(spec, &["restartPolicy"], "Always");
    put_default(spec, &["dnsPolicy"], "ClusterFirst");
    put_default(spec, &["schedulerName"], "default-scheduler");
    put_default(spec, &["terminationGracePeriodSeconds"], 30);
    put_default(spec, &["securityContext"], json!({}));
    if let Some(account) = spec.get("serviceAccountName").cloned() {
        put(spec, &["serviceAccount"], account);
    }
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            default_container(container);
        }
    }
    for volume in spec.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        for source in ["configMap", "secret", "projected", "downwardAPI"] {
            if volume.get(source).is_some() {
                put_default(volume, &[source, "defaultMode"], 420);
            }
        }
        if volume.get("hostPath").is_some() {
            put_default(volume, &["hostPath", "type"], "");
        }
    }
}

fn default_container(container: &mut Value) {
    let image = text(container, "/image");
    let tag = image.rsplit('/').next().unwrap_or_default().split_once(':').map(|(_, tag)| tag);
    let always = !image.contains('@') && tag.is_none_or(|tag| tag == "latest");
    put_default(container, &["imagePullPolicy"], if always { "Always" } else { "IfNotPresent" });
    put_default(container, &["terminationMessagePath"], "/dev/termination-log");
    put_default(container, &["terminationMessagePolicy"], "File");
    put_default(container, &["resources"], json!({}));
    for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        put_default(port, &["protocol"], "TCP");
    }
    for variable in container.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
        if variable["valueFrom"]["fieldRef"].is_object() {
            put_default(variable, &["valueFrom", "fieldRef", "apiVersion"], "v1");
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if container.get(probe).is_some() {
            for (field, value) in [
                ("timeoutSeconds", 1),
                ("periodSeconds", 10),
                ("successThreshold", 1),
                ("failureThreshold", 3),
            ] {
                put_default(container, &[probe, field], value);
            }
        }
    }
}

/// The rules for a pod's spec at a pointer.
pub(crate) fn validate_spec(
    holder: &Value,
    pointer: &str,
    field: &str,
    errors: &mut Vec<FieldError>,
) {
    let mut names: Vec<&str> = Vec::new();
    let containers = object::items(holder, &format!("{pointer}/containers"));
    if containers.is_empty() {
        errors.push(FieldError::required(&format!("{field}.containers"), ""));
    }
    let init = object::items(holder, &format!("{pointer}/initContainers"));
    for (list, containers) in [("containers", containers), ("initContainers", init)] {
        for (index, container) in containers.iter().enumerate() {
            let at = format!("{field}.{list}[{index}]");
            let name = text(container, "/name");
            if name.is_empty() {
                errors.push(FieldError::required(&format!("{at}.name"), ""));
            } else {
                let faults = meta::dns_label(name);
                errors.extend(
                    faults.into_iter().map(|f| FieldError::invalid(&format!("{at}.name"), name, f)),
                );
            }
            if !name.is_empty() && names.contains(&name) {
                errors.push(FieldError::duplicate(&format!("{at}.name"), name));
            }
            names.push(name);
            if text(container, "/image").trim().is_empty() {
                errors.push(FieldError::required(&format!("{at}.image"), ""));
            }
        }
    }
    let policy = text(holder, &format!("{pointer}/restartPolicy"));
    if !matches!(policy, "Always" | "OnFailure" | "Never") {
        let supported = ["Always", "OnFailure", "Never"];
        errors.push(FieldError::not_supported(
            &format!("{field}.restartPolicy"),
            policy,
            &supported,
        ));
    }
}

/// The rules for a change of a pod: nearly all of its spec stays as it is.
pub(crate) fn validate_update(pod: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let mut spec = pod["spec"].clone();
    let was = &old["spec"];
    for free in
        ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates"]
    {
        object::copy(&mut spec, was, &[free]);
    }
    for list in ["containers", "initContainers"] {
        for (index, container) in
            spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().enumerate()
        {
            object::copy(container, &was[list][index], &["image"]);
        }
    }
    // A scheduler binds a pod by a request of its own; a test may do it by an update.
    if was.get("nodeName").is_none() {
        object::take(&mut spec, &["nodeName"]);
    }
    if spec != *was {
        errors.push(FieldError::forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,\
             `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only \
             additions to \
             existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 \
             if it was previously negative)",
        ));
    }
}
