//! Two processes side by side, their requests interleaved by a seed.

use std::time::Duration;

use sim::When;

use super::net::Fate;
use super::random::Random;
use super::stage::{CREATE, Ran, Stage};

/// How many interleavings of each pair.
const SEEDS: u64 = 60;

/// Runs a command of alice and one of bob at once. Each request takes its own time, one of the two
/// may be much the slower, and pods succeed meanwhile where `play` says so.
async fn race(stage: &Stage, seed: u64, alice: &str, bob: &str, play: bool) -> (Ran, Ran) {
    let mut random = Random::new(seed);
    let pace = [
        ("alice", 1 + random.below(2) * random.below(30)),
        ("bob", 1 + random.below(2) * random.below(30)),
    ];
    stage.net.watch(move |sent, witness| {
        if play && random.below(4) == 0 {
            witness.succeed(1);
        }
        let pace = pace.iter().find(|(user, _)| *user == sent.user).map_or(1, |(_, pace)| *pace);
        Fate::Delay(Duration::from_millis(pace * random.below(20)))
    });
    let (alice, bob) = tokio::join!(stage.run_as("alice", alice), stage.run_as("bob", bob));
    stage.net.heal();
    stage.unbroken();
    (alice.expect("it ends"), bob.expect("it ends"))
}

/// A create that was killed at one of its requests.
async fn begun(seed: u64) -> Stage {
    let stage = Stage::federated().await;
    let when = if seed.is_multiple_of(2) { When::Before } else { When::After };
    stage.must_kill(CREATE, 10 + seed as usize % 9, when).await;
    stage
}

#[tokio::test(start_paused = true)]
async fn of_two_creates_of_one_name_one_wins() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let stage = Stage::federated().await;
        std::fs::copy(stage.remembered("alice"), stage.remembered("bob"))
            .expect("bob knows the host too");
        let (alice, bob) = race(&stage, seed, CREATE, CREATE, false).await;
        let (won, lost) = if alice.code == 0 { (alice, bob) } else { (bob, alice) };
        assert_eq!((won.code, lost.code), (0, 1), "{won:?} {lost:?}");
        assert!(
            lost.stderr.contains("(AlreadyExists): ") && lost.stderr.contains("jobs.batch \"pi\""),
            "{lost:?}"
        );
        stage.all_runs();
        stage.settle().await;
        stage.completes().await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_reconciles_do_no_harm() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let stage = begun(seed).await;
        if stage.records().is_empty() {
            continue;
        }
        let (alice, bob) = race(&stage, seed, "reconcile", "reconcile", seed % 3 == 0).await;
        assert_eq!((alice.code, bob.code), (0, 0), "{alice:?} {bob:?}");
        stage.settle().await;
        stage.completes().await;
    }
}

/// After a create, or a reconcile, beside a delete: all is there, or nothing is.
async fn all_or_nothing(stage: &Stage, delete: &Ran, orphan: bool) {
    stage.settle().await;
    if delete.code == 1 {
        assert!(delete.stderr.contains("NotFound"), "{delete:?}");
        stage.all_runs();
        stage.completes().await;
        return;
    }
    assert!(stage.records().is_empty(), "{:#?}", stage.records());
    if orphan {
        let suspended: Vec<_> = stage.jobs().into_iter().filter(|job| job.suspended).collect();
        assert!(suspended.is_empty(), "nobody would ever start {suspended:#?}");
    } else {
        stage.nothing_left();
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_and_a_delete() {
    for seed in 0..SEEDS {
        for cascade in ["background", "foreground", "orphan"] {
            println!("seed {seed}, {cascade}");
            let stage = Stage::federated().await;
            std::fs::copy(stage.remembered("alice"), stage.remembered("bob"))
                .expect("bob knows the host too");
            let delete = format!("job delete pi --cascade={cascade}");
            let (_, bob) = race(&stage, seed, CREATE, &delete, false).await;
            all_or_nothing(&stage, &bob, cascade == "orphan").await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reconcile_and_a_delete() {
    for seed in 0..SEEDS {
        for cascade in ["background", "foreground"] {
            println!("seed {seed}, {cascade}");
            let stage = begun(seed).await;
            if stage.records().is_empty() {
                continue;
            }
            let delete = format!("job delete pi --cascade={cascade}");
            let (_, bob) = race(&stage, seed, "reconcile", &delete, seed % 3 == 0).await;
            all_or_nothing(&stage, &bob, false).await;
        }
    }
}
