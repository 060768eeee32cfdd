//! `job logs` and `job events`.

use std::time::Duration;

use serde_json::json;
use sim::EVENTS;

use crate::stage::{Event, Stage};

/// A Job whose pods run in all clusters, and have written.
async fn running() -> Stage {
    let mut stage = Stage::federation().await;
    stage.quietly("job create -f pi.yaml").await;
    for cluster in ["east", "west", "north"] {
        let site = stage.cluster(cluster);
        site.settle();
        for (n, pod) in site.pods_of("default", "pi").iter().enumerate() {
            let name = pod["metadata"]["name"].as_str().expect("a name");
            site.bind_pod("default", name);
            site.run_pod("default", name);
            let container = pod["spec"]["containers"][0]["name"].as_str().expect("a name");
            for line in 1..=2 {
                let text = format!("line {line} of pod {n}\tin {cluster}");
                site.write_log("default", name, container, &text);
            }
        }
    }
    stage
}

pub async fn logs(snapshot: String) {
    let mut stage = running().await;
    stage.types("job logs pi --clusters=west,east --tail=1").await;
    stage.types("job logs pi --clusters=west --prefix=false --timestamps").await;
    stage.types("job logs pi --failed").await;
    stage.about("more than may be followed").types("job logs pi --follow").await;
    for wrong in [
        "job logs",
        "job logs nothing",
        "job logs pi --index=1",
        "job logs pi --clusters=spare",
        "job logs pi --container=other --clusters=west",
        "job logs pi --container=pi --all-containers",
        "job logs pi --tail=-2",
        "job logs pi --since=-1s",
        "job logs pi --since=1s --since-time=2026-01-01T12:00:00Z",
        "job logs pi --since-time=yesterday",
    ] {
        stage.types(wrong).await;
    }
    stage.set_down("west", true);
    stage.about("a cluster is away").types("job logs pi --clusters=west,east --tail=1").await;
    stage.set_down("west", false);
    for (after, cluster) in [(3, "east"), (5, "west"), (7, "north")] {
        stage.later(Duration::from_secs(after), cluster, Event::Succeed("pi", 6));
    }
    stage.let_time_pass();
    let follow = "job logs pi -f --tail=1 --max-log-requests=9 --clusters=west";
    stage.about("until the job has ended").types(follow).await;
    stage.end(&snapshot);
}

pub async fn events(snapshot: String) {
    let mut stage = running().await;
    stage.pass(Duration::from_mins(2));
    let west = stage.cluster("west");
    let pod = west.pods_of("default", "pi").remove(0);
    let at = west.now().to_string();
    let event = json!({
        "metadata": {"name": "slow"}, "type": "Warning", "reason": "BackOff", "count": 3,
        "message": "Back-off pulling image \"perl\"\u{1b}[2J",
        "firstTimestamp": at, "lastTimestamp": at,
        "involvedObject": {
            "kind": "Pod", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"],
            "namespace": "default",
        },
    });
    west.create(&EVENTS, "default", event).expect("it can be created");
    stage.pass(Duration::from_secs(30));
    stage.types("job events pi --types=Warning").await;
    stage.types("job events pi --types=warning -o name").await;
    stage.types("job events pi --types=other").await;
    stage.types("job events nothing").await;
    stage.set_down("west", true);
    stage.about("a cluster is away").types("job events pi --types=Warning").await;
    stage.end(&snapshot);
}
