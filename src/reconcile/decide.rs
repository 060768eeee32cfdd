//! The decisions; pure: no I/O, no clock of its own.

use jiff::Timestamp;

use super::{Observation, Observations};
use crate::{
    job::{EndKind, Observed},
    state::{Cascade, Outcome, Phase, Record, Shard, Verdict},
};

/// What is to be remembered, and then done.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The record as it must be written before any of the actions is taken.
    pub record: Record,
    /// Shards to ask for by name before the rest is worth anything: a list did not have them, and it may be stale.
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
    /// Its Job is not there, though another may have its name. A list may be stale; `sure` if the member was
    /// asked by name.
    Absent { sure: bool },
}

/// Looks for the Job that the ledger knows: where a uid is recorded, the Job must have it. Another one under
/// the same name was made by somebody who deleted ours.
fn sight<'a>(id: u32, shard: &Shard, observations: &'a Observations) -> Sight<'a> {
    let Some(Observation::Known { jobs, asked, .. }) = observations.members.get(&shard.cluster) else {
        return Sight::Unknown;
    };
    match jobs.get(&id).filter(|job| shard.uid.as_ref().is_none_or(|uid| *uid == job.uid)) {
        Some(job) => Sight::Present(job),
        None => Sight::Absent { sure: asked.contains(&id) },
    }
}

/// Whether a Job carries the labels of this shard. What does not is only looked at (G6): somebody who strips
/// our labels has taken the Job over.
fn is_ours(record: &Record, id: u32, job: &Observed) -> bool {
    job.owner.as_ref() == Some(&record.ownership(id))
}

fn advance(decision: &mut Decision, observations: &Observations, now: Timestamp) {
    let record = &mut decision.record;
    let mut failure = None;
    for (&id, shard) in &mut record.shards {
        match sight(id, shard, observations) {
            Sight::Present(job) => {
                let failed = follow(shard, job, now);
                failure = failure.or(failed);
            }
            Sight::Absent { sure } if shard.uid.is_some() && !shard.phase.ended() => {
                if sure {
                    shard.delete();
                } else if observations.refused(&shard.cluster, id).is_none() {
                    decision.confirm.push(id);
                }
            }
            Sight::Absent { .. } | Sight::Unknown => {}
        }
    }
    if record.state.outcome.is_none() {
        record.state.outcome = failure.or_else(|| completed(record, now));
    }
    if record.state.outcome.is_none() {
        let shards = record.shards.iter();
        decision.actions = shards.filter_map(|(&id, shard)| next(record, id, shard, observations)).collect();
    }
}

/// Takes over what a shard's Job says; gives the outcome of the whole if it has just failed. A shard that ended
/// stays as it was: a finished Job does not change, and what is told of it may be older.
fn follow(shard: &mut Shard, job: &Observed, now: Timestamp) -> Option<Outcome> {
    if shard.phase.ended() {
        return None;
    }
    shard.uid = Some(job.uid.clone());
    shard.see(job, now.as_second());
    let end = job.end.as_ref();
    shard.phase = match end.map(|end| end.kind) {
        Some(EndKind::Complete) => Phase::Complete,
        Some(EndKind::Failed) => Phase::Failed,
        None if shard.phase == Phase::Started || !job.suspended => Phase::Started,
        None => Phase::Created,
    };
    let end = end.filter(|end| end.kind == EndKind::Failed)?;
    let message = format!("job {} in cluster {}: {}", job.name, shard.cluster, end.message);
    Some(Outcome::new(Verdict::Failed, &end.reason, &message, end.at.unwrap_or(now).as_second()))
}

/// The outcome, where all the work is done.
fn completed(record: &Record, now: Timestamp) -> Option<Outcome> {
    let any = |phase| record.shards.values().any(|shard| shard.phase == phase);
    let done = match record.manifest.size().completions {
        Some(_) => record.unplaced() == 0,
        None => any(Phase::Complete),
    };
    if !done || any(Phase::Failed) || !record.shards.values().all(|shard| shard.phase.ended()) {
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

/// What brings a shard a step nearer to running, if anything does.
fn next(record: &Record, id: u32, shard: &Shard, observations: &Observations) -> Option<Action> {
    if observations.refused(&shard.cluster, id).is_some() {
        return None;
    }
    match (shard.phase, sight(id, shard, observations)) {
        (Phase::Planned, Sight::Absent { .. }) => Some(Action::Create { shard: id }),
        (Phase::Created, Sight::Present(job)) => {
            let starts = !record.manifest.suspended() && !job.deleting && is_ours(record, id, job);
            starts.then(|| Action::Start { shard: id, uid: job.uid.clone() })
        }
        _ => None,
    }
}

/// All that carries our labels under a shard's name goes, whatever its uid: a run that was frozen may have made
/// it. A shard leaves the ledger once its member, asked by name, has nothing of it.
fn delete(decision: &mut Decision, observations: &Observations, cascade: Cascade) {
    let record = &decision.record;
    let ours = |(_, id, job): &(&str, u32, &Observed)| is_ours(record, *id, job);
    let jobs: Vec<_> = observations.jobs().filter(ours).collect();
    let mut gone = Vec::new();
    for (&id, shard) in &record.shards {
        let Some(Observation::Known { asked, .. }) = observations.members.get(&shard.cluster) else {
            continue;
        };
        let left = jobs.iter().any(|(cluster, of, _)| (*cluster, *of) == (shard.cluster.as_str(), id));
        match asked.contains(&id) {
            _ if left => {}
            true => gone.push(id),
            false if observations.refused(&shard.cluster, id).is_none() => decision.confirm.push(id),
            false => {}
        }
    }
    let to_delete = jobs
        .iter()
        .filter(|(cluster, id, job)| !job.deleting && observations.refused(cluster, *id).is_none());
    decision.actions = to_delete
        .map(|(cluster, id, job)| Action::Delete {
            shard: *id,
            cluster: (*cluster).to_owned(),
            uid: job.uid.clone(),
            cascade,
        })
        .collect();
    decision.record.shards.retain(|id, _| !gone.contains(id));
    decision.remove = decision.record.shards.is_empty() && decision.actions.is_empty();
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
