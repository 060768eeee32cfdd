//! Shards that are to be stopped and do not stop at once.

use serde_json::{Value, json};

use crate::edit_members::work_until;
use crate::scenarios::{Outcome, Scenarios};
use crate::site::{LIMITED, Site};
use crate::stage::{MEMBERS, SOON, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("stopping")
        .both("a new template is not held up by an index that would be tried again", recreated)
        .both("a new template is not held up by a failure that a rule ignores", ignored)
        .both("fewer completions are not held up by an index that would be tried again", lowered)
        .both("a failed job ends though an index of another shard would be tried again", failed)
        .both("a job that fails is ended where it can be, and a missing right is said", no_right)
        .both(
            "the right to end a failed job's shards is named where it is missing",
            no_right_to_status,
        )
}

/// An Indexed Job whose indexes are tried again.
fn tried_again(completions: i32) -> Value {
    let mut job = job("pi", Some(3), Some(completions));
    job["spec"]["completionMode"] = "Indexed".into();
    job["spec"]["backoffLimitPerIndex"] = 3.into();
    job
}

/// Lets a pod in a cluster fail, and waits until its Job has seen that and made no successor yet.
async fn failed_pod(site: &Site) -> Outcome {
    site.run("pi", 1).await?;
    site.until_job("pi", "it runs", |job| job["status"]["ready"] == 1).await;
    site.fail("pi", 1).await?;
    site.until_job("pi", "its pod has failed", |job| job["status"]["ready"] == 0).await;
    Ok(())
}

async fn recreated(stage: &Stage) -> Outcome {
    let mut indexed = tried_again(6);
    stage.create(&indexed).await?.ok();
    failed_pod(stage.site("west")).await?;
    indexed["spec"]["template"]["spec"]["containers"][0]["image"] = "perl:5".into();
    stage.write("pi.yaml", &indexed)?;
    stage.federate("job apply -f pi.yaml --recreate --yes").await;
    work_until(stage, "pi", "Complete 6/6").await?;
    let west = stage.site("west").pods("pi").await?;
    let tracked = |pod: &&Value| pod["metadata"]["finalizers"].to_string().contains("tracking");
    assert_eq!(west.iter().filter(tracked).count(), 0, "nothing holds the failed pod");
    Ok(())
}

/// The limit of an index is used up by no failure that is ignored.
async fn ignored(stage: &Stage) -> Outcome {
    let mut indexed = tried_again(6);
    indexed["spec"]["backoffLimitPerIndex"] = 0.into();
    let rule = json!({"action": "Ignore", "onExitCodes": {"operator": "In", "values": [43]}});
    indexed["spec"]["podFailurePolicy"] = json!({"rules": [rule]});
    stage.create(&indexed).await?.ok();
    let west = stage.site("west");
    west.run("pi", 1).await?;
    west.until_job("pi", "it runs", |job| job["status"]["ready"] == 1).await;
    west.exit("pi", 1, 43).await?;
    west.until_job("pi", "its pod has failed", |job| job["status"]["ready"] == 0).await;
    indexed["spec"]["template"]["spec"]["containers"][0]["image"] = "perl:5".into();
    stage.write("pi.yaml", &indexed)?;
    stage.federate("job apply -f pi.yaml --recreate --yes").await;
    work_until(stage, "pi", "Complete 6/6").await
}

async fn lowered(stage: &Stage) -> Outcome {
    stage.create(&tried_again(6)).await?.ok();
    for name in ["east", "north"] {
        let site = stage.site(name);
        site.succeed("pi", 2).await?;
        site.until_job("pi", "it is complete", |job| job["status"]["completionTime"].is_string())
            .await;
    }
    failed_pod(stage.site("west")).await?;
    stage.federate("job scale pi --completions=4").await;
    work_until(stage, "pi", "Complete 4/4").await
}

async fn failed(stage: &Stage) -> Outcome {
    let mut indexed = tried_again(6);
    let rule = json!({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}});
    indexed["spec"]["podFailurePolicy"] = json!({"rules": [rule]});
    stage.create(&indexed).await?.ok();
    failed_pod(stage.site("west")).await?;
    stage.site("east").exit("pi", 1, 42).await?;
    real::until("pi to have failed", SOON, || async {
        stage.federate("reconcile pi").await;
        let row = stage.row("pi").await;
        if row == "Failed 0/6" { Ok(()) } else { Err(row) }
    })
    .await;
    let west = stage.site("west").job("pi").await?;
    assert!(west["status"]["conditions"].to_string().contains("PodFailurePolicy"), "{west:#}");
    Ok(())
}

async fn no_right(stage: &Stage) -> Outcome {
    fail_in_west(stage, &["jobs", "jobs/status"], &[]).await?;
    let [east, north] = ["east", "north"].map(|name| stage.site(name));
    // North is ended without the right where its server says that all pods have ended; else the
    // missing right is named, and it runs on. It is never left suspended.
    real::until("all to be ended, or the right to be named", SOON, || async {
        let told = stage.federate("reconcile pi").await;
        let [east, north] = [&east, &north].map(|site| site.job("pi"));
        let (east, north) = (east.await, north.await);
        let (Ok(east), Ok(north)) = (east, north) else { return Err("no answer".to_owned()) };
        let named = told.stderr.contains("pods") && told.stderr.contains("north");
        let runs_on = named && north["spec"]["suspend"] == false;
        if has_failed(&east) && (has_failed(&north) || runs_on) {
            Ok(())
        } else {
            Err(format!("{told:#?} {}", north["spec"]["suspend"]))
        }
    })
    .await;
    Ok(())
}

/// Its shard in north is suspended, and cannot be told that the Job has failed.
async fn no_right_to_status(stage: &Stage) -> Outcome {
    fail_in_west(stage, &["jobs"], &["pods"]).await?;
    let [east, north] = ["east", "north"].map(|name| stage.site(name));
    real::until("east to be ended, and the right to be named", SOON, || async {
        let told = stage.federate("reconcile pi").await;
        let named = told.stderr.contains("jobs/status") && told.stderr.contains("[north]");
        let ended = east.job("pi").await.is_ok_and(|job| has_failed(&job));
        if named && ended && told.code == 1 { Ok(()) } else { Err(format!("{told:#?}")) }
    })
    .await;
    assert_eq!(stage.row("pi").await, "FailureTarget 0/6");
    // Whoever has the right ends it.
    stage.contexts(&MEMBERS.map(|name| (name, name)), "admin")?;
    stage.federate("reconcile pi").await.ok();
    north.until_job("pi", "it has failed", has_failed).await;
    stage.until_row("pi", "Failed 0/6").await;
    Ok(())
}

fn has_failed(job: &Value) -> bool {
    job["status"]["conditions"].to_string().contains("\"Failed\"")
}

/// A Job that has failed in west, for a user who has all rights there and in east, and in north
/// those to these resources.
async fn fail_in_west(stage: &Stage, of_batch: &[&str], of_core: &[&str]) -> Outcome {
    let mut fragile = job("pi", Some(3), Some(6));
    fragile["spec"]["backoffLimit"] = 0.into();
    stage.create(&fragile).await?.ok();
    let all = ["get", "list", "create", "patch", "delete"];
    let config_maps = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": all}]);
    stage.host().grant(Some("kubectl-federate"), config_maps.clone()).await?;
    stage.host().grant(Some(&stage.namespace), config_maps).await?;
    for site in stage.members() {
        let identity = json!([{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]}]);
        site.grant(None, identity).await?;
        let all_resources = (&["jobs", "jobs/status"][..], &["pods"][..]);
        let (of_batch, of_core) =
            if site.name == "north" { (of_batch, of_core) } else { all_resources };
        let all_rules = [("batch", of_batch), ("", of_core)].into_iter();
        for (group, resources) in all_rules.filter(|(_, resources)| !resources.is_empty()) {
            let rules = json!([{"apiGroups": [group], "resources": resources, "verbs": all}]);
            site.grant(Some(&stage.namespace), rules).await?;
        }
    }
    stage.contexts(&MEMBERS.map(|name| (name, name)), LIMITED)?;
    let west = stage.site("west");
    for site in stage.members() {
        site.until_pods("pi", 1).await;
    }
    west.fail("pi", 1).await?;
    west.until_job("pi", "it has failed", has_failed).await;
    Ok(())
}
