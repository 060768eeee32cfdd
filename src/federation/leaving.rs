//! A host is left for another one.
//!
//! Nothing may use it afterwards, also not a process that has read it before. So the registry is
//! marked as moved, and then each record, as compare-and-swaps. Whoever writes a record later has a
//! conflict, reads it again, and is refused. Whoever makes a new record reads the registry before
//! it creates a Job, and is refused by that.

use super::error::{Error, HostError};
use crate::state::{self, Moved, Record, Registry, Store};

/// Marks a host as left for another one: the registry first, then each record. Gives the registry
/// as it was when it was marked: nothing changes it afterwards, nor the records.
///
/// A record that is damaged stays as it is: no verb acts on one.
///
/// # Errors
/// The host cannot be read or written.
pub(super) async fn leave(from: &Store, old: Registry, moved: Moved) -> Result<Registry, Error> {
    let old = from.mark_moved(old, moved.clone()).await?;
    let moved = old.moved.clone().unwrap_or(moved);
    loop {
        let records = readable_records(from, &old.uid).await?;
        if records.iter().all(|record| record.state.moved.is_some()) {
            return Ok(old);
        }
        // One that was made meanwhile is found when they are listed again.
        for record in records.into_iter().filter(|record| record.state.moved.is_none()) {
            from.mark_record(record, &moved).await?;
        }
    }
}

/// The records of a federation on a host that are not damaged, also those that are marked as moved.
pub(super) async fn readable_records(
    store: &Store,
    federation: &str,
) -> Result<Vec<Record>, Error> {
    Ok(store.any_records(federation, None).await?.into_iter().flatten().collect())
}

/// All records on the host that a federation is moved from, also those that are marked as moved.
/// `old` is the registry of that host.
///
/// # Errors
/// Those of [`all_records`], as errors of that host.
pub(super) async fn records_of_old(from: &Store, old: &Registry) -> Result<Vec<Record>, Error> {
    let read = all_records(from, &old.uid, old.moved.as_ref()).await;
    read.map_err(|error| Error::on_old_host(from, error))
}

/// All records of a federation on a host, also those that are marked as moved. `moved` is what the
/// registry of that host says.
///
/// # Errors
/// The host cannot be read, or a record is damaged.
pub(super) async fn all_records(
    store: &Store,
    federation: &str,
    moved: Option<&Moved>,
) -> Result<Vec<Record>, Error> {
    let mut records = Vec::new();
    let mut errors = Vec::new();
    for record in store.any_records(federation, None).await? {
        match record {
            Ok(record) => records.push(record),
            Err(error) => errors.push(match moved {
                Some(moved) => on_left_host(store, moved, error),
                None => error.into(),
            }),
        }
    }
    Error::all(errors)?;
    Ok(records)
}

/// The error of a record on a host that was left: no record is rebuilt there.
fn on_left_host(store: &Store, moved: &Moved, error: state::Error) -> Error {
    let state::Error::Damaged { object, .. } = &error else { return error.into() };
    let Some((namespace, name)) = Record::job_of(object) else { return error.into() };
    HostError::LeftDamaged {
        job: (namespace.to_owned(), name.to_owned()),
        host: store.host().name().to_owned(),
        context: moved.context.clone(),
        error: error.to_string(),
    }
    .into()
}
