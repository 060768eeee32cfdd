//! What the members say, before anything is decided.
//!
//! | file | what it holds |
//! |---|---|
//! | [`members`] | the connections to the members |
//! | [`clocks`] | how far the members' clocks differ from the host's |
//! | [`created`] | Jobs as they were created in this command |
//! | [`list`] | one LIST per member, for all federated Jobs in scope |
//! | [`observations`] | what is known of one federated Job |
//! | [`place`] | the members as places for work |

mod clocks;
mod created;
mod list;
mod members;
mod observations;
mod place;

pub use clocks::{Clocks, TOLERATED_SKEW, host_time, plausible_skew, server_time};
pub use created::Created;
pub use list::{join_and_observe, observe, watched};
pub use members::{Members, QueueAnswer};
#[cfg(test)]
pub use observations::Bar;
pub(in crate::reconcile) use observations::shard_id;
pub use observations::{Answer, Found, Observation, Observations};
pub use place::{Place, Places};
