//! What is told of an action that was performed.

use std::fmt;

/// Something that was done in a member, as users are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The member.
    pub cluster: String,
    /// The name of the Job there.
    pub name: String,
    /// What was done to it: a past participle such as `created`.
    pub what: String,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job.batch/{} {} in cluster {}", self.name, self.what, self.cluster)
    }
}
