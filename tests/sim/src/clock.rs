//! A cluster's clock: one that a test drives, or the system's.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A clock: some source of time, and how far the clock is ahead of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    source: Source,
    ahead: SignedDuration,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    /// Stands still until it is advanced.
    Driven(Timestamp),
    System,
}

impl Clock {
    /// A clock that stands still until it is advanced.
    pub(crate) fn driven(now: Timestamp) -> Self {
        Self { source: Source::Driven(now), ahead: SignedDuration::ZERO }
    }

    /// The system's clock.
    pub(crate) fn system() -> Self {
        Self { source: Source::System, ahead: SignedDuration::ZERO }
    }

    pub(crate) fn now(self) -> Timestamp {
        let source = match self.source {
            Source::Driven(now) => now,
            Source::System => Timestamp::now(),
        };
        source.checked_add(self.ahead).unwrap_or(Timestamp::MAX)
    }

    /// Drives the clock to a time that it shows then.
    pub(crate) fn advance_to(&mut self, now: Timestamp) {
        self.source = Source::Driven(now.checked_sub(self.ahead).unwrap_or(Timestamp::MIN));
    }

    /// Puts the clock ahead of its source; a negative time puts it behind.
    pub(crate) fn set_ahead(&mut self, ahead: SignedDuration) {
        self.ahead = ahead;
    }
}

/// A point in time later than another.
pub(crate) fn later(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| at.checked_add(by).ok())
        .unwrap_or(Timestamp::MAX)
}
