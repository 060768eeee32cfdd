//! The decisions; pure: no I/O, and no clock of their own.
//!
//! | question | file |
//! |---|---|
//! | what is written and done in this step of the loop | [`decision`] |
//! | what the members say of one shard | [`lookup`] |
//! | what the ledger takes over from that | [`follow`] |
//! | which ended shards leave the ledger | [`fold`] |
//! | the next action for each shard | [`next`], of those in [`action`] |
//! | what the ledger takes in after a recovery or a restore | [`take_in`] |
//! | when leases are renewed, and when they are over | [`lease`] |
//! | what becomes of the work of members that are drained or lost | [`leave`] |
//! | how the federated Job as a whole has ended | [`outcome`] |
//! | one backoff limit and one deadline for all shards | [`limits`] |
//! | a deletion, and an expiry | [`delete`] |
//! | what decisions, actions and reports ask about a shard | [`predicates`] |
//! | the record of a new Job, and of an edited one | [`new_record`], [`edit_record`] |
//! | the record of Jobs that exist, and which of them fit together | [`adopted_record`] |

mod action;
mod adopted_record;
mod decision;
mod delete;
mod edit_record;
mod fold;
mod follow;
mod lease;
mod leave;
mod limits;
mod lookup;
mod new_record;
mod next;
mod outcome;
mod predicates;
mod take_in;

pub use action::Action;
pub(in crate::reconcile) use adopted_record::still_fits;
pub use adopted_record::{Candidate, adopted_record};
pub use decision::{Decision, decide};
pub use edit_record::{EditError, edit_record};
pub(in crate::reconcile) use lease::{is_renewed_alone, overdue};
pub(crate) use leave::runs_on;
pub use new_record::{NewRecordError, new_record, retry_record};
pub(crate) use outcome::FAILED_INDEXES;
pub(in crate::reconcile) use predicates::{
    has_lost_credit, is_assigned, is_changed_whole, is_outdated,
};
pub use take_in::take_edits;

#[cfg(test)]
mod tests;
