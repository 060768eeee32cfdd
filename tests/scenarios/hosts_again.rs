//! A host that was left is used again: by who restores a backup there, or by who still knows it.

use crate::edit_members::work_until;
use crate::hosts::clear;
use crate::recovery::{federation, succeeded};
use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{Stage, job};

/// What marks the host before as moved.
const MARKS: &str = "init --from=host --context=west";

pub fn scenarios() -> Scenarios {
    Scenarios::of_any_version("hosts-again")
        .both_from_nothing("a backup brings a federation back from a host that is lost", back)
        .sim_from_nothing("so does a backup that is older than the move", back_by_older)
        .sim_from_nothing("a federation that comes back leaves the host that answers", leaves)
        .both_from_nothing("what a host did that was used again is taken in", taken_in)
        .sim_from_nothing("a cluster of a host that was used again is registered", registered)
}

/// A Job on the host, which is then moved to west, and another one there.
async fn moved(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate("backup early.yaml").await.ok();
    stage.federate(MARKS).await.ok();
    stage.create(&job("euler", Some(3), Some(6))).await?.ok();
    stage.federate("backup late.yaml").await.ok();
    Ok(())
}

/// West is lost as a host, and back as a member, after a backup was restored on the host.
async fn restored(stage: &Stage, file: &str) -> Outcome {
    let west = stage.site("west");
    west.link.cut().await?;
    let refused = stage.federate("job get --context=host").await.fails("was moved to another host");
    refused.warns("restore a backup, here or on another cluster");
    let restore = format!("restore {file} --context=host");
    let asks = stage.federate(&restore).await.fails("no terminal");
    asks.warns("The federation was moved from here to host \"west\", which cannot be marked");
    stage.federate(&format!("{restore} --yes")).await.ok();
    // No work is opened before west was listed.
    let mark = stage.mark().await?;
    stage.federate("reconcile").await.fails("could not be asked");
    let sent = stage.mutations(&mark).await?;
    assert!(!sent.iter().any(|what| what.contains("create jobs")), "{sent:?}");
    west.link.restore().await?;
    let both = stage.federate("reconcile").await;
    both.warns("and answers: both give out the same work");
    stage.federate("job get").await.warns("and answers: both give out the same work");
    Ok(())
}

async fn back(stage: &Stage) -> Outcome {
    moved(stage).await?;
    restored(stage, "late.yaml").await?;
    stage.federate("init --from=west --context=host").await.ok();
    stage.federate("reconcile").await.ok();
    work_until(stage, "pi", "Complete 9/9").await?;
    work_until(stage, "euler", "Complete 6/6").await?;
    assert_eq!(succeeded(stage).await?.0, 15, "nothing has run twice");
    clear(stage.site("west"), &["pi", "euler"]).await
}

async fn back_by_older(stage: &Stage) -> Outcome {
    moved(stage).await?;
    restored(stage, "early.yaml").await?;
    let marks = "init --from=west --context=host";
    stage.federate(marks).await.fails("has the federation already, and lacks work/euler");
    // The other Job is known by its shards.
    stage.federate("job recover euler --yes").await.ok();
    stage.federate(marks).await.ok();
    stage.federate("reconcile").await.ok();
    work_until(stage, "pi", "Complete 9/9").await?;
    work_until(stage, "euler", "Complete 6/6").await?;
    assert_eq!(succeeded(stage).await?.0, 15, "nothing has run twice");
    clear(stage.site("west"), &["pi", "euler"]).await
}

async fn leaves(stage: &Stage) -> Outcome {
    moved(stage).await?;
    for file in ["early.yaml", "late.yaml"] {
        let asks = stage.federate(&format!("restore {file} --context=host")).await;
        asks.fails("no terminal").warns("moved from here to host \"west\", which answers");
    }
    stage.federate("restore late.yaml --context=host --yes").await.ok();
    stage.federate("job get --context=west").await.fails("was moved to another host");
    stage.federate("reconcile").await.ok();
    work_until(stage, "pi", "Complete 9/9").await?;
    work_until(stage, "euler", "Complete 6/6").await?;
    assert_eq!(succeeded(stage).await?.0, 15, "nothing has run twice");
    clear(stage.site("west"), &["pi", "euler"]).await
}

/// The host is silent while its backup is restored on west, and is used again.
async fn two_hosts(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate("backup federation.yaml").await.ok();
    stage.host().link.cut().await?;
    stage.federate("restore federation.yaml --context=west --yes").await.ok();
    stage.federate("reconcile").await.ok();
    stage.host().link.restore().await?;
    Ok(())
}

async fn taken_in(stage: &Stage) -> Outcome {
    federation(stage).await;
    two_hosts(stage).await?;
    let scale = "job scale pi --completions=18 --parallelism=6 --context=host";
    stage.federate(scale).await.ok();
    let marked = stage.federate(MARKS).await.ok();
    marked.warns("job.batch/pi: its record here stays. It does not know these shards of host");
    let again = stage.federate(MARKS).await.ok().says("unchanged");
    assert!(!again.stderr.contains("does not know"), "{again:?}");
    stage.federate("reconcile").await.ok();
    work_until(stage, "pi", "Complete 18/18").await?;
    assert_eq!(succeeded(stage).await?.0, 18, "nothing has run twice");
    stage.federate("orphans list").await.ok().warns("No resources found");
    clear(stage.site("west"), &["pi"]).await
}

async fn registered(stage: &Stage) -> Outcome {
    stage.federation_of(&["east", "west"]).await;
    two_hosts(stage).await?;
    stage.federate("cluster register north --context=host").await.ok();
    let scale = "job scale pi --completions=18 --parallelism=6 --context=host";
    stage.federate(scale).await.ok();
    let refused = stage.federate(MARKS).await.fails("lacks clusters in which host \"host\" has");
    let register = "cluster register north --cluster-context=north --context=west";
    refused.warns(&format!("`kubectl federate {register}`"));
    stage.federate(register).await.ok();
    stage.federate(MARKS).await.ok().warns("does not know these shards of host \"host\"");
    stage.federate("reconcile").await.ok();
    work_until(stage, "pi", "Complete 18/18").await?;
    assert_eq!(succeeded(stage).await?.0, 18, "nothing has run twice");
    clear(stage.site("west"), &["pi"]).await
}
