//! An edit: from a record and a new manifest to what each shard is to do from now on; pure.

use jiff::Timestamp;

use super::{NewRecordError, limits, new_record};
use crate::{
    job::{Leeway, Manifest, immutable},
    plan::PREFERENCES,
    reconcile::{
        Place,
        allocate::{pods, work},
    },
    state::{Phase, Record, Registry, Shard},
};

/// Why a federated Job cannot be edited as asked.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// Its outcome is latched.
    #[error("the job has ended, {0}, and what it did is final")]
    Finished(&'static str),
    /// It is being deleted.
    #[error("the job is being deleted")]
    Deleting,
    /// Kubernetes lets nobody change this in a Job.
    #[error("{path}: field is immutable")]
    Immutable {
        /// The path of the field, such as `spec.template`.
        path: String,
    },
    /// It asks for a second shard in a cluster.
    #[error(
        "spec.manualSelector: every cluster that takes work has a job with this selector already, and a second one would take \
         its pods"
    )]
    ManualSelector,
    /// The members have no place for what is asked, or the preferences are wrong.
    #[error(transparent)]
    Plan(#[from] NewRecordError),
}

/// The record with a new manifest, and with what each shard is to do from now on. It is not written
/// yet, and the members learn of it by the reconcile that follows.
///
/// Parallelism is divided again over the shards that have work left; where one would be left with
/// none, what it has not started is taken off. More completions are opened by that reconcile, fewer
/// are taken off. What runs goes on, unless fewer pods may run. With `recreate`, shards are stopped
/// and keep what they achieved, and the rest is opened anew: so a template can be changed. Where
/// pods may run can be changed without it while the Job is suspended and never started, as in
/// Kubernetes: shards that have run nothing lose nothing by that.
///
/// # Errors
/// [`EditError`]; nothing is changed then.
pub fn edit_record(
    record: &Record,
    registry: &Registry,
    manifest: Manifest,
    recreate: bool,
    now: Timestamp,
) -> Result<Record, EditError> {
    if let Some(outcome) = &record.state.outcome {
        return Err(EditError::Finished(outcome.verdict.as_str()));
    }
    if record.state.deleting.is_some() {
        return Err(EditError::Deleting);
    }
    if manifest == record.manifest && !recreate {
        return Ok(record.clone());
    }
    let leeway = match recreate {
        true => Leeway::Recreated,
        false if record.manifest.suspended() && never_started(record) => Leeway::Scheduling,
        false => Leeway::None,
    };
    if let Some(path) = immutable(&record.manifest, &manifest, leeway) {
        return Err(EditError::Immutable { path });
    }
    // What only new shards can carry and was let through has run nowhere.
    let recreate = recreate || immutable(&record.manifest, &manifest, Leeway::None).is_some();
    new_record(registry, manifest.clone(), now)?;
    let places = Place::all(registry);
    let mut amended = record.clone();
    let before = std::mem::replace(&mut amended.manifest, manifest);
    amended.state.removed.add(&before, &amended.manifest);
    let divided_anew = before.size() != amended.manifest.size()
        || before.annotation(PREFERENCES) != amended.manifest.annotation(PREFERENCES);
    for shard in amended.shards.values_mut().filter(|shard| !shard.phase.ended()) {
        shard.change();
        shard.retired |= recreate;
    }
    if before.suspended() && !amended.manifest.suspended() {
        limits::restart_deadline(&mut amended, now.as_second());
    }
    if recreate || !divided_anew {
        return Ok(amended);
    }
    work::take_excess(&mut amended, &places);
    let given_up = outstanding(&amended);
    pods::divide_anew(&mut amended, &places);
    work::rebalance(&mut amended, &places);
    let moves = outstanding(&amended) > given_up;
    if amended.manifest.manual_selector() && work::lacks_place(&amended, &places, moves) {
        return Err(EditError::ManualSelector);
    }
    Ok(amended)
}

/// How much is to be taken off the shards.
fn outstanding(record: &Record) -> i32 {
    record.shards.values().map(Shard::outstanding).fold(0, i32::saturating_add)
}

fn never_started(record: &Record) -> bool {
    record.shards.values().all(|shard| {
        shard.phase < Phase::Started && shard.seen.as_ref().is_none_or(|seen| seen.start.is_none())
    })
}
