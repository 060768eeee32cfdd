//! One deadline for all shards.

use super::*;

/// A resume at this time, of which no Job has been told yet.
fn resume(record: &mut Record, at: i64) {
    limits::restart_deadline(record, &Clocks::default(), at);
    record.shards.values_mut().for_each(Shard::change);
}

#[test]
fn a_start_from_before_a_resume_is_not_the_jobs() {
    let spec = json!({"completions": 3, "activeDeadlineSeconds": 600});
    let record = record(spec, &[(Phase::Started, Some(3))]);
    let start = Timestamp::from_second(100).ok();
    let stale = Observed { start, suspension_seen: true, ..job(&record, 1) };
    assert_eq!(decide(&record, &listed(&record, [(1, stale)]), NOW).record.state.started, None);
    let fresh = Observed { start, ..job(&record, 1) };
    assert_eq!(
        decide(&record, &listed(&record, [(1, fresh)]), NOW).record.state.started,
        Some(100)
    );
}

#[test]
fn a_job_that_no_suspension_reached_does_not_make_the_deadline_an_old_one() {
    let spec = json!({"completions": 6, "activeDeadlineSeconds": 600});
    let mut record = record(spec, &[(Phase::Started, Some(3)), (Phase::Started, Some(3))]);
    let started = |record: &Record, id, at| Observed {
        start: Timestamp::from_second(at).ok(),
        generation: 1,
        ..job(record, id)
    };
    let before = listed(&record, [(1, started(&record, 1, 100)), (2, started(&record, 2, 101))]);
    record = decide(&record, &before, NOW).record;
    assert_eq!(record.state.started, Some(100));
    resume(&mut record, 500);
    let away = listed(&record, [(2, started(&record, 2, 101))]);
    assert_eq!(decide(&record, &away, NOW).record.state.started, None, "the first is not seen yet");
    let back = listed(&record, [(1, started(&record, 1, 501)), (2, started(&record, 2, 101))]);
    let decided = decide(&record, &back, NOW).record;
    assert_eq!(decided.state.started, Some(501));
    let until = |id, since: i64| decided.shards[&id].active_deadline_seconds.unwrap_or(600) + since;
    assert_eq!((until(1, 501), until(2, 101)), (1101, 1101), "all end at one time");
}

#[test]
fn a_start_that_was_never_seen_before_a_resume_may_be_an_old_one() {
    let spec = json!({"completions": 3, "activeDeadlineSeconds": 600});
    let mut record = record(spec, &[(Phase::Started, Some(3))]);
    resume(&mut record, 500);
    for (at, started) in [(100, None), (501, Some(501))] {
        let start = Timestamp::from_second(at).ok();
        let job = Observed { start, generation: 1, ..job(&record, 1) };
        let seen = listed(&record, [(1, job)]);
        assert_eq!(decide(&record, &seen, NOW).record.state.started, started);
    }
}

#[test]
fn a_supplement_gets_what_is_left_of_the_deadline() {
    let spec = json!({"completions": 3, "activeDeadlineSeconds": 600});
    let mut record = record(spec, &[(Phase::Deleted, Some(3))]);
    record.state.started = Some(1000);
    record.shards.get_mut(&1).expect("one").reopened = true;
    let mut observations = listed(&record, []);
    observations.places.insert("c1".into(), ready());
    let now = Timestamp::from_second(1400).expect("a time");
    let decided = decide(&record, &observations, now).record;
    assert_eq!(decided.shards[&2].active_deadline_seconds, Some(200));
}

#[test]
fn a_resume_that_no_job_controller_noticed_starts_the_deadline() {
    let spec = json!({"parallelism": 2, "completions": 6, "activeDeadlineSeconds": 600});
    let mut record = record(spec, &[(Phase::Started, Some(3)), (Phase::Deleted, Some(3))]);
    let start = Timestamp::from_second(100).ok();
    let before = listed(&record, [(1, Observed { start, ..job(&record, 1) })]);
    record = decide(&record, &before, NOW).record;
    resume(&mut record, 500);
    record.shards.get_mut(&2).expect("two").reopened = true;
    // The Job has the change that resumes it, and its startTime is the old one for good.
    let resumed = Observed { start, ..job(&record, 1) };
    let mut observations = listed(&record, [(1, resumed)]);
    observations.places.insert("c1".into(), ready());
    let decided = decide(&record, &observations, Timestamp::from_second(510).expect("a time"));
    assert_eq!(decided.record.state.started, Some(510));
    let seconds = |id: u32| decided.record.shards[&id].active_deadline_seconds;
    assert_eq!(seconds(1), Some(1010), "it counts from the old startTime");
    assert_eq!(decided.record.shards.len(), 3);
    let later =
        decide(&decided.record, &observations, Timestamp::from_second(700).expect("a time"));
    assert_eq!(later.record.state.started, Some(510), "one deadline for all");
}

#[test]
fn a_resume_adds_what_has_passed_by_the_members_clock() {
    let spec = json!({"completions": 3, "activeDeadlineSeconds": 600});
    for (ahead, deadline) in [(0, 600 + 1800), (3600, 600 + 1800), (-3600, 600 + 1800)] {
        let mut record = record(spec.clone(), &[(Phase::Started, Some(3))]);
        let seen = Seen { start: Some(10_000 + ahead), suspended: true, ..Seen::default() };
        record.shards.get_mut(&1).expect("one").seen = Some(seen);
        limits::restart_deadline(&mut record, &Clocks::of_one("c1", ahead), 10_000 + 1800);
        let shard = &record.shards[&1];
        assert_eq!(shard.active_deadline_seconds, Some(deadline), "ahead by {ahead} seconds");
        assert_eq!(shard.start_before_resume, Some(10_000 + ahead));
    }
}

#[test]
fn the_end_that_a_job_expires_by_is_by_the_hosts_clock() {
    let spec = json!({"completions": 3, "ttlSecondsAfterFinished": 600});
    let now = Timestamp::from_second(10_000).expect("a time");
    for (ahead, at) in [(0, 9_000), (3600, 9_000), (-3600, 9_000)] {
        let record = record(spec.clone(), &[(Phase::Started, Some(3))]);
        let end = Some(end(EndKind::Complete, 9_000 + ahead));
        let ended = Observed { succeeded: 3, end, ..job(&record, 1) };
        let mut observations = listed(&record, [(1, ended)]);
        observations.clocks = Clocks::of_one("c1", ahead);
        let decided = decide(&record, &observations, now).record;
        assert_eq!(decided.state.outcome.expect("it is complete").at, at, "ahead by {ahead}");
    }
}

#[test]
fn a_deadline_beyond_all_time_is_never() {
    let spec = json!({"completions": 6, "parallelism": 2, "activeDeadlineSeconds": i64::MAX});
    let record = record(spec, &[(Phase::Started, Some(3))]);
    let start = Timestamp::from_second(100).ok();
    let mut observations = listed(&record, [(1, Observed { start, ..job(&record, 1) })]);
    observations.places.insert("c1".into(), ready());
    for now in [100, 700] {
        let now = Timestamp::from_second(now).expect("a time");
        let decided = decide(&record, &observations, now).record;
        assert!(decided.shards.len() > 1, "the rest is placed");
        let seconds = |shard: &Shard| shard.active_deadline_seconds.unwrap_or(i64::MAX);
        assert!(decided.shards.values().all(|it| seconds(it) > i64::MAX / 2), "{decided:?}");
    }
}
