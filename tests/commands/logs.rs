//! `job logs` and `job events`.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::json;
use sim::{EVENTS, Verdict, When};

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
    stage.types("job logs pi --clusters=west,east --all-pods --limit-bytes=24").await;
    stage.types("job logs pi --limit-bytes=-1").await;
    stage.types("job logs pi --pod-running-timeout=0s").await;
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
    let watch = "job events pi --watch -o jsonpath={.x} --allow-missing-template-keys=false";
    let (code, _, stderr) = stage.run(watch, None).await;
    assert!(code == 1 && stderr.contains("x is not found"), "{code} {stderr}");
    stage.set_down("west", true);
    stage.about("a cluster is away").types("job events pi --types=Warning").await;
    stage.end(&snapshot);
}

/// Where streams break off, in bytes: within times, within lines, between lines, before the first.
const BREAKS: [usize; 9] = [10, 70, 75, 76, 1000, 0, 35, 3000, 333];

/// A log whose streams break off, at any byte, is read whole and once.
pub async fn broken_off() {
    let mut stage = running().await;
    let west = stage.cluster("west").clone();
    let pods = west.pods_of("default", "pi");
    let name = pods[0]["metadata"]["name"].as_str().expect("a name");
    let container = pods[0]["spec"]["containers"][0]["name"].as_str().expect("a name");
    for n in 0..100 {
        // All have the same time but for some.
        if n % 40 == 39 {
            stage.pass(Duration::from_secs(2));
        }
        west.write_log("default", name, container, &format!("number {n}"));
    }
    let breaks = AtomicUsize::new(0);
    west.on_request(move |request| {
        if request.subresource != "log" {
            return Verdict::Pass;
        }
        let place = breaks.fetch_add(1, Ordering::SeqCst);
        BREAKS.get(place).map_or(Verdict::Pass, |bytes| Verdict::Cut(*bytes))
    });
    let read = "job logs pi --clusters=west --prefix=false";
    let (code, stdout, stderr) = stage.run(read, None).await;
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    let numbers = stdout.lines().filter_map(|line| line.strip_prefix("number "));
    let expected: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    assert_eq!(numbers.collect::<Vec<_>>(), expected, "{stdout}");
}

/// Logs that break off are read whole where the server takes only one request at once: none that is
/// opened ahead keeps another from being opened again.
pub async fn broken_off_where_few_are_taken() {
    let mut stage = running().await;
    let west = stage.cluster("west").clone();
    let pods = west.pods_of("default", "pi").len();
    let asked = AtomicUsize::new(0);
    west.on_request(move |request| {
        if request.subresource != "log" {
            return Verdict::Pass;
        }
        let place = asked.fetch_add(1, Ordering::SeqCst);
        if place < pods {
            Verdict::refusal(When::Before, 429, "TooManyRequests", "too many requests")
        } else if place < 2 * pods {
            Verdict::Cut(10)
        } else {
            Verdict::Pass
        }
    });
    let (code, stdout, stderr) = stage.run("job logs pi --clusters=west", None).await;
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert_eq!(stdout.lines().count(), 2 * pods, "{stdout}");
}
