//! What happens between the steps of lives that have something besides: clusters are cut off for
//! long, Jobs are deleted before anybody saw their end, and users make them anew.

use std::time::Duration;

use serde_json::{Value, json};
use sim::Cluster;

use super::knowledge::Knowledge;
use super::random::Random;
use super::site::Site;

const NAMESPACE: &str = "default";

/// More pods than any Job here makes one after the other without failures.
const MOST_PODS: usize = 14;

/// The grace period of pods, and the margin for clocks, in seconds.
const BEYOND: u64 = 90;

/// A cluster other than the host is cut off, often for longer than its lease, while its pods get on.
pub async fn cut_off(site: &Site, random: &mut Random) -> Option<usize> {
    let others = site.clusters.len() as u64 - 1;
    if others == 0 {
        return None;
    }
    let place = 1 + random.below(others) as usize;
    let cluster = &site.clusters[place];
    cluster.go_away();
    site.events().note(|| format!("    {}: is cut off", cluster.name()));
    let lease = site.lease(cluster.name()).map_or(120, i64::unsigned_abs);
    let over = 2 * lease + BEYOND;
    let pauses = 1 + random.below(6);
    let time = Duration::from_secs(over / 2 + random.below(over)) / pauses as u32;
    for _ in 0..pauses {
        tokio::time::sleep(time).await;
        site.pass_everywhere();
        for _ in 0..random.below(6) {
            site.events().act(place, cluster);
        }
    }
    Some(place)
}

/// All pods of a cluster succeed, and those that are made in their place, until its Jobs have ended.
/// These are gone by the time that anybody looks.
pub async fn expire(site: &Site, random: &mut Random, ttl: u64) {
    let runs = |place: &usize| !site.clusters[*place].stored(&sim::PODS, NAMESPACE).is_empty();
    let places: Vec<usize> = (0..site.clusters.len()).filter(runs).collect();
    if places.is_empty() {
        return;
    }
    let place = *random.pick(&places);
    site.events().note(|| format!("    {}: all pods succeed", site.clusters[place].name()));
    for _ in 0..MOST_PODS {
        site.events().finish_pods(place, &site.clusters[place]);
    }
    tokio::time::sleep(Duration::from_secs(ttl + 1)).await;
    site.pass_everywhere();
}

/// Somebody deletes the Job of a shard, and makes it anew by its manifest, labels and all.
pub fn remake(cluster: &Cluster, random: &mut Random, knowledge: &mut Knowledge) -> Option<String> {
    let jobs = cluster.stored(&sim::JOBS, NAMESPACE);
    let jobs: Vec<_> = jobs.into_iter().filter(|job| knowledge.has_run(job)).collect();
    if jobs.is_empty() {
        return None;
    }
    let job = random.pick(&jobs).clone();
    let name = job["metadata"]["name"].as_str().unwrap_or_default();
    cluster.delete(&sim::JOBS, NAMESPACE, name).ok()?;
    let job = cluster.create(&sim::JOBS, NAMESPACE, anew(&job)).ok()?;
    knowledge.of_nobody(&job);
    Some(format!("job {name} is made anew by a user"))
}

/// A Job as a user sends it again.
fn anew(job: &Value) -> Value {
    let of_server = |key: &String| {
        key.starts_with("batch.kubernetes.io/") || key == "controller-uid" || key == "job-name"
    };
    let mut spec = job["spec"].clone();
    let mut labels = job["metadata"]["labels"].clone();
    for labels in [&mut labels, &mut spec["template"]["metadata"]["labels"]] {
        if let Some(labels) = labels.as_object_mut() {
            labels.retain(|key, _| !of_server(key));
        }
    }
    if let Some(spec) = spec.as_object_mut() {
        spec.remove("selector");
    }
    let metadata = json!({"name": job["metadata"]["name"], "labels": labels,
        "annotations": job["metadata"]["annotations"]});
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec})
}
