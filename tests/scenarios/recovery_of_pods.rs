//! What a recovery makes of the pods of shards.

use serde_json::{Value, json};

use crate::edit_members::work_until;
use crate::recovery::{federation, lose};
use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("recovery_of_pods")
        .both("what somebody changed of a shard stays a drift after a recovery", drift)
        .both_from_nothing("a work queue that was stopped goes on after a recovery", queue)
}

/// A shard that somebody has scaled to nothing would have work and no pods for ever.
async fn drift(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    let west = stage.site("west");
    west.patch("jobs", "pi", &json!({"spec": {"parallelism": 0}})).await?;
    lose(stage, "pi").await?;
    stage.federate("job recover pi --yes").await.ok();
    let described = stage.federate("job describe pi").await.ok();
    described.says("parallelism is 0, not 1");
    // What a user asks for next divides the pods anew.
    stage.federate("job scale pi --parallelism=6").await.ok();
    assert_eq!(west.job("pi").await?["spec"]["parallelism"], 2);
    work_until(stage, "pi", "Complete 9/9").await
}

/// The record knew why the only shard was ended, and that its pods had no other place yet.
async fn queue(stage: &Stage) -> Outcome {
    federation(stage).await;
    let mut queue = job("pi", Some(2), None);
    let preferences = json!({"clusters": {"west": {"weight": 1}}}).to_string();
    queue["metadata"]["annotations"] =
        json!({"federation.kubernetes.io/job-preferences": preferences});
    stage.create(&queue).await?.ok();
    stage.federate("cluster lost west --yes").await.ok();
    lose(stage, "pi").await?;
    stage.federate("cluster uncordon west").await.ok();
    stage.federate("job recover pi --yes").await.ok();
    let west = stage.site("west");
    let runs = |job: &Value| job["status"]["active"] == 2;
    west.until_job("pi-102", "it runs in its place", runs).await;
    west.succeed("pi-102", 2).await?;
    work_until(stage, "pi", "Complete 2/1 of 2").await
}
