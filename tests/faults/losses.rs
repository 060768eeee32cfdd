//! A cluster is drained, declared lost or unregistered with its work, and the process is killed at
//! every request of that; the same at its return.

use serde_json::Value;
use sim::When;

use super::evidence::COMPLETIONS;
use super::kills::everywhere;
use super::net::Fate;
use super::stage::{CLUSTERS, CREATE, Stage};

const LOST: &str = "cluster lost west --yes";
const FORCED: &str = "cluster unregister west --force --yes";

/// A drain that stops pods, and one that waits for them in vain.
const DRAINS: [&str; 2] =
    ["cluster drain west --now --timeout=1m", "cluster drain west --timeout=3s"];

/// Nothing reaches this cluster, and the process is killed at this request, if that is given.
fn without(stage: &Stage, silent: &'static str, kill: Option<(usize, When)>) {
    stage.net.watch(move |sent, _| match kill {
        Some((at, when)) if sent.number == at => Fate::Kill(when),
        _ if sent.cluster == silent => Fate::Refused,
        _ => Fate::Pass,
    });
}

/// Runs a command and kills it at a request, if it sends so many; says whether it was killed.
async fn killed(stage: &Stage, silent: &'static str, command: &str, at: usize, when: When) -> bool {
    without(stage, silent, Some((at, when)));
    let ran = stage.run_as("alice", command).await;
    without(stage, silent, None);
    ran.is_none()
}

/// Lets pods of all Jobs in these clusters succeed until there are none.
async fn work(stage: &Stage, clusters: &[&str]) {
    for _ in 0..20 {
        for cluster in stage.clusters.iter().filter(|one| clusters.contains(&one.name())) {
            for job in cluster.list(&sim::JOBS, "default") {
                let name = job["metadata"]["name"].as_str().unwrap_or_default();
                cluster.succeed_pods("default", name, 9);
                cluster.settle();
            }
        }
        stage.run("reconcile").await;
        if stage.records().iter().all(super::evidence::Recorded::complete) {
            return;
        }
    }
    panic!("it does not end: {:#?}", stage.records());
}

/// How many pods have succeeded in all clusters.
fn successes(stage: &Stage) -> usize {
    let pods = stage.clusters.iter().flat_map(|cluster| cluster.list(&sim::PODS, "default"));
    pods.filter(|pod: &Value| pod["status"]["phase"] == "Succeeded").count()
}

/// A Job that runs, of which west was cut off before it did anything.
async fn cut_off() -> Stage {
    let stage = Stage::running().await;
    without(&stage, "west", None);
    stage
}

/// The others do everything, west returns, and every completion was made once.
async fn ends_well(stage: &Stage) {
    work(stage, &["east", "north"]).await;
    let completions = usize::try_from(COMPLETIONS).expect("a few");
    assert_eq!(successes(stage), completions, "{:#?}", stage.records());
    stage.net.heal();
    stage.run("reconcile").await;
    stage.settle().await;
    assert_eq!(successes(stage), completions, "nothing runs again");
    let jobs = stage.clusters[1].list(&sim::JOBS, "default");
    assert!(jobs.iter().all(|job| job["spec"]["suspend"] == true), "{jobs:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_loss_that_was_killed_is_finished_by_itself_or_by_reconcile() {
    for when in [When::Before, When::After] {
        let mut cases = 0;
        for at in 0.. {
            let stage = cut_off().await;
            if !killed(&stage, "west", LOST, at, when).await {
                break;
            }
            cases += 1;
            // What was not begun is asked for again. What was begun, a reconcile finishes.
            let listed = stage.run("cluster list").await;
            if !listed.stdout.contains("Lost") {
                stage.run(LOST).await;
            }
            ends_well(&stage).await;
        }
        assert!(cases > 5, "{cases}");
    }
}

/// What was not begun is begun again, and what was begun, the next command of any kind finishes.
#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_unregistered_by_force_runs_nothing_twice() {
    for when in [When::Before, When::After] {
        let mut cases = 0;
        for at in 0.. {
            let stage = cut_off().await;
            if !killed(&stage, "west", FORCED, at, when).await {
                break;
            }
            cases += 1;
            let again = stage.run(FORCED).await;
            assert!(again.code == 0 || again.stderr.contains("is not registered"), "{again:?}");
            work(&stage, &["east", "north"]).await;
            stage.net.heal();
            stage.must("cluster register west").await;
            ends_well(&stage).await;
        }
        assert!(cases > 5, "{cases}");
    }
}

/// Each completion is made once, and the drain ends.
async fn drains_well(stage: &Stage) {
    work(stage, &CLUSTERS).await;
    let completions = usize::try_from(COMPLETIONS).expect("a few");
    assert_eq!(successes(stage), completions, "{:#?}", stage.records());
    let drained = stage.must(DRAINS[0]).await;
    assert!(drained.stdout.contains("cluster/west drained"), "{drained:?}");
    stage.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_was_killed_goes_on_with_reconcile() {
    for line in DRAINS {
        everywhere(line, Stage::running, drains_well).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_was_killed_can_be_repeated() {
    for line in DRAINS {
        everywhere(line, Stage::running, async |stage| {
            stage.must(DRAINS[0]).await;
            let jobs = stage.clusters[1].list(&sim::JOBS, "default");
            let has_ended = |job: &Value| job["status"]["completionTime"].is_string();
            assert!(jobs.iter().all(has_ended), "{jobs:#?}");
            drains_well(stage).await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reconcile_at_the_return_can_be_killed() {
    for when in [When::Before, When::After] {
        let mut cases = 0;
        for at in 0.. {
            let stage = cut_off().await;
            stage.run(LOST).await;
            if !killed(&stage, "", "reconcile", at, when).await {
                break;
            }
            cases += 1;
            stage.net.heal();
            stage.run("reconcile").await;
            work(&stage, &["east", "north"]).await;
            stage.settle().await;
            assert_eq!(successes(&stage), usize::try_from(COMPLETIONS).expect("a few"));
        }
        assert!(cases > 5, "{cases}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_created_while_a_cluster_is_declared_lost_is_done_by_others() {
    for at in 0.. {
        let stage = Stage::federated().await;
        without(&stage, "west", None);
        let early = stage.kill(CREATE, at, When::After).await;
        without(&stage, "west", None);
        if early.is_none() {
            break;
        }
        stage.run(LOST).await;
        if stage.records().is_empty() {
            continue;
        }
        ends_well(&stage).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_work_of_a_lost_cluster_that_refuses_to_stop_is_done_by_others() {
    let stage = Stage::running().await;
    let refusing = |stage: &Stage| {
        stage.net.watch(|sent, _| {
            let writes = sent.of_jobs() && sent.method != http::Method::GET;
            let body = r#"{"kind":"Status","status":"Failure","reason":"Forbidden","code":403,
                "message":"nobody writes here"}"#;
            if writes && sent.cluster == "west" {
                Fate::Answer(When::Before, 403, Vec::new(), body.into())
            } else {
                Fate::Pass
            }
        });
    };
    refusing(&stage);
    let ran = stage.run(LOST).await;
    assert!(ran.stderr.contains("nobody writes here"), "{ran:#?}");
    let described = stage.run("job describe pi").await;
    assert!(described.stdout.contains("completions of cluster west"), "{described:#?}");
    stage.must("cluster unregister west --force --yes").await;
    stage.net.heal();
    work(&stage, &["east", "north"]).await;
    let completions = usize::try_from(COMPLETIONS).expect("a few");
    assert_eq!(successes(&stage), completions, "{:#?}", stage.records());
}
