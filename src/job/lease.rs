//! The lease of a shard: how long its Job and its pods may run without contact; pure.
//!
//! A Job with a lease has an `activeDeadlineSeconds`, which a contact renews if less than half is
//! left. The Job controller
//! of the cluster enforces it, and so it is worth nothing once that controller has stopped. The
//! kubelets of the cluster need nobody: each ends a pod by the pod's own `activeDeadlineSeconds`,
//! which is as long as the lease. So a pod of the shard can run until
//!
//! > the Job's deadline + the lease + the pod's grace period,
//!
//! because a pod that was started a moment before the Job's deadline has a whole lease of its own.
//! [`Lease::over_at`] adds [`MARGIN`], as clocks differ. It is counted from a recorded time that is
//! never earlier than the Job's true deadline: a longer deadline is recorded before it is written.
//!
//! One thing is not bounded: a pod that waits for a node while its Job controller has stopped, and
//! that a scheduler, which goes on, starts after the Job's deadline.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Manifest, is_zero};

/// How much later than computed a lease counts as over, in seconds. Clocks that differ by up to 30
/// seconds are not corrected, the clocks within a cluster differ too, and controllers and kubelets
/// take a moment to act.
pub const MARGIN: i64 = 60;

/// `terminationGracePeriodSeconds` of a pod that says nothing.
const GRACE: i64 = 30;

/// The lease of one shard, as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct Lease {
    /// How long it is, in seconds; 1 or more. Its pods have this as their `activeDeadlineSeconds`,
    /// unless their template has a shorter one.
    pub seconds: i64,
    /// `terminationGracePeriodSeconds` of its pods, and by how much their deadline in the cluster
    /// is longer than the lease; 0 or more.
    pub grace_seconds: i64,
    /// The `activeDeadlineSeconds` that its Job is to have because of the lease; `seconds` or more.
    /// The federated Job's own may be earlier.
    pub deadline_seconds: i64,
    /// The generation of the shard that changed the lease alone; 0 before the first one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub renewal: i32,
    /// Until when its Job may start pods at most, in seconds since 1970 by the host's clock. None
    /// while that is not known: the Job may be about to start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
    /// Set once its Job has ended after the lease had passed: how many of the failed pods the lease
    /// ended. They are no failures of the federated Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_pods: Option<i32>,
}

impl Lease {
    /// The lease of a shard that is planned `now`, by the host's clock, in a member whose leases
    /// have these `seconds`. The Job's own annotation wins. None where there is no lease.
    pub fn planned(manifest: &Manifest, member: Option<i64>, now: i64) -> Option<Self> {
        let seconds = match manifest.lease() {
            Some(own) => own,
            None => member.filter(|_| !manifest.is_queued()),
        }?;
        let grace = &manifest.object()["spec"]["template"]["spec"]["terminationGracePeriodSeconds"];
        Some(Self {
            seconds,
            grace_seconds: grace.as_i64().unwrap_or(GRACE).max(0),
            deadline_seconds: seconds,
            renewal: 0,
            // Nobody starts a shard that is only planned.
            until: Some(now.saturating_add(seconds)),
            ended_pods: None,
        })
    }

    /// Whether it is one that this program can have written.
    pub fn is_valid(&self) -> bool {
        self.seconds > 0 && self.grace_seconds >= 0 && self.deadline_seconds >= self.seconds
    }

    /// The Job's `activeDeadlineSeconds`: that of the lease, or the user's if that is earlier.
    pub fn deadline(&self, own: Option<i64>) -> i64 {
        own.map_or(self.deadline_seconds, |own| own.min(self.deadline_seconds))
    }

    /// The lease after a contact with a Job that has run for so many seconds by its cluster's
    /// clock, if it is to change: less than half of the lease is left. `own` is the user's
    /// deadline in seconds. It is never passed, so a lease that ends with it is not renewed.
    /// Nor is one that [has passed](Self::has_passed), which the caller asks.
    ///
    /// A Job that was suspended in a cluster before Kubernetes 1.36 may have far more left than a
    /// lease. That is cut where the clocks are known: by another one the Job might seem to have run
    /// for no time at all, and a short deadline would end it at once.
    #[must_use]
    pub fn renewed(&self, running: i64, own: Option<i64>, is_known: bool) -> Option<Self> {
        let left = self.deadline_seconds.saturating_sub(running);
        let is_short = left.saturating_mul(2) < self.seconds;
        let is_long = is_known && left > self.seconds.saturating_mul(2);
        let renewed =
            Self { deadline_seconds: running.max(0).saturating_add(self.seconds), ..self.clone() };
        let changes = renewed.deadline(own) != self.deadline(own);
        ((is_short || is_long) && changes).then_some(renewed)
    }

    /// Starts the lease anew, as a resume of the Job starts its deadline. Until the new start is
    /// seen, nobody knows when it ends. `passed` is how many seconds ago the Job had started, 0 if
    /// it has no `startTime`: a server before 1.36 counts from there at first.
    pub fn restart(&mut self, passed: i64) {
        self.deadline_seconds = self.seconds.saturating_add(passed);
        self.until = None;
    }

    /// Until when the Job may start pods at most: `start` is when it started, and `actual` the
    /// `activeDeadlineSeconds` that it was seen to have. The one that the ledger has may be written
    /// at any time. None where it has no deadline.
    pub fn latest(&self, start: i64, actual: Option<i64>) -> Option<i64> {
        Some(start.saturating_add(actual?.max(self.deadline_seconds)))
    }

    /// How long the pods of a Job may take to end after a whole lease, in seconds, by the template
    /// that its cluster stored. The ledger's, where the template is not shown, as that of a running
    /// Job, which cannot change. None where the cluster gives the pods no deadline.
    pub fn pods_grace(&self, template: &Value) -> Option<i64> {
        let Some(pods) = template.get("spec") else { return Some(self.grace_seconds) };
        let beyond = pods["activeDeadlineSeconds"].as_i64()?.saturating_sub(self.seconds).max(0);
        let grace = pods["terminationGracePeriodSeconds"].as_i64().unwrap_or(GRACE);
        Some(grace.saturating_add(beyond).max(self.grace_seconds))
    }

    /// From when on no pod of the shard runs, in seconds since 1970 by the host's clock. None where
    /// that is not known.
    pub fn over_at(&self) -> Option<i64> {
        let rest = self.seconds.saturating_add(self.grace_seconds).saturating_add(MARGIN);
        Some(self.until?.saturating_add(rest))
    }

    /// Whether the deadline of a Job is that of the lease: `actual` is the `activeDeadlineSeconds`
    /// that it has, `own` the one that the user's deadline asks for. No lease gives a Job less than
    /// its own length, so anything shorter was set by somebody else.
    pub fn is_deadline(&self, actual: Option<i64>, own: Option<i64>) -> bool {
        actual.is_some_and(|actual| actual >= self.seconds && own.is_none_or(|own| actual < own))
    }

    /// Whether the lease of a running Job is over, and only the Job controller of its cluster has
    /// not acted yet. `running` is for how many seconds it has run by its cluster's clock; `actual`
    /// and `own` are those of [`Self::is_deadline`].
    ///
    /// Kubelets have ended its pods by then, or will soon. If such a Job got a longer deadline, the
    /// Job controller would count these pods as failures of their own.
    pub fn has_passed(&self, running: i64, actual: Option<i64>, own: Option<i64>) -> bool {
        actual.is_some_and(|actual| running >= actual) && self.is_deadline(actual, own)
    }

    /// The lease as long as its entry can become.
    #[must_use]
    pub fn grown(&self) -> Self {
        Self {
            deadline_seconds: 999_999_999,
            renewal: 99,
            until: Some(9_999_999_999),
            ended_pods: Some(9_999),
            ..self.clone()
        }
    }
}

/// The `activeDeadlineSeconds` of the pods of a shard with a lease: the template's own if that is
/// shorter.
pub fn pod_deadline(own: Option<i64>, lease: i64) -> i64 {
    own.map_or(lease, |own| own.min(lease))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn manifest(annotation: Option<&str>, queue: bool) -> Manifest {
        let mut job = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
            "spec": {"template": {"spec": {"terminationGracePeriodSeconds": 5}}},
        });
        if let Some(text) = annotation {
            job["metadata"]["annotations"]["kubectl-federate.dev/lease"] = text.into();
        }
        if queue {
            job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = "batch".into();
        }
        Manifest::new(job, "work", "").expect("valid")
    }

    #[test]
    fn the_annotation_of_a_job_wins_over_the_lease_of_a_member() {
        for (annotation, queue, member, expected) in [
            (None, false, None, None),
            (None, false, Some(600), Some(600)),
            (Some("2h"), false, None, Some(7200)),
            (Some("2h"), false, Some(600), Some(7200)),
            (Some("none"), false, Some(600), None),
            (None, true, Some(600), None),
        ] {
            let lease = Lease::planned(&manifest(annotation, queue), member, 100);
            assert_eq!(lease.as_ref().map(|lease| lease.seconds), expected, "{annotation:?}");
            if let Some(Lease { until, grace_seconds, seconds, .. }) = lease {
                assert_eq!((until, grace_seconds), (Some(100 + seconds), 5));
            }
        }
    }

    #[test]
    fn a_deadline_of_somebody_else_is_no_lease() {
        let lease = Lease::planned(&manifest(None, false), Some(600), 0).expect("a lease");
        for (actual, own, expected) in [
            (Some(600), None, true),
            (Some(900), None, true),
            (Some(599), None, false),
            (None, None, false),
            (Some(600), Some(601), true),
            (Some(600), Some(600), false),
            (Some(600), Some(400), false),
        ] {
            assert_eq!(lease.is_deadline(actual, own), expected, "{actual:?} {own:?}");
        }
    }

    #[test]
    fn a_lease_has_passed_with_the_deadline_that_its_job_has() {
        let lease = Lease::planned(&manifest(None, false), Some(600), 0).expect("a lease");
        for (running, actual, own, expected) in [
            (599, Some(600), None, false),
            (600, Some(600), None, true),
            (700, Some(600), None, true),
            // A renewal is recorded, and has not arrived, or the other way round.
            (700, Some(900), None, false),
            (700, None, None, false),
            // Somebody else set it, or it is the user's own.
            (700, Some(500), None, false),
            (700, Some(650), Some(650), false),
            (700, Some(650), Some(660), true),
        ] {
            let found = lease.has_passed(running, actual, own);
            assert_eq!(found, expected, "{running} {actual:?} {own:?}");
        }
    }

    /// What a member does between contacts that may come at any time.
    #[derive(Debug, Clone)]
    struct Life {
        seconds: i64,
        grace: i64,
        /// By how much the member's clock is ahead, beyond what is corrected.
        skew: i64,
        start: i64,
        /// The user's deadline in seconds.
        own: Option<i64>,
        /// How long after one contact the next one is, and whether its write arrives.
        contacts: Vec<(i64, bool)>,
        /// How long before the Job's deadline the last pod starts.
        before: i64,
    }

    fn lives() -> impl Strategy<Value = Life> {
        let skews = -MARGIN..=MARGIN;
        let contacts = proptest::collection::vec((1..400_i64, any::<bool>()), 0..12);
        let own = proptest::option::of(1..5000_i64);
        (60..1000_i64, 0..120_i64, skews, 0..1000_i64, own, contacts, 0..50_i64).prop_map(
            |(seconds, grace, skew, start, own, contacts, before)| Life {
                seconds,
                grace,
                skew,
                start,
                own,
                contacts,
                before,
            },
        )
    }

    proptest! {
        #[test]
        fn no_pod_runs_once_the_recorded_lease_is_over(life in lives()) {
            let Life { seconds, grace, skew, start, own, contacts, before } = life;
            let mut lease = Lease::planned(&manifest(None, false), Some(seconds), 0).expect("one");
            lease.grace_seconds = grace;
            // Times are by the host's clock. The member's own shows `skew` more.
            let mut actual = lease.deadline(own);
            lease.until = lease.latest(start + skew, Some(actual));
            let mut now = start;
            for (pause, arrives) in contacts {
                now += pause;
                if now >= start + actual {
                    break;
                }
                if let Some(renewed) = lease.renewed(now - (start + skew), own, true) {
                    let user = own.unwrap_or(i64::MAX);
                    prop_assert!(renewed.deadline(own) <= user, "the user's deadline wins");
                    let left = renewed.deadline_seconds - (now - (start + skew));
                    prop_assert!(left <= seconds + skew.abs() + 1);
                    if lease.deadline_seconds - (now - start - skew) <= 2 * seconds {
                        prop_assert!(renewed.deadline_seconds > lease.deadline_seconds);
                    }
                    lease = renewed;
                    // It is recorded before the write takes effect.
                    lease.until = lease.latest(start + skew, Some(actual));
                    if arrives {
                        actual = lease.deadline(own);
                    }
                }
                lease.until = lease.latest(start + skew, Some(actual));
            }
            // The last pod starts before the Job's deadline and runs as long as a pod may.
            let last_start = start + actual - before.min(actual);
            let last_end = last_start + seconds + grace;
            prop_assert!(lease.over_at().expect("it is known") >= last_end);
        }
    }
}
