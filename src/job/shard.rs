//! The Job of a shard, made from the federated Job.

use serde_json::{Map, Value, json};

use super::{
    Lacks, Manifest, Observed, Ownership, Removed, TemplateEdits, gang, labels, lease::pod_deadline,
};

/// The fields in which a shard's Job differs from the federated Job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// `spec.parallelism`.
    pub parallelism: i32,
    /// `spec.completions`; `None` for a work queue. An Indexed shard has the completions of the
    /// federated Job, because indexes are global.
    pub completions: Option<i32>,
    /// The `minCount` of its gang, if its pods are scheduled together.
    pub gang: Option<i32>,
    /// `spec.backoffLimit`, if it differs from the federated Job's.
    pub backoff_limit: Option<i32>,
    /// `spec.maxFailedIndexes`, if it differs.
    pub max_failed_indexes: Option<i32>,
    /// `spec.activeDeadlineSeconds`, if it differs.
    pub active_deadline_seconds: Option<i64>,
    /// The lease in seconds, if it has one: no pod may run longer.
    pub lease_seconds: Option<i64>,
    /// The number of the spec's change: [`labels::GENERATION`].
    pub generation: i32,
    /// The number of the template's last edit: [`labels::TEMPLATE_GENERATION`]; 0 if there is none.
    pub template_generation: i32,
    /// Whether its pods carry the labels of the shard. Those of an adopted Job do not: no template
    /// can get labels while its Job runs.
    pub labels_pods: bool,
}

/// The Job that is sent to a member: the federated Job as written, with the shard's own spec.
///
/// - The Job is created suspended, and started only when the ledger has its uid. A Job whose uid is
///   not recorded has run nothing, and may be created again.
/// - `ttlSecondsAfterFinished` is left out until the result is recorded: an expired Job takes its
///   result with it. `successPolicy` is left out because it is about the indexes of all shards.
/// - `managedBy` is left out: the member's own Job controller runs the shard.
/// - The labels of `owner` are put on the Job and on its pods, but not on those of an adopted Job.
/// - With a lease, no pod may run longer than that: a kubelet ends it, whoever else has stopped.
pub fn shard(manifest: &Manifest, name: &str, own: &Spec, owner: &Ownership) -> Value {
    let mut job = manifest.object().clone();
    job["metadata"]["name"] = name.into();
    label(&mut job["metadata"], owner);
    if own.labels_pods {
        label(&mut job["spec"]["template"]["metadata"], owner);
    }
    if manifest.suspended() {
        put(
            &mut job["metadata"],
            "annotations",
            [(labels::GENERATION, own.generation.to_string().as_str())],
        );
    }
    if own.template_generation > 0 {
        let generation = own.template_generation.to_string();
        put(
            &mut job["metadata"],
            "annotations",
            [(labels::TEMPLATE_GENERATION, generation.as_str())],
        );
    }
    if let Some(seconds) = own.lease_seconds {
        let deadline = pod_deadline(manifest.pod_deadline_seconds(), seconds);
        job["spec"]["template"]["spec"]["activeDeadlineSeconds"] = deadline.into();
    }
    let spec = &mut job["spec"];
    merge(spec, own.fields());
    if own.gang.is_some() {
        gang::write(spec, own.gang);
    }
    spec["suspend"] = true.into();
    if let Some(spec) = spec.as_object_mut() {
        for held_back in ["ttlSecondsAfterFinished", "managedBy", "successPolicy"] {
            spec.remove(held_back);
        }
        match own.completions {
            Some(completions) => spec.insert("completions".into(), completions.into()),
            None => spec.remove("completions"),
        };
    }
    job
}

/// The merge patch that brings a shard's Job up to date, in all fields that can change in place.
pub fn change(manifest: &Manifest, own: &Spec, removed: &Removed) -> Value {
    let metadata = &manifest.object()["metadata"];
    let mut spec = json!({ "suspend": manifest.suspended() });
    for field in
        ["backoffLimit", "maxFailedIndexes", "activeDeadlineSeconds", "podReplacementPolicy"]
    {
        spec[field] = manifest.object()["spec"][field].clone();
    }
    merge(&mut spec, own.fields());
    if own.gang.is_some() {
        gang::write(&mut spec, own.gang);
    }
    let mut patch = json!({ "metadata": removed.patch(), "spec": spec });
    for map in ["labels", "annotations"] {
        let entries = metadata[map].as_object().into_iter().flatten();
        entries.for_each(|(key, value)| patch["metadata"][map][key] = value.clone());
    }
    let generation = own.generation.to_string();
    put(&mut patch["metadata"], "annotations", [(labels::GENERATION, generation.as_str())]);
    patch["metadata"]["annotations"][labels::STOPPED] = Value::Null;
    patch
}

/// The merge patch for a Job that lacks nothing which a user has asked for. It has the fields that
/// the ledger changed unasked, and limits that are too large. What somebody else changed stays:
/// whoever has suspended the Job in its cluster keeps it so.
pub fn adjust(manifest: &Manifest, own: &Spec, job: &Observed, lacks: Lacks) -> Value {
    let mut spec = Value::Object(own.excess(job));
    if lacks.parallelism {
        spec["parallelism"] = own.parallelism.into();
    }
    if lacks.deadline {
        let whole = &manifest.object()["spec"]["activeDeadlineSeconds"];
        spec["activeDeadlineSeconds"] =
            own.active_deadline_seconds.map_or_else(|| whole.clone(), Value::from);
    }
    let is_larger = |gang: i32| job.min_count.is_some_and(|larger| larger > gang);
    if own.gang.is_some_and(|gang| lacks.parallelism || is_larger(gang)) {
        gang::write(&mut spec, own.gang);
    }
    let generation = own.generation.to_string();
    json!({ "metadata": { "annotations": { labels::GENERATION: generation } }, "spec": spec })
}

/// Adds the last edits of the template to the patch of [`change`], for a Job whose template is as
/// given.
pub fn change_template(
    patch: &mut Value,
    manifest: &Manifest,
    own: &Spec,
    edits: &TemplateEdits,
    template: &Value,
) {
    let generation = own.template_generation.to_string();
    put(
        &mut patch["metadata"],
        "annotations",
        [(labels::TEMPLATE_GENERATION, generation.as_str())],
    );
    let edited = edits.patch(manifest, template);
    if edited.as_object().is_some_and(|fields| !fields.is_empty()) {
        patch["spec"]["template"] = edited;
    }
}

/// The merge patch that lets an ended Job expire. It sets the `ttlSecondsAfterFinished` that was
/// left out until the result was recorded.
pub fn expire(manifest: &Manifest, own: &Spec) -> Value {
    json!({
        "metadata": { "annotations": { labels::GENERATION: own.generation.to_string() } },
        "spec": { "ttlSecondsAfterFinished": manifest.object()["spec"]["ttlSecondsAfterFinished"] },
    })
}

impl Spec {
    /// The limits of which a Job has more than the other shards leave it, with what they leave.
    /// Between two reconciles, each shard may use up the limits that it has.
    pub fn excess(&self, job: &Observed) -> Map<String, Value> {
        let limits = [
            ("backoffLimit", self.backoff_limit, job.backoff_limit),
            ("maxFailedIndexes", self.max_failed_indexes, job.max_failed_indexes),
        ];
        let excess = limits.into_iter().filter_map(|(field, allowed, actual)| {
            let allowed = allowed?;
            let is_more = actual.is_none_or(|actual| actual > allowed);
            is_more.then(|| (field.to_owned(), allowed.into()))
        });
        excess.collect()
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        let mut fields = vec![("parallelism", self.parallelism.into())];
        fields.extend(self.backoff_limit.map(|limit| ("backoffLimit", limit.into())));
        fields.extend(self.max_failed_indexes.map(|limit| ("maxFailedIndexes", limit.into())));
        fields.extend(
            self.active_deadline_seconds.map(|seconds| ("activeDeadlineSeconds", seconds.into())),
        );
        fields
    }
}

fn merge(spec: &mut Value, fields: Vec<(&'static str, Value)>) {
    for (field, value) in fields {
        spec[field] = value;
    }
}

fn label(metadata: &mut Value, owner: &Ownership) {
    put(metadata, "labels", owner.labels());
}

/// Adds entries to a map of strings, and creates the map if it is missing.
fn put<'a>(
    metadata: &mut Value,
    map: &str,
    entries: impl IntoIterator<Item = (&'static str, &'a str)>,
) {
    if !metadata[map].is_object() {
        metadata[map] = Value::Object(Map::new());
    }
    for (key, value) in entries {
        metadata[map][key] = value.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(parallelism: i32, completions: Option<i32>) -> Spec {
        Spec {
            parallelism,
            completions,
            gang: None,
            backoff_limit: None,
            max_failed_indexes: None,
            active_deadline_seconds: None,
            lease_seconds: None,
            generation: 1,
            template_generation: 0,
            labels_pods: true,
        }
    }

    #[test]
    fn a_shard_is_the_job_as_written_with_its_own_spec() {
        let manifest = Manifest::new(
            json!({
                "apiVersion": "batch/v1", "kind": "Job",
                "metadata": {"name": "pi", "labels": {"team": "math"}},
                "spec": {
                    "parallelism": 9, "completions": 18, "ttlSecondsAfterFinished": 5,
                    "managedBy": "example.com/x",
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
            "kubectl-federate.dev/federation": "f", "kubectl-federate.dev/job": "j",
            "kubectl-federate.dev/shard": "1",
        });
        let mut own = labels.clone();
        own["team"] = "math".into();
        assert_eq!(
            shard(&manifest, "pi", &spec(3, Some(6)), &owner),
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
        let queue = shard(&manifest, "pi", &spec(3, None), &owner);
        assert_eq!(queue["spec"].get("completions"), None, "a work queue's completions stay unset");
    }
}
