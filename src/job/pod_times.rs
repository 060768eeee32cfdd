//! When a pod waited and when it ran, as its own status says.

use jiff::Timestamp;
use serde_json::Value;

use super::{observed::text, pod::Pod};

/// The lists of a pod's status that say when its containers ran.
const LISTS: [&str; 2] = ["initContainerStatuses", "containerStatuses"];

/// The times of a pod, by the clock of its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodTimes {
    /// When it was created.
    pub created: Timestamp,
    /// When it got a node, if its status says so.
    pub scheduled: Option<Timestamp>,
    /// When its first container started; none before that, and where none ever did.
    pub started: Option<Timestamp>,
    /// When its last container ended; none as long as it may go on.
    pub ended: Option<Timestamp>,
    /// How often its containers were started again.
    pub restarts: i64,
    /// `Pending`, `Running`, `Succeeded`, `Failed`, or what the pod says that made it fail, such as
    /// `Evicted` or `OOMKilled`.
    pub word: String,
    /// Whether it has failed.
    pub failed: bool,
}

impl PodTimes {
    /// Reads the times of a pod; none if it does not say when it was created.
    pub fn from_object(object: &Value) -> Option<Self> {
        let created = time(&object["metadata"]["creationTimestamp"])?;
        let (pod, status) = (Pod::from_object(object), &object["status"]);
        let phase = text(&status["phase"]);
        let failed = phase == "Failed";
        let scheduled = condition(status, "PodScheduled", "True");
        let restarts = containers(status).filter_map(|one| one["restartCount"].as_i64());
        let restarts = restarts.fold(0, i64::saturating_add);
        let ended = pod.ended().then(|| ended(object).unwrap_or(created));
        let has_run = phase == "Succeeded" || phase == "Running";
        let started = started(status, restarts)
            .or_else(|| time(&status["startTime"]).filter(|_| has_run || has_exited(status)))
            .or_else(|| scheduled.or(Some(created)).filter(|_| phase == "Succeeded"));
        let why = if failed { reason(status) } else { None };
        let word =
            why.unwrap_or_else(|| (if phase.is_empty() { "Pending" } else { phase }).to_owned());
        Some(Self { created, scheduled, started, ended, restarts, word, failed })
    }
}

fn containers(status: &Value) -> impl Iterator<Item = &Value> {
    LISTS.into_iter().flat_map(|list| status[list].as_array().into_iter().flatten())
}

/// When its first container started. Only the last two runs of a container are known. Of one that
/// was started more often, the kubelet's first look at the pod is the nearest time that is known.
fn started(status: &Value, restarts: i64) -> Option<Timestamp> {
    let first = containers(status)
        .flat_map(|one| {
            let (now, before) = (&one["state"], &one["lastState"]);
            [&now["running"], &now["terminated"], &before["terminated"]]
        })
        .filter_map(|run| time(&run["startedAt"]))
        .min();
    let looked = time(&status["startTime"]).filter(|_| restarts > 1);
    first.into_iter().chain(looked).min()
}

/// Whether the status says of a container that it exited.
fn has_exited(status: &Value) -> bool {
    containers(status).any(|one| one["state"]["terminated"].is_object())
}

/// When a pod ended that has ended.
fn ended(object: &Value) -> Option<Timestamp> {
    let status = &object["status"];
    let exited =
        containers(status).filter_map(|one| time(&one["state"]["terminated"]["finishedAt"]));
    exited
        .max()
        .or_else(|| condition(status, "DisruptionTarget", "True"))
        .or_else(|| condition(status, "Ready", "False"))
        .or_else(|| time(&object["metadata"]["deletionTimestamp"]))
}

/// Why a pod failed, in a word: its own, or that of a container.
fn reason(status: &Value) -> Option<String> {
    let exits = containers(status).map(|one| &one["state"]["terminated"]);
    let failed = exits.filter(|exit| exit["exitCode"].as_i64().is_some_and(|code| code != 0));
    let words = std::iter::once(&status["reason"]).chain(failed.map(|exit| &exit["reason"]));
    words.map(text).find(|word| !word.is_empty()).map(str::to_owned)
}

/// Since when a condition has a status.
fn condition(status: &Value, kind: &str, is: &str) -> Option<Timestamp> {
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    let found = conditions.find(|one| one["type"] == kind && one["status"] == is)?;
    time(&found["lastTransitionTime"])
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A time so many seconds after the pod was created.
    fn at(second: i64) -> Value {
        Timestamp::from_second(1000 + second).expect("a time").to_string().into()
    }

    fn times(status: Value) -> PodTimes {
        let metadata = json!({"creationTimestamp": at(0)});
        let pod = json!({"metadata": metadata, "status": status});
        PodTimes::from_object(&pod).expect("it says when it was created")
    }

    /// When it started and ended, and its word.
    fn told(status: Value) -> (Option<i64>, Option<i64>, String) {
        let times = times(status);
        let second = |at: Timestamp| at.as_second() - 1000;
        (times.started.map(second), times.ended.map(second), times.word)
    }

    fn exit(code: i64, reason: &str, from: Value, to: Value) -> Value {
        json!({"terminated": {
            "exitCode": code, "reason": reason, "startedAt": from, "finishedAt": to,
        }})
    }

    #[test]
    fn a_pod_runs_from_its_first_container_to_its_last() {
        let running = |from: i64| json!({"state": {"running": {"startedAt": at(from)}}});
        let waiting = json!({"state": {"waiting": {"reason": "ImagePullBackOff"}}});
        for (status, expected) in [
            (json!({}), (None, None, "Pending")),
            (
                json!({"phase": "Pending", "startTime": at(2), "containerStatuses": [waiting]}),
                (None, None, "Pending"),
            ),
            (
                json!({"phase": "Running", "startTime": at(2),
                    "containerStatuses": [running(9), running(7)]}),
                (Some(7), None, "Running"),
            ),
            (
                json!({"phase": "Pending", "initContainerStatuses": [running(5)]}),
                (Some(5), None, "Pending"),
            ),
            (
                json!({"phase": "Succeeded", "containerStatuses": [
                    {"state": exit(0, "Completed", at(5), at(30))},
                    {"state": exit(0, "Completed", at(6), at(20))},
                ]}),
                (Some(5), Some(30), "Succeeded"),
            ),
            (
                json!({"phase": "Failed", "containerStatuses": [
                    {"state": exit(137, "OOMKilled", at(5), at(30))},
                ]}),
                (Some(5), Some(30), "OOMKilled"),
            ),
            // A kubelet refuses it: no container of it has ever run.
            (
                json!({"phase": "Failed", "reason": "OutOfcpu", "startTime": at(3), "conditions": [
                    {"type": "Ready", "status": "False", "lastTransitionTime": at(4)},
                ]}),
                (None, Some(4), "OutOfcpu"),
            ),
            // Whoever says little has run all the same.
            (json!({"phase": "Succeeded"}), (Some(0), Some(0), "Succeeded")),
        ] {
            let (started, ended, word) = expected;
            assert_eq!(told(status.clone()), (started, ended, word.to_owned()), "{status}");
        }
    }

    #[test]
    fn what_was_started_again_began_before() {
        let again = |count: i64| {
            json!({"phase": "Running", "startTime": at(2), "containerStatuses": [{
                "restartCount": count, "state": {"running": {"startedAt": at(50)}},
                "lastState": exit(1, "Error", at(20), at(40)),
            }]})
        };
        assert_eq!(told(again(1)), (Some(20), None, "Running".to_owned()));
        assert_eq!(told(again(3)), (Some(2), None, "Running".to_owned()));
        assert_eq!(times(again(3)).restarts, 3);
    }

    #[test]
    fn a_node_is_given_at_its_time() {
        let condition = |status: &str| {
            json!({"conditions": [
                {"type": "PodScheduled", "status": status, "lastTransitionTime": at(8)},
            ]})
        };
        let scheduled = times(condition("True")).scheduled;
        assert_eq!(scheduled.map(Timestamp::as_second), Some(1008));
        assert_eq!(times(condition("False")).scheduled, None);
    }
}
