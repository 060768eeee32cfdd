//! `JOB_COMPLETION_INDEX` of an Indexed Job's containers; pure.

use serde_json::Value;

use super::Manifest;

/// The variable in which the Job controller tells a container its index.
const VARIABLE: &str = "JOB_COMPLETION_INDEX";

/// The key of the pod's annotation and label that hold the index. A variable with this value is
/// right.
const INDEX: &str = "['batch.kubernetes.io/job-completion-index']";

/// The paths of the `env` entries in which an Indexed Job's containers set the variable to
/// something other than the index. The Job controller does not overwrite such an entry
/// (`addCompletionIndexEnvVariable`), so that the container does not learn its index.
pub fn own_index_variables(manifest: &Manifest) -> Vec<String> {
    let mut paths = Vec::new();
    if !manifest.indexed() {
        return paths;
    }
    for kind in ["initContainers", "containers"] {
        let containers = manifest.object()["spec"]["template"]["spec"][kind].as_array();
        for (n, container) in containers.into_iter().flatten().enumerate() {
            let variables = container["env"].as_array().into_iter().flatten().enumerate();
            let own = variables
                .filter(|(_, variable)| variable["name"] == VARIABLE && !is_index(variable));
            paths.extend(own.map(|(m, _)| format!("spec.template.spec.{kind}[{n}].env[{m}]")));
        }
    }
    paths
}

fn is_index(variable: &Value) -> bool {
    let path = variable["valueFrom"]["fieldRef"]["fieldPath"].as_str().unwrap_or_default();
    ["metadata.annotations", "metadata.labels"]
        .into_iter()
        .any(|map| path.strip_prefix(map) == Some(INDEX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn own(mode: &str, env: Value) -> Vec<String> {
        let spec = json!({"completionMode": mode, "completions": 3, "template": {"spec": {
            "initContainers": [{"name": "a", "env": [{"name": VARIABLE, "value": "0"}]}],
            "containers": [{"name": "b"}, {"name": "c", "env": env}],
        }}});
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
            "spec": spec});
        own_index_variables(&Manifest::new(job, "work", "").expect("valid"))
    }

    #[test]
    fn a_variable_of_the_containers_own_is_found_unless_it_is_the_index() {
        let first = "spec.template.spec.initContainers[0].env[0]".to_owned();
        let second = "spec.template.spec.containers[1].env[1]".to_owned();
        let env = |variable: Value| json!([{"name": "OTHER", "value": "1"}, variable]);
        let from =
            |path: &str| json!({"name": VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": path}}});
        let plain = json!({"name": VARIABLE, "value": "7"});
        let both = [first, second];
        assert_eq!(own("Indexed", env(plain.clone())), both);
        assert_eq!(own("Indexed", env(from("metadata.name"))), both);
        assert_eq!(own("NonIndexed", env(plain)), Vec::<String>::new());
        let [first, _] = both;
        let only = [first];
        for map in ["metadata.annotations", "metadata.labels"] {
            assert_eq!(own("Indexed", env(from(&format!("{map}{INDEX}")))), only, "{map}");
        }
    }
}
