//! The ledger: what each shard was to do, and what is known of what it did.

use serde::{Deserialize, Serialize};

use crate::job::{Indexes, Observed, Size};

/// One entry of the ledger: a Job in a member, before it is made, while it runs, and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct Shard {
    /// The member's name in the registry.
    pub cluster: String,
    /// The name of its Job, where that is not the federated Job's own: the first shard in a member
    /// has that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Pods at any one time that are given to it.
    pub parallelism: i32,
    /// Completions that were given to it; none for a work queue. It is never changed: what is taken
    /// off is credited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completions: Option<i32>,
    /// The indexes that it is to run of an Indexed Job; those that were taken off it are not among
    /// them any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indexes: Option<Indexes>,
    /// Completions that were taken off it, as far as is known: its Job was told that they are done.
    /// 1 for a work queue that was told so.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub credited: i32,
    /// Completions that are to be taken off it in all, at least `credited`. What runs is not taken
    /// off, so that it may end before so much could be credited.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub credit: i32,
    /// Its Job is to be stopped, and keeps what it achieved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retired: bool,
    /// What is left of it may be done by another shard, although somebody deleted its Job.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reopened: bool,
    /// Counts the changes of what its Job's spec is to be. The Job says in an annotation which of
    /// them it has.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub generation: i32,
    /// `spec.activeDeadlineSeconds` of its Job, where it is another than the federated Job's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<i64>,
    /// The last second of a `startTime` of its Job that is from before the last resume. A Job that
    /// no suspension reached keeps the old one, and the deadline of the whole does not count from
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_start: Option<i64>,
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

    /// Whether its Job is known to exist and has not ended.
    pub fn live(self) -> bool {
        matches!(self, Self::Created | Self::Started)
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
    /// Of the shard's own indexes, those in `status.completedIndexes`.
    #[serde(skip_serializing_if = "Indexes::is_empty")]
    pub completed: Indexes,
    /// `status.failedIndexes`.
    #[serde(skip_serializing_if = "Indexes::is_empty")]
    pub failed_indexes: Indexes,
    /// `spec.suspend`, or the condition `Suspended`, which stays until the Job controller has seen
    /// a resume.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// `status.startTime`, until it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<i64>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<i64>,
    /// When this was first seen to be so.
    pub at: i64,
}

fn one() -> i32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_one(n: &i32) -> bool {
    *n == 1
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
            name: None,
            parallelism: share.parallelism,
            completions: share.completions,
            indexes: None,
            credited: 0,
            credit: 0,
            retired: false,
            reopened: false,
            generation: 1,
            active_deadline_seconds: None,
            old_start: None,
            phase: Phase::Planned,
            uid: None,
            seen: None,
        }
    }

    /// An entry for a set of indexes of an Indexed Job.
    pub fn planned_indexes(cluster: &str, parallelism: i32, indexes: Indexes) -> Self {
        let share = Size { parallelism, completions: Some(indexes.len()) };
        Self { indexes: Some(indexes), ..Self::planned(cluster, share) }
    }

    /// What it has to do in all: what was given to it, less what was taken off.
    pub fn share(&self) -> Size {
        let completions = self.completions.map(|completions| (completions - self.credited).max(0));
        Size { parallelism: self.parallelism, completions }
    }

    /// The completions that it achieved itself, as far as is known: what its Job counts, less what
    /// that was credited. Never more than its share, because a Job's `succeeded` can exceed its
    /// completions.
    pub fn achieved(&self) -> i32 {
        let Some(seen) = &self.seen else { return 0 };
        match (&self.indexes, self.completions) {
            (Some(own), _) => seen.completed.both(own).len(),
            (None, Some(completions)) => (seen.succeeded.min(completions) - self.credited).max(0),
            (None, None) => (seen.succeeded - self.credited).max(0),
        }
    }

    /// The completions that need no other shard: its share while it lives and where its Job is
    /// Complete, else what it achieved. 0 for a work queue.
    pub fn carries(&self) -> i32 {
        let share = self.share().completions.unwrap_or(0);
        match self.phase {
            Phase::Failed | Phase::Deleted => self.achieved().min(share),
            Phase::Planned | Phase::Created | Phase::Started | Phase::Complete => share,
        }
    }

    /// The indexes that need no other shard: as [`Shard::carries`], for an Indexed Job.
    pub fn carried_indexes(&self) -> Indexes {
        let own = self.indexes.clone().unwrap_or_default();
        match (&self.seen, self.phase) {
            (Some(seen), Phase::Failed | Phase::Deleted) => seen.completed.both(&own),
            (None, Phase::Failed | Phase::Deleted) => Indexes::default(),
            _ => own,
        }
    }

    /// How many pods run in it, as far as it is known.
    pub fn active(&self) -> i32 {
        self.seen.as_ref().map_or(0, |seen| seen.active)
    }

    /// The completions that are still to be achieved in it. 0 once it ended, and for a work queue.
    pub fn remaining(&self) -> i32 {
        if self.phase.ended() {
            0
        } else {
            self.share().completions.map_or(0, |share| share - self.achieved())
        }
    }

    /// Of these, what is to be taken off it and has not been.
    pub fn outstanding(&self) -> i32 {
        (self.credit - self.credited).clamp(0, self.remaining())
    }

    /// What remains in it beyond what is to be taken off.
    pub fn unpromised(&self) -> i32 {
        self.remaining() - self.outstanding()
    }

    /// Its Job's spec is to become another one.
    pub fn change(&mut self) {
        self.generation = self.generation.saturating_add(1);
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
        let counts = [self.parallelism, self.credited, self.credit, self.generation];
        if counts.into_iter().chain(self.completions).any(|count| count < 0) {
            return Err("a count is negative");
        }
        if self.indexes.as_ref().is_some_and(|own| self.share().completions != Some(own.len())) {
            return Err("its indexes are not as many as its completions");
        }
        match (self.phase, &self.uid) {
            (Phase::Planned, Some(_)) => Err("it is planned, and has a uid already"),
            (Phase::Planned, None) | (_, Some(_)) => Ok(()),
            (_, None) => Err("its Job was made, and has no uid"),
        }
    }

    /// Takes over what its Job says. What succeeded, failed or was credited stays so, because what
    /// is told may be older than what is known; `at` moves only when something changed, so that a
    /// second look at the same Job writes nothing.
    pub fn see(&mut self, job: &Observed, now: i64) {
        match &mut self.indexes {
            Some(own) => {
                let taken = own.both(&job.credited_indexes());
                self.credited += taken.len();
                *own = own.without(&taken);
            }
            None => self.credited = self.credited.max(job.credited_count()),
        }
        self.credit = self.credit.max(self.credited);
        let own = self.indexes.clone().unwrap_or_default();
        let mut seen = Seen {
            active: job.active,
            succeeded: job.succeeded,
            failed: job.failed,
            completed: job.completed_indexes.both(&own),
            failed_indexes: job.failed_indexes.both(&own),
            suspended: job.suspended || job.suspension_seen,
            start: job.start.filter(|_| job.end.is_none()).map(jiff::Timestamp::as_second),
            end: job.end.as_ref().and_then(|end| end.at).map(jiff::Timestamp::as_second),
            at: now,
        };
        if let Some(before) = &self.seen {
            seen.succeeded = seen.succeeded.max(before.succeeded);
            seen.failed = seen.failed.max(before.failed);
            seen.completed = seen.completed.with(&before.completed.both(&own));
            seen.failed_indexes = seen.failed_indexes.with(&before.failed_indexes);
            let unchanged = Seen { at: seen.at, ..before.clone() } == seen;
            seen.at = if unchanged { before.at } else { now };
        }
        self.seen = Some(seen);
    }

    /// This entry as long as it gets, an ended one, whose pods are gone: it has to fit before
    /// anything is written.
    pub(super) fn grown(&self) -> Self {
        let most = self.completions.unwrap_or(self.parallelism).max(9_999);
        let time = 9_999_999_999;
        Self {
            generation: 99,
            phase: Phase::Complete,
            uid: Some("00000000-0000-0000-0000-000000000000".to_owned()),
            seen: Some(Seen {
                active: 0,
                succeeded: most,
                failed: most,
                completed: self.indexes.clone().unwrap_or_default(),
                failed_indexes: Indexes::default(),
                suspended: false,
                start: None,
                end: Some(time),
                at: time,
            }),
            ..self.clone()
        }
    }
}
