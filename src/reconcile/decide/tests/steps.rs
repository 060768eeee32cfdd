//! The steps of one shard, from planned to its end.

use super::*;
use crate::state::Outcome;

fn outcome(verdict: Verdict) -> Outcome {
    Outcome { verdict, reason: String::new(), message: String::new(), at: 0 }
}

#[test]
fn a_shard_goes_from_planned_to_its_end_a_step_at_a_time() {
    let with = |change: fn(&mut Observed)| {
        move |record: &Record| {
            let mut job = job(record, 1);
            change(&mut job);
            listed(record, [(1, job)])
        }
    };
    let nothing = |record: &Record| listed(record, []);
    let cases: [(Phase, Observe<'_>, Phase, Vec<Action>); 9] = [
        (Phase::Planned, &nothing, Phase::Planned, vec![Action::Create { shard: 1 }]),
        (Phase::Planned, &with(|job| job.suspended = true), Phase::Created, start(1)),
        (Phase::Created, &with(|job| job.suspended = true), Phase::Created, start(1)),
        (
            Phase::Created,
            &with(|job| (job.suspended, job.deleting) = (true, true)),
            Phase::Created,
            vec![],
        ),
        (Phase::Created, &with(|_| ()), Phase::Started, start(1)),
        (Phase::Started, &with(|job| job.suspended = true), Phase::Started, vec![]),
        (
            Phase::Started,
            &with(|job| job.end = Some(end(EndKind::Complete, 7))),
            Phase::Complete,
            vec![],
        ),
        (
            Phase::Created,
            &with(|job| job.end = Some(end(EndKind::Failed, 7))),
            Phase::Failed,
            vec![],
        ),
        (Phase::Complete, &with(|_| ()), Phase::Complete, vec![]),
    ];
    for (before, observe, after, actions) in cases {
        let record = one(before);
        let decision = decide(&record, &observe(&record), NOW);
        assert_eq!((phase(&decision), &decision.actions), (after, &actions), "from {before:?}");
        assert!(decision.confirm.is_empty(), "from {before:?}");
    }
}

#[test]
fn a_member_that_is_unknown_or_refused_is_left_alone() {
    for before in [Phase::Planned, Phase::Created, Phase::Started] {
        let record = one(before);
        for answer in [Answer::Unknown("timeout".into()), Answer::Refused("no".into())] {
            let mut expected = record.clone();
            if matches!((before, &answer), (Phase::Planned, Answer::Refused(_))) {
                expected.shards.get_mut(&1).expect("one").refuse("no");
            }
            let decision = decide(&record, &answered(&record, [], answer.clone()), NOW);
            let expected =
                Decision { record: expected, confirm: vec![], actions: vec![], remove: false };
            assert_eq!(decision, expected, "{before:?}, {answer:?}");
        }
        let decision = decide(&record, &Observations::default(), NOW);
        assert_eq!(
            (decision.record, decision.actions),
            (record, vec![]),
            "a member that was not asked"
        );
    }
}

#[test]
fn a_job_is_deleted_only_if_its_member_was_asked_by_name() {
    let other = |record: &Record| Observed { uid: "another".into(), ..job(record, 1) };
    for before in [Phase::Created, Phase::Started] {
        let record = one(before);
        for observations in [listed(&record, []), listed(&record, [(1, other(&record))])] {
            let decision = decide(&record, &observations, NOW);
            assert_eq!((phase(&decision), decision.confirm), (before, vec![1]));
        }
        for answer in [Answer::Gone, Answer::Job(Box::new(other(&record)))] {
            let mut observations = answered(&record, [], answer);
            let decision = decide(&record, &observations, NOW);
            assert_eq!(
                (phase(&decision), decision.confirm, decision.actions),
                (Phase::Deleted, vec![], vec![])
            );
            observations.forget_confirmed();
            let decision = decide(&record, &observations, NOW);
            assert_eq!(
                (phase(&decision), decision.confirm),
                (before, vec![1]),
                "the record has changed since"
            );
        }
    }
}

#[test]
fn what_is_deleted_keeps_what_it_achieved_and_runs_nothing() {
    let mut record = one(Phase::Started);
    let running = Observed { active: 1, succeeded: 2, ..job(&record, 1) };
    record = decide(&record, &listed(&record, [(1, running)]), NOW).record;
    let decision = decide(&record, &answered(&record, [], Answer::Gone), NOW);
    let shard = &decision.record.shards[&1];
    assert_eq!((shard.achieved(), shard.seen.as_ref().map(|seen| seen.active)), (2, Some(0)));
    assert_eq!((decision.record.unplaced(), decision.record.state.outcome), (1, None));
}

#[test]
fn a_job_without_our_labels_is_watched_and_not_touched() {
    let record = one(Phase::Created);
    let stripped = Observed { owner: None, suspended: true, ..job(&record, 1) };
    let observations = answered(&record, [], Answer::Job(Box::new(stripped.clone())));
    assert_eq!(decide(&record, &observations, NOW).actions, []);
    let resumed = Observed { suspended: false, succeeded: 1, ..stripped };
    let decision = decide(&record, &answered(&record, [], Answer::Job(Box::new(resumed))), NOW);
    assert_eq!((phase(&decision), decision.record.shards[&1].achieved()), (Phase::Started, 1));
    let mut record = record;
    record.state.deleting = Some(Cascade::Background);
    let decision = decide(&record, &observations, NOW);
    assert_eq!(
        (decision.actions, decision.remove),
        (vec![], true),
        "it is not deleted with the others"
    );
}

#[test]
fn an_old_answer_takes_nothing_back() {
    let mut record = one(Phase::Started);
    let old = job(&record, 1);
    let seen = Observed { succeeded: 2, failed: 1, ..old.clone() };
    record = decide(&record, &listed(&record, [(1, seen.clone())]), NOW).record;
    record = decide(&record, &listed(&record, [(1, old.clone())]), NOW).record;
    let kept = record.shards[&1].seen.clone().expect("seen");
    assert_eq!((kept.succeeded, kept.failed), (2, 1));
    let complete = Observed { succeeded: 3, end: Some(end(EndKind::Complete, 7)), ..seen };
    record = decide(&record, &listed(&record, [(1, complete)]), NOW).record;
    assert_eq!(
        decide(&record, &listed(&record, [(1, old)]), NOW).record,
        record,
        "an end is final"
    );
}

#[test]
fn a_suspended_job_is_created_and_not_started() {
    let record = record(json!({"completions": 3, "suspend": true}), &[(Phase::Created, Some(3))]);
    let waiting = Observed { suspended: true, generation: 1, ..job(&record, 1) };
    assert_eq!(decide(&record, &listed(&record, [(1, waiting)]), NOW).actions, []);
}

#[test]
fn a_change_that_a_later_one_has_overtaken_is_not_made() {
    let record = one(Phase::Created);
    let later = Observed { suspended: true, generation: 2, ..job(&record, 1) };
    assert_eq!(decide(&record, &listed(&record, [(1, later)]), NOW).actions, []);
}

#[test]
fn a_job_that_lost_the_word_of_its_credit_gets_no_other() {
    let mut record = one(Phase::Started);
    let shard = record.shards.get_mut(&1).expect("one shard");
    (shard.credited, shard.credit_target) = (1, 2);
    let mut seen = job(&record, 1);
    seen.completions = Some(3);
    assert_eq!(decide(&record, &listed(&record, [(1, seen.clone())]), NOW).actions, []);
    seen.credited = Some("1".into());
    let actions = decide(&record, &listed(&record, [(1, seen)]), NOW).actions;
    assert_eq!(actions, [Action::Credit { shard: 1, uid: "u1".into() }]);
}

#[test]
fn a_refusal_is_remembered_until_the_job_exists() {
    let record = one(Phase::Planned);
    let refused = answered(&record, [], Answer::Refused("quota ".repeat(99)));
    let refused = decide(&record, &refused, NOW).record;
    let why = refused.shards[&1].refusal.clone().expect("remembered");
    assert!(why.starts_with("quota quota") && why.len() <= 120, "{why}");
    let later = decide(&refused, &listed(&refused, []), NOW).record;
    assert_eq!(later, refused, "a list says nothing of it");
    let created = decide(&refused, &listed(&refused, [(1, job(&refused, 1))]), NOW).record;
    assert_eq!(created.shards[&1].refusal, None);
}

#[test]
fn a_refusal_is_forgotten_once_the_job_has_an_outcome() {
    for verdict in [Verdict::Complete, Verdict::Failed] {
        let mut record = one(Phase::Planned);
        record.shards.get_mut(&1).expect("planned").refuse("the name is taken");
        record.state.outcome = Some(outcome(verdict));
        let decision = decide(&record, &listed(&record, []), NOW);
        assert_eq!((&decision.record.shards[&1].refusal, decision.actions), (&None, vec![]));
    }
}

#[test]
fn a_suspended_job_that_cannot_end_for_want_of_a_start_time_gets_one() {
    let verdicts = [None, Some(Verdict::Complete), Some(Verdict::Failed)];
    for (verdict, retired) in verdicts.into_iter().flat_map(|v| [(v, false), (v, true)]) {
        let mut record = one(Phase::Started);
        record.state.outcome = verdict.map(outcome);
        record.shards.get_mut(&1).expect("one").retired = retired;
        let stuck = Observed { ending: true, suspended: true, ..job(&record, 1) };
        let actions =
            |job: &Observed| decide(&record, &listed(&record, [(1, job.clone())]), NOW).actions;
        let wanted = vec![Action::SetStart { shard: 1, uid: "u1".into() }];
        assert_eq!(actions(&stuck), wanted, "{verdict:?}, retired: {retired}");
        let others = [
            Observed { start: Some(NOW), ..stuck.clone() },
            Observed { suspended: false, ..stuck.clone() },
            Observed { end: Some(end(EndKind::Complete, 7)), ..stuck.clone() },
            Observed { deleting: true, ..stuck.clone() },
            Observed { owner: None, ..stuck.clone() },
        ];
        for other in &others {
            assert!(!actions(other).contains(&wanted[0]), "{other:?}");
        }
    }
}

#[test]
fn a_supplement_whose_name_is_taken_gets_the_next_one() {
    let mut record = record(json!({"completions": 6}), &[(Phase::Deleted, Some(3))]);
    record.add(Shard::planned("c1", Size { parallelism: 1, completions: Some(3) }));
    let place = ready();
    let mut names = Vec::new();
    let mut observations = listed(&record, []);
    observations.places.insert("c1".into(), place);
    for id in 2..40 {
        names.push(record.job_name(id).to_owned());
        observations.add("c1", id, Answer::NameTaken("somebody has it".into()));
        let decided = decide(&record, &observations, NOW).record;
        if decided.shards.contains_key(&id) {
            break;
        }
        record = decided;
    }
    assert_eq!(names[..3], ["pi-2", "pi-3", "pi-4"]);
    assert_eq!(names.len(), 17, "a run does not try for ever");
    let first = one(Phase::Planned);
    let mut observations = listed(&first, []);
    observations.add("c1", 1, Answer::NameTaken("somebody has it".into()));
    let decided = decide(&first, &observations, NOW).record;
    assert!(decided.shards[&1].refusal.is_some(), "the first shard has the Job's own name");
}

#[test]
fn a_shard_whose_name_another_shard_has_gets_its_own() {
    let shares = [(Phase::Started, Some(3)), (Phase::Planned, Some(3))];
    let mut record = record(json!({"completions": 6, "parallelism": 2}), &shares);
    record.shards.get_mut(&2).expect("two").cluster = "c1".into();
    let mut observations = listed(&record, [(1, job(&record, 1))]);
    observations.places.insert("c1".into(), ready());
    observations.add("c1", 2, Answer::NameTaken("it is shard 1".into()));
    let decided = decide(&record, &observations, NOW).record;
    let names: Vec<_> = decided.shards.keys().map(|id| decided.job_name(*id)).collect();
    assert_eq!(names, ["pi", "pi-3"]);
}

#[test]
fn consent_in_advance_does_not_cover_a_shard_whose_job_was_made_again() {
    let mut record = one(Phase::Started);
    let mut object = record.manifest.object().clone();
    object["metadata"]["annotations"][crate::job::labels::REOPEN] = "true".into();
    record.manifest = Manifest::new(object, "work", "").expect("valid");
    let another = Observed { uid: "another".into(), active: 1, ..job(&record, 1) };
    let observations = answered(&record, [], Answer::Job(Box::new(another)));
    let decided = decide(&record, &observations, NOW).record;
    assert_eq!((decided.shards[&1].phase, decided.shards[&1].reopened), (Phase::Deleted, false));
}

#[test]
fn a_job_that_may_have_expired_is_reopened_only_where_the_user_says_so() {
    let mut record = one(Phase::Started);
    let mut object = record.manifest.object().clone();
    object["metadata"]["annotations"][crate::job::labels::REOPEN] = "true".into();
    record.manifest = Manifest::new(object, "work", "").expect("valid");
    for (ttl_seconds, reopened) in [(None, true), (Some(60), false)] {
        let running = Observed { ttl_seconds, ..job(&record, 1) };
        let seen = decide(&record, &listed(&record, [(1, running)]), NOW).record;
        let mut gone = decide(&seen, &answered(&seen, [], Answer::Gone), NOW).record;
        assert_eq!(gone.shards[&1].reopened, reopened, "the annotation, ttl {ttl_seconds:?}");
        assert!(!gone.reopen(&[]), "--reopen, ttl {ttl_seconds:?}");
        assert_eq!(gone.reopen_uncertain(&[]), !reopened);
    }
}

#[test]
fn a_gang_that_cannot_be_filled_any_more_is_made_smaller() {
    let gang = json!({"schedulingPolicy": {"gang": {"minCount": 4}}});
    let spec = json!({"parallelism": 4, "completions": 6, "scheduling": gang});
    let mut record = record(spec, &[(Phase::Started, Some(6))]);
    record.shards.get_mut(&1).expect("one").parallelism = 4;
    // Of two pods that are left, so many run; the Job's gang has so many.
    for (succeeded, ready, min_count, expected) in [
        (4, 0, 4, start(1)),
        (4, 1, 4, start(1)),
        (4, 2, 4, vec![]),
        (4, 0, 2, vec![]),
        (2, 0, 4, vec![]),
        (5, 0, 2, start(1)),
    ] {
        let job = Observed {
            succeeded,
            ready,
            active: 6 - succeeded,
            min_count: Some(min_count),
            ..job(&record, 1)
        };
        let decision = decide(&record, &listed(&record, [(1, job)]), NOW);
        assert_eq!(decision.actions, expected, "{succeeded} {ready} {min_count}");
        let left = decision.record.spec(1).gang;
        assert_eq!(left, Some(4.min(6 - succeeded)));
    }
}

#[test]
fn a_gang_has_no_pods_for_indexes_that_have_failed() {
    let gang = json!({"schedulingPolicy": {"gang": {"minCount": 3}}});
    let spec = json!({"parallelism": 4, "completions": 6, "completionMode": "Indexed",
        "backoffLimitPerIndex": 0, "scheduling": gang});
    let mut record = record(spec, &[(Phase::Started, Some(6))]);
    let shard = record.shards.get_mut(&1).expect("one");
    (shard.parallelism, shard.indexes) = (4, Some("0-5".parse().expect("indexes")));
    for (failed, expected, left) in [("", vec![], 3), ("3", start(1), 2), ("3-4", start(1), 1)] {
        let job = Observed {
            succeeded: 3,
            completed_indexes: "0-2".parse().expect("indexes"),
            failed_indexes: failed.parse().expect("indexes"),
            active: left,
            ready: 0,
            min_count: Some(3),
            ..job(&record, 1)
        };
        let decision = decide(&record, &listed(&record, [(1, job)]), NOW);
        assert_eq!(decision.actions, expected, "{failed}");
        assert_eq!(decision.record.spec(1).gang, Some(left), "{failed}");
    }
}

#[test]
fn a_job_that_has_seen_more_changes_than_its_restored_record_is_written_anew() {
    let record = one(Phase::Planned);
    let before = Observed { generation: 4, suspended: true, ..job(&record, 1) };
    let decision = decide(&record, &listed(&record, [(1, before.clone())]), NOW);
    let shard = &decision.record.shards[&1];
    assert_eq!((shard.phase, shard.generation), (Phase::Created, 5));
    let next = decide(&decision.record, &listed(&decision.record, [(1, before)]), NOW);
    assert_eq!(next.actions, start(1));
}
