//! Clusters that are drained, and clusters that were declared lost and are back.

use super::*;
use crate::state::{Acceptance, Accepted, Adoption};

fn declared() -> Acceptance {
    Acceptance::new(Accepted::Lost, "cluster c2", "alice", 7)
}

#[test]
fn a_drain_credits_also_what_would_run_in_place_of_a_pod_that_fails() {
    let spec = json!({"parallelism": 6, "completions": 6});
    for (active, stops_pods) in [(3, false), (1, false), (0, false), (3, true)] {
        let mut record =
            record(spec.clone(), &[(Phase::Started, Some(3)), (Phase::Started, Some(3))]);
        record.shards.values_mut().for_each(|shard| shard.parallelism = 3);
        let jobs = [1, 2].map(|id| (id, Observed { active, ..job(&record, id) }));
        let mut observations = listed(&record, jobs);
        observations.places.insert("c1".into(), ready());
        let drained = Place { drained: Some(stops_pods), takes_work: false, ..ready() };
        observations.places.insert("c2".into(), drained);
        let decided = decide(&record, &observations, NOW).record;
        let shard = &decided.shards[&2];
        let case = format!("{active} pods run, they are stopped: {stops_pods}");
        assert_eq!(shard.retired, stops_pods, "{case}");
        assert!(stops_pods || shard.credit_target == 3, "{case}");
        assert_eq!(decide(&decided, &observations, NOW).record, decided, "once: {case}");
        assert_eq!(decided.shards[&1].credit_target, 0, "{case}");
    }
}

#[test]
fn a_lost_cluster_that_is_back_gets_no_work_before_its_shards_have_ended() {
    let spec = json!({"parallelism": 2, "completions": 6});
    let mut record = record(spec, &[(Phase::Complete, Some(3)), (Phase::Started, Some(3))]);
    record.shards.get_mut(&1).expect("two").seen = Some(Seen { succeeded: 3, ..Seen::default() });
    record.give_up("c2", &[2], &declared());
    for ended in [false, true] {
        let end = ended.then(|| end(EndKind::Failed, 7));
        let active = i32::from(!ended);
        let mut observations = listed(&record, [(2, Observed { active, end, ..job(&record, 2) })]);
        // It was uncordoned before anybody saw it.
        observations.places.insert("c2".into(), ready());
        let decided = decide(&record, &observations, NOW).record;
        let opened: i32 = decided.shards.range(3..).filter_map(|(_, it)| it.completions).sum();
        assert_eq!(opened, if ended { 3 } else { 0 }, "{decided:#?}");
    }
}

#[test]
fn a_lost_shard_whose_labels_were_taken_off_is_given_up_although_its_cluster_answers() {
    let spec = json!({"parallelism": 2, "completions": 6});
    let record = record(spec, &[(Phase::Started, Some(3)), (Phase::Started, Some(3))]);
    for is_ours in [true, false] {
        let owner = is_ours.then(|| record.ownership(2));
        let theirs = Observed { owner, active: 1, ..job(&record, 2) };
        let mut observations = listed(&record, [(1, job(&record, 1)), (2, theirs)]);
        observations.places.insert("c1".into(), ready());
        let lost = Place { lost: Some(declared()), takes_work: false, ..ready() };
        observations.places.insert("c2".into(), lost);
        let decided = decide(&record, &observations, NOW).record;
        assert_eq!(decided.shards[&2].is_lost(), !is_ours, "{decided:#?}");
    }
}

#[test]
fn a_lost_shard_that_awaits_its_labels_is_stopped_first() {
    let spec = json!({"parallelism": 2, "completions": 6});
    let mut record = record(spec, &[(Phase::Started, Some(3)), (Phase::Started, Some(3))]);
    record.shards.get_mut(&2).expect("two").adoption = Some(Adoption::Planned);
    let unlabelled = Observed { owner: None, active: 1, ..job(&record, 2) };
    let mut observations = listed(&record, [(1, job(&record, 1)), (2, unlabelled)]);
    observations.places.insert("c1".into(), ready());
    let lost = Place { lost: Some(declared()), takes_work: false, ..ready() };
    observations.places.insert("c2".into(), lost);
    let decided = decide(&record, &observations, NOW).record;
    let shard = &decided.shards[&2];
    assert!(shard.retired && !shard.is_lost(), "{decided:#?}");
}

#[test]
fn a_drain_lets_a_work_queue_run_that_may_start_pods() {
    let spec = json!({"parallelism": 4});
    for (parallelism, active, suspended, stops_pods, stays) in [
        (2, 2, false, false, true),
        // A pod waits to be tried again.
        (2, 0, false, false, true),
        (0, 2, false, false, true),
        (0, 0, false, false, false),
        (2, 0, true, false, false),
        (2, 2, false, true, false),
    ] {
        let mut record = record(spec.clone(), &[(Phase::Started, None), (Phase::Started, None)]);
        record.shards.values_mut().for_each(|shard| shard.parallelism = parallelism);
        let seen = |id| Observed { suspended, parallelism, active, ..job(&record, id) };
        let jobs = [1, 2].map(|id| (id, seen(id)));
        let mut observations = listed(&record, jobs);
        observations.places.insert("c1".into(), ready());
        let drained = Place { drained: Some(stops_pods), takes_work: false, ..ready() };
        observations.places.insert("c2".into(), drained);
        let decided = decide(&record, &observations, NOW).record;
        let case = format!("{active} of {parallelism}, {suspended}, now: {stops_pods}");
        assert_eq!(decided.shards[&2].retired, !stays, "{case}");
    }
}
