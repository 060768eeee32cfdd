//! The ids that shards can have.

/// The largest id that a shard in a ledger can have: sets of ids are
/// [`Indexes`](crate::job::Indexes).
const LAST_ID: u32 = i32::MAX as u32 - 1;

/// The largest id of a shard that is taken into a ledger from a cluster. Anybody there can change
/// the label that says it. So it is far above what any Job has, and leaves room for further shards.
pub const LAST_TAKEN_IN: u32 = 1_000_000;

/// Checks the id of a shard in a ledger.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub(super) fn check_id(id: u32) -> Result<(), &'static str> {
    if (1..=LAST_ID).contains(&id) { Ok(()) } else { Err("its id is not from 1 to 2147483646") }
}
