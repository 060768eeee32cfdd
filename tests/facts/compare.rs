//! A JSON patch that compares a Job with what was stored when it was created.

use serde_json::{Value, json};

use crate::facts::{Facts, Outcome};
use crate::place::{LEDGER, Place, manifest, refused};

pub fn facts() -> Facts {
    Facts::of("compare")
        .fact("a_job_that_only_its_controller_has_written_starts", starts)
        .fact("a_job_that_somebody_has_changed_does_not", changed)
}

/// The patch that starts a Job if it is as it was created.
fn start(created: &Value) -> Value {
    let test = |path: &str| {
        let value = created.pointer(path).unwrap_or(&Value::Null);
        json!({"op": "test", "path": path, "value": value})
    };
    let compared = ["/uid", "/generation", "/labels", "/annotations"];
    let mut patch: Vec<_> = compared.map(|field| test(&format!("/metadata{field}"))).into();
    patch.extend([test("/spec/suspend"), test("/status/startTime")]);
    patch.push(json!({"op": "add", "path": "/metadata/annotations", "value": {LEDGER: "1"}}));
    patch.push(json!({"op": "add", "path": "/spec/suspend", "value": false}));
    patch.into()
}

async fn starts(place: &Place) -> Outcome {
    let created = place.post(job("j")).await?;
    assert_eq!(created["metadata"].get("annotations"), None, "what is missing equals null");
    let seen = place.until_true("j", "Suspended").await;
    assert_ne!(created["metadata"]["resourceVersion"], seen["metadata"]["resourceVersion"]);
    let started = place.patch_json("j", start(&created)).await?;
    assert_eq!(started["metadata"]["annotations"], json!({LEDGER: "1"}));
    assert_eq!(started["metadata"]["generation"], 2);
    place.live("j", 1).await;
    refused(place.patch_json("j", start(&created)).await, 422, "the server rejected our request");
    Ok(())
}

async fn changed(place: &Place) -> Outcome {
    let annotated = json!({"metadata": {"annotations": {LEDGER: "0"}}});
    let unlabelled = json!({"metadata": {"labels": {"app": null}}});
    let smaller = json!({"spec": {"parallelism": 0}});
    for (name, change) in [("a", annotated), ("l", unlabelled), ("s", smaller)] {
        let created = create(place, name).await?;
        place.patch(name, change).await?;
        not_started(place, name, &created).await?;
    }
    // A status alone changes neither the generation nor an annotation.
    let created = create(place, "f").await?;
    place.end("f", "FailureTarget", &created["metadata"]["creationTimestamp"]).await?;
    not_started(place, "f", &created).await?;
    place.until_true("f", "Failed").await;
    not_started(place, "f", &created).await?;
    // So does what credits a Job, in the same write.
    let created = create(place, "c").await?;
    place.credit("c", 1).await?;
    not_started(place, "c", &created).await?;
    // A Job that is being deleted is another generation.
    let created = create(place, "d").await?;
    place.patch("d", json!({"metadata": {"finalizers": ["example.com/kept"]}})).await?;
    place.delete("d", json!({"propagationPolicy": "Background"})).await?;
    not_started(place, "d", &created).await?;
    place.patch("d", json!({"metadata": {"finalizers": null}})).await?;
    // Another one of its name has another uid.
    place.until_gone("d").await;
    create(place, "d").await?;
    not_started(place, "d", &created).await
}

/// A Job that is suspended. One with no labels of its own would take those of its template, when it
/// is read.
fn job(name: &str) -> Value {
    let mut job = manifest(name, json!({"suspend": true, "completions": 2}));
    job["metadata"]["labels"] = json!({"app": "fact", "team": "math"});
    job
}

/// Creates it, and waits until its controller has written its status.
async fn create(place: &Place, name: &str) -> Result<Value, libtest_mimic::Failed> {
    let created = place.post(job(name)).await?;
    place.until_true(name, "Suspended").await;
    Ok(created)
}

async fn not_started(place: &Place, name: &str, created: &Value) -> Outcome {
    refused(place.patch_json(name, start(created)).await, 422, "the server rejected our request");
    assert_eq!(place.job(name).await?["spec"]["suspend"], true, "{name}");
    Ok(())
}
