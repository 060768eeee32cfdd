//! What differs between the versions of Kubernetes, as the page for users says it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::facts::{Facts, Outcome};
use crate::place::{Place, is_true, number};
use crate::template::{node_selector, resources_of};

pub fn facts() -> Facts {
    Facts::of("versions").each("what_differs_is_as_the_page_says", differences)
}

/// The page with the table.
const PAGE: &str = include_str!("../../docs/operations.md");

/// What the page says of a version: whether it does what a row begins with.
fn said(minor: &str) -> BTreeMap<&'static str, bool> {
    let cells = |line: &'static str| -> Vec<&'static str> {
        line.trim_matches('|').split('|').map(str::trim).collect()
    };
    let mut lines = PAGE.lines().skip_while(|line| !line.starts_with("| what | 1.30 |"));
    let header = cells(lines.next().expect("the page has the table"));
    let column = header.iter().position(|cell| *cell == minor).expect("the page has the version");
    let rows = lines.skip(1).take_while(|line| line.starts_with('|')).map(cells);
    rows.map(|row| (row[0], row[column] == "yes")).collect()
}

async fn differences(place: &Place, minor: &'static str) -> Outcome {
    let indexed = json!({"completions": 2, "completionMode": "Indexed",
        "successPolicy": {"rules": [{"succeededCount": 1}]}});
    let success = place.create("success", indexed).await?;
    let managed = place.create("theirs", json!({"managedBy": "example.com/another"})).await?;
    let found = BTreeMap::from([
        ("a Job keeps `successPolicy`", !success["spec"]["successPolicy"].is_null()),
        ("a Job keeps `managedBy`", !managed["spec"]["managedBy"].is_null()),
        ("a Job is Failed only when its pods have ended", fails_late(place).await?),
        ("a suspended Job gives up its `startTime`", gives_up_start(place).await?),
        ("the resources of a Job that is suspended can change", resources(place).await?),
        (
            "where pods may run can change in a suspended Job that has run",
            place.patch("ran", node_selector("b")).await.is_ok(),
        ),
    ]);
    assert_eq!(found, said(minor), "docs/operations.md");
    Ok(())
}

/// Whether a Job waits for its pods before it is Failed.
async fn fails_late(place: &Place) -> Result<bool, libtest_mimic::Failed> {
    let pods = place.running("fails", json!({"parallelism": 2, "completions": 6}), 2).await?;
    place.set_condition("fails", "FailureTarget").await?;
    let job = place
        .until("fails", "its pods are stopped", |job| {
            is_true(job, "Failed") || number(job, "failed") == 2
        })
        .await;
    for pod in &pods {
        place.until_deleted(pod).await;
        place.kubelet.release(pod).await?;
    }
    place.until_true("fails", "Failed").await;
    Ok(!is_true(&job, "Failed"))
}

/// Whether a Job that ran and is suspended has no start time any more. It leaves the Job `ran`.
async fn gives_up_start(place: &Place) -> Result<bool, libtest_mimic::Failed> {
    place.create("ran", json!({"completions": 2})).await?;
    place.until_active("ran", 1).await;
    place.patch("ran", json!({"spec": {"suspend": true}})).await?;
    let is_quiet = |job: &Value| is_true(job, "Suspended") && number(job, "active") == 0;
    place.until("ran", "quiet", is_quiet).await;
    let job = place.until("ran", "gone", |job| number(job, "terminating") == 0).await;
    Ok(job["status"]["startTime"].is_null())
}

/// Whether the server takes other resources in a suspended Job that has never run.
async fn resources(place: &Place) -> Result<bool, libtest_mimic::Failed> {
    place.create("still", json!({"suspend": true})).await?;
    place.until_true("still", "Suspended").await;
    Ok(place.patch("still", resources_of("2")).await.is_ok())
}
