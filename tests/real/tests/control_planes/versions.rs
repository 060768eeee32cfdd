//! Old servers, alone and beside new ones: that they run Jobs, and where they differ in what a
//! federation reads of a Job.

use super::{SOON, create_job, until_condition};
use libtest_mimic::{Failed, Trial};
use real::{Cluster, Error, Fleet, Version, Versions, until};
use serde_json::{Value, json};

/// One cluster of each version.
const OLD: &str = "west";
const NEW: &str = "east";

pub fn tests() -> Vec<Trial> {
    let mut tests: Vec<Trial> = Versions::ALL
        .into_iter()
        .map(|versions| {
            let name = format!(
                "{versions}: a job completes in each cluster, which is of the version it says"
            );
            versions.trial(&name, async move |fleet| jobs_complete(versions, fleet).await)
        })
        .collect();
    tests.extend([
        Versions::Oldest
            .exclusive_trial("1.30: a killed server comes back with its data", kill_and_revive),
        Versions::Mixed.trial("mixed: a host is of the old version", old_host),
        Versions::Mixed.trial("mixed: how a job says that it is complete", complete),
        Versions::Mixed.trial("mixed: success criteria of ours", success_criteria),
        Versions::Mixed.trial("mixed: a failure target of ours", failure_target),
        Versions::Mixed.trial("mixed: a job that fails while its pods end", fails_while_pods_end),
        Versions::Mixed.trial("mixed: fields that are newer than the server", newer_fields),
    ]);
    tests
}

async fn jobs_complete(versions: Versions, fleet: &'static Fleet) -> Result<(), Failed> {
    let namespace = fleet.namespace("versions").await?;
    let mut minors = Vec::new();
    for cluster in fleet.clusters() {
        let job =
            create_job(cluster, &namespace, json!({"completions": 2, "parallelism": 2})).await?;
        cluster.kubelet().succeed_n(&namespace, "pi", 2).await?;
        assert_eq!(until_condition(cluster, &job, "Complete").await["status"]["succeeded"], 2);
        let tag = cluster.get("/version").await?["gitVersion"].take();
        assert_eq!(tag, cluster.version().tag());
        minors.push(cluster.version().minor());
    }
    let one = versions.to_string();
    let expected = match versions {
        Versions::Mixed => ["1.37", "1.30", "1.36"],
        _ => [one.as_str(); 3],
    };
    assert_eq!(minors, expected);
    Ok(())
}

async fn kill_and_revive(fleet: &'static Fleet) -> Result<(), Failed> {
    let (west, namespace) = (fleet.cluster("west"), fleet.namespace("revive").await?);
    let job = create_job(west, &namespace, json!({})).await?;
    west.kill();
    assert!(matches!(west.get(&job).await, Err(Error::Unreachable(_))));
    west.revive().await?;
    west.kubelet().succeed_n(&namespace, "pi", 1).await?;
    until_condition(west, &job, "Complete").await;
    Ok(())
}

async fn old_host(fleet: &'static Fleet) -> Result<(), Failed> {
    let host = fleet.start_host("host").await?;
    assert_eq!(host.version(), Version::V1_30);
    assert_eq!(host.get("/version").await?["gitVersion"], "v1.30.14");
    Ok(())
}

/// Type and reason of each condition that holds.
fn conditions(job: &Value) -> Vec<(&str, &str)> {
    let all = job["status"]["conditions"].as_array().into_iter().flatten();
    all.filter(|each| each["status"] == "True")
        .map(|each| {
            (each["type"].as_str().unwrap_or_default(), each["reason"].as_str().unwrap_or_default())
        })
        .collect()
}

async fn complete(fleet: &'static Fleet) -> Result<(), Failed> {
    let namespace = fleet.namespace("complete").await?;
    let reason = "CompletionsReached";
    for (name, expected) in [
        (OLD, vec![("Complete", "")]),
        (NEW, vec![("SuccessCriteriaMet", reason), ("Complete", reason)]),
    ] {
        let cluster = fleet.cluster(name);
        let job = create_job(cluster, &namespace, json!({"completions": 1})).await?;
        cluster.kubelet().succeed_n(&namespace, "pi", 1).await?;
        assert_eq!(
            conditions(&until_condition(cluster, &job, "Complete").await),
            expected,
            "{name}"
        );
    }
    Ok(())
}

/// Adds a condition to a running Job.
async fn set_condition(cluster: &Cluster, job: &str, kind: &str) -> Result<Value, Error> {
    let now = "2020-01-01T00:00:00Z";
    let condition = json!({
        "type": kind, "status": "True", "reason": "Ours", "message": "because",
        "lastTransitionTime": now, "lastProbeTime": now,
    });
    cluster.patch(&format!("{job}/status"), &json!({"status": {"conditions": [condition]}})).await
}

async fn success_criteria(fleet: &'static Fleet) -> Result<(), Failed> {
    let namespace = fleet.namespace("criteria").await?;
    for name in [OLD, NEW] {
        let cluster = fleet.cluster(name);
        let job = create_job(cluster, &namespace, json!({"completions": 3})).await?;
        cluster.kubelet().live_pods(&namespace, "pi", 1).await?;
        let answer = set_condition(cluster, &job, "SuccessCriteriaMet").await;
        if name == OLD {
            let refused = answer.expect_err("the condition is not known there");
            assert_eq!(refused.code(), Some(422), "{refused}");
            continue;
        }
        answer?;
        until_condition(cluster, &job, "Complete").await;
    }
    Ok(())
}

async fn failure_target(fleet: &'static Fleet) -> Result<(), Failed> {
    let namespace = fleet.namespace("target").await?;
    for name in [OLD, NEW] {
        let cluster = fleet.cluster(name);
        let job = create_job(cluster, &namespace, json!({"completions": 3})).await?;
        cluster.kubelet().live_pods(&namespace, "pi", 1).await?;
        set_condition(cluster, &job, "FailureTarget").await?;
        let failed = until_condition(cluster, &job, "Failed").await;
        assert_eq!(conditions(&failed), [("FailureTarget", "Ours"), ("Failed", "Ours")], "{name}");
    }
    Ok(())
}

/// A Job fails at once on old servers, and on new ones when all its pods have ended: until then its
/// failure is a target.
async fn fails_while_pods_end(fleet: &'static Fleet) -> Result<(), Failed> {
    let namespace = fleet.namespace("ending").await?;
    let reason = "BackoffLimitExceeded";
    for (name, first, last) in [
        (OLD, vec![("Failed", reason)], vec![("Failed", reason)]),
        (NEW, vec![("FailureTarget", reason)], vec![("FailureTarget", reason), ("Failed", reason)]),
    ] {
        let (cluster, kubelet) = (fleet.cluster(name), fleet.cluster(name).kubelet());
        let spec = json!({"completions": 2, "parallelism": 2, "backoffLimit": 0});
        let job = create_job(cluster, &namespace, spec).await?;
        let pods = kubelet.live_pods(&namespace, "pi", 2).await?;
        for pod in &pods {
            kubelet.bind(pod).await?;
            kubelet.run(pod).await?;
        }
        kubelet.fail(&pods[0], 1).await?;
        let failing = until_condition(cluster, &job, first[0].0).await;
        assert_eq!(conditions(&failing), first, "{name}");
        until("the other pod to be ending", SOON, || async {
            let pods = kubelet.pods(&namespace, "pi").await.map_err(|error| error.to_string())?;
            let ending = pods.iter().any(|pod| pod.is_live() && pod.terminating);
            if ending { Ok(()) } else { Err(format!("{pods:?}")) }
        })
        .await;
        assert_eq!(conditions(&cluster.get(&job).await?), first, "{name}");
        kubelet.release(&pods[1]).await?;
        assert_eq!(conditions(&until_condition(cluster, &job, "Failed").await), last, "{name}");
    }
    Ok(())
}

/// A server takes what it does not do yet without a word, and leaves it out.
async fn newer_fields(fleet: &'static Fleet) -> Result<(), Failed> {
    let namespace = fleet.namespace("fields").await?;
    let newer = json!({"managedBy": "example.com/other",
        "successPolicy": {"rules": [{"succeededCount": 1}]}});
    for (name, kept) in [(OLD, false), (NEW, true)] {
        let mut spec = newer.clone();
        spec["completions"] = 2.into();
        spec["completionMode"] = "Indexed".into();
        let job = create_job(fleet.cluster(name), &namespace, spec).await?;
        let made = fleet.cluster(name).get(&job).await?;
        for field in ["managedBy", "successPolicy"] {
            assert_eq!(made["spec"].get(field), kept.then_some(&newer[field]), "{name}");
        }
    }
    Ok(())
}
