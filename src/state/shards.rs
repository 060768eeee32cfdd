//! The ledger of a record: its shards, and what they say together.

use std::{
    collections::{BTreeMap, btree_map},
    ops::{Deref, DerefMut},
    sync::OnceLock,
};

use super::Shard;

/// The shards of a record by their ids. It is a map, which adds up what all shards say only once
/// between two changes: each of many shards is asked what the others have spent.
#[derive(Debug, Clone, Default)]
pub struct Shards {
    all: BTreeMap<u32, Shard>,
    together: OnceLock<Together>,
}

/// What shards say together.
#[derive(Debug, Clone)]
struct Together {
    failed_pods: i64,
    failed_indexes: i64,
    /// Those whose Jobs say nothing of them: they may be gone, or have yet to be labelled.
    unsaid: Vec<u32>,
}

impl Shards {
    /// How many pods of all shards but one have failed, and of `more` besides. That one must be in
    /// the ledger, as for the others.
    pub(super) fn failed_pods_but(&self, id: u32, more: i32) -> i32 {
        less(self.together().failed_pods, self[&id].failed_pods(), more)
    }

    /// How many indexes of all shards but one have failed for good, and of `more` besides.
    pub(super) fn failed_indexes_but(&self, id: u32, more: i32) -> i32 {
        less(self.together().failed_indexes, failed_indexes(&self[&id]), more)
    }

    /// The shards but one whose Jobs may be gone, or have yet to be labelled.
    pub(super) fn unsaid_but(&self, id: u32) -> impl Iterator<Item = (u32, &Shard)> {
        let others = self.together().unsaid.iter().filter(move |other| **other != id);
        others.map(|other| (*other, &self[other]))
    }

    fn together(&self) -> &Together {
        self.together.get_or_init(|| {
            let sum = |count: fn(&Shard) -> i32| self.values().map(|it| i64::from(count(it))).sum();
            let is_unsaid = |shard: &Shard| shard.is_over() || shard.awaits_labels();
            Together {
                failed_pods: sum(Shard::failed_pods),
                failed_indexes: sum(failed_indexes),
                unsaid: self.iter().filter(|it| is_unsaid(it.1)).map(|it| *it.0).collect(),
            }
        })
    }
}

fn failed_indexes(shard: &Shard) -> i32 {
    shard.seen.as_ref().map_or(0, |seen| seen.failed_indexes.len())
}

fn less(all: i64, one: i32, more: i32) -> i32 {
    let rest = all - i64::from(one) + i64::from(more);
    rest.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
}

impl Deref for Shards {
    type Target = BTreeMap<u32, Shard>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl DerefMut for Shards {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.together.take();
        &mut self.all
    }
}

impl PartialEq for Shards {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

impl From<BTreeMap<u32, Shard>> for Shards {
    fn from(all: BTreeMap<u32, Shard>) -> Self {
        Self { all, together: OnceLock::new() }
    }
}

impl FromIterator<(u32, Shard)> for Shards {
    fn from_iter<I: IntoIterator<Item = (u32, Shard)>>(shards: I) -> Self {
        BTreeMap::from_iter(shards).into()
    }
}

impl<'a> IntoIterator for &'a Shards {
    type Item = (&'a u32, &'a Shard);
    type IntoIter = btree_map::Iter<'a, u32, Shard>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}

impl<'a> IntoIterator for &'a mut Shards {
    type Item = (&'a u32, &'a mut Shard);
    type IntoIter = btree_map::IterMut<'a, u32, Shard>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        job::{Indexes, Size},
        state::{Phase, Seen},
    };

    fn shards() -> Shards {
        let share = Size { parallelism: 1, completions: Some(2) };
        let shard = |id| (id, Shard::planned(&format!("member-{id}"), share));
        (1..4).map(shard).collect()
    }

    fn seen(failed: i32) -> Seen {
        Seen { failed, failed_indexes: Indexes::all(failed), ..Seen::default() }
    }

    fn unsaid(shards: &Shards, but: u32) -> Vec<u32> {
        shards.unsaid_but(but).map(|(id, _)| id).collect()
    }

    #[test]
    fn what_is_added_up_is_what_the_shards_say_after_each_change() {
        let mut shards = shards();
        assert_eq!(shards.failed_pods_but(1, 7), 7);
        assert!(unsaid(&shards, 1).is_empty());

        let second = shards.get_mut(&2).expect("it is there");
        (second.seen, second.phase) = (Some(seen(3)), Phase::Failed);
        for shard in (&mut shards).into_iter().filter(|it| *it.0 == 3) {
            shard.1.seen = Some(seen(5));
        }
        assert_eq!([1, 2, 3].map(|id| shards.failed_pods_but(id, 0)), [8, 5, 3]);
        assert_eq!([1, 2, 3].map(|id| shards.failed_indexes_but(id, 1)), [9, 6, 4]);
        assert_eq!([1, 2, 3].map(|id| unsaid(&shards, id)), [vec![2], vec![], vec![2]]);

        let same: Shards = shards.clone().all.into();
        assert_eq!(same, shards);
        shards.remove(&3);
        assert_eq!(shards.failed_pods_but(1, 0), 3);
        assert_ne!(same, shards);
    }

    #[test]
    fn absurd_numbers_saturate() {
        let mut shards = shards();
        for shard in shards.values_mut() {
            shard.seen = Some(Seen { failed: i32::MAX, ..Seen::default() });
        }
        assert_eq!(shards.failed_pods_but(1, i32::MAX), i32::MAX);
    }
}
