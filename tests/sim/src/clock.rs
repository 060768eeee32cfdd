//! A cluster's clock: one that a test drives, or the system's.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A clock.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clock {
    /// Stands still until it is advanced.
    Driven(Timestamp),
    /// The system's clock, and this much more.
    System { ahead: SignedDuration },
}

impl Clock {
    pub(crate) fn now(self) -> Timestamp {
        match self {
            Self::Driven(now) => now,
            Self::System { ahead } => Timestamp::now().checked_add(ahead).unwrap_or(Timestamp::MAX),
        }
    }
}

/// A point in time later than another.
pub(crate) fn later(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| at.checked_add(by).ok())
        .unwrap_or(Timestamp::MAX)
}
