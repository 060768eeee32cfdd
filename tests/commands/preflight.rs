//! A preflight sends what the write sends: of every kind of Job, the requests of the dry runs are
//! compared with those of the writes.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use sim::{Access, JOBS, Mark, Operation, Policy, RequestInfo, Rule};

use crate::stage::{May, Stage};

const MEMBERS: [&str; 3] = ["east", "west", "north"];

/// The time in which controllers do what there is to do.
const SOON: Duration = Duration::from_secs(5);

/// Fields that shards are not created with. The dry run of a creation is repeated with them.
const HELD_BACK: [&str; 2] = ["ttlSecondsAfterFinished", "successPolicy"];

/// Where a request has what the shard keeps for a recovery.
const RECOVERY: &str = "/metadata/annotations/kubectl-federate.dev~1recovery";

/// The specs of all kinds of Jobs, by what they are.
fn kinds() -> Vec<(&'static str, Value)> {
    let indexed = json!({"parallelism": 3, "completions": 9, "completionMode": "Indexed"});
    let with = |base: &Value, fields: Value| {
        let mut spec = base.clone();
        for (field, value) in fields.as_object().expect("fields") {
            spec[field] = value.clone();
        }
        spec
    };
    let plain = json!({"parallelism": 3, "completions": 9});
    let limits = json!({"activeDeadlineSeconds": 600, "backoffLimit": 4});
    let policy = json!({"successPolicy": {"rules": [{"succeededCount": 8}]}});
    vec![
        ("NonIndexed", plain.clone()),
        ("NonIndexed and suspended", with(&plain, json!({"suspend": true}))),
        ("NonIndexed with limits", with(&plain, limits.clone())),
        ("NonIndexed that expires", with(&plain, json!({"ttlSecondsAfterFinished": 60}))),
        ("Indexed", indexed.clone()),
        ("Indexed and suspended", with(&indexed, json!({"suspend": true}))),
        ("Indexed with limits", with(&indexed, limits.clone())),
        ("Indexed with a successPolicy", with(&indexed, policy)),
        ("a work queue", json!({"parallelism": 3})),
        ("a suspended work queue", json!({"parallelism": 3, "suspend": true})),
        ("a work queue with limits", with(&json!({"parallelism": 3}), limits)),
    ]
}

/// Each kind of Job is created and changed in every way.
pub async fn same_requests() {
    for (kind, spec) in kinds() {
        let mut stage = Stage::federation().await;
        stage.work_beside();
        stage.write("pi.json", &job(&spec).to_string());
        let created = compare(&mut stage, "job create -f ~/pi.json", kind).await;
        assert!(created.contains("create"), "{kind}: a creation is compared");
        stage.pass(SOON);
        let mut commands = vec![
            "job scale pi --parallelism=6".to_owned(),
            r#"job patch pi -p '{"spec":{"backoffLimit":9,"activeDeadlineSeconds":900}}'"#.into(),
        ];
        if spec.get("completions").is_some() {
            commands.push("job scale pi --completions=24 --parallelism=9".into());
            commands.push("job scale pi --completions=12".into());
        }
        let image =
            r#"{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"pi:2"}]}}}}"#;
        commands.push(format!("job patch pi --recreate --yes -p '{image}'"));
        for command in commands {
            let compared = compare(&mut stage, &command, kind).await;
            assert!(compared.contains("patch"), "{kind}, {command}: a patch is compared");
            stage.pass(SOON);
        }
    }
}

/// Runs a command. Asserts of each write to a member that the same was sent there before as a dry
/// run, and returns the verbs of the writes. Patches of a Job that the command creates have no dry
/// run, because there is nothing to patch yet.
async fn compare(stage: &mut Stage, command: &str, kind: &str) -> BTreeSet<String> {
    let before: Vec<(&str, Mark, BTreeSet<String>)> = MEMBERS
        .map(|name| {
            let cluster = stage.cluster(name);
            let jobs = cluster.list(&JOBS, "default");
            let names = jobs.iter().filter_map(|job| job["metadata"]["name"].as_str());
            (name, cluster.mark(), names.map(str::to_owned).collect())
        })
        .into();
    stage.quietly(command).await;
    let mut verbs = BTreeSet::new();
    for (name, mark, jobs) in before {
        let requests = stage.cluster(name).requests_since(mark);
        let of_jobs = |request: &&RequestInfo| {
            request.resource == "jobs" && (request.verb == "create" || request.verb == "patch")
        };
        let dry: BTreeSet<_> =
            requests.iter().filter(of_jobs).filter(|r| r.dry_run).map(essence).collect();
        for write in requests.iter().filter(of_jobs).filter(|request| request.mutating) {
            let patches_new = write.verb == "patch" && !jobs.contains(&write.name);
            if patches_new {
                continue;
            }
            let essence = essence(write);
            assert!(
                dry.contains(&essence),
                "{kind}, {command}: no dry run of {essence} in {name}; there are {dry:#?}"
            );
            verbs.insert(write.verb.to_owned());
        }
        // What only a dry run carries is held back from the shards.
        for body in requests.iter().filter(of_jobs).filter(|r| r.verb == "create") {
            let carries = HELD_BACK.iter().any(|field| body.json()["spec"].get(field).is_some());
            assert!(body.dry_run || !carries, "{kind}: {:?}", body.json());
        }
    }
    verbs
}

/// What is compared of a request: all but the version of the Job that it is for, times, and which
/// shards had ended when it was sent.
fn essence(request: &RequestInfo) -> String {
    let mut body = request.json();
    if let Some(kept) = body.pointer_mut(RECOVERY) {
        *kept = recovery(kept);
        kept.as_object_mut().expect("an object").remove("ended");
    }
    if let Some(metadata) = body["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    if let Some(status) = body.get_mut("status").and_then(Value::as_object_mut) {
        status.remove("startTime");
    }
    format!("{} {}/{} {body}", request.verb, request.name, request.subresource)
}

/// What a shard keeps for a recovery, decoded.
fn recovery(annotation: &Value) -> Value {
    use base64::Engine as _;
    let text = annotation.as_str().expect("a text");
    let gzip = base64::engine::general_purpose::STANDARD.decode(text).expect("base64");
    serde_json::from_reader(flate2::read::GzDecoder::new(gzip.as_slice())).expect("JSON")
}

/// Somebody who may do everything but list pods.
fn lists_no_pods(access: &Access) -> bool {
    access.resource != "pods" || access.verb != "list"
}

/// Somebody who may do everything but write the status of Jobs.
fn writes_no_status(access: &Access) -> bool {
    access.resource != "jobs" || access.subresource != "status" || access.verb != "patch"
}

/// A scale that takes work off needs rights that the creation did not need. It is refused before
/// anything is written, by whoever lacks one.
pub async fn missing_rights() {
    let users: [(&str, May, &str); 2] = [
        ("reader", lists_no_pods, "cannot list resource \"pods\""),
        ("writer", writes_no_status, "cannot patch resource \"jobs/status\""),
    ];
    for (user, may, refusal) in users {
        let mut stage = Stage::with_users(&[(user, may)]);
        stage.quietly("init").await;
        for member in MEMBERS {
            let context = format!("{user}@{member}");
            stage.quietly(&format!("cluster register {member} --cluster-context={context}")).await;
        }
        stage.write("pi.json", &job(&json!({"parallelism": 3, "completions": 9})).to_string());
        stage.quietly("job create -f ~/pi.json").await;
        stage.pass(SOON);
        for flag in ["--dry-run=server", ""] {
            let said = refused(&mut stage, &format!("job scale pi --completions=3 {flag}")).await;
            assert!(said.contains(refusal), "{user}: {said}");
        }
    }
}

/// A policy of one member demands a field that shards are created without. A creation there is
/// refused before anything is written, and so is an edit that opens a supplement there. An edit of
/// the Jobs that are there is not.
pub async fn demanded_field() {
    let demand = Policy {
        name: "must-expire".to_owned(),
        namespace: "default".to_owned(),
        operations: vec![Operation::Create],
        rule: Rule::Require {
            field: "ttlSecondsAfterFinished".to_owned(),
            message: "every job must expire".to_owned(),
        },
    };
    let spec = json!({"parallelism": 3, "completions": 6, "ttlSecondsAfterFinished": 60});
    let mut stage = Stage::federation().await;
    stage.write("pi.json", &job(&spec).to_string());
    stage.cluster("west").add_policy(demand.clone());
    for flag in ["--dry-run=server", ""] {
        let said = refused(&mut stage, &format!("job create -f ~/pi.json {flag}")).await;
        assert!(said.contains("every job must expire (cluster west)"), "{said}");
    }

    let mut stage = Stage::federation().await;
    stage.write("pi.json", &job(&spec).to_string());
    stage.quietly("job create -f ~/pi.json").await;
    for member in MEMBERS {
        stage.cluster(member).add_policy(demand.clone());
    }
    let said = refused(&mut stage, "job scale pi --completions=12 --parallelism=6").await;
    for member in MEMBERS {
        assert!(said.contains(&format!("every job must expire (cluster {member})")), "{said}");
    }
    stage.quietly("job scale pi --parallelism=6").await;
}

/// Runs a command that must fail without writing anything to any cluster. Returns its stderr.
async fn refused(stage: &mut Stage, command: &str) -> String {
    let marks = MEMBERS.map(|name| (name, stage.cluster(name).mark()));
    let (code, stdout, stderr) = stage.run(command, None).await;
    assert_eq!(code, 1, "{command}\n{stdout}\n{stderr}");
    for (name, mark) in marks {
        let written = stage.cluster(name).mutations_since(mark);
        let written: Vec<_> = written.iter().map(essence).collect();
        assert_eq!(written, Vec::<String>::new(), "{command} in {name}");
    }
    stderr
}

/// A Job with a spec and a template.
fn job(spec: &Value) -> Value {
    let container = json!({"name": "c", "image": "pi:1"});
    let mut spec = spec.clone();
    spec["template"] = json!({"spec": {"restartPolicy": "Never", "containers": [container]}});
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"}, "spec": spec})
}
