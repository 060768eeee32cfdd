//! What somebody has suspended in one cluster stays so, whatever becomes of the others.

use serde_json::{Value, json};

use crate::edit_members::work_until;
use crate::queues::queued;
use crate::scenarios::{Outcome, Scenarios};
use crate::site::Site;
use crate::stage::{Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("suspensions")
        .both("a shard that its cluster has suspended stays so while its limits change", limits)
        .both("a job whose shards its clusters have suspended says so, and what resumes them", all)
        .both("a pause that ends with fewer pods than shards runs no more of them", unpaused)
        .both(
            "a job whose shards its clusters have paused says so, and what lets them go on",
            paused,
        )
        .sim("a shard that a later queueing system has stopped is not resumed", queued_later)
}

/// Waits until the shard's Job is suspended and has no pods.
async fn until_stopped(site: &Site) {
    let is_stopped =
        |job: &Value| job["spec"]["suspend"] == true && job["status"].get("active").is_none();
    site.until_job("pi", "it is stopped", is_stopped).await;
}

/// Lets a pod fail in `east`, and has the others told.
async fn fail_in_east(stage: &Stage) -> Outcome {
    let east = stage.site("east");
    east.fail("pi", 1).await?;
    east.until_job("pi", "a pod has failed", |job| job["status"]["failed"] == 1).await;
    stage.federate("reconcile pi").await.ok();
    Ok(())
}

async fn limits(stage: &Stage) -> Outcome {
    let mut limited = job("pi", Some(6), Some(12));
    limited["spec"]["backoffLimit"] = 4.into();
    stage.create(&limited).await?.ok();
    let west = stage.site("west");
    west.until_pods("pi", 2).await;
    let changes = json!({"spec": {"suspend": true, "parallelism": 1}});
    west.patch("jobs", "pi", &changes).await?;
    until_stopped(west).await;
    fail_in_east(stage).await?;
    let spec = west.job("pi").await?["spec"].take();
    let is = ["suspend", "parallelism", "backoffLimit"].map(|field| spec[field].clone());
    assert_eq!(is, [json!(true), json!(1), json!(3)]);
    west.until_pods_made("pi", 2).await;
    let described = stage.federate("job describe pi").await.ok();
    described.says("suspend is true, not false").says("parallelism is 1, not 2");
    // An edit of the federated Job writes again what it may change.
    let label = r#"{"metadata":{"labels":{"team":"math"}}}"#;
    stage.federate(&format!("job patch pi -p {label}")).await.ok();
    let spec = west.job("pi").await?["spec"].take();
    assert_eq!((&spec["suspend"], &spec["parallelism"]), (&json!(false), &json!(2)));
    work_until(stage, "pi", "Complete 12/12").await
}

async fn unpaused(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(0), Some(9))).await?.ok();
    assert_eq!(stage.shares("pi").await?, ["east 0/3", "north 0/3", "west 0/3"]);
    stage.federate("job scale pi --parallelism=2").await.ok();
    for _ in 0..2 {
        stage.federate("reconcile pi").await.ok();
        let mut pods = 0;
        for site in stage.members() {
            for name in site.names("jobs").await? {
                let job = site.job(&name).await?;
                let has_ended = job["status"]["completionTime"].is_string();
                pods +=
                    if has_ended { 0 } else { job["spec"]["parallelism"].as_i64().unwrap_or(0) };
            }
        }
        assert_eq!(pods, 2, "{:?}", stage.shares("pi").await?);
    }
    work_until(stage, "pi", "Complete 9/9").await
}

/// The line that resumes the Job in a cluster.
fn resumes(stage: &Stage, site: &Site) -> String {
    let patch = r#"patch job pi '--patch={"spec":{"suspend":false}}'` resumes it"#;
    format!("--context={} --namespace={} {patch}", site.name, stage.namespace)
}

async fn all(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let west = stage.site("west");
    let suspend = json!({"spec": {"suspend": true}});
    west.until_pods("pi", 1).await;
    west.patch("jobs", "pi", &suspend).await?;
    until_stopped(west).await;
    // One of three: the others run.
    stage.until_row("pi", "Running,Suspended 0/6").await;
    let mark = stage.mark().await?;
    let told = stage.federate("reconcile pi").await.ok().says("Running,Suspended 0/6");
    told.warns("Warning: [west] job.batch/pi: somebody suspended it there")
        .warns(&resumes(stage, west));
    for site in stage.members().filter(|site| site.name != "west") {
        site.succeed("pi", 2).await?;
        let is_over = |job: &Value| job["status"]["completionTime"].is_string();
        site.until_job("pi", "it is complete", is_over).await;
    }
    // All that are left: nothing runs, and only a user can change that.
    let told = stage.federate("reconcile pi").await.ok();
    told.says("Pending,Suspended 4/6").warns(&resumes(stage, west));
    let watched = stage.federate("reconcile pi --watch").await;
    let watched = watched.fails("job.batch/pi goes no further: somebody suspended its jobs");
    watched.warns(&resumes(stage, west)).warns("job describe pi");
    let wait = "job wait pi --for=condition=complete --timeout=3s";
    stage.federate(wait).await.fails("timed out").warns(&resumes(stage, west));
    let got = stage.get("pi").await?;
    let shards = got["status"]["shards"].as_array().cloned().unwrap_or_default();
    let of_west = shards.iter().find(|shard| shard["cluster"] == "west").ok_or("a shard")?;
    assert_eq!(of_west["state"], "Suspended");
    assert!(of_west["message"].as_str().is_some_and(|it| it.starts_with("somebody suspended")));
    assert_eq!(
        stage.mutations(&mark).await?.iter().filter(|what| what.contains("jobs")).count(),
        0
    );
    // Suspended by its owner it is something else, and resumed with it.
    let suspended = stage.federate("job suspend pi").await.ok();
    assert!(!suspended.stderr.contains("somebody"), "{suspended:?}");
    stage.until_row("pi", "Suspended 4/6").await;
    let resumed = stage.federate("job resume pi").await.ok();
    assert!(!resumed.stderr.contains("somebody"), "{resumed:?}");
    work_until(stage, "pi", "Complete 6/6").await
}

async fn paused(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let west = stage.site("west");
    west.until_pods("pi", 1).await;
    west.patch("jobs", "pi", &json!({"spec": {"parallelism": 0}})).await?;
    west.until_pods("pi", 0).await;
    stage.until_row("pi", "Running,Paused 0/6").await;
    let patch = r#"patch job pi '--patch={"spec":{"parallelism":1}}'"#;
    let line = format!("--context=west --namespace={} {patch}", stage.namespace);
    let told = stage.federate("reconcile pi").await.ok().says("Running,Paused 0/6");
    told.warns("Warning: [west] job.batch/pi: somebody set its parallelism to 0 there")
        .warns(&format!("{line}` sets it back"));
    let described = stage.federate("job describe pi").await.ok();
    described.says(patch).says("lets the job run its pods in cluster west");
    for site in stage.members().filter(|site| site.name != "west") {
        site.succeed("pi", 2).await?;
        let is_over = |job: &Value| job["status"]["completionTime"].is_string();
        site.until_job("pi", "it is complete", is_over).await;
    }
    let watched = stage.federate("reconcile pi --watch").await;
    watched.fails("job.batch/pi goes no further: ").warns(&line);
    stage.until_row("pi", "Pending,Paused 4/6").await;
    west.patch("jobs", "pi", &json!({"spec": {"parallelism": 1}})).await?;
    work_until(stage, "pi", "Complete 6/6").await
}

async fn queued_later(stage: &Stage) -> Outcome {
    let mut limited = queued("pi", 12, false);
    limited["spec"]["backoffLimit"] = 4.into();
    stage.create(&limited).await?.ok();
    let west = stage.site("west");
    west.until_pods("pi", 2).await;
    stage.federate("reconcile pi").await.ok();
    west.set_queue("team", 0).await?;
    until_stopped(west).await;
    fail_in_east(stage).await?;
    assert_eq!(west.job("pi").await?["spec"]["backoffLimit"], 3);
    assert_eq!(west.pods_made("pi").await?, 2, "it waits for its queue");
    west.set_queue("team", 2).await?;
    work_until(stage, "pi", "Complete 12/12").await
}
