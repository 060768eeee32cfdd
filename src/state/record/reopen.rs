//! Work that is held back until users say that it is to run again.
//!
//! Somebody may have deleted a shard's Job on purpose. And a record that was restored from a backup
//! does not know what was done since: a shard that no member has may have ended there.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Record;
use crate::{
    job::Indexes,
    seams::{self, Defect},
    state::{Phase, Shard},
};

/// Where a record comes from whose members have yet to be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// A backup: Jobs may have been edited, opened, done and deleted since it was made.
    Backup,
    /// Another host, whose record nothing could change any more: the ledger has all shards.
    Move,
}

/// Work that no shard carries, and that may have been done since the record was backed up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default, expecting = "an object")]
pub struct Withheld {
    /// How many completions, or pods of a work queue; 0 for an Indexed Job.
    pub count: i32,
    /// Which indexes, of an Indexed Job.
    #[serde(skip_serializing_if = "Indexes::is_empty")]
    pub indexes: Indexes,
}

/// What is known of work that is held back until users say that it is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldBack {
    /// It was not done when shards were deleted.
    Undone,
    /// At least a part of it may have been done, and would run twice.
    MayBeDone,
}

impl Withheld {
    /// Whether nothing is withheld.
    pub fn is_empty(&self) -> bool {
        self.count == 0 && self.indexes.is_empty()
    }
}

impl Shard {
    /// Whether what is left of it may be done. Its Job is gone and had a `ttlSecondsAfterFinished`
    /// that is not ours: expired Jobs are deleted. Or its record was restored: its Job may have
    /// ended since the backup, or others may have done its rest.
    pub fn may_have_ended(&self) -> bool {
        let may_have_expired = self.phase == Phase::Deleted && self.foreign_ttl().is_some();
        let may_be_done = may_have_expired || (self.restored && self.is_cut_short());
        may_be_done && !seams::has(Defect::ReopenExpired)
    }

    /// `spec.ttlSecondsAfterFinished` of its Job, if somebody else has set one.
    pub fn foreign_ttl(&self) -> Option<i64> {
        self.seen.as_ref()?.foreign_ttl
    }
}

impl Record {
    /// Marks a record that was read from a backup: what its members do not have any more may have
    /// been done, and so may what it held back. The members are listed before anything is opened.
    /// The deadline begins when the members say: the Job may have been resumed since.
    pub fn mark_restored(&mut self) {
        self.state.origin = Some(Origin::Backup);
        if self.state.outcome.is_none() {
            self.state.started = None;
        }
        for shard in self.shards.values_mut() {
            shard.restored = !shard.is_over() || (shard.is_cut_short() && !shard.reopened);
        }
    }

    /// Lists these members before any work is opened: they may have shards that this record does
    /// not know.
    pub fn list_again(&mut self, members: BTreeSet<String>) {
        self.state.unlisted = members;
        self.mark_restored();
    }

    /// What is known of the work that is held back; none if none is.
    pub fn held_back(&self) -> Option<HeldBack> {
        let may_be_done = |shard: &Shard| shard.may_have_ended() && !shard.reopened;
        if !self.state.withheld.is_empty() || self.shards.values().any(may_be_done) {
            return Some(HeldBack::MayBeDone);
        }
        self.holds_back().then_some(HeldBack::Undone)
    }

    /// Whether work is held back: somebody [cut a shard short](Shard::is_cut_short), or work was
    /// [withheld](super::State::withheld), and the user has not asked to run it.
    pub fn holds_back(&self) -> bool {
        let is_held = |shard: &Shard| shard.is_cut_short() && !shard.reopened;
        !self.state.withheld.is_empty() || self.shards.values().any(is_held)
    }

    /// Lets other shards do what is left of those that were cut short. Gives whether that changes
    /// anything.
    /// It leaves out shards that [may have ended](Shard::may_have_ended), and those of which
    /// something `remains` in their clusters.
    pub fn reopen(&mut self, remains: &[u32]) -> bool {
        self.reopen_where(|id, shard| !shard.may_have_ended() && !remains.contains(&id))
    }

    /// The same for those that it leaves out, and for what is withheld. That work may be done, and
    /// would run twice: only the user can say so.
    pub fn reopen_uncertain(&mut self, remains: &[u32]) -> bool {
        let opens = self.state.outcome.is_none() && !self.state.withheld.is_empty();
        if opens {
            self.state.withheld = Withheld::default();
        }
        self.reopen_where(|id, shard| shard.may_have_ended() || remains.contains(&id)) || opens
    }

    /// The work that [`Record::reopen_uncertain`] would open again, a phrase such as `what is left
    /// of job pi in cluster west`.
    pub fn uncertain_work(&self, remains: &[u32]) -> String {
        let may_be_done = |id, shard: &Shard| shard.may_have_ended() || remains.contains(&id);
        let held = |id, shard: &Shard| may_be_done(id, shard) && !shard.reopened;
        let shards = self.shards.iter().filter(|(id, shard)| held(**id, shard));
        let names: Vec<_> = shards
            .map(|(id, shard)| format!("job {} in cluster {}", self.job_name(*id), shard.cluster))
            .collect();
        let left = Some(format!("what is left of {}", names.join(", ")));
        let left = left.filter(|_| !names.is_empty());
        left.into_iter().chain(self.withheld_work()).collect::<Vec<_>>().join(", and ")
    }

    /// What is withheld, a phrase such as `4 completions`; none if nothing is.
    pub fn withheld_work(&self) -> Option<String> {
        let Withheld { count, indexes } = &self.state.withheld;
        if !indexes.is_empty() {
            return Some(format!("indexes {indexes}"));
        }
        let is_queue = self.manifest.size().completions.is_none();
        let what = if is_queue { "pod" } else { "completion" };
        match count {
            0 => None,
            1 => Some(format!("1 {what}")),
            count => Some(format!("{count} {what}s")),
        }
    }

    fn reopen_where(&mut self, condition: impl Fn(u32, &Shard) -> bool) -> bool {
        if self.state.outcome.is_some() {
            return false;
        }
        let is_held = |shard: &Shard| shard.is_cut_short() && !shard.reopened;
        let mut any = false;
        for (id, shard) in &mut self.shards {
            if is_held(shard) && condition(*id, shard) {
                shard.reopened = true;
                any = true;
            }
        }
        any
    }
}
