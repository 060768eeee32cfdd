//! Why a member takes no more pods.

/// Why a member takes no more pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Its `maxReplicas`.
    MaxReplicas,
    /// It has no room for more.
    Capacity,
    /// Its weight is 0: it takes its `minReplicas` or its present share, and nothing beyond.
    NoWeight,
    /// The preferences neither name it nor have a `*` entry.
    NotNamed,
}
