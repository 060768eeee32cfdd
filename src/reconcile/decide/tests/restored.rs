//! What a record does that was restored from a backup: nothing that may have been done since.

use super::*;
use crate::{job::labels::REOPEN, state::Withheld};

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
            assert!(!held.reopen(), "{what}: without a question");
            assert!(held.reopen_uncertain(), "{what}");
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
