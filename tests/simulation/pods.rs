//! The pods of all clusters: the simulation plays their nodes, so it knows what each of them did.

use std::sync::Arc;

use serde_json::Value;
use sim::Cluster;

use super::gangs::{schedule, waits_for_others};
use super::jobs::{FATAL, IGNORED};
use super::knowledge::Knowledge;
use super::leases::may_start;
use super::random::Random;

const NAMESPACE: &str = "default";

/// One pod that has not ended gets one step further: onto a node, running, or to its end. One that
/// is being deleted goes. `failures` is how many in a hundred ends are failures.
pub fn get_on(
    cluster: &Cluster,
    failures: u64,
    random: &mut Random,
    knowledge: &mut Knowledge,
) -> Option<String> {
    let mut pods = unfinished(cluster);
    if schedule(cluster, &pods, knowledge) {
        pods = unfinished(cluster);
    }
    if pods.is_empty() {
        return None;
    }
    let pod = random.pick(&pods).clone();
    let name = pod["metadata"]["name"].as_str()?;
    if is_deleting(&pod) {
        remove(cluster, name);
        return Some(format!("pod {name} is gone"));
    }
    if waits_for_others(&pod) {
        return None;
    }
    let waits = pod["spec"]["nodeName"].is_null();
    if waits && knowledge.has_leases && !may_start(cluster, &pod) {
        return None;
    }
    if waits && (knowledge.has_leases || random.one_in(2)) {
        cluster.bind_pod(NAMESPACE, name);
        cluster.run_pod(NAMESPACE, name);
        return Some(format!("pod {name} runs"));
    }
    let code = match random.below(100) {
        chance if chance >= failures => 0,
        chance if chance % 10 == 0 => FATAL,
        chance if chance % 5 == 0 => IGNORED,
        _ => 1,
    };
    end(cluster, &pod, code, knowledge);
    Some(format!("pod {name} exits with {code}"))
}

/// Every pod succeeds, but for those that wait for their gang, or goes where it is being deleted.
pub fn finish(cluster: &Cluster, knowledge: &mut Knowledge) {
    schedule(cluster, &unfinished(cluster), knowledge);
    for pod in unfinished(cluster) {
        if is_deleting(&pod) {
            remove(cluster, pod["metadata"]["name"].as_str().unwrap_or_default());
        } else if !waits_for_others(&pod) {
            end(cluster, &pod, 0, knowledge);
        }
    }
    cluster.settle();
}

/// A pod that is being deleted ends, and goes. One that a finalizer keeps has failed, as its kubelet
/// or the pod collector says: some Jobs count it only then.
fn remove(cluster: &Cluster, name: &str) {
    cluster.remove_pod(NAMESPACE, name);
    cluster.fail_pod(NAMESPACE, name);
}

fn end(cluster: &Cluster, pod: &Value, code: u64, knowledge: &mut Knowledge) {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let code = u8::try_from(code).expect("an exit code");
    if cluster.exit_pod(NAMESPACE, name, code) && code == 0 {
        knowledge.succeeded(pod);
    }
}

fn unfinished(cluster: &Cluster) -> Vec<Arc<Value>> {
    let ended =
        |pod: &Value| matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    cluster.stored(&sim::PODS, NAMESPACE).into_iter().filter(|pod| !ended(pod)).collect()
}

fn is_deleting(pod: &Value) -> bool {
    pod["metadata"]["deletionTimestamp"].is_string()
}
