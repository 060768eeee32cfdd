//! The Job kind as the API server sees it: defaults and rules.

mod defaults;
mod status;
mod update;
mod validation;

pub(crate) use defaults::{finish, prepare_create};
pub(crate) use status::validate_status;
pub(crate) use update::{prepare_update, validate_update};
pub(crate) use validation::{validate, warnings};

use serde_json::Value;

use crate::object;

/// The label with the Job's uid on its pods.
pub(crate) const UID_LABEL: &str = "batch.kubernetes.io/controller-uid";
/// The label with the Job's name on its pods.
pub(crate) const NAME_LABEL: &str = "batch.kubernetes.io/job-name";
/// The same labels as they were called before Kubernetes 1.27.
pub(crate) const LEGACY_UID_LABEL: &str = "controller-uid";
pub(crate) const LEGACY_NAME_LABEL: &str = "job-name";

/// Whether a Job is Indexed.
pub(crate) fn indexed(job: &Value) -> bool {
    object::text(job, "/spec/completionMode") == "Indexed"
}

/// Whether a Job is suspended by its spec.
pub(crate) fn suspended(job: &Value) -> bool {
    object::flag(job, "/spec/suspend")
}
