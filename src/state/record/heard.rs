//! What the Jobs of other shards say of many ended shards together; pure.
//!
//! A Job keeps the totals alone where it has no room for each shard that has ended. Some of these
//! shards may have Jobs of their own, which know better. So the totals do not count before all
//! members have been listed, and then without those shards.

use serde::{Deserialize, Serialize};

use super::{Folded, Record, Totals, Withheld};
use crate::{job::Indexes, state::Shard};

/// What stands for the clusters of shards that are known only together. No member has this name.
const SEVERAL: &str = "(several)";

/// What is known of many ended shards together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct Heard {
    /// Their totals, with those of the shards that were folded.
    pub totals: Folded,
    /// What they left undone that was held back.
    #[serde(default, skip_serializing_if = "Withheld::is_empty")]
    pub withheld: Withheld,
}

impl Folded {
    /// The totals of all members together.
    pub(in crate::state) fn together(&self) -> Totals {
        Totals {
            shards: self.sum(|totals| totals.shards),
            achieved: self.sum(|totals| totals.achieved),
            carried: self.sum(|totals| totals.carried),
            failed: self.sum(|totals| totals.failed),
        }
    }

    /// The same totals, of shards whose clusters are not known.
    pub(in crate::state) fn of_several(self, totals: Totals) -> Self {
        let known = (totals != Totals::default()).then(|| (SEVERAL.to_owned(), totals));
        Self { clusters: known.into_iter().collect(), ..self }
    }
}

impl Record {
    /// What is known of these ended shards together, and of those that were folded.
    pub(in crate::state) fn together<'s>(
        &self,
        ended: impl Iterator<Item = (u32, &'s Shard)>,
    ) -> Heard {
        let ended: Vec<_> = ended.collect();
        let before = &self.state.folded;
        let mut sum = before.together();
        for (_, shard) in &ended {
            sum.add(shard);
        }
        let seen = || ended.iter().filter_map(|(_, shard)| shard.seen.as_ref());
        let ids: Indexes = ended.iter().filter_map(|(id, _)| i32::try_from(*id).ok()).collect();
        let carried: Vec<_> = ended.iter().map(|(_, shard)| shard.carried_indexes()).collect();
        let failed = seen().map(|seen| &seen.failed_indexes).chain([&before.failed_indexes]);
        let (mut once, mut twice) = (before.completed.clone(), before.twice.clone());
        for seen in seen() {
            twice = twice.with(&once.both(&seen.completed));
            once = once.with(&seen.completed);
        }
        let totals = Folded {
            ids: before.ids.with(&ids),
            completed: Indexes::union(
                seen().map(|seen| &seen.completed).chain([&before.completed]),
            ),
            carried_indexes: Indexes::union(carried.iter().chain([&before.carried_indexes])),
            failed_indexes: Indexes::union(failed),
            end: seen().filter_map(|seen| seen.end).max().max(before.end),
            given_up: before.given_up.clone(),
            twice,
            ..Folded::default()
        };
        let held = || ended.iter().map(|(_, shard)| *shard).filter(|shard| !shard.reopened);
        let left = |own: &Shard| own.share().completions.unwrap_or(0) - own.carried();
        let left_of = |own: &Shard| Some(own.indexes.as_ref()?.without(&own.carried_indexes()));
        let left_indexes: Vec<_> = held().filter_map(left_of).collect();
        let counted = held().filter(|shard| shard.indexes.is_none());
        let withheld = Withheld {
            count: counted.map(left).fold(0, i32::saturating_add),
            indexes: Indexes::union(&left_indexes).without(&totals.failed_indexes),
        };
        Heard { totals: totals.of_several(sum), withheld }
    }

    /// Remembers what a Job says of many shards together, unless one has said more.
    pub fn hear(&mut self, heard: &Heard) {
        // What was done before a retry has no ids.
        let is_more = match &self.state.heard {
            None => !heard.totals.is_empty(),
            Some(known) => heard.totals.ids.len() > known.totals.ids.len(),
        };
        if is_more {
            self.state.forgotten = self.state.forgotten.max(heard.totals.last().unwrap_or(0));
            self.state.heard = Some(Box::new(heard.clone()));
        }
    }

    /// Folds the shards of which only the Jobs of others have told, once all members have been
    /// listed: their own Jobs are gone. What the others of them did is in the ledger.
    pub fn settle_heard(&mut self) {
        let Some(heard) = self.state.heard.take() else { return };
        let Heard { mut totals, withheld } = *heard;
        let folded = &self.state.folded;
        if !folded.is_empty() && totals.ids.len() <= folded.ids.len() {
            return;
        }
        if !folded.ids.without(&totals.ids).is_empty() {
            // Neither of both has all. What only the shards tell of may have been done.
            let before = &mut self.state.withheld;
            if self.manifest.indexed() {
                before.indexes = before.indexes.with(&totals.carried_indexes);
            } else {
                before.count = before.count.saturating_add(totals.together().carried);
            }
            return;
        }
        let there = self.shards.iter().filter(|(id, _)| totals.has(**id));
        let (mut known, mut ids, mut sets) = (Totals::default(), Vec::new(), Vec::new());
        let mut untrue = Vec::new();
        for (id, shard) in there {
            ids.extend(i32::try_from(*id).ok());
            known.add(shard);
            sets.push(shard.carried_indexes());
            if !shard.is_over() {
                // It was not true that it had ended, with all that it had to do.
                known.achieved = known.achieved.saturating_add(shard.remaining());
                untrue.extend(shard.indexes.clone());
            }
        }
        let sum = totals.together();
        let rest = |all: i32, own: i32| all.saturating_sub(own).max(0);
        let rest = Totals {
            shards: rest(sum.shards, known.shards),
            achieved: rest(sum.achieved, known.achieved),
            carried: rest(sum.carried, known.carried),
            failed: rest(sum.failed, known.failed),
        };
        let untrue = Indexes::union(&untrue);
        totals.ids = totals.ids.without(&ids.into_iter().collect());
        totals.carried_indexes = totals.carried_indexes.without(&Indexes::union(&sets));
        totals.completed = totals.completed.without(&untrue);
        totals.failed_indexes = totals.failed_indexes.without(&untrue);
        *self.state.folded = totals.of_several(rest);
        let before = &mut self.state.withheld;
        before.count = before.count.saturating_add(withheld.count);
        before.indexes = before.indexes.with(&withheld.indexes);
    }
}
