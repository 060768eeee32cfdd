//! Jobs of every kind, and edits of them, by chance.

use serde_json::{Value, json};

use super::random::Random;

/// The name of the one federated Job of a life.
pub const NAME: &str = "life";

/// The name of the federated Job that retries it.
pub const RETRY: &str = "life-retry";

/// A kind of Job, as far as the simulation tells kinds apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// With completions that are all alike.
    Counted,
    /// Without completions.
    WorkQueue,
    /// With numbered completions.
    Indexed,
}

/// A Job as its user writes it.
pub fn manifest(random: &mut Random) -> (Kind, Value) {
    let kind = *random.pick(&[Kind::Counted, Kind::Counted, Kind::WorkQueue, Kind::Indexed]);
    let completions = 1 + random.below(12);
    let mut spec = json!({
        "parallelism": 1 + random.below(6),
        "template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox"}],
        }},
    });
    match kind {
        Kind::WorkQueue => {}
        Kind::Counted => spec["completions"] = completions.into(),
        Kind::Indexed => {
            spec["completions"] = completions.into();
            spec["completionMode"] = "Indexed".into();
            indexed(&mut spec, completions, random);
        }
    }
    if spec["backoffLimitPerIndex"].is_null() {
        let limit = *random.pick(&[0, 1, 2, 6, 1000]);
        spec["backoffLimit"] = limit.into();
    }
    if random.one_in(8) {
        let rule = |action: &str, code: u64| json!({"action": action, "onExitCodes": {"operator": "In", "values": [code]}});
        spec["podFailurePolicy"] =
            json!({"rules": [rule("FailJob", FATAL), rule("Ignore", IGNORED)]});
    }
    if random.one_in(10) {
        spec["activeDeadlineSeconds"] = (30 + random.below(3000)).into();
    }
    if random.one_in(4) {
        spec["ttlSecondsAfterFinished"] = random.below(300).into();
    }
    if random.one_in(10) {
        spec["suspend"] = true.into();
    }
    let mut object = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": NAME}, "spec": spec,
    });
    if random.one_in(8) {
        object["metadata"]["annotations"] = preferences(random);
    }
    (kind, object)
}

/// Has the pods of a Job scheduled together: so many of them, or all.
pub fn gather(manifest: &mut Value, random: &mut Random) {
    let pods = 2 + random.below(8);
    let gang =
        if random.one_in(5) { json!({}) } else { json!({"minCount": 1 + random.below(MOST)}) };
    manifest["spec"]["parallelism"] = pods.max(gang["minCount"].as_u64().unwrap_or(0)).into();
    manifest["spec"]["scheduling"] = json!({"schedulingPolicy": {"gang": gang}});
}

/// Another size of the gangs.
pub fn resize(random: &mut Random) -> Value {
    let gang = json!({"minCount": 1 + random.below(MOST)});
    json!({"spec": {"scheduling": {"schedulingPolicy": {"gang": gang}}}})
}

/// The most pods of a gang that says how many it has: no more than run in a Job that goes on.
const MOST: u64 = 3;

/// The exit code that a `podFailurePolicy` here fails the Job for.
pub const FATAL: u64 = 42;
/// The exit code that a `podFailurePolicy` here does not count.
pub const IGNORED: u64 = 43;

fn indexed(spec: &mut Value, completions: u64, random: &mut Random) {
    if random.one_in(3) {
        spec["backoffLimitPerIndex"] = random.below(2).into();
        if random.one_in(2) {
            spec["maxFailedIndexes"] = (1 + random.below(completions)).min(completions).into();
        }
    }
    if random.one_in(5) {
        let all = if completions == 1 { "0".to_owned() } else { format!("0-{}", completions - 1) };
        let rule = match random.below(3) {
            0 => json!({"succeededCount": 1 + random.below(completions)}),
            1 => json!({"succeededIndexes": random.below(completions).to_string()}),
            _ => json!({"succeededIndexes": all, "succeededCount": 1}),
        };
        spec["successPolicy"] = json!({ "rules": [rule] });
    }
}

fn preferences(random: &mut Random) -> Value {
    let clusters = json!({
        "*": {"weight": 1 + random.below(3)},
        "west": {"weight": random.below(4), "minReplicas": random.below(2)},
    });
    let rebalance = random.one_in(2);
    let text = json!({"rebalance": rebalance, "clusters": clusters}).to_string();
    json!({kubectl_federate::plan::PREFERENCES: text})
}

/// A change of the Job as a merge patch, and whether new shards may be made for it.
pub fn edit(kind: Kind, random: &mut Random) -> (Value, bool) {
    let completions = match kind {
        Kind::WorkQueue => Value::Null,
        Kind::Counted | Kind::Indexed => (1 + random.below(14)).into(),
    };
    match random.below(8) {
        0 | 1 => (json!({"spec": {"parallelism": random.below(8)}}), false),
        2 | 3 if !completions.is_null() => (json!({"spec": {"completions": completions}}), false),
        2 | 3 => (json!({"spec": {"parallelism": 1 + random.below(5)}}), false),
        4 => (json!({"spec": {"suspend": true}}), false),
        5 => (json!({"spec": {"suspend": false}}), false),
        6 => {
            let image = format!("busybox:{}", random.below(3));
            let containers = json!([{"name": "c", "image": image}]);
            (json!({"spec": {"template": {"spec": {"containers": containers}}}}), true)
        }
        _ => (json!({"spec": {"backoffLimit": 3 + random.below(20)}}), false),
    }
}
