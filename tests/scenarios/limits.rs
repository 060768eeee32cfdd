//! One budget and one clock for a Job in several clusters, and how it fails as one.

use std::time::Duration;

use jiff::Timestamp;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::scenarios::{Outcome, Scenarios};
use crate::site::Site;
use crate::stage::{MEMBERS, SOON, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of_any_version("limits")
        .both("what has failed in one cluster fails the others, with its reason", siblings)
        .both("pods that failed in one cluster are taken off the others' limit", budget)
        .both("the sum of failures over the clusters is what counts", sum_of_failures)
        .both("a supplement may fail as often as all before it left", supplement_budget)
        .both("a failure that a policy is about, in one cluster, fails all", policy)
        .both(
            "an index that failed for good fails the whole only once the others are done",
            failed_index,
        )
        .both("failed indexes are counted over the clusters", max_failed_indexes)
        .both("all shards have one deadline", deadline)
        .both("a supplement has the deadline that all have", supplement_deadline)
        .both("a job that is overdue fails everywhere", overdue)
        .both("a resume lets the deadline begin anew", resumed)
        .both(
            "a resume lets the deadline begin anew also for a cluster that was away meanwhile",
            resumed_away,
        )
        .both(
            "a job whose time to live is over before anybody looked is still told to be complete",
            short_life,
        )
        .both("a time to live counts from when the whole Job ended and was recorded", time_to_live)
}

fn limited(limit: i32) -> Value {
    let mut job = job("pi", Some(3), Some(6));
    job["spec"]["backoffLimit"] = limit.into();
    job
}

async fn siblings(stage: &Stage) -> Outcome {
    stage.create(&limited(0)).await?.ok();
    let [east, west, north] = MEMBERS.map(|name| stage.site(name));
    north.run("pi", 1).await?;
    west.fail("pi", 1).await?;
    west.until_job("pi", "it has failed", |job| {
        job["status"]["conditions"].to_string().contains("\"Failed\"")
    })
    .await;
    assert_eq!(stage.row("pi").await, "FailureTarget 0/6");
    let told =
        stage.federate("reconcile pi").await.ok().says("job.batch/pi stopped in cluster east");
    // The pod of the third runs on a node, and takes its time to end.
    assert_eq!(stage.row("pi").await, "FailureTarget 0/6");
    assert!(!told.stdout.contains("stopped in cluster north"), "{told:#?}");
    north.release("pi").await?;
    stage.federate("reconcile pi").await.ok();
    for site in [east, north] {
        let failed = |job: &Value| job["status"]["conditions"].to_string().contains("\"Failed\"");
        let job = site.until_job("pi", "it has failed", failed).await;
        let conditions = job["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let failed = conditions
            .iter()
            .find(|condition| condition["type"] == "Failed")
            .cloned()
            .unwrap_or_default();
        assert_eq!(failed["reason"], "BackoffLimitExceeded", "{job:#}");
        assert!(
            failed["message"].as_str().is_some_and(|text| text.contains("cluster west")),
            "{job:#}"
        );
        assert!(
            job["status"]["failed"].as_i64().unwrap_or(0) == 0,
            "what we ended is no failure: {job:#}"
        );
    }
    stage.until_row("pi", "Failed 0/6").await;
    let mark = stage.mark().await?;
    stage.federate("reconcile pi").await.ok();
    stage.federate("reconcile pi").await.ok().says("unchanged: Failed 0/6");
    let mutations = stage.mutations(&mark).await?;
    assert!(mutations.iter().all(|what| what.contains("configmaps")), "{mutations:?}");
    Ok(())
}

async fn budget(stage: &Stage) -> Outcome {
    stage.create(&limited(2)).await?.ok();
    let west = stage.site("west");
    west.fail("pi", 1).await?;
    west.until_job("pi", "one has failed", |job| job["status"]["failed"] == 1).await;
    stage.federate("reconcile pi").await.ok();
    for (name, limit) in [("east", 1), ("west", 2), ("north", 1)] {
        assert_eq!(stage.site(name).job("pi").await?["spec"]["backoffLimit"], limit, "{name}");
    }
    let mark = stage.mark().await?;
    stage.federate("reconcile pi").await.ok();
    assert_eq!(stage.mutations(&mark).await?, Vec::<String>::new(), "once is enough");
    Ok(())
}

/// Waits until a Job counts so many failures.
async fn until_failed(site: &Site, count: usize) {
    site.until_job("pi", "its pods have failed", |job| job["status"]["failed"] == count).await;
}

/// Reconciles until the whole has failed, and gives the condition that says so.
async fn until_whole_failed(stage: &Stage, row: &str) -> Result<Value, Failed> {
    real::until(&format!("pi to be {row}"), SOON, || async {
        stage.federate("reconcile pi").await;
        let seen = stage.row("pi").await;
        if seen == row { Ok(()) } else { Err(seen) }
    })
    .await;
    let conditions = stage.get("pi").await?["status"]["conditions"].clone();
    let failed = conditions.as_array().into_iter().flatten().find(|it| it["type"] == "Failed");
    Ok(failed.cloned().ok_or("it is Failed")?)
}

async fn sum_of_failures(stage: &Stage) -> Outcome {
    let mut job = job("pi", Some(9), Some(18));
    job["spec"]["backoffLimit"] = 6.into();
    stage.create(&job).await?.ok();
    for (name, count) in [("east", 3), ("west", 3), ("north", 1)] {
        stage.site(name).fail("pi", count).await?;
        until_failed(stage.site(name), count).await;
    }
    assert_eq!(stage.row("pi").await, "FailureTarget 0/18");
    let failed = until_whole_failed(stage, "Failed 0/18").await?;
    assert_eq!(failed["reason"], "BackoffLimitExceeded", "{failed:#}");
    assert!(
        failed["message"].as_str().is_some_and(|text| text.contains("3 in cluster west")),
        "{failed:#}"
    );
    for site in stage.members() {
        let job = site.job("pi").await?;
        assert!(job["status"]["conditions"].to_string().contains("\"Failed\""), "{job:#}");
    }
    Ok(())
}

async fn supplement_budget(stage: &Stage) -> Outcome {
    let mut job = job("pi", Some(12), Some(24));
    job["spec"]["backoffLimit"] = 6.into();
    stage.create(&job).await?.ok();
    let west = stage.site("west");
    west.fail("pi", 4).await?;
    until_failed(west, 4).await;
    stage.federate("reconcile pi").await.ok();
    west.delete("pi").await?;
    stage.federate("reconcile pi --reopen").await.ok().says("created in cluster");
    let supplement = supplement(stage).await?;
    assert_eq!(supplement["spec"]["backoffLimit"], 2, "{supplement:#}");
    Ok(())
}

/// A Job that was opened beside those of the beginning.
async fn supplement(stage: &Stage) -> Result<Value, Failed> {
    for site in stage.members() {
        if let Some(name) = site.names("jobs").await?.into_iter().find(|name| name != "pi") {
            let started = |job: &Value| job["status"]["startTime"].is_string();
            return Ok(site.until_job(&name, "it has started", started).await);
        }
    }
    Err("no job was opened".into())
}

async fn policy(stage: &Stage) -> Outcome {
    let mut job = job("pi", Some(3), Some(6));
    let rule = json!({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1]}});
    job["spec"]["podFailurePolicy"] = json!({"rules": [rule]});
    stage.create(&job).await?.ok();
    for site in stage.members() {
        site.until_pods("pi", 1).await;
    }
    stage.site("west").fail("pi", 1).await?;
    let failed = until_whole_failed(stage, "Failed 0/6").await?;
    assert_eq!(failed["reason"], "PodFailurePolicy", "{failed:#}");
    assert!(
        failed["message"].as_str().is_some_and(|text| text.contains("cluster west")),
        "{failed:#}"
    );
    for name in ["east", "north"] {
        let job = stage.site(name).job("pi").await?;
        assert!(job["status"]["conditions"].to_string().contains("PodFailurePolicy"), "{job:#}");
        assert_eq!(job["status"].get("active"), None, "{job:#}");
    }
    Ok(())
}

/// An Indexed Job whose indexes fail at once.
fn per_index(more: &Value) -> Value {
    let mut job = job("pi", Some(3), Some(6));
    job["spec"]["completionMode"] = "Indexed".into();
    job["spec"]["backoffLimitPerIndex"] = 0.into();
    for (field, value) in more.as_object().into_iter().flatten() {
        job["spec"][field] = value.clone();
    }
    job
}

async fn failed_index(stage: &Stage) -> Outcome {
    stage.create(&per_index(&json!({}))).await?.ok();
    let [east, west, north] = MEMBERS.map(|name| stage.site(name));
    west.fail("pi", 1).await?;
    west.until_job("pi", "an index has failed", |job| job["status"]["failedIndexes"] == "4").await;
    west.succeed("pi", 1).await?;
    let failed = |job: &Value| job["status"]["conditions"].to_string().contains("FailedIndexes");
    west.until_job("pi", "it has failed", failed).await;
    stage.federate("reconcile pi").await.ok().says("Running 1/6");
    for site in [east, north] {
        assert_eq!(site.job("pi").await?["spec"]["suspend"], false, "{} goes on", site.name);
        site.succeed("pi", 2).await?;
    }
    let failed = until_whole_failed(stage, "Failed 5/6").await?;
    assert_eq!(failed["reason"], "FailedIndexes", "{failed:#}");
    let status = stage.get("pi").await?["status"].clone();
    assert_eq!(
        (&status["completedIndexes"], &status["failedIndexes"]),
        (&json!("0-3,5"), &json!("4"))
    );
    Ok(())
}

async fn max_failed_indexes(stage: &Stage) -> Outcome {
    stage.create(&per_index(&json!({"maxFailedIndexes": 1}))).await?.ok();
    let [east, west, _] = MEMBERS.map(|name| stage.site(name));
    west.fail("pi", 1).await?;
    west.until_job("pi", "an index has failed", |job| job["status"]["failedIndexes"] == "4").await;
    stage.federate("reconcile pi").await.ok().says("Running 0/6");
    for (name, limit) in [("east", 0), ("west", 1), ("north", 0)] {
        assert_eq!(stage.site(name).job("pi").await?["spec"]["maxFailedIndexes"], limit, "{name}");
    }
    east.fail("pi", 1).await?;
    let failed = until_whole_failed(stage, "Failed 0/6").await?;
    assert_eq!(failed["reason"], "MaxFailedIndexesExceeded", "{failed:#}");
    Ok(())
}

/// A Job that may take ten minutes, once it has started everywhere.
async fn with_deadline(stage: &Stage) -> Outcome {
    let mut job = job("pi", Some(3), Some(6));
    job["spec"]["activeDeadlineSeconds"] = 600.into();
    stage.create(&job).await?.ok();
    for site in stage.members() {
        site.until_job("pi", "it has started", |job| job["status"]["startTime"].is_string()).await;
    }
    stage.federate("reconcile pi").await.ok();
    Ok(())
}

/// When the Jobs of all members will be ended.
async fn ends(stage: &Stage) -> Result<Vec<i64>, Failed> {
    let mut ends = Vec::new();
    for site in stage.members() {
        for name in site.names("jobs").await? {
            let job = site.job(&name).await?;
            let start: Timestamp =
                job["status"]["startTime"].as_str().unwrap_or_default().parse()?;
            ends.push(
                start.as_second() + job["spec"]["activeDeadlineSeconds"].as_i64().unwrap_or(0),
            );
        }
    }
    Ok(ends)
}

async fn deadline(stage: &Stage) -> Outcome {
    with_deadline(stage).await?;
    let ends = ends(stage).await?;
    assert!(ends.len() == 3 && ends.iter().all(|end| *end == ends[0]), "{ends:?}");
    let mark = stage.mark().await?;
    stage.federate("reconcile pi").await.ok();
    assert_eq!(stage.mutations(&mark).await?, Vec::<String>::new(), "once is enough");
    Ok(())
}

async fn supplement_deadline(stage: &Stage) -> Outcome {
    with_deadline(stage).await?;
    let before = ends(stage).await?[0];
    stage.site("west").delete("pi").await?;
    stage.federate("reconcile pi --reopen").await.ok().says("created in cluster");
    supplement(stage).await?;
    stage.federate("reconcile pi").await.ok();
    assert_eq!(ends(stage).await?, [before; 3]);
    Ok(())
}

/// When the Job's shard in a cluster started.
async fn start(site: &Site) -> Result<Timestamp, Failed> {
    let job =
        site.until_job("pi", "it has started", |job| job["status"]["startTime"].is_string()).await;
    Ok(job["status"]["startTime"].as_str().unwrap_or_default().parse()?)
}

/// Suspends the Job and resumes it in a later second than it began in; gives when it was to end
/// before.
async fn suspend_and_resume(stage: &Stage, reached: &[&Site]) -> Result<i64, Failed> {
    let before = ends(stage).await?[0];
    stage.federate("job suspend pi").await;
    for site in reached {
        let suspended =
            |job: &Value| job["status"]["conditions"].to_string().contains("JobSuspended");
        site.until_job("pi", "it is suspended", suspended).await;
    }
    real::until("a later second", SOON, || async {
        let left = before - 600 + 2 - Timestamp::now().as_second();
        if left <= 0 { Ok(()) } else { Err(format!("{left}s")) }
    })
    .await;
    stage.federate("job resume pi").await;
    for site in reached {
        let begins_anew = |job: &Value| {
            let start = job["status"]["startTime"]
                .as_str()
                .and_then(|start| start.parse::<Timestamp>().ok());
            start.is_some_and(|start| start.as_second() > before - 600)
        };
        site.until_job("pi", "it has started anew", begins_anew).await;
    }
    Ok(before)
}

/// All shards end at one time, as long after the first new start as the Job may take.
async fn ends_anew(stage: &Stage, reached: &[&Site], before: i64) -> Outcome {
    stage.federate("reconcile pi").await.ok();
    let mut starts = Vec::new();
    for site in reached {
        starts.push(start(site).await?.as_second());
    }
    let first = starts.iter().min().copied().unwrap_or_default();
    assert!(first + 600 > before, "{first}");
    assert_eq!(ends(stage).await?, [first + 600; 3]);
    let mark = stage.mark().await?;
    stage.federate("reconcile pi").await.ok();
    assert_eq!(stage.mutations(&mark).await?, Vec::<String>::new(), "once is enough");
    Ok(())
}

async fn resumed(stage: &Stage) -> Outcome {
    with_deadline(stage).await?;
    let all: Vec<&Site> = stage.members().collect();
    let before = suspend_and_resume(stage, &all).await?;
    ends_anew(stage, &all, before).await
}

async fn resumed_away(stage: &Stage) -> Outcome {
    with_deadline(stage).await?;
    let [east, west, north] = MEMBERS.map(|name| stage.site(name));
    west.link.cut().await?;
    let before = suspend_and_resume(stage, &[east, north]).await?;
    west.link.restore().await?;
    ends_anew(stage, &[east, north], before).await
}

async fn overdue(stage: &Stage) -> Outcome {
    let mut job = job("pi", Some(3), Some(6));
    job["spec"]["activeDeadlineSeconds"] = 1.into();
    stage.create(&job).await?.ok();
    let failed = until_whole_failed(stage, "Failed 0/6").await?;
    assert_eq!(failed["reason"], "DeadlineExceeded", "{failed:#}");
    Ok(())
}

async fn short_life(stage: &Stage) -> Outcome {
    let mut job = job("pi", Some(3), Some(6));
    job["spec"]["ttlSecondsAfterFinished"] = 0.into();
    stage.create(&job).await?.ok();
    for site in stage.members() {
        site.succeed("pi", 2).await?;
    }
    stage.until_row("pi", "Complete 6/6").await;
    stage.federate_later(Duration::from_hours(1), "reconcile pi").await.ok().says("Complete 6/6");
    // The clusters delete the shards by themselves at the same time, and one that is being deleted
    // is waited for.
    real::until("the record to be gone", SOON, || async {
        stage.federate_later(Duration::from_hours(2), "reconcile").await.ok();
        match stage.record("pi").await {
            Ok(None) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    Ok(())
}

async fn time_to_live(stage: &Stage) -> Outcome {
    let mut job = job("pi", Some(3), Some(6));
    job["spec"]["ttlSecondsAfterFinished"] = 3600.into();
    stage.create(&job).await?.ok();
    for site in stage.members() {
        assert!(site.job("pi").await?["spec"].get("ttlSecondsAfterFinished").is_none());
        site.succeed("pi", 2).await?;
    }
    stage.until_row("pi", "Complete 6/6").await;
    stage.federate("reconcile pi").await.ok();
    for site in stage.members() {
        assert_eq!(site.job("pi").await?["spec"]["ttlSecondsAfterFinished"], 3600, "{}", site.name);
    }
    let mark = stage.mark().await?;
    stage.federate("reconcile pi").await.ok().says("unchanged");
    assert_eq!(stage.mutations(&mark).await?, Vec::<String>::new(), "once is enough");
    stage.site("west").delete("pi").await?;
    assert_eq!(stage.row("pi").await, "Complete 6/6");
    stage.federate_later(Duration::from_hours(2), "reconcile pi").await.ok().says("deleted");
    assert_eq!(stage.record("pi").await?, None);
    for site in stage.members() {
        assert_eq!(site.find("jobs", "pi").await?, None, "{}", site.name);
    }
    Ok(())
}
