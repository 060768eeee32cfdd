//! Stalls: why pods of a Job do not run, from the pods and from events; pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::job::{Observed, text};

/// Reasons for which every container waits for a while.
const NORMAL_REASONS: [&str; 3] = ["", "ContainerCreating", "PodInitializing"];

/// Something that keeps pods of a shard from running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stall {
    /// How many pods do not run because of it, 1 or more.
    pub pods: usize,
    /// The reason, as the cluster states it: `Unschedulable`, `ImagePullBackOff`, `FailedCreate`.
    pub reason: String,
    /// The cluster's message.
    pub message: String,
    /// When an event last reported it; none where a pod's status reports it.
    pub at: Option<Timestamp>,
}

/// How many pods of a Job should be ready now; 0 if it is suspended, paused or about to end.
pub(in crate::reconcile) fn wanted(job: &Observed) -> i32 {
    if job.suspended || job.end.is_some() || !job.takes_credit() {
        return 0;
    }
    let left = match job.completions {
        Some(completions) => completions.saturating_sub(job.succeeded),
        None if job.succeeded > 0 => job.active,
        None => i32::MAX,
    };
    job.parallelism.min(left).max(0)
}

/// Why fewer pods of a Job are ready than should be, from its pods and the warning events of its
/// namespace. Where the cluster gives no reason, there is no stall: the pods may be about to start.
pub fn stalls(job: &Observed, pods: &[Value], warnings: &[Value], now: Timestamp) -> Vec<Stall> {
    let latest = |uid: &Value| {
        let about = warnings
            .iter()
            .filter(|event| event["involvedObject"]["uid"] == *uid && uid.is_string());
        about.max_by_key(|event| last_seen(event))
    };
    let own = pods.iter().filter(|pod| is_owned(pod, &job.uid));
    let mut found: BTreeMap<(String, String), Stall> = BTreeMap::new();
    for pod in own {
        let Some((reason, message, at)) =
            overdue(pod, now).or_else(|| waiting_reason(pod)).or_else(|| {
                let event = latest(&pod["metadata"]["uid"])
                    .filter(|_| pod["status"]["phase"] == "Pending")?;
                let (reason, message) = reason_and_message(event);
                Some((reason, message, last_seen(event)))
            })
        else {
            continue;
        };
        let key = (reason.clone(), message.clone());
        found.entry(key).or_insert(Stall { pods: 0, reason, message, at }).pods += 1;
    }
    let missing = usize::try_from(wanted(job).saturating_sub(job.active)).unwrap_or(0);
    let refusals = warnings.iter().filter(|event| {
        event["involvedObject"]["uid"] == job.uid.as_str() && event["reason"] == "FailedCreate"
    });
    let refused =
        refusals.max_by_key(|event| last_seen(event)).filter(|_| missing > 0).map(|event| {
            let (reason, message) = reason_and_message(event);
            Stall { pods: missing, reason, message, at: last_seen(event) }
        });
    refused.into_iter().chain(found.into_values()).collect()
}

/// What an event, a condition or a state of a container says.
fn reason_and_message(said: &Value) -> (String, String) {
    (text(&said["reason"]).to_owned(), text(&said["message"]).to_owned())
}

/// Why a pod does not run: it is on no node, or one of its containers says why it waits.
fn waiting_reason(pod: &Value) -> Option<(String, String, Option<Timestamp>)> {
    if pod["metadata"]["deletionTimestamp"].is_string() {
        return None;
    }
    let list = |field: &str| pod["status"][field].as_array().into_iter().flatten();
    let unscheduled = list("conditions")
        .find(|condition| condition["type"] == "PodScheduled" && condition["status"] == "False");
    if let Some(condition) = unscheduled {
        let (reason, message) = reason_and_message(condition);
        return Some((reason, message, None));
    }
    list("initContainerStatuses").chain(list("containerStatuses")).find_map(|container| {
        let waiting = &container["state"]["waiting"];
        let (reason, message) = reason_and_message(waiting);
        (!NORMAL_REASONS.contains(&reason.as_str())).then_some((reason, message, None))
    })
}

/// Why a deleted pod is still there after its grace period, as on a dead node.
fn overdue(pod: &Value, now: Timestamp) -> Option<(String, String, Option<Timestamp>)> {
    let by: Timestamp = pod["metadata"]["deletionTimestamp"].as_str()?.parse().ok()?;
    let name = text(&pod["metadata"]["name"]);
    (by < now)
        .then(|| ("Terminating".to_owned(), format!("pod {name} was to be gone by {by}"), None))
}

fn is_owned(pod: &Value, uid: &str) -> bool {
    let owners = pod["metadata"]["ownerReferences"].as_array();
    owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == uid))
}

/// When an event was last seen, by the fields of both event APIs.
pub fn last_seen(event: &Value) -> Option<Timestamp> {
    let times = [
        &event["series"]["lastObservedTime"],
        &event["lastTimestamp"],
        &event["eventTime"],
        &event["firstTimestamp"],
    ];
    times.into_iter().find_map(|time| time.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn job(spec: Value, status: Value) -> Observed {
        Observed::from_object(
            &json!({"metadata": {"name": "pi", "uid": "job"}, "spec": spec, "status": status}),
        )
    }

    fn pod(name: &str, status: Value) -> Value {
        json!({
            "metadata": {
                "name": name, "uid": format!("{name}-uid"), "ownerReferences": [{"uid": "job"}],
            },
            "status": status,
        })
    }

    fn event(uid: &str, reason: &str, message: &str, at: &str) -> Value {
        json!({
            "involvedObject": {"uid": uid}, "reason": reason, "message": message,
            "lastTimestamp": at,
        })
    }

    fn now() -> Timestamp {
        "2026-01-01T12:00:00Z".parse().expect("a time")
    }

    fn said(stalls: &[Stall]) -> Vec<(usize, &str, &str)> {
        stalls
            .iter()
            .map(|stall| (stall.pods, stall.reason.as_str(), stall.message.as_str()))
            .collect()
    }

    #[test]
    fn wanted_is_what_kubernetes_would_run() {
        for (spec, status, want) in [
            (json!({"parallelism": 3, "completions": 6}), json!({}), 3),
            (json!({"parallelism": 3, "completions": 6}), json!({"succeeded": 5}), 1),
            (json!({"parallelism": 0, "completions": 6}), json!({}), 0),
            (json!({"parallelism": 3, "completions": 6, "suspend": true}), json!({}), 0),
            (json!({"parallelism": 3}), json!({}), 3),
            (json!({"parallelism": 3}), json!({"succeeded": 1, "active": 2}), 2),
            (
                json!({"parallelism": 3, "completions": 6}),
                json!({"conditions": [{"type": "FailureTarget", "status": "True"}]}),
                0,
            ),
        ] {
            assert_eq!(wanted(&job(spec.clone(), status.clone())), want, "{spec} {status}");
        }
    }

    #[test]
    fn pods_that_could_not_be_made_have_the_last_reason() {
        let job = job(json!({"parallelism": 3, "completions": 6}), json!({"active": 1}));
        let warnings = [
            event("job", "FailedCreate", "new", "2026-01-01T11:59:00Z"),
            event("job", "FailedCreate", "old", "2026-01-01T11:00:00Z"),
            event("another", "FailedCreate", "not ours", "2026-01-01T11:59:59Z"),
        ];
        let found = stalls(&job, &[], &warnings, now());
        assert_eq!(said(&found), [(2, "FailedCreate", "new")]);
        assert_eq!(found[0].at, Some("2026-01-01T11:59:00Z".parse().expect("a time")));
        let all = Observed { active: 3, ..job };
        assert_eq!(
            stalls(&all, &[], &warnings, now()),
            [],
            "what was refused once has been made since"
        );
    }

    #[test]
    fn pods_with_one_reason_are_counted_together() {
        let unschedulable = json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "message": "0/1 nodes"},
        ]});
        let waiting = |reason: &str| {
            let waiting = json!({"waiting": {"reason": reason, "message": "why"}});
            json!({
                "phase": "Pending",
                "conditions": [{"type": "PodScheduled", "status": "True"}],
                "containerStatuses": [{"state": {"running": {}}}, {"state": waiting}],
            })
        };
        let mut theirs = pod("t", unschedulable.clone());
        theirs["metadata"]["ownerReferences"][0]["uid"] = "another".into();
        let pods = [
            pod("a", unschedulable.clone()),
            pod("b", unschedulable),
            pod("c", waiting("ImagePullBackOff")),
            pod("d", waiting("ContainerCreating")),
            pod("e", json!({"phase": "Running"})),
            theirs,
        ];
        let job =
            job(json!({"parallelism": 5, "completions": 6}), json!({"active": 5, "ready": 1}));
        let warnings = [event("d-uid", "FailedMount", "no secret", "2026-01-01T11:59:00Z")];
        assert_eq!(
            said(&stalls(&job, &pods, &warnings, now())),
            [
                (1, "FailedMount", "no secret"),
                (1, "ImagePullBackOff", "why"),
                (2, "Unschedulable", "0/1 nodes")
            ]
        );
    }

    #[test]
    fn a_pod_that_was_to_be_gone_is_named() {
        let job = job(json!({"parallelism": 2, "completions": 6}), json!({"terminating": 2}));
        let mut late = pod("late", json!({"phase": "Running"}));
        late["metadata"]["deletionTimestamp"] = "2026-01-01T11:00:00Z".into();
        let mut going = pod("going", json!({"phase": "Running"}));
        going["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:10Z".into();
        let found = stalls(&job, &[late, going], &[], now());
        assert_eq!(
            said(&found),
            [(1, "Terminating", "pod late was to be gone by 2026-01-01T11:00:00Z")]
        );
    }
}
