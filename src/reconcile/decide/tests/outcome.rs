//! The outcome of the federated Job.

use super::*;

#[test]
fn the_outcome_is_complete_when_all_is_done() {
    type Shards<'a> = &'a [(Phase, Option<i32>, i32)];
    let cases: [(&str, Value, Shards<'_>, bool); 9] = [
        ("no work", json!({"completions": 0}), &[], true),
        (
            "all",
            json!({"completions": 5}),
            &[(Phase::Complete, Some(2), 2), (Phase::Complete, Some(3), 4)],
            true,
        ),
        (
            "one runs",
            json!({"completions": 5}),
            &[(Phase::Complete, Some(2), 2), (Phase::Started, Some(3), 3)],
            false,
        ),
        ("deleted when done", json!({"completions": 2}), &[(Phase::Deleted, Some(2), 2)], true),
        ("deleted before", json!({"completions": 2}), &[(Phase::Deleted, Some(2), 1)], false),
        ("a success policy", json!({"completions": 5}), &[(Phase::Complete, Some(5), 1)], true),
        (
            "an entry was removed by hand",
            json!({"completions": 5}),
            &[(Phase::Complete, Some(2), 2)],
            false,
        ),
        (
            "a queue",
            json!({"parallelism": 2}),
            &[(Phase::Complete, None, 1), (Phase::Deleted, None, 0)],
            true,
        ),
        ("a queue, all gone", json!({"parallelism": 2}), &[(Phase::Deleted, None, 1)], true),
    ];
    for (name, spec, shards, complete) in cases {
        let phases: Vec<_> =
            shards.iter().map(|(phase, completions, _)| (*phase, *completions)).collect();
        let mut record = record(spec, &phases);
        for (shard, (_, _, succeeded)) in record.shards.values_mut().zip(shards) {
            let seen =
                Seen { succeeded: *succeeded, end: Some(i64::from(*succeeded)), ..Seen::default() };
            shard.seen = Some(seen);
        }
        let outcome = decide(&record, &Observations::default(), NOW).record.state.outcome;
        let verdict = outcome.as_ref().map(|outcome| (outcome.verdict, outcome.at));
        let last = shards.iter().map(|(_, _, succeeded)| i64::from(*succeeded)).max().unwrap_or(0);
        assert_eq!(verdict, complete.then_some((Verdict::Complete, last)), "{name}");
    }
}

#[test]
fn a_failed_shard_fails_the_whole_and_its_siblings() {
    let record = record(
        json!({"completions": 9}),
        &[(Phase::Planned, Some(3)), (Phase::Started, Some(3)), (Phase::Created, Some(3))],
    );
    let failed = Observed { end: Some(end(EndKind::Failed, 7)), ..job(&record, 2) };
    let waiting = Observed { suspended: true, ..job(&record, 3) };
    let observations = listed(&record, [(2, failed), (3, waiting)]);
    let first = decide(&record, &observations, NOW);
    let outcome = first.record.state.outcome.clone().expect("latched");
    assert_eq!(
        (outcome.verdict, outcome.reason.as_str(), outcome.message.as_str(), outcome.at),
        (Verdict::Failed, "BackoffLimitExceeded", "job pi in cluster c2: too many", 7)
    );
    assert_eq!(
        first.actions,
        [Action::Fail { shard: 3, uid: "u3".into() }],
        "what has failed starts nothing, and ends what there is"
    );
    let later = decide(&first.record, &listed(&record, []), NOW);
    assert_eq!(later.record.state.outcome, Some(outcome), "latched is latched");
    assert_eq!(later.actions, []);
}

#[test]
fn failed_indexes_fail_the_whole_only_once_the_others_are_done() {
    let spec = json!({"completions": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 0});
    let mut record = record(spec, &[(Phase::Deleted, Some(2))]);
    let shard = record.shards.get_mut(&1).expect("one");
    shard.indexes = Some(Indexes::all(2));
    let seen = Seen { failed_indexes: Indexes::all(1), ..Seen::default() };
    shard.seen = Some(seen.clone());
    let outcome =
        |record: &Record| decide(record, &Observations::default(), NOW).record.state.outcome;
    assert_eq!(outcome(&record), None, "somebody deleted it before index 1 ran");
    let done = "1".parse().expect("an index");
    record.shards.get_mut(&1).expect("one").seen = Some(Seen { completed: done, ..seen });
    assert_eq!(outcome(&record).map(|outcome| outcome.reason).as_deref(), Some("FailedIndexes"));
}

#[test]
fn a_work_queue_is_complete_once_the_last_shard_that_was_never_made_is_forgotten() {
    let record =
        record(json!({"parallelism": 2}), &[(Phase::Planned, None), (Phase::Started, None)]);
    let complete =
        Observed { succeeded: 1, end: Some(end(EndKind::Complete, 7)), ..job(&record, 2) };
    let decided = decide(&record, &answered(&record, [(2, complete)], Answer::Gone), NOW).record;
    assert_eq!(decided.shards.keys().collect::<Vec<_>>(), [&2]);
    assert_eq!(decided.state.outcome.map(|outcome| outcome.verdict), Some(Verdict::Complete));
}
