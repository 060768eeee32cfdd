//! What the members say, before anything is decided.
//!
//! | file | what it holds |
//! |---|---|
//! | [`members`] | the connections to the members |
//! | [`list`] | one LIST per member, for all federated Jobs in scope |
//! | [`observations`] | what is known of one federated Job |
//! | [`place`] | the members as places for work |

mod list;
mod members;
mod observations;
mod place;

pub use list::observe;
pub use members::Members;
pub(in crate::reconcile) use observations::shard_id;
pub use observations::{Answer, Observation, Observations};
pub use place::Place;
pub(in crate::reconcile) use place::Places;
