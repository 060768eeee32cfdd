//! Which shard gets which work, and how many pods; pure.
//!
//! [`work`] opens shards for work that nobody carries, and takes work off shards. [`pods`] divides
//! the parallelism over shards. Both divide by [`apportion`].

pub(in crate::reconcile) mod apportion;
pub(in crate::reconcile) mod pods;
pub(in crate::reconcile) mod work;

pub use work::may_open;
