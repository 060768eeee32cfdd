//! The API paths of Jobs.

use crate::cluster::path;

/// The path of the Jobs of a namespace.
pub(crate) fn jobs_path(namespace: &str) -> String {
    path::collection(path::BATCH, Some(namespace), "jobs")
}

/// The path of one Job.
pub(crate) fn job_path(namespace: &str, name: &str) -> String {
    path::object(path::BATCH, namespace, "jobs", name)
}
