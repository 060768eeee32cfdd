//! Which of the fields that a server does not know are new in a Job: those that it had before were
//! judged when they came.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Preflight;
use crate::{cluster::Error, federation::refusal::Refusal, job::Manifest};

/// What a server says before the fields that it does not know.
const STRICT: &str = "Job in version \"v1\" cannot be handled as a Job: strict decoding error: ";

impl Preflight {
    /// The unknown fields that a manifest lacks, each with the members that do not know it.
    pub fn new_fields<'p>(
        &'p self,
        before: &'p Manifest,
    ) -> impl Iterator<Item = (&'p String, &'p BTreeSet<String>)> {
        self.unknown.iter().filter(|(field, _)| !is_in(before.object(), field))
    }

    /// Makes the unknown fields that a manifest lacks refusals, as if they had not been let pass.
    /// Nothing is said of the others.
    pub fn refuse_new_fields(&mut self, before: &Manifest) {
        let mut refused: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (field, clusters) in self.new_fields(before) {
            for cluster in clusters {
                refused.entry(cluster.clone()).or_default().push(field);
            }
        }
        let refusal = |(cluster, fields): (String, Vec<&str>)| {
            let message = format!("{STRICT}{}", fields.join(", "));
            let error = Error::refusal(&cluster, 400, "BadRequest", message);
            Refusal { cluster, error }
        };
        let refusals: Vec<_> = refused.into_iter().map(refusal).collect();
        self.refusals.extend(refusals);
        self.unknown.clear();
    }
}

/// Whether an object has the field of which a server says such as `unknown field "spec.x"`.
fn is_in(object: &Value, said: &str) -> bool {
    let path = said.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"'));
    path.is_some_and(|(path, _)| has(object, path))
}

/// Whether there is something at a path such as `spec.containers[0].x`. The item of a list may have
/// another place: an edit may take out the one before. The name of a field may have dots.
fn has(value: &Value, path: &str) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(name, inner)| {
            let rest = path.strip_prefix(name.as_str());
            rest.is_some_and(|rest| match rest.strip_prefix('.') {
                Some(rest) => has(inner, rest),
                None => rest.is_empty() || (rest.starts_with('[') && has(inner, rest)),
            })
        }),
        Value::Array(items) => {
            let rest = path.strip_prefix('[').and_then(|path| path.split_once(']'));
            let Some((_, rest)) = rest else { return false };
            let rest = rest.strip_prefix('.').unwrap_or(rest);
            rest.is_empty() || items.iter().any(|item| has(item, rest))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_new_unless_the_job_has_it_in_any_item() {
        let job = json!({"spec": {"a": 1, "b.c": 2, "list": [{"name": "x"}, {"imag": 3}]}});
        for (path, expected) in [
            ("spec.a", true),
            ("spec.ab", false),
            ("spec.b", false),
            ("spec.b.c", true),
            ("spec.list[0].imag", true),
            ("spec.list[1].image", false),
            ("spec.list.imag", false),
            ("metadata.a", false),
        ] {
            assert_eq!(is_in(&job, &format!("unknown field {path:?}")), expected, "{path}");
        }
        assert!(!is_in(&job, "something else"));
    }
}
