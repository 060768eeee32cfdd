//! What users are told about a federated Job: its status, what keeps it from going on, and, after a
//! closer look at the members, drift and stalls.

mod drift;
mod idle;
mod inspect;
mod stall;
mod status;

pub use idle::Idle;
pub use inspect::{Finding, Inspection, inspect};
pub use stall::Stall;
pub use status::{ShardStatus, Status};
