//! Pausing: by suspend, by parallelism 0, and what the deadline makes of it.

use serde_json::{Value, json};

use crate::facts::{Facts, Outcome};
use crate::place::{Place, condition, is_true, number};

pub fn facts() -> Facts {
    Facts::of("suspend")
        .fact("suspending_stops_pods_and_resuming_starts_anew", suspends)
        .fact("slow_pods_are_terminating_until_they_are_gone", slow_pods)
        .fact("a_resume_restarts_the_deadline_or_meets_it", resume)
        .fact("a_resume_carries_a_deadline_that_is_far_enough", resume_with_deadline)
        .fact("a_deadline_that_is_raised_in_time_is_a_lease", lease)
        .alone("a_suspend_and_resume_that_no_controller_sees_leaves_no_trace", unseen)
        .fact("parallelism_0_stops_pods_and_not_the_deadline", paused)
        .fact("a_paused_job_credited_in_full_completes", paused_and_credited)
}

async fn suspends(place: &Place) -> Outcome {
    place.create("j", json!({"parallelism": 2, "completions": 4})).await?;
    place.live("j", 2).await;
    let started = place.until_active("j", 2).await["status"]["startTime"].clone();
    assert!(started.is_string());
    place.patch("j", json!({"spec": {"suspend": true}})).await?;
    let job = place
        .until("j", "quiet", |job| is_true(job, "Suspended") && number(job, "active") == 0)
        .await;
    assert_eq!(condition(&job, "Suspended")["reason"], "JobSuspended");
    assert_eq!((number(&job, "failed"), number(&job, "succeeded")), (0, 0));
    let kept = if place.is_new() { &Value::Null } else { &started };
    assert_eq!(&job["status"]["startTime"], kept);
    place.live("j", 0).await;
    let job = place.until("j", "gone", |job| number(job, "terminating") == 0).await;
    assert_eq!(job["status"]["uncountedTerminatedPods"], json!({}));
    place.pass(&json!({"status": {"startTime": started}}), 1).await?;
    place.patch("j", json!({"spec": {"suspend": false}})).await?;
    let job = place.until_active("j", 2).await;
    assert_eq!(condition(&job, "Suspended")["reason"], "JobResumed");
    assert_eq!(condition(&job, "Suspended")["status"], "False");
    assert!(job["status"]["startTime"].as_str() > started.as_str());
    Ok(())
}

async fn unseen(place: &Place) -> Outcome {
    let pods = place.running("j", json!({"completions": 2}), 1).await?;
    let before = place.job("j").await?["status"].clone();
    place.stop_controllers();
    for suspend in [true, false] {
        place.patch("j", json!({"spec": {"suspend": suspend}})).await?;
    }
    place.start_controllers()?;
    // The controllers have come by once a Job that is made afterwards has its pod.
    place.create("later", json!({})).await?;
    place.until_active("later", 1).await;
    let job = place.job("j").await?;
    assert!(place.is_untouched(&pods[0]).await?);
    assert_eq!(job["status"], before);
    Ok(())
}

async fn slow_pods(place: &Place) -> Outcome {
    place.create("j", json!({"parallelism": 2, "completions": 4})).await?;
    let pods = place.run("j", 2).await?;
    place.until("j", "ready", |job| number(job, "ready") == 2).await;
    place.patch("j", json!({"spec": {"suspend": true}})).await?;
    place
        .until("j", "stopping", |job| is_true(job, "Suspended") && number(job, "terminating") == 2)
        .await;
    for pod in place.pods("j").await? {
        assert!(pod.terminating && pod.object["metadata"]["finalizers"].is_null(), "{}", pod.name);
    }
    place.kubelet.release(&pods[0]).await?;
    place.until("j", "one left", |job| number(job, "terminating") == 1).await;
    place.kubelet.release(&pods[1]).await?;
    let job = place.until("j", "gone", |job| number(job, "terminating") == 0).await;
    assert_eq!((number(&job, "failed"), number(&job, "active"), number(&job, "ready")), (0, 0, 0));
    Ok(())
}

/// A suspended Job whose deadline has passed since it was started.
async fn overdue(place: &Place) -> Result<Value, libtest_mimic::Failed> {
    place.create("j", json!({"completions": 2})).await?;
    let job = place.until_active("j", 1).await;
    place.patch("j", json!({"spec": {"suspend": true, "activeDeadlineSeconds": 2}})).await?;
    place.pass(&job, 3).await?;
    let suspended = place.until_true("j", "Suspended").await;
    assert!(!is_true(&suspended, "Failed"));
    Ok(job["status"]["startTime"].clone())
}

async fn resume(place: &Place) -> Outcome {
    let started = overdue(place).await?;
    place.patch("j", json!({"spec": {"suspend": false}})).await?;
    if place.is_new() {
        let resumed = |job: &Value| condition(job, "Suspended")["status"] == "False";
        let job = place.until("j", "resumed", resumed).await;
        assert!(job["status"]["startTime"].as_str() > started.as_str());
    } else {
        let job = place.until_true("j", "Failed").await;
        assert_eq!(condition(&job, "Failed")["reason"], "DeadlineExceeded");
        assert_eq!((&job["status"]["startTime"], is_true(&job, "Suspended")), (&started, true));
    }
    Ok(())
}

async fn resume_with_deadline(place: &Place) -> Outcome {
    let started = overdue(place).await?;
    place.patch("j", json!({"spec": {"suspend": false, "activeDeadlineSeconds": 600}})).await?;
    let job = place.until_active("j", 1).await;
    assert_eq!(condition(&job, "Suspended")["status"], "False");
    assert!(job["status"]["startTime"].as_str() > started.as_str());
    Ok(())
}

async fn lease(place: &Place) -> Outcome {
    place.create("j", json!({"completions": 2, "activeDeadlineSeconds": 30})).await?;
    let pods = place.live("j", 1).await;
    let job = place.until_active("j", 1).await;
    place.patch("j", json!({"spec": {"activeDeadlineSeconds": 600}})).await?;
    place.kubelet.succeed(&pods[0]).await?;
    let counted = place.until("j", "goes on", |job| number(job, "succeeded") == 1).await;
    assert!(!is_true(&counted, "Failed"));
    place.pass(&job, 2).await?;
    place.patch("j", json!({"spec": {"activeDeadlineSeconds": 2}})).await?;
    let job = place.until_true("j", "Failed").await;
    assert_eq!(condition(&job, "Failed")["reason"], "DeadlineExceeded");
    Ok(())
}

async fn paused_and_credited(place: &Place) -> Outcome {
    place.create("j", json!({"parallelism": 0, "completions": 4})).await?;
    place.until("j", "started", |job| job["status"]["startTime"].is_string()).await;
    place.credit("j", 4).await?;
    let job = place.until_true("j", "Complete").await;
    assert_eq!(
        (number(&job, "succeeded"), number(&job, "failed"), place.pods("j").await?.len()),
        (4, 0, 0)
    );
    Ok(())
}

async fn paused(place: &Place) -> Outcome {
    place.create("j", json!({"parallelism": 2, "completions": 4})).await?;
    place.until_active("j", 2).await;
    place.patch("j", json!({"spec": {"parallelism": 0}})).await?;
    place.live("j", 0).await;
    let job = place.until_active("j", 0).await;
    assert_eq!((&job["status"]["conditions"], number(&job, "failed")), (&Value::Null, 0));
    place.patch("j", json!({"spec": {"activeDeadlineSeconds": 1}})).await?;
    let job = place.until_true("j", "Failed").await;
    assert_eq!(condition(&job, "Failed")["reason"], "DeadlineExceeded");
    Ok(())
}
