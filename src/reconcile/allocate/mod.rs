//! Which shard gets which work, and how many pods; pure.
//!
//! | file | what it decides |
//! |---|---|
//! | [`work`] | which shards are opened for unplaced work, and from which shards work is taken |
//! | [`unplaced`] | how much work may be given to new shards |
//! | [`pods`] | how the parallelism is divided over the shards |
//! | [`apportion`] | how an amount is divided over members or shards |

mod apportion;
pub(in crate::reconcile) mod pods;
pub(in crate::reconcile) mod unplaced;
pub(in crate::reconcile) mod work;

pub use work::{may_open, rebalance_now};
