//! The API paths of Jobs, pods and events.

use crate::cluster::path;

/// The path of the Jobs of a namespace.
pub(crate) fn jobs_path(namespace: &str) -> String {
    path::collection(path::BATCH, Some(namespace), "jobs")
}

/// The path of the pods of a namespace.
pub(crate) fn pods_path(namespace: &str) -> String {
    path::collection(path::CORE, Some(namespace), "pods")
}

/// The path of the events of a namespace.
pub(crate) fn events_path(namespace: &str) -> String {
    path::collection(path::CORE, Some(namespace), "events")
}

/// The path of one Job.
pub(crate) fn job_path(namespace: &str, name: &str) -> String {
    path::object(path::BATCH, namespace, "jobs", name)
}
