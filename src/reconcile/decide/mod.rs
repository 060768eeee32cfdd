//! The decisions; pure: no I/O, no clock of its own.

use std::collections::BTreeMap;

use jiff::Timestamp;

mod edit_record;
mod limits;
mod new_record;
pub(crate) mod outcome;

pub use edit_record::{EditError, edit_record};
pub use new_record::{NewRecordError, new_record};

use super::{
    Observation, Observations, Place,
    allocate::{pods, work},
};
use crate::{
    job::{Indexes, Observed, labels::REOPEN},
    state::{Cascade, Outcome, Phase, Record, Shard, Verdict},
};

/// What is to be remembered, and then done.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The record as it must be written before any of the actions is taken.
    pub record: Record,
    /// Shards to ask for by name before the rest is worth anything: a list did not have them, and
    /// it may be stale.
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
    /// Credit every index that is not the shard's own, before its Job first runs.
    Assign {
        /// The shard.
        shard: u32,
        /// The uid that its Job must have.
        uid: String,
    },
    /// Make the spec of a Job what the ledger says; the first time that lets it run.
    Change {
        /// The shard.
        shard: u32,
        /// The uid that its Job must have.
        uid: String,
    },
    /// Take completions off a Job, as many as can be without touching what runs.
    Credit {
        /// The shard.
        shard: u32,
        /// The uid that its Job must have.
        uid: String,
    },
    /// Have a work queue start nothing new, because it has succeeded elsewhere.
    WindDown {
        /// The shard.
        shard: u32,
        /// The uid that its Job must have.
        uid: String,
    },
    /// Stop a Job and credit what is left of it, so that it is Complete with what it achieved.
    Retire {
        /// The shard.
        shard: u32,
        /// The uid that its Job must have.
        uid: String,
    },
    /// Make a Job Failed, because the whole has failed.
    Fail {
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
/// It only reads its arguments. Called again with the record that it returned and the same
/// observations it asks for the same actions and changes nothing (G5).
pub fn decide(record: &Record, observations: &Observations, now: Timestamp) -> Decision {
    let mut decision = Decision {
        record: record.clone(),
        confirm: Vec::new(),
        actions: Vec::new(),
        remove: false,
    };
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
    /// Its Job is not there, though another may have its name. A list may be stale; `sure` if the
    /// member was asked by name.
    Absent { sure: bool },
}

/// Looks for the Job that the ledger knows: where a uid is recorded, the Job must have it. Another
/// one under the same name was made by somebody who deleted ours.
fn sight<'a>(id: u32, shard: &Shard, observations: &'a Observations) -> Sight<'a> {
    let Some(Observation::Known { jobs, asked, .. }) = observations.members.get(&shard.cluster)
    else {
        return Sight::Unknown;
    };
    match jobs.get(&id).filter(|job| shard.uid.as_ref().is_none_or(|uid| *uid == job.uid)) {
        Some(job) => Sight::Present(job),
        None => Sight::Absent { sure: asked.contains(&id) },
    }
}

/// Whether a Job carries the labels of this shard. What does not is only looked at (G6): somebody
/// who strips our labels has taken the Job over.
fn is_ours(record: &Record, id: u32, job: &Observed) -> bool {
    job.owner.as_ref() == Some(&record.ownership(id))
}

fn advance(decision: &mut Decision, observations: &Observations, now: Timestamp) {
    let latched = decision.record.state.outcome.is_some();
    follow_all(decision, observations, now);
    if decision.record.state.outcome.is_none() {
        forget_unmade(decision, observations);
        decision.record.state.outcome = outcome::outcome(&decision.record, now);
    }
    let record = &mut decision.record;
    if record.state.outcome.is_none() {
        work::take_excess(record, &observations.places);
        work::open(record, &observations.places, now.as_second());
        limits::share_deadline(record);
    } else if latched {
        expire(decision, now);
    }
    let record = &decision.record;
    let shards = record.shards.iter();
    decision.actions =
        shards.filter_map(|(&id, shard)| next(record, id, shard, observations)).collect();
}

/// Takes over what the members say of each shard.
fn follow_all(decision: &mut Decision, observations: &Observations, now: Timestamp) {
    let record = &mut decision.record;
    let mut failure = None;
    let mut ended = Vec::new();
    let ours = observations.jobs().filter(|(_, id, job)| is_ours(record, *id, job));
    let first =
        ours.filter_map(|(_, id, job)| limits::new_start(record.shards.get(&id)?, job)).min();
    record.state.started = record.state.started.or(first);
    let reopens = record.manifest.annotation(REOPEN) == Some("true");
    for (&id, shard) in &mut record.shards {
        let before = shard.phase;
        match sight(id, shard, observations) {
            Sight::Present(job) => {
                let failed = follow(shard, job, now);
                failure = failure.or(failed);
                shard.reopened |= !is_assigned(shard, job) && !job.has_run_nothing();
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
        shard.reopened |= reopens && shard.phase == Phase::Deleted;
        if shard.phase.ended() && !before.ended() {
            ended.push(id);
        }
    }
    if record.state.outcome.is_none() {
        record.state.outcome = failure;
    }
    for id in ended {
        hand_on_parallelism(record, id, &observations.places);
    }
}

/// Takes over what a shard's Job says; gives the outcome of the whole if it has just failed by it.
/// A shard that ended stays as it was: a finished Job does not change, and what is told of it may
/// be older.
fn follow(shard: &mut Shard, job: &Observed, now: Timestamp) -> Option<Outcome> {
    if shard.phase.ended() {
        return None;
    }
    shard.uid = Some(job.uid.clone());
    shard.see(job, now.as_second());
    let Some(end) = &job.end else {
        let started = shard.phase == Phase::Started || !job.suspended;
        shard.phase = if started { Phase::Started } else { Phase::Created };
        return None;
    };
    shard.phase = outcome::phase_at_end(shard, job, end);
    if shard.phase == Phase::Failed { outcome::failure(shard, job, end, now) } else { None }
}

/// A shard that ended leaves its pods to the others in its member, as far as they were not given
/// away before; one whose work was taken off, to all.
fn hand_on_parallelism(record: &mut Record, id: u32, places: &BTreeMap<String, Place>) {
    if winding_down(record) {
        return;
    }
    let ended = &record.shards[&id];
    let works = || record.shards.iter().filter(|(_, shard)| pods::may_run(shard));
    let given = works().map(|(_, shard)| shard.parallelism).fold(0, i32::saturating_add);
    let freed = ended.parallelism.min(record.manifest.size().parallelism - given);
    let heirs: Vec<u32> =
        works().filter(|(_, shard)| shard.cluster == ended.cluster).map(|(id, _)| *id).collect();
    if freed <= 0 {
        return;
    }
    if !heirs.is_empty() {
        let sum =
            heirs.iter().map(|id| record.shards[id].parallelism).fold(freed, i32::saturating_add);
        pods::split(record, &heirs, sum);
    } else if ended.credit_target > 0 {
        pods::divide(record, places);
    }
}

/// Forgets shards that are to do nothing any more and whose Jobs were never made.
fn forget_unmade(decision: &mut Decision, observations: &Observations) {
    let record = &mut decision.record;
    let mut unmade = Vec::new();
    for (&id, shard) in &record.shards {
        if shard.phase != Phase::Planned || !(shard.retired || winding_down(record)) {
            continue;
        }
        match sight(id, shard, observations) {
            Sight::Absent { sure: true } => unmade.push(id),
            Sight::Absent { sure: false } if observations.refused(&shard.cluster, id).is_none() => {
                decision.confirm.push(id);
            }
            _ => {}
        }
    }
    for id in unmade {
        record.forget(id);
    }
}

/// Once the outcome is recorded, the shards' Jobs may expire, and after them the record.
fn expire(decision: &mut Decision, now: Timestamp) {
    let record = &mut decision.record;
    let live = record.shards.values().any(|shard| shard.phase.live());
    if live || record.manifest.ttl_seconds_after_finished().is_none() {
        return;
    }
    if !record.state.expiring {
        record.state.expiring = true;
        record.shards.values_mut().for_each(Shard::change);
    } else if limits::expired(record, now.as_second()) {
        record.state.deleting = Some(Cascade::Background);
    }
}

/// Whether this is a work queue that has succeeded somewhere: nothing new is to start anywhere.
fn winding_down(record: &Record) -> bool {
    record.manifest.size().completions.is_none() && record.achieved() > 0
}

/// Whether a shard of an Indexed Job was told which indexes are not its own, where there are any.
pub(in crate::reconcile) fn is_assigned(shard: &Shard, job: &Observed) -> bool {
    let Some(own) = &shard.indexes else { return true };
    let all = Indexes::all(job.completions.unwrap_or(0));
    job.credited.is_some() || own.with(&job.completed_indexes).contains_all(&all)
}

/// Whether a Job no longer says that it was credited what the ledger knows it was: somebody has put
/// it back without the annotation. What it achieved cannot be told from what it counts after
/// another credit, so that it gets none.
pub(in crate::reconcile) fn has_lost_credit(shard: &Shard, job: &Observed) -> bool {
    shard.indexes.is_none() && job.credited_count() < shard.credited
}

/// Whether the spec of a shard's Job is to be written: it has not the last change yet, or its
/// limits are not what the others leave of the Job's, or it waits for its start.
pub(in crate::reconcile) fn is_outdated(record: &Record, id: u32, job: &Observed) -> bool {
    let shard = &record.shards[&id];
    if job.generation > shard.generation {
        // The ledger has gone on since it was read here.
        return false;
    }
    let waits = shard.phase == Phase::Created && job.suspended && !record.manifest.suspended();
    job.generation < shard.generation || limits::exceeds_budget(&record.spec(id), job) || waits
}

/// What brings a shard a step nearer to where it is to be, if anything does.
fn next(record: &Record, id: u32, shard: &Shard, observations: &Observations) -> Option<Action> {
    if observations.refused(&shard.cluster, id).is_some() {
        return None;
    }
    let job = match sight(id, shard, observations) {
        Sight::Absent { .. } if shard.phase == Phase::Planned => {
            let wanted = record.state.outcome.is_none() && !shard.retired && !winding_down(record);
            return wanted.then_some(Action::Create { shard: id });
        }
        Sight::Present(job) if !job.deleting && is_ours(record, id, job) => job,
        _ => return None,
    };
    let uid = job.uid.clone();
    if shard.phase.ended() {
        let outdated = job.generation < shard.generation;
        return (outdated && record.state.expiring).then_some(Action::Change { shard: id, uid });
    }
    if job.ending {
        return None;
    }
    let waits = observations.waiting(&shard.cluster, id).is_some() || has_lost_credit(shard, job);
    match record.state.outcome.as_ref().map(|outcome| outcome.verdict) {
        Some(Verdict::Failed) => return (!waits).then_some(Action::Fail { shard: id, uid }),
        Some(Verdict::Complete) => {
            return (unfinished(record, shard) && !waits)
                .then_some(Action::Retire { shard: id, uid });
        }
        None => {}
    }
    if !is_assigned(shard, job) {
        let cluster = shard.cluster.clone();
        return Some(if job.has_run_nothing() {
            Action::Assign { shard: id, uid }
        } else {
            Action::Delete { shard: id, cluster, uid, cascade: Cascade::Background }
        });
    }
    let unstarted = shard.phase == Phase::Created;
    if shard.retired || (winding_down(record) && unstarted) {
        return (!waits).then_some(Action::Retire { shard: id, uid });
    }
    let changes = is_outdated(record, id, job);
    let takes_off = !waits && shard.credit_target > shard.credited && shard.remaining() > 0;
    match shard.completions {
        // Of a Job that has not started more can be taken off than of one that has.
        Some(_) if takes_off && unstarted => Some(Action::Credit { shard: id, uid }),
        None if !waits && winding_down(record) && job.succeeded == 0 => {
            Some(Action::WindDown { shard: id, uid })
        }
        _ if changes => Some(Action::Change { shard: id, uid }),
        Some(_) if takes_off => Some(Action::Credit { shard: id, uid }),
        // One that has succeeded itself starts nothing, but its pods may wait for a node for ever.
        None if !waits && winding_down(record) && job.active > job.ready => {
            Some(Action::WindDown { shard: id, uid })
        }
        _ => None,
    }
}

/// Whether a shard of a Job that is Complete has anything left to do that it must be kept from.
fn unfinished(record: &Record, shard: &Shard) -> bool {
    match record.manifest.size().completions {
        Some(_) => shard.remaining() > 0,
        None => !shard.phase.ended(),
    }
}

/// All that carries our labels under a shard's name goes, whatever its uid: a run that was frozen
/// may have made it. A shard leaves the ledger once its member, asked by name, has nothing of it.
fn delete(decision: &mut Decision, observations: &Observations, cascade: Cascade) {
    let record = &decision.record;
    let ours = |(_, id, job): &(&str, u32, &Observed)| is_ours(record, *id, job);
    let jobs: Vec<_> = observations.jobs().filter(ours).collect();
    let mut gone = Vec::new();
    for (&id, shard) in &record.shards {
        let Some(Observation::Known { asked, .. }) = observations.members.get(&shard.cluster)
        else {
            continue;
        };
        let left =
            jobs.iter().any(|(cluster, of, _)| (*cluster, *of) == (shard.cluster.as_str(), id));
        match asked.contains(&id) {
            _ if left => {}
            true => gone.push(id),
            false if observations.refused(&shard.cluster, id).is_none() => {
                decision.confirm.push(id);
            }
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
mod tests;
