//! How far the adoption of a Job has come that was there before its federated Job.

use serde::{Deserialize, Serialize};

/// How far the adoption of a Job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Adoption {
    /// Its Job is to get the labels of the shard.
    Planned,
    /// Its Job was seen with these labels, or is gone. Its pods never get them.
    Labelled,
    /// Another federated Job labelled its Job first. The shard counts nothing of it.
    TakenOver,
}
