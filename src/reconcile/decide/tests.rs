use super::*;
use crate::{
    job::{End, EndKind, Manifest, Size},
    reconcile::Answer,
    state::Seen,
};
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// A record of one shard of so many completions per cluster, each in the phase given.
fn record(spec: Value, shards: &[(Phase, Option<i32>)]) -> Record {
    let job =
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"}, "spec": spec});
    let manifest = Manifest::new(job, "work", "").expect("valid");
    let planned = |completions| Shard::planned("", Size { parallelism: 1, completions });
    let shards = (1..).zip(shards).map(|(n, (phase, completions)): (u32, _)| Shard {
        cluster: format!("c{n}"),
        phase: *phase,
        uid: (*phase != Phase::Planned).then(|| format!("u{n}")),
        ..planned(*completions)
    });
    Record::new("f", manifest, shards.collect(), NOW)
}

/// One shard that has 3 completions to do.
fn one(phase: Phase) -> Record {
    record(json!({"completions": 3}), &[(phase, Some(3))])
}

/// The Job of shard `id`, as its ledger knows it.
fn job(record: &Record, id: u32) -> Observed {
    let mut job = Observed::of(&json!({"metadata": {"name": "pi", "uid": format!("u{id}")}}));
    job.owner = Some(record.ownership(id));
    if record.shards[&id].phase == Phase::Started {
        job.generation = record.shards[&id].generation;
    }
    job
}

type Look<'a> = &'a dyn Fn(&Record) -> Observations;

fn end(kind: EndKind, at: i64) -> End {
    let at = Timestamp::from_second(at).ok();
    End { kind, reason: "BackoffLimitExceeded".into(), message: "too many".into(), at }
}

/// What lists say: these Jobs, and nothing else.
fn listed(record: &Record, jobs: impl IntoIterator<Item = (u32, Observed)>) -> Observations {
    let mut observations = Observations::default();
    for shard in record.shards.values() {
        observations.members.insert(shard.cluster.clone(), Observation::known([].into()));
    }
    for (id, job) in jobs {
        let Some(Observation::Known { jobs, .. }) = observations.members.get_mut(&format!("c{id}"))
        else {
            panic!("no shard {id}")
        };
        jobs.insert(id, job);
    }
    observations
}

/// What lists and then an answer about shard 1 say.
fn answered(
    record: &Record,
    jobs: impl IntoIterator<Item = (u32, Observed)>,
    answer: Answer,
) -> Observations {
    let mut observations = listed(record, jobs);
    observations.take("c1", 1, answer);
    observations
}

fn phase(decision: &Decision) -> Phase {
    decision.record.shards[&1].phase
}

fn start(id: u32) -> Vec<Action> {
    vec![Action::Change { shard: id, uid: format!("u{id}") }]
}

#[test]
fn a_shard_goes_from_planned_to_its_end_a_step_at_a_time() {
    let of = |change: fn(&mut Observed)| {
        move |record: &Record| {
            let mut job = job(record, 1);
            change(&mut job);
            listed(record, [(1, job)])
        }
    };
    let nothing = |record: &Record| listed(record, []);
    let cases: [(Phase, Look<'_>, Phase, Vec<Action>); 9] = [
        (Phase::Planned, &nothing, Phase::Planned, vec![Action::Create { shard: 1 }]),
        (Phase::Planned, &of(|job| job.suspended = true), Phase::Created, start(1)),
        (Phase::Created, &of(|job| job.suspended = true), Phase::Created, start(1)),
        (
            Phase::Created,
            &of(|job| (job.suspended, job.deleting) = (true, true)),
            Phase::Created,
            vec![],
        ),
        (Phase::Created, &of(|_| ()), Phase::Started, start(1)),
        (Phase::Started, &of(|job| job.suspended = true), Phase::Started, vec![]),
        (
            Phase::Started,
            &of(|job| job.end = Some(end(EndKind::Complete, 7))),
            Phase::Complete,
            vec![],
        ),
        (Phase::Created, &of(|job| job.end = Some(end(EndKind::Failed, 7))), Phase::Failed, vec![]),
        (Phase::Complete, &of(|_| ()), Phase::Complete, vec![]),
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
            let decision = decide(&record, &answered(&record, [], answer.clone()), NOW);
            let expected = Decision {
                record: record.clone(),
                confirm: vec![],
                actions: vec![],
                remove: false,
            };
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
            observations.outdate();
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
fn a_suspended_job_is_created_and_not_started() {
    let record = record(json!({"completions": 3, "suspend": true}), &[(Phase::Created, Some(3))]);
    let waiting = Observed { suspended: true, generation: 1, ..job(&record, 1) };
    assert_eq!(decide(&record, &listed(&record, [(1, waiting)]), NOW).actions, []);
}

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
    observations.take("c2", 2, Answer::Gone);
    assert!(decide(&record, &observations, NOW).remove);
}

#[test]
fn a_shard_that_was_never_made_is_forgotten_and_its_id_and_name_are_not_given_again() {
    let mut record = one(Phase::Planned);
    record.shards.get_mut(&1).expect("one").retired = true;
    let mut observations = answered(&record, [], Answer::Gone);
    observations.places.insert("c1".into(), Place { weight: 1, takes_work: true });
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
fn a_shard_that_ends_leaves_no_more_pods_than_there_are() {
    let spec = json!({"parallelism": 4, "completions": 6});
    for (retired, given, left) in [(false, 2, 4), (true, 4, 4)] {
        let mut record =
            record(spec.clone(), &[(Phase::Started, Some(3)), (Phase::Started, Some(3))]);
        for (id, parallelism) in [(1, 2), (2, given)] {
            let shard = record.shards.get_mut(&id).expect("two");
            (shard.cluster, shard.parallelism) = ("c1".into(), parallelism);
        }
        record.shards.get_mut(&1).expect("two").retired = retired;
        let ended =
            Observed { succeeded: 3, end: Some(end(EndKind::Complete, 7)), ..job(&record, 1) };
        let decided = decide(&record, &listed(&record, [(1, ended)]), NOW).record;
        assert_eq!(decided.shards[&2].parallelism, left, "retired: {retired}");
    }
}

#[test]
fn a_work_queue_whose_shards_were_stopped_or_are_opened_again_gets_new_ones() {
    for (phase, retired, reopened, opened) in [
        (Phase::Started, true, false, 0),
        (Phase::Complete, true, false, 2),
        (Phase::Deleted, false, false, 0),
        (Phase::Deleted, false, true, 2),
    ] {
        let mut record = record(json!({"parallelism": 2}), &[(phase, None)]);
        let shard = record.shards.get_mut(&1).expect("one");
        (shard.parallelism, shard.retired, shard.reopened) = (2, retired, reopened);
        let mut observations = listed(&record, [(1, job(&record, 1))]);
        observations.places.insert("c1".into(), Place { weight: 1, takes_work: true });
        let decided = decide(&record, &observations, NOW).record;
        let new: i32 = decided.shards.range(2..).map(|(_, shard)| shard.parallelism).sum();
        assert_eq!(new, opened, "{phase:?}");
        assert_eq!(decide(&decided, &observations, NOW).record, decided, "once");
    }
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
fn what_failed_for_good_is_not_opened_again() {
    let spec = json!({"completions": 3, "completionMode": "Indexed", "backoffLimitPerIndex": 0});
    let mut record = record(spec, &[(Phase::Deleted, Some(3))]);
    let shard = record.shards.get_mut(&1).expect("one");
    (shard.indexes, shard.reopened) = (Some(Indexes::all(3)), true);
    shard.seen = Some(Seen { failed_indexes: Indexes::all(1), ..Seen::default() });
    let mut observations = listed(&record, []);
    observations.places.insert("c1".into(), Place { weight: 1, takes_work: true });
    let decided = decide(&record, &observations, NOW).record;
    assert_eq!(decided.shards[&2].indexes, "1-2".parse().ok());
}

#[test]
fn fewer_pods_are_divided_also_where_the_preferences_give_none_to_who_still_has_work() {
    let mut record =
        record(json!({"parallelism": 1, "completions": 3}), &[(Phase::Started, Some(3))]);
    record.shards.get_mut(&1).expect("one").parallelism = 3;
    let mut object = record.manifest.object().clone();
    let preferences = json!({"clusters": {"c2": {"weight": 1}}}).to_string();
    object["metadata"]["annotations"][crate::plan::PREFERENCES] = preferences.into();
    record.manifest = Manifest::new(object, "work", "").expect("valid");
    let place = Place { weight: 1, takes_work: true };
    pods::divide_anew(&mut record, &[("c1".into(), place), ("c2".into(), place)].into());
    assert_eq!(record.shards[&1].parallelism, 1);
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
        ..job(record, id)
    };
    let before = listed(&record, [(1, started(&record, 1, 100)), (2, started(&record, 2, 101))]);
    record = decide(&record, &before, NOW).record;
    assert_eq!(record.state.started, Some(100));
    limits::restart_deadline(&mut record, 500);
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
    limits::restart_deadline(&mut record, 500);
    for (at, started) in [(100, None), (501, Some(501))] {
        let start = Timestamp::from_second(at).ok();
        let seen = listed(&record, [(1, Observed { start, ..job(&record, 1) })]);
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
    observations.places.insert("c1".into(), Place { weight: 1, takes_work: true });
    let now = Timestamp::from_second(1400).expect("a time");
    let decided = decide(&record, &observations, now).record;
    assert_eq!(decided.shards[&2].active_deadline_seconds, Some(200));
}
