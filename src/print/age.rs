//! Durations in kubectl's short form, such as `5m30s`.

use jiff::Timestamp;

/// What is printed where a time is not known, as by kubectl.
pub const UNKNOWN: &str = "<unknown>";

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// The time from `then` to `now`, in the form of [`human`].
pub fn age(now: Timestamp, then: Timestamp) -> String {
    human(now.duration_since(then))
}

/// A duration as kubectl's `HumanDuration` (`k8s.io/apimachinery/pkg/util/duration`) writes it.
///
/// Durations below two minutes are in seconds. Up to eight years there are two units if the second
/// one is not zero. Fractions of the last unit are cut off. Because clocks differ, less than two
/// seconds in the future is `0s`; more is `<invalid>`.
pub fn human(duration: jiff::SignedDuration) -> String {
    let seconds = duration.as_secs();
    if seconds < -1 {
        return "<invalid>".to_owned();
    }
    let pair = |unit: i64, name: char, part: i64, part_name: char| {
        let (whole, rest) = (seconds / unit, seconds % unit / part);
        if rest == 0 { format!("{whole}{name}") } else { format!("{whole}{name}{rest}{part_name}") }
    };
    match seconds {
        ..0 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        _ if seconds < 10 * MINUTE => pair(MINUTE, 'm', 1, 's'),
        _ if seconds < 3 * HOUR => format!("{}m", seconds / MINUTE),
        _ if seconds < 8 * HOUR => pair(HOUR, 'h', MINUTE, 'm'),
        _ if seconds < 2 * DAY => format!("{}h", seconds / HOUR),
        _ if seconds < 8 * DAY => pair(DAY, 'd', HOUR, 'h'),
        _ if seconds < 2 * YEAR => format!("{}d", seconds / DAY),
        _ if seconds < 8 * YEAR => pair(YEAR, 'y', DAY, 'd'),
        _ => format!("{}y", seconds / YEAR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    /// kubectl's own test of the boundaries, and a second or less on each side of every one.
    #[test]
    fn boundaries_are_kubectls() {
        let ms = |seconds: i64, millis: i64| SignedDuration::from_millis(seconds * 1000 + millis);
        for (duration, want) in [
            (ms(-2, 0), "<invalid>"),
            (ms(-2, 1), "0s"),
            (ms(-1, 0), "0s"),
            (ms(0, 0), "0s"),
            (ms(1, -1), "0s"),
            (ms(1, 0), "1s"),
            (ms(70, 0), "70s"),
            (ms(2 * MINUTE, -1), "119s"),
            (ms(2 * MINUTE, 0), "2m"),
            (ms(2 * MINUTE + 1, 0), "2m1s"),
            (ms(190, 0), "3m10s"),
            (ms(10 * MINUTE, -1), "9m59s"),
            (ms(10 * MINUTE, 0), "10m"),
            (ms(10 * MINUTE + 1, 0), "10m"),
            (ms(3 * HOUR, -1), "179m"),
            (ms(3 * HOUR, 0), "3h"),
            (ms(3 * HOUR + MINUTE, 0), "3h1m"),
            (ms(8 * HOUR, -1), "7h59m"),
            (ms(8 * HOUR, 0), "8h"),
            (ms(8 * HOUR + 59 * MINUTE, 0), "8h"),
            (ms(2 * DAY, -1), "47h"),
            (ms(2 * DAY, 0), "2d"),
            (ms(2 * DAY + HOUR, 0), "2d1h"),
            (ms(8 * DAY, -1), "7d23h"),
            (ms(8 * DAY, 0), "8d"),
            (ms(8 * DAY + 23 * HOUR, 0), "8d"),
            (ms(367 * DAY, 0), "367d"),
            (ms(2 * YEAR, -1), "729d"),
            (ms(2 * YEAR, 0), "2y"),
            (ms(2 * YEAR + DAY, -1), "2y"),
            (ms(2 * YEAR + DAY, 0), "2y1d"),
            (ms(7 * YEAR, 0), "7y"),
            (ms(8 * YEAR, -1), "7y364d"),
            (ms(8 * YEAR, 0), "8y"),
            (ms(8 * YEAR + 364 * DAY, 0), "8y"),
            (ms(9 * YEAR, 0), "9y"),
        ] {
            assert_eq!(human(duration), want, "{duration:?}");
        }
    }

    #[test]
    fn age_is_counted_from_then_to_now() {
        let then: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a timestamp");
        let now: Timestamp = "2026-01-01T00:03:10.9Z".parse().expect("a timestamp");
        assert_eq!(age(now, then), "3m10s");
        assert_eq!(age(then, now), "<invalid>");
    }
}
