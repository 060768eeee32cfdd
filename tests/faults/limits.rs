//! A thousand members.

use std::time::Instant;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Map, Value, json};
use sim::Cluster;
use tower::ServiceExt as _;

use super::stage::{Ran, Stage};

const MEMBERS: usize = 1000;
const KEY: &str = "member.kubectl-federate.dev/";

async fn timed(stage: &Stage, command: &str) -> Ran {
    let start = Instant::now();
    let ran = stage.must(command).await;
    println!("{command}: {:?}, {} requests", start.elapsed(), stage.net.sent().len());
    stage.net.heal();
    ran
}

/// Enters all clusters into the registry as `register` has entered the first, in one write.
async fn register_all(stage: &Stage) {
    let host = &stage.clusters[0];
    let registry =
        host.get(&sim::CONFIG_MAPS, "kubectl-federate", "federation").expect("there is a registry");
    let first =
        registry["metadata"]["annotations"][format!("{KEY}{}", host.name())].as_str().expect("a member");
    let entry = |cluster: &Cluster| {
        let mut member: Value = serde_json::from_str(first).expect("a member is JSON");
        member["context"] = cluster.name().into();
        member["uid"] = cluster.kube_system_uid().into();
        (format!("{KEY}{}", cluster.name()), Value::from(member.to_string()))
    };
    let members: Map<String, Value> = stage.clusters.iter().map(entry).collect();
    let patch = json!({"metadata": {"annotations": members}}).to_string();
    let request = Request::patch("/api/v1/namespaces/kubectl-federate/configmaps/federation")
        .header("authorization", format!("Bearer {}", host.users()[0].token()))
        .header("content-type", "application/merge-patch+json")
        .body(Full::new(Bytes::from(patch)))
        .expect("a request");
    let answer = host.service().oneshot(request).await.unwrap_or_else(|never| match never {});
    assert_eq!(answer.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_members_are_created_seen_and_deleted() {
    let names: Vec<String> = (0..MEMBERS).map(|n| format!("cluster-{n}")).collect();
    let stage = Stage::bare(&names.iter().map(String::as_str).collect::<Vec<_>>());
    stage.must("init").await;
    stage.must("cluster register cluster-0").await;
    register_all(&stage).await;
    stage.size(MEMBERS as i64, 3 * MEMBERS as i64);
    stage.net.heal();
    timed(&stage, super::stage::CREATE).await;
    let record = stage.clusters[0].get(&sim::CONFIG_MAPS, "default", "pi.federated-job").expect("a record");
    println!("the record: {} bytes", record.to_string().len());
    let jobs = stage.jobs();
    assert_eq!(jobs.len(), MEMBERS);
    assert!(jobs.iter().all(|job| !job.suspended && (job.parallelism, job.completions) == (1, 3)));
    assert!(timed(&stage, "job get").await.stdout.contains("1000/1000"));
    for cluster in &stage.clusters {
        cluster.run_to_end("default", "pi");
    }
    timed(&stage, "reconcile").await;
    assert!(timed(&stage, "job get").await.stdout.contains("3000/3000"));
    timed(&stage, "job delete pi --cascade=background").await;
    assert!(stage.jobs().is_empty());
}
