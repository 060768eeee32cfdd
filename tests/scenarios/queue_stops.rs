//! Queues that are stopped, deadlines of Jobs that wait in queues, and queueing systems that are
//! taken out of clusters.

use std::sync::atomic::{AtomicBool, Ordering};

use real::Stopped;
use serde_json::{Value, json};

use crate::edit_members::work_until;
use crate::queues::{assert_admitted, assert_quiet, queued, reconcile_until, set_queues, states};
use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{QUEUED, SOON, Stage};

pub fn scenarios() -> Scenarios {
    Scenarios::of("queue_stops")
        .queued("a queue that is stopped holds its shards, and lets them go on", stopped)
        .queued("what a stopped queue holds is suspended and resumed like the rest", suspended)
        .sim("a shard that its queue is still stopping is held when that is over", stopping)
        .queued("the time in a queue counts against the deadline, and is said to", deadline)
        .queued_alone("a shard whose queueing system is gone is resumed", queueing_is_gone)
        .queued_alone(
            "a held job that somebody resumed when its queueing system was gone runs",
            resumed,
        )
}

/// Stops the queues, the `LocalQueue` in `west` and the `ClusterQueue` in `north`.
async fn stop(stage: &Stage, policy: &str) -> Outcome {
    stage.site("west").stop_queue("team", Stopped::Local, policy).await?;
    stage.site("north").stop_queue("team", Stopped::Whole, policy).await?;
    Ok(())
}

/// Waits until the description of `pi` gives a reason in both clusters; where a queueing system
/// gives none, that it waits.
async fn until_reasons(stage: &Stage, reasons: [&str; 2]) {
    for (cluster, reason) in QUEUED.into_iter().zip(reasons) {
        let reason = if stage.site(cluster).gives_reasons() { reason } else { "Waiting" };
        real::until(&format!("{reason} in {cluster}"), SOON, || async {
            let text = stage.federate("job describe pi").await.ok().stdout;
            let mut rows = text.lines().skip_while(|line| *line != "Queues:");
            let own = |row: &str| row.trim().starts_with(cluster) && row.contains(reason);
            if rows.any(own) { Ok(()) } else { Err(text) }
        })
        .await;
    }
}

async fn stopped(stage: &Stage) -> Outcome {
    set_queues(stage, 2).await?;
    stop(stage, "Hold").await?;
    stage.create(&queued("pi", 12, true)).await?.ok();
    stage.site("east").until_pods("pi", 2).await;
    assert_eq!(states(stage, "pi").await?, ["Running", "Queued", "Queued"]);
    until_reasons(stage, ["LocalQueue team is inactive", "is inactive"]).await;
    assert_quiet(stage).await?;
    stop(stage, "None").await?;
    for cluster in QUEUED {
        assert_admitted(stage.site(cluster), "pi", 2).await?;
    }
    stage.federate("reconcile pi").await.ok();
    // What was admitted runs on.
    stop(stage, "Hold").await?;
    assert_quiet(stage).await?;
    assert_eq!(states(stage, "pi").await?, ["Running"; 3]);
    stop(stage, "HoldAndDrain").await?;
    for cluster in QUEUED {
        stage.site(cluster).until_pods("pi", 0).await;
    }
    until_reasons(stage, ["The LocalQueue is stopped", "The ClusterQueue is stopped"]).await;
    assert_eq!(states(stage, "pi").await?, ["Running", "Evicted", "Evicted"]);
    assert_quiet(stage).await?;
    let waited = stage.federate("job wait pi --for=condition=complete --timeout=1s").await;
    waited.fails("timed out").warns("in cluster west: it waits in queue \"team\"");
    goes_on(stage).await
}

/// The queues admit again, and the Job of 12 completions is done. Each of these clusters had made two
/// pods before its queue was stopped.
async fn goes_on(stage: &Stage) -> Outcome {
    stop(stage, "None").await?;
    for cluster in QUEUED {
        stage.site(cluster).until_pods("pi", 2).await;
        stage.site(cluster).until_pods_made("pi", 4).await;
    }
    work_until(stage, "pi", "Complete 12/12").await
}

async fn suspended(stage: &Stage) -> Outcome {
    set_queues(stage, 2).await?;
    stage.create(&queued("pi", 12, false)).await?.ok();
    for cluster in QUEUED {
        assert_admitted(stage.site(cluster), "pi", 2).await?;
    }
    stage.federate("reconcile pi").await.ok();
    stop(stage, "HoldAndDrain").await?;
    for cluster in QUEUED {
        let is_suspended = |job: &Value| job["spec"]["suspend"] == true;
        stage.site(cluster).until_job("pi", "it is being stopped", is_suspended).await;
    }
    stage.federate("job suspend pi").await.ok();
    reconcile_until(stage, "pi", "Suspended 0/12").await;
    assert_quiet(stage).await?;
    stage.federate("job resume pi").await.ok();
    stage.site("east").until_pods("pi", 2).await;
    reconcile_until(stage, "pi", "Running 0/12").await;
    assert_eq!(states(stage, "pi").await?, ["Running", "Queued", "Queued"]);
    assert_quiet(stage).await?;
    goes_on(stage).await
}

async fn stopping(stage: &Stage) -> Outcome {
    set_queues(stage, 2).await?;
    stage.create(&queued("pi", 12, false)).await?.ok();
    let west = stage.site("west");
    assert_admitted(west, "pi", 2).await?;
    // A stop ends when the Job controller has reported it.
    west.cluster().hold(Some(sim::Held::Status));
    west.stop_queue("team", Stopped::Local, "HoldAndDrain").await?;
    let ran = stage.federate("job suspend pi").await.ok();
    ran.warns("in cluster west: waiting until its queueing system has stopped it");
    let label = "kueue.x-k8s.io/queue-name";
    assert_eq!(west.job("pi").await?["metadata"]["labels"][label], "team");
    // Now it ends when the hold has been refused once.
    let (cluster, refused) = (west.cluster().clone(), AtomicBool::new(false));
    west.cluster().on_request(move |request| {
        match (request.verb, request.resource.as_str()) {
            ("patch", "jobs") => refused.store(true, Ordering::Relaxed),
            ("get", "jobs") if refused.load(Ordering::Relaxed) => cluster.hold(None),
            _ => {}
        }
        sim::Verdict::Pass
    });
    let mark = west.mark().await?;
    stage.federate("reconcile pi").await.ok();
    west.cluster().clear_hook();
    assert_eq!(west.mutations(mark).await?, ["patch jobs/pi"; 2], "a refusal, and the hold");
    assert_eq!(west.job("pi").await?["metadata"]["labels"][label], "kubectl-federate-hold");
    reconcile_until(stage, "pi", "Suspended 0/12").await;
    assert_quiet(stage).await
}

async fn deadline(stage: &Stage) -> Outcome {
    set_queues(stage, 0).await?;
    let mut job = queued("pi", 12, false);
    job["spec"]["activeDeadlineSeconds"] = 600.into();
    stage.create(&job).await?.ok();
    let east = stage.site("east");
    east.until_pods("pi", 2).await;
    let started = |job: &Value| job["status"]["startTime"].is_string();
    let start = east.until_job("pi", "it has started", started).await;
    let start = start["status"]["startTime"].as_str().unwrap_or_default().to_owned();
    stage.federate("reconcile pi").await.ok();
    let described = stage.federate("job describe pi").await.ok();
    described.says("the time that shards wait in queues counts");
    real::until("a second in the queue", SOON, || async {
        let start: jiff::Timestamp =
            start.parse().map_err(|error: jiff::Error| error.to_string())?;
        let waited = jiff::Timestamp::now().duration_since(start).as_secs();
        if waited >= 2 { Ok(()) } else { Err(format!("{waited} s")) }
    })
    .await;
    set_queues(stage, 2).await?;
    for cluster in QUEUED {
        let site = stage.site(cluster);
        site.until_pods("pi", 2).await;
        site.until_job("pi", "it has started", started).await;
    }
    stage.federate("reconcile pi").await.ok();
    for cluster in QUEUED {
        let spec = stage.site(cluster).job("pi").await?["spec"].take();
        let left = spec["activeDeadlineSeconds"].as_i64().unwrap_or(0);
        assert!((1..600).contains(&left), "{cluster}: {left} s are left");
        stage.site(cluster).until_pods_made("pi", 2).await;
    }
    work_until(stage, "pi", "Complete 12/12").await
}

async fn queueing_is_gone(stage: &Stage) -> Outcome {
    set_queues(stage, 0).await?;
    stage.create(&queued("pi", 6, true)).await?.ok();
    for cluster in QUEUED {
        stage.site(cluster).remove_queues().await?;
    }
    stage.federate("job suspend pi").await.ok();
    reconcile_until(stage, "pi", "Suspended 0/6").await;
    stage.federate("job resume pi").await.ok();
    for site in stage.members() {
        site.until_pods("pi", 2).await;
    }
    stage.federate("job scale pi --parallelism=9").await.ok();
    work_until(stage, "pi", "Complete 6/6").await
}

async fn resumed(stage: &Stage) -> Outcome {
    // `west` runs its shard before it is held, and `north` never does.
    stage.site("west").set_queue("team", 2).await?;
    stage.site("north").set_queue("team", 0).await?;
    stage.create(&queued("pi", 12, true)).await?.ok();
    assert_admitted(stage.site("west"), "pi", 2).await?;
    stage.federate("job suspend pi").await.ok();
    reconcile_until(stage, "pi", "Suspended 0/12").await;
    for cluster in QUEUED {
        let site = stage.site(cluster);
        site.remove_queues().await?;
        let path = format!("{}/pi", site.path("jobs"));
        site.api.patch(&path, &json!({"spec": {"suspend": false}})).await?;
    }
    stage.federate("job resume pi").await.ok();
    for site in stage.members() {
        site.until_pods("pi", 2).await;
        let node = |pod: &Value| pod["spec"].get("nodeSelector").is_some();
        let pods = site.pods("pi").await?;
        let mut live = pods.iter().filter(|pod| pod["metadata"].get("deletionTimestamp").is_none());
        assert!(!live.any(node), "no admission left a trace in {}", site.name);
    }
    work_until(stage, "pi", "Complete 12/12").await
}
