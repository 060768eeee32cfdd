//! A cluster's clock: one that a test drives, or the system's.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A clock.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clock {
    /// Stands still until it is advanced.
    Driven(Timestamp),
    System,
}

impl Clock {
    pub(crate) fn now(self) -> Timestamp {
        match self {
            Self::Driven(now) => now,
            Self::System => Timestamp::now(),
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
