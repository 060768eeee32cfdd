//! What members have of a Job whose record was recovered, restored or moved.

use super::*;
use crate::{
    job::Removed,
    reconcile::{act::bodies, observe::Found},
    state::{Acceptance, Accepted, Adoption},
};

/// A record of 9 completions over three clusters, each with its uid.
pub(super) fn whole() -> Record {
    let spec = json!({"completions": 9, "parallelism": 3});
    let mut whole = record(spec, &[(Phase::Started, Some(3)); 3]);
    for (id, shard) in &mut whole.shards {
        shard.cluster_uid = Some(format!("uid-of-c{id}"));
    }
    whole
}

/// The record without its ledger, as a recovery makes it.
pub(super) fn rebuilt(whole: &Record) -> Record {
    let mut rebuilt = whole.clone();
    rebuilt.shards.clear();
    rebuilt.state.unlisted = ["c1", "c2", "c3"].map(str::to_owned).into();
    rebuilt
}

/// The Job of a shard as its member has it, running.
pub(super) fn running(record: &Record, id: u32) -> Value {
    let mut job = bodies::creation(record, id);
    job["metadata"]["uid"] = format!("u{id}").into();
    job["metadata"]["annotations"]["kubectl-federate.dev/generation"] =
        record.shards[&id].generation.to_string().into();
    job["spec"]["suspend"] = false.into();
    job["status"] = json!({"active": 1, "startTime": "1970-01-01T00:00:00Z"});
    job
}

/// What is known once these members have answered, each with these Jobs.
pub(super) fn answered<'a>(
    answers: impl IntoIterator<Item = (&'a str, Vec<Value>)>,
) -> Observations {
    let mut observations = Observations::default();
    for n in 1..=3 {
        let place = Place { uid: format!("uid-of-c{n}"), ..ready() };
        observations.places.insert(format!("c{n}"), place);
    }
    for (name, jobs) in answers {
        observations.members.insert(name.to_owned(), Observation::known([].into()));
        let jobs = jobs.iter().map(Found::from_object).collect();
        observations.found.insert(name.to_owned(), jobs);
    }
    observations
}

/// Decides until nothing changes; what a list did not have stays unknown.
pub(super) fn settle(record: &Record, observations: &Observations) -> Decision {
    let mut decision = decide(record, observations, NOW);
    for _ in 0..9 {
        let next = decide(&decision.record, observations, NOW);
        if next.record == decision.record {
            return next;
        }
        decision = next;
    }
    panic!("it does not settle: {:?}", decision.record);
}

#[test]
fn a_rebuilt_ledger_opens_nothing_until_every_member_was_listed() {
    let whole = whole();
    let jobs = |id| vec![running(&whole, id)];
    let one = settle(&rebuilt(&whole), &answered([("c1", jobs(1))]));
    assert_eq!(one.record.shards.keys().collect::<Vec<_>>(), [&1]);
    assert_eq!(one.record.state.unlisted, ["c2", "c3"].map(str::to_owned).into());
    assert_eq!(one.record.state.outcome, None);
    let all = settle(&one.record, &answered([("c2", jobs(2)), ("c3", Vec::new())])).record;
    assert!(all.state.unlisted.is_empty());
    // What nobody has is opened again then.
    let completions = |shard: &Shard| (shard.cluster.clone(), shard.completions);
    let opened: Vec<_> = all.shards.values().map(completions).collect();
    assert_eq!(opened[..2], [("c1".to_owned(), Some(3)), ("c2".to_owned(), Some(3))]);
    let rest: i32 = all.shards.range(3..).filter_map(|(_, shard)| shard.completions).sum();
    assert_eq!(rest, 3);
}

#[test]
fn an_adoption_goes_on_after_the_ledger_was_rebuilt_halfway() {
    let mut whole = whole();
    let halfway = whole.shards.get_mut(&2).expect("three");
    halfway.adoption = Some(Adoption::Planned);
    let labelled = [("c1", vec![running(&whole, 1)]), ("c3", vec![running(&whole, 3)])];
    let unlabelled = ("c2", Vec::new());
    let observations = answered(labelled.into_iter().chain([unlabelled]));
    let decided = settle(&rebuilt(&whole), &observations);
    let shard = &decided.record.shards[&2];
    assert!(shard.awaits_labels() && shard.uid.as_deref() == Some("u2"), "{shard:?}");
    assert_eq!(decided.record.shards.len(), 3, "its work is given to nobody else");
    assert!(decided.confirm.contains(&2), "its Job is asked for by name");
    // Where the ledger knows that the Job has its labels, it is right.
    let mut newer = whole.clone();
    newer.shards.get_mut(&2).expect("three").end_adoption();
    newer.state.unlisted = ["c1".to_owned()].into();
    let decided = decide(&newer, &answered([("c1", vec![running(&whole, 1)])]), NOW).record;
    assert_eq!(decided.shards[&2].adoption, Some(Adoption::Labelled));
}

#[test]
fn a_member_that_is_registered_no_more_is_not_waited_for() {
    let whole = whole();
    let answers = [("c1", vec![running(&whole, 1)]), ("c2", vec![running(&whole, 2)])];
    let mut observations = answered(answers);
    observations.places.remove("c3");
    let decided = settle(&rebuilt(&whole), &observations).record;
    assert!(decided.state.unlisted.is_empty());
}

#[test]
fn an_old_record_takes_in_what_happened_since() {
    let old = whole();
    let mut new = old.clone();
    new.state.revision = 1;
    let mut object = new.manifest.object().clone();
    object["spec"]["completions"] = 12.into();
    new.manifest = Manifest::recorded(object).expect("valid");
    for id in 1..=3 {
        new.shards.get_mut(&id).expect("three").change();
    }
    let mut supplement = Shard::planned("c1", Size { parallelism: 1, completions: Some(3) });
    supplement.cluster_uid = Some("uid-of-c1".into());
    new.add(supplement);
    let mut backup = old.clone();
    backup.state.unlisted = ["c1", "c2", "c3"].map(str::to_owned).into();
    // The edit has not reached the second cluster.
    let answers = [
        ("c1", vec![running(&new, 1), running(&new, 4)]),
        ("c2", vec![running(&old, 2)]),
        ("c3", vec![running(&new, 3)]),
    ];
    let decided = settle(&backup, &answered(answers)).record;
    assert_eq!(decided.manifest, new.manifest);
    assert_eq!(decided.shards.len(), 4, "nothing is doubled: {:?}", decided.shards);
    assert_eq!(decided.shards[&4].name.as_deref(), Some("pi-4"));
    assert_eq!(decided.unplaced(), 0);
    for (id, written) in [(1, 2), (2, 1), (3, 2), (4, 1)] {
        let is_told = decided.shards[&id].generation > written;
        assert_eq!(is_told, id == 2, "the second is told of the edit, not {id}");
    }
}

#[test]
fn what_was_planned_and_is_nowhere_is_forgotten() {
    let whole = whole();
    let mut backup = whole.clone();
    backup.state.unlisted = ["c1", "c2", "c3"].map(str::to_owned).into();
    let third = backup.shards.get_mut(&3).expect("three");
    (third.phase, third.uid) = (Phase::Planned, None);
    let answers =
        [("c1", vec![running(&whole, 1)]), ("c2", vec![running(&whole, 2)]), ("c3", Vec::new())];
    let decided = settle(&backup, &answered(answers)).record;
    assert!(!decided.shards.contains_key(&3), "{:?}", decided.shards);
    assert_eq!(decided.state.forgotten, 3);
    assert_eq!(decided.unplaced(), 0, "it was opened under another id");
}

#[test]
fn copies_and_what_cannot_be_read_are_left_alone() {
    let whole = whole();
    let mut copy = running(&whole, 1);
    copy["metadata"]["name"] = "pi-copy".into();
    let mut bare = running(&whole, 3);
    bare["metadata"]["annotations"] = json!({});
    // The Job of the second cluster, copied to the first.
    let answers = [("c1", vec![copy, running(&whole, 2)]), ("c2", Vec::new()), ("c3", vec![bare])];
    let mut record = rebuilt(&whole);
    record.state.deleting = Some(Cascade::Background);
    assert!(settle(&record, &answered(answers)).record.shards.is_empty());
}

#[test]
fn what_ended_shards_achieved_is_taken_from_the_jobs_of_others() {
    let mut whole = whole();
    let third = whole.shards.get_mut(&3).expect("three");
    third.phase = Phase::Complete;
    third.seen = Some(Seen { succeeded: 3, end: Some(7), ..Seen::default() });
    let answers =
        [("c1", vec![running(&whole, 1)]), ("c2", vec![running(&whole, 2)]), ("c3", Vec::new())];
    let decided = settle(&rebuilt(&whole), &answered(answers)).record;
    assert_eq!(decided.shards.keys().collect::<Vec<_>>(), [&1, &2, &3]);
    assert_eq!((decided.achieved(), decided.unplaced()), (3, 0));
}

#[test]
fn a_job_that_was_being_stopped_goes_on() {
    let whole = whole();
    let mut stopped = running(&whole, 1);
    stopped["spec"]["suspend"] = true.into();
    let answers = [("c1", vec![stopped]), ("c2", Vec::new()), ("c3", Vec::new())];
    let decided = settle(&rebuilt(&whole), &answered(answers)).record;
    assert_eq!(decided.shards[&1].generation, 2);
}

/// The record after an edit of the template's node selector, while it is suspended.
fn edited(before: &Record, recreate: bool) -> Record {
    let mut after = before.clone();
    let mut object = after.manifest.object().clone();
    object["spec"]["template"]["spec"]["nodeSelector"] = json!({"disk": "ssd"});
    object["metadata"]["labels"] = json!({});
    after.manifest = Manifest::recorded(object).expect("valid");
    after.state.revision += 1;
    for shard in after.shards.values_mut() {
        if recreate {
            shard.change();
            shard.retired = true;
        } else {
            shard.change_template();
        }
    }
    if !recreate {
        after.state.template_edits.add(&before.manifest, &after.manifest);
    }
    after
}

/// A suspended record, whose Jobs have a label and have run.
fn suspended() -> Record {
    let mut suspended = whole();
    let mut object = suspended.manifest.object().clone();
    object["spec"]["suspend"] = true.into();
    object["spec"]["template"] = json!({"spec": {
        "restartPolicy": "Never", "containers": [{"name": "pi", "image": "perl"}],
    }});
    object["metadata"]["labels"] = json!({"old": "label"});
    suspended.manifest = Manifest::recorded(object).expect("valid");
    suspended
}

#[test]
fn a_shard_that_missed_an_edit_of_the_template_gets_it_in_place() {
    let old = suspended();
    let new = edited(&old, false);
    let mut backup = old.clone();
    backup.state.unlisted = ["c1", "c2", "c3"].map(str::to_owned).into();
    let behind = running(&old, 2);
    let answers = [
        ("c1", vec![running(&new, 1)]),
        ("c2", vec![behind.clone()]),
        ("c3", vec![running(&new, 3)]),
    ];
    for (what, record) in [("rebuilt", rebuilt(&new)), ("restored", backup)] {
        let mut record = record;
        if what == "rebuilt" {
            let found = Found::from_object(&answers[0].1[0]).recovery.expect("whole");
            record.state.template_edits = found.template_edits;
            record.state.removed = Removed::default();
        }
        let decided = settle(&record, &answered(answers.clone())).record;
        assert_eq!((decided.shards.len(), decided.unplaced()), (3, 0), "{what}");
        for (id, jobs) in (1..).zip(answers.iter().map(|(_, jobs)| jobs)) {
            let (shard, job) = (&decided.shards[&id], Observed::from_object(&jobs[0]));
            assert!(!shard.retired, "{what}: {id} is stopped");
            assert_eq!(shard.awaits_template(&job), id == 2, "{what}: {id}");
        }
        let patch = bodies::change(&decided, 2, &Observed::from_object(&behind));
        let selector = json!({"spec": {"nodeSelector": {"disk": "ssd"}}});
        assert_eq!(patch["spec"]["template"], selector, "{what}");
        assert_eq!(patch["metadata"]["labels"], json!({"old": null}), "{what}");
    }
}

#[test]
fn a_shard_that_missed_a_change_by_recreate_is_made_anew() {
    let old = suspended();
    let mut new = edited(&old, true);
    let share = Size { parallelism: 1, completions: Some(3) };
    let mut supplement = Shard::planned("c1", share);
    supplement.cluster_uid = Some("uid-of-c1".into());
    new.add(supplement);
    let answers = [
        ("c1", vec![running(&old, 1), running(&new, 4)]),
        ("c2", vec![running(&old, 2)]),
        ("c3", vec![running(&old, 3)]),
    ];
    let decided = settle(&rebuilt(&new), &answered(answers)).record;
    let retired: Vec<_> = decided.shards.values().map(|shard| shard.retired).collect();
    assert_eq!(retired, [true, true, true, false]);
}

/// What is known where the second member was declared lost.
fn without_c2<'a>(answers: impl IntoIterator<Item = (&'a str, Vec<Value>)>) -> Observations {
    let mut observations = answered(answers);
    let place = observations.places.get_mut("c2").expect("three");
    place.lost = Some(Acceptance::new(Accepted::Lost, "cluster c2", "alice", 7));
    place.takes_work = false;
    observations
}

#[test]
fn a_lost_member_that_does_not_answer_is_given_up_unlisted_and_that_is_remembered() {
    let whole = whole();
    let answers = || [("c1", vec![running(&whole, 1)]), ("c3", vec![running(&whole, 3)])];
    let decided = settle(&rebuilt(&whole), &without_c2(answers())).record;
    assert!(decided.state.unlisted.is_empty());
    let [accepted] = &decided.state.accepted[..] else { panic!("{:?}", decided.state.accepted) };
    assert_eq!(
        (accepted.what, accepted.detail.as_str(), accepted.who.as_str(), accepted.when),
        (Accepted::Lost, "unlisted jobs of cluster c2", "alice", 7)
    );
    let mut deleting = rebuilt(&whole);
    deleting.state.deleting = Some(Cascade::Background);
    let decided = settle(&deleting, &without_c2(answers())).record;
    assert_eq!(decided.state.accepted, [], "nothing runs twice where all is deleted");
}

#[test]
fn a_lost_member_that_answers_is_listed() {
    let whole = whole();
    let answers = |id| vec![running(&whole, id)];
    let mut observations = without_c2([("c1", answers(1)), ("c2", answers(2)), ("c3", answers(3))]);
    let mut conflicted = observations.clone();
    conflicted.forget_confirmed();
    let waits = decide(&rebuilt(&whole), &conflicted, NOW).record;
    assert!(waits.state.unlisted.contains("c2"), "what it has was forgotten, and it answered");
    let Some(Observation::Known { jobs, .. }) = observations.members.get_mut("c2") else {
        panic!("it answered")
    };
    jobs.insert(2, Box::new(Observed::from_object(&running(&whole, 2))));
    let decided = settle(&rebuilt(&whole), &observations).record;
    assert!(decided.shards[&2].retired, "it is stopped: {:#?}", decided.shards);
    assert_eq!(decided.state.accepted, []);
}

#[test]
fn a_rebuilt_ledger_knows_which_shards_were_given_up() {
    let mut whole = whole();
    let declared = Acceptance::new(Accepted::Lost, "cluster c2", "alice", 7);
    whole.give_up("c2", &[2], &declared);
    let others = || [("c1", vec![running(&whole, 1)]), ("c3", vec![running(&whole, 3)])];
    let silent = settle(&rebuilt(&whole), &without_c2(others())).record;
    assert!(silent.shards[&2].is_lost(), "{:#?}", silent.shards);
    // Its own Job was written last before its cluster was lost.
    let mut before = whole.clone();
    before.shards.insert(2, Shard { given_up: None, retired: false, ..whole.shards[&2].clone() });
    let answers = others().into_iter().chain([("c2", vec![running(&before, 2)])]);
    let back = settle(&rebuilt(&whole), &without_c2(answers)).record;
    let shard = &back.shards[&2];
    assert!(shard.is_lost() && shard.retired && shard.reopened, "{shard:#?}");
}

/// A record whose second cluster was given up before it was listed, and then done by the others.
fn missed(whole: &Record) -> Record {
    let others = ["c1", "c3"].map(|name| (name, Vec::new()));
    let mut silent = without_c2(others);
    let away = Observation::Unknown { why: "it is away".into() };
    silent.members.insert("c2".into(), away);
    settle(&rebuilt(whole), &silent).record
}

#[test]
fn jobs_of_a_cluster_that_was_given_up_unlisted_are_stopped_when_it_returns() {
    let whole = whole();
    let missed = missed(&whole);
    assert_eq!(missed.state.missed, [("uid-of-c2".to_owned(), "c2".to_owned())].into());
    assert!(missed.clusters().contains("c2"), "it is asked: {:?}", missed.clusters());
    let opened: Vec<_> = missed.shards.keys().copied().collect();
    assert!(opened.iter().all(|id| *id > 3), "its shards may have the next ids: {opened:?}");
    for registered in ["c2", "again"] {
        let mut back = answered([(registered, vec![running(&whole, 2)])]);
        if registered != "c2" {
            let place = back.places.remove("c2").expect("there");
            back.places.insert(registered.to_owned(), place);
        }
        let record = settle(&missed, &answered([])).record;
        let returned = settle(&decide(&record, &back, NOW).record, &back).record;
        assert!(returned.state.missed.is_empty(), "{registered}: {:?}", returned.state.missed);
        let shard = &returned.shards[&2];
        assert_eq!(shard.cluster, registered);
        assert!(shard.is_lost() && shard.retired && shard.reopened, "{shard:#?}");
        assert_eq!(returned.carried(), 9, "others do its work already");
        assert_eq!(returned.ran_twice().count, 0);
    }
}

#[test]
fn what_a_missed_cluster_did_counts_as_run_twice_where_others_did_it_too() {
    let whole = whole();
    let mut record = missed(&whole);
    for shard in record.shards.values_mut() {
        shard.phase = Phase::Complete;
        let succeeded = shard.completions.expect("it is no queue");
        shard.seen = Some(Seen { succeeded, ..Seen::default() });
    }
    let mut job = running(&whole, 2);
    job["status"] = json!({"succeeded": 3, "completionTime": "1970-01-01T00:00:01Z",
        "startTime": "1970-01-01T00:00:00Z",
        "conditions": [{"type": "Complete", "status": "True"}]});
    let back = answered([("c2", vec![job.clone()])]);
    let mut returned = settle(&record, &back).record;
    returned.state.outcome = None;
    let mut listed = back.clone();
    let jobs = [(2, Box::new(Observed::from_object(&job)))].into();
    listed.members.insert("c2".into(), Observation::known(jobs));
    let returned = settle(&returned, &listed).record;
    assert_eq!(returned.ran_twice().count, 3, "{:#?}", returned.shards);
}

#[test]
fn a_cluster_that_has_the_name_of_a_missed_one_is_listed() {
    let mut backup = whole();
    backup.state.unlisted = ["c1", "c2", "c3"].map(str::to_owned).into();
    let second = backup.shards.get_mut(&2).expect("three");
    second.cluster_uid = Some("uid-before".into());
    let declared = Acceptance::new(Accepted::Restored, "", "alice", 7);
    backup.give_up_left(&[("uid-before".to_owned(), "c2".to_owned())].into(), &declared);
    // The cluster that has the name by now took the work over.
    let mut later = backup.clone();
    later.state.forgotten = 0;
    let share = Size { parallelism: 1, completions: Some(3) };
    later.add(Shard { cluster_uid: Some("uid-of-c2".into()), ..Shard::planned("c2", share) });
    let id = *later.shards.keys().next_back().expect("four");
    let observations = answered([
        ("c1", vec![running(&whole(), 1)]),
        ("c2", vec![running(&later, id)]),
        ("c3", vec![running(&whole(), 3)]),
    ]);
    let decided = settle(&backup, &observations).record;
    assert_eq!(decided.state.missed, [("uid-before".to_owned(), "c2".to_owned())].into());
    assert_eq!(decided.shards.keys().copied().collect::<Vec<_>>(), [1, 2, 3, id]);
    assert!(!decided.shards[&id].retired, "{:#?}", decided.shards[&id]);
    assert_eq!(decided.unplaced(), 0);
}

#[test]
fn an_adopted_job_gets_the_edit_that_its_labels_came_after() {
    let mut adopted = whole();
    adopted.shards.get_mut(&1).expect("three").adoption = Some(Adoption::Labelled);
    for shard in adopted.shards.values_mut() {
        shard.generation = 2;
    }
    let job = |id| {
        let mut job = running(&adopted, id);
        job["metadata"]["annotations"]["kubectl-federate.dev/generation"] = "1".into();
        job
    };
    let answers = [("c1", vec![job(1)]), ("c2", vec![job(2)]), ("c3", Vec::new())];
    let decided = settle(&rebuilt(&adopted), &answered(answers)).record;
    let lacks = |id: u32| decided.shards[&id].generation > 1;
    assert!(lacks(1), "its spec is as it was before it was adopted");
    assert!(!lacks(2), "what it keeps was written with its spec");
}

#[test]
fn a_shard_that_was_being_stopped_since_the_backup_goes_on() {
    let whole = whole();
    let mut backup = whole.clone();
    backup.state.unlisted = ["c1", "c2", "c3"].map(str::to_owned).into();
    let stopped = |metadata: Value| {
        let mut job = running(&whole, 2);
        job["spec"]["suspend"] = true.into();
        job["status"] = json!({"conditions": [{"type": "Suspended", "status": "True"}]});
        for map in ["labels", "annotations"] {
            for (key, value) in metadata[map].as_object().into_iter().flatten() {
                job["metadata"][map][key] = value.clone();
            }
        }
        job
    };
    let held = json!({"labels": {"kueue.x-k8s.io/queue-name": "kubectl-federate-hold"},
        "annotations": {"kubectl-federate.dev/queue": "team"}});
    let suspended = json!({"annotations": {"kubectl-federate.dev/stopped": "true"}});
    for (metadata, goes_on) in [(held, true), (suspended, true), (json!({}), false)] {
        let job = stopped(metadata);
        let answers = [
            ("c1", vec![running(&whole, 1)]),
            ("c2", vec![job.clone()]),
            ("c3", vec![running(&whole, 3)]),
        ];
        let decision = decide(&backup, &answered(answers), NOW);
        let shard = &decision.record.shards[&2];
        assert_eq!(shard.phase, Phase::Started);
        let lacks = shard.lacks(&Observed::from_object(&job));
        assert_eq!(lacks.whole, goes_on, "{}", job["metadata"]);
    }
}
