//! What the members say, before anything is decided.
//!
//! | file | what it holds |
//! |---|---|
//! | [`members`] | the connections to the members |
//! | [`clocks`] | how far the members' clocks differ from the host's |
//! | [`list`] | one LIST per member, for all federated Jobs in scope |
//! | [`observations`] | what is known of one federated Job |
//! | [`place`] | the members as places for work |

mod clocks;
mod list;
mod members;
mod observations;
mod place;

pub use clocks::{Clocks, TOLERATED_SKEW, host_time, plausible_skew, server_time};
pub use list::{observe, watched};
pub use members::{Members, QueueAnswer};
#[cfg(test)]
pub use observations::Bar;
pub(in crate::reconcile) use observations::shard_id;
pub use observations::{Answer, Found, Observation, Observations};
pub use place::{Place, Places};
