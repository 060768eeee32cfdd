//! Pods that are scheduled together: what a scheduler does with them, and what must hold of the Jobs
//! that have them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use sim::Cluster;

use super::knowledge::Knowledge;
use super::leases::may_start;
use super::work::{CREDITED, indexes};

const NAMESPACE: &str = "default";

/// The group of a pod that is scheduled with others.
fn group(pod: &Value) -> Option<&str> {
    pod["spec"]["schedulingGroup"]["podGroupName"].as_str()
}

/// Whether a pod waits for the others of its gang.
pub fn waits_for_others(pod: &Value) -> bool {
    group(pod).is_some() && pod["spec"]["nodeName"].is_null()
}

/// Puts pods that have not ended on nodes where enough of their gang are there, and has them run: a
/// scheduler places all of them or none. Says whether there were such pods.
pub fn schedule(cluster: &Cluster, pods: &[Arc<Value>], knowledge: &Knowledge) -> bool {
    let mut groups: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()) {
        if let Some(group) = group(pod) {
            groups.entry(group).or_default().push(pod);
        }
    }
    let mut placed = false;
    for members in groups.values() {
        let owner = members[0]["metadata"]["ownerReferences"][0]["name"].as_str();
        let needed = owner.and_then(|owner| cluster.min_count(NAMESPACE, owner)).unwrap_or(1);
        if (members.len() as i64) < needed {
            continue;
        }
        let starts = |pod: &&&Value| {
            waits_for_others(pod) && (!knowledge.has_leases || may_start(cluster, pod))
        };
        for pod in members.iter().filter(starts) {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            cluster.bind_pod(NAMESPACE, name);
            cluster.run_pod(NAMESPACE, name);
            placed = true;
        }
    }
    placed
}

/// How many pods a Job can have at once with what it has left to do. None where that is not said.
fn left(job: &Value) -> Option<i64> {
    let (spec, status) = (&job["spec"], &job["status"]);
    let failed = indexes(status["failedIndexes"].as_str().unwrap_or_default()).len() as i64;
    let done = status["succeeded"].as_i64().unwrap_or(0) + failed;
    Some((spec["completions"].as_i64()? - done).min(spec["parallelism"].as_i64()?))
}

impl Knowledge {
    /// A Job with a gang is credited only when its cluster has made the group of its pods: it never
    /// does so afterwards, and would schedule the pods one by one. A work queue is credited to end
    /// it, and starts no more pods; nor does a Job that is credited with all that it has left.
    pub fn check_group(&mut self, cluster: &Cluster, job: &Value) {
        let gang = &job["spec"]["scheduling"]["schedulingPolicy"]["gang"];
        let credited = &job["metadata"]["annotations"][CREDITED];
        let name = job["metadata"]["name"].as_str().unwrap_or_default();
        let done = job["status"]["succeeded"].as_i64().unwrap_or(0);
        let is_late = gang.is_object()
            && credited.is_string()
            && job["spec"]["completions"].as_i64().is_some_and(|all| all > done)
            && cluster.min_count(NAMESPACE, name).is_none();
        if is_late && !self.is_of_nobody(job) {
            self.accuse(|| format!("gang: {name} is credited {credited} before it has a group"));
        }
    }

    /// No Job that goes on has fewer pods and completions left than its gang needs: its pods would
    /// wait for others that never come (G2). It is asked after a reconcile that met no fault.
    pub fn check_gangs(&mut self, place: usize, cluster: &Cluster) {
        let waiting = cluster.stored(&sim::PODS, NAMESPACE).into_iter().filter(|pod| {
            waits_for_others(pod)
                && pod["metadata"]["deletionTimestamp"].is_null()
                && pod["status"]["phase"] == "Pending"
        });
        let waiting: BTreeSet<String> = waiting.filter_map(|pod| owner(&pod)).collect();
        for job in cluster.stored(&sim::JOBS, NAMESPACE) {
            let uid = job["metadata"]["uid"].as_str().unwrap_or_default();
            let name = job["metadata"]["name"].as_str().unwrap_or_default();
            let Some(ours) = self.jobs.get(uid).filter(|ours| !ours.over && !ours.suspended) else {
                continue;
            };
            let (federated, id) = &ours.shard;
            let goes_on = self.ledgers.get(federated).is_some_and(|ledger| ledger.goes_on(id));
            let needed = cluster.min_count(NAMESPACE, name);
            if let Some((left, needed)) = left(&job).zip(needed)
                && left < needed
                && goes_on
                && self.is_member(place)
                && waiting.contains(uid)
            {
                self.accuse(|| format!("G2: {name} has {left} pods left, a gang are {needed}"));
            }
        }
    }
}

/// The uid of the Job of a pod.
fn owner(pod: &Value) -> Option<String> {
    pod["metadata"]["ownerReferences"][0]["uid"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_without_a_group_may_be_credited_with_all_of_it_and_no_less() {
        for (succeeded, expected) in [(3, true), (4, false)] {
            let cluster = Cluster::new("east");
            let mut knowledge = Knowledge::new(std::slice::from_ref(&cluster));
            let gang = json!({"schedulingPolicy": {"gang": {"minCount": 2}}});
            let annotations = json!({"kubectl-federate.dev/credited": "2-3"});
            knowledge.check_group(
                &cluster,
                &json!({
                    "metadata": {"name": "pi", "uid": "u", "annotations": annotations},
                    "spec": {"completions": 4, "parallelism": 4, "scheduling": gang},
                    "status": {"succeeded": succeeded},
                }),
            );
            assert_eq!(knowledge.first_broken().is_some(), expected, "{succeeded}");
        }
    }
}
