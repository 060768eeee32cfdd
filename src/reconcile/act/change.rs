//! A Job's spec becomes what the ledger says.

use super::{Performed, Target, update};
use crate::{
    job::{change as changed, expire},
    reconcile::{
        Answer,
        decide::{is_assigned, is_outdated},
    },
    state::{Phase, Record},
};

/// Patches the spec, unless the Job says that it has this change or a later one already. The first
/// change of a Job lets it run, so that an Indexed one must know its indexes by then.
pub(super) async fn change(target: &Target<'_>) -> Performed {
    let (record, shard) = (target.record, &target.record.shards[&target.id]);
    let own = record.spec(target.id);
    let starts = !record.manifest.suspended() && !shard.phase.ended();
    let performed = update(target, named(record, target.id), |job| {
        if shard.phase.ended() {
            return (job.generation < own.generation).then(|| ("", expire(&record.manifest, &own)));
        }
        if !is_outdated(record, target.id, job) {
            return None;
        }
        let passes = job.end.is_some() || !is_assigned(shard, job);
        (!passes).then(|| ("", changed(&record.manifest, &own, &record.state.removed)))
    })
    .await;
    match performed {
        (Answer::Job(job), Some(_)) if starts && job.suspended => (
            Answer::Refused("the job was resumed, and its cluster keeps it suspended".to_owned()),
            None,
        ),
        performed => performed,
    }
}

/// What a change of a shard's Job is called.
pub(crate) fn named(record: &Record, id: u32) -> &'static str {
    match record.shards[&id].phase {
        Phase::Created if !record.manifest.suspended() => "started",
        phase if phase.ended() => "given its ttlSecondsAfterFinished",
        _ => "changed",
    }
}
