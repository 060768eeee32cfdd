//! What each cluster is given.

use serde_json::json;

use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{MEMBERS, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of_any_version("plan")
        .both(
            "parallelism 9 and completions 18 are 3 and 6 in each of three clusters, and run to \
             18/18",
            seed,
        )
        .both("what does not divide evenly is one apart at most, and the sums are as asked", uneven)
        .both("two completions over three clusters are two shards", two_completions)
        .both("no shard has completions and no parallelism", no_stuck_share)
        .both("a job that says nothing is one shard of 1 and 1", nothing_said)
        .both(
            "a work queue keeps its completions unset, and is complete when its shards are",
            work_queue,
        )
        .both("a job of no completions is complete at once, with no shards", no_completions)
        .both("parallelism 0 is a pause: completions are divided, and no pod runs", pause)
        .both("a suspended job is divided, and no pod runs", suspended)
        .both("preferences give by weight, within minima and maxima", preferences)
        .both("a cluster that the preferences do not name gets none", not_named)
        .both(
            "wrong preferences are refused with key and place, and nothing is written",
            wrong_preferences,
        )
        .both("what has no place is refused with the shortfall, and nothing is written", shortfall)
        .both("an indexed job that goes to one cluster as a whole needs no credit", indexed)
        .both_from_nothing("without preferences the registered weights count", registered_weights)
}

const PREFERENCES: &str = "federation.kubernetes.io/job-preferences";

async fn seed(stage: &Stage) -> Outcome {
    let created = stage.create(&job("pi", Some(9), Some(18))).await?.ok();
    assert_eq!(created.stdout, "job.batch/pi created\n");
    assert_eq!(
        created.stderr,
        "CLUSTER   PARALLELISM   COMPLETIONS\neast      3             6\nnorth     3             \
         6\nwest      3             6\n"
    );
    assert_eq!(stage.shares("pi").await?, ["east 3/6", "north 3/6", "west 3/6"]);
    stage.until_row("pi", "Running 0/18").await;
    for site in stage.members() {
        site.succeed("pi", 6).await?;
    }
    stage.until_row("pi", "Complete 18/18").await;
    let seen = stage.get("pi").await?;
    assert_eq!(
        (&seen["spec"]["parallelism"], &seen["spec"]["completions"]),
        (&json!(9), &json!(18))
    );
    assert_eq!((&seen["status"]["succeeded"], seen["status"].get("active")), (&json!(18), None));
    let conditions = seen["status"]["conditions"].as_array().expect("a list");
    assert!(conditions.iter().any(|condition| condition["type"] == "Complete"), "{conditions:?}");
    let before = stage.mark().await?;
    stage.federate("reconcile pi").await.ok().says("job.batch/pi reconciled: Complete 18/18");
    let outcome = stage.mutations(&before).await?;
    assert!(
        outcome.iter().all(|what| what == "east: patch configmaps/pi.federated-job"),
        "{outcome:?}"
    );
    let before = stage.mark().await?;
    stage.federate("reconcile pi").await.ok().says("job.batch/pi unchanged: Complete 18/18");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    Ok(())
}

/// The shares without their clusters: which of equals gets more is the hash's to say, and that is
/// of the namespace too.
async fn sizes(stage: &Stage, name: &str) -> Result<Vec<String>, libtest_mimic::Failed> {
    let shares = stage.shares(name).await?;
    let mut sizes: Vec<_> = shares
        .iter()
        .map(|share| share.split(' ').next_back().unwrap_or_default().to_owned())
        .collect();
    sizes.sort();
    Ok(sizes)
}

async fn uneven(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(10), Some(18))).await?.ok();
    assert_eq!(sizes(stage, "pi").await?, ["3/6", "3/6", "4/6"]);
    stage.create(&job("tau", Some(9), Some(20))).await?.ok();
    assert_eq!(sizes(stage, "tau").await?, ["3/6", "3/7", "3/7"]);
    Ok(())
}

async fn two_completions(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(2), Some(2))).await?.ok();
    assert_eq!(sizes(stage, "pi").await?, ["1/1", "1/1"]);
    Ok(())
}

async fn no_stuck_share(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(2), Some(10))).await?.ok();
    assert_eq!(sizes(stage, "pi").await?, ["1/5", "1/5"]);
    Ok(())
}

async fn nothing_said(stage: &Stage) -> Outcome {
    stage.create(&job("pi", None, None)).await?.ok();
    assert_eq!(sizes(stage, "pi").await?, ["1/1"]);
    Ok(())
}

async fn work_queue(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(5), None)).await?.ok();
    assert_eq!(sizes(stage, "pi").await?, ["1", "2", "2"]);
    stage.until_row("pi", "Running 0/1 of 5").await;
    for site in stage.members() {
        let share = site.job("pi").await?["spec"]["parallelism"].as_u64().unwrap_or_default();
        site.succeed("pi", share as usize).await?;
    }
    stage.until_row("pi", "Complete 5/1 of 5").await;
    Ok(())
}

async fn no_completions(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(0))).await?.ok();
    assert_eq!(stage.shares("pi").await?, Vec::<String>::new());
    assert_eq!(stage.row("pi").await, "Complete 0/0");
    Ok(())
}

async fn pause(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(0), Some(6))).await?.ok();
    assert_eq!(stage.shares("pi").await?, ["east 0/2", "north 0/2", "west 0/2"]);
    stage.until_row("pi", "Paused 0/6").await;
    for site in stage.members() {
        let job = site.until_job("pi", "its controller has looked", |job| {
            job["status"]["startTime"].is_string()
        });
        assert_eq!((job.await["status"].get("active"), site.pods("pi").await?.len()), (None, 0));
    }
    Ok(())
}

async fn suspended(stage: &Stage) -> Outcome {
    let mut suspended = job("pi", Some(3), Some(6));
    suspended["spec"]["suspend"] = true.into();
    stage.create(&suspended).await?.ok();
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2", "west 1/2"]);
    stage.until_row("pi", "Suspended 0/6").await;
    for site in stage.members() {
        let held = |job: &serde_json::Value| job["status"]["conditions"][0]["type"] == "Suspended";
        site.until_job("pi", "it is suspended", held).await;
        assert_eq!(site.pods("pi").await?.len(), 0);
    }
    stage.goes_quiet("pi").await
}

fn preferring(mut job: serde_json::Value, preferences: &str) -> serde_json::Value {
    job["metadata"]["annotations"] = json!({PREFERENCES: preferences});
    job
}

async fn preferences(stage: &Stage) -> Outcome {
    let weights = r#"{"clusters": {"east": {"weight": 2}, "*": {"weight": 1}}}"#;
    stage.create(&preferring(job("weights", Some(8), Some(16)), weights)).await?.ok();
    assert_eq!(stage.shares("weights").await?, ["east 4/8", "north 2/4", "west 2/4"]);
    let limits = r#"{"clusters": {
        "east": {"minReplicas": 6}, "west": {"maxReplicas": 1, "weight": 9}, "north": {"weight": 1}
    }}"#;
    stage.create(&preferring(job("limits", Some(9), Some(18)), limits)).await?.ok();
    assert_eq!(stage.shares("limits").await?, ["east 6/12", "north 2/4", "west 1/2"]);
    Ok(())
}

async fn not_named(stage: &Stage) -> Outcome {
    let preferences = r#"{"clusters": {"east": {"weight": 1}, "north": {"weight": 1}}}"#;
    stage.create(&preferring(job("pi", Some(4), Some(8)), preferences)).await?.ok();
    assert_eq!(stage.shares("pi").await?, ["east 2/4", "north 2/4"]);
    Ok(())
}

async fn wrong_preferences(stage: &Stage) -> Outcome {
    let before = stage.mark().await?;
    for (preferences, place) in [
        (r#"{"clusters": {"east": {"weight": 1, "wieght": 2}}}"#, "clusters.east.wieght"),
        (r#"{"clusters": {"east": {"minReplicas": 3, "maxReplicas": 2}}}"#, "clusters.east"),
        (r#"{"clusters": {"east": {"weight": -1}}}"#, "clusters.east.weight"),
        (r#"{"clusters": {"moon": {"weight": 1}}}"#, "clusters.moon"),
        ("{", "line 1"),
    ] {
        let refused = stage.create(&preferring(job("pi", Some(2), Some(4)), preferences)).await?;
        let refused = refused.fails(PREFERENCES).warns(place).warns("pi.yaml");
        assert_eq!(refused.stdout, "");
    }
    stage.assert_nothing_of("pi", &before).await
}

async fn shortfall(stage: &Stage) -> Outcome {
    let before = stage.mark().await?;
    let preferences = r#"{"clusters": {"*": {"weight": 1, "maxReplicas": 2}}}"#;
    let refused = stage.create(&preferring(job("pi", Some(9), Some(18)), preferences)).await?;
    refused.fails("3 of 9 pods have no place").warns("east");
    stage.assert_nothing_of("pi", &before).await
}

async fn indexed(stage: &Stage) -> Outcome {
    let mut whole = job("pi", Some(3), Some(6));
    whole["spec"]["completionMode"] = "Indexed".into();
    let before = stage.site("west").mark().await?;
    let west = r#"{"clusters": {"west": {"weight": 1}}}"#;
    stage.create(&preferring(whole, west)).await?.ok();
    assert_eq!(stage.shares("pi").await?, ["west 3/6"]);
    let mutations = stage.site("west").mutations(before).await?;
    assert!(
        !mutations.iter().any(|what| what.contains("status")),
        "nothing is to be credited: {mutations:?}"
    );
    stage.site("west").succeed("pi", 6).await?;
    stage.until_row("pi", "Complete 6/6").await;
    assert_eq!(stage.get("pi").await?["status"]["completedIndexes"], "0-5");
    Ok(())
}

async fn registered_weights(stage: &Stage) -> Outcome {
    stage.federate("init --context=host").await.ok();
    for (member, weight) in MEMBERS.into_iter().zip([3, 1, 0]) {
        stage.federate(&format!("cluster register {member} --weight={weight}")).await.ok();
    }
    stage.create(&job("pi", Some(4), Some(8))).await?.ok();
    assert_eq!(stage.shares("pi").await?, ["east 3/6", "west 1/2"]);
    Ok(())
}
