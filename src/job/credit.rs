//! How much work may be taken off a Job that runs: the rules of a credit; pure.
//!
//! A credit raises `status.succeeded` (and `status.completedIndexes`) of a Job, and the Job
//! controller believes it: the Job has that much less to do. Nothing that is written to its spec
//! could do that, because completions are immutable. But the controller works from what it last
//! saw, and a careless credit makes it delete running pods, or counts a completion twice. What
//! follows holds on Kubernetes 1.30 to 1.36; `tests/stress` tries to break it.
//!
//! 1. **How much.** The Job is read first and its pods after it. Pods are created *before* the
//!    status says so, so that `active` is not to be trusted; every pod that the controller still
//!    tracks and that has not failed may be counted as a success at any moment. The controller may
//!    also be about to make as many as `parallelism` more pods, and as much is left out: a later
//!    credit gets it. Where everything fits together (*settled*) and has been [`STILL`] as well, it
//!    cannot, and all that is neither counted nor held by a pod may be credited. Fitting together
//!    is not enough: the controller looks at a change of a pod a second after it, finds then
//!    whatever has ended since, and replaces it before the status says so.
//! 2. **Indexed.** The same by index: taken from the end, of those that have neither ended nor a
//!    pod, and the first `parallelism` of them left out, because these are the ones that the
//!    controller is about to start. A pod that is found on a credited index afterwards ran it
//!    twice, and is reported.
//! 3. **All at once**: suspend, wait until it is quiet, credit everything. The pods that this kills
//!    are not counted as failures. A suspended Job on 1.36 cannot finish without `startTime`, so
//!    that the credit that leaves it nothing writes one where there is none.
//! 4. A running index is never credited, nor a Job that has ended or is about to, nor more than is
//!    left. No credit is ever taken back: work that returns is a new shard.
//! 5. A credit is one write under the resourceVersion that was read, status and annotation
//!    together. Where the Job has changed, all is read again. So it can be told afterwards whether
//!    it happened, however the connection ended.
//! 6. **What a shard achieved** is what it counts less what it was credited.

use std::time::Duration;

use jiff::Timestamp;

use super::{Indexes, Observed, Pod, pod};

/// Where nothing of a Job and its pods has changed for so long, its controller has looked at every
/// change: it lets one of a pod lie for a second (`SyncJobBatchPeriod`), to look at several
/// together; the rest is for its own work.
pub const STILL: Duration = Duration::from_millis(1500);

/// Completions that a Job is told are done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credit {
    /// So many; 0 or more. For a Job that is not Indexed: a work queue needs one, to end.
    Count(i32),
    /// These, for an Indexed Job.
    Indexes(Indexes),
}

impl Credit {
    /// All that is left of a Job: an index that has failed is not, and no server lets it be done as
    /// well.
    pub fn rest(job: &Observed) -> Self {
        match job.completions {
            Some(completions) if job.indexed => {
                Self::Indexes(Indexes::all(completions).without(&job.ended_indexes()))
            }
            completions => {
                Self::Count(completions.unwrap_or(1).saturating_sub(job.succeeded).max(0))
            }
        }
    }

    /// How many completions it is.
    pub fn count(&self) -> i32 {
        match self {
            Self::Count(count) => *count,
            Self::Indexes(indexes) => indexes.len(),
        }
    }

    /// A Job as it is once this was written to it, before its Job controller has seen that. Where
    /// nothing is left of it then, it has a `startTime`, without which it would not end if it is
    /// suspended.
    pub fn given(&self, job: &Observed, now: Timestamp) -> Observed {
        let mut job = job.clone();
        match self {
            Self::Count(count) => {
                job.credited = Some(job.credited_count().saturating_add(*count).to_string());
                job.succeeded = job.succeeded.saturating_add(*count);
            }
            Self::Indexes(indexes) => {
                job.credited = Some(job.credited_indexes().with(indexes).to_string());
                job.completed_indexes = job.completed_indexes.with(indexes);
                job.succeeded = job.completed_indexes.len();
            }
        }
        if Self::rest(&job).count() == 0 {
            job.start.get_or_insert(now);
        }
        job
    }
}

/// How many completions may be credited to a Job now, given its pods, which were listed after it
/// was read, and whether both were the same [`STILL`] ago. 0 for an Indexed Job ([`free_indexes`]
/// is for those) and for a work queue.
pub fn room(job: &Observed, pods: &[Pod], still: bool) -> i32 {
    let Some(completions) = job.completions.filter(|_| !job.indexed && job.takes_credit()) else {
        return 0;
    };
    let left = completions.saturating_sub(job.succeeded);
    let margin = if settled(job, pods) && (still || job.suspended) { 0 } else { job.parallelism };
    left.saturating_sub(held(job, pods)).saturating_sub(margin).max(0)
}

/// The indexes that may be credited to an Indexed Job now, given its pods, which were listed after
/// it was read.
pub fn free_indexes(job: &Observed, pods: &[Pod]) -> Indexes {
    let Some(completions) = job.completions.filter(|_| job.indexed && job.takes_credit()) else {
        return Indexes::default();
    };
    let occupied =
        pods.iter().filter(|pod| pod.phase != pod::Phase::Failed).filter_map(|pod| pod.index);
    let begun = job.ended_indexes().with(&occupied.collect());
    let margin = if job.quiet() || job.untouched() { 0 } else { job.parallelism };
    Indexes::all(completions).without(&begun).split(margin).1
}

/// Pods that may yet be counted as successes: those that the controller tracks and that have not
/// failed, and those that it has noted and not counted.
fn held(job: &Observed, pods: &[Pod]) -> i32 {
    let tracked = pods.iter().filter(|pod| pod.tracked && pod.phase != pod::Phase::Failed);
    count(tracked) + job.uncounted_succeeded
}

/// Whether the Job's status, its pods and its spec agree on how many run, so that the controller
/// has nothing to do.
fn settled(job: &Observed, pods: &[Pod]) -> bool {
    let held = held(job, pods);
    if job.suspended {
        return (job.quiet() || job.untouched()) && held == 0;
    }
    let left =
        job.completions.map_or(i32::MAX, |completions| completions.saturating_sub(job.succeeded));
    let active = count(pods.iter().filter(|pod| pod.active()));
    let uncounted = job.uncounted_succeeded + job.uncounted_failed;
    uncounted == 0 && [held, job.active, job.parallelism.min(left)] == [active; 3]
}

fn count<'a>(pods: impl Iterator<Item = &'a Pod>) -> i32 {
    i32::try_from(pods.count()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn job(spec: Value, status: Value) -> Observed {
        Observed::of(
            &json!({"kind": "Job", "metadata": {"name": "pi", "uid": "u"}, "spec": spec, "status": status}),
        )
    }

    fn pod(phase: &str, index: Option<i32>) -> Pod {
        Pod::of(&json!({
            "metadata": {
                "finalizers": ["batch.kubernetes.io/job-tracking"],
                "annotations": index.map(|index| json!({"batch.kubernetes.io/job-completion-index": index.to_string()})),
            },
            "status": {"phase": phase},
        }))
    }

    fn running(count: usize) -> Vec<Pod> {
        vec![pod("Running", None); count]
    }

    #[test]
    fn the_rest_is_neither_what_succeeded_nor_an_index_that_failed() {
        let indexed = json!({"completions": 5, "completionMode": "Indexed"});
        let status = json!({"succeeded": 2, "completedIndexes": "0,4", "failedIndexes": "1"});
        assert_eq!(
            Credit::rest(&job(indexed, status)),
            Credit::Indexes("2-3".parse().expect("indexes"))
        );
        let counted =
            |succeeded: i32| job(json!({"completions": 5}), json!({"succeeded": succeeded}));
        assert_eq!([2, 5, 6].map(|succeeded| Credit::rest(&counted(succeeded)).count()), [3, 0, 0]);
        let queue = |succeeded: i32| job(json!({}), json!({"succeeded": succeeded}));
        assert_eq!([0, 1, 4].map(|succeeded| Credit::rest(&queue(succeeded)).count()), [1, 0, 0]);
    }

    #[test]
    fn a_job_that_is_left_nothing_gets_a_start_and_keeps_one_that_it_has() {
        let now = Timestamp::from_second(7).expect("a time");
        let spec = json!({"completions": 4, "completionMode": "Indexed", "suspend": true});
        let status = json!({"succeeded": 1, "completedIndexes": "0", "failedIndexes": "1"});
        let read = job(spec, status);
        let part = Credit::Indexes("2".parse().expect("an index")).given(&read, now);
        assert_eq!((part.succeeded, part.start, part.credited.as_deref()), (2, None, Some("2")));
        let all = Credit::rest(&part).given(&part, now);
        assert_eq!(
            (all.succeeded, all.start, all.credited.as_deref()),
            (3, Some(now), Some("2,3"))
        );
        assert_eq!(Credit::rest(&all).given(&all, Timestamp::UNIX_EPOCH).start, Some(now));
    }

    #[test]
    fn of_a_job_that_is_settled_all_that_no_pod_holds_is_free() {
        let job =
            job(json!({"parallelism": 2, "completions": 8}), json!({"active": 2, "succeeded": 1}));
        assert_eq!(room(&job, &running(2), true), 5);
    }

    #[test]
    fn of_a_job_that_was_not_still_a_parallelism_more_is_left_out() {
        let job =
            job(json!({"parallelism": 2, "completions": 8}), json!({"active": 2, "succeeded": 1}));
        assert_eq!(
            room(&job, &running(2), false),
            3,
            "both pods may have ended and been replaced meanwhile"
        );
    }

    #[test]
    fn where_pods_and_status_differ_a_parallelism_more_is_left_out() {
        let spec = json!({"parallelism": 2, "completions": 8});
        let status = json!({"active": 1, "succeeded": 1});
        assert_eq!(
            room(&job(spec.clone(), status), &running(2), true),
            3,
            "a pod that the status does not know yet"
        );
        let status =
            json!({"active": 2, "succeeded": 1, "uncountedTerminatedPods": {"succeeded": ["a"]}});
        assert_eq!(
            room(&job(spec.clone(), status), &running(2), true),
            2,
            "a success that is not counted yet"
        );
        let status = json!({"active": 2, "succeeded": 6});
        assert_eq!(room(&job(spec, status), &running(2), true), 0);
    }

    #[test]
    fn a_pod_that_failed_holds_nothing_and_one_that_succeeded_does_until_it_is_counted() {
        let job = job(json!({"parallelism": 2, "completions": 8}), json!({"active": 2}));
        let mut pods = running(2);
        pods.push(pod("Failed", None));
        assert_eq!(room(&job, &pods, true), 6);
        pods.push(pod("Succeeded", None));
        assert_eq!(room(&job, &pods, true), 3);
    }

    #[test]
    fn of_a_quiet_suspended_job_all_is_free() {
        let spec = json!({"parallelism": 2, "completions": 8, "suspend": true});
        let seen = json!([{"type": "Suspended", "status": "True"}]);
        assert_eq!(
            room(&job(spec.clone(), json!({"succeeded": 1, "conditions": seen})), &[], false),
            7
        );
        assert_eq!(
            room(&job(spec.clone(), json!({"succeeded": 1})), &[], false),
            5,
            "the controller has not seen it"
        );
        let ending = json!({"succeeded": 1, "terminating": 1, "conditions": seen});
        assert_eq!(room(&job(spec, ending), &[], false), 5);
    }

    #[test]
    fn of_an_indexed_job_the_tail_is_free_but_for_what_is_about_to_start() {
        let spec = json!({"parallelism": 2, "completions": 10, "completionMode": "Indexed"});
        let status =
            json!({"active": 2, "succeeded": 2, "completedIndexes": "0,8", "failedIndexes": "1"});
        let pods = [pod("Running", Some(2)), pod("Running", Some(3)), pod("Failed", Some(4))];
        assert_eq!(free_indexes(&job(spec.clone(), status.clone()), &pods).to_string(), "6,7,9");
        assert_eq!(room(&job(spec, status), &pods, false), 0);
    }

    #[test]
    fn what_has_ended_or_is_about_to_is_not_credited() {
        let spec = json!({"parallelism": 2, "completions": 8});
        for kind in ["Complete", "Failed", "FailureTarget", "SuccessCriteriaMet"] {
            let status = json!({"conditions": [{"type": kind, "status": "True"}]});
            assert_eq!(room(&job(spec.clone(), status.clone()), &[], true), 0, "{kind}");
            let mut indexed = spec.clone();
            indexed["completionMode"] = "Indexed".into();
            assert!(free_indexes(&job(indexed, status), &[]).is_empty(), "{kind}");
        }
    }
}
