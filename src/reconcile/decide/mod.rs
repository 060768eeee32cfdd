//! The decisions; pure: no I/O, and no clock of their own.
//!
//! | question | file |
//! |---|---|
//! | what is written and done in this step of the loop | [`decision`] |
//! | what the members say of one shard | [`lookup`] |
//! | what the ledger takes over from that | [`follow`] |
//! | the next action for each shard | [`next`], of those in [`action`] |
//! | how the federated Job as a whole has ended | [`outcome`] |
//! | one backoff limit and one deadline for all shards | [`limits`] |
//! | a deletion, and an expiry | [`delete`] |
//! | what decisions, actions and reports ask about a shard | [`checks`] |
//! | the record of a new Job, and of an edited one | [`new_record`], [`edit_record`] |

mod action;
mod checks;
mod decision;
mod delete;
mod edit_record;
mod follow;
mod limits;
mod lookup;
mod new_record;
mod next;
mod outcome;

pub use action::Action;
pub(in crate::reconcile) use checks::{has_lost_credit, is_assigned, is_outdated};
pub use decision::{Decision, decide};
pub use edit_record::{EditError, edit_record};
pub use new_record::{NewRecordError, new_record};
pub(crate) use outcome::FAILED_INDEXES;

#[cfg(test)]
mod tests;
