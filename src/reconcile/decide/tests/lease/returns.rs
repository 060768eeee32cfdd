//! Pods that kubelets have ended after a lease, and that count once their cluster is back.

use super::*;
use crate::state::Origin;

/// When nothing of a shard runs any more whose lease was never renewed.
const OVER: i64 = START + LEASE + LEASE + 30 + 60;

/// A Job with limits that one failed pod would exceed, whose second cluster was silent beyond its
/// lease. `failed` pods had failed there before.
fn given_up(spec: Value, failed: i32) -> Record {
    let mut record = begun(spec);
    record.shards.get_mut(&2).and_then(|it| it.seen.as_mut()).expect("seen").failed = failed;
    record.shards.get_mut(&2).expect("there").parallelism = 3;
    let record = decide(&record, &seen(&record, [(1, running(&record, 1))]), at(OVER)).record;
    assert!(record.shards[&2].is_lost());
    record
}

/// What is decided once the second cluster says this of its Job.
fn after(record: &Record, job: Observed, second: i64) -> Decision {
    let both = seen(record, [(1, running(record, 1)), (2, job)]);
    let decision = decide(record, &both, at(second));
    let again = decide(&decision.record, &both, at(second + 9)).record;
    assert_eq!(again.shards[&2], decision.record.shards[&2], "nothing is written for it again");
    decision
}

fn with_end(kind: EndKind, reason: &str, second: i64, job: Observed) -> Observed {
    Observed { end: Some(End { kind, ..deadline(reason, second) }), ..job }
}

/// The Job of the second shard, of which kubelets have ended three pods.
fn killed(record: &Record) -> Observed {
    let failed_indexes = record.shards[&2].indexes.clone().unwrap_or_default();
    Observed { active: 0, failed: 3, failed_indexes, parallelism: 3, ..running(record, 2) }
}

/// Each way in which the Job of a shard that was given up is seen, and in which it ends.
fn states(record: &Record) -> Vec<(&'static str, Observed)> {
    let running = killed(record);
    let stopped = Observed { suspended: true, suspension_seen: true, ..running.clone() };
    let cleared = Observed { start: None, ..stopped.clone() };
    // No server accepts an end without a start, so it gets one.
    let restarted = Observed { start: Some(at(OVER + 100)), ..stopped.clone() };
    let ends = |kind, reason, job: &Observed| with_end(kind, reason, OVER + 200, job.clone());
    vec![
        ("it runs", running.clone()),
        ("it is stopped", stopped.clone()),
        ("it has no start", cleared),
        ("it was stopped", ends(EndKind::Complete, "", &stopped)),
        ("it was stopped, and started", ends(EndKind::Complete, "", &restarted)),
        ("deadline", ends(EndKind::Failed, "DeadlineExceeded", &running)),
        ("limit", ends(EndKind::Failed, "BackoffLimitExceeded", &running)),
        ("limit once stopped", ends(EndKind::Failed, "BackoffLimitExceeded", &restarted)),
        ("policy", ends(EndKind::Failed, "PodFailurePolicy", &running)),
        ("policy once stopped", ends(EndKind::Failed, "PodFailurePolicy", &restarted)),
        ("indexes", ends(EndKind::Failed, "MaxFailedIndexesExceeded", &restarted)),
    ]
}

#[test]
fn pods_that_ended_by_a_lease_are_no_failures_however_their_job_is_seen_then() {
    for spec in [
        json!({"completions": 6, "backoffLimit": 0}),
        json!({"completions": 6, "completionMode": "Indexed", "backoffLimitPerIndex": 0,
            "maxFailedIndexes": 0}),
    ] {
        let record = given_up(spec, 0);
        for (case, job) in states(&record) {
            let decided = after(&record, job, OVER + 300).record;
            assert_eq!(decided.state.outcome, None, "{case}");
            assert_eq!(decided.failed_pods(), 0, "{case}");
            assert_eq!(decided.failed_indexes(), Indexes::default(), "{case}");
            assert_eq!(decided.spec(1).backoff_limit, record.spec(1).backoff_limit, "{case}");
        }
    }
}

#[test]
fn what_failed_before_a_shard_was_given_up_stays_failed() {
    let record = given_up(json!({"completions": 6, "backoffLimit": 6}), 2);
    for (case, job) in states(&record) {
        let decided = after(&record, Observed { failed: 5, ..job }, OVER + 300).record;
        assert_eq!(decided.failed_pods(), 2, "{case}");
    }
    // More than may have run at once failed by themselves.
    let end = with_end(EndKind::Complete, "", OVER + 200, killed(&record));
    let decided = after(&record, Observed { failed: 6, ..end }, OVER + 300).record;
    assert_eq!(decided.failed_pods(), 3);
}

#[test]
fn failures_within_the_lease_of_a_lost_cluster_count() {
    let record = begun(json!({"completions": 6, "backoffLimit": 6}));
    let mut lost = record.clone();
    let declared = crate::state::Acceptance::new(Accepted::Lost, "", "alice", 7);
    lost.give_up("c2", &[2], &declared);
    let job = killed(&lost);
    let decided = after(&lost, job.clone(), START + 100).record;
    assert_eq!(decided.failed_pods(), 3, "it is back within its lease");
    let decided = after(&lost, job, OVER).record;
    assert_eq!(decided.failed_pods(), 0, "its lease has passed meanwhile");
}

#[test]
fn a_policy_that_has_decided_before_the_end_of_a_lease_decides() {
    let condition = |second| {
        json!({"type": "FailureTarget", "status": "True", "reason": "PodFailurePolicy",
            "lastTransitionTime": at(second).to_string()})
    };
    for (judged, decides) in [(START + LEASE - 1, true), (START + LEASE, false)] {
        let running = begun(json!({"completions": 6, "backoffLimit": 0}));
        for record in [running, given_up(json!({"completions": 6, "backoffLimit": 0}), 0)] {
            let conditions = vec![condition(judged)];
            let job = Observed { conditions, ..killed(&record) };
            let job = with_end(EndKind::Failed, "PodFailurePolicy", START + LEASE + 20, job);
            let decided = after(&record, job, OVER + 300).record;
            let outcome = decided.state.outcome.map(|outcome| outcome.reason);
            assert_eq!(outcome.as_deref(), decides.then_some("PodFailurePolicy"), "{judged}");
        }
    }
}

#[test]
fn a_shard_whose_lease_has_passed_is_left_to_its_job_controller() {
    for spec in [
        json!({"completions": 6, "backoffLimit": 0}),
        json!({"completions": 6, "completionMode": "Indexed", "backoffLimitPerIndex": 0}),
    ] {
        let mut record = begun(spec);
        // Its cluster is drained, and nothing in it is to go on.
        record.shards.get_mut(&2).expect("there").retired = true;
        let retire = Action::Retire { shard: 2, uid: "u2".into() };
        let alive = running(&record, 2);
        let before = after(&record, alive.clone(), START + LEASE - 1);
        assert!(before.actions.contains(&retire), "{:?}", before.actions);
        // A suspended Job has no deadline.
        let passed = after(&record, alive, START + LEASE);
        assert!(!passed.actions.contains(&retire), "{:?}", passed.actions);
        let counted = after(&record, killed(&record), START + LEASE + 100);
        assert!(!counted.actions.contains(&retire), "{:?}", counted.actions);
        assert_eq!(counted.record.state.outcome, None);
        assert_eq!(counted.record.failed_pods(), 0);
        assert_eq!(counted.record.failed_indexes(), Indexes::default());
        // It has done all its work, and its Job controller judges the deadline first.
        let end = killed(&record);
        let end = Observed { succeeded: 9, completed_indexes: Indexes::all(9), ..end };
        let end = with_end(EndKind::Failed, "DeadlineExceeded", START + LEASE + 200, end);
        let ended = after(&record, end, START + LEASE + 200).record;
        assert_eq!((ended.shards[&2].phase, ended.failed_pods()), (Phase::Complete, 0));
    }
}

#[test]
fn the_lease_of_a_cluster_ends_although_the_record_was_moved_meanwhile() {
    let mut record = begun(json!({"completions": 6}));
    record.state.origin = Some(Origin::Move);
    record.state.unlisted = ["c2".to_owned()].into();
    let silent = |record: &Record| seen(record, [(1, running(record, 1))]);
    let before = decide(&record, &silent(&record), at(OVER - 1)).record;
    assert!(before.state.unlisted.contains("c2") && !before.shards[&2].is_lost());
    let after = decide(&record, &silent(&record), at(OVER)).record;
    assert!(after.shards[&2].is_lost());
    assert!(after.state.unlisted.is_empty() && after.state.origin.is_none());
    let opened: i32 = after.shards.range(3..).filter_map(|(_, it)| it.completions).sum();
    assert_eq!(opened, 3, "its work goes on in the other");
    // A shard whose end is not known may run still.
    record.add(Shard { lease: None, ..record.shards[&2].clone() });
    let after = decide(&record, &silent(&record), at(OVER)).record;
    assert!(after.shards[&2].is_lost() && after.state.unlisted.contains("c2"));
}
