//! Fields of the status as JSON; pure.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// The counts that are not 0, by their fields.
pub(super) fn counts(counts: &[(&str, i32)]) -> Map<String, Value> {
    counts
        .iter()
        .filter(|(_, n)| *n != 0)
        .map(|(field, n)| ((*field).to_owned(), Value::from(*n)))
        .collect()
}

/// A time in seconds since 1970, as the API writes it.
pub(super) fn time(second: i64) -> Value {
    Timestamp::from_second(second).map_or(Value::Null, |at| at.to_string().into())
}
