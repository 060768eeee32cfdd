//! How many round trips a command takes over a hundred members, those of TCP and TLS included. Time
//! stands still, so that they are exact; no wire is as fast as that, so nothing else counts.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http::{Method, Request};
use http_body_util::Full;
use tokio::time::Instant;
use tower::ServiceExt as _;

use super::limits::with_members;
use super::net::{Fate, Sent};
use super::stage::{CREATE, Stage};

/// How long a round trip takes. What a command pauses for is shorter, and shows as a fraction.
const ROUND_TRIP: Duration = Duration::from_secs(1);

/// Round trips before the first request to a cluster: one of TCP, one of TLS.
const HANDSHAKES: u32 = 2;

/// A command over clusters that are far away, each of which it connects to once: how many round
/// trips are one after another until it ends, and how many requests a member got.
async fn far(stage: &Stage, command: &str) -> (f64, usize) {
    let mut connected: BTreeMap<String, Instant> = BTreeMap::new();
    stage.net.watch(move |sent, _| {
        let now = Instant::now();
        let opened = || now + HANDSHAKES * ROUND_TRIP;
        let connected = *connected.entry(sent.cluster.clone()).or_insert_with(opened);
        Fate::Delay(connected.saturating_duration_since(now) + ROUND_TRIP)
    });
    let begun = Instant::now();
    stage.must(&format!("{command} --request-timeout=60s")).await;
    let round_trips = begun.elapsed().as_secs_f64() / ROUND_TRIP.as_secs_f64();
    let last = stage.clusters.last().expect("there are members").name();
    let requests = stage.net.sent().iter().filter(|sent| sent.cluster == last).count();
    stage.net.heal();
    (round_trips, requests)
}

#[tokio::test(start_paused = true)]
async fn a_command_over_a_hundred_members_takes_few_round_trips() {
    // The host is no member: it is connected to once.
    let stage = with_members(101).await;
    stage.must("cluster unregister cluster-0").await;
    stage.net.witness(super::witness::Witness::leave);
    for (command, round_trips, requests) in [
        (CREATE, 13.0, 6),
        ("job get pi", 6.0, 2),
        ("job get", 7.0, 2),
        ("job describe pi", 8.0, 5),
        ("reconcile pi", 7.0, 2),
        ("reconcile pi", 6.0, 2),
        ("job scale pi --parallelism=200", 11.0, 6),
        ("job suspend pi", 10.0, 4),
        ("job resume pi", 9.0, 4),
        ("job delete pi --cascade=background", 9.0, 3),
    ] {
        let taken = far(&stage, command).await;
        assert_eq!(taken, (round_trips, requests), "{command}");
    }
}

/// What somebody may do to a Job between its creation and its start.
const CHANGES: [(&str, &str); 5] = [
    ("", r#"{"metadata": {"annotations": {"kubectl-federate.dev/stopped": "true"}}}"#),
    ("", r#"{"metadata": {"labels": {"kubectl-federate.dev/job": null}}}"#),
    ("", r#"{"spec": {"parallelism": 0}}"#),
    (
        "/status",
        r#"{"metadata": {"annotations": {"kubectl-federate.dev/credited": "1"}},
            "status": {"succeeded": 1}}"#,
    ),
    (
        "/status",
        r#"{"status": {"startTime": "2026-01-01T00:00:00Z",
            "conditions": [{"type": "FailureTarget", "status": "True"}]}}"#,
    ),
];

/// A Job is started without a look only as it was created. Otherwise it is looked at, and decided
/// on as if it had been looked at first.
#[tokio::test(start_paused = true)]
async fn a_job_that_somebody_has_changed_since_its_creation_is_looked_at() {
    const PATH: &str = "/apis/batch/v1/namespaces/default/jobs/pi";
    for (subresource, change) in CHANGES {
        let stage = Stage::federated().await;
        stage.net.witness(super::witness::Witness::leave);
        let west = stage.clusters[1].clone();
        let starts = |sent: &Sent| {
            sent.cluster == "west" && sent.path == PATH && sent.method == Method::PATCH
        };
        let mut is_changed = false;
        stage.net.watch(move |sent, _| {
            if starts(sent) && !std::mem::replace(&mut is_changed, true) {
                let request = Request::patch(format!("{PATH}{subresource}"))
                    .header("authorization", format!("Bearer {}", west.users()[0].token()))
                    .header("content-type", "application/merge-patch+json")
                    .body(Full::new(Bytes::from(change)))
                    .expect("a request");
                let answer = west.service().oneshot(request).now_or_never().expect("at once");
                assert_eq!(answer.expect("it is there").status(), 200, "{change}");
            }
            Fate::Pass
        });
        stage.run(CREATE).await;
        let sent = stage.net.sent();
        let first = sent.iter().position(starts).expect("it is to start");
        assert!(sent[first].body.is_array(), "{change}: without a look: {}", sent[first]);
        let looks = |sent: &Sent| sent.cluster == "west" && sent.method == Method::GET;
        assert!(sent[first..].iter().any(|sent| looks(sent) && sent.path == PATH), "{change}");
        let job = stage.clusters[1].get(&sim::JOBS, "default", "pi").expect("a Job");
        let is_left_alone = job["metadata"]["labels"].get("kubectl-federate.dev/job").is_none();
        if is_left_alone {
            assert_eq!(job["spec"]["suspend"], true, "{change}");
        }
    }
}
