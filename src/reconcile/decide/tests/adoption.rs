//! Jobs that were there before, and have yet to get the labels of their shards.

use super::*;
use crate::{job::Owner, reconcile::decide::still_fits, state::Adoption};

/// A record of one shard in this phase, whose Job is to be labelled.
fn adopting(phase: Phase) -> Record {
    let mut record = one(phase);
    record.shards.get_mut(&1).expect("one").adoption = Some(Adoption::Planned);
    record
}

/// Its Job as it is without the labels.
fn unlabelled(record: &Record) -> Observed {
    Observed { owner: None, generation: 0, ..job(record, 1) }
}

#[test]
fn a_job_that_has_yet_to_be_labelled_is_asked_for_by_name_also_if_it_has_ended() {
    for phase in [Phase::Created, Phase::Started, Phase::Complete, Phase::Failed] {
        let record = adopting(phase);
        let decision = decide(&record, &listed(&record, []), NOW);
        assert_eq!(decision.confirm, [1], "{phase:?}");
        let found = Answer::Job(Box::new(unlabelled(&record)));
        let decision = decide(&record, &answered(&record, [], found), NOW);
        let labels = vec![Action::Adopt { shard: 1, uid: "u1".into() }];
        assert_eq!((decision.confirm, decision.actions), (vec![], labels), "{phase:?}");
    }
}

#[test]
fn an_adoption_ends_when_the_labels_are_seen_or_the_job_is_gone() {
    for phase in [Phase::Started, Phase::Complete] {
        let record = adopting(phase);
        let seen = listed(&record, [(1, job(&record, 1))]);
        let shard = &decide(&record, &seen, NOW).record.shards[&1];
        assert_eq!(shard.adoption, Some(Adoption::Labelled), "{phase:?}");
        let gone = answered(&record, [], Answer::Gone);
        let shard = &decide(&record, &gone, NOW).record.shards[&1];
        assert_eq!(shard.adoption, Some(Adoption::Labelled), "{phase:?}");
        let expected = if phase == Phase::Started { Phase::Deleted } else { phase };
        assert_eq!(shard.phase, expected);
    }
}

#[test]
fn labels_that_are_removed_later_are_not_put_back() {
    let mut record = adopting(Phase::Started);
    record.shards.get_mut(&1).expect("one").end_adoption();
    let found = Answer::Job(Box::new(unlabelled(&record)));
    let observations = answered(&record, [], found);
    assert_eq!(decide(&record, &observations, NOW).actions, vec![]);
    assert!(observations.is_left_alone(&record, 1));
    let record = adopting(Phase::Started);
    assert!(!observations.is_left_alone(&record, 1), "nobody removed them");
}

#[test]
fn a_job_is_not_adopted_in_a_cluster_that_leaves_or_that_refused() {
    let record = adopting(Phase::Started);
    let found = || Answer::Job(Box::new(unlabelled(&record)));
    let mut leaving = answered(&record, [], found());
    leaving.places.insert("c1".into(), Place { leaving: true, ..Place::default() });
    assert_eq!(decide(&record, &leaving, NOW).actions, vec![]);
    let mut refused = answered(&record, [], found());
    refused.add("c1", 1, Answer::Refused("no".into()));
    assert_eq!(decide(&record, &refused, NOW).actions, vec![]);
}

#[test]
fn a_deletion_does_not_touch_a_job_that_has_no_labels_yet() {
    let mut record = adopting(Phase::Started);
    record.state.deleting = Some(Cascade::Background);
    let found = Answer::Job(Box::new(unlabelled(&record)));
    let decision = decide(&record, &answered(&record, [], found), NOW);
    assert_eq!((decision.actions, decision.remove), (vec![], true));
}

#[test]
fn an_adopted_job_with_indexes_that_are_not_its_own_is_left_alone() {
    let mut record = record(
        json!({"completions": 3, "completionMode": "Indexed"}),
        &[(Phase::Started, Some(3))],
    );
    let shard = record.shards.get_mut(&1).expect("one");
    (shard.adoption, shard.indexes) = (Some(Adoption::Labelled), Some(Indexes::all(3)));
    let grown = Observed { completions: Some(6), indexed: true, ..job(&record, 1) };
    let credited = Some("2".to_owned());
    for (suspended, active, credited) in
        [(false, 2, None), (true, 0, None), (false, 2, credited.clone()), (true, 0, credited)]
    {
        let completed_indexes = credited.iter().map(|text| text.parse().expect("indexes")).next();
        let completed_indexes = completed_indexes.unwrap_or_default();
        let job = Observed { credited, suspended, active, completed_indexes, ..grown.clone() };
        let decision = decide(&record, &listed(&record, [(1, job)]), NOW);
        assert_eq!(decision.actions, vec![], "suspended: {suspended}");
        assert!(!decision.record.shards[&1].reopened, "suspended: {suspended}");
    }
}

/// A Job as its server has it, and the record of its adoption.
fn stored() -> (Record, Value) {
    let object = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "pi", "namespace": "work", "uid": "u1"},
        "spec": {
            "completions": 3, "completionMode": "Indexed", "backoffLimit": 6, "suspend": false,
            "template": {
                "metadata": {"labels": {"batch.kubernetes.io/controller-uid": "u1"}},
                "spec": {"restartPolicy": "Never",
                    "containers": [{"name": "pi", "image": "pi"}]},
            },
        },
    });
    let mut record = adopting(Phase::Started);
    record.manifest = crate::job::adoptable(&object).expect("it fits");
    (record, object)
}

#[test]
fn a_job_that_was_changed_since_it_was_recorded_does_not_fit_any_more() {
    let (record, object) = stored();
    assert_eq!(still_fits(&record, 1, &object), Ok(()));
    let changed = "it was changed since its adoption was recorded: ";
    for (pointer, value, said) in [
        ("/spec/completions", json!(6), format!("{changed}spec.completions is 6, not 3")),
        ("/spec/suspend", json!(true), format!("{changed}spec.suspend is true, not false")),
        ("/spec/backoffLimit", json!(2), format!("{changed}spec.backoffLimit is another")),
        (
            "/metadata/ownerReferences",
            json!([{"kind": "CronJob", "name": "nightly"}]),
            "metadata.ownerReferences: CronJob \"nightly\" owns it".to_owned(),
        ),
        (
            "/metadata/labels",
            json!({"kueue.x-k8s.io/queue-name": "gpus"}),
            "metadata.labels: a queue decides when it runs, kueue.x-k8s.io/queue-name is \"gpus\""
                .to_owned(),
        ),
    ] {
        let mut object = object.clone();
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
        object.pointer_mut(parent).expect("it is there")[field] = value;
        let misfits = still_fits(&record, 1, &object).expect_err("it was changed");
        assert_eq!(misfits.iter().map(ToString::to_string).collect::<Vec<_>>(), [said]);
    }
}

#[test]
fn what_an_edit_of_the_federated_job_is_to_change_may_differ() {
    let (mut record, mut object) = stored();
    record.state.revision = 1;
    object["spec"]["suspend"] = true.into();
    assert_eq!(still_fits(&record, 1, &object), Ok(()));
    object["spec"]["completions"] = 6.into();
    assert!(still_fits(&record, 1, &object).is_err(), "completions of a shard do not change");
}

#[test]
fn a_job_that_another_federated_job_has_labelled_counts_for_that_one_alone() {
    for phase in [Phase::Created, Phase::Started, Phase::Complete] {
        let mut record = adopting(phase);
        record.shards.get_mut(&1).expect("one").seen =
            Some(Seen { succeeded: 2, ..Seen::default() });
        let other = Ownership { federation: "other".into(), ..record.ownership(1) };
        let theirs = Observed { owner: Some(other), succeeded: 2, ..unlabelled(&record) };
        let mut observations = answered(&record, [], Answer::Job(Box::new(theirs)));
        observations.places.insert("c1".into(), ready());
        let decision = decide(&record, &observations, NOW);
        assert_eq!(decision.actions, vec![], "{phase:?}");
        let lost = decision.record;
        let (job, federation) = (record.state.uid.clone(), "other".to_owned());
        assert_eq!(lost.shards[&1].adoption, Some(Adoption::TakenOver), "{phase:?}");
        assert_eq!(lost.shards[&1].taken_by, Some(Owner { federation, job }), "{phase:?}");
        assert_eq!((lost.achieved(), lost.shards.len()), (0, 1), "{phase:?}");
        assert!(lost.holds_back() && lost.state.outcome.is_none(), "{phase:?}");
        assert!(!observations.is_left_alone(&lost, 1), "the labels of others are not replaced");
    }
}
