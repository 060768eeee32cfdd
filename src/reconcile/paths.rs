//! The API paths of Jobs.

/// The path of the Jobs of a namespace.
pub(crate) fn jobs_path(namespace: &str) -> String {
    format!("/apis/batch/v1/namespaces/{namespace}/jobs")
}

/// The path of one Job.
pub(crate) fn job_path(namespace: &str, name: &str) -> String {
    format!("{}/{name}", jobs_path(namespace))
}
