//! What an edit changes, in words.

use serde_json::Value;

use super::mutability::changes;
use crate::job::{Manifest, defaults::defaulted};

/// Values that are shown have at most this many characters.
const SHORT: usize = 40;

/// What is different between two manifests, with defaults filled in: one phrase for each field,
/// such as `parallelism 3 → 4`, `activeDeadlineSeconds unset → 60`, `label team math → physics`
/// or `template.spec.nodeSelector changed`.
///
/// The values of the template and of annotations are not shown, because they may hold a password
/// or a token.
pub fn summary(old: &Manifest, new: &Manifest) -> Vec<String> {
    let [before, after] = [old, new].map(|manifest| defaulted(manifest.object(), manifest.size()));
    let mut phrases = Vec::new();
    for (path, _) in changes(old, new) {
        let pointer = format!("/{}", path.replace(['.', '['], "/").replace(']', ""));
        let name = path.strip_prefix("spec.").unwrap_or(&path);
        let [was, is] = [&before, &after].map(|object| object.pointer(&pointer));
        phrases.push(match (text(was), text(is)) {
            (Some(was), Some(is)) if !name.starts_with("template") => {
                format!("{name} {was} → {is}")
            }
            _ => format!("{name} changed"),
        });
    }
    for (map, what) in [("labels", "label"), ("annotations", "annotation")] {
        let [was, is] = [&before, &after].map(|object| &object["metadata"][map]);
        for key in &super::keys(was) | &super::keys(is) {
            let [was, is] = [was, is].map(|map| map.get(&key));
            if was == is {
                continue;
            }
            phrases.push(match (text(was), text(is)) {
                (Some(was), Some(is)) if map == "labels" => {
                    format!("{what} {key} {was} → {is}")
                }
                _ => format!("{what} {key} changed"),
            });
        }
    }
    phrases
}

/// A short scalar as it is shown; none for any other value.
fn text(value: Option<&Value>) -> Option<String> {
    let text = match value {
        None => "unset".to_owned(),
        Some(Value::String(text)) if !text.is_empty() => text.clone(),
        Some(value @ (Value::Bool(_) | Value::Number(_) | Value::String(_))) => value.to_string(),
        Some(_) => return None,
    };
    (text.chars().count() <= SHORT).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(labels: Value, annotations: Value, spec: Value) -> Manifest {
        let metadata = json!({"name": "pi", "labels": labels, "annotations": annotations});
        let job =
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec});
        Manifest::new(job, "work", "").expect("valid")
    }

    #[test]
    fn each_change_is_told_with_its_values_where_they_are_no_secret() {
        let env = |value: &str| {
            let variable = json!({"name": "PASSWORD", "value": value});
            json!({"spec": {"containers": [{"name": "pi", "env": [variable]}]}})
        };
        let before = manifest(
            json!({"team": "math", "old": "x"}),
            json!({"token": "s3cret"}),
            json!({"parallelism": 3, "completions": 6, "template": env("s3cret")}),
        );
        let after = manifest(
            json!({"team": "physics", "new": ""}),
            json!({"token": "s3cret2"}),
            json!({"parallelism": 4, "completions": 6, "backoffLimit": 2, "suspend": true,
                "activeDeadlineSeconds": 60, "podReplacementPolicy": "Failed",
                "template": env("s3cret2")}),
        );
        assert_eq!(
            summary(&before, &after),
            [
                "activeDeadlineSeconds unset → 60",
                "backoffLimit 6 → 2",
                "parallelism 3 → 4",
                "podReplacementPolicy TerminatingOrFailed → Failed",
                "suspend false → true",
                "template.spec.containers[0].env[0].value changed",
                "label new unset → \"\"",
                "label old x → unset",
                "label team math → physics",
                "annotation token changed",
            ]
        );
        assert_eq!(summary(&before, &before), Vec::<String>::new());
        let long = manifest(
            json!({"team": "x".repeat(60), "old": "x"}),
            json!({"token": "s3cret"}),
            json!({"parallelism": 3, "completions": 6, "template": env("s3cret")}),
        );
        assert_eq!(summary(&before, &long), ["label team changed"]);
    }
}
