//! The ledger: what each shard was to do, and what is known of what it did.

use serde::{Deserialize, Serialize};

use crate::job::{Observed, Size};

/// One entry of the ledger: a Job in a member, before it is made, while it runs, and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct Shard {
    /// The member's name in the registry.
    pub cluster: String,
    /// Pods at any one time that were given to it.
    pub parallelism: i32,
    /// Completions that were given to it; none for a work queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completions: Option<i32>,
    /// How far it got.
    pub phase: Phase,
    /// The uid of its Job, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// What its Job said when it was last seen changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
}

/// How far a shard got. It only ever moves down this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Its Job is about to be made: it may exist or not, and has run nothing.
    Planned,
    /// Its Job exists, suspended, and its uid is known: it is about to be started.
    Created,
    /// Its Job was started.
    Started,
    /// Its Job is Complete.
    Complete,
    /// Its Job is Failed.
    Failed,
    /// Its Job was deleted by somebody else before it ended. It is not made again unasked.
    Deleted,
}

impl Phase {
    /// Whether nothing more can happen in the shard.
    pub fn ended(self) -> bool {
        self >= Self::Complete
    }
}

/// The counters of a shard's Job as they were last recorded; times are seconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default, expecting = "an object")]
pub struct Seen {
    /// `status.active`.
    #[serde(skip_serializing_if = "is_zero")]
    pub active: i32,
    /// `status.ready`.
    #[serde(skip_serializing_if = "is_zero")]
    pub ready: i32,
    /// `status.terminating`.
    #[serde(skip_serializing_if = "is_zero")]
    pub terminating: i32,
    /// `status.succeeded`.
    #[serde(skip_serializing_if = "is_zero")]
    pub succeeded: i32,
    /// `status.failed`.
    #[serde(skip_serializing_if = "is_zero")]
    pub failed: i32,
    /// `spec.suspend`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// `status.startTime`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<i64>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<i64>,
    /// When this was first seen to be so.
    pub at: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(n: &i32) -> bool {
    *n == 0
}

impl Shard {
    /// An entry for work that is about to be given to a member.
    pub fn planned(cluster: &str, share: Size) -> Self {
        Self {
            cluster: cluster.to_owned(),
            parallelism: share.parallelism,
            completions: share.completions,
            phase: Phase::Planned,
            uid: None,
            seen: None,
        }
    }

    /// What was given to it.
    pub fn share(&self) -> Size {
        Size { parallelism: self.parallelism, completions: self.completions }
    }

    /// The completions that it achieved as far as is known: never more than were given to it, because
    /// a Job's `succeeded` can exceed its completions.
    pub fn achieved(&self) -> i32 {
        let succeeded = self.seen.as_ref().map_or(0, |seen| seen.succeeded);
        self.completions.map_or(succeeded, |completions| succeeded.min(completions))
    }

    /// Takes over what its Job says; `at` moves only when something changed, so that a second look at
    /// the same Job writes nothing.
    pub fn see(&mut self, job: &Observed, now: i64) {
        let mut seen = Seen {
            active: job.active,
            ready: job.ready,
            terminating: job.terminating,
            succeeded: job.succeeded,
            failed: job.failed,
            suspended: job.suspended,
            start: job.start.map(jiff::Timestamp::as_second),
            end: job.end.as_ref().and_then(|end| end.at).map(jiff::Timestamp::as_second),
            at: now,
        };
        if let Some(before) = &self.seen {
            let unchanged = Seen { at: seen.at, ..before.clone() } == seen;
            seen.at = if unchanged { before.at } else { now };
        }
        self.seen = Some(seen);
    }

    /// The longest that this entry can grow to: what has to fit before anything is written.
    pub(super) fn grown(&self) -> Self {
        let most = self.completions.unwrap_or(self.parallelism).max(9_999);
        let time = Some(9_999_999_999);
        Self {
            phase: Phase::Complete,
            uid: Some("00000000-0000-0000-0000-000000000000".to_owned()),
            seen: Some(Seen {
                active: self.parallelism,
                ready: self.parallelism,
                terminating: self.parallelism,
                succeeded: most,
                failed: most,
                suspended: false,
                start: time,
                end: time,
                at: 9_999_999_999,
            }),
            ..self.clone()
        }
    }
}
