//! What the errors of a federation say besides their sentences.

use std::fmt;

use crate::{federation::refusals::some_clusters, reconcile::Idle};

/// What a registry is used by, so that it cannot become another federation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InUse {
    /// By Jobs.
    Jobs,
    /// By Jobs in members that no record has.
    Orphans,
    /// By clusters or Jobs.
    ClustersOrJobs,
    /// By another host, to which its federation was moved.
    AnotherHost,
}

impl fmt::Display for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jobs => "has jobs",
            Self::Orphans => "has jobs in clusters that no record has",
            Self::ClustersOrJobs => "has clusters or jobs",
            Self::AnotherHost => "was moved to another host",
        })
    }
}

/// A shard that a change stops with pods that may run: what these have not finished is done anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// The name of the federated Job.
    pub job: String,
    /// The name of the shard's Job.
    pub shard: String,
    /// The member that has the shard.
    pub cluster: String,
    /// How many of its pods run. None if the member does not say.
    pub active: Option<i32>,
}

/// A federated Job that has the name that a new one should get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It belongs to another federation.
    OfAnotherFederation {
        /// Whether this federation has Jobs, so that it cannot take over that one's.
        in_use: bool,
    },
    /// It is being deleted.
    Deleting,
    /// It has ended.
    Ended,
    /// Its record is damaged.
    Damaged,
    /// It was created, and not all of its shards were.
    Unfinished,
    /// It runs.
    Running,
}

/// How many members did not do their part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The Job's namespace.
    pub namespace: String,
    /// The Job's name.
    pub name: String,
    /// How many members carry shards of it.
    pub clusters: usize,
    /// How many of them could not be asked.
    pub unknown: usize,
    /// How many of them refused.
    pub refused: usize,
    /// The names of those that gave no answer at all, and so may be gone for good.
    pub silent: Vec<String>,
    /// The names of those that are no members.
    pub unregistered: Vec<String>,
    /// Whether the Job is being deleted.
    pub is_deletion: bool,
}

impl Unfinished {
    pub(super) fn sentence(&self) -> String {
        let Self { clusters, unknown, refused, .. } = self;
        match (unknown, refused) {
            (unknown, 0) => {
                format!("{} could not be asked", some_clusters(*unknown, *clusters))
            }
            (0, refused) => format!("{} refused", some_clusters(*refused, *clusters)),
            _ => {
                format!(
                    "of {clusters} clusters, {unknown} could not be asked and {refused} refused"
                )
            }
        }
    }
}

/// Why a Job cannot be retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRetriable {
    /// Its deletion is not finished.
    #[error("it is being deleted")]
    Deleting,
    /// It runs, or is Complete.
    #[error("it has not failed")]
    NotFailed,
    /// It has failed, and a shard of it may still run.
    #[error("it has not stopped in all clusters yet")]
    NotStopped,
    /// There is nothing left to run.
    #[error("all its completions have succeeded")]
    Succeeded,
}

/// What keeps a Job from going on.
pub(super) fn idle_sentence(idle: Idle, unplaced: i32, asked: Option<i32>) -> String {
    match (idle, asked) {
        (Idle::Suspended, _) => "is suspended".to_owned(),
        (Idle::Paused, _) => "is paused: its parallelism is 0".to_owned(),
        (Idle::HaltedThere, _) => {
            let how =
                "somebody suspended its jobs in their clusters, or set their parallelism to 0";
            format!("goes no further: {how}")
        }
        (Idle::Stopped, Some(asked)) if unplaced > 0 => {
            let are = if unplaced == 1 { "is" } else { "are" };
            format!(
                "is stopped: {unplaced} of {asked} completions {are} unplaced, and no shard is \
                 running"
            )
        }
        (Idle::Stopped, _) => "is stopped: no shard is running".to_owned(),
    }
}

/// What begins a sentence about a manifest. Nothing where it was read from no file.
pub(super) fn place(source_file: &str) -> String {
    if source_file.is_empty() { String::new() } else { format!("{source_file}: ") }
}

/// What failed where a new Job is refused, as kubectl says it.
pub(super) fn creating(source_file: &str) -> String {
    if source_file.is_empty() {
        return "failed to create job".to_owned();
    }
    format!("error when creating {source_file:?}")
}
