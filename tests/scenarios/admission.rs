//! Clusters with admission policies: what a server adds to a shard, and what it demands of one.

use serde_json::{Value, json};

use crate::edit_members::work_until;
use crate::scenarios::{Outcome, Scenarios};
use crate::site::On;
use crate::stage::{Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("admission")
        .both_new_east("what a cluster sets in new Jobs is put back before they run", put_back)
        .both_new_east(
            "a shard does not expire by a time to live that its cluster set when it was created",
            ttl_on_creation,
        )
        .both("a shard that its cluster refuses is shown as refused", refused)
}

/// Fields of a Job's spec that bear on how a shard runs or ends, with values that nobody asked for.
fn unasked() -> [(&'static str, Value); 5] {
    [
        ("ttlSecondsAfterFinished", json!(0)),
        ("activeDeadlineSeconds", json!(1)),
        ("backoffLimit", json!(0)),
        ("parallelism", json!(5)),
        ("podReplacementPolicy", json!("Failed")),
    ]
}

async fn put_back(stage: &Stage) -> Outcome {
    let east = stage.site("east");
    for (field, value) in unasked() {
        east.set_on_jobs(On::Creation, &format!("/spec/{field}"), &value).await?;
    }
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let (changed, plain) = (east.job("pi").await?, stage.site("west").job("pi").await?);
    for (field, _) in unasked() {
        assert_eq!(changed["spec"][field], plain["spec"][field], "{field}");
    }
    let before = stage.mark().await?;
    stage.federate("reconcile pi").await.ok();
    stage.federate("reconcile pi").await.ok();
    let mutations = stage.mutations(&before).await?;
    assert!(mutations.iter().all(|what| !what.contains("jobs")), "{mutations:?}");
    work_until(stage, "pi", "Complete 6/6").await
}

async fn ttl_on_creation(stage: &Stage) -> Outcome {
    let east = stage.site("east");
    east.set_on_jobs(On::Creation, "/spec/ttlSecondsAfterFinished", &json!(0)).await?;
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    east.succeed("pi", 2).await?;
    east.until_job("pi", "it is complete", |job| job["status"]["completionTime"].is_string()).await;
    stage.until_row("pi", "Running 2/6").await;
    work_until(stage, "pi", "Complete 6/6").await
}

/// What the clusters demand in these scenarios.
const DEMAND: &str = "every job of this cluster must expire";

async fn refused(stage: &Stage) -> Outcome {
    let west = stage.site("west");
    west.link.cut().await?;
    stage.create(&job("pi", Some(3), Some(6))).await?.fails("1 of 3 clusters");
    west.require_of_jobs("ttlSecondsAfterFinished", DEMAND).await?;
    west.link.restore().await?;
    stage.federate("reconcile pi").await.fails("1 of 3 clusters").warns(DEMAND);
    assert_eq!(stage.row("pi").await, "Running,Refused 0/6");
    Ok(())
}
