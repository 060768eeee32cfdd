//! Which change of a shard last touched which fields of its Job's spec; pure.
//!
//! Somebody may change a shard's Job in its cluster, and has reasons. So a change that no user
//! asked for is sent with the fields that it is about, and with no others.

use serde::{Deserialize, Serialize};

use super::is_zero;

/// The generations of a shard that last changed each kind of field. A Job of an earlier generation
/// lacks that change, also if later ones followed before the first was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct Changes {
    /// The last one that is sent with all fields: it starts the Job, or a user has asked for it.
    pub whole: i32,
    /// The last one that changed the parallelism alone; 0 if none has.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub parallelism: i32,
    /// The last one that changed `activeDeadlineSeconds` alone; 0 if none has.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deadline: i32,
}

/// What a Job lacks of the changes of its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lacks {
    /// A change that is sent with all fields.
    pub whole: bool,
    /// A change of the parallelism.
    pub parallelism: bool,
    /// A change of `activeDeadlineSeconds`.
    pub deadline: bool,
}

impl Changes {
    /// Those of a shard of which this generation, or any before, may have changed every field.
    pub fn all(generation: i32) -> Self {
        Self { whole: generation, parallelism: 0, deadline: 0 }
    }

    /// What a Job of this generation lacks.
    pub fn lacked_by(self, generation: i32) -> Lacks {
        let is_later = |change: i32| generation < change;
        Lacks {
            whole: is_later(self.whole),
            parallelism: is_later(self.parallelism),
            deadline: is_later(self.deadline),
        }
    }

    /// The same where every number is as long as it can become.
    pub fn grown(generation: i32) -> Self {
        Self { whole: generation, parallelism: generation, deadline: generation }
    }
}
