//! The next action for each shard; pure.

use jiff::Timestamp;

use super::{
    action::Action,
    lease::{awaits_its_end, is_renewed_alone},
    lookup::{Lookup, is_ours, lookup},
    predicates::{has_lost_credit, is_assigned, is_outdated, winding_down},
};
use crate::{
    job::Observed,
    reconcile::observe::Observations,
    seams::{self, Defect},
    state::{Cascade, Phase, Record, Shard, Verdict},
};

/// The next action of each shard that needs one.
pub(super) fn actions(record: &Record, observations: &Observations, now: Timestamp) -> Vec<Action> {
    let shards = record.shards.iter();
    let next = shards.filter_map(|(&id, shard)| next_action(record, id, shard, observations));
    next.filter(|action| !keeps_from_end(action, record, observations, now)).collect()
}

/// Whether an action keeps the Job controller from ending a Job whose lease has passed: by a longer
/// deadline, or by a suspension, in which a Job has none. It would count the pods that kubelets
/// have ended as failures. A shard that was given up is stopped all the same (G8).
fn keeps_from_end(
    action: &Action,
    record: &Record,
    observations: &Observations,
    now: Timestamp,
) -> bool {
    let stays = |id: &u32| record.state.outcome.is_none() && !record.shards[id].is_lost();
    let id = match action {
        Action::Change { shard: id, .. } | Action::Renew { shard: id, .. } => id,
        Action::Retire { shard: id, .. } if stays(id) => id,
        _ => return false,
    };
    match lookup(*id, &record.shards[id], observations) {
        Lookup::Found(job) => awaits_its_end(record, *id, job, &observations.clocks, now),
        _ => false,
    }
}

/// The action that brings a shard one step nearer to what the ledger says, if there is one.
fn next_action(
    record: &Record,
    id: u32,
    shard: &Shard,
    observations: &Observations,
) -> Option<Action> {
    if observations.refused(&shard.cluster, id).is_some() {
        return match lookup(id, shard, observations) {
            Lookup::Found(job) if is_renewed_alone(record, id, job) => {
                Some(Action::Renew { shard: id, uid: job.uid.clone() })
            }
            _ => None,
        };
    }
    let job = match lookup(id, shard, observations) {
        Lookup::Missing { .. } if shard.phase == Phase::Planned => {
            let wanted = record.state.outcome.is_none()
                && record.state.unlisted.is_empty()
                && !shard.retired
                && !winding_down(record)
                && observations.withheld(shard).is_none();
            return wanted.then_some(Action::Create { shard: id });
        }
        Lookup::Found(job) if shard.awaits_labels() && !job.deleting => {
            let stays = observations.withheld(shard).is_none();
            return stays.then(|| Action::Adopt { shard: id, uid: job.uid.clone() });
        }
        Lookup::Found(job) if !job.deleting && is_ours(record, id, job) => job,
        _ => return None,
    };
    let uid = job.uid.clone();
    if shard.phase.ended() {
        let outdated = job.generation < shard.generation;
        return (outdated && record.state.expiring).then_some(Action::Change { shard: id, uid });
    }
    if job.ending {
        return job.ends_only_with_start().then_some(Action::SetStart { shard: id, uid });
    }
    let waits = observations.waiting(&shard.cluster, id).is_some() || has_lost_credit(shard, job);
    match record.state.outcome.as_ref().map(|outcome| outcome.verdict) {
        Some(Verdict::Failed) => (!waits).then_some(Action::Fail { shard: id, uid }),
        Some(Verdict::Complete) => {
            (has_work_left(record, shard) && !waits).then_some(Action::Retire { shard: id, uid })
        }
        None => next_of_live_job(record, id, job, waits),
    }
}

/// The next action for a shard of a Job without an outcome. `waits` says that nothing can be
/// credited to this shard, and that it cannot be stopped, in this run.
fn next_of_live_job(record: &Record, id: u32, job: &Observed, waits: bool) -> Option<Action> {
    let shard = &record.shards[&id];
    let uid = job.uid.clone();
    if !is_assigned(shard, job) {
        // The Job was there before, and its owner has changed it: what it does besides is theirs.
        if shard.adoption.is_some() {
            return None;
        }
        let cluster = shard.cluster.clone();
        return Some(if job.has_run_nothing() {
            Action::Assign { shard: id, uid }
        } else {
            Action::Delete { shard: id, cluster, uid, cascade: Cascade::Background }
        });
    }
    let unstarted = shard.phase == Phase::Created;
    let goes_on = shard.is_lost() && seams::has(Defect::ReturnNotStopped);
    if (shard.retired && !goes_on) || (winding_down(record) && unstarted) {
        return (!waits).then_some(Action::Retire { shard: id, uid });
    }
    // The pods of the Job have to end before its template can change.
    let outdated = is_outdated(record, id, job) && !(waits && shard.awaits_template(job));
    let credits = !waits && shard.credit_target > shard.credited && shard.remaining() > 0;
    match shard.completions {
        // More can be credited to a Job that has not started than to one that has.
        Some(_) if credits && unstarted => Some(Action::Credit { shard: id, uid }),
        None if !waits && winding_down(record) && job.succeeded == 0 => {
            Some(Action::WindDown { shard: id, uid })
        }
        _ if outdated => Some(Action::Change { shard: id, uid }),
        Some(_) if credits => Some(Action::Credit { shard: id, uid }),
        // A work queue that has succeeded itself starts nothing, but its pods may wait for a node
        // for ever.
        None if !waits && winding_down(record) && job.active > job.ready => {
            Some(Action::WindDown { shard: id, uid })
        }
        _ => None,
    }
}

/// Whether a shard of a Complete Job has anything left that it must be kept from doing.
fn has_work_left(record: &Record, shard: &Shard) -> bool {
    match record.manifest.size().completions {
        Some(_) => shard.remaining() > 0 || shard.is_lost(),
        None => !shard.phase.ended(),
    }
}
