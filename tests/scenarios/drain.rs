//! The work of a cluster is given to others without loss; a cluster is taken out with its work.

use jiff::SignedDuration;
use serde_json::Value;

use crate::edit_members::work_in;
use crate::lost::{begun, create, others, successes};
use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{MEMBERS, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("drain")
        .both_from_nothing("a drain moves what has not started, and waits for the rest", drained)
        .both_from_nothing("a cluster whose work runs all at once is drained", running)
        .both_from_nothing("a drain that may not wait stops pods, and loses nothing", now)
        .both_from_nothing("a drain lets the running pods of a work queue finish", queue)
        .both_from_nothing("a drain that may not wait stops a work queue, too", queue_now)
        .sim("a drain by a computer whose clock is ahead stops pods, and loses nothing", early)
        .both_from_nothing("the work of a suspended job is drained, too", async |stage| {
            at_rest(stage, "job suspend pi", "job resume pi").await
        })
        .sim_from_nothing("so is that of a job that is suspended early", suspended_early)
        .sim_from_nothing("the work of a paused job is drained, too", async |stage| {
            at_rest(stage, "job scale pi --parallelism=0", "job scale pi --parallelism=6").await
        })
        .both_from_nothing("a drain that is cut short is finished by another", repeated)
        .both_from_nothing("work that nobody else may take stays", nobody_else)
        .sim_from_nothing("a drain stops no pods whose work nobody else may take", nobody_to_go_on)
        .both_from_nothing("a cluster is unregistered by force with its work", forced)
        .both_from_nothing("a new cluster gets work that has not started when asked", rebalanced)
        .both_from_nothing("a cluster that was built anew takes the name of a lost one", built_anew)
}

pub async fn is_credited(stage: &Stage) {
    let credited =
        |job: &Value| job["metadata"]["annotations"].get("kubectl-federate.dev/credited").is_some();
    stage.site("west").until_job("pi", "it is credited", credited).await;
}

async fn drained(stage: &Stage) -> Outcome {
    begun(stage, "NonIndexed").await?;
    let west = stage.site("west");
    let pods_end = async {
        is_credited(stage).await;
        west.succeed("pi", 2).await
    };
    let (drained, ended) =
        tokio::join!(stage.federate("cluster drain west --timeout=1m"), pods_end);
    ended?;
    drained.ok().says("cluster/west draining").says("credited").says("cluster/west drained");
    stage.federate("cluster list").await.ok().says("Cordoned");
    others(stage, "Complete 30/30").await?;
    assert_eq!(successes(stage).await?.len(), 30, "each completion was made once");
    assert_eq!(stage.get("pi").await?["status"]["shards"][2]["succeeded"], 6);
    Ok(())
}

/// Nothing of the Job is left to start.
async fn running(stage: &Stage) -> Outcome {
    stage.federation_of(&["east", "west"]).await;
    stage.create(&job("pi", Some(6), Some(6))).await?.ok();
    let west = stage.site("west");
    west.until_pods("pi", 3).await;
    stage.federate("reconcile pi").await.ok();
    let (drained, ended) =
        tokio::join!(stage.federate("cluster drain west --timeout=1m"), west.succeed("pi", 3));
    ended?;
    drained.ok().says("cluster/west drained");
    work_in(stage, &[stage.site("east")], "pi", "Complete 6/6").await?;
    assert_eq!(successes(stage).await?.len(), 6, "each completion was made once");
    Ok(())
}

async fn now(stage: &Stage) -> Outcome {
    begun(stage, "Indexed").await?;
    let drained = stage.federate("cluster drain west --now --timeout=1m").await.ok();
    drained.says("stopped in cluster west").says("cluster/west drained");
    others(stage, "Complete 30/30").await?;
    assert_eq!(successes(stage).await?, (0..30).collect::<Vec<_>>());
    Ok(())
}

/// A work queue has two pods in each of two clusters.
async fn queue_begun(stage: &Stage) -> Outcome {
    stage.federation_of(&["east", "west"]).await;
    stage.create(&job("pi", Some(4), None)).await?.ok();
    for site in ["east", "west"] {
        stage.site(site).until_pods("pi", 2).await;
    }
    Ok(())
}

async fn queue(stage: &Stage) -> Outcome {
    queue_begun(stage).await?;
    for site in ["east", "west"] {
        stage.site(site).run("pi", 2).await?;
    }
    stage.federate("reconcile pi").await.ok();
    let [east, west] = ["east", "west"].map(|name| stage.site(name));
    let waited = stage.federate("cluster drain west --timeout=3s").await;
    let waits = "job.batch/pi is a work queue: its pods in cluster west run on until it ends.";
    waited.fails("timed out waiting for the shards in cluster \"west\" to end").warns(waits);
    let name = |pod: &Value| pod["metadata"]["name"].clone();
    let runs = |pod: &&Value| pod["metadata"].get("deletionTimestamp").is_none();
    let running = west.pods("pi").await?.iter().filter(runs).map(name).collect::<Vec<_>>();
    assert_eq!(running.len(), 2, "they run on");
    assert_eq!(west.job("pi").await?["spec"]["suspend"], false);
    let pods_end = async {
        west.succeed("pi", 2).await?;
        east.succeed("pi", 2).await
    };
    let (drained, ended) =
        tokio::join!(stage.federate("cluster drain west --timeout=1m"), pods_end);
    ended?;
    drained.ok().says("cluster/west drained");
    stage.until_row("pi", "Complete 4/1 of 4").await;
    assert_eq!(east.names("jobs").await?, ["pi"], "nothing was opened elsewhere");
    Ok(())
}

async fn queue_now(stage: &Stage) -> Outcome {
    queue_begun(stage).await?;
    stage.federate("reconcile pi").await.ok();
    let drained = stage.federate("cluster drain west --now --timeout=1m").await.ok();
    drained.says("stopped in cluster west").says("cluster/west drained");
    let east = stage.site("east").job("pi").await?;
    assert_eq!(east["spec"]["parallelism"], 4, "others do its work");
    Ok(())
}

/// It has no pods that could finish, and none starts.
async fn at_rest(stage: &Stage, stop: &str, go_on: &str) -> Outcome {
    begun(stage, "NonIndexed").await?;
    stage.federate(stop).await.ok();
    let drained = stage.federate("cluster drain west --timeout=1m").await.ok();
    drained.says("cluster/west drained");
    stage.federate(go_on).await.ok();
    others(stage, "Complete 30/30").await?;
    assert_eq!(successes(stage).await?.len(), 30, "each completion was made once");
    Ok(())
}

/// It is suspended before any pod has ended.
async fn suspended_early(stage: &Stage) -> Outcome {
    stage.federation_of(&MEMBERS).await;
    stage.create(&job("pi", Some(6), Some(18))).await?.ok();
    stage.federate("job suspend pi").await.ok();
    let drained = stage.federate("cluster drain west --timeout=1m").await.ok();
    drained.says("cluster/west drained");
    stage.federate("job resume pi").await.ok();
    others(stage, "Complete 18/18").await?;
    assert_eq!(successes(stage).await?.len(), 18, "each completion was made once");
    Ok(())
}

async fn early(stage: &Stage) -> Outcome {
    for site in stage.members() {
        site.cluster().set_clock_ahead(SignedDuration::from_hours(-1));
    }
    create(stage, "NonIndexed").await?;
    let drained = stage.federate("cluster drain west --now --timeout=1m").await.ok();
    drained.says("stopped in cluster west").says("cluster/west drained");
    others(stage, "Complete 30/30").await
}

async fn repeated(stage: &Stage) -> Outcome {
    begun(stage, "NonIndexed").await?;
    let cut_short = stage.federate("cluster drain west --timeout=2s").await;
    cut_short.fails("timed out waiting for the shards in cluster \"west\" to end");
    stage.federate("cluster list").await.ok().says("Draining");
    // A server that does not answer is waited for no longer than the drain.
    let west = stage.site("west");
    west.link.silence().await?;
    let cut_short = stage.federate("cluster drain west --timeout=1s").await;
    cut_short.fails("timed out waiting for the shards in cluster \"west\" to end");
    west.link.restore().await?;
    let everywhere: Vec<_> = stage.members().collect();
    work_in(stage, &everywhere, "pi", "Complete 30/30").await?;
    stage.federate("cluster drain west --timeout=1m").await.ok().says("cluster/west drained");
    assert_eq!(successes(stage).await?.len(), 30);
    let jobs = west.names("jobs").await?;
    assert_eq!(jobs, ["pi"], "a drained cluster gets no further shard");
    Ok(())
}

async fn nobody_else(stage: &Stage) -> Outcome {
    stage.federation_of(&["west"]).await;
    stage.create(&job("pi", Some(2), Some(4))).await?.ok();
    let kept = stage.federate("cluster drain west --timeout=1m").await;
    kept.fails("no other cluster may take the work of cluster \"west\", which stays:");
    let west = stage.site("west");
    west.succeed("pi", 4).await?;
    stage.until_row("pi", "Complete 4/4").await;
    Ok(())
}

/// A drain has waited for pods. When it may not wait any more, no other cluster takes work.
async fn nobody_to_go_on(stage: &Stage) -> Outcome {
    begun(stage, "NonIndexed").await?;
    let waited = stage.federate("cluster drain west --timeout=2s").await;
    waited.fails("timed out waiting for the shards in cluster \"west\" to end");
    stage.federate("reconcile pi").await.ok();
    is_credited(stage).await;
    for other in ["east", "north"] {
        stage.federate(&format!("cluster cordon {other}")).await.ok();
    }
    let now = "cluster drain west --now --timeout=1m";
    let kept = stage.federate(now).await;
    kept.fails("no other cluster may take the work of cluster \"west\", which stays:");
    stage.federate("cluster uncordon east").await.ok();
    stage.federate(now).await.ok().says("cluster/west drained");
    others(stage, "Complete 30/30").await?;
    assert_eq!(successes(stage).await?.len(), 30, "each completion was made once");
    Ok(())
}

async fn rebalanced(stage: &Stage) -> Outcome {
    stage.federation_of(&["east", "north"]).await;
    stage.create(&job("pi", Some(6), Some(18))).await?.ok();
    for name in ["east", "north"] {
        stage.site(name).until_pods("pi", 3).await;
    }
    stage.federate("cluster register west").await.ok();
    stage.federate("reconcile pi").await.ok();
    assert_eq!(stage.site("west").names("jobs").await?, Vec::<String>::new(), "not unasked");
    stage.federate("reconcile pi --rebalance").await.ok();
    work_in(stage, &stage.members().collect::<Vec<_>>(), "pi", "Complete 18/18").await?;
    assert_eq!(successes(stage).await?.len(), 18, "each completion was made once");
    let jobs = stage.site("west").names("jobs").await?;
    assert!(!jobs.is_empty(), "the new cluster has done some");
    Ok(())
}

/// West's context leads to another cluster, as after it was built anew.
async fn built_anew(stage: &Stage) -> Outcome {
    stage.federation_of(&["east", "west"]).await;
    stage.create(&job("pi", Some(2), Some(4))).await?.ok();
    let contexts = [("host", "host"), ("east", "east"), ("west", "north")];
    stage.contexts(&contexts, "admin")?;
    let north = stage.site("north");
    let mark = north.mark().await?;
    let advised = "`kubectl federate cluster lost west`";
    for command in ["job get pi", "reconcile pi", "cluster list"] {
        let warned = stage.federate(command).await;
        assert!(warned.stderr.contains(advised), "{command}: {}", warned.stderr);
    }
    let taken = stage.federate("cluster register west").await;
    taken.fails("another cluster is registered as \"west\" already").warns("cluster lost west");
    stage.federate("cluster lost west --yes").await.ok();
    assert_eq!(north.mutations(mark).await?, Vec::<String>::new(), "nothing is sent there");
    stage.federate("cluster register west").await.ok().says("cluster/west registered");
    stage.federate("cluster list").await.ok().says("Ready");
    let both = ["east", "north"].map(|name| stage.site(name));
    work_in(stage, &both, "pi", "Complete 4/4").await?;
    Ok(())
}

async fn forced(stage: &Stage) -> Outcome {
    begun(stage, "Indexed").await?;
    let west = stage.site("west");
    stage.federate("cluster unregister west").await.fails("carries a shard of");
    west.link.cut().await?;
    stage.federate("cluster unregister west --force").await.fails("--yes goes on");
    let forced = stage.federate("cluster unregister west --force --yes").await.ok();
    forced.says("cluster \"west\" unregistered");
    others(stage, "Complete 30/30").await?;
    assert_eq!(successes(stage).await?, (0..30).collect::<Vec<_>>());
    west.link.restore().await?;
    stage.federate("cluster register west").await.ok();
    stage.federate("reconcile pi").await;
    stage.until_row("pi", "Complete 30/30").await;
    assert_eq!(successes(stage).await?, (0..30).collect::<Vec<_>>(), "nothing runs again");
    Ok(())
}
