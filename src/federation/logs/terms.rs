//! What is asked for of the logs, and who gets the lines.

use std::{collections::BTreeSet, fmt::Display, time::Duration};

use jiff::Timestamp;

/// Which logs are asked for, and how much of each.
#[derive(Debug, Clone)]
pub struct LogTerms {
    /// The namespace of the Job.
    pub namespace: String,
    /// The Job's name.
    pub name: String,
    /// Only of these clusters; of all where it is empty.
    pub clusters: BTreeSet<String>,
    /// Which containers of a pod.
    pub containers: Containers,
    /// Only what is newer.
    pub since: Option<Since>,
    /// Only the last lines of what there is now.
    pub tail: Option<u64>,
    /// Only so many bytes of each log.
    pub limit: Option<u64>,
    /// How long a pod is waited for where there is none, and nothing is followed.
    pub patience: Duration,
    /// Of the instance of a container that ran before the present one.
    pub previous: bool,
    /// Only of pods that failed.
    pub failed: bool,
    /// Only of pods with this completion index.
    pub index: Option<i32>,
    /// How many logs are followed side by side at most, and how many that have ended are read.
    pub most: usize,
    /// Whether logs wait for others to end where more are to be followed from the beginning; else
    /// that is an error.
    pub waits: bool,
}

/// Which containers of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Containers {
    /// The one that an annotation of the pod names, or the first.
    Default,
    /// The one of this name.
    Named(String),
    /// All, also those that run before the others.
    All,
}

/// From when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// So many seconds ago, by the server's clock.
    Seconds(u64),
    /// A point in time.
    Time(Timestamp),
}

impl Since {
    /// Whether it is a point in time, which does not move while a log is waited for.
    pub(super) fn is_time(self) -> bool {
        matches!(self, Self::Time(_))
    }
}

/// A log: that of one container of one pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// The member.
    pub cluster: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's uid.
    pub uid: String,
    /// The container's name.
    pub container: String,
}

/// A line of a log, or a piece of one that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// When it was written, as the server has it; none for what the server says itself, and for
    /// further pieces of a line.
    pub time: Option<&'a str>,
    /// Its bytes, without the line feed.
    pub text: &'a [u8],
    /// Whether it is a further piece of the line before.
    pub continues: bool,
    /// Whether there was a line feed. Without one it is the last of its log, or another piece
    /// follows.
    pub is_ended: bool,
}

/// What became of the logs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogsRead {
    /// How many logs there were.
    pub logs: usize,
    /// Whether one of them, or those of a cluster, could not be read.
    pub some_unread: bool,
}

/// Gets the lines of logs as they come.
pub trait LogReader: Sync {
    /// A line came.
    fn line(&self, source: &Source, line: LogLine<'_>);

    /// A cluster does not say what its logs are, or a log cannot be read.
    fn unread(&self, cluster: &str, pod: Option<&str>, why: &dyn Display);

    /// There is no connection to a cluster, and why.
    fn silent(&self, cluster: &str, why: &str);

    /// More logs are to be followed than may be at a time: some wait until others end.
    fn waits(&self, most: usize);

    /// Whether nobody reads on.
    fn is_closed(&self) -> bool;
}
