//! Killed at every single request, while Jobs are adopted.

use std::cell::Cell;

use serde_json::{Value, json};
use sim::Cluster;

use super::evidence::manifest;
use super::kills::everywhere;
use super::stage::{Ran, Stage};

const ADOPT: &str = "job adopt pi --clusters=east,west --yes";

/// Two Jobs that run and are no shards.
async fn strangers() -> Stage {
    let stage = Stage::federated().await;
    for (cluster, completions) in stage.clusters.iter().zip([4, 3]) {
        cluster.create(&sim::JOBS, "default", manifest("pi", 2, completions)).expect("it is new");
        cluster.settle();
    }
    stage
}

#[tokio::test(start_paused = true)]
async fn an_adoption_is_finished_by_itself() {
    everywhere(ADOPT, strangers, async |stage| {
        stage.must(ADOPT).await;
        stage.completes().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_adoption_is_finished_by_reconcile_once_it_is_recorded() {
    everywhere(ADOPT, strangers, async |stage| {
        if stage.records().is_empty() {
            stage.nothing_left();
            stage.must(ADOPT).await;
        }
        stage.must("reconcile").await;
        stage.completes().await;
        stage.must("job delete pi --cascade=background").await;
        stage.settle().await;
        stage.nothing_left();
    })
    .await;
}

/// The clusters whose Job is recorded as a shard, and has yet to get its labels.
fn not_labelled(stage: &Stage) -> Vec<&Cluster> {
    let recorded = stage.clusters[..2].iter().filter(|_| !stage.records().is_empty());
    let has_label = |cluster: &Cluster| {
        let labels = &stored(cluster)["metadata"]["labels"];
        labels["kubectl-federate.dev/shard"].is_string()
    };
    recorded.filter(|cluster| !has_label(cluster)).collect()
}

/// The Job in a cluster.
fn stored(cluster: &Cluster) -> Value {
    cluster.get(&sim::JOBS, "default", "pi").expect("it is there")
}

/// Kills an adoption at each request, and looks at what is left where this many Jobs are recorded as
/// shards and have yet to get their labels: `check` gets their clusters.
async fn half_done(is_case: impl Fn(usize) -> bool, check: impl AsyncFn(&Stage, &[&Cluster])) {
    let halves = Cell::new(0);
    everywhere(ADOPT, strangers, async |stage| {
        let left = not_labelled(stage);
        if is_case(left.len()) {
            check(stage, &left).await;
            halves.set(halves.get() + 1);
        }
    })
    .await;
    assert!(halves.get() > 0, "no adoption was half done");
}

/// One or more.
fn some(count: usize) -> bool {
    count > 0
}

/// Changes these Jobs, and reconciles: none is written. Gives what the reconcile came to.
async fn left_as_they_are(stage: &Stage, clusters: &[&Cluster], change: &Value) -> Ran {
    for cluster in clusters {
        cluster.patch(&sim::JOBS, "default", "pi", change.clone()).expect("taken");
        cluster.settle();
    }
    let all = || clusters.iter().map(|cluster| stored(cluster)).collect::<Vec<_>>();
    let before = all();
    let ran = stage.run("reconcile").await;
    assert_eq!(before, all());
    ran
}

#[tokio::test(start_paused = true)]
async fn a_job_that_its_owner_changes_before_it_is_labelled_is_not_touched() {
    let queue = json!({"kueue.x-k8s.io/queue-name": "gpus"});
    for (change, said) in [
        (json!({"spec": {"suspend": true}}), "spec.suspend is true, not false"),
        (json!({"metadata": {"labels": queue}}), "a queue decides when it runs"),
    ] {
        half_done(some, async |stage, changed| {
            let ran = left_as_they_are(stage, changed, &change).await;
            assert!(ran.code == 1 && ran.stderr.contains(said), "{ran:?}");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_another_federated_job_labels_first_is_left_to_it() {
    let labels = json!({"kubectl-federate.dev/federation": "other",
        "kubectl-federate.dev/job": "theirs", "kubectl-federate.dev/shard": "1"});
    let change = json!({"metadata": {"labels": labels}});
    half_done(some, async |stage, lost| {
        let ran = left_as_they_are(stage, lost, &change).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        let described = stage.must("job describe pi").await.stdout;
        let owner = "a shard of another federated job by now, theirs of federation other";
        assert!(described.contains(owner), "{described}");
        for cluster in &stage.clusters {
            assert!(cluster.list(&sim::JOBS, "default").len() <= 1, "their work is not run again");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_names_the_jobs_that_were_not_adopted_yet() {
    half_done(some, async |stage, stay| {
        let ran = stage.must("job delete pi --cascade=background").await;
        let named = ran.stderr.matches("its job there was not adopted yet").count();
        assert_eq!(named, stay.len(), "{ran:?}");
        assert!(stay.iter().all(|cluster| stored(cluster)["kind"] == "Job"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_adoption_goes_on_after_the_host_lost_its_records() {
    half_done(
        |count| count == 1,
        async |stage, _| {
            stage.clusters[0]
                .delete(&sim::CONFIG_MAPS, "default", "pi.federated-job")
                .expect("it is there");
            stage.must("job recover pi --yes").await;
            assert_eq!(not_labelled(stage).len(), 0);
            stage.completes().await;
        },
    )
    .await;
}
