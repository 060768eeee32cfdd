//! What a server's admission policies do to Jobs that are written, and how its clock shows.

use serde_json::{Value, json};

use crate::facts::{Facts, Outcome};
use crate::place::{Place, number, refused};

pub fn facts() -> Facts {
    Facts::of("admission")
        .fact("a_policy_on_creation_sets_a_field_that_a_patch_takes_away", set_on_creation)
        .fact("a_policy_on_updates_sets_a_field_again", set_on_update)
        .fact("a_policy_refuses_writes_of_a_job_but_not_of_its_status", required)
        .fact("each_answer_says_the_servers_time", date)
}

/// The field that the policies of these facts are about.
const FIELD: &str = "ttlSecondsAfterFinished";

const PATH: &str = "/spec/ttlSecondsAfterFinished";

async fn set_on_creation(place: &Place) -> Outcome {
    if !place.set_on_jobs(false, PATH, &json!(600)).await? {
        return Ok(());
    }
    let job = place.try_create("j", json!({})).await?;
    assert_eq!(job["spec"][FIELD], 600, "a dry run says so");
    let job = place.create("j", json!({FIELD: 7, "suspend": true})).await?;
    assert_eq!(job["spec"][FIELD], 600, "also where the Job has another value");
    let job = place.patch("j", json!({"spec": {FIELD: null}})).await?;
    assert_eq!(job["spec"][FIELD], Value::Null);
    Ok(())
}

async fn set_on_update(place: &Place) -> Outcome {
    place.create("j", json!({"suspend": true})).await?;
    if !place.set_on_jobs(true, PATH, &json!(600)).await? {
        return Ok(());
    }
    let job = place.job("j").await?;
    assert_eq!(job["spec"][FIELD], Value::Null, "what is stored stays");
    let status = json!({"metadata": {"annotations": {"a": "b"}}, "status": {"succeeded": 0}});
    let job = place.patch_status("j", status).await?;
    assert_eq!(job["spec"][FIELD], Value::Null, "a write of the status changes the status");
    let job = place.patch("j", json!({"spec": {"parallelism": 2}})).await?;
    assert_eq!((&job["spec"][FIELD], &job["spec"]["parallelism"]), (&json!(600), &json!(2)));
    let job = place.patch("j", json!({"spec": {FIELD: null}})).await?;
    assert_eq!(job["spec"][FIELD], 600);
    Ok(())
}

async fn required(place: &Place) -> Outcome {
    place.create("before", json!({"completions": 2, "suspend": true})).await?;
    place.require_of_jobs(FIELD, "a job must expire").await?;
    let policy = format!("require-{}-{}", place.namespace(), FIELD.to_lowercase());
    let saying = format!(
        "jobs.batch \"j\" is forbidden: ValidatingAdmissionPolicy '{policy}' with binding \
         '{policy}' denied request: a job must expire"
    );
    refused(place.try_create("j", json!({})).await, 422, &saying);
    refused(place.create("j", json!({})).await, 422, &saying);
    let resumed = place.patch("before", json!({"spec": {"suspend": false}})).await;
    refused(resumed, 422, "denied request: a job must expire");
    let job = place.patch_status("before", json!({"status": {"succeeded": 1}})).await?;
    assert_eq!(number(&job, "succeeded"), 1);
    place.create("j", json!({FIELD: 60})).await?;
    place.live("j", 1).await;
    Ok(())
}

async fn date(place: &Place) -> Outcome {
    let before = place.time().await?;
    let job = place.create("j", json!({"suspend": true})).await?;
    let after = place.time().await?;
    let made = job["metadata"]["creationTimestamp"].as_str().unwrap_or_default().parse()?;
    assert!(before <= made && made <= after, "{before} {made} {after}");
    Ok(())
}
