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
//! | what decisions, actions and reports ask about a shard | [`predicates`] |
//! | the record of a new Job, and of an edited one | [`new_record`], [`edit_record`] |

mod action;
mod decision;
mod delete;
mod edit_record;
mod follow;
mod limits;
mod lookup;
mod new_record;
mod next;
mod outcome;
mod predicates;

pub use action::Action;
pub use decision::{Decision, decide};
pub use edit_record::{EditError, edit_record};
pub use new_record::{NewRecordError, new_record};
pub(crate) use outcome::FAILED_INDEXES;
pub(in crate::reconcile) use predicates::{has_lost_credit, is_assigned, is_outdated};

#[cfg(test)]
mod tests;
