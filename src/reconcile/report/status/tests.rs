use super::*;
use crate::{
    cluster::Denial,
    job::Manifest,
    reconcile::{Answer, Observation, observe::Bar},
    state::{Cascade, Outcome, Seen, Shard},
};

/// A record of a Job with these shards: cluster, phase, completions, and what was seen of it.
fn record(spec: Value, shards: Vec<(&str, Phase, Option<i32>, Seen)>) -> Record {
    let job =
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"}, "spec": spec});
    let manifest = Manifest::new(job, "work", "").expect("valid");
    let shards = shards.into_iter().map(|(cluster, phase, completions, seen)| Shard {
        phase,
        uid: (phase != Phase::Planned).then(|| format!("{cluster}-uid")),
        seen: (phase != Phase::Planned).then_some(seen),
        ..Shard::planned(cluster, Size { parallelism: 2, completions })
    });
    Record::new("f", manifest, shards.collect(), Timestamp::from_second(60).expect("in range"))
}

fn answering(record: &Record) -> Observations {
    let known = || Observation::known([].into());
    Observations {
        members: record.shards.values().map(|shard| (shard.cluster.clone(), known())).collect(),
        ..Observations::default()
    }
}

fn seen(active: i32, succeeded: i32) -> Seen {
    Seen { active, succeeded, start: Some(120), at: 180, ..Seen::default() }
}

#[test]
fn the_word_says_what_is_so() {
    let one = |spec: Value, phase| record(spec, vec![("a", phase, Some(3), seen(0, 1))]);
    let spec = || json!({"completions": 3});
    let with = |change: fn(&mut Record)| {
        let mut record = one(spec(), Phase::Started);
        change(&mut record);
        record
    };
    let ended = |verdict, phase| {
        let mut record = one(spec(), phase);
        record.state.outcome = Some(Outcome::new(verdict, "R", "m", 7));
        record
    };
    for (record, unknown, word) in [
        (one(spec(), Phase::Planned), false, "Pending"),
        (one(spec(), Phase::Planned), true, "Pending,Unknown"),
        (one(spec(), Phase::Created), false, "Pending"),
        (one(spec(), Phase::Started), false, "Running"),
        (one(spec(), Phase::Started), true, "Running,Unknown"),
        (one(spec(), Phase::Deleted), false, "Stopped,Unplaced"),
        (one(spec(), Phase::Deleted), true, "Stopped,Unplaced"),
        (one(json!({"parallelism": 0, "completions": 3}), Phase::Started), false, "Paused"),
        (one(json!({"completions": 3, "suspend": true}), Phase::Created), false, "Suspended"),
        (with(|record| record.state.deleting = Some(Cascade::Background)), false, "Terminating"),
        (ended(Verdict::Complete, Phase::Complete), true, "Complete"),
        (ended(Verdict::Failed, Phase::Failed), true, "Failed"),
        (ended(Verdict::Complete, Phase::Started), false, "SuccessCriteriaMet"),
        (ended(Verdict::Failed, Phase::Started), true, "FailureTarget"),
    ] {
        let observations = if unknown { Observations::default() } else { answering(&record) };
        assert_eq!(Status::new(&record, &observations).word(), word, "{:?}", record.shards);
    }
}

#[test]
fn completions_read_as_in_kubectl() {
    for (spec, completions, column) in [
        (json!({}), Some(1), "1/1"),
        (json!({"parallelism": 2, "completions": 3}), Some(3), "1/3"),
        (json!({"parallelism": 1}), None, "1/1"),
        (json!({"parallelism": 5}), None, "1/1 of 5"),
    ] {
        let record = record(spec.clone(), vec![("a", Phase::Started, completions, seen(1, 1))]);
        assert_eq!(Status::new(&record, &answering(&record)).completions(), column, "{spec}");
    }
}

#[test]
fn no_shard_counts_for_more_than_it_was_given_and_counts_add_up() {
    let record = record(
        json!({"parallelism": 6, "completions": 9}),
        vec![
            ("a", Phase::Complete, Some(3), Seen { failed: 1, ..seen(0, 4) }),
            ("b", Phase::Started, Some(3), Seen { failed: 2, ..seen(2, 1) }),
            ("c", Phase::Deleted, Some(3), seen(0, 1)),
        ],
    );
    let mut record = record;
    record.state.started = Some(120);
    let status = Status::new(&record, &answering(&record));
    assert_eq!((status.succeeded, status.active, status.failed, status.unplaced), (5, 2, 3, 2));
    assert_eq!(
        (status.clusters(), status.start.map(Timestamp::as_second)),
        ((2, 2), Some(120)),
        "a deleted shard does not count any more"
    );
}

#[test]
fn what_has_ended_needs_no_answer_and_what_lives_does() {
    let spec = json!({"parallelism": 4, "completions": 6});
    let record = record(
        spec,
        vec![
            ("a", Phase::Complete, Some(3), seen(0, 3)),
            ("b", Phase::Started, Some(3), seen(1, 1)),
        ],
    );
    let mut observations = Observations::default();
    observations.add("b", 2, Answer::Unknown("no route".into()));
    let status = Status::new(&record, &observations);
    let states: Vec<_> =
        status.shards.iter().map(|shard| (shard.state, shard.unknown.as_deref())).collect();
    assert_eq!(states, [("Complete", None), ("Unknown", Some("no route"))]);
    assert_eq!(
        (status.clusters(), status.succeeded),
        ((1, 2), 4),
        "what was known last still counts"
    );
}

#[test]
fn a_cluster_that_keeps_the_user_out_is_named_so_and_is_not_away() {
    let spec = json!({"parallelism": 4, "completions": 6});
    let shards = ["a", "b", "c"].map(|name| (name, Phase::Started, Some(2), seen(1, 0)));
    let record = record(spec, shards.to_vec());
    let mut observations = answering(&record);
    for (id, cluster) in (1..).zip(["a", "b", "c"]) {
        observations.add(cluster, id, Answer::Unknown("no".into()));
    }
    let denial = Some(Denial::Forbidden);
    observations.bars = [("a".into(), Bar { denial }), ("b".into(), Bar { denial: None })].into();
    let status = Status::new(&record, &observations);
    let states: Vec<_> = status.shards.iter().map(|shard| shard.state).collect();
    assert_eq!(states, ["Forbidden", "Unknown", "Unknown"]);
    assert_eq!(status.word(), "Running,Unknown,Forbidden");
    assert_eq!(status.clusters(), (0, 3), "nothing is known of any");
}

#[test]
fn a_shard_that_is_never_made_because_the_job_has_ended_is_not_pending() {
    let spec = json!({"parallelism": 4, "completions": 6});
    let shards = vec![
        ("a", Phase::Complete, Some(3), seen(0, 3)),
        ("b", Phase::Planned, Some(3), Seen::default()),
    ];
    let mut record = record(spec, shards);
    let state = |record: &Record| Status::new(record, &answering(record)).shards[1].state;
    assert_eq!(state(&record), "Pending");
    record.state.outcome = Some(Outcome::new(Verdict::Complete, "R", "m", 7));
    assert_eq!(state(&record), "Stopped");
}

#[test]
fn a_cluster_with_several_parts_is_one() {
    let record = record(
        json!({"parallelism": 4, "completions": 9}),
        vec![
            ("a", Phase::Deleted, Some(3), seen(0, 1)),
            ("a", Phase::Started, Some(3), seen(1, 1)),
            ("a", Phase::Started, Some(3), seen(1, 1)),
            ("b", Phase::Complete, Some(3), seen(0, 3)),
            ("c", Phase::Deleted, Some(3), seen(0, 0)),
        ],
    );
    assert_eq!(Status::new(&record, &answering(&record)).clusters(), (2, 2));
    let mut observations = answering(&record);
    observations.add("a", 2, Answer::Unknown("no route".into()));
    assert_eq!(Status::new(&record, &observations).clusters(), (1, 2));
}

#[test]
fn more_than_is_asked_for_by_now_is_shown_as_kubectl_does() {
    let spec = json!({"parallelism": 2, "completions": 2});
    let record = record(spec, vec![("a", Phase::Complete, Some(3), seen(0, 3))]);
    assert_eq!(Status::new(&record, &answering(&record)).completions(), "3/2");
}

#[test]
fn a_shard_that_is_complete_because_work_was_taken_off_it_is_stopped() {
    for (credited, retired, state) in [
        (0, false, "Complete"),
        (1, false, "Complete"),
        (1, true, "Stopped"),
        (3, false, "Stopped"),
        (3, true, "Stopped"),
    ] {
        let spec = json!({"parallelism": 2, "completions": 6});
        let mut record = record(spec, vec![("a", Phase::Complete, Some(3), seen(0, 3))]);
        let shard = record.shards.get_mut(&1).expect("it has one");
        (shard.credited, shard.retired) = (credited, retired);
        let status = Status::new(&record, &answering(&record));
        assert_eq!(status.shards[0].state, state, "{credited} {retired}");
    }
}

#[test]
fn it_prints_as_one_job_over_all_clusters() {
    let mut record = record(
        json!({"parallelism": 4, "completions": 6}),
        vec![
            ("a", Phase::Complete, Some(3), seen(0, 3)),
            ("b", Phase::Planned, Some(3), Seen::default()),
        ],
    );
    record.state.uid = "job-uid".into();
    record.state.started = Some(120);
    let mut observations = answering(&record);
    observations.add("b", 2, Answer::Refused("exists already".into()));
    let job = Status::new(&record, &observations).to_job(&record);
    assert_eq!(
        job,
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": "pi", "namespace": "work", "uid": "job-uid",
                "creationTimestamp": "1970-01-01T00:01:00Z",
            },
            "spec": {"parallelism": 4, "completions": 6},
            "status": {
                "phase": "Pending",
                "succeeded": 3,
                "startTime": "1970-01-01T00:02:00Z",
                "shards": [
                    {"cluster": "a", "name": "pi", "uid": "a-uid", "state": "Complete",
                        "parallelism": 2,
                        "completions": 3, "succeeded": 3},
                    {"cluster": "b", "name": "pi", "state": "Pending", "parallelism": 2,
                        "completions": 3,
                        "message": "exists already"},
                ],
            },
        })
    );
}

#[test]
fn conditions_are_those_of_one_job() {
    let of =
        |record: &Record| Status::new(record, &answering(record)).to_job(record)["status"].clone();
    let spec = || json!({"completions": 3});
    let shards = |phase| vec![("a", phase, Some(3), seen(0, 3))];
    assert_eq!(of(&record(spec(), shards(Phase::Started))).get("conditions"), None);
    for (verdict, target, kind, completion) in [
        (Verdict::Failed, "FailureTarget", "Failed", Value::Null),
        (Verdict::Complete, "SuccessCriteriaMet", "Complete", json!("1970-01-01T00:05:00Z")),
    ] {
        let condition = |kind: &str| {
            json!({
                "type": kind, "status": "True", "reason": "Reason", "message": "message",
                "lastProbeTime": "1970-01-01T00:05:00Z",
                "lastTransitionTime": "1970-01-01T00:05:00Z",
            })
        };
        let outcome = || Some(Outcome::new(verdict, "Reason", "message", 300));
        let mut ending = record(spec(), shards(Phase::Started));
        ending.state.outcome = outcome();
        assert_eq!(
            of(&ending)["conditions"],
            json!([condition(target)]),
            "a shard is yet to be ended"
        );
        assert_eq!(of(&ending).get("completionTime"), None);
        let mut ended = record(spec(), shards(Phase::Complete));
        ended.state.outcome = outcome();
        assert_eq!(of(&ended)["conditions"], json!([condition(target), condition(kind)]));
        assert_eq!(of(&ended)["completionTime"], completion, "only what is Complete has one");
    }
    let mut suspended = record(json!({"completions": 3, "suspend": true}), shards(Phase::Started));
    assert_eq!(of(&suspended).get("conditions"), None, "its Job is not known to be suspended yet");
    suspended
        .shards
        .get_mut(&1)
        .and_then(|shard| shard.seen.as_mut())
        .expect("it was seen")
        .suspended = true;
    assert_eq!(of(&suspended)["conditions"][0]["type"], "Suspended");
}

#[test]
fn a_suspended_job_has_no_start_before_it_has_ended() {
    let spec = json!({"completions": 3, "suspend": true});
    let mut suspended = record(spec, vec![("a", Phase::Started, Some(3), seen(0, 1))]);
    suspended.state.started = Some(5);
    assert_eq!(Status::new(&suspended, &answering(&suspended)).start, None);
    suspended.state.outcome = Some(Outcome::new(Verdict::Complete, "R", "m", 7));
    let start = Status::new(&suspended, &answering(&suspended)).start;
    assert_eq!(start.map(Timestamp::as_second), Some(5), "as Kubernetes keeps it");
}

#[test]
fn a_shard_that_is_in_no_record_is_foreseen() {
    let started = vec![("a", Phase::Started, Some(3), seen(1, 0))];
    let stored = record(json!({"completions": 9}), started);
    let mut after = stored.clone();
    let own = Size { parallelism: 1, completions: Some(3) };
    after.add(Shard::planned("b", own));
    // What is taken over from a member is there.
    after.add(Shard { uid: Some("u".into()), ..Shard::planned("c", own) });
    let mut status = Status::new(&after, &answering(&after));
    status.name_the_foreseen(&stored);
    let states: Vec<_> = status.shards.iter().map(|shard| shard.state).collect();
    assert_eq!(states, ["Running", "Foreseen", "Pending"]);
    assert_eq!(status.clusters().1, 2);
}

#[test]
fn a_deletion_waits_for_members_that_do_not_answer_and_leaves_nothing_unplaced() {
    let mut deleted =
        record(json!({"completions": 6}), vec![("a", Phase::Complete, Some(3), seen(0, 3))]);
    let silent = Observations::default();
    assert_eq!(
        Status::new(&deleted, &silent).shards[0].unknown,
        None,
        "what has ended needs no answer"
    );
    deleted.state.deleting = Some(Cascade::Background);
    let status = Status::new(&deleted, &silent);
    assert!(status.shards[0].unknown.is_some(), "whether its Job is gone is not known");
    assert_eq!(status.unplaced, 0);
}

#[test]
fn a_shard_whose_lease_has_passed_says_what_it_waits_for() {
    let record =
        record(json!({"completions": 3}), vec![("a", Phase::Started, Some(3), seen(1, 1))]);
    let mut observations = answering(&record);
    observations.overdue = [(1, 3600)].into();
    let status = Status::new(&record, &observations);
    let why = "its lease has passed at 1970-01-01T01:00:00Z, and the Job controller of its cluster \
               has yet to end its job. Then its work is opened again";
    assert_eq!(status.shards[0].message(), Some(why));
    assert_eq!(status.to_job(&record)["status"]["shards"][0]["message"], why);
}
