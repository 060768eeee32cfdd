//! A cluster that was silent beyond its lease is back, and kubelets have ended its pods, before its
//! Job controller has acted.

use jiff::SignedDuration;
use real::until;
use serde_json::{Value, json};

use crate::edit_members::work_in;
use crate::leases::has_ended;
use crate::lost::successes;
use crate::scenarios::{Outcome, Scenarios};
use crate::site::Site;
use crate::stage::{MEMBERS, SOON, Stage, job};

/// When a lease of five minutes is over: the Job's deadline, a pod that started just before it, its
/// grace period and the margin.
const OVER: SignedDuration = SignedDuration::from_mins(12);

pub fn scenarios() -> Scenarios {
    Scenarios::of("lease returns")
        .sim_from_nothing("pods that a lease has ended are no failures of a job", async |stage| {
            let spec = json!({"backoffLimit": 0});
            back_before_its_controllers(stage, &spec).await
        })
        .sim_from_nothing("indexes that a lease has ended run again", async |stage| {
            let spec = json!({
                "completionMode": "Indexed", "backoffLimitPerIndex": 0, "maxFailedIndexes": 0,
            });
            back_before_its_controllers(stage, &spec).await
        })
        .sim_from_nothing("a rule for exit codes does not judge what a lease has ended", by_rule)
        .sim_from_nothing("a drained cluster ends by its lease while it can", drained)
}

async fn by_rule(stage: &Stage) -> Outcome {
    let codes = json!({"operator": "NotIn", "values": [42]});
    let rule = json!({"action": "FailJob", "onExitCodes": codes});
    back_before_its_controllers(stage, &json!({"podFailurePolicy": {"rules": [rule]}})).await
}

/// A Job of which west, with a lease, runs two pods. From then on its controllers stand still.
async fn begun(stage: &Stage, spec: &Value) -> Outcome {
    stage.federation_of(&MEMBERS).await;
    stage.federate("cluster lease west 5m").await.ok();
    let mut job = job("pi", Some(6), Some(12));
    for (field, value) in spec.as_object().into_iter().flatten() {
        job["spec"][field] = value.clone();
    }
    stage.create(&job).await?.ok();
    let west = stage.site("west");
    west.run("pi", 2).await?;
    stage.federate("reconcile pi").await.ok();
    west.cluster().set_kubelet(sim::Kubelet::obeys_deadlines());
    west.cluster().stop_controllers();
    Ok(())
}

fn pass(stage: &Stage, time: SignedDuration) {
    for site in stage.members().chain([stage.host()]) {
        site.cluster().set_clock_ahead(time);
    }
}

async fn back_before_its_controllers(stage: &Stage, spec: &Value) -> Outcome {
    begun(stage, spec).await?;
    let west = stage.site("west");
    west.link.cut().await?;
    pass(stage, OVER);
    let moved = stage.federate("reconcile pi").await.ok();
    moved.warns("the lease is over: 4 completions of cluster west");
    west.link.restore().await?;
    stage.federate("reconcile pi").await;
    west.cluster().start_controllers();
    ends_unfailed(stage, west).await
}

async fn drained(stage: &Stage) -> Outcome {
    begun(stage, &json!({"backoffLimit": 0})).await?;
    let west = stage.site("west");
    pass(stage, SignedDuration::from_mins(6));
    let left = stage.federate("cluster drain west --now --timeout=1s").await;
    assert_ne!(left.code, 0, "it waits for the Job controller of west: {left:?}");
    assert_eq!(west.job("pi").await?["spec"]["suspend"], false);
    west.cluster().start_controllers();
    ends_unfailed(stage, west).await
}

/// The shard in west ends, while others have work left. None of its pods has failed, and each
/// completion is made once.
async fn ends_unfailed(stage: &Stage, west: &Site) -> Outcome {
    until("the shard in west to end", SOON, || async {
        let ran = stage.federate("reconcile pi").await;
        let job = west.job("pi").await.map_err(|error| format!("{error:?}"))?;
        if has_ended(&job) { Ok(()) } else { Err(format!("{ran:?} {:#}", job["status"])) }
    })
    .await;
    stage.federate("reconcile pi").await.ok().says("Running");
    let status = stage.get("pi").await?["status"].clone();
    let indexes = status["failedIndexes"].as_str().unwrap_or_default();
    assert!(status["failed"].is_null() && indexes.is_empty(), "{status:#}");
    let others: Vec<&Site> = stage.members().filter(|site| site.name != "west").collect();
    work_in(stage, &others, "pi", "Complete 12/12").await?;
    assert_eq!(successes(stage).await?.len(), 12);
    Ok(())
}
