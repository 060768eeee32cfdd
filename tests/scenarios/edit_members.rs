//! What an edit comes to in the members.

use serde_json::{Value, json};

use crate::scenarios::{Outcome, Scenarios};
use crate::site::Site;
use crate::stage::{SOON, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("edit in members")
        .both("a job that is suspended stops everywhere, and goes on where it was", suspended)
        .both("new parallelism is divided again", parallelism)
        .both("parallelism for fewer clusters loses no work", fewer_clusters)
        .both("parallelism that goes down and up again is never exceeded", down_and_up)
        .both("work that moves to a cluster waits until a pod may run there", moved)
        .both("parallelism 0 is a pause", paused)
        .both("more completions are run as well", more_completions)
        .both("what is added goes to clusters that had nothing as well", new_clusters)
        .both("fewer completions are run", fewer_completions)
        .both("fewer completions than have succeeded complete the job", fewer_than_succeeded)
        .both(
            "as many completions as have succeeded complete the job, and that is said",
            as_many_as_succeeded,
        )
        .both("the parallelism of a work queue is divided again", work_queue)
        .both("an edit reaches all clusters in one go, and is made once", once)
        .both(
            "a work queue leaves clusters as its parallelism goes down, and comes back",
            work_queue_returns,
        )
        .both("labels of the job reach its shards", labelled)
        .both("a cluster that was away gets the edit from the next reconcile", away)
        .both("a new template runs what has not succeeded", recreated)
        .both("a new template does not run an index that failed for good", recreated_after_failure)
}

/// Lets pods succeed wherever there are any, and reconciles, until `job get` shows this STATUS and
/// these COMPLETIONS.
pub async fn work_until(stage: &Stage, name: &str, row: &str) -> Outcome {
    work_in(stage, &stage.members().collect::<Vec<_>>(), name, row).await
}

/// The same, with pods that succeed in some clusters only.
pub async fn work_in(stage: &Stage, sites: &[&Site], name: &str, row: &str) -> Outcome {
    for _ in 0..60 {
        stage.federate(&format!("reconcile {name}")).await;
        if stage.row(name).await == row {
            return Ok(());
        }
        for site in sites {
            for shard in site.names("jobs").await? {
                let pods = site.pods(&shard).await?;
                let live = |pod: &&Value| {
                    let ended =
                        matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
                    !ended && pod["metadata"].get("deletionTimestamp").is_none()
                };
                if pods.iter().any(|pod| live(&pod)) {
                    site.succeed(&shard, 1).await?;
                }
            }
        }
    }
    Err(format!("{name} is {}, not {row}", stage.row(name).await).into())
}

/// The Jobs of all members, with their members' names.
async fn shards(stage: &Stage) -> Result<Vec<(String, Value)>, libtest_mimic::Failed> {
    let mut shards = Vec::new();
    for site in stage.members() {
        for name in site.names("jobs").await? {
            shards.push((site.name.clone(), site.job(&name).await?));
        }
    }
    Ok(shards)
}

/// The same, of those that have not ended.
async fn unfinished(stage: &Stage) -> Result<Vec<(String, Value)>, libtest_mimic::Failed> {
    let mut shards = shards(stage).await?;
    shards.retain(|(_, job)| job["status"].get("completionTime").is_none());
    Ok(shards)
}

/// What all parallelism that is given to members sums to.
async fn parallel(stage: &Stage) -> Result<i64, libtest_mimic::Failed> {
    let live = unfinished(stage).await?;
    Ok(live.iter().filter_map(|(_, job)| job["spec"]["parallelism"].as_i64()).sum())
}

async fn suspended(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    for site in stage.members() {
        site.succeed("pi", 1).await?;
        site.until_job("pi", "one has succeeded", |job| job["status"]["succeeded"] == 1).await;
    }
    assert!(
        stage.federate("job suspend pi").await.ok().stdout.ends_with("job.batch/pi suspended\n")
    );
    for site in stage.members() {
        let job = site
            .until_job("pi", "it is suspended", |job| job["status"].get("active").is_none())
            .await;
        assert_eq!(job["spec"]["suspend"], true, "{}", site.name);
    }
    assert_eq!(stage.row("pi").await, "Suspended 3/6");
    assert!(stage.federate("job resume pi").await.ok().stdout.ends_with("job.batch/pi resumed\n"));
    for site in stage.members() {
        site.succeed("pi", 1).await?;
    }
    stage.until_row("pi", "Complete 6/6").await;
    Ok(())
}

async fn parallelism(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    assert_eq!(stage.shares("pi").await?, ["east 1/3", "north 1/3", "west 1/3"]);
    stage.federate("job scale pi --replicas=6").await.ok().says("job.batch/pi scaled");
    assert_eq!(stage.shares("pi").await?, ["east 2/3", "north 2/3", "west 2/3"]);
    for site in stage.members() {
        site.until_job("pi", "two run", |job| job["status"]["active"] == 2).await;
    }
    stage.federate("job scale pi --parallelism=3").await.ok();
    assert_eq!(stage.shares("pi").await?, ["east 1/3", "north 1/3", "west 1/3"]);
    work_until(stage, "pi", "Complete 9/9").await
}

async fn fewer_clusters(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    for site in stage.members() {
        site.until_job("pi", "one runs", |job| job["status"]["active"] == 1).await;
    }
    stage.federate("job scale pi --parallelism=1").await.ok();
    let mut clusters: Vec<_> = unfinished(stage)
        .await?
        .into_iter()
        .filter(|(_, job)| {
            let count = |value: &Value| value.as_i64().unwrap_or(0);
            let left = count(&job["spec"]["completions"]) - count(&job["status"]["succeeded"]);
            left > count(&job["status"]["active"]) && left > 1
        })
        .map(|(cluster, _)| cluster)
        .collect();
    clusters.dedup();
    assert_eq!(clusters.len(), 1, "what has not started is left to one cluster: {clusters:?}");
    work_until(stage, "pi", "Complete 9/9").await
}

async fn down_and_up(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(9), Some(27))).await?.ok();
    for site in stage.members() {
        site.until_job("pi", "three run", |job| job["status"]["active"] == 3).await;
    }
    stage.federate("job scale pi --parallelism=2").await.ok();
    // The one that would have none ends with the pod that runs in it.
    assert_eq!(parallel(stage).await?, 3);
    stage.federate("job scale pi --parallelism=9").await.ok();
    assert_eq!(parallel(stage).await?, 9);
    work_until(stage, "pi", "Complete 27/27").await
}

async fn moved(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    for site in stage.members() {
        site.until_job("pi", "one runs", |job| job["status"]["active"] == 1).await;
    }
    stage.federate("job scale pi --parallelism=1").await.ok();
    assert_eq!(shards(stage).await?.len(), 3, "another shard would run another pod");
    assert_eq!(stage.row("pi").await, "Running 0/9");
    let described = stage.federate("job describe pi").await.ok().stdout;
    assert!(described.contains("completions: running pods come first"), "{described}");
    assert!(described.contains("--watch"), "{described}");
    work_until(stage, "pi", "Complete 9/9").await?;
    assert_eq!(shards(stage).await?.len(), 4, "what moved ran in one shard, after the others");
    Ok(())
}

async fn paused(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    stage.federate("job scale pi --parallelism=0").await.ok();
    assert_eq!(stage.shares("pi").await?, ["east 0/2", "north 0/2", "west 0/2"]);
    for site in stage.members() {
        site.until_job("pi", "nothing runs", |job| job["status"].get("active").is_none()).await;
    }
    stage.federate("job scale pi --parallelism=3").await.ok();
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2", "west 1/2"]);
    work_until(stage, "pi", "Complete 6/6").await
}

async fn more_completions(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(6), Some(6))).await?.ok();
    stage.federate("job scale pi --completions=12").await.ok().says("job.batch/pi scaled");
    assert_eq!(parallel(stage).await?, 6, "as many pods at a time as before");
    work_until(stage, "pi", "Complete 12/12").await
}

async fn new_clusters(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(1), Some(1))).await?.ok();
    assert_eq!(stage.shares("pi").await?.len(), 1);
    let scaled = stage.federate("job scale pi --parallelism=3 --completions=6").await.ok();
    let mut clusters: Vec<_> =
        unfinished(stage).await?.into_iter().map(|(cluster, _)| cluster).collect();
    clusters.sort();
    clusters.dedup();
    assert_eq!(clusters.len(), 3, "{clusters:?}: {scaled:#?}");
    work_until(stage, "pi", "Complete 6/6").await
}

async fn fewer_completions(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(12))).await?.ok();
    stage.federate("job scale pi --completions=6").await.ok();
    work_until(stage, "pi", "Complete 6/6").await
}

async fn fewer_than_succeeded(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(12))).await?.ok();
    for site in stage.members() {
        site.succeed("pi", 2).await?;
        site.until_job("pi", "two have succeeded", |job| job["status"]["succeeded"] == 2).await;
    }
    let said = "job.batch/pi: 6 have succeeded already, and 4 were asked for: it is complete";
    stage.federate("job scale pi --completions=4 --dry-run=client").await.ok().warns(said);
    stage.federate("job scale pi --completions=4").await.ok().warns(said);
    real::until("pi to be complete", SOON, || async {
        stage.federate("reconcile pi").await;
        let row = stage.row("pi").await;
        // As kubectl shows a Job whose completions were made fewer.
        if row == "Complete 6/4" { Ok(()) } else { Err(row) }
    })
    .await;
    Ok(())
}

async fn as_many_as_succeeded(stage: &Stage) -> Outcome {
    for (name, command) in [
        ("scaled", "job scale scaled --completions=3"),
        ("applied", "job apply -f applied.yaml"),
        ("patched", r#"job patch patched -p {"spec":{"completions":3}}"#),
    ] {
        stage.create(&job(name, Some(3), Some(12))).await?.ok();
        for site in stage.members() {
            site.succeed(name, 1).await?;
            site.until_job(name, "one has succeeded", |job| job["status"]["succeeded"] == 1).await;
        }
        stage.write("applied.yaml", &job("applied", Some(3), Some(3)))?;
        let said = format!(
            "job.batch/{name}: 3 have succeeded already, and 3 were asked for: it is complete"
        );
        stage.federate(command).await.ok().warns(&said);
    }
    Ok(())
}

async fn work_queue(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), None)).await?.ok();
    assert_eq!(stage.shares("pi").await?, ["east 1", "north 1", "west 1"]);
    stage.federate("job scale pi --parallelism=6").await.ok();
    assert_eq!(stage.shares("pi").await?, ["east 2", "north 2", "west 2"]);
    Ok(())
}

async fn work_queue_returns(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(6), None)).await?.ok();
    stage.federate("job scale pi --parallelism=2").await.ok();
    assert_eq!(parallel(stage).await?, 2);
    stage.federate("job scale pi --parallelism=6").await.ok();
    let live = unfinished(stage).await?;
    let pods = |shard: &Value| shard["spec"]["parallelism"].as_i64();
    assert_eq!(
        live.iter().map(|(_, shard)| pods(shard)).collect::<Vec<_>>(),
        [Some(2); 3],
        "{live:#?}"
    );
    Ok(())
}

async fn once(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let mut edited = job("pi", Some(6), Some(6));
    edited["spec"]["activeDeadlineSeconds"] = 6000.into();
    edited["spec"]["backoffLimit"] = 4.into();
    stage.write("pi.yaml", &edited)?;
    stage.federate("job apply -f pi.yaml").await.ok();
    for (cluster, shard) in shards(stage).await? {
        assert_eq!(shard["spec"]["parallelism"], 2, "{cluster}");
        assert_eq!(shard["spec"]["backoffLimit"], 4, "{cluster}");
        assert!(shard["spec"]["activeDeadlineSeconds"].is_number(), "{cluster}");
    }
    for site in stage.members() {
        site.until_job("pi", "two run", |job| job["status"]["active"] == 2).await;
    }
    stage.federate("reconcile pi").await.ok();
    let before = stage.mark().await?;
    stage.federate("job apply -f pi.yaml").await.ok().says("job.batch/pi unchanged");
    stage.federate("reconcile pi").await.ok().says("unchanged");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    Ok(())
}

async fn labelled(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let patch = r#"{"metadata":{"labels":{"team":"math"},"annotations":{"note":"x"}}}"#;
    stage.federate(&format!("job patch pi -p {patch}")).await.ok();
    for (cluster, shard) in shards(stage).await? {
        assert_eq!(shard["metadata"]["labels"]["team"], "math", "{cluster}");
        assert_eq!(shard["metadata"]["annotations"]["note"], "x", "{cluster}");
        assert!(shard["metadata"]["labels"]["kubectl-federate.dev/job"].is_string(), "{cluster}");
    }
    let others =
        json!({"metadata": {"labels": {"theirs": "stays"}, "annotations": {"theirs": "stays"}}});
    stage.site("east").patch("jobs", "pi", &others).await?;
    let patch = r#"{"metadata":{"labels":{"team":null},"annotations":{"note":null}}}"#;
    stage.federate(&format!("job patch pi -p {patch}")).await.ok();
    for (cluster, shard) in shards(stage).await? {
        let metadata = &shard["metadata"];
        assert_eq!(
            (metadata["labels"].get("team"), metadata["annotations"].get("note")),
            (None, None),
            "{cluster}"
        );
        assert!(metadata["labels"]["kubectl-federate.dev/job"].is_string(), "{cluster}");
    }
    let east = stage.site("east").job("pi").await?;
    assert_eq!(east["metadata"]["labels"]["theirs"], "stays");
    assert_eq!(east["metadata"]["annotations"]["theirs"], "stays");
    Ok(())
}

async fn away(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    let west = stage.site("west");
    west.link.cut().await?;
    stage
        .federate("job scale pi --parallelism=6")
        .await
        .fails("1 of 3 clusters could not be asked");
    assert_eq!(stage.shares("pi").await?, ["east 2/3", "north 2/3", "west 1/3"]);
    west.link.restore().await?;
    stage.federate("reconcile pi").await.ok();
    assert_eq!(stage.shares("pi").await?, ["east 2/3", "north 2/3", "west 2/3"]);
    work_until(stage, "pi", "Complete 9/9").await
}

async fn recreated(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    for site in stage.members() {
        site.succeed("pi", 1).await?;
        site.until_job("pi", "one has succeeded", |job| job["status"]["succeeded"] == 1).await;
    }
    let mut other = job("pi", Some(3), Some(6));
    other["spec"]["template"]["spec"]["containers"][0]["image"] = "perl:5".into();
    stage.write("pi.yaml", &other)?;
    stage
        .federate("job apply -f pi.yaml")
        .await
        .fails("spec.template: field is immutable")
        .warns("--recreate");
    stage
        .federate("job apply -f pi.yaml --recreate --yes")
        .await
        .ok()
        .says("job.batch/pi configured");
    work_until(stage, "pi", "Complete 6/6").await?;
    let image = |job: &Value| job["spec"]["template"]["spec"]["containers"][0]["image"].clone();
    let new: i64 = shards(stage)
        .await?
        .iter()
        .filter(|(_, shard)| image(shard) == "perl:5")
        .filter_map(|(_, shard)| shard["spec"]["completions"].as_i64())
        .sum();
    assert_eq!(new, 3, "what had succeeded is not run again");
    Ok(())
}

async fn recreated_after_failure(stage: &Stage) -> Outcome {
    let mut indexed = job("pi", Some(3), Some(6));
    indexed["spec"]["completionMode"] = "Indexed".into();
    indexed["spec"]["backoffLimitPerIndex"] = 0.into();
    stage.create(&indexed).await?.ok();
    let east = stage.site("east");
    east.fail("pi", 1).await?;
    let failed = |job: &Value| {
        job["status"]["failedIndexes"].as_str().is_some_and(|failed| !failed.is_empty())
    };
    let shard = east.until_job("pi", "an index has failed", failed).await;
    indexed["spec"]["template"]["spec"]["containers"][0]["image"] = "perl:5".into();
    stage.write("pi.yaml", &indexed)?;
    stage
        .federate("job apply -f pi.yaml --recreate --yes")
        .await
        .ok()
        .says("job.batch/pi configured");
    work_until(stage, "pi", "Failed 5/6").await?;
    let whole = stage.get("pi").await?;
    assert_eq!(whole["status"]["failedIndexes"], shard["status"]["failedIndexes"]);
    Ok(())
}
