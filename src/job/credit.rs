//! How much work may be taken off a running Job: the rules of a credit; pure.
//!
//! A credit raises `status.succeeded` (and `status.completedIndexes`) of a Job. The Job controller
//! believes it, so that the Job has that much less to do. A change of the spec cannot do that,
//! because completions are immutable. The controller acts on the state that it saw last: a credit
//! that is too large makes it delete running pods, or counts a completion twice. These rules hold
//! on Kubernetes 1.30 to 1.37; `tests/stress` tries to break them.
//!
//! 1. **How much.** Read the Job first and its pods after it. The controller creates pods *before*
//!    the status counts them, so do not trust `active`. Every pod that the controller tracks and
//!    that has not failed can be counted as a success at any moment. The controller may also be
//!    about to create up to `parallelism` more pods. Leave that many completions out; a later
//!    credit takes them. The controller has nothing to create if status, pods and spec agree (the
//!    Job is *settled*) and nothing has changed for [`STILL`]. Then every completion may be
//!    credited that is not counted and that no pod holds. Agreement alone is not enough: the
//!    controller handles the change of a pod a second later, and replaces all pods that have ended
//!    until then before it writes the status.
//! 2. **Indexed.** The same by index. Credit indexes from the end that have not ended and have no
//!    pod. Leave out the first `parallelism` of them, because the controller starts these next. A
//!    pod that is found on a credited index later ran this index twice, and is reported.
//! 3. **All at once.** Suspend the Job, wait until it is quiet, and credit everything. The pods
//!    that this stops are not counted as failures. A suspended Job on 1.36 cannot finish without
//!    `startTime`: the credit that leaves nothing to do writes one if there is none.
//! 4. Never credit a running index, a Job that has ended or is about to end, or more than is left.
//!    Never take a credit back: work that returns goes to a new shard.
//! 5. A credit is one write of status and annotation under the resourceVersion that was read. If
//!    the Job has changed, read everything again. The annotation tells later whether the write
//!    happened, also if the connection broke.
//! 6. **What a shard achieved** is what it counts less what it was credited.

use std::time::Duration;

use jiff::Timestamp;

use super::{Indexes, Observed, Pod, pod};

/// The time without a change of a Job and its pods after which the Job controller has handled every
/// change. It waits a second after the change of a pod, to handle several together
/// (`SyncJobBatchPeriod`). The rest is for its own work.
pub const STILL: Duration = Duration::from_millis(1500);

/// Completions that are credited to a Job: it is told that they are done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credit {
    /// A number of completions, 0 or more, for a Job that is not Indexed. A work queue needs one to
    /// end.
    Count(i32),
    /// These indexes, for an Indexed Job.
    Indexes(Indexes),
}

impl Credit {
    /// All that is left to do in a Job. A failed index is not among it: no server accepts it as
    /// both failed and completed.
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

    /// The number of completions.
    pub fn count(&self) -> i32 {
        match self {
            Self::Count(count) => *count,
            Self::Indexes(indexes) => indexes.len(),
        }
    }

    /// The Job after this credit was written, before the Job controller has seen it. If nothing is
    /// left to do, the Job has a `startTime`: a suspended Job does not end without one.
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

/// How many completions may be credited to a Job now. `pods` were listed after the Job was read;
/// `still` says whether both have been unchanged for [`STILL`]. 0 for a work queue, and for an
/// Indexed Job, which [`free_indexes`] is for.
pub fn room(job: &Observed, pods: &[Pod], still: bool) -> i32 {
    let Some(completions) = job.completions.filter(|_| !job.indexed && job.takes_credit()) else {
        return 0;
    };
    let left = completions.saturating_sub(job.succeeded);
    let margin = if settled(job, pods) && (still || job.suspended) { 0 } else { job.parallelism };
    left.saturating_sub(held(job, pods)).saturating_sub(margin).max(0)
}

/// The indexes that may be credited to an Indexed Job now. `pods` were listed after the Job was
/// read.
pub fn free_indexes(job: &Observed, pods: &[Pod]) -> Indexes {
    let Some(completions) = job.completions.filter(|_| job.indexed && job.takes_credit()) else {
        return Indexes::default();
    };
    // A failed pod that is not counted yet may make its index fail for good, where the limit is per
    // index. No server keeps an index that is both failed and completed.
    let judged = |pod: &Pod| {
        pod.phase == pod::Phase::Failed && (!pod.tracked || job.backoff_limit_per_index.is_none())
    };
    let occupied = pods.iter().filter(|pod| !judged(pod)).filter_map(|pod| pod.index);
    let begun = job.ended_indexes().with(&occupied.collect());
    let margin = if job.quiet() || job.untouched() { 0 } else { job.parallelism };
    Indexes::all(completions).without(&begun).split(margin).1
}

/// How many pods of a suspended Job must end or be counted before the Job can be told how it ended.
pub fn moving(job: &Observed, pods: &[Pod]) -> usize {
    let is_moving = |pod: &&Pod| !pod.ended() || (pod.tracked && !awaits_successor(job, pod));
    pods.iter().filter(is_moving).count()
}

/// Whether the Job controller keeps a failed pod, uncounted, until it has created the next pod of
/// its index (KEP-3850). A suspended Job creates none, so nobody may wait for such a pod, and a
/// deletion of the pod waits for it as well.
///
/// A failure that a rule ignores does not count for the limit: its index is tried again although it
/// has none left. Which failures those are only the Job controller says.
pub fn awaits_successor(job: &Observed, pod: &Pod) -> bool {
    let may_retry = |limit| pod.index_failures < limit || job.ignores_failures;
    job.backoff_limit_per_index.is_some_and(may_retry)
        && pod.phase == pod::Phase::Failed
        && pod.tracked
}

/// Pods that can still be counted as successes: those that the controller tracks and that have not
/// failed, and those in `uncountedTerminatedPods`.
fn held(job: &Observed, pods: &[Pod]) -> i32 {
    let tracked = pods.iter().filter(|pod| pod.tracked && pod.phase != pod::Phase::Failed);
    count(tracked) + job.uncounted_succeeded
}

/// Whether the Job's status, pods and spec agree on how many pods run. Then the controller has
/// nothing to do.
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
        Observed::from_object(
            &json!({"kind": "Job", "metadata": {"name": "pi", "uid": "u"}, "spec": spec,
                "status": status}),
        )
    }

    fn pod(phase: &str, index: Option<i32>) -> Pod {
        Pod::from_object(&json!({
            "metadata": {
                "finalizers": ["batch.kubernetes.io/job-tracking"],
                "annotations": index.map(|index| {
                    json!({"batch.kubernetes.io/job-completion-index": index.to_string()})
                }),
            },
            "status": {"phase": phase},
        }))
    }

    fn running(count: usize) -> Vec<Pod> {
        vec![pod("Running", None); count]
    }

    #[test]
    fn a_stopped_job_waits_for_no_failed_pod_whose_successor_it_will_never_create() {
        let job = |limit: Option<i32>| {
            let spec = json!({"completions": 5, "completionMode": "Indexed", "suspend": true,
                "backoffLimitPerIndex": limit});
            job(spec, json!({}))
        };
        let failed = |failures: i32| Pod { index_failures: failures, ..pod("Failed", Some(0)) };
        let deleted = Pod { deleting: true, ..failed(0) };
        let counted = Pod { tracked: false, ..failed(1) };
        for (limit, pod, expected) in [
            (Some(1), failed(0), 0),
            (Some(1), failed(1), 1),
            (Some(0), failed(0), 1),
            (None, failed(0), 1),
            (Some(1), deleted, 0),
            (Some(1), counted, 0),
            (Some(1), self::pod("Running", Some(0)), 1),
            (Some(1), self::pod("Succeeded", Some(0)), 1),
        ] {
            let moving = moving(&job(limit), std::slice::from_ref(&pod));
            assert_eq!(moving, expected, "{limit:?} {pod:?}");
        }
    }

    #[test]
    fn an_index_whose_failed_pod_is_not_counted_is_not_credited_where_the_limit_is_per_index() {
        let spec = |limit: Option<i32>| {
            json!({"completions": 4, "parallelism": 1, "completionMode": "Indexed",
                "backoffLimitPerIndex": limit})
        };
        let failed = [pod("Failed", Some(3))];
        let free = |limit| free_indexes(&job(spec(limit), json!({})), &failed).to_string();
        assert_eq!((free(None), free(Some(1))), ("1-3".to_owned(), "1,2".to_owned()));
    }

    #[test]
    fn succeeded_and_failed_indexes_are_not_left_to_do() {
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
    fn a_credit_that_leaves_nothing_sets_a_missing_start_time() {
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
    fn a_settled_job_can_be_credited_all_that_no_pod_holds() {
        let job =
            job(json!({"parallelism": 2, "completions": 8}), json!({"active": 2, "succeeded": 1}));
        assert_eq!(room(&job, &running(2), true), 5);
    }

    #[test]
    fn a_job_that_changed_lately_keeps_a_parallelism_more() {
        let job =
            job(json!({"parallelism": 2, "completions": 8}), json!({"active": 2, "succeeded": 1}));
        assert_eq!(
            room(&job, &running(2), false),
            3,
            "both pods may have ended and been replaced meanwhile"
        );
    }

    #[test]
    fn a_job_whose_pods_and_status_differ_keeps_a_parallelism_more() {
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
    fn a_quiet_suspended_job_can_be_credited_everything() {
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
    fn an_indexed_job_keeps_the_indexes_that_start_next() {
        let spec = json!({"parallelism": 2, "completions": 10, "completionMode": "Indexed"});
        let status =
            json!({"active": 2, "succeeded": 2, "completedIndexes": "0,8", "failedIndexes": "1"});
        let pods = [pod("Running", Some(2)), pod("Running", Some(3)), pod("Failed", Some(4))];
        assert_eq!(free_indexes(&job(spec.clone(), status.clone()), &pods).to_string(), "6,7,9");
        assert_eq!(room(&job(spec, status), &pods, false), 0);
    }

    #[test]
    fn a_job_that_has_ended_or_is_about_to_end_takes_no_credit() {
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
