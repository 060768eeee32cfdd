//! Limits of a Job that its clusters accept and do not hold; pure.

use super::Manifest;

/// The longest `activeDeadlineSeconds` that a Job controller can count: it counts nanoseconds, as a
/// signed number of 64 bits. What is longer overflows there, and may end the Job at once.
const LONGEST_DEADLINE: i64 = i64::MAX / 1_000_000_000;

/// A limit that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostLimit {
    /// `backoffLimitPerIndex` counts pods that fail, and with `restartPolicy: OnFailure` containers
    /// that fail are started again in the same pod.
    PerIndex,
    /// `activeDeadlineSeconds` is longer than a Job controller can count.
    Deadline,
}

/// The limits of a Job that do not hold.
pub fn lost_limits(manifest: &Manifest) -> Vec<LostLimit> {
    let spec = &manifest.object()["spec"];
    let restarts = spec["template"]["spec"]["restartPolicy"] == "OnFailure";
    let per_index = restarts && !spec["backoffLimitPerIndex"].is_null();
    let deadline = manifest.active_deadline_seconds().is_some_and(|it| it > LONGEST_DEADLINE);
    let lost = [(per_index, LostLimit::PerIndex), (deadline, LostLimit::Deadline)];
    lost.into_iter().filter_map(|(is_lost, limit)| is_lost.then_some(limit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn lost(policy: &str, limits: Value) -> Vec<LostLimit> {
        let mut spec = limits;
        spec["template"] = json!({"spec": {"restartPolicy": policy,
            "containers": [{"name": "a", "image": "a"}]}});
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
            "spec": spec});
        lost_limits(&Manifest::new(job, "work", "").expect("valid"))
    }

    #[test]
    fn a_limit_of_each_index_is_lost_where_no_pod_fails() {
        let limits = json!({"completionMode": "Indexed", "completions": 3,
            "backoffLimitPerIndex": 1});
        assert_eq!(lost("OnFailure", limits.clone()), [LostLimit::PerIndex]);
        assert!(lost("Never", limits).is_empty());
        assert!(lost("OnFailure", json!({"backoffLimit": 1})).is_empty());
    }

    #[test]
    fn a_deadline_is_lost_where_its_nanoseconds_overflow() {
        let of = |seconds: i64| lost("Never", json!({"activeDeadlineSeconds": seconds}));
        assert!(of(9_223_372_036).is_empty());
        assert_eq!(of(9_223_372_037), [LostLimit::Deadline]);
        assert_eq!(of(i64::MAX), [LostLimit::Deadline]);
    }
}
