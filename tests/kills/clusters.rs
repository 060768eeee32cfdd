//! Clusters are drained and declared lost, and return, and the process is killed at any moment: each
//! completion is made once, or is reported as run twice.

use libtest_mimic::Failed;
use real::Fleet;
use serde_json::Value;

use crate::evidence::COMPLETIONS;
use crate::moments::{Moments, times};
use crate::scene::{CREATE, MEMBERS, SOON, Scene};

/// How many of each are killed before they have ended.
const DRAINS: [(&str, usize); 2] = [(STOPS, 9), (WAITS, 5)];
const LOSSES: [(Killed, usize); 2] = [(Killed::Loss, 9), (Killed::Return, 9)];

/// The running pods are stopped.
const STOPS: &str = "cluster drain west --now --timeout=1m";
/// The running pods are waited for.
const WAITS: &str = "cluster drain west --timeout=1m";

const LOST: &str = "cluster lost west --yes";
const UNCORDON: &str = "cluster uncordon west";

/// The members that stay.
const OTHERS: [&str; 2] = ["east", "north"];

/// A drain goes on with the next reconcile, or can be repeated.
pub async fn drain(fleet: &'static Fleet) -> Result<(), Failed> {
    let scene = Scene::apart(fleet).await?;
    scene.must(CREATE).await?;
    let whole = scene.time(STOPS).await?;
    scene.must(UNCORDON).await?;
    scene.gone().await?;
    for (seed, (line, kills)) in (12..).zip(DRAINS) {
        let mut moments = Moments::of(seed, whole);
        times(kills, async |round, _| {
            scene.must(CREATE).await?;
            let moment = moments.draw();
            let pods_end = async {
                tokio::time::sleep(moment / 2).await;
                if line == WAITS { scene.succeed_in(&["west"]).await } else { Ok(Vec::new()) }
            };
            let (life, succeeded) = tokio::join!(scene.kill_after(line, moment), pods_end);
            let (life, mut succeeded) = (life?, succeeded?);
            moments.learn(life, line);
            if round % 2 == 0 {
                scene.must(STOPS).await?;
            }
            scene.reconcile().await?;
            succeeded.extend(scene.work(&MEMBERS).await?);
            assert_eq!(i64::try_from(succeeded.len())?, COMPLETIONS, "{succeeded:?}");
            scene.must(STOPS).await?;
            scene.must(UNCORDON).await?;
            scene.gone().await?;
            Ok(life)
        })
        .await?;
    }
    scene.bystanders_untouched().await
}

/// What is killed.
#[derive(Debug, Clone, Copy)]
enum Killed {
    /// The process that declares a cluster lost.
    Loss,
    /// The reconcile that finds it again.
    Return,
}

/// A loss is finished by the next reconcile, or can be repeated. A reconcile at the return of the
/// cluster is finished by the next.
pub async fn lost(fleet: &'static Fleet) -> Result<(), Failed> {
    let scene = Scene::apart(fleet).await?;
    for (seed, (killed, kills)) in (14..).zip(LOSSES) {
        scene.must(CREATE).await?;
        scene.cut_off("west")?;
        let loss = scene.time(LOST).await?;
        scene.reach_all()?;
        let comeback = scene.time("reconcile").await?;
        ends_with(&scene, 0).await?;
        let (line, whole) = match killed {
            Killed::Loss => (LOST, loss),
            Killed::Return => ("reconcile", comeback),
        };
        let mut moments = Moments::of(seed, whole);
        times(kills, async |round, _| {
            scene.must(CREATE).await?;
            scene.cut_off("west")?;
            // What west does from now on nobody sees before it is back.
            let unseen = if round % 2 == 0 { &["west"][..] } else { &[] };
            let mut succeeded = scene.succeed_in(unseen).await?.len();
            let mut life = match killed {
                Killed::Loss => scene.kill_after(line, moments.draw()).await?,
                Killed::Return => None,
            };
            if !scene.run("cluster list").await?.stdout.contains("Lost") {
                scene.must(LOST).await?;
            }
            succeeded += scene.work(&OTHERS).await?.len();
            scene.reach_all()?;
            if let Killed::Return = killed {
                life = scene.kill_after(line, moments.draw()).await?;
            }
            moments.learn(life, line);
            ends_with(&scene, succeeded).await?;
            Ok(life)
        })
        .await?;
    }
    scene.bystanders_untouched().await
}

/// West has answered again, and the Job ends when so many pods and those that are left have
/// succeeded: as many as were asked for, and those that are reported as run twice.
async fn ends_with(scene: &Scene, succeeded: usize) -> Result<(), Failed> {
    real::until("west's jobs to end", SOON, || async {
        let text = |error: Failed| format!("{error:?}");
        let ran = scene.run("reconcile").await.map_err(text)?;
        let west = scene.cluster("west").list(&scene.path("jobs")).await;
        let mut west = west.map_err(|error| error.to_string())?;
        west.retain(|job| job["metadata"]["labels"]["kubectl-federate.dev/shard"].is_string());
        let has_ended = |job: &Value| job["status"]["completionTime"].is_string();
        if west.iter().all(has_ended) { Ok(()) } else { Err(format!("{ran:?} {west:?}")) }
    })
    .await;
    let more = scene.work(&OTHERS).await?.len();
    scene.reconcile().await?;
    let shown: Value = serde_json::from_str(&scene.must("job get pi -o json").await?.stdout)?;
    let twice = shown["status"]["ranTwice"].as_i64().unwrap_or(0);
    assert_eq!(i64::try_from(succeeded + more)?, COMPLETIONS + twice, "{shown:#}");
    scene.quiet().await?;
    scene.must(UNCORDON).await?;
    scene.gone().await
}
