//! The record of a federated Job: its manifest, its state and its ledger, in one ConfigMap.

mod accepted;
mod adopted;
mod config_map;
mod folded;
mod heard;
mod lost;
mod names;
mod progress;
mod reopen;

pub use folded::{Folded, GivenUp, Totals};
pub use heard::Heard;
pub use lost::{MISSED_IDS, RanTwice};
pub use progress::{Lacking, Newer};
pub use reopen::{HeldBack, Origin, Withheld};

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Acceptance, Consent, Member, Moved, Shard, Shards, VERSION, documents::Documents, ids::check_id,
};
use crate::{
    cluster::FieldValidation,
    job::{Indexes, Manifest, Ownership, Removed, Spec, TemplateEdits, is_zero},
    seams,
};

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
    pub shards: Shards,
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
    /// What is done about fields that a member does not know, as the user said when they came.
    #[serde(default, skip_serializing_if = "FieldValidation::is_strict")]
    pub field_validation: FieldValidation,
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
    /// The largest id of the shards that were removed from the ledger: their Jobs were never
    /// created, or they were folded. 0 if there are none. No other shard gets such an id or name,
    /// because a process that was frozen may still create the Job.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub forgotten: u32,
    /// The ids of all shards that are in the ledger or were folded. Only the ConfigMap has them, so
    /// that an entry which is gone from there is noticed. A record of a version before 8 has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ids: Option<Indexes>,
    /// The totals of ended shards that are not in the ledger any more.
    #[serde(default, skip_serializing_if = "Folded::is_empty")]
    pub folded: Box<Folded>,
    /// What Jobs say of ended shards together, until all members have been listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Box<Heard>>,
    /// Labels and annotations that are to be removed from its shards' Jobs.
    #[serde(default, skip_serializing_if = "Removed::is_empty")]
    pub removed: Removed,
    /// What users accepted although it may run work twice, the oldest first. [`Record::accept`]
    /// adds to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<Acceptance>,
    /// Who asked for the lease in the manifest's annotation, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leased: Option<Consent>,
    /// How often the manifest was edited. Of two shards' Jobs, the one with the larger number has
    /// the newer manifest.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub revision: u32,
    /// The members that have not been listed since the record was recovered, restored or moved.
    /// They may have shards that the ledger lacks, so no shard is opened while there are any.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unlisted: BTreeSet<String>,
    /// The clusters that were given up before they were listed: their names as members, by their
    /// uids. Jobs that they have are taken in once they answer, as shards that were given up.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missed: BTreeMap<String, String>,
    /// Where the record comes from while members are unlisted; none if it was rebuilt from the Jobs
    /// in the members, and for all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Work that no shard carries, and that may have been done since the record was backed up.
    #[serde(default, skip_serializing_if = "Withheld::is_empty")]
    pub withheld: Withheld,
    /// The uid of the Failed federated Job whose rest this one runs, if it is a retry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<String>,
    /// What edits have changed of the template. Shards that existed then are changed in that.
    #[serde(default, skip_serializing_if = "TemplateEdits::is_empty")]
    pub template_edits: TemplateEdits,
    /// The host to which it was moved. This one is not used any more: whoever changes it, or starts
    /// something by it, is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<Moved>,
}

impl State {
    /// Checks that it is one that this program can have written.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.forgotten > 0 {
            check_id(self.forgotten).map_err(|why| format!("forgotten: {why}"))?;
        }
        Ok(())
    }
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
            uid: seams::uuid().to_string(),
            created: now.as_second(),
            create_namespace: false,
            field_validation: FieldValidation::Strict,
            deleting: None,
            started: None,
            outcome: None,
            expiring: false,
            forgotten: 0,
            ids: None,
            folded: Box::default(),
            heard: None,
            removed: Removed::default(),
            accepted: Vec::new(),
            leased: None,
            revision: 0,
            unlisted: BTreeSet::new(),
            missed: BTreeMap::new(),
            origin: None,
            withheld: Withheld::default(),
            retries: None,
            template_edits: TemplateEdits::default(),
            moved: None,
        };
        let shards = (1..).zip(shards).collect();
        Self { federation: federation.to_owned(), manifest, state, shards, stored: None }
    }

    /// The resourceVersion of its ConfigMap as it was read; none before it is first written.
    pub fn resource_version(&self) -> Option<&str> {
        Some(&self.stored.as_ref()?.resource_version)
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
        asked.saturating_sub(self.carried()).max(0)
    }

    /// Completions that no further shard has to do: the sum of [`Shard::carried`].
    pub fn carried(&self) -> i32 {
        let folded = self.state.folded.sum(|totals| totals.carried);
        self.shards.values().map(Shard::carried).fold(folded, i32::saturating_add)
    }

    /// Of an Indexed Job, the indexes that no further shard has to do: the union of
    /// [`Shard::carried_indexes`].
    pub fn carried_indexes(&self) -> Indexes {
        let folded = self.state.folded.carried_indexes.clone();
        self.shards.values().fold(folded, |all, shard| all.with(&shard.carried_indexes()))
    }

    /// What has succeeded in all shards: the sum of [`Shard::achieved`]. Of an Indexed Job, the
    /// number of its completed indexes.
    pub fn achieved(&self) -> i32 {
        match self.manifest.size().completions {
            Some(asked) if self.manifest.indexed() => {
                self.completed_indexes().both(&Indexes::all(asked)).len()
            }
            _ => {
                let folded = self.state.folded.sum(|totals| totals.achieved);
                self.shards.values().map(Shard::achieved).fold(folded, i32::saturating_add)
            }
        }
    }

    /// Of an Indexed Job, the indexes that have succeeded in any shard.
    pub fn completed_indexes(&self) -> Indexes {
        let seen = self.shards.values().filter_map(|shard| shard.seen.as_ref());
        seen.fold(self.state.folded.completed.clone(), |all, seen| all.with(&seen.completed))
    }

    /// Of an Indexed Job, the indexes that have failed for good in a shard and have succeeded in
    /// none. An index that was given up in one shard may succeed in another.
    pub fn failed_indexes(&self) -> Indexes {
        let seen = self.shards.values().filter_map(|shard| shard.seen.as_ref());
        let folded = self.state.folded.failed_indexes.clone();
        let failed = seen.fold(folded, |all, seen| all.with(&seen.failed_indexes));
        failed.without(&self.completed_indexes())
    }

    /// How many pods have failed in all shards.
    pub fn failed_pods(&self) -> i32 {
        let folded = self.state.folded.sum(|totals| totals.failed);
        self.shards.values().map(Shard::failed_pods).fold(folded, i32::saturating_add)
    }

    /// The members that have shards of it, or may have some.
    pub fn clusters(&self) -> BTreeSet<&str> {
        let unlisted = self.state.unlisted.iter().chain(self.state.missed.values());
        let unlisted = unlisted.map(String::as_str);
        self.shards.values().map(|shard| shard.cluster.as_str()).chain(unlisted).collect()
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
        let completions = completions.or(shard.completions);
        Spec {
            parallelism: shard.parallelism,
            completions,
            gang: self.gang(shard),
            backoff_limit: left(
                self.manifest.backoff_limit(),
                self.shards.failed_pods_but(id, self.state.folded.sum(|totals| totals.failed)),
            ),
            max_failed_indexes: self.max_failed_indexes(id, completions),
            active_deadline_seconds: match &shard.lease {
                Some(lease) => Some(lease.deadline(self.own_deadline(id))),
                None => shard.active_deadline_seconds,
            },
            lease_seconds: shard.lease.as_ref().map(|lease| lease.seconds),
            generation: shard.generation,
            template_generation: shard.template_generation,
            labels_pods: shard.adoption.is_none(),
        }
    }

    /// The `maxFailedIndexes` of a shard's Job of so many completions, if it differs. The federated
    /// Job may have been made smaller since, and servers refuse a limit above the completions.
    fn max_failed_indexes(&self, id: u32, completions: Option<i32>) -> Option<i32> {
        let asked = self.manifest.max_failed_indexes();
        let folded = self.state.folded.failed_indexes.len();
        let left = left(asked, self.shards.failed_indexes_but(id, folded));
        let limit = left.or(asked).map(|limit| completions.map_or(limit, |all| limit.min(all)));
        limit.filter(|_| limit != asked)
    }

    /// The `minCount` of a shard's Job, if the pods are scheduled together: that of the federated
    /// Job, but no more pods than the shard may run or has left to do. They would wait for ever.
    fn gang(&self, shard: &Shard) -> Option<i32> {
        let left = |_| shard.remaining() - shard.failed_indexes();
        let left = shard.completions.map_or(i32::MAX, left);
        self.manifest.gang().map(|gang| gang.min(shard.parallelism).min(left).max(1))
    }

    /// The `activeDeadlineSeconds` of a shard's Job by the deadline of the federated Job, if that
    /// has one. The shard must be in the ledger.
    pub fn own_deadline(&self, id: u32) -> Option<i64> {
        self.shards[&id].active_deadline_seconds.or(self.manifest.active_deadline_seconds())
    }

    /// Sets the cluster's uid of each shard that has none: `uid` gives that of a member by its
    /// name, if it is registered.
    pub fn name_clusters<'a>(&mut self, uid: impl Fn(&str) -> Option<&'a str>) {
        for shard in self.shards.values_mut().filter(|shard| shard.cluster_uid.is_none()) {
            shard.cluster_uid = uid(&shard.cluster).map(str::to_owned);
        }
    }

    /// Whether there are clusters whose Jobs are to be taken in once they answer.
    pub fn awaits_lists(&self) -> bool {
        !self.state.unlisted.is_empty() || !self.state.missed.is_empty()
    }

    /// Whether this member must stay registered, because it has a shard of this Job that has not
    /// ended and is not lost, or may have one because it has yet to be listed. What an ended shard
    /// achieved is recorded.
    pub fn needs(&self, name: &str, member: &Member) -> bool {
        self.state.unlisted.contains(name) || self.live_in(name, &member.uid).next().is_some()
    }

    /// Whether the ledger knows a shard of this id: it has it, or has folded it into the totals.
    pub fn knows_shard(&self, id: u32) -> bool {
        self.shards.contains_key(&id) || self.state.folded.has(id)
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

    /// Removes a shard from the ledger: its Job was never created, or it was folded.
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
