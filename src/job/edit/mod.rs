//! What may change in a submitted Job, and how one manifest is made from another.

mod mutability;
mod summary;
mod template;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Invalid, Manifest, defaults::defaulted};

pub use mutability::{Mutability, changes};
pub use summary::summary;
pub use template::TemplateEdits;

/// Fields that cannot change even if the shards are made anew: they decide what is counted.
const FIXED: [&str; 4] =
    ["metadata.name", "metadata.namespace", "spec.completionMode", "spec.completions"];

/// Which changes are allowed besides those of fields that can always change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leeway {
    /// Nothing.
    None,
    /// Changes of a suspended Job's template: where its pods may run ([`Mutability::Scheduling`])
    /// and what they may use ([`Mutability::Resources`]). Which of them a server allows depends on
    /// its version, and on whether the Job has run.
    Suspended,
    /// Changes of the template and the policies too, because the shards are made anew.
    Recreated,
}

/// Labels and annotations that edits removed from a Job. They are removed from its shards, which
/// keep the ones that others added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct Removed {
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    labels: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    annotations: BTreeSet<String>,
}

impl Removed {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.annotations.is_empty()
    }

    /// Adds what an edit removes, and drops what it adds again.
    pub fn add(&mut self, before: &Manifest, after: &Manifest) {
        for (map, removed) in [("labels", &mut self.labels), ("annotations", &mut self.annotations)]
        {
            let [before, after] =
                [before, after].map(|manifest| keys(&manifest.object()["metadata"][map]));
            removed.extend(before);
            removed.retain(|key| !after.contains(key));
        }
    }

    /// The merge patch of a Job's metadata that removes them.
    pub(super) fn patch(&self) -> Value {
        let nulls = |keys: &BTreeSet<String>| {
            keys.iter().map(|key| (key.clone(), Value::Null)).collect::<Value>()
        };
        json!({ "labels": nulls(&self.labels), "annotations": nulls(&self.annotations) })
    }
}

fn keys(map: &Value) -> BTreeSet<String> {
    map.as_object().into_iter().flat_map(|map| map.keys().cloned()).collect()
}

/// Whether two manifests mean the same Job, with the defaults of an API server for absent fields.
pub fn same(old: &Manifest, new: &Manifest) -> bool {
    old.object() == new.object()
        || defaulted(old.object(), old.size()) == defaulted(new.object(), new.size())
}

/// The old manifest's object, written like the new one wherever both mean the same. A text diff of
/// the two then shows only real differences.
pub fn spelt_as(old: &Manifest, new: &Manifest) -> Value {
    let meaning = |manifest: &Manifest| defaulted(manifest.object(), manifest.size());
    spell((old.object(), &meaning(old)), (new.object(), &meaning(new)))
}

/// Takes each object as written and with defaults.
fn spell((old, old_meaning): (&Value, &Value), (new, new_meaning): (&Value, &Value)) -> Value {
    if old_meaning == new_meaning {
        return new.clone();
    }
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            let mut spelt = before.clone();
            for field in before.keys().chain(after.keys()) {
                let (meant, means) = (old_meaning.get(field), new_meaning.get(field));
                let value = match (before.get(field), after.get(field)) {
                    (_, after) if meant == means => after.cloned(),
                    (Some(before), Some(after)) => {
                        let null = &Value::Null;
                        Some(spell((before, meant.unwrap_or(null)), (after, means.unwrap_or(null))))
                    }
                    (before, _) => before.cloned(),
                };
                match value {
                    Some(value) => _ = spelt.insert(field.clone(), value),
                    None => _ = spelt.remove(field),
                }
            }
            Value::Object(spelt)
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            let null = &Value::Null;
            let item = |(n, (old, new))| {
                let of = |meaning: &'_ Value| meaning.get(n).unwrap_or(null).clone();
                spell((old, &of(old_meaning)), (new, &of(new_meaning)))
            };
            before.iter().zip(after).enumerate().map(item).collect()
        }
        _ => old.clone(),
    }
}

/// The path of the first field that differs and must not, such as `spec.template`; `None` if the
/// new manifest can replace the old one.
///
/// A work queue cannot become a Job with completions, nor the other way round.
pub fn immutable(old: &Manifest, new: &Manifest, leeway: Leeway) -> Option<String> {
    if old.name() != new.name() {
        return Some("metadata.name".to_owned());
    }
    if old.namespace() != new.namespace() {
        return Some("metadata.namespace".to_owned());
    }
    if old.size().completions.is_some() != new.size().completions.is_some() {
        return Some("spec.completions".to_owned());
    }
    let allowed = |path: &str, mutability| match (mutability, leeway) {
        (Mutability::Always, _)
        | (Mutability::Scheduling | Mutability::Resources, Leeway::Suspended) => true,
        (_, Leeway::Recreated) => can_recreate(path),
        _ => false,
    };
    let changes = changes(old, new);
    let refused = changes.iter().find(|(path, mutability)| !allowed(path, *mutability));
    refused.map(|(path, _)| {
        // The field that kubectl names.
        let end = path.match_indices(['.', '[']).nth(1).map_or(path.len(), |(at, _)| at);
        path[..end].to_owned()
    })
}

/// Whether an immutable field can change if the shards are made anew.
pub fn can_recreate(path: &str) -> bool {
    !FIXED.contains(&path)
}

impl Manifest {
    /// The manifest with other numbers. `None` keeps the number.
    ///
    /// # Errors
    /// A number is negative.
    pub fn scaled(
        &self,
        parallelism: Option<i32>,
        completions: Option<i32>,
    ) -> Result<Self, Invalid> {
        let mut object = self.sized();
        for (field, count) in [("parallelism", parallelism), ("completions", completions)] {
            if let Some(count) = count {
                object["spec"][field] = count.into();
            }
        }
        Self::recorded(object)
    }

    /// The manifest with `spec.suspend` as given.
    #[must_use]
    pub fn suspending(&self, suspend: bool) -> Self {
        let mut manifest = self.clone();
        manifest.object["spec"]["suspend"] = suspend.into();
        manifest
    }

    /// The object with parallelism and completions written out, as an API server stores it. Setting
    /// one of them then does not change the default of the other.
    pub fn sized(&self) -> Value {
        let mut object = self.object.clone();
        object["spec"]["parallelism"] = self.size.parallelism.into();
        if let Some(completions) = self.size.completions {
            object["spec"]["completions"] = completions.into();
        }
        object
    }
}

#[cfg(test)]
mod tests;
