//! What of a Job's template may change while the Job is suspended.

use real::Error;
use serde_json::{Value, json};

use crate::facts::{Facts, Outcome};
use crate::place::{Place, is_true, number, refused};

pub fn facts() -> Facts {
    Facts::of("template")
        .fact("resources_change_before_the_first_start_on_new_servers", resources)
        .fact("where_pods_run_changes_before_the_first_start", directives)
        .fact("both_change_after_a_run_on_new_servers", after_a_run)
        .fact("nothing_changes_while_the_job_runs", running)
        .fact("no_image_ever_changes", image)
}

pub fn resources_of(cpu: &str) -> Value {
    let resources = json!({"requests": {"cpu": cpu}});
    let container = json!({"name": "main", "image": "busybox", "resources": resources});
    json!({"spec": {"template": {"spec": {"containers": [container]}}}})
}

pub fn node_selector(zone: &str) -> Value {
    json!({"spec": {"template": {"spec": {"nodeSelector": {"zone": zone}}}}})
}

/// Fails unless the server took a change: its new value is at this pointer.
#[track_caller]
fn taken(answer: Result<Value, Error>, pointer: &str, value: &str) {
    match answer {
        Ok(job) => assert_eq!(job.pointer(pointer), Some(&json!(value))),
        Err(error) => panic!("refused: {error}"),
    }
}

/// The resources of the first container.
const CPU: &str = "/spec/template/spec/containers/0/resources/requests/cpu";

/// Where pods may run.
const ZONE: &str = "/spec/template/spec/nodeSelector/zone";

const IMMUTABLE: &str = "field is immutable";

async fn resources(place: &Place) -> Outcome {
    place.create("j", json!({"suspend": true})).await?;
    place.until_true("j", "Suspended").await;
    let answer = place.patch("j", resources_of("2")).await;
    if !place.is_new() {
        refused(answer, 422, IMMUTABLE);
        return Ok(());
    }
    taken(answer, CPU, "2");
    place.patch("j", json!({"spec": {"suspend": false}})).await?;
    let pods = place.live("j", 1).await;
    assert_eq!(pods[0].object["spec"]["containers"][0]["resources"]["requests"]["cpu"], "2");
    Ok(())
}

async fn directives(place: &Place) -> Outcome {
    place.create("j", json!({"suspend": true})).await?;
    place.until_true("j", "Suspended").await;
    taken(place.patch("j", node_selector("a")).await, ZONE, "a");
    place.patch("j", json!({"spec": {"suspend": false}})).await?;
    let pods = place.live("j", 1).await;
    assert_eq!(pods[0].object["spec"]["nodeSelector"], json!({"zone": "a"}));
    Ok(())
}

async fn after_a_run(place: &Place) -> Outcome {
    place.create("j", json!({"completions": 2})).await?;
    place.until_active("j", 1).await;
    place.patch("j", json!({"spec": {"suspend": true}})).await?;
    place.until("j", "quiet", |job| is_true(job, "Suspended") && number(job, "active") == 0).await;
    for (change, pointer, value) in [(resources_of("3"), CPU, "3"), (node_selector("b"), ZONE, "b")]
    {
        let answer = place.patch("j", change).await;
        if place.is_new() {
            taken(answer, pointer, value);
        } else {
            refused(answer, 422, IMMUTABLE);
        }
    }
    Ok(())
}

async fn running(place: &Place) -> Outcome {
    place.running("j", json!({"completions": 2}), 1).await?;
    for change in [resources_of("3"), node_selector("b")] {
        refused(place.patch("j", change.clone()).await, 422, IMMUTABLE);
        // Nor in the write that suspends it.
        let mut suspending = change;
        suspending["spec"]["suspend"] = true.into();
        refused(place.patch("j", suspending).await, 422, IMMUTABLE);
    }
    Ok(())
}

async fn image(place: &Place) -> Outcome {
    place.create("j", json!({"suspend": true})).await?;
    place.until_true("j", "Suspended").await;
    let container = json!({"name": "main", "image": "perl"});
    let change = json!({"spec": {"template": {"spec": {"containers": [container]}}}});
    refused(place.patch("j", change).await, 422, IMMUTABLE);
    Ok(())
}
