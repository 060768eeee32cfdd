//! Ending a Job by a condition, and what is judged before what.

use serde_json::{Value, json};

use crate::facts::{Facts, Outcome};
use crate::hold::Held;
use crate::place::{Place, condition, is_true, number, refused};

pub fn facts() -> Facts {
    Facts::of("ending")
        .fact(
            "the_last_success_is_counted_after_a_suspension_and_completes_only_with_a_start_time",
            counted_after_suspension,
        )
        .fact("failure_target_fails_a_job_with_our_reason", failure_target)
        .fact("counters_move_until_failed", counters_move)
        .fact("a_pod_that_exits_0_while_it_is_stopped_is_not_counted", exits_while_stopped)
        .fact("pods_killed_by_a_suspension_are_no_failures", suspended_first)
        .fact("a_suspended_job_fails_only_with_a_start_time", suspended_without_start)
        .fact("a_suspended_job_is_ended_together_with_a_start_time", suspended_with_start)
        .fact(
            "a_suspended_job_credited_in_full_completes_only_with_a_start_time",
            suspended_credited,
        )
        .fact(
            "a_suspended_job_is_credited_in_full_together_with_a_start_time",
            suspended_credited_with_start,
        )
        .fact("failure_target_on_a_complete_job", after_complete)
        .fact("success_criteria_met_completes_or_is_refused", success_criteria)
        .fact("the_deadline_is_judged_before_the_completions", deadline_first)
        .fact("the_backoff_limit_is_judged_before_the_completions", backoff_first)
}

/// Two bound running pods of six, and a quiet controller.
async fn running(place: &Place) -> Result<Vec<real::Pod>, libtest_mimic::Failed> {
    place.running("j", json!({"parallelism": 2, "completions": 6}), 2).await
}

async fn failure_target(place: &Place) -> Outcome {
    let pods = running(place).await?;
    place.set_condition("j", "FailureTarget").await?;
    if place.is_new() {
        let job = place.until("j", "stopping", |job| number(job, "failed") == 2).await;
        assert_eq!((number(&job, "terminating"), is_true(&job, "Failed")), (2, false));
    } else {
        place.until_true("j", "Failed").await;
        assert_eq!(place.pods("j").await?.iter().filter(|pod| pod.terminating).count(), 2);
    }
    for pod in &pods {
        place.until_deleted(pod).await;
        place.kubelet.release(pod).await?;
    }
    let job = place.until_true("j", "Failed").await;
    let failed = condition(&job, "Failed");
    assert_eq!(
        (failed["reason"].as_str(), failed["message"].as_str()),
        (Some("Ours"), Some("we say so"))
    );
    assert_eq!(
        (number(&job, "failed"), number(&job, "succeeded"), number(&job, "active")),
        (2, 0, 0)
    );
    Ok(())
}

async fn counters_move(place: &Place) -> Outcome {
    let pods = running(place).await?;
    place.hold_status("j").await?;
    place.kubelet.succeed(&pods[0]).await?;
    let ended = place.set_condition("j", "FailureTarget").await?;
    assert_eq!((number(&ended, "succeeded"), is_true(&ended, "FailureTarget")), (0, true));
    place.release("j").await?;
    place.until_deleted(&pods[1]).await;
    place.kubelet.release(&pods[1]).await?;
    let job = place.until_true("j", "Failed").await;
    assert_eq!(number(&job, "succeeded"), 1);
    Ok(())
}

async fn exits_while_stopped(place: &Place) -> Outcome {
    let pods = running(place).await?;
    place.set_condition("j", "FailureTarget").await?;
    place.until("j", "counted as failed", |job| number(job, "failed") == 2).await;
    for pod in &pods {
        place.kubelet.succeed(pod).await?;
        place.kubelet.release(pod).await?;
    }
    let job = place.until_true("j", "Failed").await;
    assert_eq!((number(&job, "succeeded"), number(&job, "failed")), (0, 2));
    Ok(())
}

async fn suspended_first(place: &Place) -> Outcome {
    let pods = running(place).await?;
    place.patch("j", json!({"spec": {"suspend": true}})).await?;
    place
        .until("j", "stopping", |job| is_true(job, "Suspended") && number(job, "terminating") == 2)
        .await;
    for pod in &pods {
        place.kubelet.succeed(pod).await?;
        place.kubelet.release(pod).await?;
    }
    let job = place.until("j", "quiet", |job| number(job, "terminating") == 0).await;
    assert_eq!(
        (number(&job, "active"), &job["status"]["uncountedTerminatedPods"]),
        (0, &json!({}))
    );
    let start = json!({"status": {"startTime": job["metadata"]["creationTimestamp"]}});
    if place.is_new() {
        place.patch_status("j", start).await?;
    }
    place.set_condition("j", "FailureTarget").await?;
    let job = place.until_true("j", "Failed").await;
    assert_eq!((number(&job, "succeeded"), number(&job, "failed")), (0, 0));
    Ok(())
}

/// Waits until the controller has looked at a Job that was made after all that came before.
async fn another_is_suspended(place: &Place) -> Outcome {
    place.create("later", json!({"suspend": true})).await?;
    place.until_true("later", "Suspended").await;
    Ok(())
}

async fn suspended_without_start(place: &Place) -> Outcome {
    place.create("j", json!({"completions": 2, "suspend": true})).await?;
    place.until_true("j", "Suspended").await;
    place.set_condition("j", "FailureTarget").await?;
    if place.is_new() {
        another_is_suspended(place).await?;
        let job = place.job("j").await?;
        assert!(!is_true(&job, "Failed"));
        let kinds = ["FailureTarget", "Failed"].map(|kind| json!({"type": kind, "status": "True"}));
        let answer = place.try_status("j", json!({"status": {"conditions": kinds}})).await;
        refused(answer, 422, "startTime is required for finished job");
        let start = json!({"status": {"startTime": job["metadata"]["creationTimestamp"]}});
        place.patch_status("j", start).await?;
    }
    let job = place.until_true("j", "Failed").await;
    assert_eq!(condition(&job, "Failed")["reason"], "Ours");
    Ok(())
}

async fn suspended_with_start(place: &Place) -> Outcome {
    let made = place.create("j", json!({"completions": 2, "suspend": true})).await?;
    place.until_true("j", "Suspended").await;
    let ended = place.end("j", "FailureTarget", &made["metadata"]["creationTimestamp"]).await?;
    assert!(is_true(&ended, "FailureTarget") && is_true(&ended, "Suspended"));
    let job = place.until_true("j", "Failed").await;
    assert_eq!((number(&job, "failed"), place.pods("j").await?.len()), (0, 0));
    Ok(())
}

async fn suspended_credited(place: &Place) -> Outcome {
    place.create("j", json!({"completions": 2, "suspend": true})).await?;
    place.until_true("j", "Suspended").await;
    place.credit("j", 2).await?;
    if place.is_new() {
        place.until_true("j", "SuccessCriteriaMet").await;
        another_is_suspended(place).await?;
        let job = place.job("j").await?;
        assert!(!is_true(&job, "Complete"));
        let start = json!({"status": {"startTime": job["metadata"]["creationTimestamp"]}});
        place.patch_status("j", start).await?;
    }
    let job = place.until_true("j", "Complete").await;
    assert_eq!(number(&job, "succeeded"), 2);
    Ok(())
}

/// The controller suspends the Job and cannot take the finalizer off its pod, which then succeeds.
async fn counted_after_suspension(place: &Place) -> Outcome {
    place.create_held("j", json!({"completions": 1}), Held::Finalizers).await?;
    let pods = place.run("j", 1).await?;
    place.until("j", "ready", |job| number(job, "ready") == 1).await;
    place.patch("j", json!({"spec": {"suspend": true}})).await?;
    let suspended = place.until_true("j", "Suspended").await;
    assert_eq!(suspended["status"]["startTime"].is_null(), place.is_new());
    place.kubelet.succeed(&pods[0]).await?;
    place.release("j").await?;
    if place.is_new() {
        let counted = |job: &Value| is_true(job, "SuccessCriteriaMet");
        place.until("j", "about to end", counted).await;
        another_is_suspended(place).await?;
        let job = place.job("j").await?;
        assert!(!is_true(&job, "Complete") && job["status"]["startTime"].is_null());
        let start = json!({"status": {"startTime": job["metadata"]["creationTimestamp"]}});
        place.patch_status("j", start).await?;
    }
    let job = place.until_true("j", "Complete").await;
    assert_eq!((number(&job, "succeeded"), number(&job, "failed")), (1, 0));
    Ok(())
}

async fn suspended_credited_with_start(place: &Place) -> Outcome {
    let made = place.create("j", json!({"completions": 2, "suspend": true})).await?;
    place.until_true("j", "Suspended").await;
    let start = &made["metadata"]["creationTimestamp"];
    place.patch_status("j", json!({"status": {"succeeded": 2, "startTime": start}})).await?;
    let job = place.until_true("j", "Complete").await;
    assert_eq!((number(&job, "succeeded"), number(&job, "failed")), (2, 0));
    assert!(job["status"]["completionTime"].is_string());
    Ok(())
}

async fn after_complete(place: &Place) -> Outcome {
    place.create("j", json!({})).await?;
    let pods = place.live("j", 1).await;
    place.kubelet.succeed(&pods[0]).await?;
    place.until_true("j", "Complete").await;
    let answer = place.set_condition("j", "FailureTarget").await;
    if place.is_new() {
        refused(answer, 422, "cannot set Complete=True and FailureTarget=true conditions");
    } else {
        assert!(is_true(&answer?, "FailureTarget"));
    }
    Ok(())
}

async fn success_criteria(place: &Place) -> Outcome {
    let pods = running(place).await?;
    let answer = place.set_condition("j", "SuccessCriteriaMet").await;
    if !place.is_new() {
        refused(answer, 422, "cannot set SuccessCriteriaMet to NonIndexed Job");
        return Ok(());
    }
    answer?;
    for pod in &pods {
        place.until_deleted(pod).await;
        place.kubelet.release(pod).await?;
    }
    let job = place.until_true("j", "Complete").await;
    assert_eq!(
        (condition(&job, "Complete")["reason"].as_str(), number(&job, "failed")),
        (Some("Ours"), 0)
    );
    Ok(())
}

async fn deadline_first(place: &Place) -> Outcome {
    place.create("j", json!({"completions": 2})).await?;
    let job = place.until_active("j", 1).await;
    place.pass(&job, 2).await?;
    place.hold_status("j").await?;
    place.patch("j", json!({"spec": {"activeDeadlineSeconds": 1}})).await?;
    place.credit("j", 2).await?;
    place.release("j").await?;
    let job = place.until_true("j", "Failed").await;
    assert_eq!(
        (condition(&job, "Failed")["reason"].as_str(), number(&job, "succeeded")),
        (Some("DeadlineExceeded"), 2)
    );
    Ok(())
}

async fn backoff_first(place: &Place) -> Outcome {
    place.create("j", json!({"completions": 2, "backoffLimit": 0})).await?;
    let pods = place.live("j", 1).await;
    place.until_active("j", 1).await;
    place.hold_status("j").await?;
    place.kubelet.fail(&pods[0], 1).await?;
    place.credit("j", 2).await?;
    place.release("j").await?;
    let job = place.until_true("j", "Failed").await;
    let reason = condition(&job, "Failed")["reason"].as_str();
    assert_eq!((reason, number(&job, "succeeded")), (Some("BackoffLimitExceeded"), 2));
    Ok(())
}
