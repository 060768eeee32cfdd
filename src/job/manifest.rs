//! The federated Job as the user wrote it, without the fields that a server sets.

use serde_json::{Map, Value};

use super::{Invalid, Size, gang, labels, lease_length::parse_lease, types};
use crate::dns::{self, LABEL_LENGTH};

/// Fields of `metadata` that a server sets, or that mean nothing in another cluster. The garbage
/// collector deletes a Job whose `ownerReferences` name an owner that its cluster does not have.
const SERVER_SET: [&str; 9] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "managedFields",
    "ownerReferences",
];

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The scheduling gate in the template of a Job that Kueue has admitted to a topology.
const TOPOLOGY_GATE: &str = "kueue.x-k8s.io/topology";

/// One batch/v1 Job, without the fields that belong to one cluster.
///
/// Only the fields that this program reads or writes are checked. The API servers check the rest
/// by a dry run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub(super) object: Value,
    name: String,
    namespace: String,
    pub(super) size: Size,
    gang: Option<i32>,
}

impl Manifest {
    /// Reads a Job as written by a user, or as fetched with `kubectl get -o yaml`.
    ///
    /// `namespace` is used if the Job names none. `suffix` completes a `generateName`, with five
    /// characters as an API server does, and is not used otherwise.
    ///
    /// # Errors
    /// The object is not a batch/v1 Job, has no name or a name that a Job cannot have, or has a
    /// field of a wrong type.
    pub fn new(mut object: Value, namespace: &str, suffix: &str) -> Result<Self, Invalid> {
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
        let version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        if (version, kind) != ("batch/v1", "Job") {
            return Err(Invalid::unsupported(
                "kind",
                &format!("must be a batch/v1 Job, is {}", describe_kind(version, kind)),
            ));
        }
        if !object.get("spec").is_some_and(Value::is_object) {
            return Err(Invalid::required("spec"));
        }
        types::check(&object)?;
        let metadata = object
            .get_mut("metadata")
            .and_then(Value::as_object_mut)
            .ok_or_else(|| Invalid::required("metadata.name"))?;
        clean_metadata(metadata);
        let name = resolve_name(metadata, suffix)?;
        let namespace = match metadata.get("namespace").and_then(Value::as_str) {
            Some(own) if !own.is_empty() => own.to_owned(),
            _ => namespace.to_owned(),
        };
        metadata.insert("name".into(), name.clone().into());
        metadata.insert("namespace".into(), namespace.clone().into());
        if let Some(fields) = object.as_object_mut() {
            fields.remove("status");
        }
        clean_spec(&mut object["spec"]);
        let size = Size::from_spec(&object["spec"])?;
        let gang = gang::of(&object["spec"], size.parallelism)?;
        let manifest = Self { object, name, namespace, size, gang };
        if manifest.indexed() && size.completions.is_none() {
            let why = "Required value: when completion mode is Indexed";
            return Err(Invalid::unsupported("spec.completions", why));
        }
        manifest.check_index_names()?;
        manifest.check_lease()?;
        Ok(manifest)
    }

    /// Reads the manifest that a record keeps. It was cleaned when it was submitted.
    ///
    /// # Errors
    /// As [`Manifest::new`]: the record is damaged.
    pub fn recorded(object: Value) -> Result<Self, Invalid> {
        Self::new(object, "", "")
    }

    /// The cleaned object: a batch/v1 Job without status.
    pub fn object(&self) -> &Value {
        &self.object
    }

    /// `metadata.name`, made from `generateName` if the user gave that.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `metadata.namespace`: the same in every member and on the host.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The parallelism and completions that are divided over the clusters.
    pub fn size(&self) -> Size {
        self.size
    }

    /// How many pods are scheduled together, 1 or more: the smallest useful share of the Job. None
    /// if its pods are scheduled one by one.
    pub fn gang(&self) -> Option<i32> {
        self.gang
    }

    /// Whether `spec.completionMode` is `Indexed`.
    pub fn indexed(&self) -> bool {
        self.object["spec"]["completionMode"] == "Indexed"
    }

    /// Whether the user wants the Job suspended.
    pub fn suspended(&self) -> bool {
        self.object["spec"]["suspend"] == true
    }

    /// Whether `spec.selector` is the user's own. Two Jobs with the same selector in one namespace
    /// would take each other's pods.
    pub fn manual_selector(&self) -> bool {
        self.object["spec"]["manualSelector"] == true
    }

    /// How many pods may fail: `spec.backoffLimit`, 6 by default. `None` if each index has a limit
    /// of its own (`backoffLimitPerIndex`) and the Job has none.
    pub fn backoff_limit(&self) -> Option<i32> {
        let default =
            if self.object["spec"]["backoffLimitPerIndex"].is_null() { Some(6) } else { None };
        self.number("backoffLimit").map_or(default, |limit| i32::try_from(limit).ok())
    }

    /// `spec.maxFailedIndexes`.
    pub fn max_failed_indexes(&self) -> Option<i32> {
        self.number("maxFailedIndexes").and_then(|limit| i32::try_from(limit).ok())
    }

    /// `spec.activeDeadlineSeconds`.
    pub fn active_deadline_seconds(&self) -> Option<i64> {
        self.number("activeDeadlineSeconds")
    }

    /// The lease that the Job's annotation asks for, in seconds: some none where it asks for no
    /// lease, whatever the members have. None without the annotation.
    pub fn lease(&self) -> Option<Option<i64>> {
        parse_lease(self.annotation(labels::LEASE)?).ok()
    }

    /// Whether a queue of each member decides when its shard runs.
    pub fn is_queued(&self) -> bool {
        self.label(labels::QUEUE_NAME).is_some()
    }

    /// `spec.template.spec.activeDeadlineSeconds`: how long each pod may run.
    pub fn pod_deadline_seconds(&self) -> Option<i64> {
        self.object["spec"]["template"]["spec"]["activeDeadlineSeconds"].as_i64()
    }

    /// `spec.ttlSecondsAfterFinished`.
    pub fn ttl_seconds_after_finished(&self) -> Option<i64> {
        self.number("ttlSecondsAfterFinished")
    }

    fn number(&self, field: &str) -> Option<i64> {
        self.object["spec"].get(field)?.as_i64()
    }

    /// The value of an annotation of the federated Job, such as its preferences.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.object["metadata"]["annotations"].get(key).and_then(Value::as_str)
    }

    /// The value of a label of the Job, if it has it.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.object["metadata"]["labels"].get(key).and_then(Value::as_str)
    }

    /// Checks the annotation that asks for a lease, and that no pod is to run longer.
    fn check_lease(&self) -> Result<(), Invalid> {
        let Some(text) = self.annotation(labels::LEASE) else { return Ok(()) };
        let field = format!("metadata.annotations[{}]", labels::LEASE);
        let invalid = |why: &str| Invalid::value(&field, &Value::from(text), why);
        let Some(seconds) = parse_lease(text).map_err(|why| invalid(&why))? else {
            return Ok(());
        };
        if self.is_queued() {
            return Err(invalid("a queue decides when this job runs, and cannot keep a lease"));
        }
        match self.pod_deadline_seconds().filter(|own| *own > seconds) {
            Some(own) => Err(Invalid::value(
                "spec.template.spec.activeDeadlineSeconds",
                &own.into(),
                &format!("must be at most {seconds}, the lease of the job"),
            )),
            None => Ok(()),
        }
    }

    /// Checks the hostnames `NAME-INDEX` of an Indexed Job's pods, which must be DNS labels. A
    /// member's server sees its own shard only, and cannot check them all.
    fn check_index_names(&self) -> Result<(), Invalid> {
        let (true, Some(completions)) = (self.indexed(), self.size.completions) else {
            return Ok(());
        };
        let longest = format!("{}-{}", self.name, completions.max(1) - 1);
        if longest.len() > LABEL_LENGTH {
            return Err(Invalid::unsupported(
                "metadata.name",
                &format!(
                    "will not allow pods of an Indexed Job: {longest:?} has more than \
                    {LABEL_LENGTH} characters"
                ),
            ));
        }
        Ok(())
    }
}

fn describe_kind(version: &str, kind: &str) -> String {
    match (version, kind) {
        ("", "") => "an object without kind".to_owned(),
        ("", kind) => format!("a {kind} without apiVersion"),
        (version, kind) => format!("{version} {kind}"),
    }
}

fn clean_metadata(metadata: &mut Map<String, Value>) {
    for field in SERVER_SET.into_iter().chain(["finalizers"]) {
        metadata.remove(field);
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove(LAST_APPLIED);
    }
    remove_generated(metadata);
}

fn clean_spec(spec: &mut Value) {
    let manual = spec["manualSelector"] == true;
    let Some(spec) = spec.as_object_mut() else { return };
    if !manual {
        spec.remove("selector");
    }
    if let Some(metadata) = spec
        .get_mut("template")
        .and_then(|template| template.get_mut("metadata"))
        .and_then(Value::as_object_mut)
    {
        remove_generated(metadata);
        metadata.remove("creationTimestamp");
    }
    remove_topology_gate(spec);
}

/// Removes the gate that Kueue sets in the template of a Job which it admits to a topology. Nobody
/// else would open it.
fn remove_topology_gate(spec: &mut Map<String, Value>) {
    let pod = spec.get_mut("template").and_then(|template| template.get_mut("spec"));
    let Some(pod) = pod.and_then(Value::as_object_mut) else { return };
    let Some(gates) = pod.get_mut("schedulingGates").and_then(Value::as_array_mut) else { return };
    gates.retain(|gate| gate["name"] != TOPOLOGY_GATE);
    if gates.is_empty() {
        pod.remove("schedulingGates");
    }
}

/// Removes labels and annotations of one Job in one cluster, where the Job may come from.
fn remove_generated(metadata: &mut Map<String, Value>) {
    for field in ["labels", "annotations"] {
        let Some(entries) = metadata.get_mut(field).and_then(Value::as_object_mut) else {
            continue;
        };
        entries.retain(|key, _| !labels::is_generated(key));
        if entries.is_empty() {
            metadata.remove(field);
        }
    }
}

/// The Job's name. A `generateName` is shortened so that the suffix fits, as an API server does.
fn resolve_name(metadata: &mut Map<String, Value>, suffix: &str) -> Result<String, Invalid> {
    let text = |field: &str| metadata.get(field).and_then(Value::as_str).unwrap_or_default();
    let name = match (text("name"), text("generateName")) {
        ("", "") => return Err(Invalid::required("metadata.name")),
        ("", prefix) => {
            format!(
                "{}{suffix}",
                &prefix[..prefix.floor_char_boundary(LABEL_LENGTH - suffix.len())]
            )
        }
        (name, _) => name.to_owned(),
    };
    metadata.remove("generateName");
    if !dns::is_subdomain(&name) || name.len() > LABEL_LENGTH {
        return Err(Invalid::value(
            "metadata.name",
            &Value::from(name),
            "must be lower-case letters, digits, '-' or '.', begin and end with a letter or digit, \
            and have at most \
             63 characters",
        ));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn job(metadata: Value, spec: Value) -> Value {
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec})
    }

    #[test]
    fn fields_that_a_server_set_are_removed() {
        let fetched = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {
                "name": "pi", "namespace": "work", "uid": "u", "resourceVersion": "7",
                "generation": 1,
                "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [],
                "finalizers": ["x"],
                "ownerReferences": [{"name": "cron"}],
                "labels": {
                    "controller-uid": "u", "batch.kubernetes.io/job-name": "pi", "team": "math",
                    labels::SHARD: "1",
                },
                "annotations": {
                    LAST_APPLIED: "{}", labels::CREDITED: "0-3", labels::GENERATION: "2",
                    labels::REOPEN: "true",
                },
            },
            "spec": {
                "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}},
                "template": {
                    "metadata": {"creationTimestamp": null, "labels": {"controller-uid": "u",
                    labels::JOB: "j"}},
                    "spec": {"containers": [{"name": "pi", "resources": {"limits": {"cpu": 1}}}]},
                },
                "fieldOfTomorrow": {"kept": [1, 2.50]},
            },
            "status": {"active": 1},
        });
        let manifest = Manifest::new(fetched, "default", "").expect("valid");
        assert_eq!(
            *manifest.object(),
            json!({
                "apiVersion": "batch/v1", "kind": "Job",
                "metadata": {
                    "name": "pi", "namespace": "work", "labels": {"team": "math"},
                    "annotations": {labels::REOPEN: "true"},
                },
                "spec": {
                    "template": {
                        "metadata": {},
                        "spec": {"containers": [{"name": "pi",
                        "resources": {"limits": {"cpu": 1}}}]},
                    },
                    "fieldOfTomorrow": {"kept": [1, 2.50]},
                },
            })
        );
        assert_eq!(
            Manifest::recorded(manifest.object().clone()).expect("valid"),
            manifest,
            "cleaning is idempotent"
        );
    }

    #[test]
    fn what_kueue_sets_at_an_admission_is_removed() {
        let user = json!({"metadata": {"labels": {"a": "b"}}, "spec": {
            "nodeSelector": {"disk": "ssd"}, "schedulingGates": [{"name": "mine"}]}});
        let mut admitted = user.clone();
        for (map, key) in [
            ("annotations", "workload"),
            ("labels", "podset"),
            ("labels", "cluster-queue-name"),
            ("labels", "local-queue-name"),
            ("labels", "tas"),
        ] {
            admitted["metadata"][map][format!("kueue.x-k8s.io/{key}")] = "x".into();
        }
        admitted["spec"]["schedulingGates"] =
            json!([{"name": "kueue.x-k8s.io/topology"}, {"name": "mine"}]);
        let metadata = json!({"name": "pi", "labels": {"kueue.x-k8s.io/queue-name": "team"},
            "annotations": {"kueue.x-k8s.io/stopping": "true"}});
        let manifest =
            Manifest::new(job(metadata, json!({"template": admitted})), "work", "").expect("valid");
        let queue = json!({"kueue.x-k8s.io/queue-name": "team"});
        assert_eq!(manifest.object()["metadata"]["labels"], queue, "the user's own");
        assert_eq!(manifest.object()["metadata"].get("annotations"), None);
        assert_eq!(manifest.object()["spec"]["template"], user);
        let gated = json!({"spec": {"schedulingGates": [{"name": "kueue.x-k8s.io/topology"}]}});
        let manifest =
            Manifest::new(job(json!({"name": "pi"}), json!({"template": gated})), "work", "");
        let template = manifest.expect("valid").object()["spec"]["template"].clone();
        assert_eq!(template, json!({"spec": {}}));
    }

    #[test]
    fn a_manual_selector_stays() {
        let spec = json!({"manualSelector": true, "selector": {"matchLabels": {"a": "b"}}});
        let manifest =
            Manifest::new(job(json!({"name": "pi"}), spec.clone()), "default", "").expect("valid");
        assert_eq!(manifest.object()["spec"], spec);
    }

    #[test]
    fn a_generated_name_is_shortened_so_that_the_suffix_fits() {
        let short =
            Manifest::new(job(json!({"generateName": "pi-"}), json!({})), "default", "x7k2p")
                .expect("valid");
        assert_eq!(short.name(), "pi-x7k2p");
        let long = job(json!({"generateName": "a".repeat(80)}), json!({}));
        let long = Manifest::new(long, "default", "x7k2p").expect("valid");
        assert_eq!((long.name().len(), long.name().ends_with("ax7k2p")), (63, true));
    }

    #[test]
    fn what_cannot_be_a_job_is_refused_with_the_field() {
        for (object, field) in [
            (json!({}), "kind"),
            (json!({"kind": "Job"}), "kind"),
            (json!({"apiVersion": "batch/v1", "kind": "CronJob"}), "kind"),
            (json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}}), "spec"),
            (json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {}}), "metadata.name"),
            (job(json!({}), json!({})), "metadata.name"),
            (job(json!({"name": "Pi"}), json!({})), "metadata.name"),
            (job(json!({"name": "-pi"}), json!({})), "metadata.name"),
            (job(json!({"name": "a..b"}), json!({})), "metadata.name"),
            (job(json!({"name": "a".repeat(64)}), json!({})), "metadata.name"),
            (
                job(
                    json!({"name": "a".repeat(62)}),
                    json!({"completionMode": "Indexed", "completions": 11}),
                ),
                "metadata.name",
            ),
            (job(json!({"name": "pi"}), json!({"parallelism": -1})), "spec.parallelism"),
            (
                job(json!({"name": "pi"}), json!({"parallelism": 2, "completionMode": "Indexed"})),
                "spec.completions",
            ),
            (job(json!({"name": "pi"}), json!({"scheduling": []})), "spec.scheduling"),
            (
                job(
                    json!({"name": "pi"}),
                    json!({"scheduling": {"schedulingPolicy": {"gang": 2}}}),
                ),
                "spec.scheduling.schedulingPolicy.gang",
            ),
            (job(json!({"name": "pi", "labels": "a"}), json!({})), "metadata.labels"),
            (job(json!({"name": "pi"}), json!({"template": "a"})), "spec.template"),
            (
                job(json!({"name": "pi"}), json!({"template": {"metadata": []}})),
                "spec.template.metadata",
            ),
            (
                job(json!({"name": "pi"}), json!({"template": {"metadata": {"labels": 1}}})),
                "spec.template.metadata.labels",
            ),
        ] {
            let error = Manifest::new(object.clone(), "default", "").expect_err("invalid");
            assert!(error.to_string().starts_with(field), "{object}: {error}");
        }
    }
}
