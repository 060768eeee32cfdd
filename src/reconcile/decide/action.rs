//! The actions that a decision can ask for.

use crate::state::{Cascade, Record};

/// Something to do in a member. An action can be repeated: doing it twice has the effect of doing
/// it once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Create the Job of a planned shard, suspended.
    Create {
        /// The shard.
        shard: u32,
    },
    /// Put the labels of its shard on a Job that was there before.
    Adopt {
        /// The shard.
        shard: u32,
        /// The uid that its Job must have.
        uid: String,
    },
    /// Credit every index that is not the shard's own, before its Job first runs.
    Assign {
        /// The shard.
        shard: u32,
        /// The uid that its Job must have.
        uid: String,
    },
    /// Change the spec of a Job to what the ledger says. The first change lets the Job run.
    Change {
        /// The shard.
        shard: u32,
        /// The uid that its Job must have.
        uid: String,
    },
    /// Make the deadline of a Job longer, and change nothing else: its lease is renewed, and its
    /// cluster refuses another change.
    Renew {
        /// The shard.
        shard: u32,
        /// The uid that its Job must have.
        uid: String,
    },
    /// Credit completions to a Job, as many as possible without affecting running pods.
    Credit {
        /// The shard.
        shard: u32,
        /// The uid that its Job must have.
        uid: String,
    },
    /// Make a work queue start no further pods, because it has succeeded in another shard.
    WindDown {
        /// The shard.
        shard: u32,
        /// The uid that its Job must have.
        uid: String,
    },
    /// Stop a Job and credit all that it has left, so that it is Complete with what it achieved.
    Retire {
        /// The shard.
        shard: u32,
        /// The uid that its Job must have.
        uid: String,
    },
    /// Make a Job Failed, because the federated Job has failed.
    Fail {
        /// The shard.
        shard: u32,
        /// The uid that its Job must have.
        uid: String,
    },
    /// Give a suspended Job that is about to end the `startTime` that it cannot end without.
    SetStart {
        /// The shard.
        shard: u32,
        /// The uid that its Job must have.
        uid: String,
    },
    /// Delete a Job.
    Delete {
        /// The shard.
        shard: u32,
        /// The member that has it.
        cluster: String,
        /// The uid that it must have.
        uid: String,
        /// What becomes of its pods.
        cascade: Cascade,
    },
}

impl Action {
    /// The shard whose Job is acted on.
    pub fn shard(&self) -> u32 {
        match self {
            Self::Create { shard }
            | Self::Adopt { shard, .. }
            | Self::Assign { shard, .. }
            | Self::Change { shard, .. }
            | Self::Renew { shard, .. }
            | Self::Credit { shard, .. }
            | Self::WindDown { shard, .. }
            | Self::Retire { shard, .. }
            | Self::Fail { shard, .. }
            | Self::SetStart { shard, .. }
            | Self::Delete { shard, .. } => *shard,
        }
    }

    /// The uid that the shard's Job must have; none where the Job is to be created.
    pub fn uid(&self) -> Option<&str> {
        match self {
            Self::Create { .. } => None,
            Self::Adopt { uid, .. }
            | Self::Assign { uid, .. }
            | Self::Change { uid, .. }
            | Self::Renew { uid, .. }
            | Self::Credit { uid, .. }
            | Self::WindDown { uid, .. }
            | Self::Retire { uid, .. }
            | Self::Fail { uid, .. }
            | Self::SetStart { uid, .. }
            | Self::Delete { uid, .. } => Some(uid),
        }
    }

    /// Whether it credits work to a Job. That rests on how a server and its Job controller treat a
    /// Job's status, which is no part of Kubernetes' API.
    pub(in crate::reconcile) fn credits(&self) -> bool {
        match self {
            Self::Assign { .. }
            | Self::Credit { .. }
            | Self::WindDown { .. }
            | Self::Retire { .. } => true,
            Self::Create { .. }
            | Self::Adopt { .. }
            | Self::Change { .. }
            | Self::Renew { .. }
            | Self::Fail { .. }
            | Self::SetStart { .. }
            | Self::Delete { .. } => false,
        }
    }

    /// The member that is acted on.
    pub(crate) fn cluster<'a>(&'a self, record: &'a Record) -> &'a str {
        match self {
            Self::Delete { cluster, .. } => cluster,
            other => &record.shards[&other.shard()].cluster,
        }
    }
}
