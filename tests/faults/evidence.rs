//! What is to be seen of a federated Job on clusters of any kind, and what it has to be: its record
//! on the host, and its Jobs in the members.

use std::collections::BTreeMap;

use serde_json::{Value, json};

const FEDERATION: &str = "kubectl-federate.dev/federation";
const JOB: &str = "kubectl-federate.dev/job";
const SHARD: &str = "kubectl-federate.dev/shard";
const STATE: &str = "kubectl-federate.dev/state";
/// What the keys of a ledger's entries begin with.
pub const SHARD_PREFIX: &str = "shard.kubectl-federate.dev/";

/// What the Job asks for: it does not divide evenly.
pub const PARALLELISM: i64 = 4;
/// The completions that it asks for.
pub const COMPLETIONS: i64 = 7;

/// A federated Job's uid and a shard's id.
pub type ShardKey = (String, String);

/// A Job of ours in a member.
#[derive(Clone, Debug)]
pub struct Ours {
    pub cluster: String,
    pub name: String,
    pub shard: ShardKey,
    pub uid: String,
    pub suspended: bool,
    pub parallelism: i64,
    pub completions: i64,
}

impl Ours {
    /// A Job, where it carries our labels.
    pub fn read(cluster: &str, job: &Value) -> Option<Self> {
        let number = |field: &str| job["spec"][field].as_i64().unwrap_or_default();
        Some(Self {
            cluster: cluster.to_owned(),
            name: text(&job["metadata"]["name"]),
            shard: shard_of(job)?,
            uid: text(&job["metadata"]["uid"]),
            suspended: job["spec"]["suspend"] == true,
            parallelism: number("parallelism"),
            completions: number("completions"),
        })
    }
}

/// A record on the host.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub uid: String,
    pub state: Value,
    pub shards: BTreeMap<String, Value>,
}

impl Recorded {
    /// A ConfigMap, where it is a record.
    pub fn read(map: &Value) -> Option<Self> {
        map["metadata"]["labels"][FEDERATION].as_str()?;
        let annotations =
            map["metadata"]["annotations"].as_object().expect("a record has annotations");
        let read = |value: &Value| {
            serde_json::from_str::<Value>(value.as_str().unwrap_or_default())
                .expect("a document is JSON")
        };
        let state = read(&annotations[STATE]);
        let shards = annotations.iter().filter_map(|(key, value)| {
            Some((key.strip_prefix(SHARD_PREFIX)?.to_owned(), read(value)))
        });
        Some(Self { uid: text(&state["uid"]), shards: shards.collect(), state })
    }

    /// Whether somebody has begun to delete it together with its Jobs.
    pub fn deleting(&self) -> bool {
        !self.state["deleting"].is_null()
    }

    /// Whether it is Complete for good.
    pub fn complete(&self) -> bool {
        self.state["outcome"]["verdict"] == "complete"
    }
}

/// The shard whose Job, or whose pod, this is.
pub fn shard_of(object: &Value) -> Option<ShardKey> {
    let label = |key: &str| object["metadata"]["labels"][key].as_str().map(str::to_owned);
    Some((label(JOB)?, label(SHARD)?))
}

/// The Job `pi` as a user writes it.
pub fn manifest(name: &str, parallelism: i64, completions: i64) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"parallelism": parallelism, "completions": completions, "template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "pi", "image": "perl:5.34.0"}],
        }}},
    })
}

/// There is one record, its shards and the Jobs are the same, all are started, and they carry what
/// was asked (G1, G2, G4).
pub fn all_runs(records: Vec<Recorded>, jobs: &[Ours]) -> Recorded {
    let [record] = <[Recorded; 1]>::try_from(records).expect("one record");
    assert_eq!(jobs.len(), record.shards.len(), "{jobs:#?} {record:#?}");
    for job in jobs {
        let shard = &record.shards[&job.shard.1];
        assert_eq!(job.shard.0, record.uid);
        assert_eq!(shard["cluster"], job.cluster.as_str(), "{record:#?}");
        assert_eq!(shard["uid"], job.uid.as_str(), "{} {record:#?}", job.name);
        assert!(!job.suspended, "{job:#?} is not started");
        assert!(job.parallelism > 0 && job.completions > 0, "{job:#?} is stuck");
    }
    assert_eq!(jobs.iter().map(|job| job.parallelism).sum::<i64>(), PARALLELISM);
    assert_eq!(jobs.iter().map(|job| job.completions).sum::<i64>(), COMPLETIONS);
    record
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What a JSON patch compares before it starts a Job. Without any of them it would undo what others
/// have done.
const COMPARED: [&str; 6] = [
    "/metadata/uid",
    "/metadata/generation",
    "/metadata/labels",
    "/metadata/annotations",
    "/spec/suspend",
    "/status/startTime",
];

/// The uid that a request says its object has: in its metadata, as a precondition, or as what a JSON
/// patch tests before it changes anything. Empty where it says none, and where a JSON patch does not
/// compare all.
#[allow(dead_code, reason = "not all that share this file judge requests")]
pub fn named_uid(body: &Value) -> String {
    let steps = body.as_array().map(Vec::as_slice).unwrap_or_default();
    let first = steps.iter().take_while(|step| step["op"] == "test");
    let compared: Vec<_> = first.filter_map(|step| step["path"].as_str()).collect();
    let tested = steps.first().filter(|_| compared == COMPARED).map(|step| &step["value"]);
    let named = [&body["metadata"]["uid"], &body["preconditions"]["uid"]];
    named.into_iter().chain(tested).filter_map(Value::as_str).collect()
}
