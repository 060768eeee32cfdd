//! Killed while shards are created whose pods are scheduled together: they are, and run once.

use std::collections::BTreeSet;

use libtest_mimic::Failed;
use real::Fleet;
use serde_json::{Value, json};

use crate::moments::{Moments, times};
use crate::scene::{CREATE, MEMBERS, SOON, Scene, Succeeded};

/// How often it is killed.
const ROUNDS: usize = 3;

/// The completions of the Job.
const COMPLETIONS: usize = 9;

/// The pods of a gang, which is a shard.
const GANG: usize = 3;

fn manifest() -> Value {
    let container = json!({"name": "main", "image": "busybox"});
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
        "spec": {
            "parallelism": COMPLETIONS, "completions": COMPLETIONS, "completionMode": "Indexed",
            "scheduling": {"schedulingPolicy": {"gang": {"minCount": GANG}}},
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    })
}

/// Each shard is told which indexes belong to others once its cluster has made its group, and not
/// before, wherever the process is killed.
pub async fn indexed(fleet: &'static Fleet) -> Result<(), Failed> {
    let scene = Scene::with_gangs(fleet).await?;
    scene.write("pi.yaml", &manifest())?;
    let mut moments = Moments::of(16, scene.time(CREATE).await?);
    scene.gone().await?;
    times(ROUNDS, async |_, _| {
        let life = scene.kill_after(CREATE, moments.draw()).await?;
        scene.reconcile().await?;
        if scene.records().await?.is_empty() {
            moments.learn(life, "nothing of the create is there");
            scene.must(CREATE).await?;
        } else {
            moments.learn(life, "the create is finished");
        }
        all_grouped(&scene).await;
        let succeeded = scene.work(&MEMBERS).await?;
        let indexes: BTreeSet<_> = succeeded.iter().map(|(_, index): &Succeeded| *index).collect();
        assert_eq!((succeeded.len(), indexes.len()), (COMPLETIONS, COMPLETIONS), "{succeeded:?}");
        scene.gone().await?;
        Ok(life)
    })
    .await?;
    scene.bystanders_untouched().await
}

/// Waits until each member has a gang of pods, all in a group.
async fn all_grouped(scene: &Scene) {
    for member in MEMBERS {
        real::until("a gang of pods in a group", SOON, || async {
            let pods = scene.pods(member).await.map_err(|error| format!("{error:?}"))?;
            let name = |pod: &real::Pod| {
                pod.object["spec"]["schedulingGroup"]["podGroupName"].as_str().map(str::to_owned)
            };
            let groups: BTreeSet<_> = pods.iter().map(name).collect();
            let is_one = groups.len() == 1 && !groups.contains(&None);
            if is_one && pods.len() == GANG { Ok(()) } else { Err(format!("{groups:?}")) }
        })
        .await;
    }
}
