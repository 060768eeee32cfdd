//! What shards did that are not in the ledger any more; pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Record;
use crate::{
    job::Indexes,
    state::{Phase, Shard},
};

/// The totals of the shards that were folded: they ended or were deleted with the federated Job,
/// their Jobs are gone, and nothing of them can change. Each quantity of a record counts them as if
/// they were in the ledger.
///
/// A Job that retries an Indexed one begins with the indexes that were completed there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default, expecting = "an object")]
pub struct Folded {
    /// The ids of the shards.
    #[serde(skip_serializing_if = "Indexes::is_empty")]
    pub ids: Indexes,
    /// The totals by the members' names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub clusters: BTreeMap<String, Totals>,
    /// Of an Indexed Job, the union of the completed indexes.
    #[serde(skip_serializing_if = "Indexes::is_empty")]
    pub completed: Indexes,
    /// Of an Indexed Job, the indexes that several of them have completed.
    #[serde(skip_serializing_if = "Indexes::is_empty")]
    pub twice: Indexes,
    /// Of an Indexed Job, the union of [`Shard::carried_indexes`].
    #[serde(skip_serializing_if = "Indexes::is_empty")]
    pub carried_indexes: Indexes,
    /// What was known of those that were given up. None where none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_up: Option<GivenUp>,
    /// Of an Indexed Job, the union of the indexes that failed for good.
    #[serde(skip_serializing_if = "Indexes::is_empty")]
    pub failed_indexes: Indexes,
    /// When the last of them ended, by the host's clock, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<i64>,
}

/// What the folded shards did that were given up, so that what ran twice is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default, expecting = "an object")]
pub struct GivenUp {
    /// The sum of what they achieved and were not seen to have achieved before.
    pub unseen: i32,
    /// Of an Indexed Job, the union of their completed indexes.
    #[serde(skip_serializing_if = "Indexes::is_empty")]
    pub completed: Indexes,
}

/// The totals of the folded shards of one member; each is 0 or more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default, expecting = "an object")]
pub struct Totals {
    /// How many shards.
    pub shards: i32,
    /// The sum of [`Shard::achieved`].
    pub achieved: i32,
    /// The sum of [`Shard::carried`].
    pub carried: i32,
    /// How many pods failed.
    pub failed: i32,
}

impl Folded {
    /// Whether no shard was folded.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The sum of a total over all members.
    pub fn sum(&self, total: impl Fn(&Totals) -> i32) -> i32 {
        self.clusters.values().map(total).fold(0, i32::saturating_add)
    }

    /// The largest id of its shards.
    pub fn last(&self) -> Option<u32> {
        u32::try_from(self.ids.end().saturating_sub(1)).ok()
    }

    /// Whether it has a shard of this id.
    pub fn has(&self, id: u32) -> bool {
        self.ids.contains_all(&one(id))
    }

    /// Adds a shard. `end` is when it ended, by the host's clock.
    fn add(&mut self, id: u32, shard: &Shard, end: Option<i64>) {
        self.ids = self.ids.with(&one(id));
        self.clusters.entry(shard.cluster.clone()).or_default().add(shard);
        if let Some(before) = shard.given_up {
            let given_up = self.given_up.get_or_insert_default();
            given_up.unseen = given_up.unseen.saturating_add(shard.achieved() - before);
            if let Some(seen) = &shard.seen {
                given_up.completed = given_up.completed.with(&seen.completed);
            }
        }
        if let Some(seen) = &shard.seen {
            self.twice = self.twice.with(&self.completed.both(&seen.completed));
            self.completed = self.completed.with(&seen.completed);
            self.failed_indexes = self.failed_indexes.with(&seen.failed_indexes);
        }
        self.carried_indexes = self.carried_indexes.with(&shard.carried_indexes());
        self.end = self.end.max(end);
    }
}

impl Totals {
    /// Adds a shard.
    pub(super) fn add(&mut self, shard: &Shard) {
        for (total, more) in [
            (&mut self.shards, 1),
            (&mut self.achieved, shard.achieved()),
            (&mut self.carried, shard.carried()),
            (&mut self.failed, shard.failed_pods()),
        ] {
            *total = total.saturating_add(more);
        }
    }
}

/// The set of one id.
fn one(id: u32) -> Indexes {
    let id = i32::try_from(id).unwrap_or(i32::MAX);
    Indexes::from(id..=id)
}

impl Shard {
    /// Whether nothing of the shard can change once its Job is gone: it is Complete; or what is
    /// left of it was given to others, or failed for good.
    pub fn is_settled(&self) -> bool {
        match self.phase {
            Phase::Planned | Phase::Created | Phase::Started => false,
            Phase::Complete => true,
            Phase::Failed => {
                self.reopened || (self.indexes.is_some() && self.missing_indexes().is_empty())
            }
            Phase::Deleted => self.reopened,
        }
    }
}

impl Record {
    /// Folds a shard into the totals. Its Job must be gone, and it must be
    /// [settled](Shard::is_settled) or its federated Job be deleted.
    /// No other shard gets its id or its name. `end` is when it ended, by the host's clock, in
    /// seconds since 1970.
    pub fn fold(&mut self, id: u32, end: Option<i64>) {
        if let Some(shard) = self.shards.get(&id) {
            self.state.folded.add(id, shard, end);
            self.forget(id);
        }
    }

    /// Takes over the totals that another version of this record had, if more shards were folded
    /// by then. A shard that is in them leaves the ledger.
    pub fn take_folded(&mut self, folded: &Folded) {
        let known = &self.state.folded;
        if !known.is_empty() && folded.ids.len() <= known.ids.len() {
            return;
        }
        *self.state.folded = folded.clone();
        self.state.forgotten = self.state.forgotten.max(folded.last().unwrap_or(0));
        self.shards.retain(|id, _| !folded.has(*id));
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{
        job::{Manifest, Size},
        state::Seen,
    };

    /// How many completions each shard of these records has.
    const SHARE: i32 = 4;

    /// How a shard ends: its kind of end, and two counts.
    type End = (u8, i32, i32);

    fn record(indexed: bool, ends: &[End]) -> Record {
        let ends: Vec<_> = ends.iter().map(|end| (*end, None)).collect();
        partly_given_up(indexed, &ends)
    }

    /// A record of which some shards were given up, with what they had done by then: the next one
    /// does their work.
    fn partly_given_up(indexed: bool, ends: &[(End, Option<i32>)]) -> Record {
        let mode = if indexed { "Indexed" } else { "NonIndexed" };
        let completions = i32::try_from(ends.len()).expect("few") * SHARE + 3;
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "pi" },
            "spec": {
                "completions": completions, "parallelism": 4, "completionMode": mode,
                "backoffLimit": 50,
                "template": { "spec": {
                    "restartPolicy": "Never", "containers": [{ "name": "pi", "image": "perl" }],
                }},
            },
        });
        let manifest = Manifest::new(job, "work", "").expect("valid");
        let mut left = Indexes::all(completions);
        let shards = ends.iter().enumerate().map(|(n, &((phase, done, failed), given_up))| {
            let cluster = ["east", "north", "west"][n % 3];
            let (own, rest) = left.split(SHARE);
            if given_up.is_none() {
                left = rest;
            }
            let share = Size { parallelism: 1, completions: Some(SHARE) };
            let planned = if indexed {
                Shard::planned_indexes(cluster, 1, own.clone())
            } else {
                Shard::planned(cluster, share)
            };
            let phase = [Phase::Complete, Phase::Failed, Phase::Deleted][usize::from(phase)];
            let done = if phase == Phase::Complete { SHARE } else { done };
            let (completed, others) = own.split(done);
            let seen = Seen {
                succeeded: done,
                failed,
                completed: if indexed { completed } else { Indexes::default() },
                failed_indexes: if indexed && phase == Phase::Failed {
                    others
                } else {
                    Indexes::default()
                },
                ..Seen::default()
            };
            let uid = Some(format!("uid-{n}"));
            let reopened = phase != Phase::Complete;
            let given_up = given_up.map(|before| before.min(done));
            Shard { phase, uid, reopened, given_up, seen: Some(seen), ..planned }
        });
        let shards = shards.collect();
        Record::new("f", manifest, shards, Timestamp::UNIX_EPOCH)
    }

    /// Every quantity of a record that decisions and reports read.
    fn quantities(record: &Record) -> impl PartialEq + std::fmt::Debug + use<> {
        (
            (record.unplaced(), record.achieved(), record.failed_pods()),
            (record.carried(), record.carried_indexes()),
            (record.completed_indexes(), record.failed_indexes()),
            (record.ran_twice(), record.done_in_given_up()),
        )
    }

    proptest! {
        #[test]
        fn no_quantity_changes_when_shards_are_folded(
            indexed: bool,
            ends in prop::collection::vec(
                ((0..3u8, 0..=SHARE, 0..5i32), prop::option::weighted(0.3, 0..=SHARE)), 1..40,
            ),
            fold in prop::collection::vec(any::<bool>(), 40),
        ) {
            let before = partly_given_up(indexed, &ends);
            let mut after = before.clone();
            for (id, _) in before.shards.keys().zip(fold).filter(|(_, folds)| *folds) {
                prop_assert!(before.shards[id].is_settled());
                after.fold(*id, Some(7));
            }
            prop_assert_eq!(quantities(&before), quantities(&after));
            // A new shard has the same limits, and an id and a name that none has had.
            let (mut one, mut other) = (before.clone(), after.clone());
            for record in [&mut one, &mut other] {
                record.add(Shard::planned("east", Size { parallelism: 1, completions: Some(1) }));
            }
            let id = 1 + u32::try_from(ends.len()).expect("few");
            prop_assert_eq!(one.spec(id), other.spec(id));
            prop_assert_eq!(other.job_name(id), format!("pi-{id}"));
        }
    }

    #[test]
    fn a_record_stays_small_after_any_number_of_supplements() {
        for indexed in [false, true] {
            let mut record = record(indexed, &vec![(0, SHARE, 1); 1000]);
            let ids: Vec<_> = record.shards.keys().copied().collect();
            for id in ids {
                record.fold(id, Some(i64::MAX));
            }
            let state = serde_json::to_string(&record.state).expect("state");
            assert!(record.shards.is_empty() && state.len() < 800, "{}: {state}", state.len());
        }
    }

    #[test]
    fn each_id_that_a_ledger_may_have_is_known_as_folded() {
        for id in [1, 2, i32::MAX as u32 - 1, i32::MAX as u32] {
            let mut folded = Folded::default();
            folded.add(
                id,
                &Shard::planned("east", Size { parallelism: 1, completions: None }),
                None,
            );
            assert!(folded.has(id) && !folded.has(id - 1), "{id}");
            assert_eq!(folded.last(), Some(id.min(i32::MAX as u32 - 1)));
        }
    }

    #[test]
    fn totals_of_another_version_are_taken_over_if_they_have_more_shards() {
        let ended = record(false, &[(0, SHARE, 1); 3]);
        let folded = |ids: &[u32]| {
            let mut record = ended.clone();
            for id in ids {
                record.fold(*id, None);
            }
            record
        };
        let (one, two) = (folded(&[1]), folded(&[1, 2]));
        for (mut record, other) in [(ended.clone(), &two), (one.clone(), &two), (two.clone(), &one)]
        {
            record.take_folded(&other.state.folded);
            assert_eq!(record.achieved(), 3 * SHARE);
            assert_eq!(record.shards.keys().collect::<Vec<_>>(), [&3]);
            assert_eq!(record.state.forgotten, 2);
        }
    }
}
