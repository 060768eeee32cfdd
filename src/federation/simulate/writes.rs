//! The writes that a simulated reconcile would send to members.

use serde_json::Value;

use crate::{cluster::Error, federation::refusal::Refusal, state::Record};

/// One PATCH of a Job that exists, or of its status.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::federation) struct Write {
    /// The member.
    pub cluster: String,
    /// The API path of the Job, or of its subresource.
    pub path: String,
    /// The merge patch, with the uid and the version that were read.
    pub body: Value,
}

/// The creation of a shard's Job.
#[derive(Debug, Clone)]
pub(in crate::federation) struct Creation {
    /// The record as it is when the Job is created.
    pub record: Record,
    /// The shard.
    pub id: u32,
}

/// The writes of one simulated reconcile, and what members refused while it was simulated.
#[derive(Debug, Default)]
pub(in crate::federation) struct Writes {
    /// The new shards, in order.
    pub creations: Vec<Creation>,
    /// The patches of Jobs that exist, in order, each once.
    pub patches: Vec<Write>,
    /// The members that refused to list the pods which a write depends on.
    pub refusals: Vec<Refusal>,
}

impl Writes {
    /// Adds a patch, unless it is there already.
    pub(super) fn patch(&mut self, write: Write) {
        if !self.patches.contains(&write) {
            self.patches.push(write);
        }
    }

    /// Adds what a member refused.
    pub(super) fn refuse(&mut self, cluster: &str, error: Error) {
        self.refusals.push(Refusal { cluster: cluster.to_owned(), error });
    }
}
