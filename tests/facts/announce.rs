//! What the status says on the way to the end.

use serde_json::{Value, json};

use crate::facts::{Facts, Outcome};
use crate::place::{Place, condition, is_true, number};

pub fn facts() -> Facts {
    Facts::of("announce")
        .fact("completion_is_announced_with_a_reason_or_just_there", completion)
        .fact("failure_is_announced_or_just_there", failure)
        .fact("a_policy_fails_a_job_by_an_exit_code", fail_job)
        .fact("active_is_0_in_backoff_on_old_servers", active_in_backoff)
}

fn kinds(job: &Value) -> Vec<&str> {
    let list = job["status"]["conditions"].as_array().into_iter().flatten();
    list.filter(|c| c["status"] == "True").filter_map(|c| c["type"].as_str()).collect()
}

async fn completion(place: &Place) -> Outcome {
    place.create("j", json!({"parallelism": 3, "completions": 3})).await?;
    for pod in place.live("j", 3).await {
        place.kubelet.succeed(&pod).await?;
    }
    let job = place.until_true("j", "Complete").await;
    let complete = condition(&job, "Complete");
    if place.is_new() {
        assert_eq!(kinds(&job), ["SuccessCriteriaMet", "Complete"]);
        assert_eq!(complete["reason"], "CompletionsReached");
        assert_eq!(complete["message"], "Reached expected number of succeeded pods");
    } else {
        assert_eq!(kinds(&job), ["Complete"]);
        assert_eq!((&complete["reason"], &complete["message"]), (&Value::Null, &Value::Null));
    }
    assert!(job["status"]["completionTime"].is_string());
    assert_eq!(
        (number(&job, "succeeded"), number(&job, "active"), number(&job, "ready")),
        (3, 0, 0)
    );
    // The pods stay, and nothing holds them.
    let pods = place.pods("j").await?;
    assert_eq!(pods.iter().filter(|pod| pod.object["metadata"]["finalizers"].is_null()).count(), 3);
    Ok(())
}

async fn failure(place: &Place) -> Outcome {
    place.create("j", json!({"backoffLimit": 0})).await?;
    let pods = place.live("j", 1).await;
    place.kubelet.fail(&pods[0], 1).await?;
    let job = place.until_true("j", "Failed").await;
    let announced: &[&str] =
        if place.is_new() { &["FailureTarget", "Failed"] } else { &["Failed"] };
    assert_eq!(kinds(&job), announced);
    assert_eq!(condition(&job, "Failed")["reason"], "BackoffLimitExceeded");
    assert_eq!((number(&job, "failed"), &job["status"]["completionTime"]), (1, &Value::Null));
    Ok(())
}

async fn fail_job(place: &Place) -> Outcome {
    let rule = json!({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}});
    let spec = json!({"parallelism": 2, "completions": 4, "podFailurePolicy": {"rules": [rule]}});
    place.create("j", spec).await?;
    let pods = place.live("j", 2).await;
    place.kubelet.fail(&pods[0], 42).await?;
    let job = place.until_true("j", "Failed").await;
    assert_eq!(kinds(&job), ["FailureTarget", "Failed"]);
    let failed = condition(&job, "Failed");
    assert_eq!(failed["reason"], "PodFailurePolicy");
    let message = failed["message"].as_str().unwrap_or_default();
    assert!(
        message.ends_with("failed with exit code 42 matching FailJob rule at index 0"),
        "{message}"
    );
    Ok(())
}

async fn active_in_backoff(place: &Place) -> Outcome {
    let pods = place.running("j", json!({"parallelism": 3, "completions": 6}), 3).await?;
    place.kubelet.fail(&pods[0], 1).await?;
    let job = place.until("j", "a failure", |job| number(job, "failed") == 1).await;
    assert!(!is_true(&job, "Failed"));
    assert_eq!(number(&job, "active"), if place.is_new() { 2 } else { 0 });
    assert_eq!(place.live("j", 2).await.len(), 2);
    Ok(())
}
