//! What a record does that was restored from a backup: nothing that may have been done since.

use super::*;
use crate::{
    job::{Lease, labels::REOPEN},
    reconcile::observe::Found,
    state::{Acceptance, Accepted, Withheld},
};

/// A record as a restore makes it, of so many shards in the phase given.
fn restored(spec: Value, shards: &[(Phase, Option<i32>)]) -> Record {
    let mut restored = record(spec, shards);
    let mut object = restored.manifest.object().clone();
    object["metadata"]["annotations"] = json!({REOPEN: "true"});
    restored.manifest = Manifest::new(object, "work", "").expect("valid");
    restored.state.unlisted = (1..=shards.len()).map(|n| format!("c{n}")).collect();
    restored.mark_restored();
    restored
}

/// What all members say that have these Jobs and no others, asked for by name.
fn only(record: &Record, jobs: impl IntoIterator<Item = (u32, Observed)>) -> Observations {
    let mut observations = listed(record, jobs);
    for (name, observation) in &mut observations.members {
        let Observation::Known { confirmed, .. } = observation else { panic!("it is known") };
        confirmed.extend(1..9);
        observations.places.insert(name.clone(), ready());
        observations.found.insert(name.clone(), Vec::new());
    }
    observations
}

/// Decides until nothing changes.
fn settle(record: &Record, observations: &Observations) -> Record {
    let mut record = record.clone();
    for _ in 0..9 {
        let decided = decide(&record, observations, NOW).record;
        if decided == record {
            return record;
        }
        record = decided;
    }
    panic!("it does not settle: {record:?}");
}

#[test]
fn what_no_member_has_is_opened_only_where_the_user_says_so() {
    let indexed = |share: Phase| {
        let spec = json!({"completions": 9, "parallelism": 3, "completionMode": "Indexed"});
        let mut record = restored(spec, &[(share, Some(3)), (share, Some(3))]);
        for (id, own) in [(1, "0-2"), (2, "3-5")] {
            record.shards.get_mut(&id).expect("two").indexes = own.parse().ok();
        }
        record
    };
    let counted = |share: Phase| {
        let spec = json!({"completions": 9, "parallelism": 3});
        restored(spec, &[(share, Some(3)), (share, Some(3))])
    };
    let queue = |share: Phase| {
        restored(json!({"parallelism": 3}), &[(share, None), (share, None), (share, None)])
    };
    for phase in [Phase::Planned, Phase::Created, Phase::Started] {
        for record in [indexed(phase), counted(phase), queue(phase)] {
            let what = format!("{phase:?} {}", record.manifest.object()["spec"]);
            let none = only(&record, []);
            let mut held = settle(&record, &none);
            assert!(held.shards.values().all(|it| it.phase == Phase::Deleted), "{what}: {held:?}");
            assert!(held.holds_back() && held.state.origin.is_none(), "{what}");
            assert!(!held.reopen(&[]), "{what}: without a question");
            assert!(held.reopen_uncertain(&[]), "{what}");
            let opened = settle(&held, &none);
            let planned = opened.shards.values().filter(|shard| shard.phase == Phase::Planned);
            let completions: i32 = planned.clone().filter_map(|it| it.completions).sum();
            let pods: i32 = planned.map(|it| it.parallelism).sum();
            let asked = record.manifest.size().completions.unwrap_or(0);
            assert_eq!((completions, pods), (asked, 3), "{what}: {opened:?}");
        }
    }
}

#[test]
fn what_was_taken_off_a_shard_since_may_have_been_done() {
    let spec = json!({"completions": 6, "parallelism": 2});
    let record = restored(spec, &[(Phase::Started, Some(3)), (Phase::Started, Some(3))]);
    let credited = Observed { credited: Some("2".to_owned()), succeeded: 2, ..job(&record, 1) };
    let observations = only(&record, [(1, credited), (2, job(&record, 2))]);
    let held = settle(&record, &observations);
    assert_eq!(held.state.withheld, Withheld { count: 2, ..Withheld::default() });
    assert_eq!((held.shards.len(), held.unplaced()), (2, 2));
}

#[test]
fn nothing_is_known_before_every_shard_was_seen() {
    let spec = json!({"completions": 9, "parallelism": 3});
    let record = restored(spec, &[(Phase::Started, Some(3)), (Phase::Started, Some(3))]);
    let mut observations = only(&record, [(1, job(&record, 1)), (2, job(&record, 2))]);
    let listed = decide(&record, &observations, NOW).record;
    assert!(listed.state.unlisted.is_empty());
    // The process is killed here, and a cluster does not answer to the next one.
    let away = Observation::Unknown { why: "it is away".to_owned() };
    let answer = observations.members.insert("c2".to_owned(), away).expect("it was there");
    let waits = settle(&listed, &observations);
    assert!(waits.state.origin.is_some() && waits.shards.len() == 2, "{waits:?}");
    observations.members.insert("c2".to_owned(), answer);
    let held = settle(&waits, &observations);
    assert_eq!((held.state.withheld.count, held.state.origin), (3, None));
    assert!(held.shards.values().all(|shard| !shard.restored), "they were seen");
}

#[test]
fn a_job_that_was_seen_after_the_restore_was_deleted_as_any_other() {
    let record = restored(json!({"completions": 3}), &[(Phase::Started, Some(3))]);
    let seen = settle(&record, &only(&record, [(1, job(&record, 1))]));
    let gone = decide(&seen, &answered(&seen, [], Answer::Gone), NOW).record;
    assert!(gone.shards[&1].reopened, "by the annotation");
}

fn declared() -> Acceptance {
    Acceptance::new(Accepted::Lost, "cluster c2", "alice", 7)
}

#[test]
fn what_a_missed_cluster_may_have_accepts_nothing_for_the_others() {
    let spec = json!({"completions": 9, "parallelism": 3});
    let mut record = restored(spec, &[(Phase::Started, Some(3)), (Phase::Planned, Some(3))]);
    // The planned shard was to be in a cluster that has left since.
    let left = [("left".to_owned(), "c2".to_owned())].into();
    record.shards.get_mut(&2).expect("two").cluster_uid = Some("left".to_owned());
    record.state.unlisted.remove("c2");
    record.give_up_left(&left, &declared());
    let mut observations = only(&record, [(1, job(&record, 1))]);
    observations.members.remove("c2");
    observations.places.remove("c2");
    let held = settle(&record, &observations);
    assert_eq!((held.state.withheld.count, held.shards.len()), (6, 1), "{held:?}");
}

#[test]
fn what_was_accepted_before_all_is_known_is_not_held_afterwards() {
    let indexed = json!({"completions": 9, "parallelism": 3, "completionMode": "Indexed"});
    let counted = json!({"completions": 9, "parallelism": 3});
    for spec in [indexed, counted] {
        let mut record = restored(spec, &[(Phase::Started, Some(3)), (Phase::Started, Some(3))]);
        if record.manifest.indexed() {
            for (id, own) in [(1, "0-2"), (2, "3-5")] {
                record.shards.get_mut(&id).expect("two").indexes = own.parse().ok();
            }
        }
        let mut observations = only(&record, [(1, job(&record, 1))]);
        let away = || Observation::Unknown { why: "it is away".to_owned() };
        let answer = observations.members.insert("c1".to_owned(), away()).expect("it was there");
        let found = observations.found.remove("c1").expect("it was there");
        // It was declared lost before the other one was listed.
        observations.members.insert("c2".to_owned(), away());
        observations.found.remove("c2");
        observations.places.get_mut("c2").expect("two").lost = Some(declared());
        let waits = settle(&record, &observations);
        assert!(waits.shards[&2].is_lost() && waits.state.origin.is_some(), "{waits:?}");
        observations.members.insert("c1".to_owned(), answer);
        observations.found.insert("c1".to_owned(), found);
        let opened = settle(&waits, &observations);
        // The backup's own unplaced work is held, that of the lost cluster is not.
        let (withheld, planned) =
            (&opened.state.withheld, opened.shards.values().next_back().expect("three"));
        assert_eq!(withheld.count + withheld.indexes.len(), 3, "{opened:?}");
        assert_eq!((planned.phase, planned.completions.unwrap_or(3)), (Phase::Planned, 3));
    }
}

#[test]
fn the_end_of_a_lease_is_unknown_until_its_job_was_seen() {
    let spec = json!({"completions": 3, "parallelism": 1});
    let mut record = restored(spec, &[(Phase::Started, Some(3))]);
    let shard = record.shards.get_mut(&1).expect("one");
    shard.lease = Lease::planned(&record.manifest, Some(60), 0);
    assert!(shard.lease.as_ref().is_some_and(|lease| lease.until.is_some()));
    let mut observations = only(&record, [(1, job(&record, 1))]);
    let listed = decide(&record, &observations, NOW).record;
    // It was listed, the process was killed, and it does not answer to the next one.
    let away = Observation::Unknown { why: "it is away".to_owned() };
    observations.members.insert("c1".to_owned(), away);
    for now in [NOW, Timestamp::from_second(100_000).expect("a time")] {
        let waits = decide(&listed, &observations, now).record;
        assert!(!waits.shards[&1].is_over(), "it may have been renewed since: {waits:?}");
    }
}

#[test]
fn a_lease_of_before_a_backup_is_no_consent_after_it() {
    let spec = json!({"completions": 3, "parallelism": 1});
    let mut record = restored(spec, &[(Phase::Started, Some(3))]);
    let shard = record.shards.get_mut(&1).expect("one");
    shard.lease = Lease::planned(&record.manifest, Some(60), 0);
    // Its Job has ended since and is gone. Its cluster is listed, and silent after that.
    let mut observations = only(&record, []);
    let Some(Observation::Known { confirmed, .. }) = observations.members.get_mut("c1") else {
        panic!("it is known")
    };
    confirmed.clear();
    let listed = decide(&record, &observations, NOW).record;
    assert!(listed.state.unlisted.is_empty(), "{listed:?}");
    let away = Observation::Unknown { why: "it is away".to_owned() };
    observations.members.insert("c1".to_owned(), away);
    let later = Timestamp::from_second(100_000).expect("a time");
    let waits = decide(&listed, &observations, later).record;
    assert_eq!((waits.shards.len(), waits.shards[&1].is_over()), (1, false), "{waits:?}");
}

#[test]
fn what_a_cluster_did_that_is_registered_no_more_may_have_been_done() {
    let spec = json!({"completions": 6, "parallelism": 2});
    let mut record = record(spec, &[(Phase::Started, Some(3))]);
    // It was rebuilt, and somebody took a cluster out of the registry by hand.
    record.state.unlisted = ["c1".to_owned(), "gone".to_owned()].into();
    let observations = only(&record, [(1, job(&record, 1))]);
    let settled = settle(&record, &observations);
    assert_eq!((settled.shards.len(), settled.state.withheld.count), (1, 3), "{settled:?}");
}

#[test]
fn a_deadline_begins_with_what_the_members_say() {
    // It was resumed since the backup.
    let spec = json!({"completions": 3, "activeDeadlineSeconds": 3600});
    let mut record = restored(spec, &[(Phase::Started, Some(3))]);
    record.state.started = Some(0);
    record.mark_restored();
    let start = Timestamp::from_second(90_000).ok();
    let running = Observed { start, active: 1, ..job(&record, 1) };
    let seen = settle(&record, &only(&record, [(1, running)]));
    assert_eq!(seen.state.started, Some(90_000));
    assert_eq!(seen.shards[&1].active_deadline_seconds, None, "{seen:?}");
}

#[test]
fn what_a_backup_held_back_may_have_been_done_since() {
    let spec = json!({"completions": 6, "parallelism": 2});
    let record = restored(spec, &[(Phase::Complete, Some(3)), (Phase::Deleted, Some(3))]);
    let mut held = settle(&record, &only(&record, []));
    assert_eq!(held.shards.len(), 2, "{held:?}");
    assert!(!held.reopen(&[]), "without a question: {held:?}");
    assert!(held.reopen_uncertain(&[]));
}

#[test]
fn what_was_given_up_before_a_backup_is_no_consent_after_it() {
    let spec = json!({"completions": 6, "parallelism": 2});
    let mut record = restored(spec, &[(Phase::Started, Some(3)), (Phase::Started, Some(3))]);
    record.give_up("c2", &[2], &declared());
    record.mark_restored();
    let mut observations = only(&record, [(1, job(&record, 1))]);
    let away = Observation::Unknown { why: "it is away".to_owned() };
    observations.members.insert("c2".to_owned(), away);
    observations.found.remove("c2");
    observations.places.get_mut("c2").expect("two").lost = Some(declared());
    let held = settle(&record, &observations);
    assert_eq!((held.state.withheld.count, held.shards.len()), (3, 2), "{held:?}");
}

#[test]
fn what_was_reopened_before_all_is_known_is_not_held_afterwards() {
    let spec = json!({"completions": 6, "parallelism": 2});
    let record = restored(spec, &[(Phase::Started, Some(3)), (Phase::Started, Some(3))]);
    let mut observations = only(&record, [(1, job(&record, 1))]);
    let away = Observation::Unknown { why: "it is away".to_owned() };
    let answer = observations.members.insert("c1".to_owned(), away).expect("it was there");
    let found = observations.found.remove("c1").expect("it was there");
    let mut waits = settle(&record, &observations);
    assert_eq!(waits.shards[&2].phase, Phase::Deleted, "{waits:?}");
    assert!(waits.reopen_uncertain(&[]));
    observations.members.insert("c1".to_owned(), answer);
    observations.found.insert("c1".to_owned(), found);
    let opened = settle(&waits, &observations);
    assert!(opened.state.withheld.is_empty() && opened.shards.len() == 3, "{opened:?}");
}

#[test]
fn no_more_is_withheld_than_is_left_to_do() {
    let spec = json!({"completions": 6, "parallelism": 2});
    let mut record = record(spec, &[(Phase::Started, Some(3)), (Phase::Started, Some(3))]);
    // The completions were lowered since it was withheld.
    record.state.withheld.count = 3;
    let observations = only(&record, [(1, job(&record, 1)), (2, job(&record, 2))]);
    assert!(settle(&record, &observations).state.withheld.is_empty());
}

#[test]
fn a_restored_shard_keeps_the_longer_deadline_that_its_job_has() {
    let spec = json!({"completions": 3, "parallelism": 1});
    let mut record = restored(spec, &[(Phase::Started, Some(3))]);
    record.shards.get_mut(&1).expect("one").lease = Lease::planned(&record.manifest, Some(600), 0);
    let start = Timestamp::from_second(10).ok();
    let running =
        Observed { start, active: 1, active_deadline_seconds: Some(5400), ..job(&record, 1) };
    let mut observations = only(&record, [(1, running.clone())]);
    let found = Found { job: running, recovery: Err("it keeps nothing".to_owned()) };
    observations.found.insert("c1".to_owned(), vec![found]);
    let listed = decide(&record, &observations, NOW).record;
    assert_eq!(listed.spec(1).active_deadline_seconds, Some(5400), "{listed:?}");
}
