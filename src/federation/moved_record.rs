//! A record as it goes from one host to another.

use super::{
    backup::{Comparison, listable},
    error::Error,
};
use crate::state::{Origin, Record, Registry, Store};

/// A record of the old host as the new one gets it: its members are to be listed. It has all
/// shards, unless it was itself to take some in.
pub(super) fn copy(record: &Record, old: &Registry) -> Record {
    let mut copy = record.unstored();
    if copy.state.unlisted.is_empty() && copy.state.origin.is_none() {
        copy.state.origin = Some(Origin::Move);
    }
    copy.state.unlisted = listable(&old.members);
    copy
}

/// Writes what becomes of a record on the new host.
pub(super) async fn put(
    to: &Store,
    (record, comparison): (Record, Comparison),
) -> Result<(), Error> {
    match comparison {
        Comparison::Replaced { .. } => drop(to.replace(&record).await?),
        Comparison::New => drop(to.create_anywhere(&record).await?),
        Comparison::Same => {}
    }
    Ok(())
}

/// What a record is known by: its namespace and the uid of its Job.
pub(super) fn key(record: &Record) -> (String, String) {
    (record.namespace().to_owned(), record.state.uid.clone())
}
