//! Credits of indexes.

use real::Pod;
use serde_json::{Value, json};

use crate::facts::{Facts, Outcome};
use crate::place::{LEDGER, Place, condition, indexes, is_true, manifest, number, refused};

pub fn facts() -> Facts {
    Facts::of("indexed")
        .fact("only_what_is_not_credited_runs_under_its_own_index", own_indexes)
        .fact("a_variable_of_the_templates_own_wins", own_variable)
        .fact("the_lowest_indexes_run_first_and_a_credit_of_the_tail_kills_none", tail)
        .fact("a_credited_index_that_runs_may_kill_another", kills_another)
        .fact("indexes_are_written_in_their_short_form", short_form)
        .fact("a_counter_raised_without_indexes_stops_or_is_undone", without_indexes)
        .fact(
            "a_credited_index_whose_pod_fails_blocks_a_job_with_limits_per_index",
            fails_though_credited,
        )
        .fact(
            "a_failed_pod_that_a_suspended_job_would_try_again_keeps_its_finalizer",
            failed_while_suspended,
        )
        .fact("an_index_fails_and_the_others_go_on", failed_index)
        .fact("too_many_failed_indexes_end_a_job", too_many_failed)
        .fact("completions_down_and_up_again_lose_credits", elastic)
        .fact("a_success_policy_is_met_by_credits", success_policy)
}

fn spec(parallelism: i64, completions: i64, more: Value) -> Value {
    let mut spec = json!({"parallelism": parallelism, "completions": completions,
        "completionMode": "Indexed"});
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    spec
}

async fn own_indexes(place: &Place) -> Outcome {
    place.create("i", spec(18, 18, json!({"suspend": true}))).await?;
    place.until_true("i", "Suspended").await;
    place.credit_indexes("i", "0-5,8,12-17", 13).await?;
    place.patch("i", json!({"spec": {"suspend": false}})).await?;
    let pods = place.run("i", 5).await?;
    assert_eq!(indexes(&pods), [6, 7, 9, 10, 11]);
    let (key, pod) = ("batch.kubernetes.io/job-completion-index", &pods[2].object);
    assert_eq!(
        (&pod["metadata"]["annotations"][key], &pod["metadata"]["labels"][key]),
        (&json!("9"), &json!("9"))
    );
    assert_eq!(pod["spec"]["hostname"], "i-9");
    assert_eq!(
        pod["spec"]["containers"][0]["env"],
        json!([{
            "name": "JOB_COMPLETION_INDEX",
            "valueFrom": {"fieldRef": {"apiVersion": "v1",
                "fieldPath": format!("metadata.labels['{key}']")}},
        }])
    );
    for pod in &pods {
        place.kubelet.succeed(pod).await?;
    }
    let job = place.until_true("i", "Complete").await;
    assert_eq!(
        (&job["status"]["completedIndexes"], number(&job, "succeeded")),
        (&json!("0-17"), 18)
    );
    assert_eq!(place.pods("i").await?.len(), 5);
    Ok(())
}

async fn own_variable(place: &Place) -> Outcome {
    let mut job = manifest("i", spec(1, 1, json!({})));
    let own = json!([{"name": "JOB_COMPLETION_INDEX", "value": "mine"}]);
    job["spec"]["template"]["spec"]["containers"][0]["env"] = own.clone();
    place.post(job).await?;
    assert_eq!(place.live("i", 1).await[0].object["spec"]["containers"][0]["env"], own);
    Ok(())
}

async fn tail(place: &Place) -> Outcome {
    let pods = place.running("i", spec(2, 6, json!({})), 2).await?;
    assert_eq!(indexes(&pods), [0, 1]);
    place.credit_indexes("i", "4,5", 2).await?;
    place.kubelet.succeed(&pods[0]).await?;
    let next = place.run("i", 2).await?;
    assert_eq!(indexes(&next), [1, 2]);
    assert!(place.is_untouched(&pods[1]).await?);
    for pod in &next {
        place.kubelet.succeed(pod).await?;
    }
    let last = place.run("i", 1).await?;
    assert_eq!(indexes(&last), [3]);
    place.kubelet.succeed(&last[0]).await?;
    let job = place.until_true("i", "Complete").await;
    assert_eq!(
        (&job["status"]["completedIndexes"], place.pods("i").await?.len()),
        (&json!("0-5"), 4)
    );
    Ok(())
}

async fn kills_another(place: &Place) -> Outcome {
    place.create("i", spec(3, 3, json!({}))).await?;
    let pods = place.live("i", 3).await;
    for running in &pods[..2] {
        place.kubelet.bind(running).await?;
        place.kubelet.run(running).await?;
    }
    place.until("i", "ready", |job| number(job, "ready") == 2).await;
    place.credit_indexes("i", "0", 1).await?;
    place.until_deleted(&pods[2]).await;
    place.until_active("i", 2).await;
    assert!(place.is_untouched(&pods[0]).await?);
    // What the credited one achieves is no news, and the killed one's turn comes again.
    place.kubelet.succeed(&pods[0]).await?;
    assert_eq!(indexes(&place.live("i", 2).await), [1, 2]);
    assert_eq!(number(&place.job("i").await?, "succeeded"), 1);
    Ok(())
}

async fn short_form(place: &Place) -> Outcome {
    place.create("i", spec(1, 9, json!({"suspend": true}))).await?;
    place.until_true("i", "Suspended").await;
    place.credit_indexes("i", "0,1,2,4,5-7", 7).await?;
    place.until("i", "rewritten", |job| job["status"]["completedIndexes"] == "0-2,4-7").await;
    let broken = place.patch_status("i", json!({"status": {"completedIndexes": "x"}})).await;
    if place.is_new() {
        refused(broken, 422, "cannot convert string to integer for index: \"x\"");
    } else {
        broken?;
        place.until("i", "forgotten", |job| job["status"]["completedIndexes"].is_null()).await;
        assert_eq!(number(&place.job("i").await?, "succeeded"), 0);
    }
    Ok(())
}

async fn without_indexes(place: &Place) -> Outcome {
    let pods = place.running("i", spec(2, 6, json!({})), 2).await?;
    place.credit("i", 3).await?;
    place.kubelet.succeed(&pods[0]).await?;
    if !place.is_new() {
        let job = place.until("i", "undone", |job| job["status"]["completedIndexes"] == "0").await;
        assert_eq!(
            (number(&job, "succeeded"), &job["metadata"]["annotations"][LEDGER]),
            (1, &json!("3"))
        );
        return Ok(());
    }
    // The controller has seen the success, and is refused each time it wants to write it down.
    assert_eq!(indexes(&place.live("i", 2).await), [1, 2]);
    let stuck = place.job("i").await?;
    assert_eq!(
        (number(&stuck, "succeeded"), &stuck["status"]["completedIndexes"]),
        (3, &Value::Null)
    );
    let lower =
        place.try_status("i", json!({"status": {"succeeded": 1, "completedIndexes": "0"}})).await;
    refused(lower, 422, "cannot decrease the succeeded counter");
    place.credit_indexes("i", "3-5", 3).await?;
    place.until("i", "counted again", |job| job["status"]["completedIndexes"] == "0,3-5").await;
    Ok(())
}

async fn fails_though_credited(place: &Place) -> Outcome {
    let pods = place.running("i", spec(2, 3, json!({"backoffLimitPerIndex": 0})), 2).await?;
    place.credit_indexes("i", "0", 1).await?;
    place.kubelet.fail(&pods[0], 1).await?;
    if !place.is_new() {
        place.kubelet.succeed(&pods[1]).await?;
        let job = place.until_true("i", "Failed").await;
        assert_eq!(condition(&job, "Failed")["reason"], "FailedIndexes");
        assert_eq!(
            (&job["status"]["completedIndexes"], &job["status"]["failedIndexes"]),
            (&json!("0,1"), &json!("0"))
        );
        return Ok(());
    }
    // Index 2 is started after the controller has seen the failure, which it cannot write down.
    let next = place.live("i", 2).await;
    assert_eq!(indexes(&next), [1, 2]);
    let overlap = json!({"status": {"failed": 1, "failedIndexes": "0"}});
    refused(
        place.try_status("i", overlap).await,
        422,
        "failedIndexes and completedIndexes overlap at index: 0",
    );
    assert_eq!(number(&place.job("i").await?, "failed"), 0);
    place.patch_pod(&pods[0], json!({"metadata": {"finalizers": null}})).await?;
    for pod in &next {
        place.kubelet.succeed(pod).await?;
    }
    let job = place.until_true("i", "Complete").await;
    assert_eq!(job["status"]["completedIndexes"], "0-2");
    Ok(())
}

async fn failed_index(place: &Place) -> Outcome {
    place.create("i", spec(3, 3, json!({"backoffLimitPerIndex": 0}))).await?;
    let pods = place.run("i", 3).await?;
    place.kubelet.fail(&pods[1], 1).await?;
    let job = place.until("i", "failed", |job| job["status"]["failedIndexes"] == "1").await;
    assert!(!is_true(&job, "Failed"));
    place.kubelet.succeed(&pods[0]).await?;
    place.until("i", "goes on", |job| job["status"]["completedIndexes"] == "0").await;
    assert!(place.is_untouched(&pods[2]).await?);
    place.kubelet.succeed(&pods[2]).await?;
    let job = place.until_true("i", "Failed").await;
    assert_eq!(condition(&job, "Failed")["reason"], "FailedIndexes");
    assert_eq!((number(&job, "succeeded"), number(&job, "failed")), (2, 1));
    Ok(())
}

async fn too_many_failed(place: &Place) -> Outcome {
    place
        .create("i", spec(3, 3, json!({"backoffLimitPerIndex": 0, "maxFailedIndexes": 1})))
        .await?;
    let pods = place.live("i", 3).await;
    for pod in &pods[..2] {
        place.kubelet.fail(pod, 1).await?;
    }
    let job = place.until_true("i", "Failed").await;
    assert_eq!(condition(&job, "Failed")["reason"], "MaxFailedIndexesExceeded");
    assert_eq!(job["status"]["failedIndexes"], "0,1");
    Ok(())
}

async fn elastic(place: &Place) -> Outcome {
    place.create("i", spec(6, 6, json!({"suspend": true}))).await?;
    place.until_true("i", "Suspended").await;
    place.credit_indexes("i", "1,4,5", 3).await?;
    place.patch("i", json!({"spec": {"parallelism": 3, "completions": 3}})).await?;
    place.until("i", "cut", |job| job["status"]["completedIndexes"] == "1").await;
    place.patch("i", json!({"spec": {"parallelism": 6, "completions": 6}})).await?;
    place.patch("i", json!({"spec": {"suspend": false}})).await?;
    assert_eq!(indexes(&place.live("i", 5).await), [0, 2, 3, 4, 5]);
    let job = place.until_active("i", 5).await;
    assert_eq!((&job["status"]["completedIndexes"], number(&job, "succeeded")), (&json!("1"), 1));
    assert_eq!(job["metadata"]["annotations"][LEDGER], "1,4,5");
    Ok(())
}

async fn success_policy(place: &Place) -> Outcome {
    let policy = json!({"rules": [{"succeededIndexes": "2-4", "succeededCount": 2}]});
    let made = place.create("i", spec(1, 6, json!({"successPolicy": policy}))).await?;
    if !place.is_new() {
        assert!(made["spec"]["successPolicy"].is_null());
        return Ok(());
    }
    let pods = place.run("i", 1).await?;
    place.credit_indexes("i", "3,4", 2).await?;
    let job = place.until_true("i", "SuccessCriteriaMet").await;
    assert_eq!(condition(&job, "SuccessCriteriaMet")["reason"], "SuccessPolicy");
    place.until_deleted(&pods[0]).await;
    place.kubelet.release(&pods[0]).await?;
    let job = place.until_true("i", "Complete").await;
    assert_eq!(
        (condition(&job, "Complete")["reason"].as_str(), number(&job, "succeeded")),
        (Some("SuccessPolicy"), 2)
    );
    Ok(())
}

async fn failed_while_suspended(place: &Place) -> Outcome {
    let pods = place.running("i", spec(2, 3, json!({"backoffLimitPerIndex": 3})), 2).await?;
    place.kubelet.fail(&pods[0], 1).await?;
    place.until("i", "one ready", |job| number(job, "ready") == 1).await;
    place.patch("i", json!({"spec": {"suspend": true}})).await?;
    place.until_deleted(&pods[1]).await;
    place.kubelet.release(&pods[1]).await?;
    let job = place
        .until("i", "quiet", |job| {
            is_true(job, "Suspended") && number(job, "active") + number(job, "terminating") == 0
        })
        .await;
    // It is not counted, and will not be: its successor would carry how often the index failed.
    assert_eq!(number(&job, "failed"), 0);
    assert_eq!(job["status"]["uncountedTerminatedPods"], json!({}));
    let held: Vec<_> = place.pods("i").await?.into_iter().filter(|pod| !pod.terminating).collect();
    assert_eq!(indexes(&held), [0]);
    let is_tracked = |pod: &Pod| pod.object["metadata"]["finalizers"].to_string().contains("job-");
    assert!(is_tracked(&held[0]));
    // It keeps it also where somebody deletes the pod. The controllers have looked at that when they
    // have counted another Job.
    place.delete_pod(&pods[0]).await?;
    place.create("other", json!({"completions": 0})).await?;
    place.until_true("other", "Complete").await;
    let deleted = place.pods("i").await?;
    assert_eq!(indexes(&deleted), [0]);
    assert!(deleted[0].terminating && is_tracked(&deleted[0]), "{deleted:#?}");
    // A credit of all the rest ends the Job, and lets the pod go.
    let start = &job["metadata"]["creationTimestamp"];
    let credit = json!({"succeeded": 3, "completedIndexes": "0-2", "startTime": start});
    place.patch_status("i", json!({"status": credit})).await?;
    let job = place.until_true("i", "Complete").await;
    assert_eq!(job["status"]["completedIndexes"], "0-2");
    let pods = place.pods("i").await?;
    assert!(pods.iter().all(|pod| pod.object["metadata"]["finalizers"].is_null()));
    Ok(())
}
