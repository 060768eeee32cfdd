//! When a request is sent again. A write is never repeated where it might happen twice.

use std::time::Duration;

use crate::seams::{self, Defect};

/// How often a request is sent at most, with the first time.
pub(super) const ATTEMPTS: u32 = 4;

/// The longest `Retry-After` that is waited for. If a server asks for more, the request is not sent
/// again.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The server answered.
    Answered { code: u16, retry_after: Option<Duration> },
    /// There was no answer. `unsent`: the server cannot have received any of the request.
    /// `passing`: trying again soon may help.
    Failed { unsent: bool, passing: bool },
}

/// How long to wait before the next attempt. `None`: there is no next attempt.
///
/// A request that only reads is repeated after a lost connection, after 429, 502, 503 and 504, and
/// after a 500 with `Retry-After`. A request that writes is repeated only if the server certainly
/// did not process it: nothing was sent, or the answer was 429. `done` is the number of attempts so
/// far. `jitter` is between 0 and 1.
///
/// Written by hand because `RetryPolicy` of kube-client 5.0 also repeats writes after 503 and 504.
pub(super) fn wait(reads: bool, done: u32, ended: Ended, jitter: f64) -> Option<Duration> {
    if done >= ATTEMPTS {
        return None;
    }
    let reads = reads || seams::has(Defect::RepeatedPost);
    let backoff = Duration::from_millis(100 << done.saturating_sub(1).min(8))
        .mul_f64(0.5 + jitter.clamp(0.0, 1.0));
    match ended {
        Ended::Failed { unsent, passing } => (passing && (reads || unsent)).then_some(backoff),
        Ended::Answered { code, retry_after } => {
            let repeat = match code {
                429 => true,
                502..=504 => reads,
                500 => reads && retry_after.is_some(),
                _ => false,
            };
            match retry_after {
                _ if !repeat => None,
                Some(asked) if asked > LONGEST_WAIT => None,
                Some(asked) => Some(asked.max(backoff)),
                None => Some(backoff),
            }
        }
    }
}

/// A random number between 0 and 1, so that many clients do not repeat at the same moment.
pub fn jitter() -> f64 {
    let bits = seams::number() >> 11;
    bits as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOST: Ended = Ended::Failed { unsent: false, passing: true };
    const REFUSED: Ended = Ended::Failed { unsent: true, passing: true };
    const BAD_CERTIFICATE: Ended = Ended::Failed { unsent: true, passing: false };

    fn answered(code: u16, seconds: Option<u64>) -> Ended {
        Ended::Answered { code, retry_after: seconds.map(Duration::from_secs) }
    }

    #[test]
    fn a_write_is_repeated_only_if_it_certainly_did_not_happen() {
        for (ended, again) in [
            (LOST, false),
            (REFUSED, true),
            (BAD_CERTIFICATE, false),
            (answered(429, Some(1)), true),
            (answered(429, None), true),
            (answered(500, Some(1)), false),
            (answered(503, Some(1)), false),
            (answered(504, None), false),
            (answered(409, None), false),
            (answered(201, None), false),
        ] {
            assert_eq!(wait(false, 1, ended, 0.5).is_some(), again, "{ended:?}");
        }
    }

    #[test]
    fn a_read_is_repeated_if_that_may_help() {
        for (ended, again) in [
            (LOST, true),
            (REFUSED, true),
            (BAD_CERTIFICATE, false),
            (answered(429, Some(1)), true),
            (answered(500, None), false),
            (answered(500, Some(1)), true),
            (answered(503, None), true),
            (answered(404, None), false),
            (answered(410, None), false),
        ] {
            assert_eq!(wait(true, 1, ended, 0.5).is_some(), again, "{ended:?}");
        }
    }

    #[test]
    fn attempts_are_limited_and_retry_after_is_obeyed() {
        assert!(wait(true, ATTEMPTS, LOST, 0.5).is_none());
        assert_eq!(wait(true, 1, answered(429, Some(3)), 0.5), Some(Duration::from_secs(3)));
        assert_eq!(wait(true, 1, answered(429, Some(11)), 0.5), None);
        let waits: Vec<_> = (1..ATTEMPTS).filter_map(|done| wait(true, done, LOST, 0.5)).collect();
        assert_eq!(waits, [100, 200, 400].map(Duration::from_millis));
        assert!((0..100).map(|_| jitter()).all(|j| (0.0..1.0).contains(&j)));
    }
}
