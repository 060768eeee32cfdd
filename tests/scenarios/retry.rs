//! What did not succeed of a Failed Job is run again, as a new one.

use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{SOON, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("retry")
        .both("of an indexed job the missing indexes are run, under their numbers", indexed)
        .both("of another job the missing completions are run", completions)
        .both("a job that has not failed cannot be retried, and nothing is written", refused)
        .both("where a cluster does not answer, what may run twice is asked for", uncertain)
}

/// The Job `pi` of 6 completions over three clusters: one has succeeded, then a pod failed.
async fn failed(stage: &Stage, indexed: bool) -> Outcome {
    let mut pi = job("pi", Some(3), Some(6));
    pi["spec"]["backoffLimit"] = json!(0);
    if indexed {
        pi["spec"]["completionMode"] = json!("Indexed");
    }
    stage.create(&pi).await?.ok();
    stage.site("east").succeed("pi", 1).await?;
    stage.until_row("pi", "Running 1/6").await;
    stage.site("west").fail("pi", 1).await?;
    until(stage, "pi", "Failed 1/6").await;
    Ok(())
}

/// Reconciles until a Job is so.
async fn until(stage: &Stage, name: &str, row: &str) {
    real::until(&format!("{name} to be {row}"), SOON, || async {
        let ran = stage.federate(&format!("reconcile {name}")).await;
        let seen = stage.row(name).await;
        if seen == row { Ok(()) } else { Err(format!("{seen} {ran:?}")) }
    })
    .await;
}

/// How many indexes a text such as `0,3-5` has.
fn count(indexes: &str) -> i64 {
    let ranges = indexes.split(',').filter(|range| !range.is_empty());
    let numbers = ranges.map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        last.parse::<i64>().expect("a number") - first.parse::<i64>().expect("a number") + 1
    });
    numbers.sum()
}

/// Has all pods of a Job succeed in all clusters. Gives how many did.
async fn succeed_all(stage: &Stage, name: &str) -> Result<i64, Failed> {
    let mut all = 0;
    for site in stage.members() {
        let Some(job) = site.find("jobs", name).await? else { continue };
        let credited = job["metadata"]["annotations"]["kubectl-federate.dev/credited"].as_str();
        let own =
            job["spec"]["completions"].as_i64().unwrap_or(0) - count(credited.unwrap_or_default());
        site.succeed(name, usize::try_from(own)?).await?;
        all += own;
    }
    Ok(all)
}

async fn indexed(stage: &Stage) -> Outcome {
    failed(stage, true).await?;
    let before = stage.get("pi").await?;
    let done = before["status"]["completedIndexes"].as_str().unwrap_or_default().to_owned();
    assert_eq!(count(&done), 1);
    let retried = stage.federate("job retry pi").await.ok();
    assert_eq!(retried.stdout, "job.batch/pi-retry created\n");
    for site in stage.members() {
        let Some(job) = site.find("jobs", "pi-retry").await? else { continue };
        assert_eq!(job["spec"]["completions"], 6, "{job}");
    }
    assert_eq!(stage.row("pi-retry").await, "Running 1/6");
    assert_eq!(succeed_all(stage, "pi-retry").await?, 5);
    until(stage, "pi-retry", "Complete 6/6").await;
    let after = stage.get("pi-retry").await?;
    assert_eq!(after["status"]["completedIndexes"], "0-5");
    let described = stage.federate("job describe pi-retry").await.ok();
    described.says("job retry").says("5 completions of job pi");
    assert_eq!(stage.row("pi").await, "Failed 1/6");
    let mark = stage.mark().await?;
    let asked = stage.federate("job retry pi").await;
    asked
        .fails("there is no terminal to confirm this on")
        .warns("job.batch/pi-retry runs the same work already.");
    assert_eq!(stage.mutations(&mark).await?, Vec::<String>::new());
    let again = stage.federate("job retry pi --yes").await.ok();
    assert_eq!(again.stdout, "job.batch/pi-retry-2 created\n");
    Ok(())
}

async fn completions(stage: &Stage) -> Outcome {
    failed(stage, false).await?;
    let mark = stage.mark().await?;
    let dry = stage.federate("job retry pi --dry-run=client").await.ok();
    assert_eq!(dry.stdout, "job.batch/pi-retry created (dry run)\n");
    assert_eq!(stage.mutations(&mark).await?, Vec::<String>::new());
    let retried = stage.federate("job retry job/pi --name=rest").await.ok();
    assert_eq!(retried.stdout, "job.batch/rest created\n");
    assert_eq!(stage.get("rest").await?["spec"]["completions"], 5);
    assert_eq!(succeed_all(stage, "rest").await?, 5);
    until(stage, "rest", "Complete 5/5").await;
    assert_eq!(stage.row("pi").await, "Failed 1/6");
    Ok(())
}

async fn refused(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let mark = stage.mark().await?;
    let refused = stage.federate("job retry pi").await;
    refused.fails("job.batch/pi cannot be retried: it has not failed");
    stage.federate("job retry e").await.fails("jobs.batch \"e\" not found");
    assert_eq!(stage.mutations(&mark).await?, Vec::<String>::new());
    for site in stage.members() {
        site.succeed("pi", 2).await?;
    }
    until(stage, "pi", "Complete 6/6").await;
    stage.federate("job retry pi").await.fails("it has not failed");
    Ok(())
}

async fn uncertain(stage: &Stage) -> Outcome {
    let mut pi = job("pi", Some(3), Some(6));
    pi["spec"]["backoffLimit"] = json!(0);
    stage.create(&pi).await?.ok();
    let north = stage.site("north");
    north.link.cut().await?;
    stage.site("west").fail("pi", 1).await?;
    real::until("pi to have failed", SOON, || async {
        let ran = stage.federate("reconcile pi").await;
        let east: Value =
            stage.site("east").job("pi").await.map_err(|error| format!("{error:?}"))?;
        let ended = east["status"]["conditions"].to_string().contains("\"Failed\"");
        if ended { Ok(()) } else { Err(format!("{ran:?} {east}")) }
    })
    .await;
    let mark = stage.site("east").mark().await?;
    let asked = stage.federate("job retry pi").await;
    asked
        .fails("there is no terminal to confirm this on")
        .warns("It is not known whether this was done: 2 completions in cluster north.");
    assert_eq!(stage.site("east").mutations(mark).await?, Vec::<String>::new());
    assert_eq!(stage.record("pi-retry").await?, None);
    let retried = stage.federate("job retry pi --yes").await;
    assert!(retried.stdout.contains("job.batch/pi-retry created\n"), "{retried:?}");
    north.link.restore().await?;
    Ok(())
}
