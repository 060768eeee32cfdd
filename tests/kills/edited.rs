//! Jobs are edited and recovered, and the process is killed at any moment: each completion is made
//! once.

use libtest_mimic::Failed;
use real::Fleet;
use serde_json::json;

use crate::evidence::{self, COMPLETIONS};
use crate::moments::{Moments, times};
use crate::scene::{CREATE, MEMBERS, Scene};

/// How many of each are killed before they have ended.
const APPLIES: usize = 14;
const RECOVERIES: usize = 12;

const APPLY: &str = "job apply -f edited.yaml";
const RECOVER: &str = "job recover pi --yes";

/// What the edited Job asks for: its parallelism and its completions.
const EDITS: [(i64, i64); 2] = [(6, 10), (3, 5)];

/// Lets the Job run to its end: so many completions are made, and no more.
async fn makes(scene: &Scene, completions: i64) -> Result<(), Failed> {
    let succeeded = scene.work(&MEMBERS).await?;
    assert_eq!(i64::try_from(succeeded.len())?, completions, "{succeeded:?}");
    scene.quiet().await?;
    scene.gone().await
}

/// The edit is recorded or not; what is recorded the next reconcile finishes, and what is not can
/// be applied again.
pub async fn apply(fleet: &'static Fleet) -> Result<(), Failed> {
    let scene = Scene::new(fleet).await?;
    scene.write("edited.yaml", &evidence::manifest("pi", EDITS[0].0, EDITS[0].1))?;
    scene.must(CREATE).await?;
    let mut moments = Moments::of(10, scene.time(APPLY).await?);
    scene.gone().await?;
    times(APPLIES, async |round, _| {
        let (parallelism, completions) = EDITS[round % EDITS.len()];
        scene.write("edited.yaml", &evidence::manifest("pi", parallelism, completions))?;
        scene.must(CREATE).await?;
        let life = scene.kill_after(APPLY, moments.draw()).await?;
        scene.reconcile().await?;
        let shown = scene.must("job get pi -o json").await?.stdout;
        let shown: serde_json::Value = serde_json::from_str(&shown)?;
        let is_recorded = shown["spec"]["completions"] == completions;
        moments.learn(life, if is_recorded { "it is recorded" } else { "it has not begun" });
        if !is_recorded {
            assert_eq!(shown["spec"]["completions"], COMPLETIONS);
            scene.must(APPLY).await?;
        }
        makes(&scene, completions).await?;
        Ok(life)
    })
    .await?;
    scene.bystanders_untouched().await
}

/// The record is there or not; what is there the next reconcile finishes, and otherwise it can be
/// recovered again.
pub async fn recover(fleet: &'static Fleet) -> Result<(), Failed> {
    let scene = Scene::new(fleet).await?;
    let lose = async || {
        let record = format!("{}/pi.federated-job", scene.path("configmaps"));
        scene.host().delete(&record, &json!({})).await
    };
    scene.must(CREATE).await?;
    lose().await?;
    let mut moments = Moments::of(11, scene.time(RECOVER).await?);
    scene.gone().await?;
    times(RECOVERIES, async |round, _| {
        scene.must(CREATE).await?;
        let mut succeeded = Vec::new();
        if round % 2 == 1 {
            succeeded = scene.succeed_in(&MEMBERS).await?;
            scene.must("reconcile").await?;
        }
        lose().await?;
        let life = scene.kill_after(RECOVER, moments.draw()).await?;
        scene.reconcile().await?;
        let is_there = !scene.records().await?.is_empty();
        moments.learn(life, if is_there { "the record is there" } else { "it has not begun" });
        if !is_there {
            scene.must(RECOVER).await?;
        }
        let before = i64::try_from(succeeded.len())?;
        makes(&scene, COMPLETIONS - before).await?;
        Ok(life)
    })
    .await?;
    scene.bystanders_untouched().await
}
