//! What clusters still have of shards whose Jobs somebody deleted is named before others do their
//! work again.

use serde_json::{Value, json};

use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("remains")
        .both("a job that was made again in a cluster is named, and not run twice", made_again)
        .both("pods that a deletion has left are named, and not run twice", pods)
        .sim("what is left in a cluster that does not answer is not known", unknown)
}

/// Makes the Job of a shard anew, as `kubectl replace --force` does.
async fn replace(stage: &Stage) -> Outcome {
    let west = stage.site("west");
    west.until_pods("pi", 1).await;
    let before = west.job("pi").await?;
    west.delete("pi").await?;
    let ours = |labels: &Value| {
        let mut labels = labels.clone();
        if let Some(labels) = labels.as_object_mut() {
            labels.retain(|key, _| key.starts_with("kubectl-federate.dev/"));
        }
        labels
    };
    let (metadata, spec) = (&before["metadata"], &before["spec"]);
    let template = &spec["template"];
    let again = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "pi", "labels": ours(&metadata["labels"])},
        "spec": {
            "parallelism": spec["parallelism"], "completions": spec["completions"],
            "template": {
                "metadata": {"labels": ours(&template["metadata"]["labels"])},
                "spec": template["spec"],
            },
        },
    });
    west.create("jobs", &again).await?;
    west.until_pods("pi", 1).await;
    Ok(())
}

async fn made_again(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    replace(stage).await?;
    let there = "another job with its labels is in its place";
    let told = stage.federate("reconcile pi").await.ok().says("Running,Unplaced 0/6");
    told.warns(there);
    stage.federate("job describe pi").await.ok().says(there);
    let asked = stage.federate("reconcile pi --reopen").await;
    asked.fails("--yes").warns("cluster west was deleted, and job pi is in its place");
    assert_eq!(shards(stage).await?, 3, "nothing runs twice unasked");
    let asked = stage.federate("reconcile pi --reopen --yes").await.ok();
    asked.says("job.batch/pi-4 created in cluster");
    let described = stage.federate("job describe pi").await.ok();
    described.says("Accepted:").says("what is left of job pi in cluster west");
    Ok(())
}

async fn pods(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let west = stage.site("west");
    west.until_pods("pi", 1).await;
    west.delete_and_leave_pods("pi").await?;
    stage.federate("reconcile pi").await.ok().says("Running,Unplaced 0/6");
    let asked = stage.federate("reconcile pi --reopen").await;
    asked.fails("--yes").warns("pods of it are left there: 1 may run on, and 0 succeeded");
    assert_eq!(shards(stage).await?, 3, "nothing runs twice unasked");
    let asked = stage.federate("reconcile pi --reopen --yes").await.ok();
    asked.says("job.batch/pi-4 created in cluster");
    Ok(())
}

async fn unknown(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let west = stage.site("west");
    west.delete("pi").await?;
    stage.federate("reconcile pi").await.ok().says("Running,Unplaced 0/6");
    west.link.cut().await?;
    let asked = stage.federate("reconcile pi --reopen").await.ok();
    asked.says("Unplaced").warns("it is not known what is left of it there");
    assert_eq!(shards(stage).await?, 3, "nothing runs twice unasked");
    west.link.restore().await?;
    stage.federate("reconcile pi --reopen").await.ok().says("job.batch/pi-4 created in cluster");
    Ok(())
}

async fn shards(stage: &Stage) -> Result<usize, libtest_mimic::Failed> {
    Ok(stage.get("pi").await?["status"]["shards"].as_array().map_or(0, Vec::len))
}
