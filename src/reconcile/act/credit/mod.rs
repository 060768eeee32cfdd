//! Completions are credited to a Job that may be running. The rules are those of
//! [`crate::job::credit`].
//!
//! | file | what it holds |
//! |---|---|
//! | [`measure`] | how much is wanted, and how much of it may be credited now |
//! | [`send`] | the reads and the write of a credit |
//! | [`shard`](mod@shard) | the credit of a shard, as its ledger says |

mod measure;
mod send;
mod shard;

#[cfg(not(feature = "test-seams"))]
pub(crate) use measure::Measure;
pub(crate) use measure::creditable;
#[cfg(feature = "test-seams")]
pub use measure::{Measure, Wanted};
pub(crate) use send::pods;
#[cfg(feature = "test-seams")]
pub use send::{Credited, credit};
pub(super) use shard::credit_shard;
pub(crate) use shard::{description, wanted};
