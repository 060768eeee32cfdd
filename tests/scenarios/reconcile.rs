//! What `reconcile` finishes, and what it leaves as it is.

use std::sync::Arc;

use serde_json::{Value, json};
use sim::{Verdict, When};

use crate::edit_members::work_until;
use crate::scenarios::{Outcome, Scenarios};
use crate::site::Site;
use crate::stage::{MEMBERS, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("reconcile")
        .both(
            "a job that its users deleted is not made again, and its work is unplaced",
            deleted_by_users,
        )
        .both("a job that is gone before its result was seen is not run again", gone_unseen)
        .both(
            "a job that is gone after its result was recorded is done, whatever is asked",
            gone_recorded,
        )
        .both("a manifest that is applied again brings no deleted job back", applied_again)
        .both(
            "another job under the name of a deleted one is not taken for ours",
            replaced_by_users,
        )
        .both("a job that was made and never recorded is taken as ours", unrecorded)
        .both("a job that has seen more changes than its record goes on", newer_than_known)
        .both("each cluster is listed once, however many jobs there are", one_list)
        .both("two reconciles at once do no harm", two_at_once)
        .both("a copy of a shard under another name is no shard", copied)
        .sim(
            "a create that was killed after a job was made is finished with no second job",
            killed_after_post,
        )
        .sim("a create that was killed before anything was made is finished", killed_before_post)
        .sim(
            "a job that is made a second time is taken as ours where it is there already",
            made_twice,
        )
        .sim(
            "a list that lacks a job is not believed before the job was asked for by name",
            list_is_stale,
        )
}

async fn deleted_by_users(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let west = stage.site("west");
    west.succeed("pi", 1).await?;
    west.until_job("pi", "one has succeeded", |job| job["status"]["succeeded"] == 1).await;
    stage.federate("reconcile pi").await.ok();
    west.delete("pi").await?;
    stage.until_row("pi", "Running,Unplaced 1/6").await;
    let mark = west.mark().await?;
    for _ in 0..2 {
        stage.federate("reconcile pi").await.ok().says("Running,Unplaced 1/6");
    }
    assert_eq!(west.mutations(mark).await?, Vec::<String>::new());
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2"]);
    for name in ["east", "north"] {
        stage.site(name).succeed("pi", 2).await?;
    }
    stage.until_row("pi", "Stopped,Unplaced 5/6").await;
    stage.federate("job describe pi").await.ok().says("1 completion: shards were deleted");
    assert_eq!(stage.get("pi").await?["status"]["unplaced"], 1);
    Ok(())
}

/// West has achieved its share.
async fn west_is_complete(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let west = stage.site("west");
    west.succeed("pi", 2).await?;
    west.until_job("pi", "it is complete", |job| job["status"]["completionTime"].is_string()).await;
    Ok(())
}

async fn gone_unseen(stage: &Stage) -> Outcome {
    west_is_complete(stage).await?;
    let west = stage.site("west");
    west.delete("pi").await?;
    let mark = west.mark().await?;
    for _ in 0..2 {
        stage.federate("reconcile pi").await.ok().says("Running,Unplaced 0/6");
    }
    assert_eq!(west.mutations(mark).await?, Vec::<String>::new());
    assert_eq!(stage.get("pi").await?["status"]["unplaced"], 2);
    Ok(())
}

async fn gone_recorded(stage: &Stage) -> Outcome {
    west_is_complete(stage).await?;
    stage.federate("reconcile pi").await.ok().says("Running 2/6");
    stage.site("west").delete("pi").await?;
    let marks = stage.mark().await?;
    for command in ["reconcile pi", "reconcile pi --reopen"] {
        stage.federate(command).await.ok().says("Running 2/6");
    }
    let mutations = stage.mutations(&marks).await?;
    assert!(mutations.iter().all(|what| !what.contains("create jobs")), "{mutations:?}");
    for name in ["east", "north"] {
        stage.site(name).succeed("pi", 2).await?;
    }
    stage.until_row("pi", "Complete 6/6").await;
    stage.federate("reconcile pi").await.ok().says("Complete 6/6");
    for name in ["east", "north"] {
        stage.site(name).delete("pi").await?;
    }
    stage.federate("reconcile pi --reopen").await.ok().says("Complete 6/6");
    assert_eq!(stage.shares("pi").await?, Vec::<String>::new());
    Ok(())
}

async fn applied_again(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let west = stage.site("west");
    west.delete("pi").await?;
    let mark = west.mark().await?;
    assert_eq!(
        stage.federate("job apply -f pi.yaml").await.ok().stdout,
        "job.batch/pi unchanged\n"
    );
    let mut labelled = job("pi", Some(3), Some(6));
    labelled["metadata"]["labels"] = json!({"team": "math"});
    stage.write("pi.yaml", &labelled)?;
    stage.federate("job apply -f pi.yaml").await.ok().says("job.batch/pi configured");
    assert_eq!(west.mutations(mark).await?, Vec::<String>::new());
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2"]);
    assert_eq!(stage.row("pi").await, "Running,Unplaced 0/6");
    Ok(())
}

async fn replaced_by_users(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let west = stage.site("west");
    let labels = west.job("pi").await?["metadata"]["labels"].clone();
    west.delete("pi").await?;
    // Even one that claims to be that very shard: its uid is another.
    let mut theirs = job("pi", Some(1), Some(2));
    for key in ["federation", "job", "shard"].map(|key| format!("kubectl-federate.dev/{key}")) {
        theirs["metadata"]["labels"][&key] = labels[&key].clone();
    }
    west.create("jobs", &theirs).await?;
    west.succeed("pi", 2).await?;
    west.until_job("pi", "it is complete", |job| job["status"]["completionTime"].is_string()).await;
    let mark = west.mark().await?;
    stage.federate("reconcile pi").await.ok().says("Running,Unplaced 0/6");
    assert_eq!(stage.row("pi").await, "Running,Unplaced 0/6");
    assert_eq!(west.mutations(mark).await?, Vec::<String>::new());
    Ok(())
}

/// Takes the record back to where a process that was killed right after it had made the job leaves
/// it.
pub async fn forget_uid(stage: &Stage, cluster: &str) -> Outcome {
    let record = stage.record("pi").await?.ok_or("there is a record")?;
    let annotations = record["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    for (key, text) in annotations {
        let text = text.as_str().unwrap_or_default();
        let shard: Value = serde_json::from_str(text).unwrap_or_default();
        if key.starts_with("shard.kubectl-federate.dev/") && shard["cluster"] == cluster {
            let mut planned = shard.clone();
            planned["phase"] = "planned".into();
            if let Some(fields) = planned.as_object_mut() {
                fields.retain(|field, _| !["uid", "seen"].contains(&field.as_str()));
            }
            let change = json!({"metadata": {"annotations": {key: planned.to_string()}}});
            stage.host().patch("configmaps", "pi.federated-job", &change).await?;
        }
    }
    Ok(())
}

async fn unrecorded(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let west = stage.site("west");
    west.patch("jobs", "pi", &json!({"spec": {"suspend": true}})).await?;
    // What its controller writes meanwhile would make the start be sent again.
    west.until_quiet().await;
    let uid = west.job("pi").await?["metadata"]["uid"].clone();
    forget_uid(stage, "west").await?;
    let mark = west.mark().await?;
    stage.federate("reconcile pi").await.ok().says("job.batch/pi started in cluster west");
    assert_eq!(west.mutations(mark).await?, ["patch jobs/pi"]);
    let found = west.job("pi").await?;
    assert_eq!((&found["metadata"]["uid"], &found["spec"]["suspend"]), (&uid, &json!(false)));
    let seen = stage.get("pi").await?;
    let shards = seen["status"]["shards"].as_array().cloned().unwrap_or_default();
    assert!(shards.iter().any(|shard| shard["uid"] == uid), "{seen:#}");
    Ok(())
}

/// A record was restored from before the shard's Job was made and changed, and opens it again.
async fn newer_than_known(stage: &Stage) -> Outcome {
    let mut job = job("pi", Some(1), Some(2));
    job["spec"]["suspend"] = true.into();
    stage.create(&job).await?.ok();
    for limit in [3, 4] {
        stage
            .federate(&format!("job patch pi -p {{\"spec\":{{\"backoffLimit\":{limit}}}}}"))
            .await
            .ok();
    }
    let record = stage.record("pi").await?.ok_or("there is one")?;
    let key = "shard.kubectl-federate.dev/1";
    let shard = record["metadata"]["annotations"][key].as_str().ok_or("it has a shard")?;
    let mut shard: Value = serde_json::from_str(shard)?;
    let fields = shard.as_object_mut().ok_or("an object")?;
    fields.retain(|field, _| !matches!(field.as_str(), "generation" | "changes" | "uid" | "seen"));
    shard["phase"] = "planned".into();
    let older = json!({"metadata": {"annotations": {key: shard.to_string()}}});
    stage.host().patch("configmaps", "pi.federated-job", &older).await?;
    stage.federate("reconcile pi").await.ok();
    stage.federate("job resume pi").await.ok();
    work_until(stage, "pi", "Complete 2/2").await
}

async fn one_list(stage: &Stage) -> Outcome {
    for name in ["pi", "tau", "phi"] {
        stage.create(&job(name, Some(3), Some(6))).await?.ok();
    }
    for command in ["reconcile", "job get"] {
        let marks = stage.mark().await?;
        stage.federate(command).await.ok();
        for (name, mark) in MEMBERS.into_iter().zip(marks) {
            let requests = stage.site(name).requests(mark).await?.into_iter();
            let jobs: Vec<_> = requests
                .map(|request| request.what)
                .filter(|what| what.contains(" jobs"))
                .collect();
            assert_eq!(jobs, ["list jobs"], "{command} in {name}");
        }
    }
    Ok(())
}

async fn two_at_once(stage: &Stage) -> Outcome {
    let west = stage.site("west");
    west.link.cut().await?;
    stage.create(&job("pi", Some(3), Some(6))).await?.fails("1 of 3 clusters");
    west.link.restore().await?;
    let mark = west.mark().await?;
    let (one, two) = tokio::join!(stage.federate("reconcile pi"), stage.federate("reconcile pi"));
    one.ok();
    two.ok();
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2", "west 1/2"]);
    let job = west.until_job("pi", "it runs", |job| job["status"]["active"] == 1).await;
    assert_eq!(job["spec"]["suspend"], false);
    let made = west.mutations(mark).await?;
    assert!(made.iter().filter(|what| *what == "create jobs").count() <= 2, "{made:?}");
    assert_eq!(west.names("jobs").await?, ["pi"]);
    stage.goes_quiet("pi").await
}

async fn copied(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let west = stage.site("west");
    let mut copy = job("copy", Some(1), Some(2));
    copy["metadata"]["labels"] = west.job("pi").await?["metadata"]["labels"].clone();
    for label in [
        "controller-uid",
        "job-name",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-name",
    ] {
        copy["metadata"]["labels"].as_object_mut().ok_or("labels")?.remove(label);
    }
    west.create("jobs", &copy).await?;
    west.succeed("copy", 2).await?;
    west.until_job("copy", "it is complete", |job| job["status"]["completionTime"].is_string())
        .await;
    stage.federate("reconcile pi").await.ok().says("Running 0/6");
    stage.federate("job delete pi --cascade=background").await.ok();
    assert_eq!(west.names("jobs").await?, ["copy"]);
    Ok(())
}

/// Runs `job create` until its request to make the job in west, and drops it there as if it had
/// been killed.
async fn killed(stage: &Stage, when: When) -> Outcome {
    let west = stage.site("west").cluster();
    let struck = Arc::new(tokio::sync::Notify::new());
    let signal = struck.clone();
    west.on_request(move |request| {
        if request.mutating && request.resource == "jobs" {
            Verdict::Kill(when, signal.clone())
        } else {
            Verdict::Pass
        }
    });
    stage.write("pi.yaml", &job("pi", Some(3), Some(6)))?;
    tokio::select! {
        ran = stage.federate("job create -f pi.yaml") => return Err(format!("it was not killed: \
            {ran:?}").into()),
        () = struck.notified() => {}
    }
    west.clear_hook();
    Ok(())
}

async fn killed_after_post(stage: &Stage) -> Outcome {
    killed(stage, When::After).await?;
    let west = stage.site("west");
    let left = west.job("pi").await?;
    assert_eq!(left["spec"]["suspend"], true, "it has run nothing yet");
    stage.federate("reconcile pi").await.ok().says("job.batch/pi started in cluster west");
    assert_eq!(west.job("pi").await?["metadata"]["uid"], left["metadata"]["uid"]);
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2", "west 1/2"]);
    assert_eq!(stage.row("pi").await, "Running 0/6");
    Ok(())
}

async fn killed_before_post(stage: &Stage) -> Outcome {
    killed(stage, When::Before).await?;
    assert_eq!(stage.site("west").names("jobs").await?, Vec::<String>::new());
    stage.federate("reconcile pi").await.ok().says("job.batch/pi created in cluster west");
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2", "west 1/2"]);
    for site in stage.members() {
        site.succeed("pi", 2).await?;
    }
    stage.until_row("pi", "Complete 6/6").await;
    Ok(())
}

/// Lists do not have any Job yet, as a cache gives them.
fn lists_are_stale(site: &Site) {
    site.cluster().on_request(|request| match (request.verb, request.resource.as_str()) {
        ("list", "jobs") => {
            let empty =
                json!({"kind": "JobList", "apiVersion": "batch/v1", "metadata": {}, "items": []});
            let answer = http::Response::builder().header("content-type", "application/json");
            Verdict::Answer(
                When::Before,
                answer.body(empty.to_string().into()).expect("it is whole"),
            )
        }
        _ => Verdict::Pass,
    });
}

async fn made_twice(stage: &Stage) -> Outcome {
    killed(stage, When::After).await?;
    let west = stage.site("west");
    let left = west.job("pi").await?["metadata"]["uid"].clone();
    lists_are_stale(west);
    let mark = west.mark().await?;
    stage.federate("reconcile pi").await.ok().says("job.batch/pi started in cluster west");
    // The dry run before the creation finds it.
    assert_eq!(west.mutations(mark).await?, ["patch jobs/pi"]);
    assert_eq!(west.job("pi").await?["metadata"]["uid"], left);
    assert_eq!(stage.shares("pi").await?, ["east 1/2", "north 1/2", "west 1/2"]);
    Ok(())
}

async fn list_is_stale(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let west = stage.site("west");
    lists_are_stale(west);
    let mark = west.mark().await?;
    stage.federate("reconcile pi").await.ok().says("Running 0/6");
    assert_eq!(west.mutations(mark).await?, Vec::<String>::new());
    assert_eq!(stage.row("pi").await, "Running 0/6");
    Ok(())
}
