//! The spec of a Job is changed to what the ledger says.

use super::target::{Performed, Target};
use crate::{
    job::{change as change_patch, expire},
    reconcile::{
        decide::{is_assigned, is_outdated},
        observe::Answer,
    },
    state::{Phase, Record},
};

/// Patches the spec, unless the Job says that it has this change or a later one. The first change
/// lets the Job run, so an Indexed Job must have been told its indexes by then.
pub(super) async fn change(target: &Target<'_>) -> Performed {
    let (record, shard) = (target.record, &target.record.shards[&target.id]);
    let spec = record.spec(target.id);
    let starts = !record.manifest.suspended() && !shard.phase.ended();
    let performed = target
        .update(description(record, target.id), |job| {
            if shard.phase.ended() {
                let patch = || ("", expire(&record.manifest, &spec));
                return (job.generation < spec.generation).then(patch);
            }
            if !is_outdated(record, target.id, job) {
                return None;
            }
            let is_left_alone = job.end.is_some() || !is_assigned(shard, job);
            let patch = || ("", change_patch(&record.manifest, &spec, &record.state.removed));
            (!is_left_alone).then(patch)
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
pub(crate) fn description(record: &Record, id: u32) -> &'static str {
    match record.shards[&id].phase {
        Phase::Created if !record.manifest.suspended() => "started",
        phase if phase.ended() => "given its ttlSecondsAfterFinished",
        _ => "changed",
    }
}
