//! How long a server is waited for. What a request waits for its turn does not count.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// How long it may take to connect, with TLS and proxies.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long it may take to connect and to hear which cluster it is, where the command can go on
/// without that cluster.
pub(super) const BRIEF: Duration = Duration::from_secs(3);

/// After this time without an answer a user wants to know who is waited for.
const NOTICED: Duration = Duration::from_secs(1);

/// How often it is looked at whether a connection still waits for its turn, when its time would be
/// over otherwise.
const LOOKS: Duration = Duration::from_millis(20);

/// Connecting took too long.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {}s", CONNECT_TIMEOUT.as_secs())]
pub(super) struct ConnectTimeout;

/// The time of one request, with all that it is sent again.
pub(super) struct Patience<'a> {
    limit: Option<Duration>,
    spent: Duration,
    queue: &'a Queue,
}

impl<'a> Patience<'a> {
    /// A request that may take `limit`, over connections that are opened in turn.
    pub fn new(limit: Option<Duration>, queue: &'a Queue) -> Self {
        Self { limit, spent: Duration::ZERO, queue }
    }

    /// Waits for the server. Has `notice` tell it once the request has taken [`NOTICED`].
    ///
    /// # Errors
    /// The limit, if that is over.
    pub async fn wait_for<T>(
        &mut self,
        answer: impl Future<Output = T>,
        notice: impl Fn() -> Box<dyn Send>,
    ) -> Result<T, Duration> {
        let mut answer = pin!(answer);
        let (begun, before, queued) = (Instant::now(), self.spent, self.queue.waited());
        let mut shown = None;
        loop {
            let rest = match self.limit {
                Some(limit) if self.spent >= limit => return Err(limit),
                Some(limit) => limit.saturating_sub(self.spent),
                None => Duration::MAX,
            };
            if self.spent >= NOTICED && shown.is_none() {
                shown = Some(notice());
            }
            let unnoticed = NOTICED.checked_sub(self.spent).filter(|_| shown.is_none());
            let looks = if self.queue.is_waiting() { LOOKS } else { Duration::ZERO };
            let pause = rest.min(unnoticed.unwrap_or(rest)).max(looks);
            let answered = timeout(pause, &mut answer).await;
            let own = begun.elapsed().saturating_sub(self.queue.waited().saturating_sub(queued));
            self.spent = before + own;
            if let Ok(answered) = answered {
                return Ok(answered);
            }
        }
    }
}

/// How long the connections to one server have waited for their turn to be opened, and the name of
/// their server for its turn to be looked up.
#[derive(Default)]
pub(super) struct Queue(Mutex<Waited>);

#[derive(Default)]
struct Waited {
    /// How long, up to when the last of them got its turn.
    before: Duration,
    waiting: usize,
    since: Option<Instant>,
}

impl Queue {
    /// Waits for a turn.
    pub async fn wait_for<T>(&self, turn: impl Future<Output = T>) -> T {
        let _waiting = Waiting::new(self);
        turn.await
    }

    fn waited(&self) -> Duration {
        let state = self.state();
        state.before + state.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn is_waiting(&self) -> bool {
        self.state().waiting > 0
    }

    fn state(&self) -> MutexGuard<'_, Waited> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One more that waits, until it is dropped.
struct Waiting<'a>(&'a Queue);

impl<'a> Waiting<'a> {
    fn new(queue: &'a Queue) -> Self {
        let mut state = queue.state();
        state.waiting += 1;
        state.since.get_or_insert_with(Instant::now);
        drop(state);
        Self(queue)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.waiting -= 1;
        if state.waiting == 0
            && let Some(since) = state.since.take()
        {
            state.before += since.elapsed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn unheard() -> Box<dyn Send> {
        Box::new(())
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_a_request_is_that_of_all_its_attempts() {
        let queue = Queue::default();
        let mut patience = Patience::new(Some(5 * SECOND), &queue);
        for _ in 0..2 {
            patience.wait_for(tokio::time::sleep(2 * SECOND), unheard).await.expect("in time");
            // What it waits for its turn.
            tokio::time::sleep(60 * SECOND).await;
        }
        let start = Instant::now();
        let ended = patience.wait_for(std::future::pending::<()>(), unheard).await;
        assert_eq!((ended, start.elapsed()), (Err(5 * SECOND), SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_to_connect_takes_no_time_of_the_request() {
        let queue = Queue::default();
        let mut patience = Patience::new(Some(5 * SECOND), &queue);
        let start = Instant::now();
        let heard = std::cell::Cell::new(None);
        let connects = async {
            queue.wait_for(tokio::time::sleep(30 * SECOND)).await;
            std::future::pending::<()>().await;
        };
        let notice = || {
            heard.set(Some(start.elapsed()));
            unheard()
        };
        assert_eq!(patience.wait_for(connects, notice).await, Err(5 * SECOND));
        let (ended, heard) = (start.elapsed(), heard.get().expect("it took longer than a second"));
        assert!((35 * SECOND..35 * SECOND + 2 * LOOKS).contains(&ended), "{ended:?}");
        assert!((31 * SECOND..31 * SECOND + 2 * LOOKS).contains(&heard), "{heard:?}");
    }
}
