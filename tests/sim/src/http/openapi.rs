//! As much of the `OpenAPI` documents as kubectl reads to learn that the server validates fields.

use serde_json::{Value, json};

use crate::resource::{ALL, Resource};
use crate::version::Version;

/// A document: the index where no path follows, else that of one group and version.
pub(super) fn document(path: &[&str], version: Version) -> Option<Value> {
    match path {
        [] => {
            let mut paths = json!({});
            for group in ["api/v1", "apis/batch/v1", "apis/authorization.k8s.io/v1"] {
                paths[group] =
                    json!({"serverRelativeURL": format!("/openapi/v3/{group}?hash=sim")});
            }
            Some(json!({"paths": paths}))
        }
        ["api", "v1"] => Some(group("", version)),
        ["apis", name, "v1"] => Some(group(name, version)),
        _ => None,
    }
}

fn group(name: &str, version: Version) -> Value {
    let mut paths = json!({});
    for resource in ALL.into_iter().filter(|r| r.group == name) {
        let root = if name.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{name}/v1") };
        let within = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
        paths[format!("{root}{within}/{}/{{name}}", resource.plural)] = patch(resource);
    }
    json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": version.tag()},
        "paths": paths})
}

fn patch(resource: &Resource) -> Value {
    let parameters: Vec<Value> = ["dryRun", "fieldManager", "fieldValidation"]
        .iter()
        .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string"}}))
        .collect();
    json!({"patch": {
        "parameters": parameters,
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": {"group": resource.group, "version": "v1",
            "kind": resource.kind},
    }})
}
