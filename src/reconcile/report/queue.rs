//! Why a queued shard does not run, in the words of its queueing system; pure.

use std::fmt;

use serde_json::Value;

use crate::job::{Observed, queue::QUEUE_NAME, text};

/// The state of a shard that its cluster does not admit before somebody says so.
const DEACTIVATED: &str = "Deactivated";

/// A shard whose cluster decides when it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queueing {
    /// The queue of its Job; empty without one.
    pub queue: String,
    /// `Held`, `Admitted`, `Deactivated`, `Evicted`, `Pending`, `Inadmissible`, `QuotaReserved` or
    /// `Waiting`. The last is said where the cluster gives no reason.
    pub state: String,
    /// What the cluster says about it; empty if it says nothing.
    pub message: String,
    /// The name of its `Workload`, if that is deactivated: Kueue does not admit it before somebody
    /// sets `spec.active` of the `Workload`.
    pub deactivated: Option<String>,
}

impl Queueing {
    /// What is known of a queued shard by its Job, the `Workload` that Kueue keeps of it and the
    /// events of the Job. `Workload` and events may be missing, because not every user may read
    /// them.
    pub(super) fn new(job: &Value, workload: Option<&Value>, events: &[Value]) -> Self {
        let observed = Observed::from_object(job);
        let in_hold_queue = observed.in_hold_queue;
        let label = text(job["metadata"]["labels"].get(QUEUE_NAME).unwrap_or(&Value::Null));
        let queue =
            if in_hold_queue { observed.queue.unwrap_or_default() } else { label.to_owned() };
        let (state, message) = if in_hold_queue {
            ("Held".to_owned(), String::new())
        } else if !observed.suspended {
            ("Admitted".to_owned(), String::new())
        } else {
            workload.and_then(reason).unwrap_or_else(|| ("Waiting".to_owned(), last_word(events)))
        };
        let is_deactivated = state == DEACTIVATED;
        let workload = workload.filter(|_| is_deactivated);
        let deactivated = workload.map(|workload| text(&workload["metadata"]["name"]).to_owned());
        Self { queue, state, message, deactivated }
    }
}

/// What a shard waits for, for a line that names the shard.
impl fmt::Display for Queueing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.queue.as_str() {
            "" => f.write_str("it waits until its cluster admits it, and is in no queue")?,
            queue => write!(f, "it waits in queue {queue:?}")?,
        }
        write!(f, ": {}", self.state)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        match &self.deactivated {
            None => Ok(()),
            Some(workload) => write!(f, ". It goes on when somebody activates workload {workload}"),
        }
    }
}

/// Why a `Workload` is not admitted: a word and Kueue's message.
fn reason(workload: &Value) -> Option<(String, String)> {
    let condition = |kind: &str, status: &str| {
        let conditions = workload["status"]["conditions"].as_array();
        conditions
            .into_iter()
            .flatten()
            .find(|condition| condition["type"] == kind && condition["status"] == status)
    };
    let message = |condition: &Value| text(&condition["message"]).to_owned();
    let evicted = condition("Evicted", "True");
    if workload["spec"]["active"] == false {
        return Some((DEACTIVATED.to_owned(), evicted.map_or(String::new(), message)));
    }
    let unreserved = condition("QuotaReserved", "False");
    if let Some(evicted) = evicted {
        let mut said = message(evicted);
        // What evicted it may be over. Then it waits for what every other one waits for.
        if let (Some(_), Some(now)) = (condition("Requeued", "True"), unreserved) {
            said = format!("{said}; now: {}", message(now));
        }
        return Some(("Evicted".to_owned(), said));
    }
    if let Some(reserved) = unreserved {
        return Some((text(&reserved["reason"]).to_owned(), message(reserved)));
    }
    let reserved = condition("QuotaReserved", "True")?;
    let checks = workload["status"]["admissionChecks"].as_array().into_iter().flatten();
    let unmet = checks.filter(|check| check["state"] != "Ready").map(|check| {
        format!("{}: {} {}", text(&check["name"]), text(&check["state"]), message(check))
    });
    let unmet: Vec<String> = unmet.collect();
    let said = if unmet.is_empty() { message(reserved) } else { unmet.join("; ") };
    Some(("QuotaReserved".to_owned(), said))
}

/// The message of the last event by which Kueue told of a Job.
fn last_word(events: &[Value]) -> String {
    let by_kueue = |event: &&Value| {
        let by = [&event["reportingComponent"], &event["source"]["component"]];
        by.into_iter().any(|by| text(by).contains("kueue"))
    };
    let last = events.iter().filter(by_kueue).max_by_key(|event| text(&event["lastTimestamp"]));
    last.map_or(String::new(), |event| text(&event["message"]).to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::job::{labels::QUEUE, queue::HOLD_QUEUE};

    fn job(queue: &str, suspended: bool) -> Value {
        json!({"metadata": {"labels": {QUEUE_NAME: queue}, "annotations": {QUEUE: "team"}},
            "spec": {"suspend": suspended}})
    }

    #[test]
    fn the_first_reason_that_kueue_gives_counts() {
        let reserved = |status: &str, reason: &str| {
            let kind = "QuotaReserved";
            json!({"type": kind, "status": status, "reason": reason, "message": "m"})
        };
        let evicted = json!({"type": "Evicted", "status": "True", "message": "preempted"});
        let conditions = |list: Value| json!({"status": {"conditions": list}});
        let mut inactive = conditions(json!([evicted]));
        inactive["spec"]["active"] = false.into();
        inactive["metadata"]["name"] = "job-pi-1".into();
        let requeued = json!({"type": "Requeued", "status": "True"});
        let again = json!([reserved("False", "Pending"), evicted, requeued]);
        let mut checked = conditions(json!([reserved("True", "QuotaReserved")]));
        checked["status"]["admissionChecks"] =
            json!([{"name": "prov", "state": "Pending", "message": "no node"}]);
        for (workload, state, message) in [
            (inactive, "Deactivated", "preempted"),
            (conditions(json!([reserved("False", "Pending"), evicted])), "Evicted", "preempted"),
            (conditions(again), "Evicted", "preempted; now: m"),
            (conditions(json!([reserved("False", "Inadmissible")])), "Inadmissible", "m"),
            (conditions(json!([reserved("True", "QuotaReserved")])), "QuotaReserved", "m"),
            (checked, "QuotaReserved", "prov: Pending no node"),
        ] {
            let found = Queueing::new(&job("team", true), Some(&workload), &[]);
            let expected = Queueing {
                queue: "team".to_owned(),
                state: state.to_owned(),
                message: message.to_owned(),
                deactivated: (state == "Deactivated").then(|| "job-pi-1".to_owned()),
            };
            assert_eq!(found, expected, "{workload}");
            let says_so = found.to_string().ends_with("somebody activates workload job-pi-1");
            assert_eq!(says_so, state == "Deactivated", "{found}");
        }
    }

    #[test]
    fn without_a_workload_the_last_event_of_kueue_counts() {
        let event = |by: &str, at: &str, message: &str| {
            let source = json!({"component": by});
            json!({"source": source, "lastTimestamp": at, "message": message})
        };
        let kueue = "batch/job-kueue-controller";
        let events = [
            event(kueue, "2026-01-01T00:00:02Z", "Not admitted by cluster queue"),
            event(kueue, "2026-01-01T00:00:01Z", "Created Workload"),
            event("job-controller", "2026-01-01T00:00:03Z", "Job suspended"),
        ];
        let found = Queueing::new(&job("team", true), None, &events);
        let line = "it waits in queue \"team\": Waiting: Not admitted by cluster queue";
        assert_eq!(found.to_string(), line);
        assert_eq!(
            (found.state, found.message),
            ("Waiting".to_owned(), "Not admitted by cluster queue".to_owned())
        );
    }

    #[test]
    fn a_job_that_is_held_shows_the_queue_that_it_goes_to() {
        let found = Queueing::new(&job(HOLD_QUEUE, true), None, &[]);
        assert_eq!((found.queue, found.state), ("team".to_owned(), "Held".to_owned()));
        let found = Queueing::new(&job("team", false), None, &[]);
        assert_eq!((found.queue, found.state), ("team".to_owned(), "Admitted".to_owned()));
    }
}
