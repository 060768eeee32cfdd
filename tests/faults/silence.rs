//! One member of a hundred gives no answer. Time stands still, so that what a command waits for is
//! exact.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Method;
use serde_json::Value;
use sim::When;
use tokio::time::Instant;

use super::limits::with_members;
use super::net::{Fate, Sent};
use super::stage::{CREATE, Ran, Stage};

const MEMBERS: usize = 100;
const SILENT: &str = "cluster-7";

async fn stage() -> Stage {
    let stage = with_members(MEMBERS).await;
    stage.must(CREATE).await;
    stage
}

fn hangs_if(is_silent: bool) -> Fate {
    if is_silent { Fate::Hang(When::Before) } else { Fate::Pass }
}

/// Runs a command while one member does not answer what is `asked` of it; says how many seconds
/// that takes, and how many requests it sends to that member.
async fn timed(
    stage: &Stage,
    command: &str,
    asked: impl Fn(&Sent) -> bool + Send + 'static,
) -> (Ran, u64, usize) {
    let is_silent = move |sent: &Sent| sent.cluster == SILENT && asked(sent);
    stage.net.watch(move |sent, _| hangs_if(is_silent(sent)));
    let start = Instant::now();
    let ran = stage.run(command).await;
    let seconds = start.elapsed().as_secs();
    let sent = stage.net.sent().iter().filter(|sent| sent.cluster == SILENT).count();
    stage.net.heal();
    (ran, seconds, sent)
}

#[tokio::test(start_paused = true)]
async fn who_only_looks_waits_briefly_and_names_who_is_silent() {
    let stage = stage().await;
    // Some ask for its Jobs while they ask who it is.
    for (command, expected, asked) in [
        ("job get", 3, 2),
        ("job get pi -o wide", 3, 2),
        ("job describe pi", 3, 2),
        ("job events pi", 3, 1),
        ("job wait pi --for=condition=complete --no-reconcile --timeout=0", 3, 1),
        ("cluster list", 3, 1),
        ("cluster check", 3, 1),
        ("orphans list -A", 3, 1),
        ("job get --request-timeout=7s", 7, 2),
        ("job get --request-timeout=2", 2, 2),
        ("reconcile", 30, 2),
    ] {
        let (ran, seconds, sent) = timed(&stage, command, |_| true).await;
        assert_eq!((seconds, sent), (expected, asked), "{command}: {ran:?}");
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains(SILENT), "{command}: {said}");
        assert!(said.contains(&format!("within {expected}s")), "{command}: {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_keeps_its_time_and_costs_it_once() {
    let stage = stage().await;
    let jobs = |sent: &Sent| sent.of_jobs() && sent.method == Method::GET;
    for command in ["job get", "job describe pi"] {
        let (ran, seconds, sent) = timed(&stage, command, jobs).await;
        assert_eq!((seconds, sent), (30, 2), "{command}: {ran:?}");
        assert!(format!("{}{}", ran.stdout, ran.stderr).contains(SILENT));
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_declared_lost_is_waited_for_briefly() {
    let stage = stage().await;
    stage.net.watch(|sent, _| hangs_if(sent.cluster == SILENT));
    stage.must(&format!("cluster lost {SILENT} --yes")).await;
    for (command, expected) in [("reconcile", 3), ("reconcile --request-timeout=5s", 5)] {
        let (ran, seconds, sent) = timed(&stage, command, |_| true).await;
        assert_eq!((seconds, sent), (expected, 2), "{command}: {ran:?}");
    }
}

/// Clusters whose pods of a Job have each written a line.
async fn written() -> Stage {
    let stage = Stage::running().await;
    for cluster in &stage.clusters {
        for pod in cluster.pods_of("default", "pi") {
            let name = pod["metadata"]["name"].as_str().expect("a name");
            cluster.bind_pod("default", name);
            cluster.run_pod("default", name);
            cluster.write_log("default", name, "pi", &format!("of {}", cluster.name()));
        }
    }
    stage
}

/// Has the logs of a cluster be this.
fn answer_logs(stage: &Stage, cluster: &'static str, fate: Fate) {
    stage.net.watch(move |sent, _| {
        let is_log = sent.cluster == cluster && sent.path.ends_with("/log");
        if is_log { fate.clone() } else { Fate::Pass }
    });
}

#[tokio::test(start_paused = true)]
async fn a_log_that_stops_in_between_keeps_no_other_one() {
    let stage = written().await;
    answer_logs(&stage, "east", Fate::Mute(Bytes::from("2026-01-01T00:00:00Z begun\n")));
    for (command, seconds) in [("job logs pi", 30), ("job logs pi --request-timeout=7s", 7)] {
        let start = Instant::now();
        let ran = stage.run(command).await;
        assert_eq!(start.elapsed().as_secs(), seconds, "{ran:?}");
        assert_eq!(ran.code, 1);
        for cluster in ["begun", "of north", "of west"] {
            assert!(ran.stdout.contains(cluster), "{ran:?}");
        }
        assert!(ran.stderr.contains("[east] pod/pi-"), "{ran:?}");
        assert!(ran.stderr.contains(&format!("within {seconds}s")), "{ran:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_has_no_end_keeps_no_other_one() {
    let stage = written().await;
    let line = Bytes::from("2026-01-01T00:00:00Z and on\n");
    answer_logs(&stage, "east", Fate::Endless(line, Duration::from_secs(1)));
    let ran = stage.interrupted_after(Duration::from_mins(5), "job logs pi").await;
    assert!(ran.stdout.matches("and on").count() > 60, "{ran:?}");
    for cluster in ["of north", "of west"] {
        assert!(ran.stdout.contains(cluster), "{ran:?}");
    }
}

/// The pods of one cluster have another container, such as one that a webhook has renamed.
#[tokio::test(start_paused = true)]
async fn a_pod_that_lacks_the_container_keeps_no_other_log() {
    let stage = written().await;
    for cluster in &stage.clusters {
        cluster.run_to_end("default", "pi");
    }
    let rename = |clusters: &'static [&'static str]| {
        stage.net.watch(move |sent, _| {
            if !clusters.contains(&sent.cluster.as_str()) || !sent.path.ends_with("/pods") {
                return Fate::Pass;
            }
            Fate::Twisted(Arc::new(|answer: &mut Value| {
                for pod in answer["items"].as_array_mut().into_iter().flatten() {
                    pod["spec"]["containers"][0]["name"] = "other".into();
                }
            }))
        });
    };
    for command in ["job logs pi -c pi", "job logs pi -c pi --follow --max-log-requests=20"] {
        rename(&["east"]);
        let ran = stage.run(command).await;
        assert_eq!(ran.code, 1, "{ran:?}");
        for cluster in ["of north", "of west"] {
            assert!(ran.stdout.contains(cluster), "{ran:?}");
        }
        for said in ["Warning: [east] pod/pi-", "container pi is not valid for pod pi-", ": other"]
        {
            assert!(ran.stderr.contains(said), "{ran:?}");
        }
        rename(&["east", "north", "west"]);
        let ran = stage.run(command).await;
        let error = ran.stderr.contains("error: container pi is not valid for pod pi-");
        assert!(ran.code == 1 && ran.stdout.is_empty() && error, "{ran:?}");
    }
}
