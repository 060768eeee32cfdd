//! Work queues: Jobs without completions.

use serde_json::json;

use crate::facts::{Facts, Outcome};
use crate::place::{Place, is_true, number};

pub fn facts() -> Facts {
    Facts::of("queue")
        .fact("after_a_success_no_pod_starts_and_the_last_one_completes_it", last_pod)
        .fact("a_credit_of_one_does_the_same", credited)
        .fact("pending_pods_go_first_and_then_a_credit_of_one", pending_pods)
        .fact("pending_pods_outlive_a_credit_until_it_is_suspended", suspended)
        .fact("without_pods_a_credit_of_one_completes_it", no_pods)
        .fact("parallelism_0_after_a_success_stops_no_pod", parallelism_0)
}

/// Two running pods.
async fn running(place: &Place) -> Result<Vec<real::Pod>, libtest_mimic::Failed> {
    place.running("q", json!({"parallelism": 2}), 2).await
}

async fn last_pod(place: &Place) -> Outcome {
    let pods = running(place).await?;
    place.kubelet.succeed(&pods[0]).await?;
    let job = place.until("q", "a success", |job| number(job, "succeeded") == 1).await;
    assert!(!is_true(&job, "Complete"));
    place.kubelet.fail(&pods[1], 1).await?;
    let job = place.until_true("q", "Complete").await;
    assert_eq!((number(&job, "succeeded"), number(&job, "failed")), (1, 1));
    assert_eq!(place.pods("q").await?.len(), 2);
    Ok(())
}

async fn credited(place: &Place) -> Outcome {
    let pods = running(place).await?;
    place.credit("q", 1).await?;
    place.kubelet.fail(&pods[0], 1).await?;
    let job = place.until("q", "a failure", |job| number(job, "failed") == 1).await;
    assert!(!is_true(&job, "Complete"));
    assert!(place.is_untouched(&pods[1]).await?);
    place.kubelet.succeed(&pods[1]).await?;
    let job = place.until_true("q", "Complete").await;
    assert_eq!((number(&job, "succeeded"), place.pods("q").await?.len()), (2, 2));
    Ok(())
}

async fn pending_pods(place: &Place) -> Outcome {
    place.create("q", json!({"parallelism": 3})).await?;
    let pods = place.live("q", 3).await;
    place.kubelet.bind(&pods[1]).await?;
    place.kubelet.run(&pods[1]).await?;
    place.until("q", "ready", |job| number(job, "ready") == 1).await;
    place.patch("q", json!({"spec": {"parallelism": 1}})).await?;
    assert_eq!(place.live("q", 1).await[0].name, pods[1].name);
    place.until_active("q", 1).await;
    place.credit("q", 1).await?;
    place.kubelet.succeed(&pods[1]).await?;
    let job = place.until_true("q", "Complete").await;
    assert_eq!((number(&job, "succeeded"), number(&job, "failed")), (2, 0));
    Ok(())
}

async fn suspended(place: &Place) -> Outcome {
    place.create("q", json!({"parallelism": 2})).await?;
    let pods = place.live("q", 2).await;
    place.until_active("q", 2).await;
    place.credit("q", 1).await?;
    place.kubelet.run(&pods[0]).await?;
    let job = place.until("q", "seen after the credit", |job| number(job, "ready") == 1).await;
    assert_eq!((number(&job, "active"), is_true(&job, "Complete")), (2, false));
    place.patch("q", json!({"spec": {"suspend": true}})).await?;
    let job = place.until_true("q", "Complete").await;
    let failures = if place.is_new() { 0 } else { 2 };
    let counters = ["succeeded", "failed", "active"].map(|counter| number(&job, counter));
    assert_eq!(counters, [1, failures, 0]);
    Ok(())
}

async fn no_pods(place: &Place) -> Outcome {
    place.create("q", json!({"parallelism": 0})).await?;
    place.until("q", "started", |job| job["status"]["startTime"].is_string()).await;
    place.credit("q", 1).await?;
    let job = place.until_true("q", "Complete").await;
    assert_eq!((number(&job, "succeeded"), place.pods("q").await?.len()), (1, 0));
    Ok(())
}

async fn parallelism_0(place: &Place) -> Outcome {
    let pods = running(place).await?;
    place.credit("q", 1).await?;
    place.patch("q", json!({"spec": {"parallelism": 0}})).await?;
    place.kubelet.fail(&pods[0], 1).await?;
    place.until("q", "a failure", |job| number(job, "failed") == 1).await;
    assert!(place.is_untouched(&pods[1]).await?);
    Ok(())
}
