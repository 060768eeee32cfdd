//! What is left when the host loses what it had: records from shards, backups, another host.

use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::edit_members::work_until;
use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{MEMBERS, Stage, job};

const FEDERATION: &str = "kubectl-federate.dev/federation";

pub const REGISTRY: &str = "/api/v1/namespaces/kubectl-federate/configmaps/federation";

pub fn scenarios() -> Scenarios {
    Scenarios::of_any_version("recovery")
        .both_from_nothing("a job reaches its right end although its host lost all", lost)
        .both_from_nothing("an indexed job does so too, with each index once", lost_indexed)
        .both_from_nothing("nothing is opened before every cluster was listed", unlisted)
        .both_from_nothing("a backup that is older than the job doubles no work", restored)
        .both_from_nothing("a shard that was being stopped goes on after a restore", stopped)
        .sim("a shard that was held in its queue goes on after a restore", held)
        .both_from_nothing("a federation moves to another host, and back", moved)
        .both("a record that was deleted or damaged is rebuilt with its supplements", one_record)
        .both("what can be read of a damaged record is kept, and nothing runs again", salvaged)
        .both("a damaged record of which nothing is left can be forgotten", forgotten)
        .both("a damaged record that was forgotten comes back from its shards", forgotten_too_soon)
        .both_from_nothing("a cluster that is registered late is taken in", late)
        .both("a record that is whole is not recovered, and nothing is without consent", consent)
        .both("a record that has lost its label is found again", unlabelled)
        .both("copies of shards are named and left alone", copies)
}

/// The host, and all members registered.
pub async fn federation(stage: &Stage) {
    stage.federate("init --context=host").await.ok();
    for member in MEMBERS {
        stage.federate(&format!("cluster register {member}")).await.ok();
    }
}

/// Removes the record of a Job.
pub async fn lose(stage: &Stage, name: &str) -> Outcome {
    let host = stage.host();
    let path = format!("{}/{name}.federated-job", host.path("configmaps"));
    host.api.delete(&path, &json!({})).await?;
    Ok(())
}

/// Removes all ConfigMaps of the host.
pub async fn lose_all(stage: &Stage, name: &str) -> Outcome {
    lose(stage, name).await?;
    stage.host().api.delete(REGISTRY, &json!({})).await?;
    Ok(())
}

/// How many pods have succeeded, and the indexes of those that have one, in all members.
pub async fn succeeded(stage: &Stage) -> Result<(usize, Vec<i32>), Failed> {
    let mut count = 0;
    let mut indexes = Vec::new();
    for site in stage.members() {
        for shard in site.names("jobs").await? {
            for pod in site.pods(&shard).await? {
                if pod["status"]["phase"] == "Succeeded" {
                    count += 1;
                    let annotations = &pod["metadata"]["annotations"];
                    let index = annotations["batch.kubernetes.io/job-completion-index"].as_str();
                    indexes.extend(index.and_then(|index| index.parse::<i32>().ok()));
                }
            }
        }
    }
    indexes.sort_unstable();
    Ok((count, indexes))
}

/// The uid of the federation whose shard of `pi` a member has.
pub async fn federation_of(stage: &Stage) -> Result<String, Failed> {
    let label = stage.site("east").job("pi").await?["metadata"]["labels"].clone();
    let uid = label["kubectl-federate.dev/federation"].as_str().ok_or("it is labelled")?;
    Ok(uid.to_owned())
}

/// Runs a third of a Job of 9, has the host lose everything, and makes it anew.
async fn lose_half_way(stage: &Stage, job: &Value) -> Outcome {
    federation(stage).await;
    stage.create(job).await?.ok();
    // An Indexed shard counts the 6 indexes of others as done.
    let counted = if job["spec"]["completionMode"] == "Indexed" { 7 } else { 1 };
    for site in stage.members() {
        site.succeed("pi", 1).await?;
        site.until_job("pi", "one is counted", |job| job["status"]["succeeded"] == counted).await;
    }
    lose_all(stage, "pi").await?;
    federation(stage).await;
    stage.federate("job get pi").await.fails("not found");
    Ok(())
}

async fn lost(stage: &Stage) -> Outcome {
    lose_half_way(stage, &job("pi", Some(3), Some(9))).await?;
    let uid = federation_of(stage).await?;
    stage
        .federate(&format!("job recover --all --federation={uid} --yes"))
        .await
        .ok()
        .says("job.batch/pi recovered")
        .says("job.batch/pi reconciled: Running 3/9")
        .warns("may run twice");
    let registry = stage.host().api.get(REGISTRY).await?;
    let settings = &registry["metadata"]["annotations"]["kubectl-federate.dev/settings"];
    assert!(settings.as_str().is_some_and(|text| text.contains(&uid)), "{settings}");
    let described = stage.federate("job describe pi").await.ok().stdout;
    assert!(described.contains("job recover"), "it is remembered: {described}");
    let before = stage.mark().await?;
    stage.federate("reconcile pi").await.ok().says("unchanged");
    stage.federate("job recover --all").await.ok().warns("Nothing is to be recovered");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    work_until(stage, "pi", "Complete 9/9").await?;
    assert_eq!(succeeded(stage).await?.0, 9);
    Ok(())
}

async fn lost_indexed(stage: &Stage) -> Outcome {
    let mut indexed = job("pi", Some(3), Some(9));
    indexed["spec"]["completionMode"] = "Indexed".into();
    lose_half_way(stage, &indexed).await?;
    let recover = format!("job recover pi --federation={} --yes", federation_of(stage).await?);
    stage.federate(&recover).await.ok().says("Running 3/9");
    work_until(stage, "pi", "Complete 9/9").await?;
    assert_eq!(succeeded(stage).await?, (9, (0..9).collect()));
    assert_eq!(stage.get("pi").await?["status"]["completedIndexes"], "0-8");
    Ok(())
}

async fn unlisted(stage: &Stage) -> Outcome {
    lose_half_way(stage, &job("pi", Some(3), Some(9))).await?;
    let west = stage.site("west");
    west.link.cut().await?;
    let uid = federation_of(stage).await?;
    stage
        .federate(&format!("job recover --all --federation={uid} --yes"))
        .await
        .fails("1 of 3 clusters could not be asked")
        .warns("it may have shards that no record has");
    assert_eq!(stage.row("pi").await, "Running,Unknown 2/9");
    stage.federate("job scale pi --completions=12").await.fails("not been listed since");
    let jobs = |name: &'static str| stage.site(name).names("jobs");
    assert_eq!((jobs("east").await?, jobs("north").await?), (vec!["pi".into()], vec!["pi".into()]));
    // It carries nothing that the record knows of. Still it is not drained before it was listed.
    stage.federate("cluster drain west").await.fails("1 of 3 clusters could not be asked");
    stage.federate("cluster list").await.ok().says("Draining,Unknown");
    stage.federate("cluster uncordon west").await.ok();
    west.link.restore().await?;
    stage.federate("reconcile pi").await.ok().says("Running 3/9");
    work_until(stage, "pi", "Complete 9/9").await?;
    assert_eq!(succeeded(stage).await?.0, 9);
    Ok(())
}

async fn one_record(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.federate("job scale pi --completions=18 --parallelism=6").await.ok();
    let shards: usize = stage.get("pi").await?["status"]["shards"].as_array().map_or(0, Vec::len);
    assert!(shards > 3, "it has supplements");
    lose(stage, "pi").await?;
    stage.federate("job recover pi --yes").await.ok().says("job.batch/pi recovered");
    assert_eq!(stage.row("pi").await, "Running 0/18");
    for (key, value) in
        [("kubectl-federate.dev/state", json!("{")), ("shard.kubectl-federate.dev/2", Value::Null)]
    {
        let damage = json!({"metadata": {"annotations": {key: value}}});
        stage.host().patch("configmaps", "pi.federated-job", &damage).await?;
        let before = stage.mark().await?;
        let damaged = format!("pi.federated-job is damaged: annotation \"{key}\"");
        stage.federate("reconcile pi").await.fails(&damaged).warns("job recover");
        assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
        stage
            .federate("job recover pi --yes")
            .await
            .ok()
            .says("job.batch/pi recovered")
            .warns("the record is replaced: configmap");
        let recovered = stage.get("pi").await?;
        assert_eq!(recovered["spec"]["completions"], 18);
        assert_eq!(recovered["status"]["shards"].as_array().map_or(0, Vec::len), shards);
    }
    work_until(stage, "pi", "Complete 18/18").await?;
    assert_eq!(succeeded(stage).await?.0, 18);
    // The outcome is derived from the shards, too.
    lose(stage, "pi").await?;
    stage.federate("job recover pi --yes").await.ok().says("Complete 18/18");
    Ok(())
}

async fn salvaged(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    let east = stage.site("east");
    for done in 1..=3 {
        east.succeed("pi", 1).await?;
        east.until_job("pi", "one more is counted", |job| job["status"]["succeeded"] == done).await;
    }
    let is_over = |job: &Value| job["status"]["completionTime"].is_string();
    east.until_job("pi", "it is complete", is_over).await;
    stage.federate("reconcile pi").await.ok().says("Running 3/9");
    let damage = json!({"metadata": {"annotations": {"shard.kubectl-federate.dev/1": "{"}}});
    stage.host().patch("configmaps", "pi.federated-job", &damage).await?;
    // Somebody has cleaned up what had ended.
    east.delete("pi").await?;
    let before: Vec<_> = names(stage).await?;
    stage.federate("job recover pi --yes").await.ok().says("job.batch/pi recovered");
    stage.federate("reconcile pi").await.ok();
    assert_eq!(names(stage).await?, before, "what it did is not done again unasked");
    let rest: Vec<_> = stage.members().filter(|site| site.name != "east").collect();
    for site in &rest {
        site.succeed("pi", 1).await?;
    }
    stage.federate("reconcile pi --reopen --yes").await.ok();
    work_until(stage, "pi", "Complete 9/9").await
}

/// The Jobs of all members.
async fn names(stage: &Stage) -> Result<Vec<Vec<String>>, Failed> {
    let mut all = Vec::new();
    for site in stage.members() {
        all.push(site.names("jobs").await?);
    }
    Ok(all)
}

async fn late(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    lose_all(stage, "pi").await?;
    stage.federate("init --context=host").await.ok();
    for member in ["east", "north"] {
        stage.federate(&format!("cluster register {member}")).await.ok();
    }
    let recover = format!("job recover --all --federation={} --yes", federation_of(stage).await?);
    stage.federate(&recover).await.ok().warns("and may run twice");
    let west = stage.site("west");
    west.succeed("pi", 1).await?;
    west.until_job("pi", "one is counted", |job| job["status"]["succeeded"] == 1).await;
    let registered = stage.federate("cluster register west").await.ok();
    registered.warns("1 job that the records of their federated jobs lack");
    let asks = stage.federate("job recover --all").await.fails("no terminal");
    asks.warns("job.batch/pi: its record lacks jobs of cluster west.");
    stage.federate("job recover --all --yes").await.ok().says("job.batch/pi recovered");
    west.until_job("pi", "it is stopped", |job| {
        job["spec"]["suspend"] == true || job["status"]["completionTime"].is_string()
    })
    .await;
    stage.federate("cluster register west").await.ok();
    stage.federate("job recover --all --yes").await.ok().warns("Nothing is to be recovered");
    work_until(stage, "pi", "Complete 9/9").await?;
    stage.federate("orphans list").await.ok().warns("No resources found");
    Ok(())
}

/// Damages the record of `pi`.
async fn damage(stage: &Stage) -> Outcome {
    let damage = json!({"metadata": {"annotations": {"kubectl-federate.dev/state": "{"}}});
    stage.host().patch("configmaps", "pi.federated-job", &damage).await?;
    Ok(())
}

async fn forgotten(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    for site in stage.members() {
        site.delete("pi").await?;
    }
    damage(stage).await?;
    let before = stage.mark().await?;
    let recover = format!("`kubectl federate job recover pi -n {}` rebuilds", stage.namespace);
    let commands = ["job delete pi", "job delete pi --cascade=background", "job delete --all"];
    for command in commands.into_iter().chain(["job create -f pi.yaml", "reconcile"]) {
        stage.federate(command).await.fails("pi").warns(&recover);
    }
    let forget = "job delete pi --cascade=orphan";
    // Nobody knows what a cluster has that does not answer.
    let west = stage.site("west");
    west.link.cut().await?;
    let silent = stage.federate("job recover pi --yes").await.fails("west could not be asked");
    assert!(!silent.stderr.contains(forget), "{silent:?}");
    west.link.restore().await?;
    let hint = format!("`kubectl federate job delete pi -n {} --cascade=orphan`", stage.namespace);
    stage.federate("job recover pi --yes").await.fails("no cluster has a shard").warns(&hint);
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    for strategy in ["client", "server"] {
        let dry = stage.federate(&format!("{forget} --dry-run={strategy}")).await.ok();
        dry.says("job.batch \"pi\" deleted from ").says("dry run)\n");
    }
    assert!(stage.record("pi").await?.is_some());
    let forgotten = stage.federate(forget).await.ok().says("job.batch \"pi\" deleted from ");
    forgotten.warns("it is not known which jobs of it clusters have. They stay, and");
    assert_eq!(stage.record("pi").await?, None);
    stage.federate(forget).await.fails("not found");
    stage.federate("reconcile").await.ok();
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    work_until(stage, "pi", "Complete 9/9").await
}

async fn forgotten_too_soon(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    damage(stage).await?;
    // That of another federation is none of ours.
    let label = |uid: &Value| json!({"metadata": {"labels": {FEDERATION: uid}}});
    let own = stage.record("pi").await?.ok_or("a record")?["metadata"]["labels"][FEDERATION].take();
    let host = stage.host();
    host.patch("configmaps", "pi.federated-job", &label(&"other".into())).await?;
    stage.federate("job delete pi --cascade=orphan").await.fails("another federation");
    host.patch("configmaps", "pi.federated-job", &label(&own)).await?;
    let before = stage.mark().await?;
    stage.federate("job delete pi --cascade=orphan").await.ok();
    assert_eq!(stage.mutations(&before).await?, ["east: delete configmaps/pi.federated-job"]);
    let stays = stage.federate("orphans clean --yes --running").await.ok();
    stays.warns("3 jobs have no record");
    stage.federate("job recover pi --yes").await.ok().says("job.batch/pi recovered");
    work_until(stage, "pi", "Complete 9/9").await
}

async fn consent(stage: &Stage) -> Outcome {
    stage.federate("job recover pi --yes").await.fails("no cluster has a shard");
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    let before = stage.mark().await?;
    stage.federate("job recover pi --yes").await.ok().warns("Nothing is to be recovered");
    stage.federate("job recover pi other --yes").await.fails("of job \"other\"");
    stage.federate("job recover pi --yes --federation=other").await.fails("which has jobs");
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    lose(stage, "pi").await?;
    let before = stage.mark().await?;
    stage.federate("job recover pi").await.fails("no terminal").warns("--yes");
    stage.assert_nothing_of("pi", &before).await
}

async fn unlabelled(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    let none = json!({"metadata": {"labels": {"kubectl-federate.dev/federation": null}}});
    stage.host().patch("configmaps", "pi.federated-job", &none).await?;
    stage.federate("orphans list").await.ok().says("pi");
    let before = stage.mark().await?;
    stage.federate("orphans clean --running --yes").await;
    assert_eq!(stage.mutations(&before).await?, Vec::<String>::new());
    let record = stage.record("pi").await?.ok_or("a record")?;
    stage
        .federate("job recover pi --yes")
        .await
        .ok()
        .warns("the record gets its label again")
        .says("job.batch/pi recovered");
    let shards = |record: &Value| {
        let annotations = record["metadata"]["annotations"].as_object();
        annotations.map_or(0, |all| all.keys().filter(|key| key.starts_with("shard.")).count())
    };
    let labelled = stage.record("pi").await?.ok_or("a record")?;
    assert_eq!((shards(&labelled), shards(&record)), (3, 3));
    stage.federate("orphans list").await.ok();
    work_until(stage, "pi", "Complete 9/9").await
}

async fn copies(stage: &Stage) -> Outcome {
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    let east = stage.site("east");
    let mut copy = east.job("pi").await?;
    let owner = [
        "controller-uid",
        "batch.kubernetes.io/controller-uid",
        "job-name",
        "batch.kubernetes.io/job-name",
    ];
    copy["metadata"] = json!({"name": "pi-copy", "labels": copy["metadata"]["labels"],
        "annotations": copy["metadata"]["annotations"]});
    for labels in ["/metadata/labels", "/spec/template/metadata/labels"] {
        let labels = copy.pointer_mut(labels).and_then(Value::as_object_mut).ok_or("labels")?;
        labels.retain(|key, _| !owner.contains(&key.as_str()));
    }
    copy["spec"].as_object_mut().ok_or("a spec")?.remove("selector");
    copy["spec"]["suspend"] = true.into();
    copy.as_object_mut().ok_or("a job")?.remove("status");
    east.create("jobs", &copy).await?;
    let copied = east.job("pi-copy").await?;
    lose(stage, "pi").await?;
    stage
        .federate("job recover pi --yes")
        .await
        .ok()
        .warns("[east] job pi-copy in namespace")
        .warns("it is a copy of job \"pi\"");
    assert_eq!(stage.get("pi").await?["status"]["shards"].as_array().map_or(0, Vec::len), 3);
    assert_eq!(east.job("pi-copy").await?["spec"], copied["spec"]);
    stage.site("west").create("jobs", &copy).await?;
    let orphans = stage.federate("orphans list").await.ok().stdout;
    for (cluster, reason) in [("east", "OtherJob"), ("west", "OtherCluster")] {
        let row = orphans.lines().find(|line| line.contains(cluster) && line.contains("pi-copy"));
        assert!(row.is_some_and(|row| row.contains(reason)), "{orphans}");
    }
    stage.federate("orphans clean --yes").await.ok();
    assert_eq!(names(stage).await?, [["pi"]; 3]);
    Ok(())
}

async fn restored(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage
        .federate("backup federation.yaml")
        .await
        .ok()
        .warns("3 clusters, and the records of 1 job");
    // The backup knows nothing of the supplements.
    stage.federate("job scale pi --completions=18 --parallelism=6").await.ok();
    for site in stage.members() {
        site.succeed("pi", 1).await?;
    }
    lose_all(stage, "pi").await?;
    stage
        .federate("restore federation.yaml --context=host")
        .await
        .ok()
        .says("job.batch/pi restored")
        .says("federation restored on host cluster \"host\"");
    stage.federate("restore federation.yaml --context=host").await.ok().says("unchanged");
    stage.federate("reconcile pi").await.ok();
    assert_eq!(stage.get("pi").await?["spec"]["completions"], 18);
    let before = stage.record("pi").await?;
    stage.federate("restore federation.yaml --context=host").await.ok().warns("is newer than");
    let replace = "restore federation.yaml --context=host --replace-newer";
    let asks = stage.federate(replace).await.fails("no terminal");
    asks.warns("the record on the host is replaced");
    assert_eq!(stage.record("pi").await?, before, "nothing is written without consent");
    stage.federate(&format!("{replace} --yes")).await.ok();
    work_until(stage, "pi", "Complete 18/18").await?;
    assert_eq!(succeeded(stage).await?.0, 18);
    Ok(())
}

async fn stopped(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    restore_while_stopped(stage, "host").await
}

async fn held(stage: &Stage) -> Outcome {
    stage.site("west").set_queue("team", 2).await?;
    let mut job = job("pi", Some(3), Some(9));
    job["metadata"]["labels"] = json!({"kueue.x-k8s.io/queue-name": "team"});
    stage.create(&job).await?.ok();
    restore_while_stopped(stage, "east").await
}

/// The host is lost while a drain waits for the pods in `west`. The backup is from before.
async fn restore_while_stopped(stage: &Stage, host: &str) -> Outcome {
    let west = stage.site("west");
    west.run("pi", 1).await?;
    stage.federate("reconcile pi").await.ok();
    stage.federate("backup federation.yaml").await.ok();
    stage.federate("cluster drain west --now --timeout=2s").await.fails("timed out");
    assert_eq!(west.job("pi").await?["spec"]["suspend"], true);
    lose_all(stage, "pi").await?;
    stage.federate(&format!("restore federation.yaml --context={host}")).await.ok();
    west.release("pi").await?;
    stage.federate("reconcile pi").await.ok();
    let runs = |job: &Value| job["spec"]["suspend"] == false && job["status"]["active"] == 1;
    west.until_job("pi", "it runs again", runs).await;
    work_until(stage, "pi", "Complete 9/9").await?;
    assert_eq!(succeeded(stage).await?.0, 9);
    Ok(())
}

async fn moved(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    stage.site("east").succeed("pi", 1).await?;
    let west = stage.site("west");
    stage
        .federate("init --from=host --context=west")
        .await
        .ok()
        .says("federation moved to host cluster \"west\"");
    for command in ["job get", "reconcile pi", "cluster list", "job delete pi", "init"] {
        stage
            .federate(&format!("{command} --context=host"))
            .await
            .fails("the federation of host \"host\" was moved to another host, context \"west\"")
            .warns("`kubectl federate init --context=west`");
    }
    stage.federate("init --from=host --context=west").await.ok().says("unchanged");
    stage.federate("init --from=host --context=east").await.fails("was moved to another host");
    stage.federate("cluster list").await.ok().says("north");
    work_until(stage, "pi", "Complete 9/9").await?;
    assert_eq!(succeeded(stage).await?.0, 9);
    // Back again: what the first host has is replaced.
    stage.federate("init --from=west --context=host").await.ok().says("moved");
    assert_eq!(stage.row("pi").await, "Complete 9/9");
    west.api.delete(REGISTRY, &json!({})).await?;
    Ok(())
}
