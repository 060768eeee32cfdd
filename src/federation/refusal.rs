//! The answer of a member that would refuse a write.

use crate::cluster::Error;

/// A member that would refuse a write, and its answer.
#[derive(Debug)]
pub struct Refusal {
    /// The member.
    pub cluster: String,
    /// What it said.
    pub error: Error,
}
