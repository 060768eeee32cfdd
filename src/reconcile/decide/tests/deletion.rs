//! A deletion, and shards that were never created.

use super::*;

#[test]
fn a_deletion_goes_on_until_each_member_has_nothing_of_it() {
    let mut record =
        record(json!({"completions": 4}), &[(Phase::Started, Some(2)), (Phase::Planned, Some(2))]);
    record.state.deleting = Some(Cascade::Foreground);
    let delete = |uid: &str| Action::Delete {
        shard: 1,
        cluster: "c1".into(),
        uid: uid.into(),
        cascade: Cascade::Foreground,
    };
    let job = job(&record, 1);
    let copy = Observed { uid: "another".into(), ..job.clone() };
    let going = Observed { deleting: true, ..job.clone() };
    for (name, answer, actions, left) in [
        ("it is there", Answer::Job(Box::new(job)), vec![delete("u1")], vec![1, 2]),
        (
            "another has its labels and name",
            Answer::Job(Box::new(copy)),
            vec![delete("another")],
            vec![1, 2],
        ),
        ("it is going", Answer::Job(Box::new(going)), vec![], vec![1, 2]),
        ("it may not be asked for", Answer::Refused("no".into()), vec![], vec![1, 2]),
        ("its member does not answer", Answer::Unknown("no".into()), vec![], vec![1, 2]),
        ("it is gone", Answer::Gone, vec![], vec![2]),
    ] {
        let decision = decide(&record, &answered(&record, [], answer), NOW);
        let ids: Vec<_> = decision.record.shards.keys().copied().collect();
        assert_eq!((decision.actions, ids, decision.remove), (actions, left, false), "{name}");
        assert_eq!(decision.confirm, [2], "{name}: a list is not enough");
    }
    let mut observations = answered(&record, [], Answer::Gone);
    observations.add("c2", 2, Answer::Gone);
    assert!(decide(&record, &observations, NOW).remove);
}

#[test]
fn what_deleted_shards_did_stays_known_until_all_are_gone() {
    let shares = [(Phase::Started, Some(3)), (Phase::Started, Some(3))];
    let mut record = record(json!({"completions": 6}), &shares);
    for shard in record.shards.values_mut() {
        shard.seen = Some(Seen { succeeded: 2, ..Seen::default() });
    }
    record.state.deleting = Some(Cascade::Background);
    let decided = decide(&record, &answered(&record, [], Answer::Gone), NOW).record;
    assert_eq!(decided.shards.len(), 1, "the other has yet to be deleted");
    assert_eq!((record.achieved(), decided.achieved()), (4, 4));
}

#[test]
fn a_shard_that_was_never_made_is_forgotten_and_its_id_and_name_are_not_given_again() {
    let mut record = one(Phase::Planned);
    record.shards.get_mut(&1).expect("one").retired = true;
    let mut observations = answered(&record, [], Answer::Gone);
    observations.places.insert("c1".into(), ready());
    let decided = decide(&record, &observations, NOW).record;
    let shards: Vec<_> =
        decided.shards.iter().map(|(id, shard)| (*id, shard.name.as_deref())).collect();
    assert_eq!(
        shards,
        [(2, Some("pi-2"))],
        "a run that was frozen may still make the Job of the first"
    );
}

#[test]
fn a_deletion_records_what_jobs_did_that_nobody_had_seen() {
    let shares = [(Phase::Started, Some(3)), (Phase::Started, Some(3))];
    let mut record = record(json!({"completions": 6}), &shares);
    record.state.deleting = Some(Cascade::Background);
    let jobs = [1, 2].map(|id| (id, Observed { succeeded: 3, ..job(&record, id) }));
    let decided = decide(&record, &listed(&record, jobs.clone()), NOW).record;
    assert_eq!(decided.achieved(), 6);
    let again = decide(&decided, &listed(&decided, jobs), NOW).record;
    assert_eq!(again, decided, "once");
    let one_left = decide(&decided, &answered(&decided, [], Answer::Gone), NOW).record;
    assert_eq!((one_left.shards.len(), one_left.achieved()), (1, 6));
}
