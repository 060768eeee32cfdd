//! A thousand members; two hundred Jobs.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Map, Value, json};
use sim::Cluster;
use tower::ServiceExt as _;

use super::stage::{CLUSTERS, CREATE, Ran, Stage};

const MEMBERS: usize = 1000;
const JOBS: usize = 200;
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
    let first = registry["metadata"]["annotations"][format!("{KEY}{}", host.name())]
        .as_str()
        .expect("a member");
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
    let answer = host.service().oneshot(request).await.expect("it is there");
    assert_eq!(answer.status(), 200);
}

/// A federation of so many members, `cluster-0` and so on, and a manifest with a pod for each.
pub async fn with_members(count: usize) -> Stage {
    let names: Vec<String> = (0..count).map(|n| format!("cluster-{n}")).collect();
    let stage = Stage::bare(&names.iter().map(String::as_str).collect::<Vec<_>>());
    stage.must("init").await;
    stage.must("cluster register cluster-0").await;
    register_all(&stage).await;
    stage.size(count as i64, 3 * count as i64);
    stage.net.heal();
    stage
}

#[tokio::test(start_paused = true)]
async fn a_thousand_members_are_created_seen_and_deleted() {
    let stage = with_members(MEMBERS).await;
    timed(&stage, CREATE).await;
    let record =
        stage.clusters[0].get(&sim::CONFIG_MAPS, "default", "pi.federated-job").expect("a record");
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

/// What the last command asked of Jobs and ConfigMaps, by cluster and kind.
fn asked(stage: &Stage) -> BTreeMap<(String, String), usize> {
    let mut kinds = BTreeMap::new();
    for sent in stage.net.sent() {
        let parts: Vec<_> = sent.path.split('/').collect();
        let resource = parts.iter().position(|part| ["jobs", "configmaps"].contains(part));
        let Some((resource, one)) = resource.map(|at| (parts[at], parts.len() > at + 1)) else {
            continue;
        };
        let kind = format!("{} {}{resource}", sent.method, if one { "one of " } else { "" });
        *kinds.entry((sent.cluster, kind)).or_default() += 1;
    }
    kinds
}

/// As many lists of Jobs as there are members, what is read of the host, and this beside.
fn lists(more: &[(&str, usize)]) -> BTreeMap<(String, String), usize> {
    let list = |cluster: &&str| (((*cluster).to_owned(), "GET jobs".to_owned()), 1);
    let host = [("GET one of configmaps", 1), ("GET configmaps", 1)];
    let of_host = |(kind, count): (&str, usize)| ((CLUSTERS[0].to_owned(), kind.to_owned()), count);
    CLUSTERS
        .iter()
        .map(list)
        .chain(host.into_iter().chain(more.iter().copied()).map(of_host))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_reconcile_of_200_jobs_lists_each_member_once() {
    let stage = Stage::federated().await;
    stage.net.witness(super::witness::Witness::leave);
    // They look at everything after every write: the test says itself what has succeeded.
    stage.clusters.iter().for_each(Cluster::stop_controllers);
    let names: Vec<_> = (0..JOBS).map(|n| format!("pi{n}")).collect();
    for some in names.chunks(10) {
        stage.several_of(&some.iter().map(String::as_str).collect::<Vec<_>>(), 3, 6);
        stage.net.heal();
        stage.must(CREATE).await;
    }
    reconcile(&stage).await;
    let idle = reconcile(&stage).await;
    assert_eq!(idle.0.stdout.matches(" unchanged: Running 0/6").count(), JOBS);
    assert_eq!(idle.1, lists(&[]), "nothing is to be done");
    for cluster in &stage.clusters {
        for name in &names {
            let status = json!({"status": {"startTime": "2026-01-01T00:00:00Z", "succeeded": 1}});
            cluster.patch_status(&sim::JOBS, "default", name, status).expect("it is there");
        }
    }
    let progressed = reconcile(&stage).await;
    assert_eq!(progressed.0.stdout.matches(" reconciled: Running 3/6").count(), JOBS);
    assert_eq!(progressed.1, lists(&[("PATCH one of configmaps", JOBS)]), "all have got on");
}

/// A reconcile, and what it asked.
async fn reconcile(stage: &Stage) -> (Ran, BTreeMap<(String, String), usize>) {
    stage.net.heal();
    let ran = stage.must("reconcile").await;
    (ran, asked(stage))
}
