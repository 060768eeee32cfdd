//! One budget and one clock for a Job in several clusters, and how it fails as one.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{MEMBERS, SOON, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("limits")
        .both("what has failed in one cluster fails the others, with its reason", siblings)
        .both("pods that failed in one cluster are taken off the others' limit", budget)
        .both("the sum of failures over the clusters is what counts", sum_of_failures)
        .both("all shards have one deadline", deadline)
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
    let told = stage.federate("reconcile pi").await.ok().says("job.batch/pi stopped in cluster east");
    // The pod of the third runs on a node, and takes its time to end.
    assert_eq!(stage.row("pi").await, "FailureTarget 0/6");
    assert!(!told.stdout.contains("stopped in cluster north"), "{told:#?}");
    north.release("pi").await?;
    stage.federate("reconcile pi").await.ok();
    for site in [east, north] {
        let failed = |job: &Value| job["status"]["conditions"].to_string().contains("\"Failed\"");
        let job = site.until_job("pi", "it has failed", failed).await;
        let conditions = job["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let failed =
            conditions.iter().find(|condition| condition["type"] == "Failed").cloned().unwrap_or_default();
        assert_eq!(failed["reason"], "BackoffLimitExceeded", "{job:#}");
        assert!(failed["message"].as_str().is_some_and(|text| text.contains("cluster west")), "{job:#}");
        assert!(job["status"]["failed"].as_i64().unwrap_or(0) == 0, "what we ended is no failure: {job:#}");
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

async fn sum_of_failures(stage: &Stage) -> Outcome {
    stage.create(&limited(2)).await?.ok();
    for site in stage.members() {
        site.fail("pi", 1).await?;
        site.until_job("pi", "one has failed", |job| job["status"]["failed"] == 1).await;
    }
    assert_eq!(stage.row("pi").await, "FailureTarget 0/6");
    stage.federate("reconcile pi").await.ok();
    stage.until_row("pi", "Failed 0/6").await;
    let conditions = stage.get("pi").await?["status"]["conditions"].clone();
    assert_eq!(conditions[0]["reason"], "BackoffLimitExceeded", "{conditions:#}");
    assert!(
        conditions[0]["message"].as_str().is_some_and(|text| text.contains("1 in cluster west")),
        "{conditions:#}"
    );
    Ok(())
}

async fn deadline(stage: &Stage) -> Outcome {
    let mut job = job("pi", Some(3), Some(6));
    job["spec"]["activeDeadlineSeconds"] = 600.into();
    stage.create(&job).await?.ok();
    for site in stage.members() {
        site.until_job("pi", "it has started", |job| job["status"]["startTime"].is_string()).await;
    }
    stage.federate("reconcile pi").await.ok();
    let mut ends = Vec::new();
    for site in stage.members() {
        let job = site.job("pi").await?;
        let start: Timestamp = job["status"]["startTime"].as_str().unwrap_or_default().parse()?;
        ends.push(start.as_second() + job["spec"]["activeDeadlineSeconds"].as_i64().unwrap_or(0));
    }
    assert!(ends.iter().all(|end| *end == ends[0]), "{ends:?}");
    let mark = stage.mark().await?;
    stage.federate("reconcile pi").await.ok();
    assert_eq!(stage.mutations(&mark).await?, Vec::<String>::new(), "once is enough");
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
    // The clusters delete the parts by themselves at the same time, and one that is being deleted is waited for.
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
