//! By what a federated Job is known.

use crate::state::Record;

/// A federated Job by its namespace and its name.
pub type Key = (String, String);

/// The key of a record.
pub fn key(record: &Record) -> Key {
    (record.namespace().to_owned(), record.name().to_owned())
}
