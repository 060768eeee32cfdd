//! Two processes side by side, the second of which begins at any moment of the first one's life.

use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use real::Fleet;

use crate::moments::Moments;
use crate::scene::{ALICE, BOB, CREATE, DELETE, MEMBERS, Ran, Scene};

/// How many of each pair.
const PAIRS: usize = 10;

/// How long two go on side by side.
const A_MINUTE: Duration = Duration::from_mins(1);

/// Runs the second a while after the first has begun.
async fn pair(
    scene: &Scene,
    moments: &mut Moments,
    first: &str,
    second: &str,
) -> Result<(Ran, Ran), Failed> {
    let start = Instant::now();
    let first = scene.start(ALICE, first)?;
    tokio::time::sleep(moments.draw()).await;
    let second = scene.start(BOB, second)?;
    let first = async { (scene.end(first).await, start.elapsed()) };
    let ((first, life), second) = tokio::join!(first, scene.end(second));
    let (first, second) = (first?, second?);
    moments.learn(Some(life), &format!("exit codes {:?} and {:?}", first.code, second.code));
    Ok((first, second))
}

/// All runs and was made once, and goes without a trace.
async fn once_and_away(scene: &Scene, since: &[real::Mark]) -> Result<(), Failed> {
    scene.all_runs().await?;
    scene.quiet().await?;
    scene.made_once(since).await?;
    scene.must(DELETE).await?;
    scene.nothing_left().await
}

pub async fn two_creates(fleet: &'static Fleet) -> Result<(), Failed> {
    let scene = Scene::new(fleet).await?;
    let mut moments = Moments::of(7, scene.time(CREATE).await?);
    scene.must(DELETE).await?;
    for _ in 0..PAIRS {
        let since = scene.mark().await?;
        let (alice, bob) = pair(&scene, &mut moments, CREATE, CREATE).await?;
        let (won, lost) = if alice.code == Some(0) { (alice, bob) } else { (bob, alice) };
        assert_eq!((won.code, lost.code), (Some(0), Some(1)), "{won:?} {lost:?}");
        assert!(lost.stderr.contains("(AlreadyExists): "), "{lost:?}");
        once_and_away(&scene, &since).await?;
    }
    scene.bystanders_untouched().await
}

pub async fn two_reconciles(fleet: &'static Fleet) -> Result<(), Failed> {
    let scene = Scene::new(fleet).await?;
    let begin = async || {
        scene.kill_when(CREATE, scene.until_record(|record| record.is_some())).await.map(drop)
    };
    begin().await?;
    let mut moments = Moments::of(8, scene.time("reconcile").await?);
    scene.must(DELETE).await?;
    for _ in 0..PAIRS {
        let since = scene.mark().await?;
        begin().await?;
        let (alice, bob) = pair(&scene, &mut moments, "reconcile", "reconcile").await?;
        assert_eq!((alice.code, bob.code), (Some(0), Some(0)), "{alice:?} {bob:?}");
        once_and_away(&scene, &since).await?;
    }
    scene.bystanders_untouched().await
}

pub async fn create_and_delete(fleet: &'static Fleet) -> Result<(), Failed> {
    let scene = Scene::new(fleet).await?;
    let mut moments = Moments::of(9, scene.time(CREATE).await?);
    scene.must(DELETE).await?;
    for _ in 0..PAIRS {
        let (create, delete) = pair(&scene, &mut moments, CREATE, DELETE).await?;
        scene.reconcile().await?;
        if delete.code == Some(0) {
            scene.nothing_left().await?;
        } else {
            assert!(delete.stderr.contains("NotFound"), "{delete:?}");
            assert_eq!(create.code, Some(0), "{create:?}");
            scene.all_runs().await?;
            scene.must(DELETE).await?;
        }
        scene.quiet().await?;
        scene.nothing_left().await?;
    }
    scene.bystanders_untouched().await
}

/// Two reconcile again and again, while a third one creates Jobs, edits them and deletes them.
pub async fn a_minute(fleet: &'static Fleet) -> Result<(), Failed> {
    let scene = Scene::new(fleet).await?;
    let start = Instant::now();
    let again = async |user: &str| {
        let mut count = 0;
        while start.elapsed() < A_MINUTE {
            let ran = scene.end(scene.start(user, "reconcile")?).await?;
            assert_eq!(ran.code, Some(0), "{user}: {ran:?}");
            count += 1;
        }
        Ok::<_, Failed>(count)
    };
    let lives = async {
        let mut lives = 0;
        while start.elapsed() < A_MINUTE {
            scene.must(CREATE).await?;
            let mut succeeded = scene.succeed_in(&MEMBERS).await?.len();
            scene.must("job scale pi --completions=12").await?;
            succeeded += scene.work(&MEMBERS).await?.len();
            assert_eq!(succeeded, 12, "each completion is made once");
            scene.must(DELETE).await?;
            lives += 1;
        }
        Ok::<_, Failed>(lives)
    };
    let (alice, bob, lives) = tokio::join!(again(ALICE), again(BOB), lives);
    println!("{} and {} reconciles, {} lives", alice?, bob?, lives?);
    scene.reconcile().await?;
    scene.nothing_left().await?;
    scene.bystanders_untouched().await
}
