//! `job adopt`: Jobs that were there before become shards.

use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::edit_members::work_until;
use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{Stage, job};

const ADOPT: &str = "job adopt pi --clusters=east,west --yes";

const CREDITED: &str = "kubectl-federate.dev/credited";

pub fn scenarios() -> Scenarios {
    Scenarios::of("adopt")
        .both("two jobs that run become one, and each completion runs once", two)
        .both("an Indexed job is adopted alone, and its indexes move", indexed)
        .both("what has ended counts, and the job ends by itself", ended)
        .both("an adopted job is changed as any other", life)
        .both("the record of adopted jobs is rebuilt", recovered)
        .both("a failed job is adopted and retried", failed)
        .both("jobs that expire keep their result until the federated job has ended", expiring)
        .both("jobs that do not fit are refused, and nothing is written", misfits)
        .both("what a cluster refuses is said before anything is written", refused)
        .both("what keeps the pods of an adopted job from running is found", stalled)
        .both("an adoption that was begun is finished, and begun once", twice)
}

/// Has clusters run a Job that is no shard.
async fn run(stage: &Stage, clusters: &[&str], job: &Value) -> Outcome {
    for cluster in clusters {
        let site = stage.site(cluster);
        site.create("jobs", job).await?;
        let name = job["metadata"]["name"].as_str().unwrap_or_default();
        if job["spec"]["suspend"] != true {
            let runs = |job: &Value| job["status"]["active"] == job["spec"]["parallelism"];
            site.until_job(name, "it runs", runs).await;
        }
    }
    Ok(())
}

/// How many pods have succeeded in a cluster, of all Jobs.
async fn succeeded(stage: &Stage, cluster: &str) -> Result<usize, Failed> {
    let site = stage.site(cluster);
    let mut count = 0;
    for name in site.names("jobs").await? {
        let pods = site.pods(&name).await?;
        count += pods.iter().filter(|pod| pod["status"]["phase"] == "Succeeded").count();
    }
    Ok(count)
}

async fn two(stage: &Stage) -> Outcome {
    run(stage, &["east"], &job("pi", Some(2), Some(6))).await?;
    run(stage, &["west"], &job("pi", Some(1), Some(3))).await?;
    stage.site("east").succeed("pi", 2).await?;
    let counted = |job: &Value| job["status"]["succeeded"] == 2;
    stage.site("east").until_job("pi", "two are counted", counted).await;
    let mut pods = stage.site("west").pods("pi").await?;
    let before = stage.mark().await?;
    stage
        .federate("job adopt pi --clusters=east,west")
        .await
        .fails("there is no terminal to confirm this on")
        .warns("has parallelism 3 and completions 9, of which 2 have succeeded");
    stage.federate("job adopt pi --clusters=east,west --dry-run=server").await.ok();
    stage.assert_nothing_of("pi", &before).await?;
    stage
        .federate(ADOPT)
        .await
        .ok()
        .says("job.batch/pi adopted in cluster east")
        .says("job.batch/pi adopted in cluster west");
    assert_eq!(stage.row("pi").await, "Running 2/9");
    assert_eq!(stage.shares("pi").await?, ["east 2/6", "west 1/3"]);
    assert_eq!(stage.site("west").pods("pi").await?.len(), pods.len());
    let uid = |pod: Value| pod["metadata"]["uid"].clone();
    let left = stage.site("west").pods("pi").await?.pop().map(uid);
    assert_eq!(left, pods.pop().map(uid), "the pod runs on");
    let before = stage.mark().await?;
    stage.federate("reconcile pi").await.ok().says("unchanged");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    stage.federate("job describe pi").await.ok().says("job adopt").says("the jobs in east, west");
    work_until(stage, "pi", "Complete 9/9").await?;
    assert_eq!((succeeded(stage, "east").await?, succeeded(stage, "west").await?), (6, 3));
    Ok(())
}

async fn indexed(stage: &Stage) -> Outcome {
    let mut indexed = job("pi", Some(2), Some(9));
    indexed["spec"]["completionMode"] = "Indexed".into();
    run(stage, &["east", "west"], &indexed).await?;
    let both = stage.federate(ADOPT).await.fails("an Indexed job is adopted alone");
    both.warns("both have the indexes 0-8");
    stage.site("west").delete("pi").await?;
    stage.site("east").succeed("pi", 1).await?;
    let counted = |job: &Value| job["status"]["succeeded"] == 1;
    stage.site("east").until_job("pi", "one is counted", counted).await;
    stage.federate("job adopt pi --clusters=east --yes").await.ok();
    assert_eq!(stage.row("pi").await, "Running 1/9");
    stage.federate("reconcile pi --rebalance").await.ok();
    let east = stage.site("east").job("pi").await?;
    assert!(
        east["metadata"]["annotations"][CREDITED].is_string(),
        "indexes were taken off: {east}"
    );
    work_until(stage, "pi", "Complete 9/9").await?;
    let mut indexes = Vec::new();
    for site in stage.members() {
        for name in site.names("jobs").await? {
            let done = site.pods(&name).await?.into_iter();
            let done = done.filter(|pod| pod["status"]["phase"] == "Succeeded");
            indexes.extend(done.filter_map(|pod| {
                let annotations = &pod["metadata"]["annotations"];
                let index = &annotations["batch.kubernetes.io/job-completion-index"];
                index.as_str()?.parse::<i32>().ok()
            }));
        }
    }
    indexes.sort_unstable();
    assert_eq!(indexes, (0..9).collect::<Vec<_>>());
    Ok(())
}

async fn ended(stage: &Stage) -> Outcome {
    run(stage, &["east", "west"], &job("pi", Some(2), Some(2))).await?;
    let complete = |job: &Value| job["status"]["completionTime"].is_string();
    stage.site("east").succeed("pi", 2).await?;
    stage.site("east").until_job("pi", "it is complete", complete).await;
    stage.federate(ADOPT).await.ok();
    assert_eq!(stage.row("pi").await, "Running 2/4");
    stage.site("west").succeed("pi", 2).await?;
    stage.federate("job wait pi --for=condition=complete --timeout=60s").await.ok();
    assert_eq!(stage.row("pi").await, "Complete 4/4");

    run(stage, &["north"], &job("e", Some(1), Some(1))).await?;
    stage.site("north").succeed("e", 1).await?;
    stage.site("north").until_job("e", "it is complete", complete).await;
    stage.federate("job adopt e --clusters=north --yes").await.ok();
    assert_eq!(stage.row("e").await, "Complete 1/1");
    let labels = &stage.site("north").job("e").await?["metadata"]["labels"];
    assert!(labels["kubectl-federate.dev/shard"] == "1", "{labels}");
    Ok(())
}

async fn life(stage: &Stage) -> Outcome {
    run(stage, &["east", "west"], &job("pi", Some(2), Some(4))).await?;
    stage.federate(ADOPT).await.ok();
    stage.federate("job scale pi --completions=12 --parallelism=6").await.ok();
    let shards = stage.get("pi").await?["status"]["shards"].as_array().map_or(0, Vec::len);
    assert!(shards > 2, "the further work has shards of its own");
    stage.federate("job suspend pi").await.ok();
    for cluster in ["east", "west"] {
        stage.site(cluster).until_job("pi", "it stops", |job| job["spec"]["suspend"] == true).await;
    }
    stage.federate("job resume pi").await.ok();
    work_until(stage, "pi", "Complete 12/12").await?;
    stage.federate("job delete pi --cascade=background").await.ok();
    for site in stage.members() {
        assert_eq!(site.names("jobs").await?, Vec::<String>::new());
    }
    Ok(())
}

async fn recovered(stage: &Stage) -> Outcome {
    run(stage, &["east", "west"], &job("pi", Some(2), Some(4))).await?;
    stage.federate(ADOPT).await.ok();
    let host = stage.host();
    let record = format!("{}/pi.federated-job", host.path("configmaps"));
    host.api.delete(&record, &json!({})).await?;
    stage
        .federate(ADOPT)
        .await
        .fails("it is or was a shard of a federated job")
        .warns("job recover");
    stage.federate("orphans list").await.ok().says("pi");
    stage.federate("job recover pi --yes").await.ok().says("Running 0/8");
    let before = stage.mark().await?;
    stage.federate("reconcile pi").await.ok().says("unchanged");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    work_until(stage, "pi", "Complete 8/8").await
}

async fn failed(stage: &Stage) -> Outcome {
    let mut job = job("pi", Some(2), Some(4));
    job["spec"]["backoffLimit"] = 0.into();
    run(stage, &["east", "west"], &job).await?;
    stage.site("east").succeed("pi", 1).await?;
    let counted = |job: &Value| job["status"]["succeeded"] == 1;
    stage.site("east").until_job("pi", "one is counted", counted).await;
    stage.site("east").fail("pi", 1).await?;
    let has_failed = |job: &Value| {
        let conditions = job["status"]["conditions"].as_array().into_iter().flatten();
        conditions.into_iter().any(|it| it["type"] == "Failed" && it["status"] == "True")
    };
    stage.site("east").until_job("pi", "it has failed", has_failed).await;
    let before = stage.mark().await?;
    stage.federate(ADOPT).await.fails("the job in cluster west would be stopped");
    stage.assert_nothing_of("pi", &before).await?;
    stage.federate("job adopt pi --clusters=east --yes").await.ok();
    assert_eq!(stage.row("pi").await, "Failed 1/4");
    stage.federate("job retry pi").await.ok();
    work_until(stage, "pi-retry", "Complete 3/3").await
}

async fn expiring(stage: &Stage) -> Outcome {
    let mut job = job("pi", Some(1), Some(1));
    job["spec"]["ttlSecondsAfterFinished"] = 3600.into();
    run(stage, &["east", "west"], &job).await?;
    stage.federate(ADOPT).await.ok().warns("ttlSecondsAfterFinished, 3600, is taken off the jobs");
    let ttl = async |cluster: &str| {
        let job = stage.site(cluster).job("pi").await?;
        Ok::<_, Failed>(job["spec"]["ttlSecondsAfterFinished"].clone())
    };
    assert_eq!((ttl("east").await?, ttl("west").await?), (Value::Null, Value::Null));
    work_until(stage, "pi", "Complete 2/2").await?;
    // The outcome is recorded first, then the Jobs may expire.
    for _ in 0..3 {
        stage.federate("reconcile pi").await.ok();
    }
    assert_eq!((ttl("east").await?, ttl("west").await?), (json!(3600), json!(3600)));
    Ok(())
}

async fn misfits(stage: &Stage) -> Outcome {
    let plain = job("pi", Some(1), Some(2));
    run(stage, &["east"], &plain).await?;
    let before = stage.mark().await?;
    stage
        .federate(ADOPT)
        .await
        .fails("job.batch/pi in cluster west cannot be adopted: there is no");
    stage.federate("job adopt pi --clusters=south --yes").await.fails("is not registered");
    let with = |pointer: &str, value: Value| {
        let mut job = plain.clone();
        let (parent, field) = pointer.rsplit_once('/').unwrap_or_default();
        job.pointer_mut(parent).expect("it is there")[field] = value;
        job
    };
    // One that is there: a Job whose owner is gone is deleted.
    let owner = json!({"metadata": {"name": "nightly"}});
    let owner = stage.site("west").create("configmaps", &owner).await?;
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "nightly",
        "uid": owner["metadata"]["uid"]}]);
    for (job, said) in [
        (with("/spec/backoffLimit", json!(3)), "spec.backoffLimit differs"),
        (with("/spec/activeDeadlineSeconds", json!(900)), "spec.activeDeadlineSeconds differs"),
        (with("/spec/ttlSecondsAfterFinished", json!(900)), "spec.ttlSecondsAfterFinished differs"),
        (with("/spec/suspend", json!(true)), "spec.suspend differs"),
        (with("/spec/completionMode", json!("Indexed")), "spec.completionMode differs"),
        (with("/spec/completions", Value::Null), "spec.completions differs"),
        (
            with("/spec/template/spec/containers/0/image", json!("python")),
            "spec.template.spec.containers[0].image differs",
        ),
        (with("/spec/parallelism", json!(0)), "spec.parallelism is 0, and not 0 in cluster east"),
        (with("/metadata/ownerReferences", owner), "ConfigMap \"nightly\" owns it"),
        (
            with("/metadata/annotations", json!({CREDITED: "1"})),
            "it has kubectl-federate.dev/credited",
        ),
    ] {
        let west = stage.site("west");
        west.create("jobs", &job).await?;
        stage.federate(ADOPT).await.fails(said).warns("in cluster west cannot be adopted");
        stage.assert_nothing_of("pi", &before).await?;
        west.delete("pi").await?;
    }
    stage.site("west").link.cut().await?;
    stage.federate(ADOPT).await.fails("in cluster west cannot be adopted: it cannot be read");
    stage.site("west").link.restore().await?;
    stage.assert_nothing_of("pi", &before).await?;
    Ok(())
}

async fn refused(stage: &Stage) -> Outcome {
    run(stage, &["east", "west"], &job("pi", Some(1), Some(2))).await?;
    stage.site("west").require_of_jobs("activeDeadlineSeconds", "a deadline is needed").await?;
    let before = stage.mark().await?;
    stage.federate(ADOPT).await.fails("nothing was adopted").warns("a deadline is needed");
    stage.assert_nothing_of("pi", &before).await
}

async fn stalled(stage: &Stage) -> Outcome {
    run(stage, &["east", "west"], &job("pi", Some(2), Some(4))).await?;
    stage.federate(ADOPT).await.ok();
    let message = "0/3 nodes are available: 3 Insufficient cpu.";
    let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": message});
    stage.site("west").report("pi", 2, &json!({"conditions": [condition]})).await?;
    let described = stage.federate("job describe pi").await.ok().says(message);
    assert!(!described.stdout.contains("Dropped Fields"), "{described:#?}");
    Ok(())
}

async fn twice(stage: &Stage) -> Outcome {
    run(stage, &["east", "west"], &job("pi", Some(1), Some(2))).await?;
    stage.federate(ADOPT).await.ok();
    let before = stage.mark().await?;
    stage.federate(ADOPT).await.ok().says("job.batch/pi unchanged: Running 0/4");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    stage
        .federate("job adopt pi --clusters=east --yes")
        .await
        .fails("already exists")
        .warns("job get pi");
    for cluster in ["east", "west"] {
        stage.site(cluster).delete("pi").await?;
    }
    run(stage, &["east", "west"], &job("pi", Some(1), Some(2))).await?;
    let before = stage.mark().await?;
    stage.federate(ADOPT).await.fails("already exists");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    Ok(())
}
