//! What users are told about a federated Job.
//!
//! | file | what it holds |
//! |---|---|
//! | [`status`] | the status over all members, from the record and the observations |
//! | [`idle`] | whether the Job goes on without a user |
//! | [`inspect`](mod@inspect) | a closer look at the members, for the two below |
//! | [`drift`] | what somebody changed of a shard's Job |
//! | [`stall`] | what keeps pods from running |
//! | [`queue`] | why a queued shard does not run |

mod drift;
mod idle;
mod inspect;
mod queue;
mod stall;
mod status;

pub use idle::Idle;
pub use inspect::{Finding, Inspection, inspect};
pub use queue::Queueing;
pub use stall::{Stall, last_seen};
pub use status::{JobTimes, Meddling, ShardStatus, Status};
