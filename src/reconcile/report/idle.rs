//! Whether a federated Job goes on without a user; pure.

use super::status::{ShardStatus, Status};
use crate::state::{Phase, Record, Shard};

/// Why a federated Job that has not ended makes no progress until a user acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// All its shards have ended, and not all its work is done.
    Stopped,
    /// It is suspended, and so are all its shards.
    Suspended,
    /// Its parallelism is 0, and no pod runs.
    Paused,
    /// Somebody suspended all Jobs of its shards that have not ended, in their clusters, or set
    /// their parallelism to 0.
    HaltedThere,
}

impl Idle {
    /// Why a Job is idle after a reconcile, if it is. A Job is not idle if it has ended, is being
    /// deleted, or waits for a member's answer or for pods to end.
    pub fn from_status(record: &Record, status: &Status) -> Option<Self> {
        let is_known = record.state.outcome.is_none() && record.state.unlisted.is_empty();
        if record.state.deleting.is_some() || !is_known {
            return None;
        }
        let has_any = !record.shards.is_empty() || record.holds_back();
        if record.shards.values().all(Shard::is_over) && has_any {
            return Some(Self::Stopped);
        }
        let waits = status.shards.iter().any(|shard| {
            shard.unknown.is_some() || shard.refused.is_some() || shard.waiting.is_some()
        });
        let planned = |shard: &Shard| shard.phase == Phase::Planned && !shard.is_over();
        let planned = record.shards.values().any(planned);
        if waits || planned || status.active > 0 || status.terminating > 0 {
            return None;
        }
        let suspended = |shard: &ShardStatus| shard.state != "Running";
        let stands_still = |shard: &ShardStatus| {
            shard.is_halted() || record.shards.get(&shard.id).is_none_or(Shard::is_over)
        };
        if record.manifest.suspended() {
            status.shards.iter().all(suspended).then_some(Self::Suspended)
        } else if record.manifest.size().parallelism == 0 {
            Some(Self::Paused)
        } else {
            let has_any = status.shards.iter().any(ShardStatus::is_halted);
            (has_any && status.shards.iter().all(stands_still)).then_some(Self::HaltedThere)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        job::{Manifest, Observed, Size},
        reconcile::{Observation, Observations},
        state::{Cascade, Outcome, Seen, Verdict},
    };

    /// A Job with one shard in a member that answers.
    fn record(spec: Value, phase: Phase, seen: Seen) -> Record {
        let metadata = json!({"name": "pi"});
        let job =
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec});
        let manifest = Manifest::new(job, "work", "").expect("valid");
        let uid = (phase != Phase::Planned).then(|| "u".to_owned());
        let share = Size { parallelism: 1, completions: Some(3) };
        let shard = Shard { phase, uid, seen: Some(seen), ..Shard::planned("a", share) };
        Record::new("f", manifest, vec![shard], Timestamp::UNIX_EPOCH)
    }

    fn idle(record: &Record, observation: Observation) -> Option<Idle> {
        let observations = Observations {
            members: [("a".to_owned(), observation)].into(),
            ..Observations::default()
        };
        Idle::from_status(record, &Status::new(record, &observations))
    }

    #[test]
    fn a_job_is_idle_where_only_a_user_can_make_it_go_on() {
        let running = || json!({"completions": 3});
        let suspended = || json!({"completions": 3, "suspend": true});
        let paused = || json!({"completions": 3, "parallelism": 0});
        let quiet = |suspended| Seen { suspended, ..Seen::default() };
        let busy = |suspended| Seen { active: 1, suspended, ..Seen::default() };
        let known = || Observation::known([].into());
        for (spec, phase, seen, expected) in [
            (running(), Phase::Started, busy(false), None),
            (running(), Phase::Started, quiet(false), None),
            (running(), Phase::Planned, quiet(false), None),
            (running(), Phase::Deleted, quiet(false), Some(Idle::Stopped)),
            (suspended(), Phase::Deleted, quiet(false), Some(Idle::Stopped)),
            (suspended(), Phase::Created, quiet(true), Some(Idle::Suspended)),
            (suspended(), Phase::Started, quiet(true), Some(Idle::Suspended)),
            (suspended(), Phase::Started, busy(true), None),
            (suspended(), Phase::Started, quiet(false), None),
            (suspended(), Phase::Planned, quiet(false), None),
            (paused(), Phase::Started, quiet(false), Some(Idle::Paused)),
            (paused(), Phase::Started, busy(false), None),
        ] {
            let record = record(spec, phase, seen);
            assert_eq!(idle(&record, known()), expected, "{record:#?}");
        }
    }

    #[test]
    fn a_job_is_idle_whose_shards_somebody_suspended_in_their_clusters() {
        let quiet = Seen { suspended: true, ..Seen::default() };
        let in_phase = |phase| {
            let mut record = record(json!({"completions": 3}), phase, quiet.clone());
            record.shards.get_mut(&1).expect("it has one").generation = 2;
            record
        };
        let of_spec = |record: &Record, spec: Value, annotations: Value| {
            let ownership = record.ownership(1);
            let labels: BTreeMap<_, _> = ownership.labels().into();
            let job = Observed::from_object(&json!({
                "metadata": {
                    "name": "pi", "uid": "u", "labels": labels, "annotations": annotations,
                },
                "spec": spec,
            }));
            idle(record, Observation::known([(1, Box::new(job))].into()))
        };
        let of = |record: &Record, suspend: bool, annotations: Value| {
            of_spec(record, json!({"suspend": suspend, "parallelism": 1}), annotations)
        };
        let current = json!({"kubectl-federate.dev/generation": "2"});
        let started = in_phase(Phase::Started);
        assert_eq!(of(&started, true, current.clone()), Some(Idle::HaltedThere));
        assert_eq!(of(&started, false, current.clone()), None, "its cluster has yet to see it");
        let paused = json!({"suspend": false, "parallelism": 0});
        let halted = of_spec(&started, paused, current.clone());
        assert_eq!(halted, Some(Idle::HaltedThere), "somebody set its parallelism to 0");
        assert_eq!(of(&started, true, json!({})), None, "a reconcile has yet to resume it");
        let mut stopped = current.clone();
        stopped["kubectl-federate.dev/stopped"] = "true".into();
        assert_eq!(of(&started, true, stopped), None, "this program has stopped it");
        let created = in_phase(Phase::Created);
        assert_eq!(of(&created, true, current.clone()), None, "it has yet to be started");
        let mut queued = started;
        queued.shards.get_mut(&1).expect("it has one").queued = true;
        assert_eq!(of(&queued, true, current), None, "it waits in its queue");
    }

    #[test]
    fn a_job_that_waits_for_a_member_or_has_ended_is_not_idle() {
        let unknown = || Observation::Unknown { why: "it is away".to_owned() };
        let suspended = json!({"completions": 3, "suspend": true});
        let mut record =
            record(suspended, Phase::Started, Seen { suspended: true, ..Seen::default() });
        assert_eq!(idle(&record, unknown()), None, "its member may answer one day");
        record.shards.get_mut(&1).expect("it has one").phase = Phase::Deleted;
        assert_eq!(idle(&record, unknown()), Some(Idle::Stopped), "what is gone needs no answer");
        record.state.deleting = Some(Cascade::Background);
        assert_eq!(idle(&record, unknown()), None);
        record.state.deleting = None;
        record.state.outcome = Some(Outcome::new(Verdict::Failed, "R", "m", 7));
        assert_eq!(idle(&record, unknown()), None);
    }
}
