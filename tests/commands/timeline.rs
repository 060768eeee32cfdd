//! `job timeline`, and `job get --tree`: where the time went, and how far each cluster is.

use std::time::Duration;

use serde_json::json;
use sim::PODS;

use crate::stage::Stage;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Puts the pods of a cluster on a node that have none, and runs them.
fn run(stage: &Stage, cluster: &str) {
    let site = stage.cluster(cluster);
    site.settle();
    for pod in site.pods_of("default", "pi") {
        let name = pod["metadata"]["name"].as_str().expect("a name");
        if pod["status"]["phase"] == "Pending" {
            site.bind_pod("default", name);
            site.run_pod("default", name);
        }
    }
}

/// A Job whose pods wait and run in different clusters for different times, and one of which fails.
async fn played() -> Stage {
    let mut stage = Stage::federation().await;
    stage.quietly("job create -f pi.yaml").await;
    stage.pass(seconds(10));
    run(&stage, "east");
    stage.pass(seconds(20));
    run(&stage, "west");
    stage.pass(seconds(30));
    stage.succeed("east", "pi", 3);
    run(&stage, "east");
    assert_eq!(stage.cluster("west").fail_pods("default", "pi", 1), 1);
    stage.pass(seconds(30));
    stage.succeed("east", "pi", 2);
    stage.succeed("west", "pi", 1);
    stage.pass(seconds(30));
    unschedulable(&stage);
    stage
}

/// Has the pods of `north` say why they have no node.
fn unschedulable(stage: &Stage) {
    let north = stage.cluster("north");
    for pod in north.pods_of("default", "pi") {
        let name = pod["metadata"]["name"].as_str().expect("a name");
        let condition = json!({
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/3 nodes are available: 3 Insufficient cpu.",
        });
        let status = json!({"status": {"conditions": [condition]}});
        north.patch_status(&PODS, "default", name, status).expect("it is there");
    }
}

pub async fn timeline(snapshot: String) {
    let mut stage = played().await;
    stage.types("job timeline pi").await;
    stage.types("job timeline pi --pods --clusters=west,north").await;
    stage.types("job timeline pi --clusters=west -o json").await;
    stage.types("job timeline pi -o svg").await;
    stage.set_down("west", true);
    stage.about("a cluster is away").types("job timeline pi").await;
    stage.set_down("west", false);
    stage.quietly("job create -f several/").await;
    for wrong in [
        "job timeline nothing",
        "job timeline",
        "job timeline pi -o wide",
        "job timeline pi --clusters=spare",
    ] {
        stage.types(wrong).await;
    }
    stage.piped(EMPTY).quietly("job create -f -").await;
    stage.about("it has run nothing").types("job timeline empty").await;
    stage.end(&snapshot);
}

/// A Job that runs no pods.
const EMPTY: &str = "\
{apiVersion: batch/v1, kind: Job, metadata: {name: empty}, spec: {parallelism: 0, completions: 3,
  template: {spec: {restartPolicy: Never, containers: [{name: pi, image: perl}]}}}}";

pub async fn tree(snapshot: String) {
    let mut stage = played().await;
    stage.types("job get pi --tree").await;
    stage.set_down("west", true);
    stage.about("a cluster is away").types("job get pi --tree").await;
    stage.set_down("west", false);
    stage.delete("north", "pi").await;
    stage.about("a shard is deleted").types("job get pi --tree --no-headers").await;
    stage.quietly("job create -f fragile.yaml").await;
    stage.types("job get --tree").await;
    stage.types("job get -A -l team=math --tree").await;
    stage.types("job get nothing --tree").await;
    stage.types("job get pi --tree -o json").await;
    stage.quietly("job delete pi --cascade=background").await;
    stage.work_beside();
    stage.cluster("west").settle();
    assert_eq!(stage.cluster("west").fail_pods("default", "fragile", 1), 1);
    stage.cluster("west").settle();
    stage.quietly("reconcile").await;
    stage.about("it has failed").types("job get fragile --tree").await;
    stage.quietly("job create -f pi.yaml").await;
    stage.succeed("west", "pi", 2);
    stage.quietly("reconcile pi").await;
    stage.set_down("west", true);
    stage.quietly("cluster lost west --yes").await;
    stage.about("a cluster is lost").types("job get pi --tree").await;
    stage.set_down("west", false);
    stage.quietly("reconcile pi").await;
    stage.about("it is back").types("job get pi --tree").await;
    stage.quietly("reconcile pi").await;
    for _ in 0..3 {
        stage.pass(std::time::Duration::from_mins(1));
        stage.cluster("west").settle();
        stage.quietly("reconcile pi").await;
    }
    stage.about("it was counted").types("job get pi --tree").await;
    stage.end(&snapshot);
}
