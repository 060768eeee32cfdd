//! How long a lease is, as users write it; pure.

use std::fmt::Write as _;

use jiff::SignedDuration;

/// The shortest lease that users may ask for, in seconds. Clocks are trusted to differ by no more
/// than that, and a lease has to outlast the time between two contacts.
pub const SHORTEST: i64 = 60;

/// Reads the length of a lease, such as `30m` or `1h30m`; `none`, or `0`, for no lease.
///
/// # Errors
/// A sentence: it is no duration, not in whole seconds, or shorter than a minute.
pub fn parse_lease(text: &str) -> Result<Option<i64>, String> {
    if ["none", "0"].contains(&text) {
        return Ok(None);
    }
    let duration: SignedDuration =
        text.parse().map_err(|_| "must be a duration such as 30m, or none".to_owned())?;
    if duration.is_zero() {
        return Ok(None);
    }
    if duration.as_secs() < SHORTEST {
        return Err(
            "must be at least 1m: clocks of clusters differ, and a cluster must not end its work \
             between two contacts"
                .to_owned(),
        );
    }
    if duration.subsec_nanos() != 0 {
        return Err("must be in whole seconds".to_owned());
    }
    Ok(Some(duration.as_secs()))
}

/// The text of a lease, such as `1h30m`; as [`parse_lease`] reads it.
pub fn lease_text(seconds: i64) -> String {
    let units = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let mut text = String::new();
    for (count, unit) in units.into_iter().filter(|(count, _)| *count > 0) {
        let _ = write!(text, "{count}{unit}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_lease_is_a_duration_of_at_least_a_minute() {
        for (text, expected) in [
            ("30m", Some(1800)),
            ("1h30m", Some(5400)),
            ("60s", Some(60)),
            ("none", None),
            ("0", None),
            ("0s", None),
        ] {
            assert_eq!(parse_lease(text), Ok(expected), "{text}");
            if let Some(seconds) = expected {
                assert_eq!(parse_lease(&lease_text(seconds)), Ok(expected), "{text}");
            }
        }
        for (text, why) in [
            ("59s", "at least 1m"),
            ("-1h", "at least 1m"),
            ("soon", "a duration"),
            ("", "a duration"),
            ("90.5s", "whole seconds"),
        ] {
            let error = parse_lease(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
