//! A member refuses a write of a Job that others accept.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
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

/// A member says in all words about its Jobs which token came with a request.
#[tokio::test(start_paused = true)]
async fn no_token_that_a_member_quotes_becomes_part_of_the_state() {
    let stage = Stage::running().await;
    stage.net.watch(|sent, _| {
        if sent.cluster != "west" || !sent.of_jobs() {
            return Fate::Pass;
        }
        let told = format!("it is not enough to say sesame-west-{}", sent.user);
        Fate::Twisted(Arc::new(move |answer: &mut Value| {
            let condition = json!({"type": "Failed", "status": "True", "reason": told,
                "message": told, "lastTransitionTime": "2026-01-01T00:00:00Z"});
            let jobs = match answer["items"].as_array_mut() {
                Some(items) => items.iter_mut().collect(),
                None => vec![answer],
            };
            for job in jobs.into_iter().filter(|job| job["metadata"]["name"] == "pi") {
                job["status"]["conditions"] = json!([condition]);
            }
        }))
    });
    let ran = stage.run("reconcile").await;
    let failed = stage.must("job get pi -o yaml").await;
    assert!(failed.stdout.contains("it is not enough to say <masked>"), "{ran:?} {failed:?}");
    let record = stage.clusters[0].get(&sim::CONFIG_MAPS, "default", "pi.federated-job");
    let record = record.expect("a record").to_string();
    assert!(record.contains("it is not enough to say") && !record.contains("sesame"), "{record}");
}
