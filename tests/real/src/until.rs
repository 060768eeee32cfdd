//! Waiting for a condition rather than for a time.

use std::panic::Location;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const POLL: Duration = Duration::from_millis(25);

/// Probes until the probe answers `Ok`, and returns what it answered.
///
/// The probe's `Err` says what it saw instead. The next probe follows 25 ms after the last one
/// ended.
///
/// # Panics
///
/// When `within` has passed: with the caller's place, `what` was awaited, and what was seen last.
#[track_caller]
pub fn until<T, F>(
    what: &str,
    within: Duration,
    probe: impl FnMut() -> F,
) -> impl Future<Output = T>
where
    F: Future<Output = Result<T, String>>,
{
    let caller = Location::caller();
    async move {
        match poll(within, probe).await {
            Ok(value) => value,
            Err(seen) => panic!("{caller}: waited {within:?} for {what}; last seen: {seen}"),
        }
    }
}

/// As [`until`], but answers with what was seen last when the time has passed.
pub async fn poll<T, F>(within: Duration, mut probe: impl FnMut() -> F) -> Result<T, String>
where
    F: Future<Output = Result<T, String>>,
{
    let deadline = Instant::now() + within;
    loop {
        match probe().await {
            Ok(value) => return Ok(value),
            Err(seen) if Instant::now() >= deadline => return Err(seen),
            Err(_) => sleep(POLL).await,
        }
    }
}
