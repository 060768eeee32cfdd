//! Two hosts of one federation that were both used: what each of them did goes on, or is named.

use serde_json::{Value, json};

use crate::edit_members::work_until;
use crate::hosts::{clear, record_path};
use crate::hosts_again::{MARKS, two_hosts};
use crate::left::{change_settings, uid_of};
use crate::recovery::{federation, succeeded};
use crate::scenarios::{Outcome, Scenarios};
use crate::stage::{Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of_any_version("two-hosts")
        .both_from_nothing("an edit of the other host that reached no cluster is made", taken)
        .sim_from_nothing("of edits on both hosts the one that does not count is named", disputed)
        .sim_from_nothing("a deletion on the other host that reached no cluster is named", deleted)
        .sim_from_nothing("what both hosts made under the same ids is named", same_ids)
        .sim_from_nothing("two hosts that are marked for each other go on", for_each_other)
}

/// Runs a command that is recorded, and reaches no cluster.
async fn unreached(stage: &Stage, command: &str) -> Outcome {
    for site in stage.members() {
        site.link.cut().await?;
    }
    let ran = stage.federate(command).await;
    for site in stage.members() {
        site.link.restore().await?;
    }
    assert_eq!(ran.code, 1, "{ran:?}");
    Ok(())
}

async fn done(stage: &Stage, completions: usize) -> Outcome {
    work_until(stage, "pi", &format!("Complete {completions}/{completions}")).await?;
    assert_eq!(succeeded(stage).await?.0, completions, "nothing has run twice");
    clear(stage.site("west"), &["pi"]).await
}

async fn taken(stage: &Stage) -> Outcome {
    federation(stage).await;
    two_hosts(stage).await?;
    unreached(stage, "job suspend pi --context=host").await?;
    let marked = stage.federate(MARKS).await.ok();
    marked.warns("It takes over how the job was edited on host \"host\": suspend false → true");
    let again = stage.federate(MARKS).await.ok().says("unchanged");
    assert!(!again.stderr.contains("takes over"), "{again:?}");
    stage.federate("reconcile pi").await.ok().says("Suspended");
    for site in stage.members() {
        assert_eq!(site.job("pi").await?["spec"]["suspend"], true, "{}", site.name);
    }
    stage.federate("job resume pi").await.ok();
    done(stage, 9).await
}

async fn disputed(stage: &Stage) -> Outcome {
    federation(stage).await;
    two_hosts(stage).await?;
    unreached(stage, "job scale pi --parallelism=6 --context=host").await?;
    stage.federate("job scale pi --parallelism=4").await.ok();
    let marked = stage.federate(MARKS).await.ok();
    marked
        .warns("It does not take over how the job was edited on host \"host\": parallelism 4 → 6");
    stage.federate("reconcile pi").await.ok();
    assert_eq!(stage.get("pi").await?["spec"]["parallelism"], 4);
    done(stage, 9).await
}

async fn deleted(stage: &Stage) -> Outcome {
    federation(stage).await;
    two_hosts(stage).await?;
    unreached(stage, "job delete pi --cascade=background --context=host").await?;
    let delete =
        format!("job delete pi -n {} --cascade=background --context=west", stage.namespace);
    let marked = stage.federate(MARKS).await.ok();
    marked.warns(&format!("was to delete the job: `kubectl federate {delete}` deletes it here"));
    stage.federate("job get pi").await.ok();
    stage.federate(&delete).await.ok();
    stage.federate("job get pi").await.fails("not found");
    clear(stage.site("west"), &[]).await
}

/// Each host gives out more work, not knowing of the other, and not in the same clusters.
async fn same_ids(stage: &Stage) -> Outcome {
    federation(stage).await;
    two_hosts(stage).await?;
    stage.federate("cluster cordon east --context=host").await.ok();
    stage.federate("cluster cordon north").await.ok();
    let scale = "job scale pi --completions=18 --parallelism=6";
    stage.federate(&format!("{scale} --context=host")).await.ok();
    stage.federate(scale).await.ok();
    let marked = stage.federate(MARKS).await.ok();
    marked
        .warns("It has other jobs as these shards: ")
        .warns("may run twice: `kubectl federate orphans list -A --context=west` shows them");
    let reconciled = stage.federate("reconcile").await.ok();
    reconciled.says("pi");
    stage.federate("orphans list -A").await.ok().says("pi-4").says("OtherCluster");
    // Nothing takes them in, and nothing is said to be done by them.
    stage.federate("orphans clean -A --yes").await.ok().warns("--running deletes it, too");
    stage.federate("orphans clean -A --running --yes").await.ok();
    stage.federate("orphans list -A").await.ok().warns("No resources found");
    stage.federate("cluster uncordon north").await.ok();
    done(stage, 18).await
}

/// A move back was interrupted once all was marked. Then somebody puts back what the registry of the
/// other host was before.
async fn for_each_other(stage: &Stage) -> Outcome {
    federation(stage).await;
    stage.create(&job("pi", Some(3), Some(9))).await?.ok();
    let (host, west) = (stage.host(), stage.site("west"));
    stage.federate(MARKS).await.ok();
    stage.federate("init --from=west --context=host").await.ok();
    stage.federate("job scale pi --completions=18 --parallelism=6").await.ok();
    let to_west = json!({"uid": uid_of(west).await?, "context": "west", "number": 3});
    change_settings(host, |settings| settings["moved"] = to_west.clone()).await?;
    let (path, key) = (record_path(host, "pi"), "kubectl-federate.dev/state");
    let record = host.api.get(&path).await?;
    let state = record["metadata"]["annotations"][key].as_str().unwrap_or_default();
    let mut state: Value = serde_json::from_str(state)?;
    state["moved"] = to_west;
    let marked = json!({"metadata": {"annotations": {key: state.to_string()}}});
    host.api.patch(&path, &marked).await?;
    for at in ["host", "west"] {
        let refused = stage.federate(&format!("job get --context={at}")).await;
        refused.fails("was moved to another host");
    }
    let back = stage.federate("init --from=west --context=host").await;
    back.fails("was moved to another host").warns("`kubectl federate init --from=host");
    let put_back = |settings: &mut Value| {
        settings.as_object_mut().expect("an object").remove("moved").expect("it was marked");
    };
    change_settings(west, put_back).await?;
    let left = stage.federate("job get --context=west").await;
    left.fails("were moved to another host").warns("That host has the jobs: --context=host");
    stage.federate(MARKS).await.ok().says("moved to host cluster \"west\"");
    stage.federate(MARKS).await.ok().says("unchanged");
    stage.federate("reconcile").await.ok();
    done(stage, 18).await
}
