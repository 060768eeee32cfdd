//! How many pods each shard may run, and which shards are to run out; pure.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::apportion::{apportion, asks_to_rebalance, per_member, plan_for, sum_of};
use crate::{
    plan::{self, Share},
    reconcile::observe::Places,
    state::{Phase, Record, Shard},
};

/// Whether a shard may have running pods: it is not stopped, and it has work left, even if that
/// work is to be credited.
pub(in crate::reconcile) fn may_run(shard: &Shard) -> bool {
    !shard.phase.ended() && !shard.retired && (shard.completions.is_none() || shard.remaining() > 0)
}

/// Whether a shard keeps work to do beyond what runs and what is to be credited.
fn goes_on(shard: &Shard) -> bool {
    let running = shard.parallelism.min(shard.active());
    may_run(shard) && (shard.completions.is_none() || shard.retained() > running)
}

/// Whether a shard keeps the pods that it may run until a user asks for another number: its cluster
/// would stop all its pods and admit it anew.
pub(in crate::reconcile) fn is_fixed(shard: &Shard) -> bool {
    let is_waiting = shard.seen.as_ref().is_some_and(|seen| seen.suspended);
    shard.queued && shard.phase == Phase::Started && !is_waiting
}

/// Whether a shard keeps work to do, and may get another number of pods unasked.
fn may_change(shard: &Shard) -> bool {
    goes_on(shard) && !is_fixed(shard)
}

/// Whether a shard is to end with what runs in it: all its unstarted work is to be credited, if it
/// has any.
pub(in crate::reconcile) fn runs_out(shard: &Shard) -> bool {
    may_run(shard) && !goes_on(shard)
}

/// Whether a shard that runs out runs nothing, and may run nothing: the Job was paused. All its
/// work is taken off it at once, so that it needs no pod.
fn is_idle(shard: &Shard) -> bool {
    runs_out(shard) && shard.parallelism == 0 && shard.active() == 0
}

/// How many pods run in a shard that goes on; at least 1, because it may start one.
fn running(shard: &Shard) -> i32 {
    shard.parallelism.min(shard.active()).max(1)
}

/// The fewest pods of a shard that goes on which can start: its gang, or 1.
pub(super) fn needed(record: &Record, shard: &Shard) -> i32 {
    let left = |_| shard.retained() - shard.failed_indexes();
    let left = shard.completions.map_or(i32::MAX, left);
    record.manifest.gang().map_or(1, |gang| gang.min(left).max(1))
}

/// The fewest pods with which all shards that go on can start some.
fn needed_pods(record: &Record) -> i32 {
    let going = record.shards.values().filter(|shard| goes_on(shard));
    going.map(|shard| needed(record, shard)).fold(0, i32::saturating_add)
}

/// The fewest pods of a shard that goes on if no running pod is stopped.
fn least(record: &Record, shard: &Shard) -> i32 {
    running(shard).max(needed(record, shard))
}

/// How many pods may still run in shards that run out or are being stopped.
fn pods_running_out(record: &Record) -> i32 {
    let is_stopping = |shard: &Shard| {
        shard.retired && shard.phase == Phase::Started && shard.completions.is_some()
    };
    let ending = record.shards.values().filter(|shard| runs_out(shard) || is_stopping(shard));
    ending.map(|shard| shard.parallelism.min(shard.remaining())).fold(0, i32::saturating_add)
}

/// How many more pods may run if no running pod is stopped.
pub(super) fn free_pods(record: &Record) -> i32 {
    let goes_on = record.shards.values().filter(|shard| goes_on(shard));
    let least = goes_on.map(|shard| least(record, shard));
    let taken = least.fold(pods_running_out(record), i32::saturating_add);
    record.manifest.size().parallelism.saturating_sub(taken).max(0)
}

/// Members from which all work is being taken. They get no new work meanwhile.
pub(super) fn drained_members(record: &Record) -> BTreeSet<String> {
    let members_with = |condition: fn(&Shard) -> bool| {
        let shards = record.shards.values().filter(move |shard| may_run(shard) && condition(shard));
        shards.map(|shard| shard.cluster.clone()).collect::<BTreeSet<_>>()
    };
    let is_drained =
        |shard: &Shard| shard.completions.is_some_and(|given| shard.credit_target >= given);
    &members_with(is_drained) - &members_with(|shard| shard.retained() > 0)
}

/// Divides the pods again after an edit. A shard that keeps work never gets 0 pods (G2). Where
/// there are fewer pods than shards, the shards without one run out; those of a work queue are
/// stopped. The same happens to shards in members to which the preferences give no pods, but only
/// if the preferences ask to rebalance.
pub(in crate::reconcile) fn divide_after_edit(record: &mut Record, places: &Places) {
    let pods = record.manifest.size().parallelism;
    if pods > 0 {
        // Where fewer pods may run than do, a shard that would have ended with all its running pods
        // goes on with fewer.
        let running_pods = record.shards.values().filter(|shard| may_run(shard)).map(running);
        if running_pods.fold(0, i32::saturating_add) > pods {
            for id in ids_where(record, |shard| runs_out(shard) && shard.retained() > 1) {
                set_parallelism(record, id, 1);
            }
        }
        let rebalances = asks_to_rebalance(record, places);
        let too_many = needed_pods(record) > pods;
        for (cluster, sum) in plan_per_member(record, places, pods, goes_on) {
            let mut here = ids_where(record, |shard| goes_on(shard) && shard.cluster == cluster);
            here.sort_by_key(|id| Reverse(record.shards[id].remaining()));
            let is_limited = too_many || (sum == 0 && rebalances);
            let mut left = if is_limited { sum } else { i32::MAX };
            for id in here {
                match needed(record, &record.shards[&id]) {
                    needed if needed > left => let_run_out(record, id),
                    needed => left -= needed,
                }
            }
        }
        keep_running_pods(record, pods);
    }
    divide_over(record, places, goes_on);
}

/// Lets shards that run out keep the pods that run in them, as far as there are so many pods.
fn keep_running_pods(record: &mut Record, pods: i32) {
    let ending = ids_where(record, |shard| runs_out(shard) && !is_idle(shard));
    let needed =
        needed_pods(record).saturating_add(i32::try_from(ending.len()).unwrap_or(i32::MAX));
    let rest = pods.saturating_sub(needed).max(0);
    let beyond_one = ending.iter().map(|id| running(&record.shards[id]) - 1);
    let more = apportion(rest, &beyond_one.collect::<Vec<_>>());
    for (id, more) in ending.into_iter().zip(more) {
        set_parallelism(record, id, 1 + more);
    }
}

/// Has a shard end with what runs in it. A work queue that has not succeeded is stopped.
pub(in crate::reconcile) fn let_run_out(record: &mut Record, id: u32) {
    let succeeded = record.achieved() > 0;
    let shard = record.shards.get_mut(&id).expect("an id of this ledger");
    match shard.completions {
        Some(completions) => shard.credit_target = completions,
        // A work queue that has succeeded runs out by itself.
        None => shard.retired |= !succeeded,
    }
}

/// Sets how many pods each shard that goes on may run, where that may change unasked. The members'
/// sums are those of the plan for what remains, less the pods of the other shards.
pub(in crate::reconcile) fn divide(record: &mut Record, places: &Places) {
    divide_over(record, places, may_change);
}

/// Divides the pods over these shards, all of which go on.
fn divide_over(record: &mut Record, places: &Places, is_included: fn(&Shard) -> bool) {
    let pods = record.manifest.size().parallelism;
    if pods == 0 {
        return ids_where(record, may_run)
            .into_iter()
            .for_each(|id| set_parallelism(record, id, 0));
    }
    for id in ids_where(record, |shard| runs_out(shard) && !is_idle(shard)) {
        let at_least_one = record.shards[&id].parallelism.max(1);
        set_parallelism(record, id, at_least_one);
    }
    let others = record.shards.values().filter(|shard| goes_on(shard) && !is_included(shard));
    let others = others.map(|shard| shard.parallelism).fold(0, i32::saturating_add);
    let pods = pods.saturating_sub(pods_running_out(record)).saturating_sub(others).max(1);
    let sums = plan_per_member(record, places, pods, is_included);
    // No running pod is stopped, unless fewer pods may run than do.
    let minima = [least, needed].map(|minimum: fn(&Record, &Shard) -> i32| {
        let minimum = |shard: &Shard| if is_included(shard) { minimum(record, shard) } else { 0 };
        let minima = per_member(record, minimum);
        sums.iter().map(|(cluster, _)| sum_of(&minima, cluster)).collect::<Vec<_>>()
    });
    let fits = |minima: &Vec<i32>| minima.iter().copied().fold(0, i32::saturating_add) <= pods;
    let ones = per_member(record, |shard| i32::from(is_included(shard)));
    let ones = || sums.iter().map(|(cluster, _)| sum_of(&ones, cluster)).collect();
    let minima = minima.into_iter().find(fits).unwrap_or_else(ones);
    let divided = with_minima(&sums.iter().map(|(_, sum)| *sum).collect::<Vec<_>>(), &minima);
    for ((cluster, _), sum) in sums.into_iter().zip(divided) {
        let here = ids_where(record, |shard| is_included(shard) && shard.cluster == cluster);
        split(record, &here, sum);
    }
}

/// How many of so many pods each member with these shards gets by the plan for what remains in
/// them. That can be 0.
fn plan_per_member(
    record: &Record,
    places: &Places,
    pods: i32,
    is_included: fn(&Shard) -> bool,
) -> Vec<(String, i32)> {
    let retained = |shard: &Shard| if is_included(shard) { shard.retained() } else { 0 };
    let remaining = per_member(record, retained);
    let completions = record.manifest.size().completions.map(|_| remaining.values().sum());
    let given = given_to(record, is_included);
    // Where fewer pods may run than are given, they are taken from all members in proportion: if
    // each kept what it has, the last would be left with none.
    let fits = given.values().map(|pods| i64::from(*pods)).sum::<i64>() <= i64::from(pods);
    let share = |name: &str| Share {
        parallelism: sum_of(&given, name),
        completions: completions.map(|_| sum_of(&remaining, name)),
    };
    // Further pods of a work queue may run in any member.
    let anywhere = completions.is_none() && fits;
    let others = places
        .iter()
        .filter(|(name, place)| anywhere && place.takes_work && !given.contains_key(*name));
    let members = given.keys().chain(others.map(|(name, _)| name)).map(|name| plan::Member {
        weight: places.get(name).map_or(1, |place| place.weight),
        existing: Some(share(name)).filter(|_| fits && given.contains_key(name)),
        ..plan::Member::new(name)
    });
    match plan_for(record, places, &members.collect::<Vec<_>>(), pods, completions) {
        Some(plan) => {
            let planned =
                |name: &String| plan.shares.get(name).map_or(0, |share| share.parallelism);
            given.keys().map(|name| (name.clone(), planned(name))).collect()
        }
        // Where the preferences allow no plan, each member keeps its pods, as far as there are so
        // many now.
        None => {
            let kept =
                apportion(pods, &given.values().map(|pods| (*pods).max(1)).collect::<Vec<_>>());
            given.into_keys().zip(kept).collect()
        }
    }
}

/// How many pods are given to each member with shards that go on.
pub(super) fn given(record: &Record) -> BTreeMap<String, i32> {
    given_to(record, goes_on)
}

/// How many pods are given to each member with these shards.
fn given_to(record: &Record, is_included: fn(&Shard) -> bool) -> BTreeMap<String, i32> {
    let parallelism = |shard: &Shard| if is_included(shard) { shard.parallelism } else { 0 };
    let mut given = per_member(record, parallelism);
    let shards = per_member(record, |shard| i32::from(is_included(shard)));
    given.retain(|name, _| sum_of(&shards, name) > 0);
    given
}

/// Raises each amount to its minimum. What that needs is taken from the amounts above their minima,
/// in proportion to what is above.
fn with_minima(amounts: &[i32], minima: &[i32]) -> Vec<i32> {
    let lacking = amounts.iter().zip(minima).map(|(sum, minimum)| (minimum - sum).max(0)).sum();
    let above: Vec<i32> =
        amounts.iter().zip(minima).map(|(sum, minimum)| (sum - minimum).max(0)).collect();
    let taken = apportion(lacking, &above);
    amounts
        .iter()
        .zip(minima)
        .zip(taken)
        .map(|((sum, minimum), taken)| (sum - taken).max(*minimum))
        .collect()
}

/// Divides the pods of one member over its shards, by what remains in each. Each shard keeps its
/// running pods if the sum allows that, and gets at least one otherwise.
pub(in crate::reconcile) fn split(record: &mut Record, shards: &[u32], sum: i32) {
    let shard = |id: &u32| &record.shards[id];
    let minima = [least, needed].map(|minimum: fn(&Record, &Shard) -> i32| {
        shards.iter().map(|id| minimum(record, shard(id))).collect::<Vec<_>>()
    });
    let fits = |minima: &Vec<i32>| minima.iter().copied().fold(0, i32::saturating_add) <= sum;
    let minima = minima.into_iter().find(fits).unwrap_or_else(|| vec![1; shards.len()]);
    let mut rest = (sum - minima.iter().sum::<i32>()).max(0);
    // Pods beyond a shard's completions would start nothing. They go to whoever has room.
    let room =
        shards.iter().zip(&minima).map(|(id, minimum)| (shard(id).remaining() - minimum).max(0));
    let mut more = apportion(rest, &room.collect::<Vec<_>>());
    rest -= more.iter().sum::<i32>();
    if let Some(first) = more.first_mut() {
        *first += rest;
    }
    for ((id, minimum), more) in shards.iter().zip(minima).zip(more) {
        set_parallelism(record, *id, minimum + more);
    }
}

fn set_parallelism(record: &mut Record, id: u32, pods: i32) {
    record.shards.get_mut(&id).expect("an id of this ledger").set_parallelism(pods);
}

fn ids_where(record: &Record, condition: impl Fn(&Shard) -> bool) -> Vec<u32> {
    record.shards.iter().filter(|(_, shard)| condition(shard)).map(|(id, _)| *id).collect()
}

#[cfg(test)]
mod tests;
