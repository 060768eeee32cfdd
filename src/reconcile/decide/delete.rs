//! A federated Job is deleted, or expires; pure.

use jiff::Timestamp;

use super::{
    action::Action,
    limits,
    lookup::{Lookup, lookup, our_jobs},
    predicates::has_left,
};
use crate::{
    reconcile::observe::{Observation, Observations},
    state::{Cascade, Phase, Record, Shard},
};

/// What is to be done for a deletion.
pub(super) struct Deletion {
    /// Shards to ask for by name before they can be removed from the ledger.
    pub confirm: Vec<u32>,
    /// The deletions of Jobs that are still there.
    pub actions: Vec<Action>,
}

/// Deletes every Job that carries our labels under a shard's name, whatever its uid: a process that
/// was frozen may have created it. A shard is removed from the ledger once its member, asked by
/// name, has no Job of it. A shard that had ended when its member was unregistered is removed, too:
/// its Job stays in the cluster that left. So is a shard in a cluster that was declared lost and
/// does not answer.
pub(super) fn delete(
    record: &mut Record,
    observations: &Observations,
    cascade: Cascade,
    now: Timestamp,
) -> Deletion {
    see_what_was_done(record, observations, now);
    let jobs: Vec<_> = our_jobs(record, observations).collect();
    let mut gone = Vec::new();
    let mut confirm = Vec::new();
    for (&id, shard) in &record.shards {
        let has_run_nothing = shard.phase == Phase::Planned;
        if (shard.phase.ended() || has_run_nothing) && has_left(shard, observations) {
            gone.push(id);
            continue;
        }
        let Some(Observation::Known { confirmed, .. }) = observations.answer(shard) else {
            // Nobody waits for a cluster that was declared lost.
            gone.extend(is_lost(shard, observations).then_some(id));
            continue;
        };
        let is_left = jobs
            .iter()
            .any(|(cluster, job_shard, _)| (*cluster, *job_shard) == (shard.cluster.as_str(), id));
        if is_left {
            continue;
        }
        if confirmed.contains(&id) {
            gone.push(id);
        } else if observations.refused(&shard.cluster, id).is_none() {
            confirm.push(id);
        }
    }
    let to_delete = jobs
        .iter()
        .filter(|(cluster, id, job)| !job.deleting && observations.refused(cluster, *id).is_none());
    let actions = to_delete
        .map(|(cluster, id, job)| Action::Delete {
            shard: *id,
            cluster: (*cluster).to_owned(),
            uid: job.uid.clone(),
            cascade,
        })
        .collect();
    for id in gone {
        // What it did stays known until all are gone.
        if record.shards[&id].phase == Phase::Planned {
            record.forget(id);
        } else {
            record.fold(id, None);
        }
    }
    Deletion { confirm, actions }
}

/// Takes over what the Jobs did that nobody has recorded yet: what they did stays known until all
/// are gone.
fn see_what_was_done(record: &mut Record, observations: &Observations, now: Timestamp) {
    for (id, shard) in record.shards.iter_mut().filter(|(_, shard)| shard.phase.live()) {
        let Lookup::Found(job) = lookup(*id, shard, observations) else { continue };
        let mut seen = shard.clone();
        seen.see(job, now.as_second());
        let did = |shard: &Shard| (shard.achieved(), shard.failed_pods());
        if did(&seen) != did(shard) {
            *shard = seen;
        }
    }
}

/// Whether the cluster of a shard was declared lost, whether or not the ledger knows it yet.
fn is_lost(shard: &Shard, observations: &Observations) -> bool {
    let place = observations.places.get(&shard.cluster);
    shard.is_lost() || place.is_some_and(|place| place.lost.is_some() && !place.moved(shard))
}

/// Lets a Job with an outcome expire: once the outcome is recorded its shards get their
/// `ttlSecondsAfterFinished`, and after that time the record is deleted.
pub(super) fn expire(record: &mut Record, now: Timestamp) {
    let live = record.shards.values().any(|shard| shard.phase.live() && !shard.is_lost());
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
