//! Jobs are created, reconciled and deleted, and the process is killed at any moment: after the next
//! reconcile everything is there, or nothing is.

use std::time::Duration;

use libtest_mimic::Failed;
use real::Fleet;

use crate::evidence::Recorded;
use crate::moments::{Moments, times};
use crate::scene::{CREATE, DELETE, SOON, Scene};

/// How many of each are killed before they have ended.
const CREATES: usize = 20;
const RECONCILES: [(Found, usize); 3] =
    [(Found::Created, 10), (Found::Deleted, 6), (Found::Worked, 5)];
const DELETES: [(&str, usize); 2] = [(DELETE, 10), ("job delete pi --cascade=foreground", 7)];

/// It is finished, or nothing of it is there and it can be repeated.
pub async fn create(fleet: &'static Fleet) -> Result<(), Failed> {
    let scene = Scene::new(fleet).await?;
    let mut moments = Moments::of(1, scene.time(CREATE).await?);
    scene.gone().await?;
    times(CREATES, async |_, last| {
        let since = scene.mark().await?;
        let life = scene.kill_after(CREATE, moments.draw()).await?;
        scene.reconcile().await?;
        if scene.records().await?.is_empty() {
            moments.learn(life, "nothing of the create is there");
            scene.nothing_left().await?;
            scene.must(CREATE).await?;
        } else {
            moments.learn(life, "the create is finished");
            let again = scene.run(CREATE).await?;
            assert!(again.code == Some(1) && again.stderr.contains("AlreadyExists"), "{again:?}");
        }
        scene.all_runs().await?;
        scene.quiet().await?;
        scene.made_once(&since).await?;
        if last {
            scene.succeed().await?;
            scene.until_complete().await?;
        }
        scene.gone().await?;
        Ok(life)
    })
    .await?;
    scene.bystanders_untouched().await
}

/// What a reconcile finds.
#[derive(Debug, Clone, Copy)]
enum Found {
    /// What a killed create has left.
    Created,
    /// What a killed delete has left.
    Deleted,
    /// Work that is done, of which the record knows nothing.
    Worked,
}

async fn prepare(scene: &Scene, found: Found, later: Duration) -> Result<(), Failed> {
    match found {
        Found::Created => {
            let written = async {
                scene.until_record(|record| record.is_some()).await;
                tokio::time::sleep(later).await;
            };
            scene.kill_when(CREATE, written).await?;
        }
        Found::Deleted => {
            scene.must(CREATE).await?;
            let begun = scene.until_record(|record| record.is_none_or(Recorded::deleting));
            scene.kill_when(DELETE, begun).await?;
        }
        Found::Worked => {
            scene.must(CREATE).await?;
            scene.succeed().await?;
            scene.until_complete().await?;
        }
    }
    Ok(())
}

/// What the killed one has begun the next one finishes.
pub async fn reconcile(fleet: &'static Fleet) -> Result<(), Failed> {
    let scene = Scene::new(fleet).await?;
    for (seed, (found, kills)) in (2..).zip(RECONCILES) {
        prepare(&scene, found, Duration::ZERO).await?;
        let mut moments = Moments::of(seed, scene.time("reconcile").await?);
        scene.gone().await?;
        times(kills, async |_, _| {
            let since = scene.mark().await?;
            // A create has most of its life behind it when its record is there.
            prepare(&scene, found, moments.draw() / 4).await?;
            let life = scene.kill_after("reconcile", moments.draw()).await?;
            moments.learn(life, &format!("reconcile of {found:?}"));
            scene.reconcile().await?;
            match found {
                Found::Deleted => scene.nothing_left().await?,
                Found::Created | Found::Worked => {
                    let record = scene.all_runs().await?;
                    assert_eq!(record.complete(), matches!(found, Found::Worked), "{record:#?}");
                    scene.made_once(&since).await?;
                }
            }
            scene.quiet().await?;
            scene.gone().await?;
            Ok(life)
        })
        .await?;
    }
    scene.bystanders_untouched().await
}

/// It is finished, or it has not begun.
pub async fn delete(fleet: &'static Fleet) -> Result<(), Failed> {
    let scene = Scene::new(fleet).await?;
    for (seed, (line, kills)) in (5..).zip(DELETES) {
        scene.must(CREATE).await?;
        let mut moments = Moments::of(seed, scene.time(line).await?);
        times(kills, async |_, _| {
            scene.must(CREATE).await?;
            let uids = async || {
                Ok::<_, Failed>(
                    scene.jobs().await?.into_iter().map(|job| job.uid).collect::<Vec<_>>(),
                )
            };
            let before = uids().await?;
            let life = scene.kill_after(line, moments.draw()).await?;
            scene.reconcile().await?;
            // In the foreground the pods go first, and whoever reconciles does not wait for them.
            real::until("pods to end", SOON, || async {
                let records = scene.records().await.map_err(|error| format!("{error:?}"))?;
                if !records.iter().any(Recorded::deleting) {
                    return Ok(());
                }
                scene.reconcile().await.map_err(|error| format!("{error:?}"))?;
                Err(format!("{records:?}"))
            })
            .await;
            if scene.records().await?.is_empty() {
                moments.learn(life, "all is gone");
                scene.nothing_left().await?;
            } else {
                moments.learn(life, "the delete has not begun");
                scene.all_runs().await?;
                assert_eq!(uids().await?, before);
            }
            scene.quiet().await?;
            scene.gone().await?;
            Ok(life)
        })
        .await?;
    }
    scene.bystanders_untouched().await
}
