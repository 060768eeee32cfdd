//! What a server refuses to be told. Nothing is written here: the questions are dry runs.

use real::Error;
use serde_json::{Value, json};

use crate::facts::{Facts, Outcome};
use crate::place::{Place, refused};

pub fn facts() -> Facts {
    Facts::of("checks")
        .fact("counters_never_fall_on_new_servers", counters)
        .fact("lists_of_indexes_are_checked_by_new_servers", lists)
        .fact("a_job_that_has_not_started_cannot_finish_on_new_servers", start_time)
        .fact("an_end_is_not_taken_back_on_new_servers", failure_target)
        .fact("completions_change_only_with_parallelism_and_where_indexed", completions)
}

/// Fails unless a new server refused it, saying this, and an old one did not.
#[track_caller]
fn refused_by_new(place: &Place, answer: Result<Value, Error>, saying: &str) {
    if place.is_new() {
        refused(answer, 422, saying);
    } else if let Err(error) = answer {
        panic!("refused: {error}");
    }
}

async fn counters(place: &Place) -> Outcome {
    place.create("j", json!({"completions": 5, "suspend": true})).await?;
    place.until_true("j", "Suspended").await;
    place.patch_status("j", json!({"status": {"succeeded": 2, "failed": 1}})).await?;
    for (status, saying) in [
        (json!({"succeeded": 1}), "cannot decrease the succeeded counter"),
        (json!({"failed": 0}), "cannot decrease the failed counter"),
        (
            json!({"completedIndexes": "0"}),
            "cannot set non-empty completedIndexes when non-indexed completion mode",
        ),
        (json!({"active": 1, "ready": 2}), "cannot set more ready pods than active"),
    ] {
        refused_by_new(place, place.try_status("j", json!({"status": status})).await, saying);
    }
    let negative = place.try_status("j", json!({"status": {"succeeded": -1}})).await;
    refused(negative, 422, "must be greater than or equal to 0");
    place.try_status("j", json!({"status": {"succeeded": 99}})).await?;
    Ok(())
}

async fn lists(place: &Place) -> Outcome {
    let spec = json!({
        "completions": 5, "parallelism": 1, "completionMode": "Indexed", "suspend": true,
        "backoffLimitPerIndex": 1,
    });
    place.create("i", spec).await?;
    place.until_true("i", "Suspended").await;
    let known = json!({"succeeded": 2, "completedIndexes": "0,1", "failedIndexes": "4"});
    place.patch_status("i", json!({"status": known})).await?;
    for (indexes, saying) in [
        ("x", "cannot convert string to integer for index: \"x\""),
        ("3,1", "non-increasing order"),
        ("2-2", "non-increasing order"),
        ("0-2-3", "can have at most two parts"),
        ("5", "too large index: \"5\""),
        ("0,1,4", "failedIndexes and completedIndexes overlap at index: 4"),
    ] {
        let answer = place.try_status("i", json!({"status": {"completedIndexes": indexes}})).await;
        refused_by_new(place, answer, saying);
    }
    for status in [json!({"succeeded": 9}), json!({"succeeded": 2, "completedIndexes": "0-3"})] {
        place.try_status("i", json!({"status": status})).await?;
    }
    Ok(())
}

async fn start_time(place: &Place) -> Outcome {
    let made = place.create("j", json!({"completions": 5, "suspend": true})).await?;
    place.until_true("j", "Suspended").await;
    let kinds = ["FailureTarget", "Failed"].map(|kind| json!({"type": kind, "status": "True"}));
    let mut status = json!({"conditions": kinds});
    let answer = place.try_status("j", json!({"status": status})).await;
    refused_by_new(place, answer, "startTime is required for finished job");
    status["startTime"] = made["metadata"]["creationTimestamp"].clone();
    place.try_status("j", json!({"status": status})).await?;
    Ok(())
}

async fn failure_target(place: &Place) -> Outcome {
    let made = place.create("j", json!({"completions": 5, "suspend": true})).await?;
    place.until_true("j", "Suspended").await;
    let start = json!({"status": {"startTime": made["metadata"]["creationTimestamp"]}});
    place.patch_status("j", start).await?;
    place.set_condition("j", "FailureTarget").await?;
    place.until_true("j", "Failed").await;
    for kind in ["Failed", "FailureTarget"] {
        let left = ["Failed", "FailureTarget"].into_iter().filter(|other| *other != kind);
        let left: Vec<Value> = left.map(|kind| json!({"type": kind, "status": "True"})).collect();
        let answer = place.try_status("j", json!({"status": {"conditions": left}})).await;
        refused_by_new(
            place,
            answer,
            &format!("cannot disable the terminal {kind}=True condition"),
        );
    }
    Ok(())
}

async fn completions(place: &Place) -> Outcome {
    place.create("j", json!({"completions": 5, "suspend": true})).await?;
    let answer = place.try_patch("j", json!({"spec": {"completions": 6}})).await;
    refused(answer, 422, "spec.completions: Invalid value: 6: field is immutable");
    let spec =
        json!({"completions": 5, "parallelism": 5, "completionMode": "Indexed", "suspend": true});
    place.create("i", spec).await?;
    let answer = place.try_patch("i", json!({"spec": {"completions": 6}})).await;
    refused(answer, 422, "can only be modified in tandem with spec.parallelism");
    place.try_patch("i", json!({"spec": {"completions": 6, "parallelism": 6}})).await?;
    Ok(())
}
