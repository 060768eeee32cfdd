//! Patches of a manifest, as `kubectl patch` takes them.

use serde_json::{Map, Value};

use super::{Invalid, Manifest, defaults::filled};

/// A change that can be applied to any object.
#[derive(Debug, Clone, PartialEq)]
pub enum Patch {
    /// A JSON merge patch (RFC 7386): objects are merged, null removes, other values replace.
    Merge(Value),
    /// A JSON patch (RFC 6902): a list of operations, of which all or none are applied.
    Json(json_patch::Patch),
}

/// Why a manifest cannot be patched: a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unpatchable(String);

impl From<Invalid> for Unpatchable {
    fn from(invalid: Invalid) -> Self {
        Self(invalid.to_string())
    }
}

impl Patch {
    /// A merge patch.
    ///
    /// # Errors
    /// The patch is not an object: it would replace the whole Job.
    pub fn merge(patch: Value) -> Result<Self, Unpatchable> {
        if patch.is_object() {
            Ok(Self::Merge(patch))
        } else {
            Err(Unpatchable("a merge patch must be an object".to_owned()))
        }
    }

    /// A JSON patch.
    ///
    /// # Errors
    /// The patch is not a list of operations.
    pub fn json(patch: Value) -> Result<Self, Unpatchable> {
        serde_json::from_value(patch).map(Self::Json).map_err(|error| {
            Unpatchable(format!("a JSON patch must be a list of operations: {error}"))
        })
    }

    /// The merge patch that turns one object into the other. Lists are replaced as a whole.
    pub fn between(old: &Value, new: &Value) -> Self {
        Self::Merge(Self::difference(old, new))
    }

    /// The same as the patch that a server takes.
    pub(super) fn difference(old: &Value, new: &Value) -> Value {
        let (Value::Object(before), Value::Object(after)) = (old, new) else { return new.clone() };
        let mut patch = Map::new();
        for key in before.keys().filter(|key| !after.contains_key(*key)) {
            patch.insert(key.clone(), Value::Null);
        }
        for (key, value) in after {
            match before.get(key) {
                Some(old) if old == value => {}
                Some(old) => _ = patch.insert(key.clone(), Self::difference(old, value)),
                None => _ = patch.insert(key.clone(), value.clone()),
            }
        }
        Value::Object(patch)
    }

    /// The manifest with the patch applied. Its parallelism and completions are written out first,
    /// so that a patch of one of them does not change the default of the other.
    ///
    /// # Errors
    /// An operation cannot be applied, or the result is not a Job.
    pub fn apply(&self, manifest: &Manifest) -> Result<Manifest, Unpatchable> {
        let mut object = manifest.sized();
        match self {
            Self::Merge(patch) => json_patch::merge(&mut object, patch),
            Self::Json(operations) => {
                // It leaves the object as it is if an operation cannot be applied.
                if json_patch::patch(&mut object, operations).is_err() {
                    // In a cluster it would apply to a Job with defaults.
                    let change = change_of_filled(manifest, operations)?;
                    json_patch::merge(&mut object, &change);
                }
            }
        }
        Ok(Manifest::new(object, manifest.namespace(), "")?)
    }
}

/// What a JSON patch changes of the Job with its defaults filled in, as a merge patch.
fn change_of_filled(
    manifest: &Manifest,
    operations: &json_patch::Patch,
) -> Result<Value, Unpatchable> {
    let filled = filled(manifest.object(), manifest.size());
    let mut patched = filled.clone();
    json_patch::patch(&mut patched, operations).map_err(|error| {
        let n = error.operation + 1;
        let path = error.path.as_str();
        Unpatchable(format!("operation {n} of the patch, at {path:?}: {}", error.kind))
    })?;
    Ok(Patch::difference(&filled, &patched))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn manifest(spec: Value) -> Manifest {
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
            "spec": spec});
        Manifest::new(job, "work", "").expect("valid")
    }

    #[test]
    fn a_merge_patch_merges_and_null_removes() {
        let patch = Patch::merge(
            json!({"metadata": {"labels": {"a": "b"}}, "spec": {"backoffLimit": null}}),
        );
        let patched = patch
            .expect("an object")
            .apply(&manifest(json!({"completions": 3, "backoffLimit": 2})));
        let object = patched.expect("applies").object().clone();
        assert_eq!(object["metadata"]["labels"], json!({"a": "b"}));
        assert_eq!(object["spec"], json!({"parallelism": 1, "completions": 3}));
    }

    #[test]
    fn parallelism_alone_makes_no_work_queue_of_a_job_that_had_one_completion() {
        let patch = Patch::merge(json!({"spec": {"parallelism": 3}})).expect("an object");
        assert_eq!(patch.apply(&manifest(json!({}))).expect("applies").size().completions, Some(1));
    }

    #[test]
    fn a_json_patch_is_all_or_nothing_and_says_which_operation_failed() {
        let operation = |op: &str, path: &str| json!({"op": op, "path": path, "value": 4});
        let patch =
            Patch::json(json!([operation("replace", "/spec/completions")])).expect("operations");
        assert_eq!(
            patch.apply(&manifest(json!({"completions": 3}))).expect("applies").size().completions,
            Some(4)
        );
        let patch =
            json!([operation("add", "/spec/backoffLimit"), operation("test", "/spec/completions")]);
        let error =
            Patch::json(patch).expect("operations").apply(&manifest(json!({"completions": 3})));
        assert_eq!(
            error.expect_err("the test fails").to_string(),
            "operation 2 of the patch, at \"/spec/completions\": value did not match"
        );
    }

    #[test]
    fn a_json_patch_applies_to_fields_that_have_only_a_default() {
        let pod = json!({"containers": [{"name": "pi", "image": "perl:5"}]});
        let before = manifest(json!({"completions": 3, "template": {"spec": pod}}));
        let container = "/spec/template/spec/containers/0";
        for (operation, pointer, value) in [
            (json!({"op": "replace", "path": "/spec/backoffLimit", "value": 2}), "", json!(null)),
            (json!({"op": "replace", "path": "/spec/suspend", "value": true}), "", json!(null)),
            (
                json!({"op": "add", "path": "/metadata/labels/team", "value": "math"}),
                "",
                json!(null),
            ),
            (
                json!({"op": "add", "path": "/spec/template/metadata/labels/a", "value": "b"}),
                "",
                json!(null),
            ),
            (
                json!({"op": "add", "path": format!("{container}/resources/limits"),
                    "value": {"cpu": 1}}),
                "",
                json!(null),
            ),
            (
                json!({"op": "replace", "path": format!("{container}/imagePullPolicy"),
                    "value": "Always"}),
                container,
                json!("perl:5"),
            ),
        ] {
            let path = operation["path"].as_str().expect("a path").to_owned();
            let test = json!({"op": "test", "path": "/spec/podReplacementPolicy",
                "value": "TerminatingOrFailed"});
            let patch = Patch::json(json!([test, operation])).expect("operations");
            let after = patch.apply(&before).expect("applies");
            assert_eq!(after.object().pointer(&path), Some(&operation["value"]), "{path}");
            if !pointer.is_empty() {
                let image = after.object().pointer(&format!("{pointer}/image"));
                assert_eq!(image, Some(&value), "{path}");
            }
            assert_eq!(after.object()["spec"].get("manualSelector"), None, "{path}");
        }
        let remove = Patch::json(json!([{"op": "remove", "path": "/spec/backoffLimit"}]));
        let same = remove.expect("operations").apply(&before).expect("applies");
        assert_eq!(same.object(), &before.sized(), "the default comes back");
        let nothing = Patch::json(json!([{"op": "remove", "path": "/spec/podFailurePolicy"}]));
        assert!(nothing.expect("operations").apply(&before).is_err());
    }

    #[test]
    fn what_is_no_patch_is_refused() {
        for patch in [json!(1), json!([]), json!(null), json!("spec")] {
            assert!(Patch::merge(patch).is_err());
        }
        for patch in [json!({}), json!([{"op": "grow", "path": "/spec"}]), json!([{"op": "add"}])] {
            assert!(Patch::json(patch).is_err());
        }
        let nothing =
            Patch::merge(json!({"spec": null})).expect("an object").apply(&manifest(json!({})));
        assert_eq!(nothing.expect_err("no spec is left").to_string(), "spec: Required value");
    }

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![(0..3).prop_map(Value::from), "[a-b]".prop_map(Value::from)];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::btree_map("[a-c]", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_difference_of_two_objects_makes_one_of_the_other(old in tree(), new in tree()) {
            let mut object = old.clone();
            json_patch::merge(&mut object, &Patch::difference(&old, &new));
            prop_assert_eq!(object, new);
        }
    }
}
