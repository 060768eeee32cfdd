//! Edits while somebody else changes, ends or replaces the same Job.

use std::sync::Once;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use sim::Verdict;
use tower::ServiceExt as _;

use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("edit conflicts")
        .both("two edits at the same time are both made", two_at_once)
        .sim("an edit that meets another edit is made again on the new record", conflict)
        .sim("an edit of a job that ends meanwhile is refused", ended_meanwhile)
        .sim("an edit of a job that was replaced meanwhile changes nothing", replaced_meanwhile)
}

async fn two_at_once(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let label =
        |key: &str| format!(r#"job patch pi -p {{"metadata":{{"labels":{{"{key}":"x"}}}}}}"#);
    let (a, b, c) = (label("a"), label("b"), label("c"));
    let (a, b, c) = tokio::join!(stage.federate(&a), stage.federate(&b), stage.federate(&c));
    for ran in [a, b, c] {
        ran.ok().says("job.batch/pi patched");
    }
    assert_eq!(stage.get("pi").await?["metadata"]["labels"], json!({"a": "x", "b": "x", "c": "x"}));
    Ok(())
}

/// Has a document of the record of pi changed by somebody else, between the moment when it is read
/// and that when it is written: when west is asked whether it would take the change.
async fn meanwhile(
    stage: &Stage,
    key: &'static str,
    change: impl Fn(&mut Value) + Send + Sync + 'static,
) -> Outcome {
    let record = stage.record("pi").await?.ok_or("there is a record")?;
    let document = record["metadata"]["annotations"][key].as_str().ok_or("a document")?;
    let mut document: Value = serde_json::from_str(document)?;
    change(&mut document);
    let patch = json!({"metadata": {"annotations": {key: document.to_string()}}}).to_string();
    let host = stage.host();
    let (cluster, token) = (host.cluster().clone(), host.token("admin"));
    let path = format!("{}/pi.federated-job", host.path("configmaps"));
    let once = Once::new();
    stage.site("west").cluster().on_request(move |request| {
        if request.verb == "create" && request.resource == "jobs" {
            once.call_once(|| {
                let request = Request::patch(&path)
                    .header("Authorization", format!("Bearer {token}"))
                    .header("Content-Type", "application/merge-patch+json")
                    .body(Full::new(Bytes::from(patch.clone())))
                    .expect("a request");
                let answer = futures::executor::block_on(cluster.service().oneshot(request));
                assert_eq!(answer.expect("it is there").status(), 200);
            });
        }
        Verdict::Pass
    });
    Ok(())
}

async fn conflict(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let theirs = |manifest: &mut Value| manifest["metadata"]["labels"] = json!({"theirs": "x"});
    meanwhile(stage, "kubectl-federate.dev/manifest", theirs).await?;
    let ours = r#"{"metadata":{"labels":{"ours":"x"}}}"#;
    stage.federate(&format!("job patch pi -p {ours}")).await.ok().says("job.batch/pi patched");
    assert_eq!(stage.get("pi").await?["metadata"]["labels"], json!({"ours": "x", "theirs": "x"}));
    Ok(())
}

async fn ended_meanwhile(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    meanwhile(stage, "kubectl-federate.dev/state", |state| {
        state["outcome"] =
            json!({"verdict": "failed", "reason": "BackoffLimitExceeded", "message": "too many",
                "at": 1});
    })
    .await?;
    let patch = r#"{"metadata":{"labels":{"ours":"x"}}}"#;
    stage.federate(&format!("job patch pi -p {patch}")).await.fails("the job has ended");
    assert_eq!(stage.get("pi").await?["metadata"].get("labels"), None);
    Ok(())
}

async fn replaced_meanwhile(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    meanwhile(stage, "kubectl-federate.dev/state", |state| state["uid"] = "another".into()).await?;
    let patch = r#"{"metadata":{"labels":{"ours":"x"}}}"#;
    stage
        .federate(&format!("job patch pi -p {patch}"))
        .await
        .fails("jobs.batch \"pi\" was deleted and made anew meanwhile");
    assert_eq!(stage.get("pi").await?["metadata"].get("labels"), None);
    Ok(())
}
