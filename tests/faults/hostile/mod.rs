//! One hostile member: its answers are without an end, of a wrong type or absurd. It costs one
//! clear error that names the cluster, and never another member's work. The same of a hostile host.

mod answers;
mod numbers;
mod table;
mod watches;

use std::io::Write as _;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::{Value, json};
use sim::When;

use self::answers::heavy;
use super::net::Fate;
use super::stage::{CLUSTERS, CREATE, Ran, Stage};

/// The hostile member; it is not the host.
const HOSTILE: &str = "north";

/// The most that is read of one answer, in bytes, with the piece that is too much.
const MOST_READ: usize = 66 << 20;

/// What the member answers so: all requests, only reads of Jobs, or all but reads.
#[derive(Clone, Copy, PartialEq)]
enum Scope {
    All,
    Reads,
    Writes,
}

/// Has the member answer so and runs a command.
async fn opposed(stage: &Stage, command: &str, scope: Scope, fate: &Fate) -> Ran {
    opposed_by(stage, command, HOSTILE, scope, fate).await
}

/// Has a cluster answer so and runs a command.
async fn opposed_by(
    stage: &Stage,
    command: &str,
    cluster: &'static str,
    scope: Scope,
    fate: &Fate,
) -> Ran {
    let fate = fate.clone();
    stage.net.watch(move |sent, _| {
        let reads = sent.method == http::Method::GET;
        let is_meant = match scope {
            Scope::All => true,
            Scope::Reads => reads && sent.of_jobs(),
            Scope::Writes => !reads,
        };
        if sent.cluster == cluster && is_meant { fate.clone() } else { Fate::Pass }
    });
    let ran = stage.run(command).await;
    let (requests, read) = (stage.net.sent().len(), stage.net.poured());
    assert!(read <= MOST_READ * requests, "{command}: {read} bytes of {requests} answers");
    stage.net.heal();
    ran
}

/// The error names the cluster, once, and shows what the cluster sent in no other form than text.
fn names_the_cluster(command: &str, hostility: &str, ran: &Ran) {
    names(HOSTILE, command, hostility, ran);
}

fn names(cluster: &str, command: &str, hostility: &str, ran: &Ran) {
    let about = ran.stderr.lines().filter(|line| line.contains(cluster)).count();
    assert!(about >= 1, "{command}, {hostility}: {ran:#?}");
    let mut lines: Vec<_> = ran.stderr.lines().filter(|line| !line.is_empty()).collect();
    let all = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), all, "{command}, {hostility}: something is said twice: {ran:#?}");
    assert!(ran.stderr.len() < 2_000, "{command}, {hostility}: {ran:#?}");
}

/// The clusters that hold a Job of ours.
fn clusters_with_jobs(stage: &Stage) -> Vec<String> {
    let mut names: Vec<_> = stage.jobs().into_iter().map(|job| job.cluster).collect();
    names.sort();
    names
}

#[tokio::test(start_paused = true)]
async fn a_job_is_made_in_the_other_members() {
    for (hostility, fate) in heavy() {
        let stage = Stage::federated().await;
        let ran = opposed(&stage, CREATE, Scope::All, &fate).await;
        names_the_cluster(CREATE, hostility, &ran);
        assert_eq!(clusters_with_jobs(&stage), ["east", "west"], "{hostility}: {ran:#?}");
        assert!(stage.jobs().iter().all(|job| !job.suspended), "{hostility}: {ran:#?}");
        stage.settle().await;
        stage.completes().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_hostile_host_is_an_error_and_nothing_is_written() {
    let stage = Stage::federated().await;
    for (hostility, fate) in heavy() {
        for command in [CREATE, "job get", "cluster check"] {
            let ran = opposed_by(&stage, command, CLUSTERS[0], Scope::All, &fate).await;
            names(CLUSTERS[0], command, hostility, &ran);
            assert_eq!(ran.code, 1, "{command}, {hostility}: {ran:#?}");
            stage.nothing_left();
        }
    }
    stage.must(CREATE).await;
    stage.completes().await;
}

/// What a proxy or a portal may answer to a dry run in place of an API server.
#[tokio::test(start_paused = true)]
async fn a_job_is_made_in_the_others_where_one_answers_with_another_kind() {
    let pod = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pi"}}"#;
    let done = r#"{"apiVersion": "v1", "kind": "Status", "status": "Success"}"#;
    for body in [pod, done, "{}", "[]", "null", "\"ok\"", "true"] {
        let fate = Fate::Answer(When::Before, 200, Vec::new(), body.into());
        let stage = Stage::federated().await;
        let ran = opposed(&stage, CREATE, Scope::Writes, &fate).await;
        names_the_cluster(CREATE, body, &ran);
        let words = ["is it an API server?", "the answer is not a JSON object"];
        let is_said = words.iter().any(|words| ran.stderr.contains(words));
        assert!(ran.code != 0 && is_said, "{ran:#?}");
        assert_eq!(clusters_with_jobs(&stage), ["east", "west"], "{body}: {ran:#?}");
        stage.settle().await;
        stage.completes().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_work_of_the_other_members_is_counted() {
    for (hostility, fate) in heavy() {
        let stage = Stage::running().await;
        let end = |hostile: bool| {
            let clusters = stage.clusters.iter();
            for cluster in clusters.filter(|cluster| (cluster.name() == HOSTILE) == hostile) {
                cluster.run_to_end("default", "pi");
            }
        };
        end(false);
        let others = stage.jobs().into_iter().filter(|job| job.cluster != HOSTILE);
        let done: i64 = others.map(|job| job.completions).sum();
        let counts = format!("{done}/");
        for (command, told) in [
            ("reconcile", counts.clone()),
            ("job get pi", counts),
            ("job describe pi", format!("{done} Succeeded")),
        ] {
            let ran = opposed(&stage, command, Scope::Reads, &fate).await;
            names_the_cluster(command, hostility, &ran);
            assert!(ran.stdout.contains(&told), "{command}, {hostility}: {done} of {ran:#?}");
        }
        end(true);
        stage.settle().await;
        assert!(stage.must("job get pi").await.stdout.contains(" 7/7 "));
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_is_deleted_in_the_other_members() {
    let command = "job delete pi --cascade=background";
    for (hostility, fate) in heavy() {
        let stage = Stage::running().await;
        let ran = opposed(&stage, command, Scope::All, &fate).await;
        names_the_cluster(command, hostility, &ran);
        assert_eq!(clusters_with_jobs(&stage), [HOSTILE], "{hostility}: {ran:#?}");
        stage.settle().await;
        stage.nothing_left();
    }
}

/// The annotation in which a Job keeps what a record can be rebuilt from.
const RECOVERY: &str = "kubectl-federate.dev/recovery";

/// Has the Job of a member keep something else of its federated Job.
fn forge(stage: &Stage, member: &str, change: impl Fn(&mut Value)) {
    let cluster = stage.clusters.iter().find(|it| it.name() == member).expect("a member");
    let job = cluster.get(&sim::JOBS, "default", "pi").expect("it has a Job");
    let kept = job["metadata"]["annotations"][RECOVERY].as_str().expect("it keeps something");
    let kept = BASE64_STANDARD.decode(kept).expect("base64");
    let mut kept: Value = serde_json::from_reader(GzDecoder::new(&kept[..])).expect("JSON");
    change(&mut kept);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(kept.to_string().as_bytes()).expect("memory takes it");
    let kept = BASE64_STANDARD.encode(gzip.finish().expect("memory takes it"));
    let annotations = json!({"metadata": {"annotations": {RECOVERY: kept}}});
    cluster.patch(&sim::JOBS, "default", "pi", annotations).expect("it is there");
}

/// A newer manifest, and all shards of others as ended.
fn forged(kept: &mut Value) {
    kept["revision"] = 7.into();
    kept["manifest"]["spec"]["backoffLimit"] = 99.into();
    let mut ended = kept["shard"].clone();
    (ended["phase"], ended["uid"]) = ("complete".into(), "none".into());
    kept["ended"] = json!({});
    for id in ["1", "2", "3"] {
        kept["ended"][id] = ended.clone();
    }
}

/// The limits of the Jobs of all members.
fn limits(stage: &Stage) -> Vec<Value> {
    let jobs = stage.clusters.iter().flat_map(|cluster| cluster.list(&sim::JOBS, "default"));
    jobs.map(|job| job["spec"]["backoffLimit"].clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_forged_manifest_is_nothing_to_a_federation_that_was_moved() {
    let stage = Stage::running().await;
    let before = (others(&stage), limits(&stage));
    forge(&stage, HOSTILE, forged);
    for relocate in ["init --from=east --context=west", "init --from=west --context=east"] {
        stage.must(relocate).await;
        for _ in 0..2 {
            stage.must("reconcile").await;
            assert_eq!((others(&stage), limits(&stage)), before);
        }
    }
    stage.completes().await;
}

#[tokio::test(start_paused = true)]
async fn a_forged_manifest_is_named_where_a_record_is_rebuilt() {
    let stage = Stage::running().await;
    forge(&stage, HOSTILE, forged);
    stage.must("job delete pi").await;
    let asked = stage.run("job recover pi").await;
    let named = "its manifest is the one of cluster north, which others do not have yet: \
                 backoffLimit";
    assert!(asked.code != 0 && asked.stderr.contains(named), "{asked:#?}");
    let ran = stage.must("job recover pi --yes").await;
    let row = stage.must("job get pi").await;
    assert!(row.stdout.contains(" 0/7 "), "the others run: {ran:#?} {row:#?}");
    stage.settle().await;
    stage.completes().await;
}

/// Has two members keep different manifests of edit 7.
fn forge_two_manifests(stage: &Stage) {
    for (member, limit) in [("north", 98), ("west", 99)] {
        forge(stage, member, |kept| {
            kept["revision"] = 7.into();
            kept["manifest"]["spec"]["backoffLimit"] = limit.into();
        });
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_manifests_of_one_edit_none_is_taken() {
    let stage = Stage::running().await;
    stage.must("backup pi.yaml").await;
    let before = limits(&stage);
    forge_two_manifests(&stage);
    stage.must("job delete pi").await;
    let refused = stage.run("job recover --all --yes").await;
    let named = "clusters north and west keep different manifests of edit 7";
    assert!(refused.stderr.contains(named), "{refused:#?}");
    assert!(stage.records().is_empty(), "{refused:#?}");
    stage.must("restore pi.yaml --yes").await;
    let ran = stage.must("reconcile").await;
    let named = "the jobs in north, west keep different manifests of edit 7";
    assert!(ran.stderr.contains(named), "{ran:#?}");
    assert_eq!(limits(&stage), before);
    stage.completes().await;
}

#[tokio::test(start_paused = true)]
async fn of_two_manifests_of_one_edit_the_user_chooses_one() {
    let stage = Stage::running().await;
    forge_two_manifests(&stage);
    stage.must("job delete pi").await;
    let refused = stage.run("job recover pi --yes").await;
    assert!(refused.stderr.contains("--manifest-of=CLUSTER says which one"), "{refused:#?}");
    let unknown = stage.run("job recover --all --yes --manifest-of=south").await;
    assert!(unknown.stderr.contains("\"south\" is not registered"), "{unknown:#?}");
    let recovered = stage.must("job recover --all --yes --manifest-of=west").await;
    assert!(recovered.stderr.contains("backoffLimit 98 → 99"), "{recovered:#?}");
    stage.must("reconcile").await;
    let mut limits: Vec<_> = limits(&stage).iter().filter_map(Value::as_i64).collect();
    limits.sort_unstable();
    // The Job of west says of itself what it has not got: that is drift, and nobody's edit.
    assert_eq!(limits, [6, 99, 99], "also the one that kept another manifest");
    stage.completes().await;
}

/// The Jobs of the other members.
fn others(stage: &Stage) -> Vec<String> {
    let others = stage.jobs().into_iter().filter(|job| job.cluster != HOSTILE);
    others.map(|job| format!("{job:?}")).collect()
}
