//! How a federated Job is to be changed, and whether it can be at all.

use super::{dry_run_strategy::DryRun, error::Error};
use crate::{
    cluster::FieldValidation,
    job::{Manifest, can_recreate, same},
    reconcile::EditError,
    state::Record,
};

/// How a Job is to be changed.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub struct Request<'a> {
    /// What begins the sentences about it: `job.batch/pi`, or the file.
    pub subject: String,
    /// The file that the change was read from, if it was.
    pub source: Option<&'a str>,
    /// Whether it is done, or only foreseen.
    pub dry_run: DryRun,
    /// Whether the members are asked first whether they would take it.
    pub preflight: bool,
    /// Whether fields may change that only new shards can carry; none where the verb does not offer
    /// it.
    pub recreate: Option<bool>,
    /// Whether pods that run may be stopped so that new shards take their place: the user was
    /// asked.
    pub may_stop: bool,
    /// Whether a Job that has ended is refused even where nothing would change: it neither stops
    /// nor goes on.
    pub open_only: bool,
    /// Whether missing namespaces are made.
    pub create_namespace: bool,
    /// What is done about fields that a member does not know; none where the user does not say.
    /// Then what was said of the Job before holds for the fields that it has, and others are
    /// refused.
    pub field_validation: Option<FieldValidation>,
}

impl Request<'_> {
    /// A request about one Job that is named, not read from a file.
    pub fn new(name: &str, dry_run: DryRun) -> Self {
        Self {
            subject: format!("job.batch/{name}"),
            source: None,
            dry_run,
            preflight: true,
            recreate: None,
            may_stop: true,
            open_only: false,
            create_namespace: false,
            field_validation: None,
        }
    }

    /// Whether the members are to be asked about a Job that is to be what the manifest says: not if
    /// it is that already.
    ///
    /// # Errors
    /// The Job cannot be changed any more.
    pub(super) fn looks(&self, record: &Record, manifest: &Manifest) -> Result<bool, Error> {
        if is_same(record, manifest) && !self.open_only {
            return Ok(false);
        }
        check_open(record, self).map(|()| true)
    }

    /// What is done about fields that a member of the Job does not know, once it is changed.
    pub(super) fn field_validation(&self, record: &Record) -> FieldValidation {
        self.field_validation.unwrap_or(record.state.field_validation)
    }

    pub(super) fn refusal(&self, record: &Record, error: EditError) -> Error {
        Error::NotEditable {
            subject: self.subject.clone(),
            from_file: self.source.is_some(),
            may_recreate: self.recreate == Some(false) && may_recreate(&error),
            error,
            namespace: record.namespace().to_owned(),
            name: record.name().to_owned(),
        }
    }
}

/// A Job that cannot be changed is one that no member is asked about any more.
///
/// # Errors
/// Its end is recorded, or it is being deleted.
pub(super) fn check_open(record: &Record, request: &Request<'_>) -> Result<(), Error> {
    let error = match (&record.state.outcome, record.state.deleting) {
        (Some(outcome), _) => EditError::Finished(outcome.verdict.as_str()),
        (None, Some(_)) => EditError::Deleting,
        (None, None) => return Ok(()),
    };
    Err(request.refusal(record, error))
}

/// Whether new shards could carry a change that the present ones cannot.
pub(super) fn may_recreate(error: &EditError) -> bool {
    matches!(error, EditError::Immutable { path, .. } if can_recreate(path))
}

/// Whether a Job is to be what it is.
pub(super) fn is_same(record: &Record, manifest: &Manifest) -> bool {
    record.state.deleting.is_none() && same(&record.manifest, manifest)
}
