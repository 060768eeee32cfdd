//! The decisions; pure: no I/O, no clock of its own.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Observation, Observations};
use crate::{
    job::{End, EndKind, Observed},
    state::{Cascade, Outcome, Phase, Record, Shard, Verdict},
};

/// What is to be remembered, and then done.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The record as it must be written before any of the actions is taken.
    pub record: Record,
    /// Shards to look at by name first: a list did not have them, and a list may be stale.
    pub confirm: Vec<u32>,
    /// What is to be done then, in any order.
    pub actions: Vec<Action>,
    /// Whether the record has served its purpose and is to be removed.
    pub remove: bool,
}

/// Something to do in a member. Each can be repeated: doing it twice is doing it once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make the Job of a planned shard, suspended.
    Create {
        /// The shard.
        shard: u32,
    },
    /// Let the Job of a created shard run.
    Start {
        /// The shard.
        shard: u32,
        /// The uid that its Job must have.
        uid: String,
    },
    /// Delete a Job, because the user asked for it.
    Delete {
        /// The shard.
        shard: u32,
        /// The member that has it.
        cluster: String,
        /// The uid that it must have.
        uid: String,
        /// What becomes of its pods.
        cascade: Cascade,
    },
}

/// Decides what is remembered and done, given what was remembered and what was seen.
///
/// It only reads its arguments. Called again with the record that it returned and the same observations it
/// asks for the same actions and changes nothing (G5).
pub fn decide(record: &Record, observations: &Observations, now: Timestamp) -> Decision {
    let mut decision =
        Decision { record: record.clone(), confirm: Vec::new(), actions: Vec::new(), remove: false };
    match record.state.deleting {
        Some(cascade) => delete(&mut decision, observations, cascade),
        None => advance(&mut decision, observations, now),
    }
    decision
}

/// What a member says of one shard.
enum Sight<'a> {
    /// Nothing can be known.
    Unknown,
    /// Its Job is there.
    Present(&'a Observed),
    /// The member has no such Job. It was asked by name if `sure`.
    Absent { sure: bool },
    /// The member would not do what was asked, in this run.
    Refused,
}

fn sight<'a>(id: u32, cluster: &str, observations: &'a Observations) -> Sight<'a> {
    match observations.members.get(cluster) {
        None | Some(Observation::Unknown { .. }) => Sight::Unknown,
        Some(Observation::Known { jobs, absent, refused }) => match jobs.get(&id) {
            _ if refused.contains_key(&id) => Sight::Refused,
            Some(job) => Sight::Present(job),
            None => Sight::Absent { sure: absent.contains(&id) },
        },
    }
}

fn advance(decision: &mut Decision, observations: &Observations, now: Timestamp) {
    let mut failure = None;
    let suspended = decision.record.manifest.suspended();
    for (&id, shard) in &mut decision.record.shards {
        match sight(id, &shard.cluster, observations) {
            Sight::Present(job) if is_that_job(shard, job) => {
                if let Some(end) = follow(shard, job, now) {
                    failure = failure.or(Some(failed(shard, job, end, now)));
                }
                if shard.phase == Phase::Created && !suspended {
                    decision.actions.push(Action::Start { shard: id, uid: job.uid.clone() });
                }
            }
            Sight::Absent { .. } if shard.phase == Phase::Planned => {
                decision.actions.push(Action::Create { shard: id });
            }
            Sight::Absent { sure: false } if !shard.phase.ended() => decision.confirm.push(id),
            Sight::Absent { sure: true } | Sight::Present(_) if !shard.phase.ended() => {
                shard.phase = Phase::Deleted;
            }
            Sight::Unknown | Sight::Refused | Sight::Absent { .. } | Sight::Present(_) => {}
        }
    }
    if decision.record.state.outcome.is_none() {
        decision.record.state.outcome = failure.or_else(|| completed(&decision.record, now));
    }
}

/// Whether a Job is the one that the ledger knows: where a uid is recorded, the Job must have it. Another
/// one under the same name was made by somebody who deleted ours.
fn is_that_job(shard: &Shard, job: &Observed) -> bool {
    shard.uid.as_ref().is_none_or(|uid| *uid == job.uid)
}

/// Takes over what a shard's Job says; gives its end if it has just failed.
fn follow<'a>(shard: &mut Shard, job: &'a Observed, now: Timestamp) -> Option<&'a End> {
    let running = !shard.phase.ended();
    if !running && job.end.is_none() {
        // What has ended does not run again: this was said before it ended.
        return None;
    }
    shard.uid = Some(job.uid.clone());
    shard.see(job, now.as_second());
    let reached = match &job.end {
        Some(End { kind: EndKind::Complete, .. }) => Phase::Complete,
        Some(End { kind: EndKind::Failed, .. }) => Phase::Failed,
        None if shard.phase == Phase::Started || !job.suspended => Phase::Started,
        None => Phase::Created,
    };
    if running {
        shard.phase = reached;
    }
    job.end.as_ref().filter(|end| running && end.kind == EndKind::Failed)
}

fn failed(shard: &Shard, job: &Observed, end: &End, now: Timestamp) -> Outcome {
    let message = format!("job {} in cluster {}: {}", job.name, shard.cluster, end.message);
    Outcome::new(Verdict::Failed, &end.reason, &message, end.at.unwrap_or(now).as_second())
}

/// The outcome, where all the work is done.
fn completed(record: &Record, now: Timestamp) -> Option<Outcome> {
    let done = |shard: &Shard| match shard.completions {
        Some(completions) => shard.phase.ended() && shard.achieved() == completions,
        None => shard.phase.ended(),
    };
    let any = |phase| record.shards.values().any(|shard| shard.phase == phase);
    let work_queue_succeeded = record.manifest.size().completions.is_some() || any(Phase::Complete);
    if !record.shards.values().all(done) || !work_queue_succeeded || any(Phase::Failed) {
        return None;
    }
    let ends = record.shards.values().filter_map(|shard| shard.seen.as_ref()?.end);
    let at = ends.max().unwrap_or(now.as_second());
    Some(Outcome::new(
        Verdict::Complete,
        "CompletionsReached",
        "Reached expected number of succeeded pods",
        at,
    ))
}

fn delete(decision: &mut Decision, observations: &Observations, cascade: Cascade) {
    let gone = |id: &u32, shard: &Shard| match sight(*id, &shard.cluster, observations) {
        Sight::Absent { sure } => sure,
        Sight::Present(job) => !is_that_job(shard, job),
        Sight::Unknown | Sight::Refused => false,
    };
    decision.record.shards.retain(|id, shard| !gone(id, shard));
    for (&id, shard) in &decision.record.shards {
        if let Sight::Absent { .. } = sight(id, &shard.cluster, observations) {
            decision.confirm.push(id);
        }
    }
    for (cluster, id, job) in jobs(observations) {
        let known = decision.record.shards.get(&id).is_none_or(|shard| is_that_job(shard, job));
        let refused = matches!(sight(id, cluster, observations), Sight::Refused);
        if known && !refused && !job.deleting {
            let (cluster, uid) = (cluster.to_owned(), job.uid.clone());
            decision.actions.push(Action::Delete { shard: id, cluster, uid, cascade });
        }
    }
    decision.remove = decision.record.shards.is_empty() && decision.actions.is_empty();
}

fn jobs(observations: &Observations) -> impl Iterator<Item = (&str, u32, &Observed)> {
    let known = observations.members.iter().filter_map(|(cluster, observation)| match observation {
        Observation::Known { jobs, .. } => Some((cluster, jobs)),
        Observation::Unknown { .. } => None,
    });
    known.flat_map(|(cluster, jobs): (&String, &BTreeMap<u32, Observed>)| {
        jobs.iter().map(|(id, job)| (cluster.as_str(), *id, job))
    })
}
