//! Work that is opened or credited, and the pods for it.

use super::*;
use crate::reconcile::{Places, allocate::work};

/// Two clusters that take work.
fn places() -> Places {
    ["c1", "c2"].map(|name| (name.to_owned(), ready())).into_iter().collect()
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
        observations.places.insert("c1".into(), ready());
        let decided = decide(&record, &observations, NOW).record;
        let new: i32 = decided.shards.range(2..).map(|(_, shard)| shard.parallelism).sum();
        assert_eq!(new, opened, "{phase:?}");
        assert_eq!(decide(&decided, &observations, NOW).record, decided, "once");
    }
}

#[test]
fn what_failed_for_good_is_not_opened_again() {
    let spec = json!({"completions": 3, "completionMode": "Indexed", "backoffLimitPerIndex": 0});
    let mut record = record(spec, &[(Phase::Deleted, Some(3))]);
    let shard = record.shards.get_mut(&1).expect("one");
    (shard.indexes, shard.reopened) = (Some(Indexes::all(3)), true);
    shard.seen = Some(Seen { failed_indexes: Indexes::all(1), ..Seen::default() });
    let mut observations = listed(&record, []);
    observations.places.insert("c1".into(), ready());
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
    pods::divide_after_edit(&mut record, &places());
    assert_eq!(record.shards[&1].parallelism, 1);
}

#[test]
fn work_that_was_planned_for_a_cluster_that_left_is_opened_elsewhere() {
    let spec = json!({"parallelism": 2, "completions": 6});
    let mut record = record(spec, &[(Phase::Started, Some(3)), (Phase::Planned, Some(3))]);
    record.shards.get_mut(&2).expect("planned").cluster_uid = Some("gone".into());
    let mut observations = listed(&record, [(1, job(&record, 1))]);
    observations.members.insert("c2".into(), Observation::Unknown { why: "left".into() });
    observations.places.insert("c1".into(), ready());
    for moved in [false, true] {
        let mut observations = observations.clone();
        if moved {
            observations.places.insert("c2".into(), Place { uid: "another".into(), ..ready() });
        }
        let decided = decide(&record, &observations, NOW).record;
        assert!(!decided.shards.contains_key(&2), "it has run nothing");
        let elsewhere: i32 = decided.shards.range(3..).filter_map(|(_, s)| s.completions).sum();
        assert_eq!(elsewhere, 3, "moved: {moved}");
    }
    let mut deleting = record.clone();
    deleting.state.deleting = Some(Cascade::Background);
    let decided = decide(&deleting, &observations, NOW).record;
    assert!(!decided.shards.contains_key(&2), "a deletion does not wait for it");
}

#[test]
fn a_retry_of_an_indexed_job_is_planned_by_what_it_has_to_do_itself() {
    let spec = json!({"parallelism": 2, "completions": 100, "completionMode": "Indexed"});
    let mut record = record(spec, &[(Phase::Started, Some(10))]);
    let before = Indexes::all(90);
    record.shards.get_mut(&1).expect("one").indexes = Some(Indexes::all(100).without(&before));
    record.state.folded.completed = before.clone();
    record.state.folded.carried_indexes = before;
    work::rebalance_now(&mut record, &places());
    assert_eq!(record.shards[&1].credit_target, 5, "each of two clusters gets a half");
}

/// The spec of a Job with a gang of 4.
fn gang(parallelism: i32, completions: i32) -> Value {
    let gang = json!({"schedulingPolicy": {"gang": {"minCount": 4}}});
    json!({"parallelism": parallelism, "completions": completions, "scheduling": gang})
}

#[test]
fn a_move_leaves_whole_gangs() {
    let mut record = record(gang(8, 12), &[(Phase::Started, Some(6)); 2]);
    for shard in record.shards.values_mut() {
        (shard.cluster, shard.parallelism) = ("c1".into(), 4);
    }
    // Half of the 12 completions belong to the other cluster by the plan.
    work::rebalance_now(&mut record, &places());
    let retained: Vec<i32> = record.shards.values().map(Shard::retained).collect();
    assert_eq!(retained, [4, 4]);
}

#[test]
fn work_that_is_opened_goes_to_whole_gangs() {
    for (left, opened) in [(3, vec![3]), (5, vec![5]), (8, vec![4, 4])] {
        let mut record = record(gang(8, left), &[(Phase::Deleted, Some(left))]);
        record.shards.get_mut(&1).expect("one").reopened = true;
        let mut observations = listed(&record, []);
        for name in ["c1", "c2", "c3"] {
            observations.places.insert(name.into(), ready());
        }
        let decided = decide(&record, &observations, NOW).record;
        let new: Vec<i32> =
            decided.shards.range(2..).filter_map(|(_, shard)| shard.completions).collect();
        assert_eq!(new, opened, "{:?}", decided.shards);
        let gangs = decided.shards.range(2..).map(|(id, _)| decided.spec(*id).gang);
        assert!(gangs.into_iter().all(|gang| gang == Some(left.min(4))), "{left}");
    }
}
