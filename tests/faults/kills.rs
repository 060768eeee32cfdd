//! Killed at every single request, before and after it took effect.

use std::{sync::Arc, time::Duration};

use http::Method;
use serde_json::json;
use sim::When;
use tokio::sync::Notify;

use super::evidence::{COMPLETIONS, PARALLELISM, Recorded, manifest};
use super::net::Sent;
use super::stage::{CLUSTERS, CREATE, Stage};
use super::witness::Witness;

/// Kills a command at each of its requests, before and, where it has an effect, after that, on a
/// stage of its own each time, and looks at what is left.
pub async fn everywhere(
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
        let sent = stage.must_kill(command, at, When::After).await;
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

/// An Indexed Job whose shards are gangs: each is told which indexes belong to others.
async fn with_gangs() -> Stage {
    let stage = Stage::federated().await;
    stage.clusters.iter().for_each(sim::Cluster::open_gang_gates);
    let mut job = manifest("pi", PARALLELISM, COMPLETIONS);
    job["spec"]["completionMode"] = "Indexed".into();
    job["spec"]["scheduling"] = json!({"schedulingPolicy": {"gang": {"minCount": 2}}});
    stage.manifest(&job);
    stage
}

#[tokio::test(start_paused = true)]
async fn each_gang_of_a_create_has_a_group_after_reconcile() {
    everywhere(CREATE, with_gangs, async |stage| {
        stage.settle().await;
        if stage.records().is_empty() {
            stage.nothing_left();
            stage.must(CREATE).await;
        }
        let mut pods = 0;
        for cluster in &stage.clusters {
            cluster.settle();
            for pod in cluster.stored(&sim::PODS, "default") {
                let group = &pod["spec"]["schedulingGroup"]["podGroupName"];
                assert!(group.is_string(), "{pod:#}");
                pods += 1;
            }
        }
        assert_eq!(pods, PARALLELISM);
        stage.must("job delete pi --cascade=background").await;
        stage.settle().await;
        stage.nothing_left();
    })
    .await;
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

#[tokio::test(start_paused = true)]
async fn orphans_clean_has_deleted_or_not_and_can_be_run_again() {
    let prepare = async || {
        let stage = Stage::running().await;
        stage.must("job delete pi").await;
        // Nobody can rebuild its record.
        let none = json!({"metadata": {"annotations": {"kubectl-federate.dev/recovery": null}}});
        for cluster in &stage.clusters {
            cluster.patch(&sim::JOBS, "default", "pi", none.clone()).expect("a Job");
        }
        stage.must("job create -f pi.yaml -n kube-system").await;
        stage.net.witness(Witness::allow_cleaning);
        stage
    };
    everywhere("orphans clean --yes --running", prepare, async |stage| {
        stage.must("orphans clean --yes --running").await;
        assert!(stage.must("orphans list -A -o name").await.stdout.is_empty());
        for cluster in &stage.clusters {
            cluster.settle();
            assert_eq!(cluster.pods_of("default", "pi").len(), 0);
            assert!(!cluster.pods_of("kube-system", "pi").is_empty(), "what is known stays");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn retry_is_finished_by_reconcile_or_has_not_begun() {
    let prepare = async || {
        let stage = Stage::running().await;
        while stage.must("job get pi --no-headers").await.stdout.contains("Running") {
            for cluster in &stage.clusters {
                cluster.advance(Duration::from_mins(11));
                cluster.fail_pods("default", "pi", 1);
                cluster.settle();
            }
            stage.must("reconcile pi").await;
        }
        stage.settle().await;
        stage
    };
    everywhere("job retry pi", prepare, async |stage| {
        let names = stage.must("job get -o name").await.stdout;
        if !names.contains("job.batch/pi-retry\n") {
            stage.must("job retry pi").await;
        }
        for _ in 0..2 {
            stage.must("reconcile").await;
        }
        let list = stage.must("job get --no-headers").await.stdout;
        assert_eq!(list.lines().count(), 2, "{list}");
        for cluster in &stage.clusters {
            cluster.run_to_end("default", "pi-retry");
        }
        stage.must("reconcile").await;
        let row = stage.must("job get pi-retry --no-headers").await.stdout;
        assert!(row.contains("Complete"), "{row}");
        assert!(stage.must("job get pi --no-headers").await.stdout.contains("Failed"));
    })
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

/// A new template is recorded or not; where it is, the next reconcile brings it to all shards, and
/// none runs with the old one.
#[tokio::test(start_paused = true)]
async fn an_edit_of_the_template_is_finished_by_reconcile_or_has_not_begun() {
    let template = r#"{"spec":{"nodeSelector":{"disk":"ssd"}}}"#;
    let edit = format!(r#"job patch pi -p {{"spec":{{"suspend":false,"template":{template}}}}}"#);
    let prepare = async || {
        let stage = Stage::federated().await;
        stage.must(CREATE).await;
        stage.must("job suspend pi").await;
        stage
    };
    everywhere(&edit, prepare, async |stage| {
        stage.settle().await;
        let templates =
            stage.clusters.iter().flat_map(|cluster| cluster.list(&sim::JOBS, "default"));
        let disks: Vec<_> = templates
            .map(|job| job["spec"]["template"]["spec"]["nodeSelector"]["disk"].clone())
            .collect();
        assert!(disks.windows(2).all(|pair| pair[0] == pair[1]), "{disks:?}");
        if disks[0].is_null() {
            stage.must(&edit).await;
        }
        stage.all_runs();
        stage.completes().await;
    })
    .await;
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

/// The preflight asks each member about the Job, and the creation does not ask again.
#[tokio::test(start_paused = true)]
async fn a_create_asks_each_member_about_its_job_once() {
    let stage = Stage::federated().await;
    stage.net.heal();
    stage.must(CREATE).await;
    let sent = stage.net.sent();
    for cluster in CLUSTERS {
        let posts = sent.iter().filter(|sent| sent.cluster == cluster && sent.of_jobs());
        let posts: Vec<_> = posts.filter(|sent| sent.method == Method::POST).collect();
        let real = posts.iter().filter(|sent| sent.mutating).count();
        // Who decides when it runs, and whether the server takes it as it is sent then.
        assert_eq!((posts.len() - real, real), (2, 1), "{cluster}: {posts:#?}");
    }
    stage.net.heal();
    stage.clusters[1].delete(&sim::JOBS, "default", "pi").expect("it is there");
    stage.must("reconcile --reopen --yes").await;
    let sent = stage.net.sent();
    let asks =
        sent.iter().filter(|sent| sent.of_jobs() && sent.method == Method::POST && !sent.mutating);
    assert_eq!(asks.count(), 1, "a reconcile asks about the one that it creates: {sent:#?}");
}

/// The number of the first request of a create that makes a Job.
async fn first_job() -> usize {
    let stage = Stage::federated().await;
    stage.net.heal();
    stage.must(CREATE).await;
    let sent = stage.net.sent();
    sent.iter().position(Sent::makes_job).expect("it makes Jobs")
}

/// The process dies, and its last request arrives only when somebody else has finished the work.
#[tokio::test(start_paused = true)]
async fn a_request_may_arrive_after_its_process_has_died() {
    let deletes =
        ["background", "foreground", "orphan"].map(|how| format!("job delete pi --cascade={how}"));
    let first_job = first_job().await;
    for command in [CREATE, "reconcile"].into_iter().chain(deletes.iter().map(String::as_str)) {
        let mut late = 0;
        for at in 0.. {
            let stage = match command {
                CREATE => Stage::federated().await,
                "reconcile" => {
                    let stage = Stage::federated().await;
                    stage.must_kill(CREATE, first_job, When::Before).await;
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
            tokio::time::sleep(Duration::from_secs(1)).await;
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
