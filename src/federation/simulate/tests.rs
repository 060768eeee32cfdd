use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    job::{Indexes, Manifest},
    reconcile::{Clocks, Observation, Place, decide, edit_record, new_record},
    state::{Phase, Registry},
};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// Three members that take work.
fn registry() -> Registry {
    let settings = json!({"version": 1, "uid": "f", "host": "h"}).to_string();
    let annotations = json!({"kubectl-federate.dev/settings": settings});
    let mut registry =
        Registry::from_config_map(&json!({"metadata": {"annotations": annotations}}))
            .expect("a registry");
    for name in ["east", "north", "west"] {
        let member =
            json!({"context": name, "uid": name, "weight": 1, "state": "ready", "registered": 0});
        registry.members.insert(name.to_owned(), serde_json::from_value(member).expect("a member"));
    }
    registry
}

fn manifest(spec: Value) -> Manifest {
    let job =
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"}, "spec": spec});
    Manifest::new(job, "work", "").expect("valid")
}

prop_compose! {
    fn size()(parallelism in 0..6, completions in 0..12, suspend: bool) -> (i32, i32, bool) {
        (parallelism, completions, suspend)
    }
}

/// Lets Jobs that run do some of what is left, or fail.
fn outcomes(observations: &mut Observations, outcomes: &[(i32, bool)]) {
    let mut outcomes = outcomes.iter().cycle();
    for observation in observations.members.values_mut() {
        let Observation::Known { jobs, waiting, .. } = observation else { continue };
        waiting.clear();
        for job in jobs.values_mut().filter(|job| !job.suspended && job.end.is_none()) {
            let Some((succeed, fail)) = outcomes.next() else { continue };
            job.start = job.start.or(Some(NOW));
            let all = job.completions.unwrap_or(1);
            if job.indexed {
                let left = Indexes::all(all).without(&job.completed_indexes);
                job.completed_indexes = job.completed_indexes.with(&left.split(*succeed).0);
                job.succeeded = job.completed_indexes.len();
            } else {
                job.succeeded = (job.succeeded + succeed).min(all);
            }
            job.active = job.parallelism.min(all - job.succeeded);
            let ends = match (job.succeeded >= all, fail) {
                (true, _) => Some(EndKind::Complete),
                (false, true) => Some(EndKind::Failed),
                _ => None,
            };
            job.end = ends.map(|kind| End {
                kind,
                reason: "BackoffLimitExceeded".to_owned(),
                message: String::new(),
                at: Some(NOW),
            });
        }
    }
}

#[test]
fn a_forecast_of_a_queue_that_winds_down_ends() {
    let (registry, members) = (registry(), Members::default());
    let mut record =
        new_record(&registry, manifest(json!({"parallelism": 3})), NOW).expect("there is place");
    let mut jobs = Vec::new();
    for (id, shard) in &mut record.shards {
        let uid = format!("u{id}");
        (shard.phase, shard.uid) = (Phase::Started, Some(uid.clone()));
        jobs.push((*id, shard.cluster.clone(), uid));
    }
    let known = jobs.into_iter().map(|(id, cluster, uid)| {
        let mut job = Observed::from_object(
            &json!({"metadata": {"name": "pi", "uid": uid}, "spec": {"parallelism": 1}}),
        );
        job.owner = Some(record.ownership(id));
        job.generation = 1;
        (job.active, job.ready) = (2, 1);
        if id == 1 {
            (job.active, job.ready, job.succeeded) = (0, 0, 1);
            job.end = Some(End {
                kind: EndKind::Complete,
                reason: String::new(),
                message: String::new(),
                at: Some(NOW),
            });
        }
        (cluster, Observation::known([(id, Box::new(job))].into()))
    });
    let observations = observations_of(known.collect(), &registry);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let settled =
        runtime.block_on(simulate(&record, observations, &members, NOW)).expect("it stays");
    let done: Vec<_> = settled.done.iter().map(|done| done.what.as_str()).collect();
    assert_eq!(done, ["wound down", "wound down"]);
}

proptest! {
    /// It ends for whatever is edited and whatever pods do in between; and where it ends, nothing
    /// is left to be done.
    #[test]
    fn a_forecast_ends_where_nothing_is_left_to_do(
        kind in 0..3,
        sizes in prop::collection::vec(size(), 1..5),
        recreate: bool,
        pods in prop::collection::vec((0..4, prop::bool::weighted(0.1)), 1..6),
    ) {
        let spec = |(parallelism, completions, suspend): (i32, i32, bool)| {
            // Templates change while the Job is suspended.
            let disk = if suspend { completions } else { 0 };
            let template = json!({"spec": {"nodeSelector": {"disk": disk.to_string()}}});
            let mut spec =
                json!({"parallelism": parallelism, "suspend": suspend, "template": template});
            if kind > 0 {
                spec["completions"] = completions.into();
            }
            if kind == 2 {
                spec["completionMode"] = "Indexed".into();
            }
            manifest(spec)
        };
        let (registry, members) = (registry(), Members::default());
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let mut record = new_record(&registry, spec(sizes[0]), NOW).expect("there is place");
        let names = registry.members.keys();
        let known = names.map(|name| (name.clone(), Observation::known([].into())));
        let mut observations = observations_of(known.collect(), &registry);
        for size in &sizes {
            let clocks = Clocks::default();
            record = edit_record(&record, &registry, spec(*size), recreate, &clocks, NOW)
                .unwrap_or(record);
            let settled = simulate(&record, observations, &members, NOW);
            let settled = runtime.block_on(settled).expect("it stays");
            (record, observations) = (settled.record.expect("it stays"), settled.observations);
            let left = decide(&record, &observations, NOW);
            prop_assert_eq!(&left.record, &record);
            prop_assert_eq!(left.actions, Vec::new());
            outcomes(&mut observations, &pods);
        }
    }
}

fn observations_of(members: BTreeMap<String, Observation>, registry: &Registry) -> Observations {
    Observations { members, places: Place::all(registry), ..Observations::default() }
}
