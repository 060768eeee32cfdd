//! Ended shards whose Jobs are gone.

use super::*;
use crate::reconcile::decide::fold::KEPT;

/// A record of so many shards that have done their 3 completions, and one that runs.
fn mostly_done(count: usize) -> Record {
    let completions = 3 * count + 3;
    let shards = vec![(Phase::Complete, Some(3)); count];
    let shards: Vec<_> = shards.into_iter().chain([(Phase::Started, Some(3))]).collect();
    let mut record = record(json!({"completions": completions, "backoffLimit": 99}), &shards);
    for shard in record.shards.values_mut().filter(|shard| shard.phase == Phase::Complete) {
        shard.seen = Some(Seen { succeeded: 3, failed: 1, end: Some(5), ..Seen::default() });
    }
    record
}

/// What lists say of it: the last shard alone has a Job.
fn without_ended(record: &Record) -> Observations {
    let last = *record.shards.keys().next_back().expect("some");
    listed(record, [(last, job(record, last))])
}

#[test]
fn the_oldest_are_folded_once_their_members_say_that_they_are_gone() {
    let before = mostly_done(KEPT + 3);
    let mut observations = without_ended(&before);
    let asked = decide(&before, &observations, NOW);
    assert_eq!(asked.confirm, [1, 2, 3]);
    for id in 1..=3 {
        observations.add(&format!("c{id}"), id, Answer::Gone);
    }
    let after = decide(&before, &observations, NOW).record;
    assert_eq!(after.shards.keys().next(), Some(&4));
    assert_eq!((after.state.forgotten, after.state.folded.sum(|totals| totals.shards)), (3, 3));
    assert_eq!(after.state.folded.end, Some(5));
    assert_eq!(
        (after.achieved(), after.unplaced(), after.failed_pods()),
        (before.achieved(), before.unplaced(), before.failed_pods())
    );
    // Nothing more is asked, written or done (G5).
    let again = decide(&after, &observations, NOW);
    assert_eq!((again.record, again.confirm), (after, Vec::new()));
}

#[test]
fn what_may_change_or_may_be_there_stays() {
    let count = KEPT + 2;
    let all_gone = mostly_done(count);
    // A few are shown in full.
    let few = mostly_done(KEPT);
    assert_eq!(decide(&few, &without_ended(&few), NOW).confirm, Vec::<u32>::new());
    // A cluster does not answer: nothing is known of its Jobs.
    let mut unknown = without_ended(&all_gone);
    for id in 1..=2 {
        let why = "refused".to_owned();
        unknown.members.insert(format!("c{id}"), Observation::Unknown { why });
    }
    assert_eq!(decide(&all_gone, &unknown, NOW).confirm, Vec::<u32>::new());
    // The work of a deleted shard may be opened again by the user.
    let mut held = all_gone.clone();
    for id in 1..=2 {
        held.shards.get_mut(&id).expect("some").phase = Phase::Deleted;
    }
    let decided = decide(&held, &without_ended(&held), NOW);
    assert!(decided.confirm.is_empty() && decided.record.state.folded.is_empty());
}

#[test]
fn what_was_given_up_is_folded_also_of_a_work_queue() {
    let shares = mostly_done(KEPT + 2);
    let mut queue = record(
        json!({"parallelism": 1, "backoffLimit": 99}),
        &[vec![(Phase::Failed, None); KEPT + 2], vec![(Phase::Started, None)]].concat(),
    );
    queue.shards.values_mut().for_each(|shard| shard.reopened = true);
    // The failure of a shard of a queue is the Job's, unless others replace it.
    assert_eq!(decide(&queue, &without_ended(&queue), NOW).confirm, Vec::<u32>::new());
    for mut record in [shares, queue] {
        for shard in record.shards.values_mut().filter(|shard| shard.phase.ended()) {
            shard.given_up = Some(0);
        }
        let mut observations = without_ended(&record);
        assert_eq!(decide(&record, &observations, NOW).confirm, [1, 2]);
        for id in 1..=2 {
            observations.add(&format!("c{id}"), id, Answer::Gone);
        }
        let after = decide(&record, &observations, NOW).record;
        assert_eq!(after.state.folded.sum(|totals| totals.shards), 2);
        assert_eq!(after.state.outcome, record.state.outcome);
    }
}
