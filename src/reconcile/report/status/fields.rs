//! Fields of the status as JSON; pure.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{job::Size, state::Record};

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

/// The COMPLETIONS column, as kubectl prints it for a Job of this size.
pub(super) fn completions(size: Size, succeeded: i32) -> String {
    match size {
        Size { completions: Some(completions), .. } => format!("{succeeded}/{completions}"),
        Size { parallelism, .. } if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        _ => format!("{succeeded}/1"),
    }
}

/// The federated Job as it is recorded, of whose status nothing is known.
pub(super) fn submitted(record: &Record) -> Value {
    let mut job = record.manifest.object().clone();
    job["metadata"]["uid"] = record.state.uid.as_str().into();
    job["metadata"]["creationTimestamp"] = time(record.state.created);
    job["status"] = json!({});
    job
}
