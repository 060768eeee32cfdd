//! What is decided, by what was recorded and observed.

mod adoption;
mod changes;
mod deadline;
mod deletion;
mod fold;
mod hearsay;
mod lease;
mod leave;
mod outcome;
mod restored;
mod steps;
mod take_in;
mod work;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Action, Decision, decide, limits, overdue};
use crate::{
    job::{End, EndKind, Indexes, Manifest, Observed, Ownership, Size},
    reconcile::{
        allocate::pods,
        observe::{Answer, Clocks, Observation, Observations, Place},
    },
    state::{Cascade, Phase, Record, Seen, Shard, Verdict},
};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// A record of one shard of so many completions per cluster, each in the phase given.
fn record(spec: Value, shards: &[(Phase, Option<i32>)]) -> Record {
    let job =
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"}, "spec": spec});
    let manifest = Manifest::new(job, "work", "").expect("valid");
    let planned = |completions| Shard {
        cluster_uid: Some(String::new()),
        ..Shard::planned("", Size { parallelism: 1, completions })
    };
    let shards = (1..).zip(shards).map(|(n, (phase, completions)): (u32, _)| Shard {
        cluster: format!("c{n}"),
        phase: *phase,
        uid: (*phase != Phase::Planned).then(|| format!("u{n}")),
        ..planned(*completions)
    });
    Record::new("f", manifest, shards.collect(), NOW)
}

/// One shard that has 3 completions to do.
fn one(phase: Phase) -> Record {
    record(json!({"completions": 3}), &[(phase, Some(3))])
}

/// The Job of shard `id`, as its ledger knows it.
fn job(record: &Record, id: u32) -> Observed {
    let mut job =
        Observed::from_object(&json!({"metadata": {"name": "pi", "uid": format!("u{id}")}}));
    job.owner = Some(record.ownership(id));
    if record.shards[&id].phase == Phase::Started {
        job.generation = record.shards[&id].generation;
    }
    job
}

/// What is observed of a record.
type Observe<'a> = &'a dyn Fn(&Record) -> Observations;

fn end(kind: EndKind, at: i64) -> End {
    let at = Timestamp::from_second(at).ok();
    End { kind, reason: "BackoffLimitExceeded".into(), message: "too many".into(), at }
}

/// A member that takes work.
fn ready() -> Place {
    Place { weight: 1, takes_work: true, ..Place::default() }
}

/// What lists say: these Jobs, and nothing else.
fn listed(record: &Record, jobs: impl IntoIterator<Item = (u32, Observed)>) -> Observations {
    let mut observations = Observations::default();
    for shard in record.shards.values() {
        observations.members.insert(shard.cluster.clone(), Observation::known([].into()));
    }
    for (id, job) in jobs {
        let Some(Observation::Known { jobs, .. }) = observations.members.get_mut(&format!("c{id}"))
        else {
            panic!("no shard {id}")
        };
        jobs.insert(id, Box::new(job));
    }
    observations
}

/// What lists and then an answer about shard 1 say.
fn answered(
    record: &Record,
    jobs: impl IntoIterator<Item = (u32, Observed)>,
    answer: Answer,
) -> Observations {
    let mut observations = listed(record, jobs);
    observations.add("c1", 1, answer);
    observations
}

fn phase(decision: &Decision) -> Phase {
    decision.record.shards[&1].phase
}

fn start(id: u32) -> Vec<Action> {
    vec![Action::Change { shard: id, uid: format!("u{id}") }]
}
