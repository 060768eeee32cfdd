//! Killed while its Jobs are created in clusters that decide when they run: nothing runs twice.

use std::collections::BTreeSet;

use libtest_mimic::Failed;
use real::Fleet;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::scene::{CREATE, MEMBERS, SOON, Scene, Succeeded};

/// How often each is killed.
const ROUNDS: usize = 4;

/// The completions of the Job.
const COMPLETIONS: usize = 8;

fn manifest(indexed: bool) -> Value {
    let container = json!({"name": "main", "image": "busybox"});
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "pi", "labels": {"kueue.x-k8s.io/queue-name": "team"}},
        "spec": {
            "parallelism": COMPLETIONS, "completions": COMPLETIONS,
            "completionMode": if indexed { "Indexed" } else { "NonIndexed" },
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    })
}

/// The process is killed between the creation of a Job and its credit.
pub async fn indexed(fleet: &'static Fleet) -> Result<(), Failed> {
    for _ in 0..ROUNDS {
        let scene = killed(fleet, true).await?;
        let succeeded = scene.succeed_in(&MEMBERS).await?;
        finish(&scene, succeeded, true).await?;
    }
    Ok(())
}

/// The process is killed before it records the uid of a Job. Kueue runs whatever it may run, and
/// somebody deletes the Job before a reconcile.
pub async fn deleted(fleet: &'static Fleet) -> Result<(), Failed> {
    let mut unrecorded = 0;
    while unrecorded < ROUNDS {
        let scene = killed(fleet, false).await?;
        let mut succeeded = Vec::new();
        if !is_recorded(&scene).await? {
            unrecorded += 1;
            succeeded = run_and_delete(&scene).await?;
        }
        finish(&scene, succeeded, false).await?;
    }
    Ok(())
}

/// A create that was killed when a Job was there, and Kueue has decided about that Job.
async fn killed(fleet: &'static Fleet, indexed: bool) -> Result<Scene, Failed> {
    let scene = Scene::queued(fleet, COMPLETIONS).await?;
    scene.write("pi.yaml", &manifest(indexed))?;
    let (west, job) = (scene.cluster("west"), format!("{}/pi", scene.path("jobs")));
    let created = real::until("the job in west", SOON, || async {
        west.get(&job).await.map(drop).map_err(|error| error.to_string())
    });
    scene.kill_when(CREATE, created).await?;
    let uid = west.get(&job).await?["metadata"]["uid"].take();
    let workloads = format!(
        "/apis/kueue.x-k8s.io/v1beta2/{}?labelSelector=kueue.x-k8s.io/job-uid%3D{}",
        scene.path("workloads").trim_start_matches("/api/v1/"),
        uid.as_str().unwrap_or_default()
    );
    real::until("Kueue's decision about the job in west", SOON, || async {
        let found = west.list(&workloads).await.map_err(|error| error.to_string())?;
        let is_decided = |workload: &Value| workload["status"]["conditions"].is_array();
        if found.iter().any(is_decided) { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    Ok(scene)
}

/// Whether the record knows the Job in `west`.
async fn is_recorded(scene: &Scene) -> Result<bool, Failed> {
    let records = scene.records().await?;
    let in_west = |shard: &&Value| shard["cluster"] == "west";
    let shard = records.first().and_then(|record| record.shards.values().find(in_west));
    Ok(shard.is_some_and(|shard| shard["uid"].is_string()))
}

/// Lets the Job in `west` run as far as Kueue lets it, and deletes it. Gives what has succeeded.
async fn run_and_delete(scene: &Scene) -> Result<Vec<Succeeded>, Failed> {
    let (west, job) = (scene.cluster("west"), format!("{}/pi", scene.path("jobs")));
    let succeeded = Mutex::new(Vec::new());
    real::until("the job in west to end or to be held", SOON, || async {
        let new = scene.succeed_in(&MEMBERS).await.map_err(|error| format!("{error:?}"))?;
        succeeded.lock().await.extend(new);
        let job = west.get(&job).await.map_err(|error| error.to_string())?;
        let is_held = job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] != "team";
        let has_ended = job["status"]["completionTime"].is_string();
        if is_held || has_ended { Ok(()) } else { Err(job["status"].to_string()) }
    })
    .await;
    west.delete(&job, &json!({"propagationPolicy": "Background"})).await?;
    Ok(succeeded.into_inner())
}

/// Reconciles until the whole Job is complete. Each completion was made once.
async fn finish(scene: &Scene, before: Vec<Succeeded>, indexed: bool) -> Result<(), Failed> {
    let mut succeeded = before;
    succeeded.extend(scene.work(&MEMBERS).await?);
    assert_eq!(succeeded.len(), COMPLETIONS, "{succeeded:?}");
    let indexes: BTreeSet<u32> = succeeded.iter().filter_map(|(_, index)| *index).collect();
    assert_eq!(indexes.len(), if indexed { COMPLETIONS } else { 0 }, "{succeeded:?}");
    Ok(())
}
