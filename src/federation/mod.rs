//! What can be asked of a federation, without a terminal.
//!
//! | module | what it holds |
//! |---|---|
//! | `open` | [`Federation`]: the host, the registry, and the way to the members |
//! | `event` | [`Event`]: what a request says while it is carried out; [`Observer`] hears it |
//! | `error` | [`Error`]: why a request was not carried out |
//! | `records` | the federated Jobs of this federation, by name or all |
//! | `look` | how they stand, with nothing written |
//! | `submit` | manifests, and how one becomes a federated Job |
//! | `apply` | manifests that create a Job or change one |
//! | `edit` | how a federated Job gets a new manifest |
//! | `delete` | how one is deleted, or forgotten |
//! | `reconcile` | how ledgers and members are brought together, once or until all is done |
//! | `wait` | how a condition is waited for |
//! | `rounds` | looking at Jobs repeatedly |
//! | `after_write` | what every request does after it wrote a record |
//! | `dry_run_strategy` | how far a request is carried out |
//! | `check`, `preflight`, `refusal`, `refusals` | asking the members by dry run, before anything is written |
//! | `simulate` | what a reconcile would do |
//! | `members` | registering, listing and unregistering clusters |
//!
//! Every request that changes a Job takes the same steps:
//!
//! 1. It checks that the record is of this federation, that it is not being deleted, and that the
//!    Job has not ended.
//! 2. It asks the members by dry run whether they would take the change.
//! 3. It writes the record, as a compare-and-swap.
//! 4. It reconciles, which brings the members to the record.

mod after_write;
mod apply;
mod check;
mod delete;
mod dry_run_strategy;
mod edit;
mod error;
mod event;
mod look;
mod members;
mod open;
mod preflight;
mod reconcile;
mod records;
mod refusal;
mod refusals;
mod rounds;
mod simulate;
mod submit;
mod wait;

pub use apply::{ApplyTerms, Step};
pub use delete::Deletion;
pub use dry_run_strategy::DryRun;
pub use edit::{Edited, Request};
pub use error::{Error, Existing, Unfinished};
pub use event::{Event, Observer, Work};
pub use look::{Described, Look};
pub use members::{Answered, Registered, Registration};
pub use open::{Access, Federation};
pub use preflight::{Preflight, preflight, preflight_change, preflight_deletion};
pub use reconcile::{Reopen, Scope, Uncertain};
pub use records::{Key, Records, key};
pub use refusal::Refusal;
pub use refusals::{InTheWay, Owner, Place, Refusals, some_clusters};
pub use rounds::{Rounds, View};
pub use simulate::simulate;
pub use submit::{Manifests, Proposal, Source};
pub use wait::{Goal, Timeout, WaitTerms};
