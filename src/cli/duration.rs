//! The values of `--timeout`.

use std::time::Duration;

use crate::{cluster::flags::go_duration, federation::Timeout};

/// What a negative `--timeout` means.
const WEEK: Duration = Duration::from_hours(7 * 24);

/// Reads a Go duration as kubectl does.
pub fn timeout(text: &str) -> Result<Timeout, String> {
    let (negative, size) = match text.strip_prefix('-') {
        Some(size) => (true, size),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if size == "0" {
        return Ok(Timeout::Once);
    }
    match go_duration(size) {
        Some(Duration::ZERO) => Ok(Timeout::Once),
        Some(_) if negative => Ok(Timeout::After(WEEK)),
        Some(duration) => Ok(Timeout::After(duration)),
        None if size.parse::<f64>().is_ok() => {
            Err(format!("time: missing unit in duration {text:?}"))
        }
        None => Err(format!("time: invalid duration {text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_a_go_duration_of_any_sign() {
        for (text, expected) in [
            ("30s", Timeout::After(Duration::from_secs(30))),
            ("+1m", Timeout::After(Duration::from_mins(1))),
            ("0", Timeout::Once),
            ("0s", Timeout::Once),
            ("-0s", Timeout::Once),
            ("-1s", Timeout::After(WEEK)),
        ] {
            assert_eq!(timeout(text), Ok(expected), "{text}");
        }
        assert_eq!(timeout("30"), Err("time: missing unit in duration \"30\"".to_owned()));
        assert_eq!(timeout("soon"), Err("time: invalid duration \"soon\"".to_owned()));
        assert_eq!(timeout(""), Err("time: invalid duration \"\"".to_owned()));
    }
}
