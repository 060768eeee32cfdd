//! Hosts that have lost their registry, and hosts from which a federation was moved away.

use serde_json::{Value, json};

use crate::edit_members::work_until;
use crate::hosts::{leave_silently, record_path};
use crate::recovery::{REGISTRY, federation, lose_all, succeeded};
use crate::scenarios::{Outcome, Scenarios};
use crate::site::Site;
use crate::stage::{MEMBERS, Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of_any_version("left")
        .sim_from_nothing("nobody takes over a federation that they did not name", not_named)
        .sim_from_nothing("a registry that is gone is taken over by init and recover", by_recover)
        .sim_from_nothing("a registry that is gone comes back with a backup", by_backup)
        .sim_from_nothing("records without shards are taken over, too", without_shards)
        .sim_from_nothing("no verb offers what it would refuse", too_late)
        .sim_from_nothing("a restore keeps records that are newer", kept)
        .sim_from_nothing("a host that was moved away can be a host again", moved_away)
        .sim_from_nothing("a restore where a federation left marks the host it went to", back_again)
        .sim_from_nothing("what may not have been moved is not replaced", unfinished)
        .sim_from_nothing("records that the new host lacks are not removed", not_there)
        .sim_from_nothing("a record that stays takes in what the backup knows", forked)
        .sim_from_nothing("a shard that is another job on the host is named", other_job)
        .sim_from_nothing("a host is left also if an older version restored", before_counting)
        .sim_from_nothing("of two hosts that left each other none is followed", both_left)
        .sim_from_nothing("a host that acts is not forgotten", acting)
        .sim_from_nothing("there is nothing to move where no federation is", nothing_there)
        .sim_from_nothing("a move is finished although a record was damaged", damaged)
}

/// The uid of the federation on the host.
async fn uid(stage: &Stage) -> Result<String, libtest_mimic::Failed> {
    let registry = stage.host().api.get(REGISTRY).await?;
    let settings = &registry["metadata"]["annotations"]["kubectl-federate.dev/settings"];
    let settings: Value = serde_json::from_str(settings.as_str().unwrap_or_default())?;
    Ok(settings["uid"].as_str().unwrap_or_default().to_owned())
}

/// The uid by which a cluster is known.
pub async fn uid_of(site: &Site) -> Result<String, libtest_mimic::Failed> {
    let system = site.api.get("/api/v1/namespaces/kube-system").await?;
    Ok(system["metadata"]["uid"].as_str().unwrap_or_default().to_owned())
}

/// A Job that has begun, on a host that then loses its registry. Gives the uid of its federation.
pub async fn lose_registry(stage: &Stage) -> Result<String, libtest_mimic::Failed> {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    let uid = uid(stage).await?;
    stage.host().api.delete(REGISTRY, &json!({})).await?;
    Ok(uid)
}

async fn not_named(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    let (lost, recover) = (uid(stage).await?, "job recover --all -A");
    lose_all(stage, "pi").await?;
    federation(stage).await;
    let before = stage.mark().await?;
    for (typed, offered) in [
        ("--all -A", "--all --all-namespaces --federation=UID"),
        ("--all -A --yes", "--all --all-namespaces --federation=UID --yes"),
        ("pi --manifest-of=west", "pi --manifest-of=west --federation=UID"),
        ("pi --yes", "pi --federation=UID --yes"),
    ] {
        let refused = stage.federate(&format!("job recover {typed}")).await;
        let offered = format!("job recover {offered}").replace("UID", &lost);
        refused.fails(&format!("of federation {lost}")).warns(&format!("{offered} --"));
    }
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    stage.federate(&format!("{recover} --federation={lost}")).await.fails("no terminal");
    stage.federate(&format!("{recover} --federation={lost} --yes")).await.ok();
    assert_eq!(uid(stage).await?, lost);
    work_until(stage, "pi", "Complete 9/9").await?;
    assert_eq!(succeeded(stage).await?.0, 9);
    Ok(())
}

async fn by_recover(stage: &Stage) -> Outcome {
    let lost = lose_registry(stage).await?;
    for command in ["job get", "reconcile pi", "cluster list", "job delete pi"] {
        let refused = stage.federate(command).await.fails("has lost the registry of a federation");
        refused
            .warns(&format!("the records of 1 job of federation {lost}"))
            .warns("`kubectl federate restore FILE --context=host`")
            .warns(&format!("--all --all-namespaces --federation={lost}"));
    }
    let made = stage.federate("init --context=host").await.ok();
    made.warns("has no registry any more").warns("restore FILE").warns("Register its clusters");
    // No verb passes over what is there.
    for command in ["job get", "job get --tree", "job describe", "cluster list", "reconcile"]
        .into_iter()
        .chain(["reconcile --watch", "orphans list -A", "orphans clean --yes"])
    {
        let left = format!("has the records of 1 job of another federation, {lost}");
        stage.federate(command).await.ok().warns(&left).warns("Then `kubectl federate job recover");
    }
    let named = stage.federate("job get pi").await.fails("belongs to another federation");
    named.warns(&format!("job recover --all --all-namespaces --federation={lost}"));
    for member in MEMBERS {
        stage.federate(&format!("cluster register {member}")).await.ok();
    }
    let recover = format!("job recover --all --all-namespaces --federation={lost} --yes");
    stage.federate(&recover).await.ok();
    work_until(stage, "pi", "Complete 9/9").await?;
    assert_eq!(succeeded(stage).await?.0, 9);
    Ok(())
}

async fn by_backup(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate("backup federation.yaml").await.ok();
    stage.federate("job scale pi --completions=18 --parallelism=6").await.ok();
    stage.host().api.delete(REGISTRY, &json!({})).await?;
    let restored = stage.federate("restore federation.yaml --context=host --yes").await.ok();
    restored.warns("the record on the host is newer than that of the backup");
    work_until(stage, "pi", "Complete 18/18").await?;
    assert_eq!(succeeded(stage).await?.0, 18);
    Ok(())
}

async fn without_shards(stage: &Stage) -> Outcome {
    let lost = lose_registry(stage).await?;
    for site in stage.members() {
        site.delete("pi").await?;
    }
    federation(stage).await;
    let recover = format!("job recover --all --all-namespaces --federation={lost}");
    stage.federate(&recover).await.fails("no terminal").warns("which count again: job.batch/pi");
    stage.federate(&format!("{recover} --yes")).await.ok();
    stage.federate("job get pi").await.ok();
    Ok(())
}

async fn too_late(stage: &Stage) -> Outcome {
    let lost = lose_registry(stage).await?;
    federation(stage).await;
    stage.write("euler.yaml", &job("euler", Some(3), Some(6)))?;
    let created = stage.federate("job create -f euler.yaml").await.ok();
    created.warns(&format!(
        "Warning: this host has the records of 1 job of another federation, {lost}"
    ));
    stage.write("phi.yaml", &job("phi", Some(3), Some(6)))?;
    let again = stage.federate("job create -f phi.yaml").await.ok();
    assert!(!again.stderr.contains("another federation"), "it is said once: {again:?}");
    let recover = format!("job recover --all --all-namespaces --federation={lost} --yes");
    let refused = stage.federate(&recover).await.fails("which has jobs");
    refused.warns("kubectl federate init --context=CONTEXT");
    stage.write("pi.yaml", &job("pi", Some(3), Some(9)))?;
    let taken = stage.federate("job create -f pi.yaml").await;
    assert!(!taken.stderr.contains("job recover"), "{taken:?}");
    taken.fails("already exists").warns("take another name").warns("make another host by");
    let listed = stage.federate("orphans list").await.ok();
    listed.warns("make another host by `kubectl federate init --context=CONTEXT`");
    let nothing = stage.federate("job recover --all").await.ok();
    nothing.warns("make another host by `kubectl federate init --context=CONTEXT`");
    // That way leads to the end of the job.
    stage.federate("init --context=west").await.ok();
    for member in MEMBERS {
        stage.federate(&format!("cluster register {member}")).await.ok();
    }
    stage.federate(&format!("job recover pi --federation={lost} --yes")).await.ok();
    work_until(stage, "pi", "Complete 9/9").await
}

async fn kept(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate("backup federation.yaml").await.ok();
    stage.federate("job scale pi --completions=18 --parallelism=6").await.ok();
    work_until(stage, "pi", "Complete 18/18").await?;
    stage.federate("reconcile pi").await.ok();
    let before = stage.host().api.get(&record_path(stage.host(), "pi")).await?;
    let restore = "restore federation.yaml --context=host";
    let restored = stage.federate(&format!("{restore} --yes")).await.ok();
    restored
        .warns("the record on the host is newer than that of the backup, and stays")
        .warns("--replace-newer replaces it");
    assert_eq!(stage.host().api.get(&record_path(stage.host(), "pi")).await?, before);
    stage.federate("reconcile").await.ok();
    stage.federate("job get pi").await.ok().says("Complete");
    stage.federate(&format!("{restore} --replace-newer")).await.fails("no terminal");
    assert_eq!(stage.host().api.get(&record_path(stage.host(), "pi")).await?, before);
    let replaced = stage.federate(&format!("{restore} --replace-newer --yes")).await.ok();
    replaced.warns("the record on the host is replaced: the one on the host is newer");
    for _ in 0..3 {
        stage.federate("reconcile pi").await.ok();
    }
    assert_eq!(succeeded(stage).await?.0, 18, "nothing has run twice");
    Ok(())
}

async fn moved_away(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    let of_pi = uid(stage).await?;
    stage.federate("init --from=host --context=west").await.ok();
    let refused = stage.federate("init --context=host").await.fails("was moved to another host");
    refused.warns("`kubectl federate init --replace-moved --context=host`");
    // Another federation cannot move there either, and says what to do first.
    stage.federate("init --context=north").await.ok();
    let there = stage.federate("init --from=north --context=host").await.fails("was moved to");
    there.warns("`kubectl federate init --replace-moved --context=host`");
    let made = stage.federate("init --replace-moved --context=host").await.ok();
    made.says("initialized").warns("the records of 1 job are left on host \"host\"");
    assert_ne!(uid(stage).await?, of_pi);
    assert!(stage.host().api.get(&record_path(stage.host(), "pi")).await.is_err());
    stage.federate("init --replace-moved --context=host").await.ok().says("unchanged");
    stage.federate("init --from=north --context=host").await.ok().says("moved");
    // The federation that was moved away goes on, on its new host.
    stage.federate("init --context=west").await.ok();
    stage.federate("reconcile").await.ok();
    work_until(stage, "pi", "Complete 9/9").await?;
    assert_eq!(succeeded(stage).await?.0, 9);
    Ok(())
}

async fn back_again(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate("backup federation.yaml").await.ok();
    stage.federate("init --from=host --context=west").await.ok();
    stage.federate("init --replace-moved --context=host").await.ok();
    // This is the host of the backup. The federation has gone on elsewhere since.
    stage.federate("restore federation.yaml --context=host --yes").await.ok();
    stage.federate("job get --context=west").await.fails("was moved to another host");
    stage.federate("reconcile --context=host").await.ok();
    work_until(stage, "pi", "Complete 9/9").await?;
    assert_eq!(succeeded(stage).await?.0, 9);
    Ok(())
}

async fn unfinished(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate("init --from=host --context=west").await.ok();
    let west = stage.site("west");
    let replace = "init --replace-moved --context=host";
    let before = stage.mark().await?;
    west.link.cut().await?;
    stage.federate(replace).await.fails("was moved away wholly");
    west.link.restore().await?;
    let registry = west.api.get(REGISTRY).await?;
    west.api.delete(REGISTRY, &json!({})).await?;
    let refused = stage.federate(replace).await.fails("holds no federation");
    refused.warns("`kubectl federate init --from=host --context=west` finishes the move");
    assert!(registry["metadata"].is_object());
    let changed = stage.mutations(&before).await?;
    assert!(!changed.iter().any(|what| what.starts_with("host: ")), "{changed:?}");
    stage.federate("init --from=host --context=west").await.ok();
    stage.federate(replace).await.ok().says("initialized");
    Ok(())
}

async fn acting(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate("backup federation.yaml").await.ok();
    stage.host().link.cut().await?;
    stage.federate("restore federation.yaml --context=west --yes").await.ok();
    stage.host().link.restore().await?;
    let old = uid_of(stage.host()).await?;
    let forget = format!("orphans clean --forget={old} --context=west");
    let refused = stage.federate(&forget).await.fails("host \"host\" answers");
    refused.warns("`kubectl federate init --from=host --context=west` marks it as moved");
    stage.federate("cluster check --context=west").await.fails("two hosts give out the work");
    stage.host().link.cut().await?;
    stage.federate(&forget).await.ok();
    stage.host().link.restore().await?;
    Ok(())
}

async fn nothing_there(stage: &Stage) -> Outcome {
    let first = stage.federate("init --from=host --context=west").await;
    first
        .fails("host \"host\" has no federation that could be moved")
        .warns("leave it out: `kubectl federate init --context=west` makes one");
    lose_registry(stage).await?;
    let lost = stage.federate("init --from=host --context=west").await;
    lost.fails("its registry is gone, but not the records of 1 job").warns("restore FILE");
    stage.federate("init --context=west").await.ok();
    let there = stage.federate("init --from=north --context=west").await;
    there.fails("has no federation").warns("`kubectl federate init --context=west` uses it");
    Ok(())
}

/// Changes the settings of the registry of a site.
pub async fn change_settings(site: &Site, change: impl Fn(&mut Value)) -> Outcome {
    let key = "kubectl-federate.dev/settings";
    let registry = site.api.get(REGISTRY).await?;
    let settings = registry["metadata"]["annotations"][key].as_str().unwrap_or_default();
    let mut settings = serde_json::from_str(settings)?;
    change(&mut settings);
    let patch = json!({"metadata": {"annotations": {key: settings.to_string()}}});
    site.api.patch(REGISTRY, &patch).await?;
    Ok(())
}

async fn not_there(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate("init --from=host --context=west").await.ok();
    let west = stage.site("west");
    let replace = "init --replace-moved --context=host";
    let before = stage.mark().await?;
    change_settings(west, |it| it["gap"] = json!({"from": 0, "until": 9})).await?;
    stage.federate(replace).await.fails("a restore on host \"west\" was interrupted");
    change_settings(west, |it| it["gap"] = json!({"from": 5, "until": 9})).await?;
    west.api.delete(&record_path(west, "pi"), &json!({})).await?;
    let refused = stage.federate(replace).await.fails("lacks, or has older records of, ");
    refused.fails("/pi").warns("`kubectl federate restore FILE --context=west`");
    let changed = stage.mutations(&before).await?;
    assert!(!changed.iter().any(|what| what.starts_with("host: ")), "{changed:?}");
    stage.host().api.delete(&record_path(stage.host(), "pi"), &json!({})).await?;
    stage.federate(replace).await.ok().says("initialized");
    Ok(())
}

async fn forked(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    let (host, path) = (stage.host(), record_path(stage.host(), "pi"));
    let old = host.api.get(&path).await?;
    stage.federate("job scale pi --completions=18 --parallelism=6").await.ok();
    stage.federate("backup federation.yaml").await.ok();
    // The host is set back, and goes on from there.
    let mut annotations = old["metadata"]["annotations"].clone();
    let now = host.api.get(&path).await?["metadata"]["annotations"].clone();
    for key in now.as_object().into_iter().flat_map(|now| now.keys()) {
        if annotations.get(key).is_none() {
            annotations[key] = Value::Null;
        }
    }
    host.api.patch(&path, &json!({"metadata": {"annotations": annotations}})).await?;
    stage.federate("job suspend pi").await.ok();
    stage.federate("job resume pi").await.ok();
    let orphans = stage.federate("orphans list").await.ok();
    assert!(orphans.stdout.contains("NotInLedger"), "{orphans:?}");
    let restored = stage.federate("restore federation.yaml --context=host --yes").await.ok();
    restored.warns("and stays").warns("It does not know these shards of the backup: ");
    let west = stage.site("west");
    west.link.cut().await?;
    let mark = stage.mark().await?;
    stage.federate("reconcile pi").await.fails("could not be asked");
    let created = stage.mutations(&mark).await?;
    assert!(!created.iter().any(|what| what.contains("create jobs")), "{created:?}");
    west.link.restore().await?;
    stage.federate("reconcile pi").await.ok();
    let orphans = stage.federate("orphans list").await.ok();
    assert!(!orphans.stdout.contains("NotInLedger"), "{orphans:?}");
    work_until(stage, "pi", "Complete 9/9").await?;
    assert_eq!(succeeded(stage).await?.0, 9, "nothing has run twice");
    Ok(())
}

async fn before_counting(stage: &Stage) -> Outcome {
    leave_silently(stage).await?;
    stage.host().link.restore().await?;
    let west = stage.site("west");
    let older = |settings: &mut Value| {
        settings["version"] = json!(6);
        settings.as_object_mut().expect("an object").remove("restores").expect("counted");
    };
    change_settings(west, older).await?;
    let back = "init --from=west --context=host";
    stage.federate(back).await.fails("has the federation as it was before");
    west.api.delete(&record_path(west, "pi"), &json!({})).await?;
    west.api.delete(REGISTRY, &json!({})).await?;
    Ok(())
}

async fn both_left(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate("backup first.yaml").await.ok();
    let (host, west) = (stage.host(), stage.site("west"));
    host.link.cut().await?;
    stage.federate("restore first.yaml --context=west --yes").await.ok();
    stage.federate("backup second.yaml").await.ok();
    host.link.restore().await?;
    west.link.cut().await?;
    stage.federate("restore second.yaml --context=host --yes").await.ok();
    west.link.restore().await?;
    west.api.delete(REGISTRY, &json!({})).await?;
    stage.federate("restore second.yaml --context=west --yes").await.ok();
    let before = stage.mark().await?;
    for (from, to) in [("host", "west"), ("west", "host")] {
        let refused = stage.federate(&format!("init --from={from} --context={to}")).await;
        refused
            .fails("neither has what was done on the other")
            .warns(&format!("`kubectl federate backup FILE --context={from}`"))
            .warns(&format!("`kubectl federate restore FILE --context={to}`"));
    }
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    stage.federate("backup third.yaml --context=west").await.ok();
    stage.federate("restore third.yaml --context=host --yes").await.ok();
    stage.federate("job get --context=west").await.fails("was moved to another host");
    stage.federate("reconcile").await.ok();
    work_until(stage, "pi", "Complete 9/9").await?;
    assert_eq!(succeeded(stage).await?.0, 9, "nothing has run twice");
    Ok(())
}

async fn other_job(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate("backup federation.yaml").await.ok();
    stage.federate("job suspend pi").await.ok();
    let (path, key) = (record_path(stage.host(), "pi"), "shard.kubectl-federate.dev/1");
    let record = stage.host().api.get(&path).await?;
    let shard = record["metadata"]["annotations"][key].as_str().unwrap_or_default();
    let mut shard: Value = serde_json::from_str(shard)?;
    shard["uid"] = json!("another");
    let patch = json!({"metadata": {"annotations": {key: shard.to_string()}}});
    stage.host().api.patch(&path, &patch).await?;
    let restored = stage.federate("restore federation.yaml --context=host").await.ok();
    restored
        .warns("It does not know these shards of the backup: 1. So no work is opened before")
        .warns("It has other jobs as these shards: 1. What those of the backup do may run twice:");
    Ok(())
}

/// The new host has lost all. So all is to be copied there again, and a record cannot be read.
async fn damaged(stage: &Stage) -> Outcome {
    federation(stage).await;
    for name in ["pi", "tau"] {
        stage.create(&job(name, Some(3), Some(9))).await?.ok();
    }
    let relocate = "init --from=host --context=west";
    stage.federate(relocate).await.ok().says("moved");
    let (host, west) = (stage.host(), stage.site("west"));
    for path in [record_path(west, "pi"), record_path(west, "tau"), REGISTRY.to_owned()] {
        west.api.delete(&path, &json!({})).await?;
    }
    let damage = json!({"metadata": {"annotations": {"kubectl-federate.dev/state": "{"}}});
    host.patch("configmaps", "pi.federated-job", &damage).await?;
    let recover = format!("job recover pi -n {}", stage.namespace);
    for command in [relocate, "init --replace-moved --context=host"] {
        let refused = stage.federate(command).await.fails("pi.federated-job is damaged");
        refused.warns(relocate).warns(&format!("{recover} --context=west"));
    }
    stage.federate(&format!("{recover} --context=host")).await.fails("was moved to another host");
    host.api.delete(&record_path(host, "pi"), &json!({})).await?;
    stage.federate(relocate).await.ok().says("moved");
    stage.federate(&format!("{recover} --yes")).await.ok();
    for name in ["pi", "tau"] {
        work_until(stage, name, "Complete 9/9").await?;
    }
    assert_eq!(succeeded(stage).await?.0, 18, "nothing has run twice");
    Ok(())
}
