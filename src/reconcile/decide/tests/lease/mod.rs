//! Leases: when they are renewed, and when the work of a silent cluster moves.

mod clocks;
mod members;
mod returns;

use super::*;
use crate::{
    job::Lease,
    reconcile::act::bodies,
    state::{Accepted, Consent, MemberLease},
};

/// The length of the leases here.
const LEASE: i64 = 600;

/// When the Jobs here have started.
const START: i64 = 10_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

fn member_lease() -> MemberLease {
    MemberLease { seconds: LEASE, consent: Consent { who: "alice".into(), when: 7 } }
}

/// A record of running shards with a lease, each in a member of its own.
fn leased(mut spec: Value, shards: usize) -> Record {
    // A work queue would open further shards for free pods.
    spec["parallelism"] = if spec["completions"].is_null() { 2 } else { 4 }.into();
    let mut record = self::record(spec, &vec![(Phase::Started, Some(3)); shards]);
    let lease = Lease::planned(&record.manifest, Some(LEASE), START);
    let size = record.manifest.size();
    let mut left = Indexes::all(size.completions.unwrap_or(0));
    let is_indexed = record.manifest.indexed();
    for shard in record.shards.values_mut() {
        shard.lease.clone_from(&lease);
        if size.completions.is_none() {
            shard.completions = None;
        }
        if is_indexed {
            let (own, rest) = left.split(3);
            (shard.indexes, left) = (Some(own), rest);
        }
    }
    record
}

/// The Job of a shard as the ledger has it, running since [`START`].
fn running(record: &Record, id: u32) -> Observed {
    Observed {
        start: Some(at(START)),
        active: 1,
        active_deadline_seconds: record.spec(id).active_deadline_seconds,
        credited: record.manifest.indexed().then(|| "6-9".to_owned()),
        ..job(record, id)
    }
}

/// What all members say in which shards have such Jobs; others do not answer.
fn seen(record: &Record, jobs: impl IntoIterator<Item = (u32, Observed)>) -> Observations {
    let jobs: Vec<_> = jobs.into_iter().collect();
    let mut observations = listed(record, jobs.clone());
    for (id, shard) in &record.shards {
        let place = Place { lease: Some(member_lease()), ..ready() };
        observations.places.insert(shard.cluster.clone(), place);
        if !jobs.iter().any(|(other, _)| other == id) {
            let why = "refused".to_owned();
            observations.members.insert(shard.cluster.clone(), Observation::Unknown { why });
        }
    }
    observations
}

fn lease(record: &Record, id: u32) -> Lease {
    record.shards[&id].lease.clone().expect("a lease")
}

/// The end of a Job that failed.
fn deadline(reason: &str, second: i64) -> End {
    let message = "over".into();
    End { kind: EndKind::Failed, reason: reason.into(), message, at: Some(at(second)) }
}

/// The record once both shards were seen to run.
fn begun(spec: Value) -> Record {
    let record = leased(spec, 2);
    let both = seen(&record, [1, 2].map(|id| (id, running(&record, id))));
    decide(&record, &both, at(START + 1)).record
}

#[test]
fn a_lease_is_renewed_once_less_than_half_is_left() {
    let record = begun(json!({"completions": 6}));
    assert_eq!(lease(&record, 1).until, Some(START + LEASE));
    for (passed, deadline) in [(299, None), (300, None), (301, Some(901)), (599, Some(1199))] {
        let both = seen(&record, [1, 2].map(|id| (id, running(&record, id))));
        let decision = decide(&record, &both, at(START + passed));
        let renews = decision.actions.contains(&Action::Change { shard: 1, uid: "u1".into() });
        assert_eq!(renews, deadline.is_some(), "after {passed} seconds");
        let Some(deadline) = deadline else {
            assert_eq!(decision.record, record, "nothing is written");
            continue;
        };
        let until = lease(&decision.record, 1).until;
        assert_eq!(until, Some(START + deadline), "it is recorded before it is written");
        let shard = &decision.record.shards[&1];
        assert!(shard.lacks_renewal_alone(&running(&record, 1)));
        let patch = bodies::change(&decision.record, 1, &running(&record, 1));
        assert_eq!(patch["spec"], json!({"activeDeadlineSeconds": deadline}));
    }
}

#[test]
fn a_lease_that_has_passed_is_over_though_nobody_has_ended_its_job_yet() {
    let record = begun(json!({"completions": 6, "backoffLimit": 0}));
    let jobs = [1, 2].map(|id| (id, running(&record, id)));
    let both = |record: &Record| seen(record, jobs.clone());
    // Whatever is recorded and has not arrived: a renewal, or a change by a user.
    let renewed = decide(&record, &both(&record), at(START + 590)).record;
    let mut edited = record.clone();
    edited.shards.values_mut().for_each(Shard::change);
    let mut resumed = edited.clone();
    for shard in resumed.shards.values_mut() {
        shard.start_before_resume = Some(START);
        shard.lease.as_mut().expect("leased").restart(300);
    }
    let cases = [
        ("nothing", record),
        ("a renewal", renewed),
        ("an edit", edited),
        ("a suspension and a resume", resumed),
    ];
    for (case, record) in cases {
        let last = decide(&record, &both(&record), at(START + LEASE - 1));
        let change = Action::Change { shard: 1, uid: "u1".into() };
        assert!(last.actions.contains(&change), "{case}: {:?}", last.actions);
        for passed in [LEASE, LEASE + 100] {
            let late = decide(&record, &both(&record), at(START + passed));
            assert_eq!(late.actions, [], "{case} after {passed} seconds");
            let of = |record: &Record| lease(record, 1).deadline_seconds;
            assert_eq!(of(&late.record), of(&record), "{case} after {passed} seconds");
        }
        let mut refused = both(&record);
        refused.add("c1", 1, Answer::Refused("no".into()));
        let late = decide(&record, &refused, at(START + LEASE + 100));
        assert_eq!(late.actions, [], "{case}, refused");
        // By a local clock that is fast it may only seem so.
        let mut unknown = both(&record);
        unknown.clocks = Clocks::unknown();
        let believed = decide(&record, &unknown, at(START + LEASE + 100));
        assert!(believed.actions.contains(&change), "{case}: {:?}", believed.actions);
        // Its Job controller is back, and counts the pods that kubelets have ended.
        let end = Some(deadline("BackoffLimitExceeded", START + LEASE + 200));
        let two = Observed { active: 0, failed: 1, end, ..jobs[1].1.clone() };
        let ended = seen(&record, [jobs[0].clone(), (2, two)]);
        let decided = decide(&record, &ended, at(START + LEASE + 200)).record;
        assert!(decided.shards[&2].has_expired(), "{case}");
        assert_eq!(decided.state.outcome, None, "{case}");
    }
}

#[test]
fn a_shard_whose_cluster_refuses_a_change_is_renewed_alone() {
    let mut record = begun(json!({"completions": 6}));
    let job = running(&record, 1);
    record.shards.get_mut(&1).expect("one").change();
    let both = |record: &Record| seen(record, [(1, job.clone()), (2, running(record, 2))]);
    let change = Action::Change { shard: 1, uid: "u1".into() };
    let first = decide(&record, &both(&record), at(START + 100));
    assert!(first.actions.contains(&change), "the change comes first: {:?}", first.actions);
    let refused = |record: &Record| {
        let mut observations = both(record);
        observations.add("c1", 1, Answer::Refused("no".into()));
        observations
    };
    let early = decide(&record, &refused(&record), at(START + 100));
    assert_eq!((early.actions, &early.record), (vec![], &record), "it lasts long enough");
    let renewal = Action::Renew { shard: 1, uid: "u1".into() };
    let due = decide(&record, &refused(&record), at(START + 301));
    assert!(due.actions.contains(&renewal), "{:?}", due.actions);
    assert_eq!(lease(&due.record, 1).until, Some(START + 901), "it is recorded before");
    let (now, then) = (&due.record.shards[&1], &record.shards[&1]);
    assert_eq!(now.generation, then.generation, "the change is still to be made");
    let body = bodies::renewal(&due.record, 1);
    assert_eq!(body, json!({"spec": {"activeDeadlineSeconds": 901}}));
    let again = decide(&due.record, &refused(&due.record), at(START + 301));
    assert!(again.actions.contains(&renewal) && again.record == due.record, "{again:?}");
    let longer = Observed { active_deadline_seconds: Some(901), ..job.clone() };
    let mut renewed = seen(&due.record, [(1, longer), (2, running(&due.record, 2))]);
    renewed.add("c1", 1, Answer::Refused("no".into()));
    let after = decide(&due.record, &renewed, at(START + 302));
    assert!(!after.actions.contains(&renewal), "it has it: {:?}", after.actions);
}

#[test]
fn no_renewal_passes_the_users_deadline() {
    let record = begun(json!({"completions": 6, "activeDeadlineSeconds": 700}));
    let both = seen(&record, [1, 2].map(|id| (id, running(&record, id))));
    let renewed = decide(&record, &both, at(START + 400)).record;
    assert_eq!(renewed.spec(1).active_deadline_seconds, Some(700));
    let both = seen(&renewed, [1, 2].map(|id| (id, running(&renewed, id))));
    let later = decide(&renewed, &both, at(START + 690));
    assert_eq!(later.actions, [], "the user's deadline is reached already");
}

#[test]
fn the_work_of_a_silent_cluster_moves_once_its_lease_is_over_and_not_before() {
    for mode in ["NonIndexed", "Indexed"] {
        let record = begun(json!({"completions": 6, "completionMode": mode}));
        let one = running(&record, 1);
        // A pod may start until the deadline, and runs for a whole lease of its own.
        let over = START + LEASE + LEASE + 30 + 60;
        let before = decide(&record, &seen(&record, [(1, one.clone())]), at(over - 1)).record;
        assert_eq!(before.shards[&2].given_up, None, "{mode}");
        let after = decide(&record, &seen(&record, [(1, one)]), at(over)).record;
        assert_eq!(after.shards[&2].given_up, Some(0), "{mode}");
        let opened: Vec<_> = after.shards.range(3..).collect();
        assert!(!opened.is_empty(), "{mode}");
        for (_, shard) in &opened {
            assert_eq!(shard.cluster, "c1", "the silent cluster gets no more");
            assert_eq!(shard.lease.as_ref().map(|lease| lease.seconds), Some(LEASE));
        }
        let work: i32 = opened.iter().filter_map(|(_, shard)| shard.completions).sum();
        assert_eq!(work, 3, "{mode}");
        let accepted = &after.state.accepted[0];
        assert_eq!((accepted.what, accepted.who.as_str()), (Accepted::Leased, "alice"));
        assert_eq!(accepted.detail, "3 completions of cluster c2 since 1970-01-01T03:08:10Z");
    }
}

#[test]
fn nothing_moves_while_it_is_not_known_when_a_lease_ends() {
    let spec = json!({"completions": 6});
    let mut record = leased(spec, 2);
    // Its Job may be about to start, whoever was to start it.
    for shard in record.shards.values_mut() {
        shard.phase = Phase::Created;
    }
    let resumed = |record: &Record| Observed { start: None, ..running(record, 2) };
    let both = seen(&record, [(1, running(&record, 1)), (2, resumed(&record))]);
    record = decide(&record, &both, at(START)).record;
    assert_eq!(lease(&record, 2).until, None);
    let silent = seen(&record, [(1, running(&record, 1))]);
    let later = decide(&record, &silent, at(START + 100 * LEASE)).record;
    assert_eq!(later.shards[&2].given_up, None);
}

#[test]
fn a_cluster_that_has_yet_to_be_listed_keeps_its_work() {
    // The record may be an old one, and the lease renewed since.
    let mut record = begun(json!({"completions": 6}));
    record.state.unlisted = ["c2".to_owned()].into();
    let silent = seen(&record, [(1, running(&record, 1))]);
    let later = decide(&record, &silent, at(START + 100 * LEASE)).record;
    assert_eq!(later.shards[&2].given_up, None);
}

#[test]
fn a_job_that_its_lease_ended_has_not_failed() {
    for (reason, after, seconds, own, expires) in [
        ("DeadlineExceeded", 605, 600, None, true),
        ("DeadlineExceeded", 605, 600, Some(5000), true),
        ("DeadlineExceeded", 605, 500, Some(500), false),
        ("DeadlineExceeded", 605, 20, None, false),
        ("BackoffLimitExceeded", 605, 600, None, true),
        ("BackoffLimitExceeded", 580, 600, None, false),
        ("BackoffLimitExceeded", 5, 600, None, false),
        ("BackoffLimitExceeded", 605, 600, Some(5000), true),
        ("BackoffLimitExceeded", 605, 500, Some(500), false),
        ("PodFailurePolicy", 605, 600, None, true),
        ("PodFailurePolicy", 580, 600, None, false),
    ] {
        let mut spec = json!({"completions": 6, "backoffLimit": 0});
        if let Some(own) = own {
            spec["activeDeadlineSeconds"] = own.into();
        }
        let record = begun(spec);
        let ended = Observed {
            active: 0,
            failed: 1,
            succeeded: 1,
            active_deadline_seconds: Some(seconds),
            end: Some(deadline(reason, START + after)),
            ..running(&record, 2)
        };
        let ended = seen(&record, [(1, running(&record, 1)), (2, ended)]);
        let decided = decide(&record, &ended, at(START + 5000)).record;
        let case = format!("{reason} after {after} s, {seconds} of {own:?}");
        assert_eq!(decided.state.outcome.is_none(), expires, "{case}");
        if expires {
            assert!(decided.shards[&2].has_expired(), "{case}");
            assert_eq!(decided.failed_pods(), 0, "{case}: its lease ended the pod");
            let opened: i32 = decided.shards.range(3..).filter_map(|(_, it)| it.completions).sum();
            assert_eq!(opened, 2, "{case}");
            let again = decide(&decided, &ended, at(START + 5000)).record;
            assert_eq!(again, decided, "{case}");
        }
    }
}

#[test]
fn failures_from_before_the_last_contact_stay_failures() {
    let mut record = begun(json!({"completions": 6, "backoffLimit": 6}));
    record.shards.get_mut(&2).and_then(|shard| shard.seen.as_mut()).expect("seen").failed = 2;
    record.shards.get_mut(&2).expect("there").parallelism = 2;
    let end = Some(deadline("DeadlineExceeded", START + 605));
    let ended = Observed { active: 0, failed: 5, end, parallelism: 2, ..running(&record, 2) };
    let ended = seen(&record, [(1, running(&record, 1)), (2, ended)]);
    let decided = decide(&record, &ended, at(START + 5000)).record;
    assert_eq!(decided.failed_pods(), 3, "as many as may have run were ended");
    // The ledger asks for fewer pods than the Job had.
    record.shards.get_mut(&2).expect("there").parallelism = 1;
    let decided = decide(&record, &ended, at(START + 5000)).record;
    assert_eq!(decided.failed_pods(), 3, "a change had not arrived");
}

#[test]
fn a_work_queue_goes_on_after_a_lease_has_ended_a_shard() {
    let record = begun(json!({"completions": null}));
    let expired = Some(deadline("DeadlineExceeded", START + 605));
    let two = Observed { active: 0, end: expired, ..running(&record, 2) };
    let alone = seen(&record, [(1, running(&record, 1)), (2, two.clone())]);
    let goes_on = decide(&record, &alone, at(START + 700)).record;
    assert_eq!(goes_on.state.outcome, None);
    let pods: i32 = goes_on.shards.range(3..).map(|(_, shard)| shard.parallelism).sum();
    assert!(pods > 0, "its pods go on elsewhere");
    let end = Some(end(EndKind::Complete, START + 300));
    let one = Observed { active: 0, succeeded: 1, end, ..running(&record, 1) };
    let both = seen(&record, [(1, one), (2, two)]);
    let decided = decide(&record, &both, at(START + 700)).record;
    let verdict = decided.state.outcome.map(|outcome| outcome.verdict);
    assert_eq!(verdict, Some(Verdict::Complete), "an expiry is no failure");
}

#[test]
fn pods_that_a_lease_is_ending_have_not_failed() {
    // Since 1.31 they count as failed before the Job is Failed, which waits for their end.
    let mut record = begun(json!({"completions": 6, "backoffLimit": 1}));
    record.shards.get_mut(&2).expect("there").parallelism = 3;
    let ending = Observed { active: 0, failed: 3, ending: true, ..running(&record, 2) };
    let two = seen(&record, [(1, running(&record, 1)), (2, ending.clone())]);
    let between = decide(&record, &two, at(START + 610)).record;
    assert_eq!(between.state.outcome, None);
    assert_eq!(between.failed_pods(), 0);
    let end = Some(deadline("DeadlineExceeded", START + 605));
    let ended = Observed { end, ..ending };
    let two = seen(&record, [(1, running(&record, 1)), (2, ended)]);
    let decided = decide(&between, &two, at(START + 640)).record;
    assert_eq!(decided.state.outcome, None);
    assert!(decided.shards[&2].has_expired());
}

#[test]
fn indexes_whose_pods_a_lease_has_ended_run_again() {
    let spec = json!({"completions": 6, "completionMode": "Indexed", "backoffLimitPerIndex": 0});
    let record = begun(spec);
    let own = record.shards[&2].indexes.clone().expect("it is indexed");
    let ended = Observed {
        active: 0,
        failed: 3,
        failed_indexes: own.clone(),
        end: Some(deadline("DeadlineExceeded", START + 605)),
        ..running(&record, 2)
    };
    let ended = seen(&record, [(1, running(&record, 1)), (2, ended)]);
    let decided = decide(&record, &ended, at(START + 5000)).record;
    assert_eq!(decided.state.outcome, None);
    let opened = decided.shards.range(3..).filter_map(|(_, shard)| shard.indexes.clone());
    assert_eq!(opened.fold(Indexes::default(), |all, more| all.with(&more)), own);
}

#[test]
fn what_was_read_before_a_resume_is_no_start_of_a_lease() {
    let record = begun(json!({"completions": 6}));
    let stale = running(&record, 2);
    let mut resumed = record.clone();
    let shard = resumed.shards.get_mut(&2).expect("there");
    shard.see(&Observed { start: None, suspended: true, ..stale.clone() }, START + 50);
    limits::restart_deadline(&mut resumed, &Clocks::default(), START + 100);
    resumed.shards.get_mut(&2).expect("there").change();
    let both = seen(&resumed, [(1, running(&resumed, 1)), (2, stale)]);
    let after = decide(&resumed, &both, at(START + 110)).record;
    assert_eq!(lease(&after, 2).until, None, "nobody has seen the new start");
}

#[test]
fn a_job_that_loses_its_lease_loses_the_deadline_too() {
    let record = begun(json!({"completions": 6}));
    let queued = Observed { queue: Some("team".into()), ..running(&record, 2) };
    let both = seen(&record, [(1, running(&record, 1)), (2, queued)]);
    let decided = decide(&record, &both, at(START + 100));
    assert_eq!(decided.record.shards[&2].lease, None);
    let change = Action::Change { shard: 2, uid: "u2".into() };
    assert!(decided.actions.contains(&change), "{:?}", decided.actions);
}

#[test]
fn a_cluster_that_lets_pods_run_longer_has_a_longer_lease() {
    for (pods, grace) in [
        (json!({"activeDeadlineSeconds": LEASE}), Some(30)),
        (
            json!({"activeDeadlineSeconds": LEASE, "terminationGracePeriodSeconds": 3600}),
            Some(3600),
        ),
        (json!({"activeDeadlineSeconds": LEASE + 100}), Some(130)),
        (json!({}), None),
    ] {
        let record = leased(json!({"completions": 6}), 2);
        let template = json!({"spec": pods});
        let stored = Observed { suspended: true, template, ..running(&record, 2) };
        let both = seen(&record, [(1, running(&record, 1)), (2, stored)]);
        let decided = decide(&record, &both, at(START + 100)).record;
        let lease = decided.shards[&2].lease.as_ref();
        assert_eq!(lease.map(|lease| lease.grace_seconds), grace, "{pods}");
    }
}

#[test]
fn nothing_moves_by_a_clock_that_nobody_believes() {
    let record = begun(json!({"completions": 6}));
    let mut silent = seen(&record, [(1, running(&record, 1))]);
    silent.clocks = Clocks::unknown();
    let later = decide(&record, &silent, at(START + 100 * LEASE)).record;
    assert_eq!(later.shards[&2].given_up, None);
}

#[test]
fn an_end_by_the_lease_is_told_by_the_deadline_that_the_job_had() {
    // A renewal was recorded, and its write was lost; or nothing was known of the end.
    for until in [Some(START + 1000), None] {
        let mut record = begun(json!({"completions": 6, "backoffLimit": 0}));
        let lease = record.shards.get_mut(&2).and_then(|shard| shard.lease.as_mut());
        lease.expect("it has one").until = until;
        let ended = Observed {
            active: 0,
            failed: 1,
            active_deadline_seconds: Some(LEASE),
            end: Some(deadline("BackoffLimitExceeded", START + 950)),
            ..running(&record, 2)
        };
        let ended = seen(&record, [(1, running(&record, 1)), (2, ended)]);
        let decided = decide(&record, &ended, at(START + 5000)).record;
        assert_eq!(decided.state.outcome, None, "{until:?}");
        assert!(decided.shards[&2].has_expired(), "{until:?}");
    }
}

#[test]
fn leases_are_renewed_while_another_cluster_has_yet_to_be_listed() {
    let mut record = begun(json!({"completions": 6}));
    record.state.unlisted = ["c2".to_owned()].into();
    let silent = seen(&record, [(1, running(&record, 1))]);
    let decided = decide(&record, &silent, at(START + LEASE / 2 + 1));
    assert!(matches!(decided.actions[..], [Action::Change { shard: 1, .. }]), "{decided:?}");
    let again = decide(&decided.record, &silent, at(START + LEASE / 2 + 1)).record;
    assert_eq!(again, decided.record, "once");
}
