//! The ledger takes over what the members say of each shard; pure.

use jiff::Timestamp;

use super::{
    lease, limits,
    lookup::{Lookup, lookup, our_jobs},
    outcome,
    predicates::{has_left, is_assigned, winding_down},
};
use crate::{
    job::{Observed, Ownership, labels::REOPEN},
    reconcile::{
        allocate::pods,
        observe::{Clocks, Observations, Places},
    },
    seams::{self, Defect},
    state::{Outcome, Phase, Record, Shard},
};

/// Takes over what the members say of each shard. Returns the shards that must be asked for by
/// name.
pub(super) fn follow(record: &mut Record, observations: &Observations, now: Timestamp) -> Vec<u32> {
    let mut confirm = Vec::new();
    let mut failure: Option<Outcome> = None;
    let mut ended = Vec::new();
    record.state.started = record.state.started.or_else(|| first_start(record, observations, now));
    let whole_deadline = record.manifest.active_deadline_seconds();
    let (federation, job_uid) = (record.federation.clone(), record.state.uid.clone());
    let ownership = |id: u32| Ownership {
        federation: federation.clone(),
        job: job_uid.clone(),
        shard: id.to_string(),
    };
    let reopens = record.manifest.annotation(REOPEN) == Some("true");
    for (&id, shard) in &mut record.shards {
        let phase_before = shard.phase;
        let mut awaits_template = false;
        match lookup(id, shard, observations) {
            Lookup::Found(job) if taken_over(shard, job, &ownership(id)) => {
                job.owner.iter().for_each(|other| shard.lose_to(other.owner()));
            }
            Lookup::Found(job) => {
                awaits_template = shard.awaits_template(job);
                // Of several, the first in time: the others may have failed because of it.
                let failures = failure.into_iter();
                let failed = follow_job(shard, job, whole_deadline, &observations.clocks, now);
                let failures = failures.chain(failed);
                failure = failures.min_by_key(|outcome| outcome.at);
                shard.reopened |= is_deleted_unassigned(shard, job);
            }
            Lookup::Missing { confirmed } if is_asked_for(shard) => {
                if confirmed {
                    shard.end_adoption();
                    if !shard.phase.ended() {
                        shard.delete();
                    }
                } else if observations.refused(&shard.cluster, id).is_none() {
                    confirm.push(id);
                }
            }
            Lookup::Unknown if seams::has(Defect::UnknownFails) => shard.phase = Phase::Failed,
            Lookup::Missing { .. } | Lookup::Unknown => {}
        }
        let keeps_refusal =
            shard.phase == Phase::Planned || (awaits_template && shard.phase.live());
        if let Some(why) = observations.refused(&shard.cluster, id).filter(|_| keeps_refusal) {
            shard.refuse(why);
        }
        // Consent in advance does not cover work that may be done already, or is being done.
        let may_be_done = shard.may_have_ended() || observations.is_made_again(id, shard);
        shard.reopened |= reopens && shard.is_cut_short() && !may_be_done;
        if shard.phase.ended() && !phase_before.ended() {
            ended.push(id);
        }
    }
    if record.state.outcome.is_none() {
        record.state.outcome = failure;
    }
    for id in ended {
        hand_on_parallelism(record, id, &observations.places);
    }
    confirm
}

/// Whether the Job that a shard was to adopt has the labels of another shard.
fn taken_over(shard: &Shard, job: &Observed, own: &Ownership) -> bool {
    shard.awaits_labels() && job.owner.as_ref().is_some_and(|owner| owner != own)
}

/// Whether a Job runs the indexes of others, and is deleted for that. A Job that was there before
/// its federated Job stays.
fn is_deleted_unassigned(shard: &Shard, job: &Observed) -> bool {
    shard.adoption.is_none() && !is_assigned(shard, job) && !job.has_run_nothing()
}

/// Whether a shard that a list does not have is asked for by name. A list has no Job that has yet
/// to get its labels.
fn is_asked_for(shard: &Shard) -> bool {
    shard.uid.is_some() && (!shard.phase.ended() || shard.awaits_labels())
}

/// When the first shard started since the last resume, as far as that was observed.
fn first_start(record: &Record, observations: &Observations, now: Timestamp) -> Option<i64> {
    let ours = our_jobs(record, observations);
    let (clocks, now) = (&observations.clocks, now.as_second());
    ours.filter_map(|(_, id, job)| {
        limits::start_since_resume(record.shards.get(&id)?, job, clocks, now)
    })
    .min()
}

/// Takes over what a shard's Job says. Returns the outcome of the federated Job if this Job has
/// just failed and that decides it. A shard that ended stays as it is: a finished Job does not
/// change, and the answer may be an old one. `whole_deadline` is the federated Job's.
fn follow_job(
    shard: &mut Shard,
    job: &Observed,
    whole_deadline: Option<i64>,
    clocks: &Clocks,
    now: Timestamp,
) -> Option<Outcome> {
    // These are its own labels. Those of another shard were looked for before.
    if job.owner.is_some() {
        shard.end_adoption();
    }
    if shard.phase.ended() {
        return None;
    }
    shard.restored = false;
    if shard.uid.is_none() && job.generation > shard.generation {
        // A record that was restored may not know the Job of the shard that it opens.
        shard.generation = job.generation;
        shard.change();
    }
    let before = shard.seen.clone();
    shard.uid = Some(job.uid.clone());
    shard.see(job, now.as_second());
    let own = shard.active_deadline_seconds.or(whole_deadline);
    lease::await_end(shard, job, own, before.as_ref(), (clocks, now));
    let Some(end) = &job.end else {
        let started = shard.phase == Phase::Started || job.was_released();
        shard.phase = if started { Phase::Started } else { Phase::Created };
        lease::see(shard, job, clocks, now);
        return None;
    };
    shard.phase = outcome::phase_at_end(shard, job, end);
    lease::expire(shard, job, end, own, before.as_ref(), clocks);
    if shard.phase == Phase::Failed { outcome::failure(shard, job, end, clocks, now) } else { None }
}

/// Hands on the pods of a shard that ended, as far as they were not given away before: to the other
/// shards in its member that may get more unasked; to all shards, where its own work was credited
/// to others.
fn hand_on_parallelism(record: &mut Record, id: u32, places: &Places) {
    if winding_down(record) {
        return;
    }
    let ended = &record.shards[&id];
    let running = || record.shards.iter().filter(|(_, shard)| pods::may_run(shard));
    let given = running().map(|(_, shard)| shard.parallelism).fold(0, i32::saturating_add);
    let freed = ended.parallelism.min(record.manifest.size().parallelism - given);
    let is_heir = |shard: &Shard| shard.cluster == ended.cluster && !pods::is_fixed(shard);
    let heirs: Vec<u32> =
        running().filter(|(_, shard)| is_heir(shard)).map(|(id, _)| *id).collect();
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

/// Removes shards whose Jobs were never created and will not be: they have nothing to do any more,
/// their name is taken by another shard's Job, or a supplement's by anybody's, or their cluster is
/// no member any more. The work of the last three is opened again. A Job whose uid was never
/// recorded has run nothing (G3).
/// Returns the shards that must be asked for by name before that can be told.
pub(super) fn forget_uncreated(record: &mut Record, observations: &Observations) -> Vec<u32> {
    let mut confirm = Vec::new();
    let mut uncreated = Vec::new();
    for (&id, shard) in record.shards.iter().filter(|(_, shard)| shard.phase == Phase::Planned) {
        let may_have_another = shard.name.is_some() || another_has_its_name(record, id, shard);
        let needs_other_name =
            may_have_another && observations.needs_other_name(&shard.cluster, id);
        if needs_other_name || has_left(shard, observations) {
            uncreated.push(id);
            continue;
        }
        if !(shard.retired || winding_down(record)) {
            continue;
        }
        match lookup(id, shard, observations) {
            Lookup::Missing { confirmed: true } => uncreated.push(id),
            Lookup::Missing { confirmed: false }
                if observations.refused(&shard.cluster, id).is_none() =>
            {
                confirm.push(id);
            }
            _ => {}
        }
    }
    for id in uncreated {
        record.forget(id);
    }
    confirm
}

/// Whether the ledger has another shard with the name of this one in its member. So it is where a
/// shard was planned while the ledger lacked the other.
fn another_has_its_name(record: &Record, id: u32, shard: &Shard) -> bool {
    record.shards.iter().any(|(other_id, other)| {
        let is_there = other.cluster == shard.cluster && other.uid.is_some();
        *other_id != id && is_there && record.job_name(*other_id) == record.job_name(id)
    })
}
