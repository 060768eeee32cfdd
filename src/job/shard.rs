//! A shard's Job, made from the federated one.

use serde_json::{Map, Value};

use super::{Manifest, Ownership, Size};

/// The Job that is sent to a member: the federated Job as written, with the shard's own share.
///
/// - It is created suspended. Only when the ledger knows its uid is it started, so that a Job whose
///   uid nobody recorded has run nothing, and may be made again.
/// - `ttlSecondsAfterFinished` is held back: a Job that expired before anyone looked would take its
///   result with it.
/// - `managedBy` is cleared: the member's own Job controller runs the shard.
/// - The labels of `owner` are put on the Job and on its pods.
pub fn shard(manifest: &Manifest, name: &str, share: Size, owner: &Ownership) -> Value {
    let mut job = manifest.object().clone();
    job["metadata"]["name"] = name.into();
    label(&mut job["metadata"], owner);
    let spec = &mut job["spec"];
    label(&mut spec["template"]["metadata"], owner);
    spec["parallelism"] = share.parallelism.into();
    spec["suspend"] = true.into();
    if let Some(spec) = spec.as_object_mut() {
        spec.remove("ttlSecondsAfterFinished");
        spec.remove("managedBy");
        match share.completions {
            Some(completions) => spec.insert("completions".into(), completions.into()),
            None => spec.remove("completions"),
        };
    }
    job
}

fn label(metadata: &mut Value, owner: &Ownership) {
    let labels = &mut metadata["labels"];
    if !labels.is_object() {
        *labels = Value::Object(Map::new());
    }
    for (key, value) in owner.labels() {
        labels[key] = value.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_shard_is_the_job_as_written_with_its_own_share() {
        let manifest = Manifest::new(
            json!({
                "apiVersion": "batch/v1", "kind": "Job",
                "metadata": {"name": "pi", "labels": {"team": "math"}},
                "spec": {
                    "parallelism": 9, "completions": 18, "ttlSecondsAfterFinished": 5, "managedBy": "example.com/x",
                    "backoffLimit": 2,
                    "template": {"spec": {"restartPolicy": "Never", "containers": []}},
                },
            }),
            "work",
            "",
        )
        .expect("valid");
        let owner = Ownership { federation: "f".into(), job: "j".into(), shard: "1".into() };
        let labels = json!({
            "kubectl-federate.dev/federation": "f", "kubectl-federate.dev/job": "j", "kubectl-federate.dev/shard": "1",
        });
        let mut own = labels.clone();
        own["team"] = "math".into();
        assert_eq!(
            shard(&manifest, "pi", Size { parallelism: 3, completions: Some(6) }, &owner),
            json!({
                "apiVersion": "batch/v1", "kind": "Job",
                "metadata": {"name": "pi", "namespace": "work", "labels": own},
                "spec": {
                    "parallelism": 3, "completions": 6, "backoffLimit": 2, "suspend": true,
                    "template": {
                        "metadata": {"labels": labels},
                        "spec": {"restartPolicy": "Never", "containers": []},
                    },
                },
            })
        );
        let queue = shard(&manifest, "pi", Size { parallelism: 3, completions: None }, &owner);
        assert_eq!(queue["spec"].get("completions"), None, "a work queue's completions stay unset");
    }
}
