//! A host that was left is used again: by who restores a backup there, or by who still knows it.

use serde_json::{Value, json};

use crate::edit_members::{work_in, work_until};
use crate::hosts::clear;
use crate::left::lose_registry;
use crate::recovery::{REGISTRY, federation, federation_of, succeeded};
use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{MEMBERS, Stage, job};

/// What marks the host before as moved.
pub const MARKS: &str = "init --from=host --context=west";

pub fn scenarios() -> Scenarios {
    Scenarios::of_any_version("hosts-again")
        .both_from_nothing("a backup brings a federation back from a host that is lost", back)
        .sim_from_nothing("so does a backup that is older than the move", back_by_older)
        .sim_from_nothing("a federation that comes back leaves the host that answers", leaves)
        .both_from_nothing("what a host did that was used again is taken in", taken_in)
        .sim_from_nothing("a cluster of a host that was used again is registered", registered)
        .sim_from_nothing("a cluster of a host that was used again is given up", given_up)
        .sim_from_nothing("what ended on the new host is not edited by the old one", ended)
        .sim_from_nothing("a job that was deleted since runs nothing again", deleted_since)
        .sim_from_nothing("a name of the backup is not that of an older job", used_since)
        .sim_from_nothing("a cluster is the one that the newer host knows", built_anew)
        .sim_from_nothing("a cluster that is no member is declared lost", no_member)
        .sim_from_nothing("a move that has long been done is not done again", chain)
        .sim_from_nothing("a move to a host that has lost all takes in what it did", lost_all)
        .sim_from_nothing("a federation whose host is a member is not taken over", beside)
        .sim_from_nothing("a host with a damaged record is left, too", damaged)
        .sim_from_nothing("a restore leaves the last of several hosts", last_of_several)
        .sim_from_nothing("a record from before the federation left is old", kept_from_before)
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

/// Both Jobs of [`moved`] are done, each completion once.
async fn complete(stage: &Stage) -> Outcome {
    stage.federate("reconcile").await.ok();
    work_until(stage, "pi", "Complete 9/9").await?;
    work_until(stage, "euler", "Complete 6/6").await?;
    assert_eq!(succeeded(stage).await?.0, 15, "nothing has run twice");
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
    complete(stage).await?;
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
    complete(stage).await?;
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
    complete(stage).await?;
    clear(stage.site("west"), &["pi", "euler"]).await
}

/// The host is silent while its backup is restored on west, and is used again.
pub async fn two_hosts(stage: &Stage) -> Outcome {
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
    marked
        .warns("job.batch/pi: its record here stays. It takes over how the job was edited on host")
        .warns("It does not know these shards of host");
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
    let known = stage.federate(register).await.ok();
    known.warns(&format!("`kubectl federate {MARKS}` marks it as moved, and has them taken in"));
    stage.federate(MARKS).await.ok().warns("does not know these shards of host \"host\"");
    stage.federate("reconcile").await.ok();
    work_until(stage, "pi", "Complete 18/18").await?;
    assert_eq!(succeeded(stage).await?.0, 18, "nothing has run twice");
    clear(stage.site("west"), &["pi"]).await
}

/// North is gone for good, and only the host that was used again knows its shards.
async fn given_up(stage: &Stage) -> Outcome {
    stage.federation_of(&["east", "west"]).await;
    two_hosts(stage).await?;
    stage.federate("cluster register north --context=host").await.ok();
    let scale = "job scale pi --completions=18 --parallelism=6 --context=host";
    stage.federate(scale).await.ok();
    stage.site("north").link.cut().await?;
    let refused = stage.federate(MARKS).await.fails("lacks clusters in which host \"host\" has");
    let lost = "cluster lost north --context=host";
    refused.warns(&format!("`kubectl federate {lost}`"));
    stage.federate(&format!("{lost} --yes")).await.ok();
    stage.federate(MARKS).await.ok().warns("is held back: `kubectl federate reconcile pi");
    stage.federate("reconcile").await.ok();
    stage.federate("reconcile --reopen --yes").await.ok();
    work_until(stage, "pi", "Complete 18/18").await?;
    stage.site("north").link.restore().await?;
    clear(stage.site("west"), &["pi"]).await
}

async fn ended(stage: &Stage) -> Outcome {
    federation(stage).await;
    two_hosts(stage).await?;
    work_until(stage, "pi", "Complete 9/9").await?;
    stage.federate("job scale pi --completions=18 --parallelism=6 --context=host").await;
    stage.federate(MARKS).await.ok();
    stage.federate("reconcile").await.ok();
    stage.federate("job get pi").await.ok().says("Complete").says("9/9");
    clear(stage.site("west"), &["pi"]).await
}

/// West, the new host, gave up north and deleted a Job. Then it is lost, too.
async fn deleted_since(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate(MARKS).await.ok();
    stage.federate("reconcile").await.ok();
    let north = stage.site("north");
    north.link.cut().await?;
    stage.federate("cluster lost north --yes").await.ok();
    stage.federate("job delete pi --cascade=background").await.ok();
    stage.federate("backup late.yaml").await.ok();
    stage.site("west").link.cut().await?;
    let restored = stage.federate("restore late.yaml --context=host --yes").await.ok();
    restored.warns("the backup does not have it");
    stage.site("west").link.restore().await?;
    let mark = stage.mark().await?;
    for _ in 0..3 {
        stage.federate("reconcile").await;
    }
    let sent = stage.mutations(&mark).await?;
    assert!(!sent.iter().any(|what| what.contains("create jobs")), "{sent:?}");
    north.link.restore().await?;
    Ok(())
}

async fn used_since(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate(MARKS).await.ok();
    stage.federate("job delete pi --cascade=background").await.ok();
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    stage.federate("backup late.yaml").await.ok();
    stage.site("west").link.cut().await?;
    stage.federate("restore late.yaml --context=host --yes").await.ok();
    stage.site("west").link.restore().await?;
    stage.federate("init --from=west --context=host").await.ok();
    stage.federate("reconcile").await.ok();
    work_until(stage, "pi", "Complete 6/6").await?;
    assert_eq!(succeeded(stage).await?.0, 6, "nothing of the deleted job has run");
    clear(stage.site("west"), &["pi"]).await?;
    Ok(())
}

/// West, the new host, has registered another cluster under the name of one that was built anew.
async fn built_anew(stage: &Stage) -> Outcome {
    stage.federation_of(&["east", "north"]).await;
    stage.federate("cluster register spare --cluster-context=west").await.ok();
    stage.federate("init --from=host --context=west").await.ok();
    stage.federate("cluster unregister spare").await.ok();
    stage.federate("cluster register spare --cluster-context=host").await.ok();
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate("backup late.yaml").await.ok();
    let restored = stage.federate("restore late.yaml --context=host --yes").await.ok();
    restored.warns("cluster \"spare\": another cluster has this name in the backup");
    stage.federate("reconcile").await.ok();
    let sites = [stage.site("east"), stage.site("north"), stage.host()];
    work_in(stage, &sites, "pi", "Complete 9/9").await
}

/// The registry was lost, and a cluster of its records with it.
async fn no_member(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.host().api.delete(REGISTRY, &json!({})).await?;
    let north = stage.site("north");
    north.link.cut().await?;
    let made = stage.federate("init --context=host").await.ok();
    let recover = made.stderr.split('`').find(|text| text.contains("job recover"));
    let recover = recover.and_then(|it| it.strip_prefix("kubectl federate ")).map(str::to_owned);
    for member in ["east", "west"] {
        stage.federate(&format!("cluster register {member}")).await.ok();
    }
    stage.federate(&format!("{} --yes", recover.ok_or("a command")?)).await.ok();
    let waits = stage.federate("reconcile pi").await.fails("could not be asked");
    waits.warns("kubectl federate cluster lost north");
    stage.federate("cluster lost north").await.fails("no terminal").warns("may run twice");
    stage.federate("cluster lost north --yes").await.ok().says("declared lost");
    let sites = [stage.site("east"), stage.site("west")];
    work_in(stage, &sites, "pi", "Complete 9/9").await?;
    north.link.restore().await?;
    Ok(())
}

async fn chain(stage: &Stage) -> Outcome {
    moved(stage).await?;
    stage.federate("init --from=west --context=north").await.ok();
    let again = stage.federate(MARKS).await.fails("was moved to another host");
    again.warns("context \"north\"");
    stage.federate("job get --context=west").await.fails("was moved to another host");
    complete(stage).await?;
    // Back, and on again: a move of the same way is another one.
    stage.federate("init --from=north --context=host").await.ok();
    stage.federate(MARKS).await.ok().says("moved");
    stage.federate("job get").await.ok().says("euler");
    for site in ["west", "north"] {
        clear(stage.site(site), &["pi", "euler"]).await?;
    }
    Ok(())
}

async fn lost_all(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate(MARKS).await.ok();
    stage.federate("reconcile").await.ok();
    stage.federate("job scale pi --completions=18 --parallelism=6").await.ok();
    let west = stage.site("west");
    clear(west, &["pi"]).await?;
    stage.federate(MARKS).await.ok().says("moved");
    stage.federate("reconcile").await.ok();
    work_until(stage, "pi", "Complete 18/18").await?;
    assert_eq!(succeeded(stage).await?.0, 18, "nothing has run twice");
    stage.federate("orphans list").await.ok().warns("No resources found");
    clear(west, &["pi"]).await
}

async fn beside(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    let uid = federation_of(stage).await?;
    stage.federate("init --context=west").await.ok();
    for member in ["east", "north", "host"] {
        stage.federate(&format!("cluster register {member}")).await.ok();
    }
    let recover = format!("job recover --all --all-namespaces --federation={uid} --yes");
    let refused =
        stage.federate(&recover).await.fails("cluster \"host\" is the host of federation");
    refused.warns("`kubectl federate init --context=host` uses that host");
    let there = stage.federate("job get").await.ok();
    assert!(!there.stdout.contains("pi"), "{there:?}");
    clear(stage.site("west"), &[]).await
}

async fn damaged(stage: &Stage) -> Outcome {
    moved(stage).await?;
    let damage = json!({"metadata": {"annotations": {"kubectl-federate.dev/state": "[]"}}});
    stage.site("west").patch("configmaps", "euler.federated-job", &damage).await?;
    let restored = stage.federate("restore late.yaml --context=north --yes").await.ok();
    restored.warns("host \"west\", which answers: it is marked as moved");
    stage.federate("job get --context=west").await.fails("was moved to another host");
    complete(stage).await?;
    for site in ["west", "north"] {
        clear(stage.site(site), &["pi", "euler"]).await?;
    }
    Ok(())
}

/// The backup is of the first one, from which the federation was moved twice.
async fn last_of_several(stage: &Stage) -> Outcome {
    moved(stage).await?;
    stage.federate("init --from=west --context=north").await.ok();
    let restored = stage.federate("restore late.yaml --context=host --yes").await.ok();
    let restored = restored.warns("It is restored on host \"host\", which all commands use then");
    restored.warns("host \"north\", which answers: it is marked as moved");
    stage.federate("job get --context=north").await.fails("was moved to another host");
    let checked = stage.federate("cluster check").await.ok();
    assert!(!checked.stderr.contains("not marked as moved"), "{checked:?}");
    complete(stage).await?;
    for site in ["west", "north"] {
        clear(stage.site(site), &["pi", "euler"]).await?;
    }
    Ok(())
}

/// A host that lost its registry has the record of a Job as it was then, and the federation was
/// recovered on another host since. The backup from there lacks the Job.
async fn kept_from_before(stage: &Stage) -> Outcome {
    let lost = lose_registry(stage).await?;
    stage.federate("init --context=west").await.ok();
    for member in MEMBERS {
        stage.federate(&format!("cluster register {member}")).await.ok();
    }
    stage.federate(&format!("job recover --all -A --federation={lost} --yes")).await.ok();
    let file = stage.path("federation.json");
    stage.federate(&format!("backup {}", file.display())).await.ok();
    let saved = std::fs::read_to_string(&file)?;
    let mut saved: Value = serde_json::from_str(&saved)?;
    saved["jobs"] = json!([]);
    stage.write("federation.json", &saved)?;
    // Others do what north had, as the other host knows.
    let north = stage.site("north");
    north.link.cut().await?;
    stage.federate("cluster lost north --yes").await;
    north.link.restore().await?;
    let restore = format!("restore {} --context=host --yes", file.display());
    let restored = stage.federate(&restore).await.ok();
    restored.warns("the backup does not have it");
    work_until(stage, "pi", "Stopped,Unplaced 8/9").await?;
    stage.federate("reconcile pi --reopen --yes").await.ok();
    work_until(stage, "pi", "Complete 9/9").await?;
    assert_eq!(succeeded(stage).await?.0, 9, "nothing has run twice");
    clear(stage.site("west"), &["pi"]).await
}
