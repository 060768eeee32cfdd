//! What can go wrong with a control plane.

use std::fmt;

/// Why a request, or a step of the harness, failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The API server answered with a `Status` that is a failure.
    Status {
        /// The HTTP status: 403, 404, 409, 422 …
        code: u16,
        /// The `Status`' machine-readable reason, such as `NotFound`; empty where the answer was no
        /// `Status`.
        reason: String,
        /// The server's words.
        message: String,
    },
    /// No answer: refused, cut off, or not in time.
    Unreachable(String),
    /// A component did not start or stop, or a file could not be written. Ends with the tail of the
    /// log, where there is one.
    Harness(String),
}

impl Error {
    /// The HTTP status of a [`Error::Status`]; `None` for the others.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Status { code, .. } => Some(*code),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { code, reason, message } => write!(f, "{code} {reason}: {message}"),
            Self::Unreachable(why) => write!(f, "unreachable: {why}"),
            Self::Harness(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Error {}

/// Says what was being done when an input or output failed.
pub(crate) fn during<E: fmt::Display>(doing: &str) -> impl FnOnce(E) -> Error {
    move |error| Error::Harness(format!("{doing}: {error}"))
}
