//! Killed at every single request, while records are rebuilt, restored or moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use sim::When;
use tokio::sync::Notify;

use super::evidence::{COMPLETIONS, PARALLELISM};
use super::kills::everywhere;
use super::net::{Fate, Sent};
use super::stage::{CLUSTERS, CREATE, Stage};

const RECOVER: &str = "job recover --all --federation=lost --yes";

/// A Job that runs, whose record is gone, on a host whose registry was made anew.
async fn lost() -> Stage {
    let stage = Stage::running().await;
    stage.must("job delete pi --cascade=background").await;
    become_federation(&stage, "lost");
    stage.must(CREATE).await;
    stage.must("job delete pi").await;
    become_federation(&stage, "another");
    stage
}

/// Makes the registry that of another federation.
fn become_federation(stage: &Stage, uid: &str) {
    let host = &stage.clusters[0];
    let settings = json!({"version": 3, "uid": uid, "host": host.kube_system_uid()});
    let annotations = json!({"kubectl-federate.dev/settings": settings.to_string()});
    let change = json!({"metadata": {"annotations": annotations}});
    host.patch(&sim::CONFIG_MAPS, "kubectl-federate", "federation", change).expect("it is there");
}

#[tokio::test(start_paused = true)]
async fn recover_is_finished_by_itself() {
    everywhere(RECOVER, lost, async |stage| {
        stage.must(RECOVER).await;
        stage.must("reconcile").await;
        stage.completes().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn recover_is_finished_by_reconcile_once_the_record_is_written() {
    everywhere(RECOVER, lost, async |stage| {
        if stage.records().is_empty() {
            stage.must(RECOVER).await;
        }
        stage.must("reconcile").await;
        stage.completes().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_move_to_another_host_is_finished_by_itself() {
    const BACK: &str = "init --from=west --context=east";
    let prepare = async || {
        let stage = Stage::running().await;
        stage.must("init --from=east --context=west").await;
        stage.must("reconcile").await;
        // The first host has a record of a Job that is gone, under the name of a new one.
        stage.must("job delete pi --cascade=background").await;
        stage.must(CREATE).await;
        stage
    };
    everywhere(BACK, prepare, async |stage| {
        stage.must(BACK).await;
        stage.must("reconcile").await;
        stage.completes().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_restore_is_finished_by_itself() {
    let prepare = async || {
        let stage = Stage::running().await;
        stage.must("backup pi.yaml").await;
        stage.must("job delete pi").await;
        stage
    };
    everywhere("restore pi.yaml --yes", prepare, async |stage| {
        stage.must("restore pi.yaml --yes").await;
        stage.must("reconcile").await;
        stage.completes().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_restore_on_a_host_that_was_left_is_finished_by_itself() {
    const RESTORE: &str = "restore pi.yaml --yes --context=east";
    let prepare = async || {
        let stage = Stage::running().await;
        stage.must("init --from=east --context=west").await;
        stage.must("reconcile").await;
        stage.must("backup pi.yaml").await;
        stage
    };
    everywhere(RESTORE, prepare, async |stage| {
        stage.must(RESTORE).await;
        stage.must("reconcile").await;
        stage.completes().await;
    })
    .await;
}

/// The host before was used again, and has opened a shard that the present one does not know.
#[tokio::test(start_paused = true)]
async fn a_host_that_is_marked_late_loses_no_shard() {
    const MARK: &str = "init --from=west --context=east";
    let prepare = async || {
        let stage = Stage::running().await;
        stage.must("init --from=east --context=west").await;
        stage.must("backup pi.yaml").await;
        stage.net.watch(|sent, _| if sent.cluster == "west" { Fate::Refused } else { Fate::Pass });
        stage.must("restore pi.yaml --yes --context=east").await;
        stage.net.heal();
        stage.must("reconcile").await;
        stage.clusters[2].delete(&sim::JOBS, "default", "pi").expect("it is there");
        stage.must("reconcile --reopen --yes --context=west").await;
        stage
    };
    everywhere(MARK, prepare, async |stage| {
        stage.must(MARK).await;
        stage.must("reconcile").await;
        let orphans = stage.must("orphans list").await;
        assert!(orphans.stderr.contains("No resources found"), "{orphans:?}");
        is_done_once(stage).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_federation_with_shards_in_another_namespace_takes_over_no_other() {
    let stage = lost().await;
    stage.must("job create -f pi.yaml -n other --create-namespace").await;
    stage.must("job delete pi -n other").await;
    let ran = stage.must("job recover --all --yes").await;
    assert!(ran.stderr.contains("No resources found in default namespace"), "{ran:#?}");
    let registry = stage.clusters[0].get(&sim::CONFIG_MAPS, "kubectl-federate", "federation");
    let registry = registry.expect("it is there").to_string();
    assert!(registry.contains("another"), "{registry}");
    let ran = stage.must("job recover --all --yes -n other").await;
    assert!(ran.stdout.contains("job.batch/pi recovered"), "{ran:#?}");
}

/// Has a cluster refuse each write of the record of a Job.
fn refuse_record(stage: &Stage, cluster: &'static str, job: &str) {
    let refused = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403,
        "reason": "Forbidden", "message": "configmaps is forbidden: no more records today"});
    let (refused, path) = (Bytes::from(refused.to_string()), format!("/{job}.federated-job"));
    stage.net.watch(move |sent, _| {
        let name = sent.body["metadata"]["name"].as_str().unwrap_or_default();
        let is_it = sent.path.ends_with(&path) || format!("/{name}") == path;
        if sent.cluster == cluster && sent.method != Method::GET && is_it {
            Fate::Answer(When::Before, 403, Vec::new(), refused.clone())
        } else {
            Fate::Pass
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_restored_keeps_no_host_from_being_used() {
    const RESTORE: &str = "restore pi.yaml --yes --context=east";
    let stage = Stage::federated().await;
    stage.several(&["pi", "tau"]);
    stage.must(CREATE).await;
    stage.must("init --from=east --context=west").await;
    stage.must("reconcile").await;
    stage.must("backup pi.yaml").await;
    refuse_record(&stage, "east", "tau");
    for _ in 0..2 {
        let partly = stage.run(RESTORE).await;
        assert_eq!(partly.code, 1, "{partly:?}");
        assert!(partly.stdout.contains("federation partly restored"), "{partly:?}");
        for said in ["job.batch/tau was not restored: ", "the same command writes it"] {
            assert!(partly.stderr.contains(said), "{partly:?}");
        }
        // What was restored can be used, on the host that is remembered by now.
        stage.must("reconcile pi").await;
        let tau = stage.run("job get tau").await;
        assert!(tau.code == 1 && tau.stderr.contains("was moved to another host"), "{tau:?}");
    }
    stage.net.heal();
    let whole = stage.must(RESTORE).await;
    assert!(whole.stdout.contains("federation restored"), "{whole:?}");
    stage.must("reconcile").await;
    assert_eq!(stage.must("job get --no-headers").await.stdout.matches("Running").count(), 2);
    let again = stage.must(RESTORE).await;
    assert!(again.stdout.contains("federation unchanged"), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_would_refuse_a_record_is_not_moved_to() {
    const MOVE: &str = "init --from=east --context=west";
    let stage = Stage::federated().await;
    stage.several(&["pi", "tau"]);
    stage.must(CREATE).await;
    refuse_record(&stage, "west", "tau");
    let refused = stage.run(MOVE).await;
    assert!(refused.code == 1 && refused.stderr.contains("no more records today"), "{refused:?}");
    stage.must("reconcile --context=east").await;
    stage.net.heal();
    stage.must(MOVE).await;
    stage.must("reconcile").await;
}

/// A first move, while some work has no place because somebody has deleted a shard.
#[tokio::test(start_paused = true)]
async fn a_first_move_with_unplaced_work_is_finished_by_itself() {
    const MOVE: &str = "init --from=west --context=east";
    let prepare = async || {
        let stage = Stage::bare(&CLUSTERS);
        stage.must("init --context=west").await;
        for name in CLUSTERS {
            stage.must(&format!("cluster register {name}")).await;
        }
        stage.must(CREATE).await;
        stage.clusters[2].delete(&sim::JOBS, "default", "pi").expect("it is there");
        stage.must("reconcile").await;
        stage
    };
    everywhere(MOVE, prepare, async |stage| {
        stage.must(MOVE).await;
        stage.must("reconcile").await;
        assert_eq!(stage.jobs().len(), 2, "what was deleted does not run unasked");
        stage.must("reconcile --reopen --yes").await;
        is_done_once(stage).await;
    })
    .await;
}

/// Plays the nodes to the end: each completion was made once, also where shards were opened later.
async fn is_done_once(stage: &Stage) {
    while stage.net.witness(|witness| witness.succeed(usize::MAX)) > 0 {}
    stage.must("reconcile").await;
    stage.settle().await;
    let record = stage.records().remove(0);
    assert!(record.complete() && record.shards.len() == 4, "{record:#?}");
    let successes = stage.net.witness(|witness| witness.successes(&record.uid));
    assert_eq!(successes as i64, COMPLETIONS, "pods that succeeded");
}

/// West is the host before, which acts again, and has one cluster that the present host lacks.
async fn used_again() -> Stage {
    let stage = Stage::bare(&CLUSTERS);
    stage.must("init").await;
    for name in ["east", "west"] {
        stage.must(&format!("cluster register {name}")).await;
    }
    stage.must(CREATE).await;
    stage.must("init --from=east --context=west").await;
    stage.must("backup pi.yaml").await;
    stage.net.watch(|sent, _| if sent.cluster == "west" { Fate::Refused } else { Fate::Pass });
    stage.must("restore pi.yaml --yes --context=east").await;
    stage.net.heal();
    stage.must("reconcile").await;
    stage.must("cluster register north --context=west").await;
    stage
}

const MARK: &str = "init --from=west --context=east";

fn marks_west(sent: &Sent) -> bool {
    sent.cluster == "west"
        && sent.user == "alice"
        && sent.method == Method::PATCH
        && sent.path.ends_with("kubectl-federate/configmaps/federation")
}

/// The mark is refused because of the cluster, and west is not marked.
async fn is_refused(stage: &Stage, ran: &super::stage::Ran) {
    assert!(ran.code == 1 && ran.stderr.contains("lacks clusters in which"), "{ran:?}");
    stage.must("job get --context=west").await;
    stage.must("cluster register north --context=east").await;
    stage.must(MARK).await;
    stage.must("reconcile").await;
    let orphans = stage.must("orphans list").await;
    assert!(orphans.stderr.contains("No resources found"), "{orphans:?}");
}

/// Between the comparison of the hosts and the mark, somebody opens a shard by the old host.
#[tokio::test(start_paused = true)]
async fn what_is_opened_while_a_host_is_marked_late_is_found() {
    let stage = used_again().await;
    let (waits, goes_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, hold, was_held) = (waits.clone(), goes_on.clone(), AtomicBool::new(false));
    stage.net.watch(move |sent, _| {
        if marks_west(sent) && !was_held.swap(true, Ordering::Relaxed) {
            tell.notify_one();
            return Fate::Hold(hold.clone());
        }
        Fate::Pass
    });
    let more = [3 * PARALLELISM, 3 * COMPLETIONS];
    let scale =
        format!("job scale pi --parallelism={} --completions={} --context=west", more[0], more[1]);
    let bob = async {
        waits.notified().await;
        let ran = stage.run_as("bob", &scale).await.expect("it ends");
        goes_on.notify_one();
        ran
    };
    let (alice, bob) = tokio::join!(stage.run_as("alice", MARK), bob);
    assert_eq!(bob.code, 0, "{bob:?}");
    stage.net.heal();
    is_refused(&stage, &alice.expect("it ends")).await;
}

/// The same of a mark that was interrupted before the hosts were compared again.
#[tokio::test(start_paused = true)]
async fn a_mark_that_was_interrupted_early_is_compared_again() {
    let stage = used_again().await;
    let [parallelism, completions] = [3 * PARALLELISM, 3 * COMPLETIONS];
    let scale = format!("job scale pi --parallelism={parallelism} --completions={completions}");
    stage.must(&format!("{scale} --context=west")).await;
    let (west, key) = (&stage.clusters[1], "kubectl-federate.dev/settings");
    let registry = west.get(&sim::CONFIG_MAPS, "kubectl-federate", "federation");
    let registry = registry.expect("it is there");
    let settings = registry["metadata"]["annotations"][key].as_str().unwrap_or_default();
    let mut settings: Value = serde_json::from_str(settings).expect("JSON");
    let east = stage.clusters[0].kube_system_uid();
    settings["moved"] = json!({"uid": east, "context": "east", "number": 2});
    let marked = json!({"metadata": {"annotations": {key: settings.to_string()}}});
    west.patch(&sim::CONFIG_MAPS, "kubectl-federate", "federation", marked).expect("it is there");
    let refused = stage.run(MARK).await;
    is_refused(&stage, &refused).await;
}
