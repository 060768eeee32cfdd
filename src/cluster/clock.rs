//! The difference between a server's clock and ours, by the `Date` header of its answers (RFC 9110
//! section 6.6.1).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};

/// After this time a measurement is replaced also by one that is less precise: a clock may be set.
const MAX_AGE: SignedDuration = SignedDuration::from_secs(60);

/// The best recent measurement of one server's clock.
#[derive(Debug, Default)]
pub(super) struct Clock(Mutex<Option<Measurement>>);

#[derive(Debug, Clone, Copy)]
struct Measurement {
    skew: SignedDuration,
    /// How long the request took. The shorter, the more precise.
    round_trip: Duration,
    taken: Timestamp,
}

impl Clock {
    /// Takes the `Date` of an answer. What is not such a date is ignored.
    pub fn measure(&self, date: &str, sent: Timestamp, round_trip: Duration) {
        let Ok(date) = DateTimeParser::new().parse_timestamp(date) else { return };
        let half = SignedDuration::try_from(round_trip / 2).unwrap_or(SignedDuration::MAX);
        // A date has whole seconds, rounded down.
        let skew = date.duration_since(sent) + SignedDuration::from_millis(500) - half;
        let taken = sent;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let outdated = |old: &Measurement| taken.duration_since(old.taken).abs() > MAX_AGE;
        if kept.is_none_or(|old| round_trip <= old.round_trip || outdated(&old)) {
            *kept = Some(Measurement { skew, round_trip, taken });
        }
    }

    /// How far the server's clock is ahead of ours; negative where it is behind.
    pub fn skew(&self) -> Option<SignedDuration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).map(|kept| kept.skew)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: &str = "Sat, 28 Nov 2026 12:00:00 GMT";

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[test]
    fn the_skew_is_right_within_half_a_second_and_half_the_round_trip() {
        for ahead in [-3_600_000, -30_400, -900, 0, 100, 12_345, 86_400_000] {
            for round_trip in [0, 80, 2_000] {
                // The moment when the server writes the date is anywhere in the round trip.
                for written in [0, round_trip / 2, round_trip] {
                    let server = at("2026-11-28T12:00:00.7Z");
                    let sent = server
                        - SignedDuration::from_millis(ahead)
                        - SignedDuration::from_millis(written);
                    let clock = Clock::default();
                    clock.measure(NOON, sent, Duration::from_millis(round_trip as u64));
                    let error = clock.skew().unwrap().as_millis() - i128::from(ahead);
                    assert!(error.abs() <= 500 + i128::from(round_trip / 2), "{error} of {ahead}");
                }
            }
        }
    }

    #[test]
    fn the_most_precise_of_the_last_minute_is_kept() {
        let clock = Clock::default();
        let take = |date: &str, sent: &str, millis| {
            clock.measure(date, at(sent), Duration::from_millis(millis));
            clock.skew().map(|skew| skew.as_secs())
        };
        assert_eq!(take("yesterday", "2026-11-28T12:00:00Z", 1), None);
        assert_eq!(take(NOON, "2026-11-28T11:59:50Z", 400), Some(10));
        assert_eq!(take(NOON, "2026-11-28T11:59:40Z", 900), Some(10));
        assert_eq!(take(NOON, "2026-11-28T11:59:40Z", 300), Some(20));
        assert_eq!(take(NOON, "2026-11-28T11:58:30Z", 900), Some(90));
        // The local clock was set back.
        assert_eq!(take(NOON, "2026-11-28T11:00:00Z", 950), Some(3600));
    }
}
