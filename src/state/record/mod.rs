//! The record of a federated Job: its manifest, its state and its ledger, in one ConfigMap.

mod config_map;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Member, Phase, Seen, Shard, VERSION, documents::Documents};
use crate::job::{Indexes, Manifest, Ownership, Removed, Spec};

/// The most characters of a Job's name, which becomes the value of a label.
const NAME_ROOM: usize = 63;

/// The characters of a hyphen and the largest index, which end the hostnames of an Indexed Job's
/// pods.
const INDEX_ROOM: usize = 11;

/// The room that each record keeps for its outcome, in bytes.
const OUTCOME_ROOM: usize = 2048;

/// A federated Job as the host has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The uid of the federation that it belongs to.
    pub federation: String,
    /// The Job as submitted, cleaned of what a server had set.
    pub manifest: Manifest,
    /// The state of the Job as a whole.
    pub state: State,
    /// The ledger: the shards by their ids, from 1.
    pub shards: BTreeMap<u32, Shard>,
    /// The ConfigMap that it was read from. None before it is first written.
    pub(super) stored: Option<Stored>,
}

/// The ConfigMap of a record as it was read, for a compare-and-swap.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stored {
    pub resource_version: String,
    pub uid: String,
    pub documents: Documents,
}

/// The state of a federated Job as a whole; times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct State {
    /// The version of the record's documents: [`VERSION`], since an older one is read as this one.
    pub version: u32,
    /// The federated Job's own uid, a UUID. It survives a restore of the ConfigMap.
    pub uid: String,
    /// When it was submitted.
    pub created: i64,
    /// Whether the Job's namespace is created in a member that lacks it. The user asks for that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub create_namespace: bool,
    /// How its shards are deleted. None until the user asks for its deletion with its shards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleting: Option<Cascade>,
    /// When the first shard started since the last resume. `activeDeadlineSeconds` counts from
    /// here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<i64>,
    /// How it ended. Once it is set, nothing that happens in a member changes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Whether its shards were given `ttlSecondsAfterFinished`. They are once the outcome is
    /// recorded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expiring: bool,
    /// The largest id of the shards that were removed from the ledger because their Jobs were never
    /// created; 0 if there are none. No other shard gets such an id or name, because a process that
    /// was frozen may still create the Job.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub forgotten: u32,
    /// Labels and annotations that are to be removed from its shards' Jobs.
    #[serde(default, skip_serializing_if = "Removed::is_empty")]
    pub removed: Removed,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// How the Jobs in the members are deleted, as in kubectl's `--cascade`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cascade {
    /// The Job is deleted at once, its pods after it.
    Background,
    /// The pods are deleted first, the Job when they are gone.
    Foreground,
}

/// How a federated Job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct Outcome {
    /// Complete or Failed.
    pub verdict: Verdict,
    /// The reason, as in the condition of a Job.
    pub reason: String,
    /// The message; for a failure it names the shard and its cluster.
    pub message: String,
    /// When it ended.
    pub at: i64,
}

/// The two ways a federated Job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// All the work is done.
    Complete,
    /// The Job as a whole has failed.
    Failed,
}

impl Record {
    /// A new record for a Job that is to be submitted, with a new uid. The shards get the ids 1, 2
    /// and so on.
    pub fn new(federation: &str, manifest: Manifest, shards: Vec<Shard>, now: Timestamp) -> Self {
        let state = State {
            version: VERSION,
            uid: uuid::Uuid::new_v4().to_string(),
            created: now.as_second(),
            create_namespace: false,
            deleting: None,
            started: None,
            outcome: None,
            expiring: false,
            forgotten: 0,
            removed: Removed::default(),
        };
        let shards = (1..).zip(shards).collect();
        Self { federation: federation.to_owned(), manifest, state, shards, stored: None }
    }

    /// The federated Job's name.
    pub fn name(&self) -> &str {
        self.manifest.name()
    }

    /// The federated Job's namespace, on the host and in every member.
    pub fn namespace(&self) -> &str {
        self.manifest.namespace()
    }

    /// Completions that no live shard has to do and that no ended one achieved: the completions
    /// asked for less the sum of [`Shard::carried`], at least 0. Of an Indexed Job, the number of
    /// indexes that are neither carried nor failed for good. 0 for a work queue, and once there is
    /// an outcome.
    pub fn unplaced(&self) -> i32 {
        let (Some(asked), None) = (self.manifest.size().completions, &self.state.outcome) else {
            return 0;
        };
        if self.manifest.indexed() {
            return Indexes::all(asked)
                .without(&self.carried_indexes())
                .without(&self.failed_indexes())
                .len();
        }
        self.shards.values().map(Shard::carried).fold(asked, i32::saturating_sub).max(0)
    }

    /// Of an Indexed Job, the indexes that no further shard has to do: the union of
    /// [`Shard::carried_indexes`].
    pub fn carried_indexes(&self) -> Indexes {
        self.shards
            .values()
            .fold(Indexes::default(), |all, shard| all.with(&shard.carried_indexes()))
    }

    /// What has succeeded in all shards: the sum of [`Shard::achieved`]. Of an Indexed Job, the
    /// number of its completed indexes.
    pub fn achieved(&self) -> i32 {
        match self.manifest.size().completions {
            Some(asked) if self.manifest.indexed() => {
                self.completed_indexes().both(&Indexes::all(asked)).len()
            }
            _ => self.shards.values().map(Shard::achieved).fold(0, i32::saturating_add),
        }
    }

    /// Of an Indexed Job, the indexes that have succeeded in any shard.
    pub fn completed_indexes(&self) -> Indexes {
        let seen = self.shards.values().filter_map(|shard| shard.seen.as_ref());
        seen.fold(Indexes::default(), |all, seen| all.with(&seen.completed))
    }

    /// Of an Indexed Job, the indexes that have failed for good in any shard.
    pub fn failed_indexes(&self) -> Indexes {
        let seen = self.shards.values().filter_map(|shard| shard.seen.as_ref());
        seen.fold(Indexes::default(), |all, seen| all.with(&seen.failed_indexes))
    }

    /// The name of a shard's Job.
    pub fn job_name(&self, id: u32) -> &str {
        self.shards.get(&id).and_then(|shard| shard.name.as_deref()).unwrap_or(self.name())
    }

    /// What a shard's Job is to be. Its `backoffLimit` and `maxFailedIndexes` are the federated
    /// Job's, less what all other shards have spent of them. The shard must be in the ledger.
    pub fn spec(&self, id: u32) -> Spec {
        let shard = &self.shards[&id];
        // The shard may have indexes that an edit does not ask for any more. A later edit may ask
        // for them again, and completions of a Job are immutable.
        let asked = self.manifest.size().completions.unwrap_or(0);
        let completions = shard.indexes.as_ref().map(|own| own.end().max(asked));
        Spec {
            parallelism: shard.parallelism,
            completions: completions.or(shard.completions),
            backoff_limit: left(self.manifest.backoff_limit(), self.spent(id, |seen| seen.failed)),
            max_failed_indexes: left(
                self.manifest.max_failed_indexes(),
                self.spent(id, |seen| seen.failed_indexes.len()),
            ),
            active_deadline_seconds: shard.active_deadline_seconds,
            generation: shard.generation,
        }
    }

    /// What all shards but one have spent of a limit of the whole Job.
    fn spent(&self, but: u32, count: fn(&Seen) -> i32) -> i32 {
        let others = self.shards.iter().filter(|(id, _)| **id != but);
        others.filter_map(|(_, shard)| shard.seen.as_ref()).map(count).fold(0, i32::saturating_add)
    }

    /// Sets the cluster's uid of each shard that has none: `uid` gives that of a member by its
    /// name, if it is registered.
    pub fn name_clusters<'a>(&mut self, uid: impl Fn(&str) -> Option<&'a str>) {
        for shard in self.shards.values_mut().filter(|shard| shard.cluster_uid.is_none()) {
            shard.cluster_uid = uid(&shard.cluster).map(str::to_owned);
        }
    }

    /// Whether this member must stay registered, because it has a shard of this Job: any shard
    /// until there is an outcome, then one that has not ended. What an ended shard achieved is
    /// recorded.
    pub fn needs(&self, name: &str, member: &Member) -> bool {
        let is_there = |shard: &&Shard| {
            shard.cluster == name && shard.cluster_uid.as_ref().is_none_or(|uid| *uid == member.uid)
        };
        let needed = |shard: &Shard| self.state.outcome.is_none() || !shard.phase.ended();
        self.shards.values().filter(is_there).any(needed)
    }

    /// Whether work is held back: somebody deleted a shard's Job, and the user has not asked to run
    /// again what was left of it.
    pub fn holds_back(&self) -> bool {
        self.shards.values().any(|shard| shard.phase == Phase::Deleted && !shard.reopened)
    }

    /// Lets other shards do what is left of the deleted ones. Gives whether that changes anything.
    /// It leaves out shards that [may have ended](Shard::may_have_ended).
    pub fn reopen(&mut self) -> bool {
        self.reopen_where(|shard| !shard.may_have_ended())
    }

    /// The same for the shards that may have ended before their Jobs were gone. Their work may be
    /// done, and would run twice: only the user can say so.
    pub fn reopen_uncertain(&mut self) -> bool {
        self.reopen_where(Shard::may_have_ended)
    }

    fn reopen_where(&mut self, condition: impl Fn(&Shard) -> bool) -> bool {
        let is_held = |shard: &Shard| shard.phase == Phase::Deleted && !shard.reopened;
        let mut any = false;
        for shard in self.shards.values_mut().filter(|shard| is_held(shard) && condition(shard)) {
            shard.reopened = true;
            any = true;
        }
        any
    }

    /// Adds a shard to the ledger, under a new id. If its member has had a shard before, its Job
    /// gets a name of its own.
    pub fn add(&mut self, shard: Shard) {
        let last = self.shards.keys().next_back().copied().unwrap_or(0).max(self.state.forgotten);
        let id = last.saturating_add(1);
        let first = self.state.forgotten == 0
            && self.shards.values().all(|other| other.cluster != shard.cluster);
        let name = (!first).then(|| self.supplement(id));
        self.shards.insert(id, Shard { name, ..shard });
    }

    /// Removes a shard from the ledger. Its Job must never have been created.
    pub fn forget(&mut self, id: u32) {
        if self.shards.remove(&id).is_some() {
            self.state.forgotten = self.state.forgotten.max(id);
        }
    }

    /// A name for a supplement that no other shard has: the federated Job's name and the id. If
    /// that is too long, the Job's name is cut, and the first 8 characters of its uid are added:
    /// they distinguish it from the supplements of another Job.
    fn supplement(&self, id: u32) -> String {
        let room = if self.manifest.indexed() { NAME_ROOM - INDEX_ROOM } else { NAME_ROOM };
        let plain = format!("{}-{id}", self.name());
        if plain.len() <= room {
            return plain;
        }
        let suffix = format!("-{}-{id}", &self.state.uid[..self.state.uid.floor_char_boundary(8)]);
        let kept = self.name().floor_char_boundary(room.saturating_sub(suffix.len()));
        format!("{}{suffix}", self.name()[..kept].trim_end_matches(['-', '.']))
    }

    /// The labels that the Job of a shard carries.
    pub fn ownership(&self, id: u32) -> Ownership {
        Ownership {
            federation: self.federation.clone(),
            job: self.state.uid.clone(),
            shard: id.to_string(),
        }
    }
}

/// What is left of a limit. None if nothing has been spent of it.
fn left(limit: Option<i32>, spent: i32) -> Option<i32> {
    limit.filter(|_| spent > 0).map(|limit| limit.saturating_sub(spent).max(0))
}

impl Verdict {
    /// The type of the Job condition that says so.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "Complete",
            Self::Failed => "Failed",
        }
    }

    /// The type of the Job condition that says that it will be so once all pods have ended (since
    /// Kubernetes 1.31).
    pub fn target(self) -> &'static str {
        match self {
            Self::Complete => "SuccessCriteriaMet",
            Self::Failed => "FailureTarget",
        }
    }
}

impl Outcome {
    /// An outcome. Its reason and message are cut, so that it fits into the room that each record
    /// keeps for it.
    pub fn new(verdict: Verdict, reason: &str, message: &str, at: i64) -> Self {
        let cut = |text: &str, most: usize| text[..text.floor_char_boundary(most)].to_owned();
        Self {
            verdict,
            reason: cut(reason, OUTCOME_ROOM / 8),
            message: cut(message, OUTCOME_ROOM / 2),
            at,
        }
    }
}

#[cfg(test)]
mod tests;
