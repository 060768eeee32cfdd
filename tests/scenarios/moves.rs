//! How work that has not started moves to another cluster while what runs goes on.

use std::sync::Once;

use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::edit_members::work_until;
use crate::scenarios::{Outcome, Scenarios};
use crate::site::Site;
use crate::stage::{SOON, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of_any_version("moves")
        .both(
            "all that has not started moves elsewhere, and what runs ends where it is",
            rest_moves,
        )
        .both(
            "the rest of an indexed job moves, and runs elsewhere under its own indexes",
            indexes_move,
        )
        .both("an index that is done is not run again where the rest moves", done_stays)
        .both(
            "what is stopped moves only once its pods have ended, whatever its status says",
            waits,
        )
        .sim("a job that changes between a read and its credit is read again", read_again)
}

const PREFERENCES: &str = "federation.kubernetes.io/job-preferences";

fn divided(mode: &str, parallelism: i32, preferences: &Value) -> Value {
    let mut job = job("pi", Some(parallelism), Some(12));
    job["spec"]["completionMode"] = mode.into();
    job["metadata"]["annotations"] = json!({PREFERENCES: preferences.to_string()});
    job
}

/// A Job that is in west alone.
fn in_west(mode: &str) -> Value {
    divided(mode, 2, &json!({"clusters": {"west": {"weight": 1}}}))
}

/// The same Job, half in east.
fn half_in_east(mode: &str) -> Value {
    let clusters = json!({"west": {"minReplicas": 2, "weight": 0}, "east": {"weight": 1}});
    divided(mode, 4, &json!({"rebalance": true, "clusters": clusters}))
}

fn is_live(pod: &Value) -> bool {
    let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    !ended && pod["metadata"].get("deletionTimestamp").is_none()
}

/// The names of a Job's pods that run or are about to.
async fn live(site: &Site, name: &str) -> Result<Vec<String>, Failed> {
    let pods = site.pods(name).await?;
    let names =
        pods.iter().filter(|pod| is_live(pod)).map(|pod| pod["metadata"]["name"].to_string());
    let mut names: Vec<_> = names.collect();
    names.sort();
    Ok(names)
}

fn index(pod: &Value) -> Option<i32> {
    pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]
        .as_str()?
        .parse()
        .ok()
}

/// The indexes of all pods that succeeded, in all clusters, in order.
async fn succeeded(stage: &Stage) -> Result<Vec<Option<i32>>, Failed> {
    let mut all = Vec::new();
    for site in stage.members() {
        for name in site.names("jobs").await? {
            let pods = site.pods(&name).await?;
            all.extend(pods.iter().filter(|pod| pod["status"]["phase"] == "Succeeded").map(index));
        }
    }
    all.sort_unstable();
    Ok(all)
}

/// The Job in west, with four completions achieved and two pods; gives their names.
async fn well_on_the_way(stage: &Stage, mode: &str) -> Result<Vec<String>, Failed> {
    stage.create(&in_west(mode)).await?.ok();
    assert_eq!(stage.shares("pi").await?, ["west 2/12"]);
    let west = stage.site("west");
    west.succeed("pi", 4).await?;
    let on_the_way = |job: &Value| job["status"]["succeeded"] == 4 && job["status"]["active"] == 2;
    west.until_job("pi", "four have succeeded and two run", on_the_way).await;
    stage.federate("reconcile pi").await.ok();
    live(west, "pi").await
}

async fn rest_moves(stage: &Stage) -> Outcome {
    let running = well_on_the_way(stage, "NonIndexed").await?;
    let [east, west] = ["east", "west"].map(|name| stage.site(name));
    stage.write("pi.yaml", &half_in_east("NonIndexed"))?;
    stage.federate("job apply -f pi.yaml").await.ok().says("job.batch/pi credited 6 completions");
    let credited =
        &west.job("pi").await?["metadata"]["annotations"]["kubectl-federate.dev/credited"];
    assert_eq!(credited, "6");
    let moved = east.names("jobs").await?;
    let [moved] = moved.as_slice() else { panic!("one shard in east: {moved:?}") };
    assert_eq!(east.job(moved).await?["spec"]["completions"], 6);
    east.until_job(moved, "it runs", |job| job["status"]["active"].as_i64() > Some(0)).await;
    assert_eq!(live(west, "pi").await?, running, "what runs goes on");
    work_until(stage, "pi", "Complete 12/12").await?;
    assert_eq!(succeeded(stage).await?.len(), 12, "each completion was achieved once");
    Ok(())
}

async fn indexes_move(stage: &Stage) -> Outcome {
    let running = well_on_the_way(stage, "Indexed").await?;
    let [east, west] = ["east", "west"].map(|name| stage.site(name));
    stage.write("pi.yaml", &half_in_east("Indexed"))?;
    // The next two may be about to start.
    stage.federate("job apply -f pi.yaml").await.ok().says("job.batch/pi credited 4 completions");
    let credited =
        &west.job("pi").await?["metadata"]["annotations"]["kubectl-federate.dev/credited"];
    assert_eq!(credited, "8-11");
    let moved = east.names("jobs").await?;
    let [moved] = moved.as_slice() else { panic!("one shard in east: {moved:?}") };
    assert_eq!(east.job(moved).await?["status"]["completedIndexes"], "0-7");
    assert_eq!(live(west, "pi").await?, running, "what runs goes on");
    work_until(stage, "pi", "Complete 12/12").await?;
    let each_once: Vec<_> = (0..12).map(Some).collect();
    assert_eq!(succeeded(stage).await?, each_once);
    let pods = east.pods(moved).await?;
    assert!(pods.iter().all(|pod| index(pod) >= Some(8)), "they have their true indexes");
    assert_eq!(stage.get("pi").await?["status"]["completedIndexes"], "0-11");
    Ok(())
}

async fn done_stays(stage: &Stage) -> Outcome {
    let mut indexed = job("pi", Some(6), Some(6));
    indexed["spec"]["completionMode"] = "Indexed".into();
    stage.create(&indexed).await?.ok();
    let west = stage.site("west");
    west.until_pods("pi", 2).await;
    let pods = west.pods("pi").await?;
    let last = pods.iter().max_by_key(|pod| index(pod)).ok_or("there are two")?;
    let (done, name) = (index(last), last["metadata"]["name"].as_str().unwrap_or_default());
    west.patch("pods", &format!("{name}/status"), &json!({"status": {"phase": "Succeeded"}}))
        .await?;
    west.until_job("pi", "one has succeeded", |job| job["status"]["succeeded"] == 5).await;
    indexed["spec"]["template"]["spec"]["containers"][0]["image"] = "perl:5".into();
    stage.write("pi.yaml", &indexed)?;
    stage.federate("job apply -f pi.yaml --recreate --yes").await;
    work_until(stage, "pi", "Complete 6/6").await?;
    let each_once: Vec<_> = (0..6).map(Some).collect();
    assert_eq!(succeeded(stage).await?, each_once);
    let old = west.pods("pi").await?;
    let old: Vec<_> =
        old.iter().filter(|pod| pod["status"]["phase"] == "Succeeded").map(index).collect();
    assert_eq!(old, [done], "it was not run anew");
    let credited =
        &west.job("pi").await?["metadata"]["annotations"]["kubectl-federate.dev/credited"];
    let done = done.unwrap_or_default().to_string();
    assert!(!credited.as_str().unwrap_or_default().contains(&done), "{credited} has {done}");
    Ok(())
}

async fn waits(stage: &Stage) -> Outcome {
    let mut slow = job("pi", Some(3), Some(6));
    stage.create(&slow).await?.ok();
    for site in stage.members() {
        site.run("pi", 1).await?;
        site.until_job("pi", "it runs", |job| job["status"]["ready"] == 1).await;
    }
    slow["spec"]["template"]["spec"]["containers"][0]["image"] = "perl:5".into();
    stage.write("pi.yaml", &slow)?;
    stage.federate("job apply -f pi.yaml --recreate --yes").await;
    stage.federate("reconcile pi").await.ok();
    for site in stage.members() {
        assert_eq!(site.names("jobs").await?, ["pi"], "its pod has not ended in {}", site.name);
        assert_eq!(site.job("pi").await?["status"].get("completionTime"), None, "{}", site.name);
    }
    for site in stage.members() {
        site.release("pi").await?;
    }
    work_until(stage, "pi", "Complete 6/6").await?;
    assert_eq!(succeeded(stage).await?.len(), 6);
    Ok(())
}

async fn read_again(stage: &Stage) -> Outcome {
    for mode in ["NonIndexed", "Indexed"] {
        well_on_the_way(stage, mode).await?;
        let west = stage.site("west");
        let (cluster, namespace) = (west.cluster().clone(), stage.namespace.clone());
        let once = Once::new();
        west.cluster().on_request(move |request| {
            if (request.verb, request.subresource.as_str()) == ("patch", "status")
                && request.mutating
            {
                once.call_once(|| {
                    assert_eq!(cluster.succeed_pods(&namespace, "pi", 1), 1);
                    let change = json!({"metadata": {"annotations": {"somebody": "else"}}});
                    cluster.patch(&sim::JOBS, &namespace, "pi", change).expect("it is there");
                });
            }
            sim::Verdict::Pass
        });
        let mark = west.mark().await?;
        stage.write("pi.yaml", &half_in_east(mode))?;
        stage.federate("job apply -f pi.yaml").await.ok().says("job.batch/pi credited ");
        let asked = west.mutations(mark).await?;
        let credits = asked.iter().filter(|what| *what == "patch jobs/pi").count();
        assert!(
            credits > 2,
            "a change, a credit that was refused, and one that was not: {asked:?}"
        );
        west.cluster().clear_hook();
        work_until(stage, "pi", "Complete 12/12").await?;
        assert_eq!(succeeded(stage).await?.len(), 12, "{mode}: each completion was achieved once");
        stage.federate("job delete pi --cascade=background").await.ok();
        real::until("nothing to be left", SOON, || async {
            let left =
                stage.site("east").names("jobs").await.map_err(|error| format!("{error:?}"))?;
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await;
    }
    Ok(())
}
