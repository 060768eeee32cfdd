//! Random cases: a federated Job, and the events that happen around it.

use kubectl_federate::{
    job::{Manifest, labels::REOPEN, pod},
    plan::PREFERENCES,
    reconcile::new_record,
    state::{Cascade, Record, Registry},
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::model::{Loss, Verb};

/// An event. Its numbers select one of the processes, members or Jobs that exist.
#[derive(Debug, Clone)]
pub enum Event {
    /// Somebody starts a verb. Later events let it send its requests.
    Run {
        stale: bool,
        verb: Verb,
    },
    /// Somebody runs a verb to its end, with nothing between its requests.
    RunAtOnce(Verb),
    /// Somebody unregisters a member, and registers another cluster under its name.
    Unregister(usize),
    /// `job delete --cascade=orphan`, with nothing between its requests.
    Forget,
    /// A process sends this number of requests.
    Step(usize, u8),
    Kill(usize),
    /// The host loses its next request or the answer to it.
    HostLoses(Loss),
    /// An event in one member, which concerns one of its Jobs.
    In(usize, usize, Happening),
}

/// An event in one member.
#[derive(Debug, Clone, Copy)]
pub enum Happening {
    Unreachable(bool),
    Loses(Loss),
    /// Stale lists show what is there now.
    Remembered,
    /// The Job controller does nothing until further notice.
    Stalled(bool),
    Syncs,
    /// The Job controller starts pods, and has not written the status yet.
    MakesPods,
    Pod(usize, pod::Phase),
    AllPods(pod::Phase),
    UserDeletes,
    UserDeletesWithFinalizer,
    UserCopies,
    UserStripsLabels,
    UserSuspends(bool),
    StrangerTakesName,
    /// The name that the next shard would have.
    StrangerTakesNextName,
}

/// A Job, reduced to the fields that matter here, and its events.
#[derive(Debug, Clone)]
pub struct Case {
    pub members: usize,
    pub kind: Kind,
    pub spec: Map<String, Value>,
    pub preferences: Value,
    pub events: Vec<Event>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    FixedCount,
    WorkQueue,
    Indexed,
}

impl Case {
    pub fn registry(&self) -> Registry {
        let member = |n: usize| json!({"context": "c", "uid": format!("m{n}"), "weight": 1, "state": "ready", "registered": 1});
        let mut annotations = Map::new();
        let settings = json!({"version": 2, "uid": "f", "host": "h"});
        annotations.insert("kubectl-federate.dev/settings".into(), settings.to_string().into());
        for n in 0..self.members {
            annotations
                .insert(format!("member.kubectl-federate.dev/m{n}"), member(n).to_string().into());
        }
        Registry::from_config_map(&json!({"metadata": {"annotations": annotations}}))
            .expect("whole")
    }

    /// The record as submitted. If the preferences leave no room for it, they are left out.
    pub fn record(&self, registry: &Registry) -> Record {
        let mut job = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"}, "spec": self.spec,
        });
        let propose = |job: &Value| {
            let manifest = Manifest::new(job.clone(), "work", "").expect("valid");
            new_record(registry, manifest, jiff::Timestamp::UNIX_EPOCH)
        };
        let plain = propose(&job).expect("fits");
        if let Some(text) = self.preferences.as_str() {
            job["metadata"]["annotations"] = json!({ PREFERENCES: text });
        }
        propose(&job).unwrap_or(plain)
    }
}

fn loss() -> impl Strategy<Value = Loss> {
    prop_oneof![Just(Loss::Request), Just(Loss::Answer)]
}

fn phase() -> impl Strategy<Value = pod::Phase> {
    prop_oneof![
        5 => Just(pod::Phase::Running),
        6 => Just(pod::Phase::Succeeded),
        2 => Just(pod::Phase::Failed),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    prop_oneof![
        4 => any::<bool>().prop_map(Unreachable),
        4 => loss().prop_map(Loses),
        3 => Just(Remembered),
        2 => any::<bool>().prop_map(Stalled),
        16 => Just(Syncs),
        3 => Just(MakesPods),
        16 => (0..6_usize, phase()).prop_map(|(n, phase)| Pod(n, phase)),
        3 => phase().prop_map(AllPods),
        2 => Just(UserDeletes),
        1 => Just(UserDeletesWithFinalizer),
        1 => Just(UserCopies),
        1 => Just(UserStripsLabels),
        2 => any::<bool>().prop_map(UserSuspends),
        1 => Just(StrangerTakesName),
        1 => Just(StrangerTakesNextName),
    ]
}

/// An annotation of preferences, or null for none.
fn preferences() -> impl Strategy<Value = Value> {
    let cluster = (0..3_i32, prop::option::weighted(0.3, 0..5_i32), 0..4_i32);
    let some =
        (any::<bool>(), prop::collection::vec(cluster, 1..3)).prop_map(|(rebalance, clusters)| {
            let entry = |(min, room, weight): &(i32, Option<i32>, i32)| {
                let mut entry = json!({"minReplicas": min, "weight": weight});
                if let Some(room) = room {
                    entry["maxReplicas"] = (min + room).into();
                }
                entry
            };
            let mut named = Map::new();
            named.insert("*".into(), entry(&clusters[0]));
            if let Some(own) = clusters.get(1) {
                named.insert("m0".into(), entry(own));
            }
            Value::String(json!({"rebalance": rebalance, "clusters": named}).to_string())
        });
    prop_oneof![1 => Just(Value::Null), 3 => some]
}

fn edit(kind: Kind) -> impl Strategy<Value = Verb> {
    let edit = |spec, annotation, recreate| Verb::Edit { spec, annotation, recreate };
    let sized = move |parallelism: Option<i32>, completions: Option<i32>| {
        let parallelism = parallelism.map(|n| ("parallelism", json!(n)));
        let completions =
            completions.filter(|_| kind != Kind::WorkQueue).map(|n| ("completions", json!(n)));
        edit(parallelism.into_iter().chain(completions).collect(), None, false)
    };
    let parallelism = prop_oneof![1 => Just(0), 8 => 1..8_i32];
    prop_oneof![
        3 => (prop::option::of(parallelism), prop::option::of(0..14_i32)).prop_map(move |(p, c)| sized(p, c)),
        2 => preferences().prop_map(move |text| edit(vec![], Some((PREFERENCES, text)), false)),
        2 => any::<bool>().prop_map(move |suspend| edit(vec![("suspend", suspend.into())], None, false)),
        1 => Just(edit(vec![], None, true)),
        1 => Just(edit(vec![], Some((REOPEN, "true".into())), false)),
    ]
}

fn verb(kind: Kind) -> impl Strategy<Value = Verb> {
    prop_oneof![
        12 => Just(Verb::Reconcile),
        8 => edit(kind),
        1 => Just(Verb::Reopen),
        1 => prop_oneof![Just(Cascade::Background), Just(Cascade::Foreground)].prop_map(Verb::Delete),
    ]
}

fn event(kind: Kind) -> impl Strategy<Value = Event> {
    prop_oneof![
        14 => (prop::bool::weighted(0.3), verb(kind)).prop_map(|(stale, verb)| Event::Run { stale, verb }),
        10 => verb(kind).prop_map(Event::RunAtOnce),
        6 => (0..4_usize).prop_map(Event::Unregister),
        1 => Just(Event::Forget),
        50 => (0..8_usize, 1..40_u8).prop_map(|(n, steps)| Event::Step(n, steps)),
        4 => (0..8_usize).prop_map(Event::Kill),
        3 => loss().prop_map(Event::HostLoses),
        50 => (0..4_usize, 0..3_usize, happening()).prop_map(|(n, job, it)| Event::In(n, job, it)),
    ]
}

/// A case of any kind of Job, with about this number of events.
pub fn case(events: usize) -> impl Strategy<Value = Case> {
    let kind = prop_oneof![
        3 => Just(Kind::FixedCount),
        1 => Just(Kind::WorkQueue),
        3 => Just(Kind::Indexed),
    ];
    kind.prop_flat_map(move |kind| {
        (
            1..4_usize,
            (prop_oneof![1 => Just(0), 12 => 1..7_i32], 0..12_i32),
            prop::option::weighted(0.4, 0..5_i32),
            (prop::option::weighted(0.4, 0..3_i32), prop::option::weighted(0.3, 0..4_i32)),
            prop::bool::weighted(0.1),
            prop_oneof![3 => Just(Value::Null), 2 => preferences()],
            prop::collection::vec(event(kind), 0..events),
        )
            .prop_map(
                move |(
                    members,
                    (parallelism, completions),
                    backoff,
                    per_index,
                    suspend,
                    preferences,
                    events,
                )| {
                    let mut spec =
                        json!({"parallelism": parallelism, "suspend": suspend, "template": {}});
                    if kind != Kind::WorkQueue {
                        spec["completions"] = completions.into();
                    }
                    if let Some(backoff) = backoff {
                        spec["backoffLimit"] = backoff.into();
                    }
                    if kind == Kind::Indexed {
                        spec["completionMode"] = "Indexed".into();
                        if let Some(limit) = per_index.0 {
                            spec["backoffLimitPerIndex"] = limit.into();
                            if let Some(most) = per_index.1 {
                                spec["maxFailedIndexes"] = most.into();
                            }
                        }
                    }
                    let spec = spec.as_object().expect("a map").clone();
                    Case { members, kind, spec, preferences, events }
                },
            )
    })
}
