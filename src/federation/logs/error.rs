//! Why logs cannot be read at all.

use crate::{cluster, federation::error::Error};

/// Why logs cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The Job cannot be read.
    #[error(transparent)]
    Job(Box<Error>),
    /// A pod has no such container.
    #[error("container {container} is not valid for pod {pod} out of: {all}")]
    NoContainer {
        /// The name that was asked for.
        container: String,
        /// The pod.
        pod: String,
        /// The containers that it has.
        all: String,
    },
    /// More logs are to be followed than may be at a time.
    #[error(
        "you are attempting to follow {asked} log streams, but maximum allowed concurrency is \
        {most}, use --max-log-requests to increase the limit"
    )]
    TooMany {
        /// How many are to be followed.
        asked: usize,
        /// How many may be.
        most: usize,
    },
    /// The Job's pods have no indexes.
    #[error("job.batch/{name} is not Indexed: its pods have no index")]
    NotIndexed {
        /// The Job.
        name: String,
    },
}

impl From<Error> for LogsError {
    fn from(error: Error) -> Self {
        Self::Job(Box::new(error))
    }
}

impl From<cluster::Error> for LogsError {
    fn from(error: cluster::Error) -> Self {
        Error::from(error).into()
    }
}
