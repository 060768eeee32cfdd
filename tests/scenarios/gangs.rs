//! Pods that are scheduled together. The gates `GenericWorkload` and `WorkloadWithJob` are open in
//! all members, but where a scenario says something else.

use serde_json::{Value, json};

use crate::drain::is_credited;
use crate::edit_members::work_until;
use crate::lost::successes;
use crate::scenarios::{Outcome, Scenarios};
use crate::site::Site;
use crate::stage::{Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("gangs")
        .gangs("no shard has fewer pods than a gang, and the shards are gangs", divided)
        .gangs("a gang of all pods goes to one cluster", undivided)
        .gangs("an indexed shard gets its group before it is credited", indexed)
        .gangs("a gang is made smaller when fewer pods are left", few_are_left)
        .gangs("a gang is made smaller when indexes have failed for good", some_have_failed)
        .gangs("a scale keeps the gangs, and one below a gang is refused", scaled)
        .gangs("an edit changes the size of a gang, and nothing else of it", edited)
        .gangs("work that is moved by a scale keeps the gangs", scaled_down)
        .gangs_from_nothing("a drain and a rebalance keep the gangs", drained)
        .both("a gang is refused where its field is not kept", refused)
        .sim("one cluster that does not keep the field is named", one_refuses)
        .sim("a gang is refused in a queue", queued)
        .sim("a shard waits for the first look of its cluster before it is credited", unseen)
}

/// A Job with a gang.
fn gang(parallelism: i32, completions: i32, min_count: Option<i32>) -> Value {
    let mut job = job("pi", Some(parallelism), Some(completions));
    let gang = min_count.map_or(json!({}), |count| json!({"minCount": count}));
    job["spec"]["scheduling"] =
        json!({"schedulingPolicy": {"gang": gang}, "disruptionMode": {"all": {}}});
    job
}

/// The `minCount` of the Job in each member that has one, and of its group.
async fn min_counts(stage: &Stage) -> Result<Vec<(Value, Option<i64>)>, libtest_mimic::Failed> {
    let mut counts = Vec::new();
    for site in stage.members() {
        if let Some(job) = site.find("jobs", "pi").await? {
            let scheduling = &job["spec"]["scheduling"];
            assert_eq!(scheduling["disruptionMode"], json!({"all": {}}), "{job:#}");
            let in_job = scheduling["schedulingPolicy"]["gang"]["minCount"].clone();
            counts.push((in_job, site.min_count("pi").await?));
        }
    }
    Ok(counts)
}

/// Waits until each shard and its group have this `minCount`.
async fn until_min_counts(stage: &Stage, expected: &[i64]) {
    real::until(&format!("gangs of {expected:?}"), crate::stage::SOON, || async {
        let found = min_counts(stage).await.map_err(|error| format!("{error:?}"))?;
        let expected: Vec<_> = expected.iter().map(|count| (json!(count), Some(*count))).collect();
        if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}

/// Fails unless all pods of the Job are in its group.
async fn assert_grouped(site: &Site, pods: usize) -> Outcome {
    site.until_pods("pi", pods).await;
    for pod in site.pods("pi").await? {
        assert!(pod["spec"]["schedulingGroup"]["podGroupName"].is_string(), "{pod:#}");
    }
    Ok(())
}

/// The members that have a shard.
async fn with_shard(stage: &Stage) -> Result<Vec<&Site>, libtest_mimic::Failed> {
    let mut sites = Vec::new();
    for site in stage.members() {
        if site.find("jobs", "pi").await?.is_some() {
            sites.push(site);
        }
    }
    Ok(sites)
}

async fn divided(stage: &Stage) -> Outcome {
    let job = gang(10, 10, Some(4));
    stage.write("pi.yaml", &job)?;
    let foreseen = stage.federate("job create -f pi.yaml --dry-run=server").await.ok();
    stage.create(&job).await?.ok();
    let shares = stage.shares("pi").await?;
    assert_eq!(shares.len(), 2, "{shares:?}, {foreseen:?}");
    assert!(shares.iter().all(|share| share.ends_with(" 5/5")), "{shares:?}");
    until_min_counts(stage, &[4, 4]).await;
    for site in with_shard(stage).await? {
        assert_grouped(site, 5).await?;
    }
    stage.federate("job describe pi").await.ok().says("4 pods scheduled together");
    let before = stage.mark().await?;
    stage.federate("reconcile pi").await.ok();
    let mutations = stage.mutations(&before).await?;
    assert!(mutations.iter().all(|what| what.contains("configmaps")), "{mutations:?}");
    work_until(stage, "pi", "Complete 10/10").await
}

async fn undivided(stage: &Stage) -> Outcome {
    stage.create(&gang(6, 6, None)).await?.ok();
    let shares = stage.shares("pi").await?;
    assert!(shares.len() == 1 && shares[0].ends_with(" 6/6"), "{shares:?}");
    until_min_counts(stage, &[6]).await;
    work_until(stage, "pi", "Complete 6/6").await
}

async fn indexed(stage: &Stage) -> Outcome {
    let mut job = gang(9, 9, Some(3));
    job["spec"]["completionMode"] = "Indexed".into();
    stage.create(&job).await?.ok();
    stage.until_row("pi", "Running 0/9").await;
    until_min_counts(stage, &[3, 3, 3]).await;
    for site in stage.members() {
        assert_grouped(site, 3).await?;
    }
    work_until(stage, "pi", "Complete 9/9").await
}

async fn few_are_left(stage: &Stage) -> Outcome {
    stage.create(&gang(4, 6, Some(4))).await?.ok();
    let [site] = with_shard(stage).await?[..] else { return Err("one shard".into()) };
    site.succeed("pi", 4).await?;
    site.until_job("pi", "four have succeeded", |job| job["status"]["succeeded"] == 4).await;
    // The other two are fewer than a gang, and no scheduler would place them.
    stage.federate("reconcile pi").await.ok();
    until_min_counts(stage, &[2]).await;
    work_until(stage, "pi", "Complete 6/6").await
}

async fn some_have_failed(stage: &Stage) -> Outcome {
    let mut job = gang(4, 6, Some(3));
    job["spec"]["completionMode"] = "Indexed".into();
    job["spec"]["backoffLimitPerIndex"] = 0.into();
    stage.create(&job).await?.ok();
    let [site] = with_shard(stage).await?[..] else { return Err("one shard".into()) };
    site.succeed("pi", 3).await?;
    site.until_job("pi", "three have succeeded", |job| job["status"]["succeeded"] == 3).await;
    site.until_pods("pi", 6).await;
    site.fail("pi", 1).await?;
    site.until_job("pi", "an index has failed", |job| {
        job["status"]["failedIndexes"].as_str().is_some_and(|failed| !failed.is_empty())
    })
    .await;
    // Three pods have yet to succeed by what has succeeded alone: one of them never comes.
    stage.federate("reconcile pi").await.ok();
    until_min_counts(stage, &[2]).await;
    work_until(stage, "pi", "Failed 5/6").await
}

async fn scaled(stage: &Stage) -> Outcome {
    stage.create(&gang(8, 24, Some(4))).await?.ok();
    let before = stage.mark().await?;
    stage.federate("job scale pi --parallelism=3").await.fails(
        "spec.scheduling.schedulingPolicy.gang.minCount: Invalid value: 4: must not be greater \
         than parallelism (3)",
    );
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    stage.federate("job scale pi --parallelism=12").await.ok();
    let sum = |shares: &[String]| -> Result<i32, libtest_mimic::Failed> {
        let pods = shares.iter().filter_map(|share| share.split([' ', '/']).nth(1));
        let pods: Vec<i32> = pods.map(str::parse).collect::<Result<_, _>>()?;
        assert!(pods.iter().all(|pods| *pods >= 4), "{shares:?}");
        Ok(pods.iter().sum())
    };
    assert_eq!(sum(&stage.shares("pi").await?)?, 12);
    stage.federate("job scale pi --parallelism=9").await.ok();
    assert_eq!(sum(&stage.shares("pi").await?)?, 9);
    until_min_counts(stage, &[4, 4]).await;
    work_until(stage, "pi", "Complete 24/24").await
}

async fn edited(stage: &Stage) -> Outcome {
    stage.create(&gang(8, 8, Some(4))).await?.ok();
    let patch = |scheduling: Value| {
        format!("job patch pi -p {}", json!({"spec": {"scheduling": scheduling}}))
    };
    let other = json!({"schedulingPolicy": {"gang": null, "basic": {}}, "disruptionMode": null});
    stage.federate(&patch(other)).await.fails("spec.scheduling: field is immutable");
    let mode = json!({"disruptionMode": {"all": null, "single": {}}});
    stage.federate(&patch(mode)).await.fails("spec.scheduling: field is immutable");
    let size = |count: i32| json!({"schedulingPolicy": {"gang": {"minCount": count}}});
    stage.federate(&patch(size(9))).await.fails("must not be greater than parallelism (8)");
    stage.federate(&patch(size(2))).await.ok();
    until_min_counts(stage, &[2, 2]).await;
    work_until(stage, "pi", "Complete 8/8").await
}

async fn scaled_down(stage: &Stage) -> Outcome {
    stage.create(&gang(12, 24, Some(4))).await?.ok();
    until_min_counts(stage, &[4, 4, 4]).await;
    // Ends what ran where one completion is taken off after the other, in whatever order.
    stage.federate("job scale pi --parallelism=8").await.ok();
    for site in with_shard(stage).await? {
        let job = site.job("pi").await?;
        let pods = job["spec"]["parallelism"].as_i64().unwrap_or_default();
        let count =
            job["spec"]["scheduling"]["schedulingPolicy"]["gang"]["minCount"].as_i64().unwrap_or(0);
        assert!(count <= pods && count >= 1, "{job:#}");
    }
    work_until(stage, "pi", "Complete 24/24").await
}

/// Each shard that goes on can fill a gang with what it has left.
async fn assert_gangs_can_start(stage: &Stage) -> Outcome {
    let job = stage.get("pi").await?;
    for shard in job["status"]["shards"].as_array().into_iter().flatten() {
        if shard["state"] != "Running" {
            continue;
        }
        let (cluster, name) = (shard["cluster"].as_str(), shard["name"].as_str());
        let site = stage.site(cluster.unwrap_or_default());
        let job = site.job(name.unwrap_or_default()).await?;
        let number = |value: &Value| value.as_i64().unwrap_or_default();
        let (spec, done) = (&job["spec"], number(&job["status"]["succeeded"]));
        let count = number(&spec["scheduling"]["schedulingPolicy"]["gang"]["minCount"]);
        let pods = number(&spec["parallelism"]).min(number(&spec["completions"]) - done);
        assert!((1..=pods).contains(&count), "{job:#}");
    }
    Ok(())
}

async fn drained(stage: &Stage) -> Outcome {
    stage.federation_of(&["east", "west"]).await;
    stage.create(&gang(8, 24, Some(4))).await?.ok();
    until_min_counts(stage, &[4, 4]).await;
    let west = stage.site("west");
    west.until_pods("pi", 4).await;
    let pods_end = async {
        is_credited(stage).await;
        west.succeed("pi", 4).await
    };
    let (drained, ended) =
        tokio::join!(stage.federate("cluster drain west --timeout=1m"), pods_end);
    ended?;
    drained.ok().says("cluster/west drained");
    assert_gangs_can_start(stage).await?;
    stage.federate("cluster register north").await.ok();
    stage.federate("reconcile pi --rebalance").await.ok();
    assert_gangs_can_start(stage).await?;
    work_until(stage, "pi", "Complete 24/24").await?;
    assert_eq!(successes(stage).await?.len(), 24, "each completion was made once");
    Ok(())
}

async fn refused(stage: &Stage) -> Outcome {
    let before = stage.mark().await?;
    stage.create(&gang(3, 6, Some(3))).await?.fails("spec.scheduling");
    stage.assert_nothing_of("pi", &before).await
}

async fn one_refuses(stage: &Stage) -> Outcome {
    for open in ["east", "west"] {
        stage.site(open).cluster().open_gang_gates();
    }
    let before = stage.mark().await?;
    let refused = stage.create(&gang(9, 9, Some(3))).await?;
    refused.fails("spec.scheduling: this server does not keep it").warns("north");
    stage.assert_nothing_of("pi", &before).await
}

async fn queued(stage: &Stage) -> Outcome {
    for site in stage.members() {
        site.cluster().open_gang_gates();
        site.set_queue("team", 9).await?;
    }
    let before = stage.mark().await?;
    let mut job = gang(9, 9, Some(3));
    job["metadata"]["labels"] = json!({"kueue.x-k8s.io/queue-name": "team"});
    stage.create(&job).await?.fails("the cluster decides when the job runs");
    stage.assert_nothing_of("pi", &before).await
}

async fn unseen(stage: &Stage) -> Outcome {
    for site in stage.members() {
        site.cluster().open_gang_gates();
        site.cluster().stop_controllers();
    }
    let mut job = gang(9, 9, Some(3));
    job["spec"]["completionMode"] = "Indexed".into();
    stage.create(&job).await?;
    for site in stage.members() {
        let job = site.job("pi").await?;
        assert_eq!((&job["spec"]["suspend"], &job["status"]), (&json!(true), &json!({})));
    }
    stage.members().for_each(|site| site.cluster().start_controllers());
    stage.federate("reconcile pi").await.ok();
    until_min_counts(stage, &[3, 3, 3]).await;
    for site in stage.members() {
        assert_grouped(site, 3).await?;
    }
    work_until(stage, "pi", "Complete 9/9").await
}
