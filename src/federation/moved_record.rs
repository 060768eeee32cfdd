//! A record as it goes from one host to another.

use super::{
    backup::{Comparison, listable},
    error::Error,
};
use crate::{
    cluster::fan_out,
    state::{Origin, Record, Registry, Store},
};

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

/// Checks by dry runs that the new host takes the records that it does not have.
///
/// # Errors
/// What it would refuse.
pub(super) async fn try_new(to: &Store, copies: &[(Record, Comparison)]) -> Result<(), Error> {
    let new = copies.iter().filter(|(_, comparison)| *comparison == Comparison::New);
    let tried = fan_out(new, async |(copy, _)| to.try_create(copy).await).await;
    // A namespace that is missing is made. Another record of the name is removed before.
    let refused = tried.into_iter().filter_map(Result::err);
    let refused = refused.filter(|error| !error.is_not_found() && !error.is_already_exists());
    Error::all(refused.map(Error::from).collect())
}

/// What a record is known by: its namespace and the uid of its Job.
pub(super) fn key(record: &Record) -> (String, String) {
    (record.namespace().to_owned(), record.state.uid.clone())
}
