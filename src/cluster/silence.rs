//! Whether a server is silent, so that what waits for its turn there would wait in vain.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// What was heard of one server. One request without an answer says nothing of the others: it may
/// hang by itself. A server is silent where it has answered nothing at all since that was sent.
#[derive(Default)]
pub(super) struct Silence(Mutex<Heard>);

#[derive(Default)]
struct Heard {
    /// When the last answer of the server began.
    last: Option<Instant>,
    is_silent: bool,
}

impl Silence {
    /// An answer has begun.
    pub fn answered(&self) {
        *self.heard() = Heard { last: Some(Instant::now()), is_silent: false };
    }

    /// The time of a request is over that was sent first at this moment.
    pub fn timed_out(&self, sent: Instant) {
        let mut heard = self.heard();
        heard.is_silent |= heard.last.is_none_or(|last| last <= sent);
    }

    /// Whether the server has answered nothing since a request was sent whose time is over.
    pub fn holds(&self) -> bool {
        self.heard().is_silent
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_is_silent_from_a_request_that_nothing_was_answered_after() {
        let silence = Silence::default();
        let pass = || tokio::time::sleep(Duration::from_secs(1));
        let first = Instant::now();
        assert!(!silence.holds());
        silence.timed_out(first);
        assert!(silence.holds(), "it has never answered");
        pass().await;
        silence.answered();
        assert!(!silence.holds());
        silence.timed_out(first);
        assert!(!silence.holds(), "it has answered another since");
        pass().await;
        let second = Instant::now();
        silence.timed_out(second);
        silence.timed_out(first);
        assert!(silence.holds(), "an older request does not change that");
    }
}
