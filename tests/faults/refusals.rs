//! A member refuses a write of a Job that others accept.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::json;
use sim::When;

use super::net::{Fate, Sent};
use super::stage::{CREATE, Stage};

/// A change of how many pods a Job runs.
fn changes_pods(sent: &Sent) -> bool {
    let is_change = sent.mutating && sent.of_jobs() && sent.method == Method::PATCH;
    is_change && !sent.body["spec"]["parallelism"].is_null()
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_a_cluster_that_refuses_an_edit_is_renewed() {
    let stage = Stage::federated().await;
    // For the commands here the clock of the clusters is an hour ahead of what they say.
    stage.must("cluster lease west 8h").await;
    stage.must(CREATE).await;
    stage.must("reconcile").await;
    let refused = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403,
        "reason": "Forbidden", "message": "jobs.batch \"pi\" is forbidden: no more pods today"});
    let refused = Bytes::from(refused.to_string());
    stage.net.watch(move |sent, _| match sent.cluster.as_str() {
        "west" if changes_pods(sent) => {
            Fate::Answer(When::Before, 403, Vec::new(), refused.clone())
        }
        _ => Fate::Pass,
    });
    let edited = stage.run("job scale pi --parallelism=9").await;
    assert!(edited.code == 1 && edited.stderr.contains("no more pods today"), "{edited:?}");
    let west = || {
        let job = stage.clusters[1].get(&sim::JOBS, "default", "pi").expect("it is there");
        let number = |field: &str| job["spec"][field].as_i64().unwrap_or_default();
        ["parallelism", "activeDeadlineSeconds"].map(number)
    };
    let [_, before] = west();
    for cluster in &stage.clusters {
        cluster.advance(Duration::from_mins(100));
    }
    let reconciled = stage.run("reconcile").await;
    assert!(reconciled.stderr.contains("no more pods today"), "{reconciled:?}");
    let [parallelism, deadline] = west();
    assert_eq!(parallelism, 1, "the edit is refused");
    assert!(deadline > before + 1000, "it goes on: {deadline}");
    stage.net.heal();
    stage.must("reconcile").await;
    assert_eq!(west()[0], 3, "the edit is made once it is accepted");
}
