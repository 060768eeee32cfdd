//! What is to be divided, and over whom.

use super::Preferences;

/// A Job to divide, and the members to divide it over.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The Job as `<namespace>/<name>`. Its hash decides between members that are otherwise equal.
    pub key: &'a str,
    /// The members that can get a share, in any order. Each name occurs once.
    pub members: &'a [Member<'a>],
    /// The user's preferences. Without them the members' weights count, and nothing is rebalanced.
    pub preferences: Option<&'a Preferences>,
    /// The Job's `spec.parallelism`, 0 or more; 1 where the user left it out.
    pub parallelism: i32,
    /// The Job's `spec.completions`, 0 or more; `None` is a work queue. (Where parallelism was left
    /// out too, it is 1.)
    pub completions: Option<i32>,
    /// The fewest pods that a share may run at once, such as a gang's `minCount`; 1 for any number.
    /// Where fewer run in all, one member gets them. It does not count for a paused Job.
    pub least: i32,
}

/// A member that can get a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name in the registry, which preferences use.
    pub name: &'a str,
    /// Its weight in the registry, 0 or more. It counts if there are no preferences.
    pub weight: i32,
    /// The most pods that it has room for, 0 or more. `None` if that is unknown.
    pub capacity: Option<i32>,
    /// Its present share of the Job. It keeps this share unless the preferences ask to rebalance.
    pub existing: Option<Share>,
}

impl<'a> Member<'a> {
    /// A member of weight 1 without a present share and without a known capacity.
    pub fn new(name: &'a str) -> Self {
        Self { name, weight: 1, capacity: None, existing: None }
    }
}

/// A member's share of the Job: the `spec.parallelism` and `spec.completions` of its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// How many pods run at once: at least 1, or 0 if the whole Job is paused.
    pub parallelism: i32,
    /// How many pods must succeed: at least 1. `None` for a work queue.
    pub completions: Option<i32>,
}
