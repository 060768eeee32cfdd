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

    /// The completions that need no other shard: all that were given to it while it lives and where its Job is
    /// Complete, else what it achieved. 0 for a work queue.
    pub fn carries(&self) -> i32 {
        match self.phase {
            Phase::Failed | Phase::Deleted => self.achieved().min(self.completions.unwrap_or(0)),
            Phase::Planned | Phase::Created | Phase::Started | Phase::Complete => {
                self.completions.unwrap_or(0)
            }
        }
    }

    /// Its Job is gone: what it achieved stays, but nothing of it runs.
    pub fn delete(&mut self) {
        self.phase = Phase::Deleted;
        if let Some(seen) = &mut self.seen {
            seen.active = 0;
        }
    }

    /// Whether the entry can be one that was written here; a sentence where it cannot.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.parallelism < 0 || self.completions.is_some_and(|completions| completions < 0) {
            return Err("a count is negative");
        }
        match (self.phase, &self.uid) {
            (Phase::Planned, Some(_)) => Err("it is planned, and has a uid already"),
            (Phase::Planned, None) | (_, Some(_)) => Ok(()),
            (_, None) => Err("its Job was made, and has no uid"),
        }
    }

    /// Takes over what its Job says. What succeeded or failed stays so, because what is told may be older than what
    /// is known; `at` moves only when something changed, so that a second look at
    /// the same Job writes nothing.
    pub fn see(&mut self, job: &Observed, now: i64) {
        let mut seen = Seen {
            active: job.active,
            succeeded: job.succeeded,
            failed: job.failed,
            suspended: job.suspended,
            start: job.start.map(jiff::Timestamp::as_second),
            end: job.end.as_ref().and_then(|end| end.at).map(jiff::Timestamp::as_second),
            at: now,
        };
        if let Some(before) = &self.seen {
            seen.succeeded = seen.succeeded.max(before.succeeded);
            seen.failed = seen.failed.max(before.failed);
            let unchanged = Seen { at: seen.at, ..before.clone() } == seen;
            seen.at = if unchanged { before.at } else { now };
        }
        self.seen = Some(seen);
    }

    /// This entry as long as it gets, an ended one, whose pods are gone: it has to fit before anything is written.
    pub(super) fn grown(&self) -> Self {
        let most = self.completions.unwrap_or(self.parallelism).max(9_999);
        let time = 9_999_999_999;
        Self {
            phase: Phase::Complete,
            uid: Some("00000000-0000-0000-0000-000000000000".to_owned()),
            seen: Some(Seen {
                active: 0,
                succeeded: most,
                failed: most,
                suspended: false,
                start: Some(time),
                end: Some(time),
                at: time,
            }),
            ..self.clone()
        }
    }
}
