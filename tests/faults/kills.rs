//! Killed at every single request, before and after it took effect.

use std::sync::Arc;

use sim::When;
use tokio::sync::Notify;

use super::evidence::Recorded;
use super::stage::{CLUSTERS, CREATE, Stage};

/// Kills a command at each of its requests, before and, where it has an effect, after that, on a
/// stage of its own each time, and looks at what is left.
async fn everywhere(
    command: &str,
    prepare: impl AsyncFn() -> Stage,
    check: impl AsyncFn(&Stage),
) -> usize {
    let mut cases = 0;
    let mut writes = Vec::new();
    for at in 0.. {
        let stage = prepare().await;
        let Some(sent) = stage.kill(command, at, When::Before).await else { break };
        println!("{command} killed before {sent}");
        check(&stage).await;
        stage.unbroken();
        cases += 1;
        writes.extend(sent.mutating.then_some(at));
    }
    for at in writes {
        let stage = prepare().await;
        let sent = stage.kill(command, at, When::After).await.expect("as many requests as before");
        println!("{command} killed after {sent}");
        check(&stage).await;
        stage.unbroken();
        cases += 1;
    }
    println!("{command}: {cases} kills");
    assert!(cases > 0);
    cases
}

#[tokio::test(start_paused = true)]
async fn init_can_be_run_again() {
    let prepare = async || Stage::bare(&CLUSTERS);
    everywhere("init", prepare, async |stage| {
        stage.must("init").await;
        for name in CLUSTERS {
            stage.must(&format!("cluster register {name}")).await;
        }
        assert!(stage.remembered("alice").exists());
        let registries = stage.clusters[0].list(&sim::CONFIG_MAPS, "kubectl-federate");
        assert_eq!(registries.len(), 1);
        stage.must(CREATE).await;
        stage.completes().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn register_has_registered_or_not() {
    let prepare = async || {
        let stage = Stage::bare(&CLUSTERS);
        stage.must("init").await;
        stage.must("cluster register east").await;
        stage.must("cluster register north").await;
        stage
    };
    everywhere("cluster register west", prepare, async |stage| {
        let again = stage.run("cluster register west").await;
        assert_eq!(again.code, 0, "{again:?}");
        assert_eq!(stage.must("cluster list --no-headers").await.stdout.lines().count(), 3);
        stage.must(CREATE).await;
        stage.completes().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn unregister_has_unregistered_or_not() {
    everywhere(
        "cluster unregister west",
        async || Stage::federated().await,
        async |stage| {
            let again = stage.run("cluster unregister west").await;
            assert!(again.code == 0 || again.stderr.contains("is not registered"), "{again:?}");
            assert_eq!(stage.must("cluster list --no-headers").await.stdout.lines().count(), 2);
            stage.must(CREATE).await;
            stage.completes().await;
        },
    )
    .await;
}

/// After a create that was killed: the next reconcile finishes it, or nothing of it is there and it
/// can be repeated.
async fn create_is_finished(stage: &Stage) {
    stage.settle().await;
    if stage.records().is_empty() {
        stage.nothing_left();
        stage.must(CREATE).await;
    } else {
        let again = stage.run(CREATE).await;
        assert!(again.code == 1 && again.stderr.contains("AlreadyExists"), "{again:?}");
    }
    stage.completes().await;
    stage.must("job delete pi --cascade=background").await;
    stage.settle().await;
    stage.nothing_left();
}

#[tokio::test(start_paused = true)]
async fn create_is_finished_by_reconcile() {
    everywhere(CREATE, async || Stage::federated().await, create_is_finished).await;
}

#[tokio::test(start_paused = true)]
async fn create_with_a_namespace_is_finished_by_reconcile() {
    let command = "job create -f pi.yaml --create-namespace -n work";
    everywhere(
        command,
        async || Stage::federated().await,
        async |stage| {
            for _ in 0..2 {
                stage.must("reconcile -n work").await;
            }
            if stage.records().is_empty() {
                stage.nothing_left();
                stage.must(command).await;
            }
            stage.all_runs();
            stage.must("reconcile -A").await;
            stage.net.heal();
            stage.must("reconcile -A").await;
            assert!(stage.net.sent().iter().all(|sent| !sent.mutating));
            for cluster in &stage.clusters {
                cluster.run_to_end("work", "pi");
            }
            stage.must("reconcile -n work").await;
            assert!(stage.must("job get pi -n work").await.stdout.contains("Complete"));
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn delete_is_finished_by_reconcile_or_has_not_begun() {
    for cascade in ["background", "foreground"] {
        let command = format!("job delete pi --cascade={cascade}");
        everywhere(
            &command,
            async || Stage::running().await,
            async |stage| {
                let before: Vec<String> = stage.jobs().into_iter().map(|job| job.uid).collect();
                let began = stage.records().iter().all(Recorded::deleting);
                stage.settle().await;
                if began {
                    stage.nothing_left();
                    return;
                }
                stage.all_runs();
                assert_eq!(stage.jobs().into_iter().map(|job| job.uid).collect::<Vec<_>>(), before);
                stage.must(&command).await;
                stage.settle().await;
                stage.nothing_left();
            },
        )
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_orphaning_delete_leaves_the_jobs_as_they_are() {
    everywhere(
        "job delete pi --cascade=orphan",
        async || Stage::running().await,
        async |stage| {
            let before: Vec<String> = stage.jobs().into_iter().map(|job| job.uid).collect();
            stage.settle().await;
            assert_eq!(stage.jobs().into_iter().map(|job| job.uid).collect::<Vec<_>>(), before);
            assert!(stage.jobs().iter().all(|job| !job.suspended));
            if !stage.records().is_empty() {
                stage.completes().await;
            }
        },
    )
    .await;
}

/// Reconcile is killed at each request of it, after a create that was killed at each of its writes.
#[tokio::test(start_paused = true)]
async fn a_reconcile_of_what_a_killed_create_left_can_be_killed_too() {
    let mut cases = 0;
    for at in 0.. {
        let stage = Stage::federated().await;
        let Some(first) = stage.kill(CREATE, at, When::After).await else { break };
        if !first.mutating || stage.records().is_empty() {
            continue;
        }
        println!("{CREATE} killed after {first}");
        let prepare = async || {
            let stage = Stage::federated().await;
            stage.kill(CREATE, at, When::After).await;
            stage
        };
        cases += everywhere("reconcile", prepare, async |stage| {
            stage.settle().await;
            stage.completes().await;
        })
        .await;
    }
    println!("{cases} kills of reconcile");
    assert!(cases > 100, "{cases}");
}

/// States that a reconcile finds: work in every stage of being done, and what others did to the
/// Jobs.
#[tokio::test(start_paused = true)]
async fn a_reconcile_of_a_running_job_can_be_killed() {
    for successes in [0, 2, 5, usize::MAX] {
        let prepare = async || {
            let stage = Stage::running().await;
            while stage.net.witness(|witness| witness.succeed(successes)) > 0
                && successes == usize::MAX
            {}
            stage
        };
        everywhere("reconcile", prepare, async |stage| {
            stage.settle().await;
            stage.completes().await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reconcile_of_a_deletion_can_be_killed() {
    let mut cases = 0;
    for at in 0.. {
        let prepare = async || {
            let stage = Stage::running().await;
            let killed = stage.kill("job delete pi --cascade=background", at, When::After).await;
            (stage, killed)
        };
        let (stage, killed) = prepare().await;
        let Some(sent) = killed else { break };
        if !sent.mutating || stage.records().is_empty() {
            continue;
        }
        cases += everywhere(
            "reconcile",
            async || prepare().await.0,
            async |stage| {
                stage.settle().await;
                stage.nothing_left();
            },
        )
        .await;
    }
    assert!(cases > 10, "{cases}");
}

/// The process dies, and its last request arrives only when somebody else has finished the work.
#[tokio::test(start_paused = true)]
async fn a_request_may_arrive_after_its_process_has_died() {
    let deletes =
        ["background", "foreground", "orphan"].map(|how| format!("job delete pi --cascade={how}"));
    for command in [CREATE, "reconcile"].into_iter().chain(deletes.iter().map(String::as_str)) {
        let mut late = 0;
        for at in 0.. {
            let stage = match command {
                CREATE => Stage::federated().await,
                "reconcile" => {
                    let stage = Stage::federated().await;
                    stage.kill(CREATE, 14, When::Before).await;
                    stage
                }
                _ => Stage::running().await,
            };
            let signal = Arc::new(Notify::new());
            let Some(sent) = stage.kill_with_request_on_its_way(command, at, &signal).await else {
                break;
            };
            if !sent.mutating {
                continue;
            }
            println!("{command} killed, late: {sent}");
            late += 1;
            stage.settle().await;
            signal.notify_one();
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            stage.settle().await;
            if stage.records().is_empty() {
                let orphaned = command.ends_with("orphan");
                if !orphaned {
                    stage.nothing_left_that_ran();
                }
            } else {
                stage.completes().await;
            }
        }
        assert!(late > 0, "{command}");
    }
}
