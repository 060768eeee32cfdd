//! How many pods a Job wants, and what is left of it.

use serde_json::json;

use crate::facts::{Facts, Outcome};
use crate::place::{Place, condition, manifest, number, refused};

pub fn facts() -> Facts {
    Facts::of("shape")
        .fact("nothing_set_means_one_of_one", nothing_set)
        .fact("no_completions_wanted_completes_at_once", none_wanted)
        .fact("no_more_pods_than_are_left_to_do", left_to_do)
        .fact("pods_are_found_by_name_and_by_uid", labels)
        .fact("a_pod_that_exits_0_while_it_is_scaled_away_is_not_counted", scaled_away)
        .fact("a_deleted_pod_is_a_failure_at_once_or_when_it_has_ended", deleted_pod)
        .fact("restarts_within_pods_use_up_the_backoff_limit", restarts)
        .fact("a_job_that_somebody_else_manages_is_left_alone", managed_by)
        .fact("a_finished_job_goes_after_its_time", time_to_live)
        .fact("a_deleted_job_leaves_its_pods_or_takes_them", deletion)
}

async fn nothing_set(place: &Place) -> Outcome {
    let spec = place.create("j", json!({})).await?["spec"].clone();
    assert_eq!(
        (&spec["parallelism"], &spec["completions"], &spec["backoffLimit"]),
        (&json!(1), &json!(1), &json!(6))
    );
    let spec = place.create("q", json!({"parallelism": 2})).await?["spec"].clone();
    assert!(spec["completions"].is_null());
    place.live("j", 1).await;
    place.live("q", 2).await;
    Ok(())
}

async fn none_wanted(place: &Place) -> Outcome {
    place.create("j", json!({"completions": 0, "parallelism": 3})).await?;
    let job = place.until_true("j", "Complete").await;
    assert_eq!((number(&job, "succeeded"), place.pods("j").await?.len()), (0, 0));
    assert!(job["status"]["startTime"].is_string() && job["status"]["completionTime"].is_string());
    Ok(())
}

async fn left_to_do(place: &Place) -> Outcome {
    place.create("j", json!({"completions": 3, "parallelism": 9})).await?;
    let pods = place.live("j", 3).await;
    place.kubelet.succeed(&pods[0]).await?;
    place
        .until("j", "one less", |job| number(job, "succeeded") == 1 && number(job, "active") == 2)
        .await;
    assert_eq!(place.pods("j").await?.len(), 3);
    Ok(())
}

async fn labels(place: &Place) -> Outcome {
    let uid =
        place.create("j", json!({"parallelism": 2, "completions": 2})).await?["metadata"]["uid"]
            .clone();
    place.create("k", json!({})).await?;
    place.live("k", 1).await;
    let mut pods: Vec<String> = place.live("j", 2).await.into_iter().map(|pod| pod.name).collect();
    pods.sort();
    let uid = uid.as_str().unwrap_or_default();
    for (label, value) in [("job-name", "j"), ("controller-uid", uid)] {
        let mut found = place.select_pods(&format!("batch.kubernetes.io/{label}"), value).await?;
        found.sort();
        assert_eq!(found, pods, "{label}");
    }
    Ok(())
}

async fn scaled_away(place: &Place) -> Outcome {
    let pods = place.running("j", json!({"completions": 2, "parallelism": 2}), 2).await?;
    place.patch("j", json!({"spec": {"parallelism": 0}})).await?;
    place
        .until("j", "stopping", |job| number(job, "active") == 0 && number(job, "terminating") == 2)
        .await;
    for pod in &pods {
        place.kubelet.succeed(pod).await?;
        place.kubelet.release(pod).await?;
    }
    place.patch("j", json!({"spec": {"parallelism": 2}})).await?;
    for pod in place.live("j", 2).await {
        place.kubelet.succeed(&pod).await?;
    }
    let job = place.until_true("j", "Complete").await;
    assert_eq!((number(&job, "succeeded"), number(&job, "failed")), (2, 0));
    Ok(())
}

async fn deleted_pod(place: &Place) -> Outcome {
    for (name, policy) in [("soon", "TerminatingOrFailed"), ("late", "Failed")] {
        let spec = json!({"completions": 1, "podReplacementPolicy": policy});
        place.create(name, spec).await?;
        let pod = place.run(name, 1).await?.remove(0);
        place.until(name, "ready", |job| number(job, "ready") == 1).await;
        place.delete_pod(&pod).await?;
        let job = place.until(name, "terminating", |job| number(job, "terminating") == 1).await;
        if policy == "Failed" {
            assert_eq!(number(&job, "failed"), 0);
            place.kubelet.fail(&pod, 143).await?;
        }
        place.until(name, "a failure", |job| number(job, "failed") == 1).await;
        place.live(name, 1).await;
        place.kubelet.release(&pod).await?;
    }
    Ok(())
}

async fn restarts(place: &Place) -> Outcome {
    let mut job = manifest("j", json!({"backoffLimit": 2}));
    job["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure".into();
    place.post(job).await?;
    let pods = place.live("j", 1).await;
    for count in [1, 2] {
        let container = json!({
            "name": "main", "image": "busybox", "imageID": "", "ready": false,
            "restartCount": count,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        });
        let status = json!({"phase": "Running", "containerStatuses": [container]});
        place.patch_pod_status(&pods[0], status).await?;
    }
    let job = place.until_true("j", "Failed").await;
    assert_eq!(condition(&job, "Failed")["reason"], "BackoffLimitExceeded");
    Ok(())
}

async fn managed_by(place: &Place) -> Outcome {
    let made = place.create("theirs", json!({"managedBy": "example.com/another"})).await?;
    if !place.is_new() {
        assert!(made["spec"]["managedBy"].is_null());
        place.live("theirs", 1).await;
        return Ok(());
    }
    place.create("later", json!({})).await?;
    place.live("later", 1).await;
    assert_eq!(
        (&place.job("theirs").await?["status"], place.pods("theirs").await?.len()),
        (&json!({}), 0)
    );
    Ok(())
}

async fn time_to_live(place: &Place) -> Outcome {
    place.create("j", json!({})).await?;
    let pods = place.live("j", 1).await;
    place.kubelet.succeed(&pods[0]).await?;
    place.until_true("j", "Complete").await;
    // A time that is given when the Job has ended counts too.
    place.patch("j", json!({"spec": {"ttlSecondsAfterFinished": 0}})).await?;
    place.until_gone("j").await;
    Ok(())
}

async fn deletion(place: &Place) -> Outcome {
    for name in ["left", "taken"] {
        place.create(name, json!({})).await?;
        place.live(name, 1).await;
    }
    let wrong = json!({"propagationPolicy": "Background", "preconditions": {"uid": "another"}});
    refused(
        place.delete("taken", wrong).await,
        409,
        "the UID in the precondition (another) does not match",
    );
    place.delete("taken", json!({"propagationPolicy": "Background"})).await?;
    place.live("taken", 0).await;
    place.until_gone("taken").await;
    place.delete("left", json!({})).await?;
    place.until_gone("left").await;
    assert!(!place.live("left", 1).await[0].terminating);
    Ok(())
}
