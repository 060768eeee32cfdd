//! The record of an edited Job: what each shard is to do under a new manifest; pure.

use jiff::Timestamp;

use super::{
    limits,
    new_record::{NewRecordError, new_record},
};
use crate::{
    job::{Leeway, Manifest, immutable},
    plan::PREFERENCES,
    reconcile::{
        allocate::{pods, work},
        observe::{Clocks, Place},
    },
    state::{Record, Registry, Shard},
};

/// Why a federated Job cannot be edited as asked.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It has ended: its outcome is latched.
    #[error("the job has ended, {0}, and what it did is final")]
    Finished(&'static str),
    /// It is being deleted.
    #[error("the job is being deleted")]
    Deleting,
    /// Kubernetes does not allow a change of this field.
    #[error("{path}: field is immutable")]
    Immutable {
        /// The path of the field, such as `spec.template`.
        path: String,
        /// Whether the edit would be possible if the Job were suspended.
        while_suspended: bool,
    },
    /// Members may have shards that the ledger lacks.
    #[error("the record was rebuilt, and {0} not been listed since")]
    Unlisted(String),
    /// It needs a second shard in a cluster, whose pods the first one would select.
    #[error(
        "spec.manualSelector: every cluster that takes work has a job with this selector already, \
         and a second one would take its pods"
    )]
    ManualSelector,
    /// The preferences are invalid, or the members have no room for what is asked.
    #[error(transparent)]
    Plan(#[from] NewRecordError),
}

/// The record with a new manifest, and with what each shard is to do from now on. It is not written
/// yet. The members learn of it by the reconcile that follows.
///
/// - Parallelism is divided again over the shards that have work left. A shard that would get no
///   pod has its unstarted work credited to others.
/// - The reconcile that follows opens shards for more completions, and credits completions beyond
///   the new number.
/// - Running pods go on, unless fewer pods may run than do.
/// - With `recreate`, shards are stopped and keep what they achieved, and new shards do the rest.
/// - Without `recreate`, a template can be changed while the Job is suspended, in where its pods
///   run and what they may use. The shards are changed in place, if their servers allow that.
///
/// # Errors
/// [`EditError`]; nothing is changed then.
pub fn edit_record(
    record: &Record,
    registry: &Registry,
    manifest: Manifest,
    recreate: bool,
    clocks: &Clocks,
    now: Timestamp,
) -> Result<Record, EditError> {
    if let Some(outcome) = &record.state.outcome {
        return Err(EditError::Finished(outcome.verdict.as_str()));
    }
    if record.state.deleting.is_some() {
        return Err(EditError::Deleting);
    }
    if !record.state.unlisted.is_empty() {
        let names: Vec<_> = record.state.unlisted.iter().map(String::as_str).collect();
        let what = if names.len() == 1 { "has" } else { "have" };
        return Err(EditError::Unlisted(format!("{} {what}", names.join(", "))));
    }
    if manifest == record.manifest && !recreate {
        return Ok(record.clone());
    }
    let leeway = match recreate {
        true => Leeway::Recreated,
        false if record.manifest.suspended() => Leeway::Suspended,
        false => Leeway::None,
    };
    if let Some(path) = immutable(&record.manifest, &manifest, leeway) {
        let suspended = immutable(&record.manifest, &manifest, Leeway::Suspended);
        return Err(EditError::Immutable { path, while_suspended: suspended.is_none() });
    }
    let changes_template =
        !recreate && immutable(&record.manifest, &manifest, Leeway::None).is_some();
    let before = &record.manifest;
    let is_divided_again = before.size() != manifest.size()
        || before.gang() != manifest.gang()
        || before.annotation(PREFERENCES) != manifest.annotation(PREFERENCES);
    if is_divided_again || recreate || before.lease() != manifest.lease() {
        // A Job of which only the fields change keeps its shards, whatever became of the members.
        new_record(registry, manifest.clone(), now)?;
    }
    let mut edited = record.clone();
    let before = std::mem::replace(&mut edited.manifest, manifest);
    edited.state.removed.add(&before, &edited.manifest);
    edited.state.revision = edited.state.revision.saturating_add(1);
    if changes_template {
        edited.state.template_edits.add(&before, &edited.manifest);
    }
    for shard in edited.shards.values_mut().filter(|shard| !shard.phase.ended()) {
        if changes_template {
            shard.change_template();
        } else {
            shard.change();
        }
        shard.retired |= recreate;
    }
    if before.suspended() && !edited.manifest.suspended() {
        limits::restart_deadline(&mut edited, clocks, now.as_second());
    }
    if is_divided_again && !recreate {
        divide_again(&mut edited, registry)?;
    }
    Ok(edited)
}

/// Divides work and pods again over the shards, by the record's new manifest.
fn divide_again(edited: &mut Record, registry: &Registry) -> Result<(), EditError> {
    let places = Place::all(registry);
    work::take_excess(edited, &places);
    let outstanding_before = outstanding(edited);
    // Work moves before the pods are divided: more pods would start in a shard what is to move.
    work::rebalance(edited, &places);
    pods::divide_after_edit(edited, &places);
    let moves = outstanding(edited) > outstanding_before;
    if edited.manifest.manual_selector() && work::lacks_place(edited, &places, moves) {
        return Err(EditError::ManualSelector);
    }
    Ok(())
}

/// How many completions are to be credited in all shards and have not been.
fn outstanding(record: &Record) -> i32 {
    record.shards.values().map(Shard::outstanding).fold(0, i32::saturating_add)
}
