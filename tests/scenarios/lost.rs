//! A cluster is declared lost in the midst of a Job, and returns.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures::FutureExt as _;
use libtest_mimic::Failed;
use real::Fleet;
use serde_json::{Value, json};

use crate::edit_members::work_in;
use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{MEMBERS, SOON, Stage, job};

/// The ConfigMap of the registry on the host.
const REGISTRY: &str = "/api/v1/namespaces/kubectl-federate/configmaps/federation";

pub fn scenarios() -> Scenarios {
    Scenarios::of("lost")
        .both_from_nothing(
            "an indexed job loses a cluster half-way, and runs each index once",
            async |stage| half_way(stage, "Indexed").await,
        )
        .both_from_nothing(
            "a job loses a cluster half-way, and makes each completion once",
            async |stage| half_way(stage, "NonIndexed").await,
        )
        .both_from_nothing("what a lost cluster did unseen is reported by index", twice_indexed)
        .both_from_nothing("what a lost cluster did unseen is reported by number", twice_counted)
        .both_from_nothing(
            "what a lost cluster did unseen is taken off those that have not started it",
            given_back,
        )
        .both_from_nothing("a lost cluster that answers is stopped before others go on", answers)
        .both_from_nothing("a work queue of a lost cluster goes on in others", work_queue)
        .both_from_nothing("a watched reconcile ends although a cluster is lost", watched)
        .both_from_nothing("a failed job of which a cluster is lost is retried", retried)
        .both_from_nothing("a lost cluster keeps its name until its work is given up", named)
        .both_from_nothing("a deletion does not wait for a lost cluster", deleted)
        .both_from_nothing("a record that cannot be read keeps no other job there", unread)
        .both_from_nothing("what nobody else may take stays unplaced", nobody_else)
        .real_alone("a killed API server is declared lost, and comes back", killed)
}

/// A federation of which [`MEMBERS`] are members, and a Job of 30 completions that runs in all of
/// them: of 10 completions, each has done 4.
pub async fn begun(stage: &Stage, mode: &str) -> Outcome {
    stage.federation_of(&MEMBERS).await;
    create(stage, mode).await
}

/// The Job of these scenarios, which has done 12 of its 30 completions.
pub async fn create(stage: &Stage, mode: &str) -> Outcome {
    let mut job = job("pi", Some(6), Some(30));
    job["spec"]["completionMode"] = mode.into();
    stage.create(&job).await?.ok();
    for site in stage.members() {
        succeed(stage, &site.name, 4).await?;
    }
    stage.federate("reconcile pi").await.ok().says("Running 12/30");
    Ok(())
}

/// Lets so many more pods of `pi` succeed in a cluster, and waits until its Job has counted them.
async fn succeed(stage: &Stage, name: &str, more: usize) -> Outcome {
    let site = stage.site(name);
    let count = |job: &Value| job["status"]["succeeded"].as_u64().unwrap_or(0);
    let before = count(&site.job("pi").await?);
    site.succeed("pi", more).await?;
    let all = before + u64::try_from(more)?;
    site.until_job("pi", "all are counted", |job| count(job) == all).await;
    Ok(())
}

/// The indexes of the pods that have succeeded in all clusters; -1 for pods without one.
pub async fn successes(stage: &Stage) -> Result<Vec<i32>, Failed> {
    let mut all = Vec::new();
    for site in stage.members() {
        for name in site.names("jobs").await? {
            for pod in site.pods(&name).await? {
                let annotations = &pod["metadata"]["annotations"];
                let index = annotations["batch.kubernetes.io/job-completion-index"].as_str();
                if pod["status"]["phase"] == "Succeeded" {
                    all.push(index.map_or(Ok(-1), str::parse)?);
                }
            }
        }
    }
    all.sort_unstable();
    Ok(all)
}

fn once(mode: &str) -> Vec<i32> {
    if mode == "Indexed" { (0..30).collect() } else { vec![-1; 30] }
}

/// Lets pods succeed in all clusters but west, and reconciles, until `job get` shows this.
pub async fn others(stage: &Stage, row: &str) -> Outcome {
    let others = stage.members().filter(|site| site.name != "west");
    work_in(stage, &others.collect::<Vec<_>>(), "pi", row).await
}

/// Reconciles until the shard of the cluster that is back has ended, and that is said.
async fn returned(stage: &Stage, saying: &str) {
    real::until("the return to be told", SOON, || async {
        let ran = stage.federate("reconcile pi").await;
        let told = ran.stderr.contains("it was declared lost, and answers again");
        if told && ran.stderr.contains(saying) { Ok(()) } else { Err(format!("{ran:?}")) }
    })
    .await;
}

async fn half_way(stage: &Stage, mode: &str) -> Outcome {
    begun(stage, mode).await?;
    let west = stage.site("west");
    west.link.cut().await?;
    stage.federate("reconcile pi").await.fails("1 of 3 clusters").says("Running,Unknown 12/30");
    let before = stage.mark().await?;
    stage
        .federate("cluster lost west")
        .await
        .fails("--yes goes on without a question")
        .warns("job.batch/pi in namespace")
        .warns("6 completions of cluster west may run twice");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    let lost = stage.federate("cluster lost west --yes").await.ok();
    lost.says("cluster/west declared lost").warns("[west] job.batch/pi: 6 completions");
    stage.federate("cluster lost west --yes").await.ok().says("cluster/west already declared lost");
    others(stage, "Complete 30/30").await?;
    let described = stage.federate("job describe pi").await.ok().says("cluster lost").says("Lost");
    assert!(!described.stdout.contains("Ran Twice"), "{described:?}");
    // It returns with pods that run. They are stopped, and none is started again.
    west.link.restore().await?;
    returned(stage, "nothing has run twice").await;
    stage.until_row("pi", "Complete 30/30").await;
    let complete = |job: &Value| job["status"]["completionTime"].is_string();
    west.until_job("pi", "it has ended with what it had", complete).await;
    stage.federate("reconcile pi").await.ok();
    let before = stage.mark().await?;
    stage.federate("reconcile pi").await.ok();
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    assert_eq!(successes(stage).await?, once(mode));
    stage.federate("cluster list").await.ok().says("Lost");
    stage.federate("cluster uncordon west").await.ok().says("cluster/west uncordoned");
    stage.federate("reconcile pi").await.ok();
    assert_eq!(successes(stage).await?, once(mode), "the outcome is latched");
    Ok(())
}

/// West does 2 completions unseen, and returns when others have done them, too.
async fn twice(stage: &Stage, mode: &str, said: &str) -> Outcome {
    begun(stage, mode).await?;
    let west = stage.site("west");
    west.link.cut().await?;
    succeed(stage, "west", 2).await?;
    stage.federate("cluster lost west --yes").await.ok();
    others(stage, "Complete 30/30").await?;
    west.link.restore().await?;
    returned(stage, said).await;
    assert_eq!(successes(stage).await?.len(), 32);
    Ok(())
}

async fn twice_indexed(stage: &Stage) -> Outcome {
    twice(stage, "Indexed", "job.batch/pi: the indexes 24,25 have run twice").await?;
    stage.federate("job describe pi").await.ok().says("Ran Twice:").says("the indexes 24,25");
    assert_eq!(stage.get("pi").await?["status"]["ranTwiceIndexes"], "24,25");
    Ok(())
}

async fn twice_counted(stage: &Stage) -> Outcome {
    twice(stage, "NonIndexed", "job.batch/pi: 2 completions have run twice").await?;
    stage.federate("job describe pi").await.ok().says("Ran Twice:").says("2 completions");
    assert_eq!(stage.get("pi").await?["status"]["ranTwice"], 2);
    Ok(())
}

/// West does 4 more completions unseen, and returns before others have started what was given to
/// them.
async fn given_back(stage: &Stage) -> Outcome {
    begun(stage, "NonIndexed").await?;
    let west = stage.site("west");
    west.link.cut().await?;
    succeed(stage, "west", 2).await?;
    succeed(stage, "west", 2).await?;
    stage.federate("cluster lost west --yes").await.ok();
    west.link.restore().await?;
    stage.federate("reconcile pi").await;
    others(stage, "Complete 30/30").await?;
    let ran = successes(stage).await?.len();
    assert!(ran <= 32, "of 4 that were done, those that had not started were given back: {ran}");
    let twice = stage.get("pi").await?["status"]["ranTwice"].as_u64().unwrap_or(0);
    assert_eq!(u64::try_from(ran)?, 30 + twice, "what ran twice is reported");
    Ok(())
}

async fn answers(stage: &Stage) -> Outcome {
    begun(stage, "Indexed").await?;
    succeed(stage, "west", 1).await?;
    let before = stage.mark().await?;
    let asked = stage.federate("cluster lost west").await;
    asked.fails("there is no terminal to confirm this on").warns("Cluster \"west\" answers. ");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    stage.federate("cluster lost west --yes").await;
    let west = stage.site("west").job("pi").await?;
    assert_eq!(west["spec"]["suspend"], true, "{west:#}");
    others(stage, "Complete 30/30").await?;
    assert_eq!(successes(stage).await?, once("Indexed"));
    assert_eq!(stage.get("pi").await?["status"].get("ranTwice"), None);
    Ok(())
}

async fn work_queue(stage: &Stage) -> Outcome {
    stage.federation_of(&["east", "west"]).await;
    stage.create(&job("pi", Some(4), None)).await?.ok();
    let (east, west) = (stage.site("east"), stage.site("west"));
    west.link.cut().await?;
    stage
        .federate("cluster lost west --yes")
        .await
        .ok()
        .warns("2 pods of cluster west are given to others");
    let shards: Vec<_> = east.names("jobs").await?;
    assert_eq!(shards, ["pi", "pi-3"]);
    for shard in shards {
        east.succeed(&shard, 2).await?;
    }
    west.link.restore().await?;
    let over = ["east", "west"].map(|name| stage.site(name));
    work_in(stage, &over, "pi", "Complete 4/1 of 4").await?;
    Ok(())
}

async fn watched(stage: &Stage) -> Outcome {
    begun(stage, "Indexed").await?;
    stage.site("west").link.cut().await?;
    stage.federate("cluster lost west --yes").await.ok();
    stage.federate("cluster drain west").await.fails("cluster \"west\" was declared lost");
    others(stage, "Complete 30/30").await?;
    stage.federate("reconcile pi --watch").await.ok();
    Ok(())
}

async fn retried(stage: &Stage) -> Outcome {
    stage.federation_of(&["east", "west"]).await;
    let mut pi = job("pi", Some(2), Some(4));
    pi["spec"]["backoffLimit"] = 0.into();
    stage.create(&pi).await?.ok();
    stage.site("west").link.cut().await?;
    stage.federate("cluster lost west --yes").await.ok();
    stage.site("east").fail("pi", 1).await?;
    real::until("pi to have failed", SOON, || async {
        let ran = stage.federate("reconcile pi").await;
        let row = stage.row("pi").await;
        if row == "Failed 0/4" { Ok(()) } else { Err(format!("{row} {ran:?}")) }
    })
    .await;
    let asked = stage.federate("job retry pi").await;
    asked.fails("there is no terminal to confirm this on").warns("2 completions in cluster west");
    stage.federate("job retry pi --yes").await.ok().says("job.batch/pi-retry created");
    stage.federate("job describe pi-retry").await.ok().says("WHAT MAY RUN TWICE");
    Ok(())
}

/// The process that declared west lost was killed before it gave up anything, and west's context
/// leads to another cluster, as after it was built anew.
async fn named(stage: &Stage) -> Outcome {
    stage.federation_of(&["east", "west"]).await;
    stage.create(&job("pi", Some(2), Some(4))).await?.ok();
    let (api, key) = (&stage.host().api, "member.kubectl-federate.dev/west");
    let registry = api.get(REGISTRY).await?;
    let west = registry["metadata"]["annotations"][key].as_str().ok_or("it is registered")?;
    let mut west: Value = serde_json::from_str(west)?;
    west["state"] = "lost".into();
    west["lost"] = json!({"what": "lost", "detail": "cluster west", "who": "alice", "when": 7});
    let lost = json!({"metadata": {"annotations": {key: west.to_string()}}});
    api.patch(REGISTRY, &lost).await?;
    stage.contexts(&[("host", "host"), ("east", "east"), ("west", "north")], "admin")?;
    let kept = stage.federate("cluster register west").await;
    kept.fails("has yet to give up the work of").warns("reconcile --all-namespaces");
    stage.federate("reconcile --all-namespaces").await.ok();
    stage.federate("cluster register west").await.ok().says("cluster/west registered");
    let both = ["east", "north"].map(|name| stage.site(name));
    work_in(stage, &both, "pi", "Complete 4/4").await
}

async fn deleted(stage: &Stage) -> Outcome {
    begun(stage, "NonIndexed").await?;
    stage.site("west").link.cut().await?;
    stage.federate("cluster lost west --yes").await.ok();
    let deleted = stage.federate("job delete pi --cascade=background").await.ok();
    deleted.says("job.batch \"pi\" deleted").warns("its cluster was declared lost");
    assert_eq!(stage.record("pi").await?, None);
    for name in ["east", "north"] {
        assert_eq!(stage.site(name).names("jobs").await?, Vec::<String>::new());
    }
    Ok(())
}

/// Of two Jobs that west has shards of, the record of one is damaged. The other leaves west.
async fn unread(stage: &Stage) -> Outcome {
    stage.federation_of(&["east", "west"]).await;
    for name in ["pi", "tau"] {
        stage.create(&job(name, Some(2), Some(4))).await?.ok();
    }
    let key = "shard.kubectl-federate.dev/1";
    let record = stage.record("tau").await?.ok_or("there is a record")?;
    let set = async |value: &Value| {
        let change = json!({"metadata": {"annotations": {key: value}}});
        stage.host().patch("configmaps", "tau.federated-job", &change).await
    };
    set(&json!("{")).await?;
    let damaged = format!("configmap {}/tau.federated-job is damaged", stage.namespace);
    let (east, west) = (stage.site("east"), stage.site("west"));
    let drained = stage.federate("cluster drain west --now --timeout=30s").await;
    let drained = drained.fails(&damaged).says("job.batch/pi stopped in cluster west");
    drained.warns("cluster \"west\" stays Draining");
    stage.federate("cluster uncordon west").await.ok();
    west.link.cut().await?;
    let before = stage.mark().await?;
    let asked = stage.federate("cluster lost west").await;
    asked
        .fails("there is no terminal to confirm this on")
        .warns(&damaged)
        .warns("it may run twice");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    let lost = stage.federate("cluster lost west --yes").await;
    lost.fails(&damaged).says("cluster/west declared lost");
    work_in(stage, &[east], "pi", "Complete 4/4").await?;
    // Once it can be read, its work is given to others, too.
    set(&record["metadata"]["annotations"][key]).await?;
    stage.federate("reconcile tau").await.warns("[west] job.batch/tau: 2 completions");
    work_in(stage, &[east], "tau", "Complete 4/4").await
}

async fn nobody_else(stage: &Stage) -> Outcome {
    stage.federation_of(&["west"]).await;
    stage.create(&job("pi", Some(2), Some(4))).await?.ok();
    let west = stage.site("west");
    west.link.cut().await?;
    stage.federate("cluster lost west --yes").await.ok().says("Unplaced 0/4");
    west.link.restore().await?;
    stage.federate("reconcile pi").await;
    stage.federate("cluster uncordon west").await.ok();
    stage.federate("reconcile pi").await.ok();
    work_in(stage, &[west], "pi", "Complete 4/4").await?;
    assert_eq!(successes(stage).await?.len(), 4);
    Ok(())
}

async fn killed(stage: &Stage, fleet: &'static Fleet) -> Outcome {
    stage.delete_other_records().await?;
    create(stage, "Indexed").await?;
    let west = fleet.cluster("west");
    west.kill();
    let while_dead = async {
        stage.federate("cluster lost west --yes").await.ok();
        others(stage, "Complete 30/30").await
    };
    let outcome = AssertUnwindSafe(while_dead).catch_unwind().await;
    west.revive().await?;
    let returned = AssertUnwindSafe(returned(stage, "nothing has run twice"));
    let returned = returned.catch_unwind().await;
    // Others use the federation too.
    stage.federate("cluster uncordon west").await.ok();
    outcome.unwrap_or_else(|panic| resume_unwind(panic))?;
    returned.unwrap_or_else(|panic| resume_unwind(panic));
    stage.federate("reconcile pi").await.ok();
    assert_eq!(successes(stage).await?, once("Indexed"));
    Ok(())
}
