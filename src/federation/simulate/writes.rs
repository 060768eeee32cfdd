//! The writes that a simulated reconcile would send to members.

use std::sync::Arc;

use serde_json::Value;

use crate::{cluster::Error, federation::refusal::Refusal, job::Observed, state::Record};

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
    /// The record as it is when the Job is created. Creations of one record share it: it grows with
    /// the number of its shards, and so would the memory of each.
    pub record: Arc<Record>,
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
    /// The Jobs that are deleted: the members, the API paths and the uids.
    pub deletions: Vec<(String, String, String)>,
    /// The Jobs whose templates are to be changed once their pods have ended, by their members.
    pub unready: Vec<(String, Observed)>,
    /// The members that refused to list the pods which a write depends on.
    pub refusals: Vec<Refusal>,
}

impl Write {
    /// Whether it changes the template of the Job.
    pub fn has_template(&self) -> bool {
        self.body["spec"].get("template").is_some()
    }
}

impl Writes {
    /// Adds a patch, unless it is there already.
    pub(super) fn patch(&mut self, write: Write) {
        if !self.patches.contains(&write) {
            self.patches.push(write);
        }
    }

    /// Adds the creation of a shard's Job.
    pub(in crate::federation) fn create(&mut self, record: &Record, id: u32) {
        let last = self.creations.last().map(|last| &last.record);
        let shared = last.filter(|last| ***last == *record).cloned();
        let record = shared.unwrap_or_else(|| Arc::new(record.clone()));
        self.creations.push(Creation { record, id });
    }

    /// Adds what a member refused.
    pub(super) fn refuse(&mut self, cluster: &str, error: Error) {
        self.refusals.push(Refusal { cluster: cluster.to_owned(), error });
    }
}
