//! A federation gets another host, by a move or from a backup: clusters are known by their uids,
//! and the host before is not used any more.

use serde_json::{Value, json};

use crate::edit_members::{work_in, work_until};
use crate::recovery::{REGISTRY, federation, federation_of, lose_all, succeeded};
use crate::scenarios::{Outcome, Scenarios};
use crate::site::Site;
use crate::stage::{MEMBERS, SOON, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of_any_version("hosts")
        .both_from_nothing("a move back revives no job that was deleted meanwhile", deleted_between)
        .both_from_nothing("a move leaves alone what others have on the new host", others_there)
        .sim_from_nothing("a move that was finished replaces no newer record", finished_before)
        .both_from_nothing("a backup makes no orphans of a cluster that comes back", comes_back)
        .both_from_nothing("a host that was left after a restore is not used any more", left_behind)
        .sim_from_nothing("a host that was left unmarked gets what was done since", back_to_left)
        .sim_from_nothing("a backup is restored on a host that was left unmarked", onto_left)
        .sim_from_nothing("a restore marks the host that is in use elsewhere", third_host)
        .both_from_nothing(
            "a restore marks the host before as moved if it answers",
            left_at_restore,
        )
        .both_from_nothing("a job that is gone comes back only if the user says so", gone_since)
        .both_from_nothing("a name that is used again keeps no other job back", used_again)
        .both_from_nothing("a record is not replaced by an older one of another host", newer)
        .both_from_nothing("a damaged registry is restored over", damaged_registry)
        .both_from_nothing("a restore knows clusters by their uids", by_uid)
        .both_from_nothing("a restore lists a cluster that has the name of another one", taken_over)
        .both_from_nothing("a restore knows the clusters that the host before knows", known_before)
        .both_from_nothing("a cluster that was given up unlisted runs nothing again", missed)
}

/// The path of a ConfigMap of a record.
pub fn record_path(site: &Site, name: &str) -> String {
    format!("{}/{name}.federated-job", site.path("configmaps"))
}

async fn deleted_between(stage: &Stage) -> Outcome {
    federation(stage).await;
    for name in ["pi", "euler"] {
        stage.create(&job(name, Some(3), Some(9))).await?.ok();
    }
    let west = stage.site("west");
    stage.federate("init --from=host --context=west").await.ok();
    stage.federate("reconcile pi euler").await.ok();
    for name in ["pi", "euler"] {
        stage.federate(&format!("job delete {name} --cascade=background")).await.ok();
    }
    // The name is taken by another Job, which the host must get in place of the old one.
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    stage.federate("init --from=west --context=host").await.ok().says("moved");
    stage.federate("reconcile").await.ok();
    stage.federate("job get euler").await.fails("not found");
    work_until(stage, "pi", "Complete 6/6").await?;
    assert_eq!(succeeded(stage).await?.0, 6, "nothing of the deleted jobs has run");
    for path in [record_path(west, "pi"), REGISTRY.to_owned()] {
        west.api.delete(&path, &json!({})).await?;
    }
    Ok(())
}

async fn finished_before(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    let relocate = "init --from=host --context=west";
    stage.federate(relocate).await.ok().says("moved");
    stage.federate("job suspend pi").await.ok();
    let west = stage.site("west");
    west.api.delete(REGISTRY, &json!({})).await?;
    let before = west.api.get(&record_path(west, "pi")).await?;
    let refused = stage.federate(relocate).await.fails("has a newer record of job");
    refused.warns("kubectl federate job recover --all --all-namespaces");
    let again = stage.federate("init --context=west").await.ok();
    again.warns("This host has the records of 1 job of another federation");
    let early = stage.federate("job recover --all --all-namespaces").await;
    early.fails("the jobs are of federation").warns(" --context=west` goes on");
    stage.federate(relocate).await.fails("has a newer record of job");
    for member in MEMBERS {
        stage.federate(&format!("cluster register {member}")).await.ok();
    }
    assert_eq!(west.api.get(&record_path(west, "pi")).await?, before);
    // The records are there, but the new registry is of another federation until it takes them over.
    let recover = "job recover --all --all-namespaces --federation";
    let recover = format!("{recover}={}", federation_of(stage).await?);
    let asks = stage.federate(&recover).await.fails("no terminal");
    asks.warns("records of that federation, which count again: job.batch/pi.");
    stage.federate(&format!("{recover} --yes")).await.ok();
    stage.federate("reconcile pi").await.ok().says("Suspended");
    stage.federate("job resume pi").await.ok();
    work_until(stage, "pi", "Complete 9/9").await?;
    clear(west, &["pi"]).await
}

async fn others_there(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    let west = stage.site("west");
    let file = json!({"metadata": {"name": "pi.federated-job"}, "data": {"mine": "1"}});
    west.create("configmaps", &file).await?;
    stage
        .federate("init --from=host --context=west")
        .await
        .fails("is no record of a federated job");
    stage.federate("backup federation.yaml").await.ok();
    let restore = "restore federation.yaml --context=west --yes";
    stage.federate(restore).await.fails("is no record of a federated job");
    let kept = west.api.get(&record_path(west, "pi")).await?;
    assert_eq!(kept["data"]["mine"], "1");
    stage.federate("job get pi --context=host").await.ok().says("Running");
    west.api.delete(&record_path(west, "pi"), &json!({})).await?;
    assert!(west.api.get(REGISTRY).await.is_err(), "nothing was written there");
    Ok(())
}

/// The old host answers late, with a job that the new one lacks.
async fn newer(stage: &Stage) -> Outcome {
    federation(stage).await;
    let host = stage.site("host");
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate("backup federation.yaml").await.ok();
    host.link.cut().await?;
    stage.federate("restore federation.yaml --context=west --yes").await.ok();
    stage.federate("reconcile").await.ok();
    work_until(stage, "pi", "Complete 9/9").await?;
    host.link.restore().await?;
    stage.write("euler.yaml", &job("euler", Some(3), Some(6)))?;
    stage.federate("job create -f euler.yaml --context=host").await.ok();
    stage.federate("init --from=host --context=west").await.fails("and lacks");
    stage.federate("backup late.yaml --context=host").await.ok();
    let restored = stage.federate("restore late.yaml --context=west --yes").await.ok();
    restored.warns("the record on the host is newer than that of the backup");
    stage.federate("init --from=host --context=west").await.ok();
    stage.federate("reconcile").await.ok();
    stage.federate("job get pi").await.ok().says("Complete");
    work_until(stage, "euler", "Complete 6/6").await?;
    assert_eq!(succeeded(stage).await?.0, 15, "nothing has run twice");
    clear(stage.site("west"), &["pi", "euler"]).await
}

async fn used_again(stage: &Stage) -> Outcome {
    federation(stage).await;
    for name in ["pi", "euler"] {
        stage.create(&job(name, Some(3), Some(9))).await?.ok();
    }
    stage.federate("backup federation.yaml").await.ok();
    stage.federate("job delete pi --cascade=background").await.ok();
    stage.create(&job("pi", Some(3), Some(6))).await?.ok();
    let host = stage.site("host");
    host.api.delete(&record_path(host, "euler"), &json!({})).await?;
    let restored = stage.federate("restore federation.yaml --context=host --yes").await;
    restored
        .fails("the host has another federated job \"pi\"")
        .warns("the host has another job of this name, which stays.")
        .warns("kubectl federate job get pi -n");
    stage.federate("reconcile").await.ok();
    work_until(stage, "pi", "Complete 6/6").await?;
    work_until(stage, "euler", "Complete 9/9").await
}

async fn comes_back(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate("backup federation.yaml").await.ok();
    stage.federate("cluster unregister east --force --yes").await.ok();
    let restore = "restore federation.yaml --context=host";
    let restored = stage.federate(restore).await.fails("no terminal");
    restored.warns("cluster \"east\": it is no member on the host, and becomes one again.");
    stage.federate(&format!("{restore} --yes")).await.ok();
    let registry = stage.host().api.get(REGISTRY).await?;
    let annotations = registry["metadata"]["annotations"].to_string();
    assert!(!annotations.contains("former."), "{annotations}");
    stage.federate("reconcile pi").await.ok();
    let mark = stage.mark().await?;
    stage.federate("orphans clean --running --yes").await.ok();
    let deleted = stage.mutations(&mark).await?;
    assert!(!deleted.iter().any(|what| what == "east: delete jobs/pi"), "{deleted:?}");
    Ok(())
}

async fn left_behind(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate("backup federation.yaml").await.ok();
    let host = stage.host();
    host.link.cut().await?;
    let restore = "restore federation.yaml --context=west";
    let asks = stage.federate(restore).await.fails("no terminal");
    asks.warns("cannot be marked as moved").warns("init --from=host --context=west");
    let restored = stage.federate(&format!("{restore} --yes")).await.ok();
    restored.warns("Warning: host \"host\" is not marked as moved");
    // Later commands know it, too.
    let check = "cluster check --context=west";
    let marks = "run `kubectl federate init --from=host --context=west` before anything else";
    stage.federate(check).await.warns(marks);
    stage.federate("backup again.yaml --context=west").await.ok();
    assert!(std::fs::read_to_string(stage.path("again.yaml"))?.contains("unmarked"));
    // Somebody who still knows the old host uses it.
    host.link.restore().await?;
    let both = stage.federate(check).await.fails("two hosts give out the work");
    both.warns("and answers: both give out the same work");
    stage.write("late.yaml", &job("late", Some(3), Some(9)))?;
    stage.federate("job create -f late.yaml --context=host").await.ok();
    let relocate = "init --from=host --context=west";
    let lacks = stage.federate(relocate).await.fails("has the federation already, and lacks");
    lacks.warns("`kubectl federate restore FILE --context=west`");
    stage.federate("backup federation.yaml --context=host").await.ok();
    stage.federate(&format!("{restore} --yes")).await.ok();
    stage.federate(relocate).await.ok().says("moved to host cluster \"west\"");
    let checked = stage.federate(check).await;
    assert!(!checked.stderr.contains("not marked as moved"), "{checked:?}");
    stage.federate("job get --context=host").await.fails("was moved to another host");
    stage.federate(relocate).await.ok().says("unchanged");
    stage.federate("reconcile").await.ok();
    clear(stage.site("west"), &["pi", "late"]).await
}

/// The host is silent, and the federation is restored on west, where one Job gets more work and
/// another one is deleted.
pub async fn leave_silently(stage: &Stage) -> Outcome {
    federation(stage).await;
    for name in ["pi", "euler"] {
        stage.create(&job(name, Some(3), Some(9))).await?.ok();
    }
    stage.federate("backup federation.yaml").await.ok();
    stage.host().link.cut().await?;
    stage.federate("restore federation.yaml --context=west --yes").await.ok();
    stage.federate("reconcile").await.ok();
    stage.federate("job scale pi --completions=18 --parallelism=6").await.ok();
    stage.federate("job delete euler --cascade=background").await.ok();
    Ok(())
}

async fn back_to_left(stage: &Stage) -> Outcome {
    leave_silently(stage).await?;
    stage.host().link.restore().await?;
    let (back, mark) = ("init --from=west --context=host", "init --from=host --context=west");
    let refused = stage.federate(back).await.fails("has the federation as it was before");
    refused.warns(&format!("`kubectl federate {mark}`, `kubectl federate {back}`"));
    let lacks = stage.federate(mark).await.fails("has the federation already, and lacks");
    lacks.warns("That also brings back the jobs that were deleted on the new host since");
    stage.federate("job delete euler --cascade=orphan --context=host").await.ok();
    stage.federate(mark).await.ok();
    stage.federate(back).await.ok().says("moved");
    stage.federate("reconcile").await.ok();
    stage.federate("job get euler").await.fails("not found");
    work_until(stage, "pi", "Complete 18/18").await?;
    assert_eq!(succeeded(stage).await?.0, 18, "nothing has run twice");
    clear(stage.site("west"), &["pi"]).await
}

async fn onto_left(stage: &Stage) -> Outcome {
    leave_silently(stage).await?;
    stage.federate("backup late.yaml").await.ok();
    stage.federate("job scale pi --completions=24 --parallelism=12").await.ok();
    let west = stage.site("west");
    west.link.cut().await?;
    stage.host().link.restore().await?;
    let restore = "restore late.yaml --context=host";
    stage.federate(restore).await.fails("no terminal").warns("cannot be marked as moved");
    stage.federate(&format!("{restore} --yes")).await.ok();
    let marks = "init --from=west --context=host";
    stage.federate("cluster check").await.warns(marks);
    west.link.restore().await?;
    stage.federate("cluster check").await.fails("two hosts give out the work");
    let mark = stage.mark().await?;
    stage.federate("reconcile").await;
    let created = stage.mutations(&mark).await?;
    assert!(!created.iter().any(|what| what.contains("create jobs")), "{created:?}");
    stage.federate(marks).await.ok();
    stage.federate("cluster check").await.ok();
    // It is a host as any other by now.
    let again = stage.federate(&format!("{restore} --yes")).await.ok();
    assert!(!again.stderr.contains("It is of host"), "{again:?}");
    clear(west, &["pi"]).await
}

async fn third_host(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate("backup federation.yaml").await.ok();
    stage.federate("init --from=host --context=west").await.ok();
    let restored = stage.federate("restore federation.yaml --context=north --yes").await.ok();
    restored.warns("The federation was moved since to host \"west\", which answers");
    stage.federate("job get --context=west").await.fails("was moved to another host");
    stage.federate("cluster check").await.ok();
    stage.federate("reconcile").await.ok();
    work_until(stage, "pi", "Complete 9/9").await?;
    clear(stage.site("west"), &["pi"]).await?;
    clear(stage.site("north"), &["pi"]).await
}

/// Removes the ConfigMaps of a federation from a member.
pub async fn clear(site: &Site, jobs: &[&str]) -> Outcome {
    for name in jobs {
        site.api.delete(&record_path(site, name), &json!({})).await?;
    }
    site.api.delete(REGISTRY, &json!({})).await?;
    Ok(())
}

async fn left_at_restore(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate("backup federation.yaml").await.ok();
    stage.write("late.yaml", &job("late", Some(3), Some(9)))?;
    stage.federate("job create -f late.yaml").await.ok();
    let restore = "restore federation.yaml --context=west";
    let asks = stage.federate(restore).await.fails("no terminal");
    asks.warns("It is of host \"host\", which answers").warns("/late.");
    stage.federate("job get pi --context=host").await.ok();
    stage.federate(&format!("{restore} --yes")).await.ok();
    for command in ["job get", "reconcile pi", "job scale pi --completions=12"] {
        let refused = stage.federate(&format!("{command} --context=host")).await;
        refused.fails("was moved to another host");
    }
    work_until(stage, "pi", "Complete 9/9").await?;
    clear(stage.site("west"), &["pi"]).await
}

async fn gone_since(stage: &Stage) -> Outcome {
    federation(stage).await;
    let mut pi = job("pi", Some(3), Some(9));
    pi["metadata"]["annotations"] = json!({"kubectl-federate.dev/reopen": "true"});
    stage.create(&pi).await?.ok();
    stage.federate("backup federation.yaml").await.ok();
    work_until(stage, "pi", "Complete 9/9").await?;
    stage.federate("job delete pi --cascade=background").await.ok();
    let restore = "restore federation.yaml --context=host";
    let asks = stage.federate(restore).await.fails("no terminal");
    asks.warns("the host has no record of it");
    stage.federate("job get pi").await.fails("not found");
    stage.federate(&format!("{restore} --yes")).await.ok();
    let mark = stage.mark().await?;
    for _ in 0..2 {
        stage.federate("reconcile pi").await.ok().says("Stopped,Unplaced 0/9");
    }
    stage.federate("job describe pi").await.ok().says("restored from a backup").says("restore");
    let reopen = stage.federate("reconcile pi --reopen").await.fails("--yes");
    reopen.warns("what is left of its shard in cluster west may have been done");
    let created = stage.mutations(&mark).await?;
    assert!(!created.iter().any(|what| what.contains("create jobs")), "{created:?}");
    stage.federate("reconcile pi --reopen --yes").await.ok();
    work_until(stage, "pi", "Complete 9/9").await
}

async fn damaged_registry(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate("backup federation.yaml").await.ok();
    stage.federate("cluster register extra --cluster-context=host --weight=0").await.ok();
    let damage = json!({"metadata": {"annotations": {"kubectl-federate.dev/settings": "{"}}});
    stage.host().api.patch(REGISTRY, &damage).await?;
    let hinted = "`kubectl federate restore FILE --context=CONTEXT`";
    stage.federate("job get").await.fails("is damaged").warns(hinted);
    let restore = "restore federation.yaml --context=host";
    let asks = stage.federate(restore).await.fails("no terminal");
    asks.warns("The registry on host \"host\" is replaced")
        .warns("cluster \"extra\": it was registered on the host since then, and is a member.");
    stage.federate(&format!("{restore} --yes")).await.ok();
    stage.federate("cluster list").await.ok().says("extra");
    work_until(stage, "pi", "Complete 9/9").await?;
    assert_eq!(succeeded(stage).await?.0, 9);
    Ok(())
}

async fn by_uid(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate("backup federation.yaml").await.ok();
    for command in [
        "cluster unregister west --force --yes",
        "cluster register sunset --cluster-context=west",
        "cluster unregister north --force --yes",
        "cluster register north --cluster-context=host --weight=0",
    ] {
        stage.federate(command).await.ok();
    }
    let restore = "restore federation.yaml --context=host --replace-newer";
    let asks = stage.federate(restore).await.fails("no terminal");
    asks.warns("cluster \"west\": it is \"sunset\" on the host, and keeps that name")
        .warns("cluster \"north\": another cluster has this name on the host, and stays");
    stage.federate(&format!("{restore} --yes")).await.ok();
    stage.federate("reconcile pi").await.ok();
    let clusters = stage.federate("cluster list").await.ok().says("sunset").says("north");
    let is_west = |line: &str| line.starts_with("west ");
    assert!(!clusters.stdout.lines().any(is_west), "{clusters:?}");
    let described = stage.federate("job describe pi").await.ok().says("restore");
    described
        .says("unlisted jobs of cluster north")
        .says("`kubectl federate cluster register NAME --cluster-context=CONTEXT`");
    // What is left in the cluster that has no name any more is known by its uid.
    stage.federate("orphans list").await.ok().says("Unregistered");
    // How much nobody has depends on what was taken off the shards by then.
    stage.federate("reconcile pi --reopen --yes").await.ok();
    work_until(stage, "pi", "Complete 9/9").await
}

/// Registers the host as another cluster, and has it get a shard of a Job.
async fn register_host(stage: &Stage, name: &str) -> Outcome {
    stage.federate(&format!("cluster register {name} --cluster-context=host")).await.ok();
    stage.federate("job scale pi --completions=40 --parallelism=20").await.ok();
    stage.federate("reconcile pi").await;
    let jobs = stage.host().names("jobs").await?;
    assert!(!jobs.is_empty(), "the host runs none of it");
    Ok(())
}

/// Checks that a restored record has all Jobs of the members.
async fn knows_all(stage: &Stage) {
    stage.federate("reconcile pi").await;
    let orphans = stage.federate("orphans list").await.ok().stdout;
    assert!(!orphans.contains("NotInLedger"), "{orphans}");
    assert!(!orphans.contains("NoRecord"), "{orphans}");
}

async fn taken_over(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate("backup federation.yaml").await.ok();
    stage.federate("cluster unregister north --force --yes").await.ok();
    register_host(stage, "north").await?;
    let before = stage.host().names("jobs").await?;
    stage.federate("restore federation.yaml --context=host --yes").await.ok();
    knows_all(stage).await;
    assert_eq!(stage.host().names("jobs").await?, before, "nothing is opened twice");
    Ok(())
}

async fn known_before(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate("backup federation.yaml").await.ok();
    register_host(stage, "extra").await?;
    let restore = "restore federation.yaml --context=west";
    let asks = stage.federate(restore).await.fails("no terminal");
    asks.warns(
        "cluster \"extra\": it was registered on host \"host\" since then, and is a member.",
    );
    stage.federate(&format!("{restore} --yes")).await.ok();
    stage.federate("cluster list").await.ok().says("extra");
    let before = stage.host().names("jobs").await?;
    knows_all(stage).await;
    assert_eq!(stage.host().names("jobs").await?, before, "nothing is opened twice");
    clear(stage.site("west"), &["pi"]).await
}

async fn missed(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate("backup federation.yaml").await.ok();
    // The backup knows nothing of the supplements.
    stage.federate("job scale pi --completions=18 --parallelism=6").await.ok();
    lose_all(stage, "pi").await?;
    stage.federate("restore federation.yaml --context=host").await.ok();
    let west = stage.site("west");
    let before = west.names("jobs").await?;
    assert!(before.len() > 1, "it has a supplement: {before:?}");
    west.link.cut().await?;
    stage.federate("reconcile pi").await.fails("could not be asked");
    let lost = stage.federate("cluster lost west").await.fails("--yes");
    lost.warns("unlisted jobs of cluster west may run twice");
    stage.federate("cluster lost west --yes").await.ok();
    let described = stage.federate("job describe pi").await.ok();
    let missed = "it may have shards that are not listed here";
    described.says("unlisted jobs of cluster west").says(missed).says("once it answers");
    let given = stage.get("pi").await?["status"]["missed"].clone();
    assert_eq!(given.as_object().map(serde_json::Map::len), Some(1));
    // What nobody has may have been done in a cluster that is well. That was not asked before.
    let uncertain = stage.federate("reconcile pi --reopen").await.fails("--yes");
    uncertain.warns("may have been done since the backup");
    stage.federate("reconcile pi --reopen --yes").await.ok();
    let others: Vec<_> = stage.members().filter(|site| site.name != "west").collect();
    work_in(stage, &others, "pi", "Complete 18/18").await?;
    // It returns with pods that run. All its Jobs are stopped, also those of no ledger until now.
    west.link.restore().await?;
    real::until("the jobs of west to be stopped", SOON, || async {
        stage.federate("reconcile pi").await;
        let mut jobs = Vec::new();
        for name in west.names("jobs").await.map_err(|error| format!("{error:?}"))? {
            jobs.push(west.job(&name).await.map_err(|error| format!("{error:?}"))?);
        }
        let is_stopped = |job: &Value| {
            job["spec"]["suspend"] == true || job["status"]["completionTime"].is_string()
        };
        if jobs.iter().all(is_stopped) { Ok(()) } else { Err(format!("{jobs:#?}")) }
    })
    .await;
    assert_eq!(succeeded(stage).await?.0, 18);
    let orphans = stage.federate("orphans list").await.ok();
    assert!(!orphans.stdout.contains("pi"), "{orphans:?}");
    let described = stage.federate("job describe pi").await.ok().stdout;
    assert!(!described.contains(missed), "it was listed since: {described}");
    Ok(())
}
