//! A credit: a counter that somebody raises besides the controller.

use serde_json::json;

use crate::facts::{Facts, Outcome};
use crate::place::{LEDGER, Place, is_true, number, refused};

pub fn facts() -> Facts {
    Facts::of("credit")
        .fact("one_write_changes_counter_annotations_and_labels", one_write)
        .fact("a_write_under_an_old_version_changes_nothing", old_version)
        .fact("a_write_for_another_uid_is_refused", other_uid)
        .fact("what_no_pod_works_on_is_credited_and_no_pod_is_killed", kills_nothing)
        .fact("one_more_kills_a_pod", kills_one)
        .fact("pending_pods_go_before_running_ones", pending_first)
        .fact("crediting_all_completes_and_old_servers_count_failures", all)
        .fact("more_than_there_is_to_do_is_believed", beyond)
        .fact("a_finished_job_takes_credits_and_nobody_looks", finished)
        .fact("a_suspended_job_is_credited_and_resumed_exactly", suspended)
        .alone("a_credit_before_the_first_look_is_believed", before_the_first_look)
        .alone("a_credit_outlives_the_controllers", outlives_the_controllers)
}

/// A Job of six with two running pods, and nothing that the controller has left to write.
async fn quiet(place: &Place) -> Result<Vec<real::Pod>, libtest_mimic::Failed> {
    place.running("j", json!({"parallelism": 2, "completions": 6}), 2).await
}

async fn one_write(place: &Place) -> Outcome {
    quiet(place).await?;
    let job = place.job("j").await?;
    let written = place
        .patch_status(
            "j",
            json!({
                "metadata": {
                    "resourceVersion": job["metadata"]["resourceVersion"],
                    "uid": job["metadata"]["uid"],
                    "annotations": {LEDGER: "3"}, "labels": {"moved": "yes"},
                },
                "spec": {"parallelism": 7},
                "status": {"succeeded": 3},
            }),
        )
        .await?;
    assert_eq!(written["metadata"]["annotations"][LEDGER], "3");
    assert_eq!(written["metadata"]["labels"]["moved"], "yes");
    assert_eq!(written["status"]["succeeded"], 3);
    assert_eq!((&written["spec"], &written["metadata"]["generation"]), (&job["spec"], &json!(1)));
    Ok(())
}

async fn old_version(place: &Place) -> Outcome {
    quiet(place).await?;
    let old = place.job("j").await?["metadata"]["resourceVersion"].clone();
    let now = place.patch("j", json!({"metadata": {"annotations": {"somebody": "else"}}})).await?;
    let metadata = json!({"resourceVersion": old, "annotations": {LEDGER: "3"}});
    let answer =
        place.patch_status("j", json!({"metadata": metadata, "status": {"succeeded": 3}})).await;
    refused(answer, 409, "the object has been modified");
    assert_eq!(place.job("j").await?, now);
    Ok(())
}

async fn other_uid(place: &Place) -> Outcome {
    quiet(place).await?;
    let metadata = json!({"uid": "00000000-0000-0000-0000-000000000000"});
    let answer =
        place.patch_status("j", json!({"metadata": metadata, "status": {"succeeded": 3}})).await;
    refused(answer, 422, "metadata.uid: Invalid value");
    assert_eq!(number(&place.job("j").await?, "succeeded"), 0);
    Ok(())
}

async fn kills_nothing(place: &Place) -> Outcome {
    let pods = quiet(place).await?;
    place.credit("j", 4).await?;
    place.kubelet.succeed(&pods[0]).await?;
    place
        .until("j", "one more", |job| number(job, "succeeded") == 5 && number(job, "active") == 1)
        .await;
    assert!(place.is_untouched(&pods[1]).await?);
    place.kubelet.succeed(&pods[1]).await?;
    let job = place.until_true("j", "Complete").await;
    assert_eq!((number(&job, "succeeded"), number(&job, "failed")), (6, 0));
    assert_eq!(place.pods("j").await?.len(), 2);
    Ok(())
}

async fn kills_one(place: &Place) -> Outcome {
    quiet(place).await?;
    place.credit("j", 5).await?;
    place.live("j", 1).await;
    let job = place.until_active("j", 1).await;
    assert_eq!((number(&job, "succeeded"), number(&job, "failed")), (5, 0));
    Ok(())
}

async fn pending_first(place: &Place) -> Outcome {
    place.create("j", json!({"parallelism": 3, "completions": 6})).await?;
    let pods = place.live("j", 3).await;
    for running in [&pods[0], &pods[2]] {
        place.kubelet.bind(running).await?;
        place.kubelet.run(running).await?;
    }
    place.until("j", "ready", |job| number(job, "ready") == 2).await;
    place.patch("j", json!({"spec": {"parallelism": 2}})).await?;
    place.until_deleted(&pods[1]).await;
    let job = place.until_active("j", 2).await;
    assert_eq!((number(&job, "failed"), number(&job, "ready")), (0, 2));
    for running in [&pods[0], &pods[2]] {
        assert!(place.is_untouched(running).await?);
    }
    Ok(())
}

async fn all(place: &Place) -> Outcome {
    let pods = quiet(place).await?;
    place.credit("j", 6).await?;
    if place.is_new() {
        let job = place.until_true("j", "SuccessCriteriaMet").await;
        assert!(!is_true(&job, "Complete"));
    } else {
        place.until_true("j", "Complete").await;
    }
    for pod in &pods {
        place.until_deleted(pod).await;
        place.kubelet.release(pod).await?;
    }
    let job = place.until_true("j", "Complete").await;
    // The look that completes a Job takes what it has just killed for failures.
    let failures = if place.is_new() { 0 } else { 2 };
    assert_eq!((number(&job, "succeeded"), number(&job, "failed")), (6, failures));
    Ok(())
}

async fn beyond(place: &Place) -> Outcome {
    place.create("j", json!({"parallelism": 1, "completions": 2})).await?;
    place.live("j", 1).await;
    place.credit("j", 5).await?;
    let job = place.until_true("j", "Complete").await;
    let failures = i64::from(!place.is_new());
    assert_eq!((number(&job, "succeeded"), number(&job, "failed")), (5, failures));
    Ok(())
}

async fn finished(place: &Place) -> Outcome {
    place.create("j", json!({"completions": 1})).await?;
    let pods = place.run("j", 1).await?;
    place.kubelet.succeed(&pods[0]).await?;
    place.until_true("j", "Complete").await;
    let job = place.credit("j", 1).await?;
    assert_eq!((number(&job, "succeeded"), is_true(&job, "Complete")), (2, true));
    Ok(())
}

async fn suspended(place: &Place) -> Outcome {
    place.create("j", json!({"parallelism": 5, "completions": 5, "suspend": true})).await?;
    place.until_true("j", "Suspended").await;
    place.credit("j", 3).await?;
    place.patch("j", json!({"spec": {"suspend": false}})).await?;
    for pod in place.run("j", 2).await? {
        place.kubelet.succeed(&pod).await?;
    }
    let job = place.until_true("j", "Complete").await;
    assert_eq!((number(&job, "succeeded"), place.pods("j").await?.len()), (5, 2));
    Ok(())
}

async fn before_the_first_look(place: &Place) -> Outcome {
    place.stop_controllers();
    place.create("j", json!({"parallelism": 2, "completions": 3})).await?;
    place.credit("j", 3).await?;
    place.start_controllers()?;
    let job = place.until_true("j", "Complete").await;
    assert_eq!((number(&job, "succeeded"), place.pods("j").await?.len()), (3, 0));
    Ok(())
}

async fn outlives_the_controllers(place: &Place) -> Outcome {
    let pods = quiet(place).await?;
    place.stop_controllers();
    place.kubelet.succeed(&pods[0]).await?;
    // Both pods carry the finalizer, and neither is counted.
    place.credit("j", 6 - 2).await?;
    place.start_controllers()?;
    place
        .until("j", "one more", |job| number(job, "succeeded") == 5 && number(job, "active") == 1)
        .await;
    assert!(place.is_untouched(&pods[1]).await?);
    place.kubelet.succeed(&pods[1]).await?;
    let job = place.until_true("j", "Complete").await;
    assert_eq!((number(&job, "succeeded"), place.pods("j").await?.len()), (6, 2));
    Ok(())
}
