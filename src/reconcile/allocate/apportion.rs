//! How an amount is divided over members and over shards; pure.

use std::collections::BTreeMap;

use crate::{
    plan::{self, PREFERENCES, Plan, Preferences, Request},
    reconcile::observe::Places,
    state::{Record, Shard},
};

/// The plan of so many pods and completions for these members, by the Job's preferences. None where
/// the preferences cannot be followed, or have no room for the amount.
pub(super) fn plan_for(
    record: &Record,
    places: &Places,
    members: &[plan::Member<'_>],
    parallelism: i32,
    completions: Option<i32>,
) -> Option<Plan> {
    let preferences = preferences(record, places);
    if preferences.is_none() && record.manifest.annotation(PREFERENCES).is_some() {
        return None;
    }
    let key = format!("{}/{}", record.namespace(), record.name());
    let request = Request {
        key: &key,
        members,
        preferences: preferences.as_ref(),
        parallelism,
        completions,
        least: record.manifest.gang().unwrap_or(1),
    };
    plan::plan(&request).ok()
}

/// The Job's preferences, where it has some that can be followed.
pub(super) fn preferences(record: &Record, places: &Places) -> Option<Preferences> {
    let names: Vec<&str> = places.keys().map(String::as_str).collect();
    Preferences::parse(record.manifest.annotation(PREFERENCES)?, &names).ok()
}

/// Whether the Job's preferences ask to move work that has not started.
pub(super) fn asks_to_rebalance(record: &Record, places: &Places) -> bool {
    preferences(record, places).is_some_and(|preferences| preferences.rebalance)
}

/// The sum of a count over the shards of each member that has any.
pub(super) fn per_member(record: &Record, count: impl Fn(&Shard) -> i32) -> BTreeMap<String, i32> {
    let mut sums = BTreeMap::new();
    for shard in record.shards.values() {
        let sum: &mut i32 = sums.entry(shard.cluster.clone()).or_default();
        *sum = sum.saturating_add(count(shard));
    }
    sums
}

/// The sum of one member; 0 where it has none.
pub(super) fn sum_of(sums: &BTreeMap<String, i32>, member: &str) -> i32 {
    sums.get(member).copied().unwrap_or(0)
}

/// Divides an amount in proportion to caps and exceeds none of them, by largest remainder. The
/// first wins a tie. Where the caps hold less than the amount, each is filled.
pub(super) fn apportion(amount: i32, caps: &[i32]) -> Vec<i32> {
    let total: i64 = caps.iter().map(|cap| i64::from(*cap)).sum();
    let amount = i64::from(amount);
    if amount >= total {
        return caps.to_vec();
    }
    let exact = |cap: &i32| amount * i64::from(*cap);
    let mut portions: Vec<i64> = caps.iter().map(|cap| exact(cap) / total).collect();
    let mut order: Vec<usize> = (0..caps.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(exact(&caps[*i]) % total));
    let missing = usize::try_from(amount - portions.iter().sum::<i64>()).unwrap_or(0);
    order.iter().take(missing).for_each(|i| portions[*i] += 1);
    portions.iter().map(|portion| i32::try_from(*portion).unwrap_or(i32::MAX)).collect()
}
