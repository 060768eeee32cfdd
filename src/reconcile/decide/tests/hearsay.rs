//! What Jobs in members say of the federated Job and of other shards, where it is not true.

use super::{
    take_in::{answered, rebuilt, running, settle, whole},
    *,
};

/// The Job of a shard whose cluster says of another shard that it has ended, having done all.
fn telling(whole: &Record, teller: u32, of: u32) -> Value {
    let mut lie = whole.clone();
    let shard = lie.shards.get_mut(&of).expect("three");
    shard.phase = Phase::Complete;
    shard.seen = Some(Seen { succeeded: 3, ..Seen::default() });
    running(&lie, teller)
}

#[test]
fn a_job_knows_better_than_another_that_it_goes_on_also_if_it_is_listed_later() {
    let whole = whole();
    let first = [("c1", vec![telling(&whole, 1, 2)]), ("c3", vec![running(&whole, 3)])];
    let told = settle(&rebuilt(&whole), &answered(first)).record;
    assert!(told.shards[&2].phase.ended() && told.shards[&2].told, "it may be so");
    assert_eq!(told.state.outcome, None);
    let alive = settle(&told, &answered([("c2", vec![running(&whole, 2)])])).record;
    assert_eq!(alive.shards[&2].phase, Phase::Started, "its own Job says that it runs");
    assert_eq!((alive.shards[&2].achieved(), alive.shards[&2].told), (0, false));
    let mut ended = running(&whole, 2);
    ended["status"] = json!({"succeeded": 1, "failed": 7, "conditions": [
        {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"},
    ]});
    let ended = settle(&told, &answered([("c2", vec![ended])])).record;
    assert_ne!(ended.shards[&2].phase, Phase::Complete, "it has not done what others say");
    let gone = settle(&told, &answered([("c2", Vec::new())])).record;
    assert_eq!(gone.shards[&2].achieved(), 3, "nobody else can say what it did");
    assert!(gone.shards.values().all(|shard| !shard.told));
}

#[test]
fn an_annotation_of_another_job_changes_no_manifest() {
    let whole = whole();
    for (pointer, value) in
        [("/metadata/name", json!("other")), ("/spec/completionMode", json!("Indexed"))]
    {
        let mut object = whole.manifest.object().clone();
        object["spec"]["completions"] = 12.into();
        let (parent, field) = pointer.rsplit_once('/').expect("a path");
        object.pointer_mut(parent).expect("an object")[field] = value;
        let mut other = whole.clone();
        other.state.revision = 1;
        other.manifest = Manifest::recorded(object).expect("valid");
        let answers = [
            ("c1", vec![running(&whole, 1)]),
            ("c2", vec![running(&other, 2)]),
            ("c3", vec![running(&whole, 3)]),
        ];
        let decided = settle(&rebuilt(&whole), &answered(answers)).record;
        assert_eq!(decided.manifest, whole.manifest, "{pointer}");
    }
}

#[test]
fn manifests_of_which_nobody_knows_the_true_one_stop_no_pods() {
    let whole = whole();
    let edited = |image: &str| {
        let mut edited = whole.clone();
        edited.state.revision = 1;
        let mut object = whole.manifest.object().clone();
        let containers = json!([{"name": "main", "image": image}]);
        object["spec"]["template"]["spec"]["containers"] = containers;
        edited.manifest = Manifest::recorded(object).expect("valid");
        edited
    };
    let answers = [
        ("c1", vec![running(&edited("one"), 1)]),
        ("c2", vec![running(&edited("two"), 2)]),
        ("c3", vec![running(&whole, 3)]),
    ];
    let decided = settle(&rebuilt(&whole), &answered(answers));
    assert_eq!(decided.record.manifest, whole.manifest);
    let is_stopped = |shard: &&Shard| shard.retired || shard.phase != Phase::Started;
    assert_eq!(decided.record.shards.values().find(is_stopped), None);
}
