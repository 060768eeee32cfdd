//! What a change of a shard's Job writes, and what it leaves as somebody has made it.

use super::*;
use crate::{job::queue, reconcile::act::bodies};

/// A record of two shards that run, of a Job that allows 6 failures and has a deadline.
fn two() -> Record {
    let spec = json!({"completions": 6, "parallelism": 4, "activeDeadlineSeconds": 600});
    record(spec, &[(Phase::Started, Some(3)), (Phase::Started, Some(3))])
}

/// The Job of shard 2, which somebody has suspended and given other counts.
fn stopped(record: &Record) -> Observed {
    Observed { suspended: true, parallelism: 7, backoff_limit: Some(6), ..job(record, 2) }
}

/// What a change writes to the spec of this Job.
fn written(record: &Record, job: &Observed) -> Value {
    bodies::change(record, 2, job)["spec"].clone()
}

#[test]
fn a_pod_that_failed_elsewhere_lowers_the_limit_and_changes_nothing_else() {
    let record = two();
    let job = stopped(&record);
    let failed = Observed { failed: 1, ..self::job(&record, 1) };
    let decision = decide(&record, &listed(&record, [(1, failed), (2, job.clone())]), NOW);
    assert!(decision.actions.contains(&start(2)[0]), "{:?}", decision.actions);
    assert_eq!(written(&decision.record, &job), json!({"backoffLimit": 5}));
    let lower = Observed { backoff_limit: Some(2), ..job };
    let decision = decide(&decision.record, &listed(&record, [(2, lower)]), NOW);
    assert_eq!(decision.actions, [], "somebody allows fewer failures");
}

#[test]
fn a_change_that_no_user_asked_for_writes_what_it_is_about() {
    let mut record = two();
    let job = stopped(&record);
    let shard = |record: &mut Record, change: fn(&mut Shard)| {
        change(record.shards.get_mut(&2).expect("two"));
    };
    shard(&mut record, |shard| {
        shard.active_deadline_seconds = Some(500);
        shard.change_deadline();
    });
    assert_eq!(written(&record, &job), json!({"activeDeadlineSeconds": 500}));
    shard(&mut record, |shard| shard.set_parallelism(3));
    let both = json!({"activeDeadlineSeconds": 500, "parallelism": 3});
    assert_eq!(written(&record, &job), both, "neither was sent");
    let generation = record.shards[&2].generation;
    assert_eq!(generation, 3);
    let later = Observed { generation: generation - 1, ..job.clone() };
    assert_eq!(written(&record, &later), json!({"parallelism": 3}), "the first was sent");
    shard(&mut record, |shard| {
        shard.active_deadline_seconds = None;
        shard.change_deadline();
    });
    let later = Observed { generation, ..job.clone() };
    assert_eq!(written(&record, &later), json!({"activeDeadlineSeconds": 600}), "of all shards");
    shard(&mut record, |shard| shard.set_parallelism(3));
    assert_eq!(record.shards[&2].generation, generation + 1, "nothing has changed");
}

#[test]
fn what_a_user_asked_for_is_sent_whole_also_if_other_changes_followed() {
    let mut record = two();
    let job = stopped(&record);
    let shard = record.shards.get_mut(&2).expect("two");
    shard.change();
    shard.change_deadline();
    shard.set_parallelism(2);
    // As it is read again by the process that goes on.
    let text = serde_json::to_string(shard).expect("JSON");
    *shard = serde_json::from_str(&text).expect("a shard");
    for generation in [0, 1] {
        let spec = written(&record, &Observed { generation, ..job.clone() });
        assert_eq!((&spec["suspend"], &spec["parallelism"]), (&json!(false), &json!(2)), "{spec}");
    }
    let spec = written(&record, &Observed { generation: 2, ..job.clone() });
    assert_eq!(spec, json!({"activeDeadlineSeconds": 600, "parallelism": 2}));
    let shard = record.shards.get_mut(&2).expect("two");
    // Nobody knows what an early version has changed last.
    shard.changes = None;
    let spec = written(&record, &Observed { generation: 3, ..job });
    assert_eq!(spec["suspend"], false);
}

#[test]
fn a_shard_that_has_not_started_is_started_with_all_fields() {
    let mut record = two();
    let shard = record.shards.get_mut(&2).expect("two");
    shard.phase = Phase::Created;
    shard.set_parallelism(2);
    let job = Observed { generation: 1, ..stopped(&record) };
    let spec = written(&record, &job);
    assert_eq!((&spec["suspend"], &spec["parallelism"]), (&json!(false), &json!(2)), "{spec}");
}

#[test]
fn a_change_of_a_queued_job_leaves_it_where_it_is() {
    let mut record = two();
    let limits = json!({"activeDeadlineSeconds": 600});
    let shard = record.shards.get_mut(&2).expect("two");
    shard.change_deadline();
    let job = Observed { generation: 1, queue: Some("team".into()), ..stopped(&record) };
    let held = Observed { in_hold_queue: true, parallelism: 0, ..job.clone() };
    for job in [&job, &held] {
        let patch = bodies::change(&record, 2, job);
        assert_eq!(patch["spec"], limits);
        assert_eq!(patch["metadata"].get("labels"), None, "it stays in its queue");
    }
    record.shards.get_mut(&2).expect("two").set_parallelism(2);
    assert_eq!(written(&record, &held), limits, "a hold has no pods");
    let running = Observed { suspended: false, ..job.clone() };
    let mut stops = limits.clone();
    stops["parallelism"] = 2.into();
    assert_eq!(written(&record, &job), stops, "it waits");
    stops["suspend"] = true.into();
    assert_eq!(written(&record, &running), stops, "it is admitted anew");
    record.shards.get_mut(&2).expect("two").change();
    let released = bodies::change(&record, 2, &held);
    assert_eq!(released["metadata"]["labels"][queue::QUEUE_NAME], "team");
    assert_eq!(released["spec"]["parallelism"], 2);
}
