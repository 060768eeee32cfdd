//! What becomes of each kind of Job over several clusters.

use std::sync::atomic::{AtomicU32, Ordering};

use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::edit_members::work_until;
use crate::reconcile;
use crate::scenarios::{Outcome, Scenarios};
use crate::site::Site;
use crate::stage::{MEMBERS, SOON, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("kinds")
        .both("an indexed job runs each of its indexes once, under its true number", indexed)
        .both("an indexed job that is suspended gets its indexes before it runs", indexed_suspended)
        .both(
            "an indexed job that somebody resumed too early is begun again",
            indexed_resumed_early,
        )
        .both("indexes that a cluster takes off a running job are not counted as done", lowered)
        .sim("an edit asks first whether a job that is begun again can be deleted", undeletable)
        .sim(
            "an indexed job that changes as it is to be begun again is looked at again",
            indexed_changing,
        )
        .both("an indexed job is refused where its status may not be written", indexed_forbidden)
        .both("a success policy is judged on all clusters together", success_policy)
        .both("a work queue that has succeeded anywhere starts nothing more", work_queue)
        .both(
            "a work queue ends also where a cluster that succeeded has a pod that no node takes",
            unschedulable,
        )
        .both("a job of parallelism 0 is paused", paused)
        .both("a shard that was deleted is done by others when the user says so", reopened)
        .both("each field is copied to the shards, or held back from them", fields)
        .both("a job may say itself that what was deleted is to be done by others", reopens_itself)
}

fn indexed_job(parallelism: i32, completions: i32) -> Value {
    let mut job = job("pi", Some(parallelism), Some(completions));
    job["spec"]["completionMode"] = "Indexed".into();
    job
}

/// The indexes of a Job's pods, ended ones included.
async fn indexes(site: &Site, name: &str) -> Result<Vec<i32>, Failed> {
    let index = |pod: &Value| {
        let index = &pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"];
        index.as_str().and_then(|index| index.parse().ok()).unwrap_or(-1)
    };
    let mut indexes: Vec<i32> = site.pods(name).await?.iter().map(index).collect();
    indexes.sort_unstable();
    Ok(indexes)
}

async fn indexed(stage: &Stage) -> Outcome {
    stage.create(&indexed_job(3, 6)).await?.ok();
    for (site, own) in stage.members().zip([[0, 1], [4, 5], [2, 3]]) {
        site.succeed("pi", 2).await?;
        site.until_job("pi", "it is complete", |job| job["status"]["completionTime"].is_string())
            .await;
        assert_eq!(indexes(site, "pi").await?, own, "{}", site.name);
        let pod = site.pods("pi").await?.remove(0);
        let first = format!(
            "pi-{}",
            pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]
        );
        assert_eq!(pod["spec"]["hostname"], first.replace('"', ""));
    }
    stage.until_row("pi", "Complete 6/6").await;
    assert_eq!(stage.get("pi").await?["status"]["completedIndexes"], "0-5");
    let mark = stage.mark().await?;
    stage.federate("reconcile pi").await.ok();
    stage.federate("reconcile pi").await.ok().says("unchanged");
    let mutations = stage.mutations(&mark).await?;
    assert_eq!(mutations.len(), 1, "the outcome is recorded, once: {mutations:?}");
    Ok(())
}

async fn indexed_suspended(stage: &Stage) -> Outcome {
    let mut suspended = indexed_job(3, 6);
    suspended["spec"]["suspend"] = true.into();
    stage.create(&suspended).await?.ok();
    for site in stage.members() {
        let job = site.job("pi").await?;
        assert_eq!(
            (&job["spec"]["suspend"], &job["status"]["succeeded"]),
            (&json!(true), &json!(4)),
            "{job:#}"
        );
    }
    assert_eq!(stage.row("pi").await, "Suspended 0/6");
    Ok(())
}

async fn lowered(stage: &Stage) -> Outcome {
    stage.create(&indexed_job(6, 6)).await?.ok();
    // The cluster of the last indexes, which all others are credited in.
    let mut last = None;
    for site in stage.members() {
        site.until_pods("pi", 2).await;
        let own = indexes(site, "pi").await?;
        last = if own.contains(&5) { Some(site) } else { last };
    }
    let last = last.ok_or("no shard has the last index")?;
    for site in stage.members().filter(|site| site.name != last.name) {
        site.succeed("pi", 2).await?;
    }
    last.patch("jobs", "pi", &json!({"spec": {"completions": 2, "parallelism": 2}})).await?;
    let complete = |job: &Value| job["status"]["conditions"].to_string().contains("\"Complete\"");
    last.until_job("pi", "it is complete", complete).await;
    stage.until_row("pi", "Stopped,Unplaced 4/6").await;
    let told = stage.federate("reconcile pi").await;
    told.warns("2 completions are unplaced").warns("--reopen");
    stage.federate("job describe pi").await.ok().says("it ended without the indexes ");
    stage.federate("reconcile pi --reopen").await.ok();
    work_until(stage, "pi", "Complete 6/6").await
}

async fn indexed_resumed_early(stage: &Stage) -> Outcome {
    resume_early(stage).await?;
    let west = stage.site("west");
    stage.federate("reconcile pi").await.ok().says("job.batch/pi deleted in cluster west");
    west.release("pi").await?;
    until_gone(west).await;
    stage.federate("reconcile pi").await.ok();
    assert_eq!(stage.row("pi").await, "Suspended 0/6");
    assert_eq!(west.names("jobs").await?, ["pi-4"]);
    let job = west.job("pi-4").await?;
    assert_eq!(
        (&job["status"]["completedIndexes"], &job["spec"]["suspend"]),
        (&json!("0-3"), &json!(true)),
        "{job:#}"
    );
    Ok(())
}

/// What is left of a process that was killed right after it had made the job in west, once somebody
/// has resumed that.
async fn resume_early(stage: &Stage) -> Outcome {
    let mut suspended = indexed_job(3, 6);
    suspended["spec"]["suspend"] = true.into();
    stage.create(&suspended).await?.ok();
    let west = stage.site("west");
    let made = west.job("pi").await?;
    west.delete("pi").await?;
    reconcile::forget_uid(stage, "west").await?;
    let mut early = indexed_job(1, 6);
    early["metadata"]["labels"] = made["metadata"]["labels"].clone();
    west.create("jobs", &early).await?;
    west.run("pi", 1).await
}

async fn undeletable(stage: &Stage) -> Outcome {
    resume_early(stage).await?;
    stage.site("west").cluster().on_request(|request| {
        if (request.verb, request.resource.as_str()) != ("delete", "jobs") {
            return sim::Verdict::Pass;
        }
        let status = json!({"kind": "Status", "status": "Failure", "reason": "Forbidden",
            "code": 403, "message": "no deletions here"});
        let answer = http::Response::builder().status(403);
        let answer = answer.header("content-type", "application/json");
        let answer = answer.body(status.to_string().into()).expect("it is whole");
        sim::Verdict::Answer(sim::When::Before, answer)
    });
    let before = stage.mark().await?;
    let patched = stage.federate(r#"job patch pi -p {"spec":{"backoffLimit":2}}"#).await;
    patched.fails("no deletions here (cluster west)").warns("nothing was changed: ");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    Ok(())
}

async fn indexed_changing(stage: &Stage) -> Outcome {
    let deletions = AtomicU32::new(0);
    stage.site("west").cluster().on_request(move |request| {
        // The first is the scenario's own.
        let deletes = (request.verb, request.resource.as_str()) == ("delete", "jobs");
        if !deletes || deletions.fetch_add(1, Ordering::Relaxed) != 1 {
            return sim::Verdict::Pass;
        }
        let status = json!({"kind": "Status", "status": "Failure", "reason": "Conflict",
            "code": 409, "message": "changed"});
        let answer =
            http::Response::builder().status(409).header("content-type", "application/json");
        sim::Verdict::Answer(
            sim::When::Before,
            answer.body(status.to_string().into()).expect("it is whole"),
        )
    });
    indexed_resumed_early(stage).await
}

async fn until_gone(site: &Site) {
    real::until("the job to be gone", SOON, || async {
        match site.find("jobs", "pi").await {
            Ok(None) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

async fn indexed_forbidden(stage: &Stage) -> Outcome {
    let contexts: Vec<_> = MEMBERS.iter().map(|name| (*name, *name)).collect();
    let all = ["get", "list", "create", "patch", "delete"];
    let config_maps = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": all}]);
    stage.host().grant(Some("kubectl-federate"), config_maps).await?;
    for site in stage.members() {
        let identity = json!([{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]}]);
        site.grant(None, identity).await?;
        // In this namespace only: other scenarios on the same clusters rely on what this user may
        // not do.
        let everything = json!([
            {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": all},
            {"apiGroups": [""], "resources": ["configmaps", "pods"], "verbs": all},
        ]);
        site.grant(Some(&stage.namespace), everything).await?;
    }
    stage.contexts(&contexts, crate::site::LIMITED)?;
    let before = stage.mark().await?;
    let refused = stage.create(&indexed_job(3, 6)).await?;
    refused.fails("nothing was created").warns("needs the right to patch resource \"jobs/status\"");
    stage.contexts(&contexts, "admin")?;
    stage.assert_nothing_of("pi", &before).await
}

async fn fields(stage: &Stage) -> Outcome {
    let per_index = json!({
        "completionMode": "Indexed", "backoffLimitPerIndex": 1, "maxFailedIndexes": 2,
        "backoffLimit": 4,
        "successPolicy": {"rules": [{"succeededCount": 5}]},
    });
    let rule = json!({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget",
        "status": "True"}]});
    let whole = json!({
        "completionMode": "NonIndexed", "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": [rule]},
        "ttlSecondsAfterFinished": 60, "managedBy": "example.com/another",
    });
    for (name, given, held_back) in [
        ("pi", per_index, ["successPolicy", "ttlSecondsAfterFinished", "managedBy"]),
        ("tau", whole, ["ttlSecondsAfterFinished", "managedBy", "successPolicy"]),
    ] {
        let mut job = job(name, Some(3), Some(6));
        for (field, value) in given.as_object().into_iter().flatten() {
            job["spec"][field] = value.clone();
        }
        stage.create(&job).await?.ok();
        for site in stage.members() {
            let shard = site.job(name).await?;
            for (field, value) in given.as_object().into_iter().flatten() {
                let expected =
                    if held_back.contains(&field.as_str()) { &Value::Null } else { value };
                assert_eq!(shard["spec"][field], *expected, "{field} of {name} in {}", site.name);
            }
            // Each cluster's Job controller runs the shards, whatever `managedBy` says.
            site.until_pods(name, 1).await;
        }
        for (field, value) in given.as_object().into_iter().flatten() {
            assert_eq!(stage.get(name).await?["spec"][field], *value, "it prints as submitted");
        }
    }
    Ok(())
}

async fn success_policy(stage: &Stage) -> Outcome {
    let mut policy = indexed_job(6, 12);
    policy["spec"]["successPolicy"] =
        json!({"rules": [{"succeededIndexes": "0-11", "succeededCount": 4}]});
    stage.create(&policy).await?.ok();
    for name in ["east", "west"] {
        stage.site(name).succeed("pi", 2).await?;
        let succeeded = |job: &Value| job["status"]["succeeded"] == 10;
        stage.site(name).until_job("pi", "two have succeeded", succeeded).await;
    }
    real::until("the shard in north to be stopped", SOON, || async {
        let told = stage.federate("reconcile pi").await.ok();
        let is_stopped = told.stdout.contains("job.batch/pi stopped in cluster north");
        if is_stopped { Ok(()) } else { Err(format!("{told:?}")) }
    })
    .await;
    stage.until_row("pi", "Complete 4/12").await;
    stage.federate("reconcile pi").await.ok();
    let conditions = stage.get("pi").await?["status"]["conditions"].clone();
    assert_eq!(conditions[1]["type"], "Complete", "{conditions:#}");
    assert_eq!(conditions[1]["reason"], "SuccessPolicy", "{conditions:#}");
    Ok(())
}

async fn work_queue(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), None)).await?.ok();
    let [east, west, north] = MEMBERS.map(|name| stage.site(name));
    north.run("pi", 1).await?;
    west.until_pods("pi", 1).await;
    east.succeed("pi", 1).await?;
    east.until_job("pi", "it is complete", |job| job["status"]["completionTime"].is_string()).await;
    stage.federate("reconcile pi").await.ok();
    // What never ran never will; what runs goes on to its end.
    west.until_job("pi", "it is complete", |job| job["status"]["completionTime"].is_string()).await;
    let job = north.job("pi").await?;
    assert_eq!(
        (&job["status"]["active"], &job["status"]["succeeded"]),
        (&json!(1), &json!(1)),
        "{job:#}"
    );
    assert_eq!(stage.row("pi").await, "Running 1/1 of 3");
    north.succeed("pi", 1).await?;
    north
        .until_job("pi", "it is complete", |job| job["status"]["completionTime"].is_string())
        .await;
    stage.until_row("pi", "Complete 2/1 of 3").await;
    Ok(())
}

async fn unschedulable(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(6), None)).await?.ok();
    let east = stage.site("east");
    east.until_pods("pi", 2).await;
    east.succeed("pi", 1).await?;
    east.until_job("pi", "one has succeeded", |job| job["status"]["succeeded"] == 1).await;
    stage.federate("reconcile pi").await.ok();
    for site in stage.members() {
        site.until_job("pi", "it is complete", |job| job["status"]["completionTime"].is_string())
            .await;
    }
    stage.until_row("pi", "Complete 1/1 of 6").await;
    Ok(())
}

async fn paused(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(0), Some(6))).await?.ok();
    assert_eq!(stage.shares("pi").await?, ["east 0/2", "north 0/2", "west 0/2"]);
    assert_eq!(stage.row("pi").await, "Paused 0/6");
    Ok(())
}

async fn delete_west(stage: &Stage, job: &Value) -> Outcome {
    stage.create(job).await?.ok();
    let west = stage.site("west");
    west.succeed("pi", 1).await?;
    west.until_job("pi", "one has succeeded", |job| job["status"]["succeeded"] == 1).await;
    stage.federate("reconcile pi").await.ok();
    west.delete("pi").await
}

/// Finishes what there is, and what was opened for the one completion that is left of west's.
async fn finish(stage: &Stage) -> Outcome {
    for name in ["east", "north"] {
        stage.site(name).succeed("pi", 2).await?;
    }
    let mut supplements = Vec::new();
    for site in stage.members() {
        for name in site.names("jobs").await?.into_iter().filter(|name| name != "pi") {
            supplements.push((site, name));
        }
    }
    let [(site, name)] = supplements.as_slice() else {
        panic!("one supplement, not {}", supplements.len())
    };
    let supplement = site.job(name).await?;
    assert_eq!((&supplement["spec"]["completions"], name.as_str()), (&json!(1), "pi-4"));
    site.succeed(name, 1).await?;
    stage.until_row("pi", "Complete 6/6").await;
    Ok(())
}

async fn reopened(stage: &Stage) -> Outcome {
    delete_west(stage, &job("pi", Some(3), Some(6))).await?;
    stage.federate("reconcile pi").await.ok().says("Running,Unplaced 1/6");
    stage.federate("reconcile pi --reopen").await.ok().says("job.batch/pi-4 created in cluster");
    assert_eq!(stage.row("pi").await, "Running 1/6");
    let mark = stage.mark().await?;
    stage.federate("reconcile pi --reopen").await.ok();
    let mutations = stage.mutations(&mark).await?;
    assert!(mutations.iter().all(|what| what.contains("configmaps")), "opened once: {mutations:?}");
    finish(stage).await
}

async fn reopens_itself(stage: &Stage) -> Outcome {
    let mut job = job("pi", Some(3), Some(6));
    job["metadata"]["annotations"] = json!({"kubectl-federate.dev/reopen": "true"});
    delete_west(stage, &job).await?;
    stage.federate("reconcile pi").await.ok().says("job.batch/pi-4 created in cluster");
    finish(stage).await
}
