//! A process that stands still before one of its requests, while others go on; then it wakes.

use std::cell::Cell;
use std::sync::Arc;

use sim::When;
use tokio::sync::Notify;

use super::net::{Fate, Sent};
use super::stage::{CLUSTERS, CREATE, Stage};

/// What others do while it sleeps, each after the one before.
const MEANWHILE: [&str; 6] = [
    "reconcile",
    "complete",
    "reconcile",
    "job delete pi --cascade=background",
    CREATE,
    "complete",
];

async fn meanwhile(stage: &Stage, steps: usize) {
    for step in &MEANWHILE[..steps] {
        if *step == "complete" {
            while stage.net.witness(|witness| witness.succeed(usize::MAX)) > 0 {}
        } else {
            // What it says depends on how far the sleeping one had come.
            stage.run_as("bob", step).await.expect("it ends");
        }
    }
}

/// Runs a command that stands still before its request of this number, if that is a write, until
/// the others are done; says whether it was one.
async fn asleep_at(
    stage: &Stage,
    command: &str,
    at: usize,
    others: impl Future<Output = ()>,
) -> bool {
    asleep_while(stage, command, at, |_| Fate::Pass, others).await
}

/// The same, where this becomes of the requests of others.
async fn asleep_while(
    stage: &Stage,
    command: &str,
    at: usize,
    judge: impl Fn(&Sent) -> Fate + Send + 'static,
    others: impl Future<Output = ()>,
) -> bool {
    std::fs::copy(stage.remembered("alice"), stage.remembered("bob"))
        .expect("bob knows the host too");
    let signal = Arc::new(Notify::new());
    let (held, asleep) = (signal.clone(), Arc::new(Notify::new()));
    let tell = asleep.clone();
    stage.net.watch(move |sent, _| {
        if sent.user == "alice" && sent.number == at && sent.mutating {
            tell.notify_one();
            return Fate::Hold(held.clone());
        }
        if sent.user == "alice" { Fate::Pass } else { judge(sent) }
    });
    let others = async {
        asleep.notified().await;
        others.await;
        signal.notify_one();
    };
    let slow = stage.run_as("alice", command);
    tokio::pin!(slow);
    let (ran, slept) = tokio::select! {
        ran = &mut slow => (ran, false),
        () = others => (slow.await, true),
    };
    let ran = ran.expect("it ends");
    if slept {
        println!("{command} frozen at {at}: {ran:?}");
    }
    slept
}

/// Freezes a command at each of its writes, and wakes it after each of the steps.
async fn frozen(command: &str, prepare: impl AsyncFn() -> Stage) {
    let mut cases = 0;
    for at in 0..60 {
        for steps in 1..=MEANWHILE.len() {
            let stage = prepare().await;
            if !asleep_at(&stage, command, at, meanwhile(&stage, steps)).await {
                break;
            }
            println!("woken after {steps} steps");
            cases += 1;
            stage.unbroken();
            stage.settle().await;
            if stage.records().is_empty() {
                stage.nothing_left();
            } else {
                stage.completes().await;
            }
        }
    }
    println!("{command}: {cases} freezes");
    assert!(cases > 10, "{cases}");
}

#[tokio::test(start_paused = true)]
async fn a_frozen_create_runs_nothing_twice() {
    frozen(CREATE, async || Stage::federated().await).await;
}

#[tokio::test(start_paused = true)]
async fn a_frozen_reconcile_runs_nothing_twice() {
    let begun = async || {
        let stage = Stage::federated().await;
        stage.half_create(18).await;
        stage
    };
    frozen("reconcile", begun).await;
}

/// The Jobs in the clusters that have an annotation in their pods' template.
fn annotated(stage: &Stage) -> usize {
    let jobs = stage.clusters.iter().flat_map(|cluster| cluster.list(&sim::JOBS, "default"));
    let annotations = jobs.map(|job| job["spec"]["template"]["metadata"]["annotations"].clone());
    annotations.filter(|annotations| annotations["stage"] == "one").count()
}

/// An edit of the template changes nothing that a start compares before its Job has it. Whoever
/// made it may not have got so far.
#[tokio::test(start_paused = true)]
async fn a_frozen_create_loses_no_edit_of_the_template() {
    let edit =
        r#"job patch pi -p {"spec":{"template":{"metadata":{"annotations":{"stage":null}}}}}"#;
    let cases = [
        (&[edit][..], false),
        (&[edit], true),
        (&[edit, "job resume pi"], false),
        (&[edit, "job resume pi"], true),
    ];
    let begin = async || {
        let stage = Stage::federated().await;
        let mut manifest = super::evidence::manifest("pi", 6, 12);
        manifest["spec"]["suspend"] = true.into();
        manifest["spec"]["template"]["metadata"]["annotations"]["stage"] = "one".into();
        stage.manifest(&manifest);
        stage.net.heal();
        stage
    };
    let stage = begin().await;
    stage.must(CREATE).await;
    let writes: Vec<_> = stage.net.sent().into_iter().filter(|sent| sent.mutating).collect();
    for (others, reaches_members) in cases {
        let mut cases = 0;
        for at in writes.iter().map(|sent| sent.number) {
            let stage = begin().await;
            let meanwhile = async {
                for command in others {
                    stage.run_as("bob", command).await.expect("it ends");
                }
            };
            let judge = move |sent: &Sent| {
                let is_refused = sent.mutating && sent.of_jobs() && !reaches_members;
                if is_refused { Fate::Refused } else { Fate::Pass }
            };
            if !asleep_while(&stage, CREATE, at, judge, meanwhile).await {
                continue;
            }
            stage.net.heal();
            cases += 1;
            // Before its record is there nothing can be edited.
            let is_unedited = stage.must("job get pi -o yaml").await.stdout.contains("stage: one");
            stage.settle().await;
            stage.must("job resume pi").await;
            stage.settle().await;
            let left = if is_unedited { CLUSTERS.len() } else { 0 };
            assert_eq!(annotated(&stage), left, "frozen at {at}, then {others:?}");
        }
        assert!(cases >= 5, "{cases}");
    }
}

/// What was suspended or scaled down meanwhile stays so. Pods that run when a Job is scaled down may
/// end.
#[tokio::test(start_paused = true)]
async fn a_frozen_create_undoes_no_suspension_and_no_other_parallelism() {
    let scaled = ("job scale pi --parallelism=2", None, "job scale pi --parallelism=4");
    for (change, runs, undo) in [("job suspend pi", Some(0), "job resume pi"), scaled] {
        let mut cases = 0;
        for at in 0..40 {
            let stage = Stage::federated().await;
            let is_accepted = Cell::new(false);
            let others = async {
                is_accepted.set(stage.run_as("bob", change).await.expect("it ends").code == 0);
            };
            let slept = asleep_at(&stage, CREATE, at, others).await;
            if !slept || !is_accepted.get() {
                continue;
            }
            cases += 1;
            let case = format!("frozen at {at}, then {change}");
            let running = pods(&stage).1;
            assert_eq!(running, runs.unwrap_or(running), "{case}");
            stage.settle().await;
            stage.must(undo).await;
            ends(&stage, &case).await;
        }
        assert!(cases >= 3, "{change}: {cases}");
    }
}

/// The Job that was to be deleted is; the one of the same name that was made meanwhile is not.
#[tokio::test(start_paused = true)]
async fn a_frozen_delete_deletes_what_it_was_to() {
    for cascade in ["background", "foreground"] {
        let command = format!("job delete pi --cascade={cascade}");
        frozen(&command, async || Stage::running().await).await;
        let mut cases = 0;
        for at in 0..20 {
            let stage = Stage::running().await;
            let old = stage.all_runs().uid;
            let others = async {
                assert_eq!(stage.run_as("bob", &command).await.expect("it ends").code, 0);
                assert_eq!(stage.run_as("bob", CREATE).await.expect("it ends").code, 0);
            };
            if !asleep_at(&stage, &command, at, others).await {
                continue;
            }
            cases += 1;
            stage.settle().await;
            let new = stage.all_runs().uid;
            assert_ne!(old, new);
            stage.completes().await;
        }
        assert!(cases > 0);
    }
}

/// Moves the federation from its second host back to the first.
const BACK: &str = "init --from=west --context=east";

/// What the members' Jobs have done and do, whatever records say: pods that have succeeded, and
/// those that run.
fn pods(stage: &Stage) -> (usize, usize) {
    let pods = stage.clusters.iter().flat_map(|cluster| cluster.list(&sim::PODS, "default"));
    let phases: Vec<_> = pods.map(|pod| pod["status"]["phase"].clone()).collect();
    let count = |wanted: &[&str]| {
        phases.iter().filter(|phase| wanted.iter().any(|name| **phase == *name)).count()
    };
    (count(&["Succeeded"]), count(&["Pending", "Running"]))
}

/// Plays the nodes until each completion was made, and none twice.
async fn ends(stage: &Stage, case: &str) {
    for _ in 0..20 {
        while stage.net.witness(|witness| witness.succeed(usize::MAX)) > 0 {}
        stage.must("reconcile").await;
    }
    let completions = usize::try_from(super::evidence::COMPLETIONS).expect("a few");
    assert_eq!(pods(stage), (completions, 0), "{case}: {:#?}", stage.records());
}

/// Freezes a command at each of its writes, while somebody moves the federation to another host,
/// which goes on with the Job. What was asleep then starts nothing by what it read before.
async fn frozen_at_a_move(command: &str, prepare: impl AsyncFn() -> Stage) {
    let mut cases = 0;
    for at in 0..60 {
        let stage = prepare().await;
        let others = async {
            assert_eq!(stage.run_as("bob", BACK).await.expect("it ends").code, 0);
            stage.run_as("bob", "reconcile").await.expect("it ends");
        };
        if !asleep_at(&stage, command, at, others).await {
            continue;
        }
        cases += 1;
        stage.unbroken();
        // A record that was made on the old host meanwhile is carried over.
        stage.run_as("bob", BACK).await.expect("it ends");
        std::fs::copy(stage.remembered("bob"), stage.remembered("alice")).expect("a file");
        stage.must("reconcile").await;
        if stage.records().is_empty() {
            assert_eq!(pods(&stage), (0, 0), "{command} at {at}");
            continue;
        }
        ends(&stage, &format!("{command} at {at}")).await;
    }
    println!("{command}: {cases} freezes");
    assert!(cases > 3, "{cases}");
}

/// A federation that has moved to its second host.
async fn moved() -> Stage {
    let stage = Stage::federated().await;
    stage.must("init --from=east --context=west").await;
    stage
}

#[tokio::test(start_paused = true)]
async fn what_sleeps_while_the_federation_moves_runs_nothing_twice() {
    frozen_at_a_move(CREATE, moved).await;
    let begun = async || {
        let stage = moved().await;
        // The record is there, and not all Jobs are.
        stage.must_kill(CREATE, 18, When::Before).await;
        stage
    };
    frozen_at_a_move("reconcile", begun).await;
}
