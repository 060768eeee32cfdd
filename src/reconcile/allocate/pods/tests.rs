use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::{
    job::{End, EndKind, Manifest, Observed, Size},
    reconcile::{Clocks, EditError, Observation, Observations, Place, Status, decide, edit_record},
    state::{MemberState, Phase, Registry, Seen},
};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// A Job over three clusters that take work, with a shard in each of the first of them that runs
/// all that it may.
struct Scene {
    registry: Registry,
    record: Record,
    observations: Observations,
}

impl Scene {
    fn new(spec: Value, sizes: &[(i32, Option<i32>)]) -> Self {
        let settings = json!({"version": 1, "uid": "f", "host": "h"}).to_string();
        let annotations = json!({"kubectl-federate.dev/settings": settings});
        let mut registry =
            Registry::from_config_map(&json!({"metadata": {"annotations": annotations}}))
                .expect("a registry");
        let mut observations = Observations::default();
        let mut shards = Vec::new();
        for (n, name) in (1..).zip(["c1", "c2", "c3"]) {
            let member = json!({
                "context": name, "uid": name, "weight": 1, "state": "ready", "registered": 0,
            });
            registry
                .members
                .insert(name.to_owned(), serde_json::from_value(member).expect("a member"));
            observations.members.insert(name.to_owned(), Observation::known([].into()));
            if let Some((parallelism, completions)) = sizes.get(n - 1) {
                let size = Size { parallelism: *parallelism, completions: *completions };
                let uid = Some(format!("u{n}"));
                shards.push(Shard { phase: Phase::Started, uid, ..Shard::planned(name, size) });
            }
        }
        assert!(registry.members.values().all(|member| member.state == MemberState::Ready));
        observations.places = Place::all(&registry);
        let record = Record::new("f", manifest(&spec), shards, NOW);
        let mut scene = Self { registry, record, observations };
        for id in 1..=u32::try_from(sizes.len()).expect("few") {
            scene.runs(id, |_| {});
        }
        scene
    }

    /// Says what the Job of a shard is like, and decides again.
    fn runs(&mut self, id: u32, change: impl Fn(&mut Observed)) {
        let shard = &self.record.shards[&id];
        let mut job =
            Observed::from_object(&json!({"metadata": {"name": "pi", "uid": format!("u{id}")}}));
        job.owner = Some(self.record.ownership(id));
        job.completions = shard.completions;
        job.generation = shard.generation;
        let most = if shard.completions.is_some() { shard.remaining() } else { i32::MAX };
        job.active = shard.parallelism.min(most);
        change(&mut job);
        let Some(Observation::Known { jobs, .. }) =
            self.observations.members.get_mut(&shard.cluster)
        else {
            panic!("no shard {id}")
        };
        jobs.insert(id, Box::new(job));
        self.record = decide(&self.record, &self.observations, NOW).record;
    }

    /// The Job of a shard ends with the one pod that runs in it, all else being taken off it; of a
    /// work queue, it is stopped.
    fn ends(&mut self, id: u32) {
        let end = End {
            kind: EndKind::Complete,
            reason: String::new(),
            message: String::new(),
            at: Some(NOW),
        };
        self.runs(id, |job| {
            let credited = job.completions.map_or(1, |completions| completions - 1);
            (job.succeeded, job.active, job.end) =
                (job.completions.unwrap_or(1), 0, Some(end.clone()));
            job.credited = Some(credited.to_string());
        });
    }

    fn scale(&mut self, spec: Value) {
        self.record = edit_record(
            &self.record,
            &self.registry,
            manifest(&spec),
            false,
            &Clocks::default(),
            NOW,
        )
        .expect("valid");
        self.record = decide(&self.record, &self.observations, NOW).record;
    }

    /// Cluster and pods of each shard that may run some.
    fn pods(&self) -> Vec<(&str, i32)> {
        let running = self.record.shards.values().filter(|shard| may_run(shard));
        running.map(|shard| (shard.cluster.as_str(), shard.parallelism)).collect()
    }
}

fn manifest(spec: &Value) -> Manifest {
    let job =
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"}, "spec": spec});
    Manifest::new(job, "work", "").expect("valid")
}

#[test]
fn who_is_left_without_pods_runs_out_and_counts_until_it_has() {
    let size = |parallelism| json!({"parallelism": parallelism, "completions": 30});
    let mut scene = Scene::new(size(9), &[(3, Some(10)); 3]);
    scene.scale(size(2));
    let runs_out: Vec<u32> = ids_where(&scene.record, runs_out);
    assert_eq!(runs_out.len(), 1, "{:?}", scene.record.shards);
    assert_eq!(scene.pods(), [("c1", 1), ("c2", 1), ("c3", 1)]);
    scene.scale(size(9));
    assert_eq!(scene.pods().iter().map(|(_, pods)| pods).sum::<i32>(), 9, "{:?}", scene.pods());
    scene.ends(runs_out[0]);
    assert_eq!(scene.pods().iter().map(|(_, pods)| pods).sum::<i32>(), 9, "{:?}", scene.pods());
    assert_eq!(scene.record.unplaced(), 0);
}

#[test]
fn work_that_moves_waits_until_a_pod_is_free() {
    let size = |parallelism| json!({"parallelism": parallelism, "completions": 30});
    let mut scene = Scene::new(size(3), &[(1, Some(10)); 3]);
    scene.scale(size(1));
    let stays = ids_where(&scene.record, goes_on);
    assert_eq!(stays.len(), 1, "{:?}", scene.record.shards);
    for id in ids_where(&scene.record, runs_out) {
        scene.ends(id);
    }
    let status = Status::new(&scene.record, &scene.observations);
    assert_eq!(
        (scene.pods().len(), status.unplaced, status.waiting),
        (1, 18, 18),
        "another shard would run a second pod"
    );
    scene.ends(stays[0]);
    assert_eq!((scene.pods().len(), scene.record.unplaced()), (1, 0), "{:?}", scene.record.shards);
}

/// The Job with preferences that give the third cluster no pods.
fn without_c3(spec: &Value, rebalance: bool) -> Manifest {
    let clusters = json!({"*": {"weight": 1}, "c3": {"maxReplicas": 0, "weight": 1}});
    let preferences = json!({"rebalance": rebalance, "clusters": clusters});
    let mut job = manifest(spec).object().clone();
    job["metadata"]["annotations"][plan::PREFERENCES] = preferences.to_string().into();
    Manifest::new(job, "work", "").expect("valid")
}

#[test]
fn preferences_stop_no_running_pod_and_move_work_only_where_they_ask_to_rebalance() {
    let fixed = json!({"parallelism": 9, "completions": 30});
    let queue = json!({"parallelism": 9});
    for (spec, completions, rebalance, leaving) in [
        (&fixed, Some(10), false, vec![]),
        (&fixed, Some(10), true, vec![3]),
        (&queue, None, false, vec![]),
        (&queue, None, true, vec![3]),
    ] {
        let mut scene = Scene::new(spec.clone(), &[(3, completions); 3]);
        let edited = without_c3(spec, rebalance);
        scene.record =
            edit_record(&scene.record, &scene.registry, edited, false, &Clocks::default(), NOW)
                .expect("valid");
        let is_leaving = |shard: &Shard| shard.retired || runs_out(shard);
        let case = format!("{spec} rebalance {rebalance}");
        assert_eq!(ids_where(&scene.record, is_leaving), leaving, "{case}");
        if completions.is_some() || !rebalance {
            assert_eq!(scene.pods(), [("c1", 3), ("c2", 3), ("c3", 3)], "{case}");
        }
    }
}

#[test]
fn work_that_moves_to_further_pods_is_not_started_where_it_was() {
    let edited = |preferences: Value| {
        let mut job = manifest(&json!({"parallelism": 4, "completions": 4})).object().clone();
        job["metadata"]["annotations"][plan::PREFERENCES] = preferences.to_string().into();
        Manifest::new(job, "work", "").expect("valid")
    };
    let mut scene = Scene::new(json!({"parallelism": 2, "completions": 4}), &[(2, Some(4))]);
    let both = json!({"c1": {"weight": 1}, "c2": {"weight": 1}});
    let preferences = edited(json!({"rebalance": true, "clusters": both}));
    scene.record =
        edit_record(&scene.record, &scene.registry, preferences, false, &Clocks::default(), NOW)
            .expect("valid");
    assert_eq!(scene.pods(), [("c1", 2)], "two more pods would start what is to move");
    assert_eq!(scene.record.shards[&1].credit_target, 2);
    scene.runs(1, |job| (job.succeeded, job.credited) = (2, Some("2".into())));
    assert_eq!(scene.pods(), [("c1", 2), ("c2", 2)]);
}

#[test]
fn more_work_stops_no_pod_that_runs() {
    let size = |completions| json!({"parallelism": 6, "completions": completions});
    let mut scene = Scene::new(size(6), &[(2, Some(2)); 3]);
    scene.scale(size(12));
    assert_eq!(scene.pods(), [("c1", 2), ("c2", 2), ("c3", 2)]);
    assert_eq!(Status::new(&scene.record, &scene.observations).waiting, 6);
    scene.runs(1, |job| (job.succeeded, job.active) = (1, 1));
    assert_eq!(
        scene.pods(),
        [("c1", 2), ("c2", 2), ("c3", 2), ("c1", 1)],
        "the first has one pod left to run"
    );
}

#[test]
fn what_runs_all_that_is_left_of_it_is_divided_like_the_rest() {
    let mut scene = Scene::new(json!({"parallelism": 9, "completions": 9}), &[(3, Some(3)); 3]);
    scene.scale(json!({"parallelism": 2, "completions": 9}));
    assert_eq!(ids_where(&scene.record, goes_on).len(), 2, "{:?}", scene.record.shards);
    assert_eq!(scene.pods(), [("c1", 1), ("c2", 1), ("c3", 1)]);
    for between in [0, 2] {
        let mut scene = Scene::new(json!({"parallelism": 6, "completions": 6}), &[(6, Some(6))]);
        scene.scale(json!({"parallelism": between, "completions": 6}));
        assert_eq!(scene.pods(), [("c1", between)]);
        scene.scale(json!({"parallelism": 6, "completions": 6}));
        assert_eq!(scene.pods(), [("c1", 6)], "by way of {between}");
    }
}

#[test]
fn a_move_at_the_same_parallelism_stops_no_pod_that_runs() {
    let job = |preferences: Option<Value>| {
        let mut job = manifest(&json!({"parallelism": 2, "completions": 8})).object().clone();
        job["metadata"]["annotations"][plan::PREFERENCES] =
            preferences.map_or(Value::Null, |text| text.to_string().into());
        Manifest::new(job, "work", "").expect("valid")
    };
    let mut scene = Scene::new(json!({"parallelism": 2, "completions": 8}), &[(2, Some(8))]);
    let moved = job(Some(json!({"rebalance": true, "clusters": {"c2": {"weight": 1}}})));
    scene.record =
        edit_record(&scene.record, &scene.registry, moved, false, &Clocks::default(), NOW)
            .expect("valid");
    scene.runs(1, |job| (job.succeeded, job.credited) = (6, Some("6".into())));
    assert_eq!(scene.pods(), [("c1", 2)]);
    assert_eq!(Status::new(&scene.record, &scene.observations).waiting, 6);
    scene.runs(1, |job| (job.succeeded, job.active) = (7, 1));
    assert_eq!(scene.pods(), [("c1", 2), ("c2", 1)], "the first has one pod left to run");
}

#[test]
fn work_does_not_move_where_no_cluster_may_take_it() {
    let spec = |parallelism| {
        let selector = json!({"matchLabels": {"app": "pi"}});
        json!({
            "parallelism": parallelism, "completions": 30, "manualSelector": true,
            "selector": selector,
        })
    };
    let scene = Scene::new(spec(3), &[(1, Some(10)); 3]);
    let refused = edit_record(
        &scene.record,
        &scene.registry,
        manifest(&spec(1)),
        false,
        &Clocks::default(),
        NOW,
    );
    assert!(matches!(refused, Err(EditError::ManualSelector)), "{refused:?}");
    edit_record(&scene.record, &scene.registry, manifest(&spec(4)), false, &Clocks::default(), NOW)
        .expect("nothing moves");
}

#[test]
fn what_divides_nothing_needs_no_cluster_that_takes_work() {
    let spec = |parallelism, suspend| {
        let completions = 30;
        json!({"parallelism": parallelism, "completions": completions, "suspend": suspend})
    };
    let mut scene = Scene::new(spec(3, false), &[(1, Some(10)); 3]);
    for member in scene.registry.members.values_mut() {
        member.state = MemberState::Cordoned;
    }
    let edited = |parallelism, suspend, recreate| {
        let manifest = manifest(&spec(parallelism, suspend));
        let (record, registry) = (&scene.record, &scene.registry);
        edit_record(record, registry, manifest, recreate, &Clocks::default(), NOW)
    };
    let suspended = edited(3, true, false).expect("its shards are there");
    assert!(suspended.manifest.suspended());
    for refused in [edited(4, false, false), edited(3, false, true)] {
        assert!(matches!(refused, Err(EditError::Plan(_))), "{refused:?}");
    }
}

#[test]
fn a_pause_stops_what_runs_out_as_well_and_its_end_lets_it_run() {
    let size = |parallelism| json!({"parallelism": parallelism, "completions": 30});
    let mut scene = Scene::new(size(3), &[(1, Some(10)); 3]);
    scene.scale(size(2));
    scene.scale(size(0));
    assert_eq!(scene.pods(), [("c1", 0), ("c2", 0), ("c3", 0)]);
    scene.scale(size(3));
    assert_eq!(scene.pods(), [("c1", 1), ("c2", 1), ("c3", 1)]);
}

#[test]
fn a_pause_that_ends_with_fewer_pods_than_shards_starts_no_more_of_them() {
    let size = |parallelism| json!({"parallelism": parallelism, "completions": 30});
    for pods in [1, 2] {
        let mut scene = Scene::new(size(0), &[(0, Some(10)); 3]);
        scene.scale(size(pods));
        let given: Vec<i32> = scene.pods().into_iter().map(|(_, pods)| pods).collect();
        assert_eq!(given.iter().sum::<i32>(), pods, "{given:?}");
        let shards = scene.record.shards.values();
        assert!(shards.clone().all(|shard| shard.parallelism > 0 || shard.retained() == 0));
        assert_eq!(shards.map(Shard::outstanding).sum::<i32>(), 10 * (3 - pods), "G1");
    }
}

#[test]
fn a_work_queue_leaves_clusters_and_comes_back_to_them() {
    let size = |parallelism| json!({ "parallelism": parallelism });
    let mut scene = Scene::new(size(6), &[(2, None); 3]);
    scene.scale(size(2));
    let stopped: Vec<u32> = ids_where(&scene.record, |shard| shard.retired);
    assert_eq!(scene.pods().iter().map(|(_, pods)| *pods).collect::<Vec<_>>(), [1, 1]);
    scene.ends(stopped[0]);
    scene.scale(size(6));
    assert_eq!(scene.pods().iter().map(|(_, pods)| *pods).collect::<Vec<_>>(), [2, 2, 2]);
    let clusters: BTreeSet<&str> = scene.pods().into_iter().map(|(cluster, _)| cluster).collect();
    assert_eq!(clusters.len(), 3, "{:?}", scene.pods());
}

#[test]
fn only_a_shard_that_its_queue_has_admitted_is_fixed() {
    let shard = |queued, phase, suspended| Shard {
        queued,
        phase,
        seen: Some(Seen { suspended, ..Seen::default() }),
        ..Shard::planned("c1", Size { parallelism: 3, completions: Some(10) })
    };
    for (case, shard, fixed) in [
        ("admitted", shard(true, Phase::Started, false), true),
        ("waits", shard(true, Phase::Started, true), false),
        ("held", shard(true, Phase::Created, true), false),
        ("no queue", shard(false, Phase::Started, false), false),
    ] {
        assert_eq!(is_fixed(&shard), fixed, "{case}");
    }
}

#[test]
fn a_shard_that_its_queue_has_admitted_gets_other_pods_only_if_a_user_says_so() {
    let size = |parallelism| json!({"parallelism": parallelism, "completions": 30});
    for (queue, unasked) in [
        (None, [("c1", 3), ("c2", 3), ("c3", 3)]),
        (Some("team"), [("c1", 1), ("c2", 4), ("c3", 4)]),
    ] {
        let mut scene = Scene::new(size(3), &[(1, Some(10)); 3]);
        scene.runs(1, |job| job.queue = queue.map(str::to_owned));
        let mut freed = scene.record.clone();
        freed.manifest = manifest(&size(9));
        divide(&mut freed, &scene.observations.places);
        let pods: Vec<_> =
            freed.shards.values().map(|s| (s.cluster.as_str(), s.parallelism)).collect();
        assert_eq!(pods, unasked, "{queue:?}");
        scene.scale(size(9));
        assert_eq!(scene.pods(), [("c1", 3), ("c2", 3), ("c3", 3)], "{queue:?}");
    }
}

#[test]
fn fewer_pods_leave_whole_gangs_or_none() {
    let spec = |parallelism: i32| {
        json!({"parallelism": parallelism, "completions": 36,
            "scheduling": {"schedulingPolicy": {"gang": {"minCount": 4}}}})
    };
    for (parallelism, gangs) in [(11, 2), (9, 2), (7, 1), (6, 1)] {
        let mut scene = Scene::new(spec(12), &[(4, Some(12)); 3]);
        scene.scale(spec(parallelism));
        let going = scene.record.shards.values().filter(|shard| goes_on(shard));
        let pods: Vec<i32> = going.map(|shard| shard.parallelism).collect();
        assert_eq!(pods.len(), gangs, "{parallelism}: {:?}", scene.pods());
        // There is a pod for each shard that ends, too.
        assert!(pods.iter().all(|pods| *pods >= 4), "{parallelism}: {:?}", scene.pods());
        scene.scale(spec(12));
        let all: i32 = scene.pods().iter().map(|(_, pods)| pods).sum();
        assert_eq!(all, 12, "{parallelism}: {:?}", scene.pods());
    }
}
