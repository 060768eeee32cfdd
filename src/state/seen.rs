//! What the Job of a shard was last seen to say.

use serde::{Deserialize, Serialize};

use crate::job::{Indexes, Observed, is_zero};

/// The status of a shard's Job as it was last recorded. Counts are 0 or more, times are seconds
/// since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default, expecting = "an object")]
pub struct Seen {
    /// `status.active`.
    #[serde(skip_serializing_if = "is_zero")]
    pub active: i32,
    /// `status.succeeded`.
    #[serde(skip_serializing_if = "is_zero")]
    pub succeeded: i32,
    /// `status.failed`.
    #[serde(skip_serializing_if = "is_zero")]
    pub failed: i32,
    /// The shard's own indexes that `status.completedIndexes` has.
    #[serde(skip_serializing_if = "Indexes::is_empty")]
    pub completed: Indexes,
    /// The shard's own indexes that `status.failedIndexes` has.
    #[serde(skip_serializing_if = "Indexes::is_empty")]
    pub failed_indexes: Indexes,
    /// Whether `spec.suspend` is set or the condition `Suspended` is true. The condition stays
    /// until the Job controller has seen a resume.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// `status.startTime`; none once it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<i64>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<i64>,
    /// `spec.ttlSecondsAfterFinished` while it has not ended. A shard is given none before its
    /// result is recorded, so somebody else has set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub foreign_ttl: Option<i64>,
    /// The `spec.parallelism` with which its cluster has admitted it, if its cluster decides
    /// when it runs. None before that, while it is held, once it has another parallelism, so that
    /// it queues anew, and once it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admitted: Option<i32>,
    /// When this status was first seen.
    pub at: i64,
}

impl Seen {
    /// What a Job says now, given what it said before. Successes and failures never fall. `own` are
    /// the shard's indexes. `at` moves only if something else changed.
    pub(super) fn of(job: &Observed, own: &Indexes, before: Option<&Self>, now: i64) -> Self {
        let mut seen = Self {
            active: job.active,
            succeeded: job.succeeded,
            failed: job.failed,
            completed: job.completed_indexes.both(own),
            failed_indexes: job.failed_indexes.both(own),
            suspended: job.suspended || job.suspension_seen,
            start: job.start.filter(|_| job.end.is_none()).map(jiff::Timestamp::as_second),
            end: job.end.as_ref().and_then(|end| end.at).map(jiff::Timestamp::as_second),
            foreign_ttl: job.ttl_seconds.filter(|_| job.end.is_none()),
            admitted: admitted(job, before),
            at: now,
        };
        if let Some(before) = before {
            seen.succeeded = seen.succeeded.max(before.succeeded);
            seen.failed = seen.failed.max(before.failed);
            seen.completed = seen.completed.with(&before.completed.both(own));
            seen.failed_indexes = seen.failed_indexes.with(&before.failed_indexes);
            let unchanged = Self { at: seen.at, ..before.clone() } == seen;
            seen.at = if unchanged { before.at } else { now };
        }
        seen
    }

    /// Leaves failures out that are seen since `before`, for now.
    pub fn leave_failures_out(&mut self, before: Option<&Self>) {
        self.failed = before.map_or(0, |before| before.failed);
        self.failed_indexes = before.map(|b| b.failed_indexes.clone()).unwrap_or_default();
        let at = before.map_or(self.at, |before| before.at);
        if before == Some(&Self { at, ..self.clone() }) {
            self.at = at;
        }
    }
}

/// The parallelism with which its cluster has admitted a Job. A Job says itself only whether it is
/// suspended now.
fn admitted(job: &Observed, before: Option<&Seen>) -> Option<i32> {
    if job.queue.is_none() || job.in_hold_queue || job.end.is_some() {
        return None;
    }
    if !job.suspended {
        return Some(job.parallelism);
    }
    before?.admitted.filter(|parallelism| *parallelism == job.parallelism)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_admission_is_remembered_until_the_job_is_held_or_queues_anew() {
        let job = |suspended: bool, parallelism: i32| {
            let mut job = Observed::from_object(&json!({"metadata": {"name": "pi", "uid": "u"}}));
            (job.queue, job.suspended) = (Some("team".into()), suspended);
            job.parallelism = parallelism;
            job
        };
        let held = Observed { in_hold_queue: true, ..job(true, 0) };
        let unqueued = Observed { queue: None, ..job(false, 2) };
        let (waits, runs) = (job(true, 2), job(false, 2));
        for (steps, admitted) in [
            (vec![&waits], None),
            (vec![&waits, &runs], Some(2)),
            (vec![&waits, &runs, &waits], Some(2)),
            (vec![&runs, &job(true, 3), &waits], None),
            (vec![&runs, &held, &waits], None),
            (vec![&unqueued], None),
        ] {
            let own = Indexes::default();
            let last = steps.iter().fold(None, |before: Option<Seen>, job| {
                Some(Seen::of(job, &own, before.as_ref(), 7))
            });
            assert_eq!(last.expect("a step").admitted, admitted, "{steps:#?}");
        }
    }
}
