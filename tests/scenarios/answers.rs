//! What a cluster answers is compared with what was sent; work that may be done is run again only
//! where the user says so; and a wait does not give up while an outcome is about to show.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};

use crate::scenarios::{Outcome, Scenarios};
use crate::site::Site;
use crate::stage::{SOON, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("answers")
        .sim("a shard that may have expired is run again only where the user says so", expired)
        .sim(
            "a wait for an outcome that is latched goes on until the last shard has ended",
            latched,
        )
        .sim("a shard whose completions a cluster changed is not started", changed_completions)
        .sim("what a cluster adds to a shard is named", added)
        .sim("a cluster that adds a successPolicy gets no shard", added_success_policy)
        .sim("a dry run that is answered with something else refuses the edit", other_kind)
        .sim("an edit that is interrupted says whether it is recorded", interrupted)
        .sim("an edit that the host did not answer says that it may be recorded", unanswered)
}

/// Has a simulated cluster set a field of each Job that is created.
fn set_on_creation(stage: &Stage, site: &Site, path: &str, value: Value) {
    set(stage, site, &[sim::Operation::Create], path, value);
}

/// Has a simulated cluster set a field of each Job that is written so.
fn set(stage: &Stage, site: &Site, operations: &[sim::Operation], path: &str, value: Value) {
    site.cluster().add_policy(sim::Policy {
        name: "set".to_owned(),
        namespace: stage.namespace.clone(),
        operations: operations.to_vec(),
        rule: sim::Rule::Set { path: path.to_owned(), value },
    });
}

async fn expired(stage: &Stage) -> Outcome {
    let east = stage.site("east");
    let writes = [sim::Operation::Create, sim::Operation::Update];
    set(stage, east, &writes, "/spec/ttlSecondsAfterFinished", json!(60));
    let created = stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let said = "ttlSecondsAfterFinished is 60, not unset";
    created.warns(&format!("[east] job.batch/pi: the cluster changed it: {said}"));
    stage.federate("job describe pi").await.ok().says(said);
    east.delete("pi").await?;
    stage.federate("reconcile pi").await.ok().says("Running,Unplaced 0/6");
    stage.federate("job describe pi").await.ok().says("may have finished before");
    let asked = stage.federate("reconcile pi --reopen").await;
    asked.fails("--yes").warns("its ttlSecondsAfterFinished to 60");
    assert_eq!(shards(stage).await?, 3, "nothing is run again");
    stage.federate("reconcile pi --reopen --yes").await.ok();
    assert_eq!(shards(stage).await?, 4, "its work is run again");
    let described = stage.federate("job describe pi").await.ok();
    described.says("Accepted:").says("admin").says("what is left of job pi in cluster east");
    Ok(())
}

async fn added(stage: &Stage) -> Outcome {
    let east = stage.site("east");
    set_on_creation(stage, east, "/spec/template/spec/activeDeadlineSeconds", json!(60));
    let created = stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let said = "template.spec.activeDeadlineSeconds is 60, not unset";
    created.warns(&format!("[east] job.batch/pi: the cluster changed it: {said}"));
    stage.federate("job describe pi").await.ok().says(said);
    Ok(())
}

async fn added_success_policy(stage: &Stage) -> Outcome {
    let policy = json!({"rules": [{"succeededCount": 1}]});
    set_on_creation(stage, stage.site("east"), "/spec/successPolicy", policy);
    let mut indexed = job("pi", Some(3), Some(6));
    indexed["spec"]["completionMode"] = "Indexed".into();
    let refused = stage.create(&indexed).await?;
    refused.fails("spec.successPolicy: the cluster adds it").warns("1 of 3 clusters refused");
    Ok(())
}

/// How many shards the Job has had.
async fn shards(stage: &Stage) -> Result<usize, libtest_mimic::Failed> {
    let job = stage.get("pi").await?;
    Ok(job["status"]["shards"].as_array().map_or(0, Vec::len))
}

async fn latched(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let [east, west] = ["east", "west"].map(|name| stage.site(name));
    east.succeed("pi", 1).await?;
    west.run("pi", 1).await?;
    let scaled = stage.federate("job scale pi --completions=1").await.ok();
    scaled.warns("running pods are stopped");
    let wait = stage.federate("job wait pi --for=condition=complete --timeout=60s");
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = looks.clone();
    west.cluster().on_request(move |request| {
        let is_look = (request.verb, request.resource.as_str()) == ("list", "jobs");
        counted.fetch_add(usize::from(is_look), Ordering::Relaxed);
        sim::Verdict::Pass
    });
    let release = async {
        // The wait has seen the latched outcome in its first look.
        real::until("a second look", SOON, || async {
            let looks = looks.load(Ordering::Relaxed);
            if looks >= 2 { Ok(()) } else { Err(format!("{looks} looks")) }
        })
        .await;
        west.release("pi").await
    };
    let (waited, released) = tokio::join!(wait, release);
    released?;
    waited.ok().says("condition met");
    Ok(())
}

async fn changed_completions(stage: &Stage) -> Outcome {
    let east = stage.site("east");
    set_on_creation(stage, east, "/spec/completions", json!(9));
    stage
        .create(&job("pi", Some(3), Some(6)))
        .await?
        .warns("its cluster changed the completions of job pi from 2 to 9: it is not started");
    assert_eq!(east.job("pi").await?["spec"]["suspend"], true);
    assert_eq!(stage.site("west").job("pi").await?["spec"]["suspend"], false);
    Ok(())
}

async fn other_kind(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    stage.site("west").cluster().on_request(|request| {
        if (request.verb, request.resource.as_str()) != ("patch", "jobs") {
            return sim::Verdict::Pass;
        }
        let other = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pi"}});
        let answer = http::Response::builder().header("content-type", "application/json");
        let answer = answer.body(other.to_string().into()).expect("it is whole");
        sim::Verdict::Answer(sim::When::Before, answer)
    });
    let before = stage.mark().await?;
    let scaled = stage.federate("job scale pi --parallelism=6").await;
    scaled
        .fails("answered a write of a Job with something else: is it an API server? (cluster west)")
        .warns("nothing was changed: 1 of 3 clusters refused");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    Ok(())
}

async fn interrupted(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let namespace = stage.namespace.as_str();
    for (cluster, verb, resource, said) in [
        ("east", "get", "configmaps", "interrupted before any job was scaled"),
        ("east", "patch", "configmaps", "it is not known whether the change is recorded"),
        ("west", "patch", "jobs", "The change is recorded"),
    ] {
        let hangs = Arc::new(AtomicUsize::new(0));
        let counted = hangs.clone();
        let site = stage.site(cluster);
        site.cluster().on_request(move |request| {
            let is_write = (request.verb, request.resource.as_str()) == (verb, resource);
            if !is_write || request.dry_run {
                return sim::Verdict::Pass;
            }
            counted.fetch_add(1, Ordering::Relaxed);
            sim::Verdict::Hang(sim::When::Before)
        });
        let enough = |_: &str| hangs.load(Ordering::Relaxed) > 0;
        let ran = stage.federate_until("job scale pi --parallelism=6", enough).await;
        assert_eq!(ran.code, 130, "{ran:#?}");
        let finish =
            format!("`kubectl federate reconcile pi -n {namespace}` finishes what was begun");
        let ran = ran.warns(said);
        assert_eq!(ran.stderr.contains(&finish), verb == "patch", "{ran:#?}");
        site.cluster().on_request(|_| sim::Verdict::Pass);
    }
    stage.federate("reconcile pi").await.ok();
    assert_eq!(stage.shares("pi").await?, ["east 2/2", "north 2/2", "west 2/2"]);
    Ok(())
}

async fn unanswered(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    stage.host().cluster().on_request(|request| match (request.verb, request.resource.as_str()) {
        ("patch", "configmaps") => sim::Verdict::Reset(sim::When::After),
        _ => sim::Verdict::Pass,
    });
    let namespace = stage.namespace.as_str();
    let finish = format!("`kubectl federate reconcile pi -n {namespace}` finishes what was begun");
    let scaled = stage.federate("job scale pi --parallelism=6").await;
    scaled.fails("It may be recorded, as `kubectl federate job get pi").warns(&finish);
    stage.host().cluster().on_request(|_| sim::Verdict::Pass);
    stage.federate("reconcile pi").await.ok();
    assert_eq!(stage.shares("pi").await?, ["east 2/2", "north 2/2", "west 2/2"]);
    Ok(())
}
