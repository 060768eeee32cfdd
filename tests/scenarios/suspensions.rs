//! What somebody has suspended in one cluster stays so, whatever becomes of the others.

use serde_json::{Value, json};

use crate::edit_members::work_until;
use crate::queues::queued;
use crate::scenarios::{Outcome, Scenarios};
use crate::site::Site;
use crate::stage::{Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("suspensions")
        .both("a shard that its cluster has suspended stays so while its limits change", limits)
        .sim("a shard that a later queueing system has stopped is not resumed", queued_later)
}

/// Waits until the shard's Job is suspended and has no pods.
async fn until_stopped(site: &Site) {
    let is_stopped =
        |job: &Value| job["spec"]["suspend"] == true && job["status"].get("active").is_none();
    site.until_job("pi", "it is stopped", is_stopped).await;
}

/// Lets a pod fail in `east`, and has the others told.
async fn fail_in_east(stage: &Stage) -> Outcome {
    let east = stage.site("east");
    east.fail("pi", 1).await?;
    east.until_job("pi", "a pod has failed", |job| job["status"]["failed"] == 1).await;
    stage.federate("reconcile pi").await.ok();
    Ok(())
}

async fn limits(stage: &Stage) -> Outcome {
    let mut limited = job("pi", Some(6), Some(12));
    limited["spec"]["backoffLimit"] = 4.into();
    stage.create(&limited).await?.ok();
    let west = stage.site("west");
    west.until_pods("pi", 2).await;
    let changes = json!({"spec": {"suspend": true, "parallelism": 1}});
    west.patch("jobs", "pi", &changes).await?;
    until_stopped(west).await;
    fail_in_east(stage).await?;
    let spec = west.job("pi").await?["spec"].take();
    let is = ["suspend", "parallelism", "backoffLimit"].map(|field| spec[field].clone());
    assert_eq!(is, [json!(true), json!(1), json!(3)]);
    west.until_pods_made("pi", 2).await;
    let described = stage.federate("job describe pi").await.ok();
    described.says("suspend is true, not false").says("parallelism is 1, not 2");
    // An edit of the federated Job writes again what it may change.
    let label = r#"{"metadata":{"labels":{"team":"math"}}}"#;
    stage.federate(&format!("job patch pi -p {label}")).await.ok();
    let spec = west.job("pi").await?["spec"].take();
    assert_eq!((&spec["suspend"], &spec["parallelism"]), (&json!(false), &json!(2)));
    work_until(stage, "pi", "Complete 12/12").await
}

async fn queued_later(stage: &Stage) -> Outcome {
    let mut limited = queued("pi", 12, false);
    limited["spec"]["backoffLimit"] = 4.into();
    stage.create(&limited).await?.ok();
    let west = stage.site("west");
    west.until_pods("pi", 2).await;
    stage.federate("reconcile pi").await.ok();
    west.set_queue("team", 0).await?;
    until_stopped(west).await;
    fail_in_east(stage).await?;
    assert_eq!(west.job("pi").await?["spec"]["backoffLimit"], 3);
    assert_eq!(west.pods_made("pi").await?, 2, "it waits for its queue");
    west.set_queue("team", 2).await?;
    work_until(stage, "pi", "Complete 12/12").await
}
