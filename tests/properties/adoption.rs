//! Jobs that are adopted are what they were: nothing of them is lost, done again or stopped.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kubectl_federate::{
    job::{Misfit, Observed},
    reconcile::{
        Action, Answer, Candidate, Clocks, Decision, Observations, adopted_record, decide,
    },
    state::{Phase, Record, Registry, Shard},
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// How a Job stands before it is adopted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum State {
    Running,
    Suspended,
    Complete,
    Failed,
}

/// A Job somewhere.
#[derive(Debug, Clone)]
struct Stranger {
    state: State,
    parallelism: i32,
    completions: i32,
    succeeded: i32,
    failed: i32,
    image: &'static str,
    is_indexed: bool,
}

impl Stranger {
    /// The Job as its server has it.
    fn object(&self, n: usize) -> Value {
        let uid = format!("uid-{n}");
        let succeeded = match self.state {
            State::Complete => self.completions,
            State::Failed => self.succeeded.min(self.completions - 1),
            _ => self.succeeded.min(self.completions),
        };
        let end = match self.state {
            State::Complete => "Complete",
            State::Failed => "Failed",
            State::Running | State::Suspended => "",
        };
        let running = self.parallelism.min(self.completions - succeeded);
        let mut job = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": "pi", "namespace": "work", "uid": uid, "resourceVersion": "7"},
            "spec": {
                "parallelism": self.parallelism, "completions": self.completions,
                "backoffLimit": 6, "suspend": self.state == State::Suspended,
                "template": {
                    "metadata": {"labels": {"batch.kubernetes.io/controller-uid": uid}},
                    "spec": {"restartPolicy": "Never",
                        "containers": [{"name": "pi", "image": self.image}]},
                },
            },
            "status": {"succeeded": succeeded, "failed": self.failed},
        });
        if self.is_indexed {
            job["spec"]["completionMode"] = "Indexed".into();
            job["status"]["completedIndexes"] = match succeeded {
                0 => "".into(),
                n => format!("0-{}", n - 1).into(),
            };
        }
        if self.state == State::Running {
            job["status"]["active"] = running.into();
        }
        if self.state != State::Suspended {
            job["status"]["startTime"] = "2026-01-01T00:00:00Z".into();
        }
        if !end.is_empty() {
            job["status"]["conditions"] = json!([{"type": end, "status": "True",
                "lastTransitionTime": "2026-01-01T01:00:00Z"}]);
        }
        job
    }
}

fn strangers() -> impl Strategy<Value = Vec<Stranger>> {
    let state = prop_oneof![
        6 => Just(State::Running),
        1 => Just(State::Suspended),
        2 => Just(State::Complete),
        1 => Just(State::Failed),
    ];
    let image = prop_oneof![9 => Just("perl"), 1 => Just("python")];
    let stranger = (
        state,
        0..4_i32,
        1..6_i32,
        0..6_i32,
        0..4_i32,
        image,
        prop::bool::weighted(0.2),
    )
        .prop_map(|(state, parallelism, completions, succeeded, failed, image, is_indexed)| {
            Stranger { state, parallelism, completions, succeeded, failed, image, is_indexed }
        });
    prop::collection::vec(stranger, 1..4)
}

fn registry() -> Registry {
    let text = |value: Value| Value::from(value.to_string());
    let settings = json!({"version": 3, "uid": "f", "host": "h"});
    let mut annotations = json!({"kubectl-federate.dev/settings": text(settings)});
    for n in 0..4 {
        let member = json!({"context": "c", "uid": format!("cluster-{n}"), "weight": 1,
            "state": "ready", "registered": 0});
        annotations[format!("member.kubectl-federate.dev/m{n}")] = text(member);
    }
    Registry::from_config_map(&json!({"metadata": {"annotations": annotations}})).expect("whole")
}

fn now() -> Timestamp {
    "2026-01-02T00:00:00Z".parse().expect("a time")
}

fn adopted(objects: &[Value]) -> Result<Record, Vec<(String, Misfit)>> {
    let candidates = objects
        .iter()
        .enumerate()
        .map(|(n, object)| Candidate { cluster: format!("m{n}"), object: object.clone() });
    let candidates: Vec<_> = candidates.collect();
    adopted_record(&registry(), &candidates, &Clocks::default(), now())
}

/// What the members say of the shards of a record. `labelled` says whether the Jobs have got their
/// labels.
fn observations(record: &Record, objects: &[Value], labelled: bool) -> Observations {
    let mut observations = Observations::default();
    for ((id, shard), object) in record.shards.iter().zip(objects) {
        let mut job = Observed::from_object(object);
        if labelled {
            (job.owner, job.generation) = (Some(record.ownership(*id)), 1);
        }
        observations.add(&shard.cluster, *id, Answer::Job(Box::new(job)));
    }
    observations
}

/// The ids of the shards, and how many pods each may run.
fn parallelism(record: &Record) -> BTreeMap<u32, i32> {
    record.shards.iter().map(|(id, shard)| (*id, shard.parallelism)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_adopted_is_conserved_and_nothing_of_it_is_stopped(strangers in strangers()) {
        let objects: Vec<_> = strangers.iter().enumerate().map(|(n, it)| it.object(n)).collect();
        let Ok(record) = adopted(&objects) else { return Ok(()) };
        let asked = record.manifest.size();
        prop_assert_eq!(
            (asked.parallelism, asked.completions),
            (
                strangers.iter().map(|it| it.parallelism).sum(),
                Some(strangers.iter().map(|it| it.completions).sum()),
            )
        );
        let Decision { record: first, actions, .. } =
            decide(&record, &observations(&record, &objects, false), now());
        let adopts = |action: &Action| matches!(action, Action::Adopt { .. });
        prop_assert!(actions.iter().all(adopts), "only labels are written: {:?}", actions);
        prop_assert_eq!(actions.len(), objects.len());
        let succeeded = |object: &Value| object["status"]["succeeded"].as_i64().unwrap_or(0);
        prop_assert_eq!(i64::from(first.achieved()), objects.iter().map(succeeded).sum::<i64>());
        let labelled = observations(&first, &objects, true);
        let Decision { record: second, actions, confirm, .. } = decide(&first, &labelled, now());
        prop_assert!(confirm.is_empty());
        prop_assert_eq!(parallelism(&second), parallelism(&record));
        // Only what is left of the backoffLimit may have to be told.
        let changes = |action: &Action| matches!(action, Action::Change { .. });
        prop_assert!(actions.iter().all(changes), "{:?}", actions);
        prop_assert!(second.shards.values().all(|shard| !shard.awaits_labels()));
        let running = strangers.iter().any(|it| it.state == State::Running);
        let left = |shard: &Shard| shard.remaining() > 0;
        if running && second.shards.values().any(left) {
            prop_assert!(second.state.outcome.is_none(), "{:?}", second.state.outcome);
        }
        let lost = |shard: &Shard| shard.phase == Phase::Deleted;
        prop_assert!(!second.shards.values().any(lost));
        prop_assert!(second.unplaced() == 0 || second.state.outcome.is_some());
    }

    #[test]
    fn what_does_not_fit_together_is_refused(strangers in strangers()) {
        let objects: Vec<_> = strangers.iter().enumerate().map(|(n, it)| it.object(n)).collect();
        let fits = adopted(&objects).is_ok();
        let all = |same: fn(&Stranger, &Stranger) -> bool| {
            strangers.iter().all(|it| same(it, &strangers[0]))
        };
        let open = || strangers.iter().filter(|it| it.state <= State::Suspended);
        let alike = all(|one, other| one.image == other.image)
            && all(|one, other| one.is_indexed == other.is_indexed);
        let alone = strangers.len() == 1;
        let suspension = open().all(|it| it.state == State::Suspended)
            || open().all(|it| it.state == State::Running);
        let failed = strangers.iter().any(|it| it.state == State::Failed);
        let fails = failed && open().next().is_some();
        let spent = strangers.iter().map(|it| it.failed).sum::<i32>() > 6;
        let paused = open().any(|it| it.parallelism == 0) && open().any(|it| it.parallelism > 0);
        let expected = alone
            || (alike && !strangers[0].is_indexed && suspension && !fails && !spent && !paused);
        prop_assert_eq!(fits, expected);
    }
}
