//! How many pods each shard may run, and which shards are to run out; pure.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::apportion::{Places, apportion, had, per_member, plan_for};
use crate::{
    plan::{self, Share},
    state::{Phase, Record, Shard},
};

/// Whether a shard may have pods that run: it is not stopped, and something is left in it, even if
/// that is to be taken off.
pub(in crate::reconcile) fn may_run(shard: &Shard) -> bool {
    !shard.phase.ended() && !shard.retired && (shard.completions.is_none() || shard.remaining() > 0)
}

/// Whether a shard is to go on: something is left in it beyond what runs and what is to be taken
/// off.
fn goes_on(shard: &Shard) -> bool {
    let running = shard.parallelism.min(shard.active());
    may_run(shard) && (shard.completions.is_none() || shard.retained() > running)
}

/// Whether a shard is to end with what runs in it: all that it has not started is to be taken off,
/// if anything is.
fn runs_out(shard: &Shard) -> bool {
    may_run(shard) && !goes_on(shard)
}

/// How many pods a shard that goes on runs, and at least the one that it may.
fn running(shard: &Shard) -> i32 {
    shard.parallelism.min(shard.active()).max(1)
}

/// How many pods may run in shards that run out or are being stopped.
fn pods_running_out(record: &Record) -> i32 {
    let stops = |shard: &Shard| {
        shard.retired && shard.phase == Phase::Started && shard.completions.is_some()
    };
    let ending = record.shards.values().filter(|shard| runs_out(shard) || stops(shard));
    ending.map(|shard| shard.parallelism.min(shard.remaining())).fold(0, i32::saturating_add)
}

/// How many pods more may run, where none that runs is stopped.
pub(in crate::reconcile) fn free_pods(record: &Record) -> i32 {
    let running = record.shards.values().filter(|shard| goes_on(shard)).map(running);
    let taken = running.fold(pods_running_out(record), i32::saturating_add);
    record.manifest.size().parallelism.saturating_sub(taken).max(0)
}

/// Members that are to run out altogether: nothing is given to them meanwhile.
pub(in crate::reconcile) fn drained_members(record: &Record) -> BTreeSet<String> {
    let clusters_where = |of: fn(&Shard) -> bool| {
        let shards = record.shards.values().filter(move |shard| may_run(shard) && of(shard));
        shards.map(|shard| shard.cluster.clone()).collect::<BTreeSet<_>>()
    };
    let drains =
        |shard: &Shard| shard.completions.is_some_and(|given| shard.credit_target >= given);
    &clusters_where(drains) - &clusters_where(|shard| shard.retained() > 0)
}

/// Divides the pods again after an edit. A shard that has work never gets none (G2): where there
/// are fewer pods than shards, those without one run out; of a work queue, they are stopped.
pub(in crate::reconcile) fn divide_anew(record: &mut Record, places: &Places) {
    let pods = record.manifest.size().parallelism;
    if pods > 0 {
        // Where fewer may run than do, what would have ended with all that it runs goes on with
        // fewer.
        let running = record.shards.values().filter(|shard| may_run(shard)).map(running);
        if running.fold(0, i32::saturating_add) > pods {
            for id in of(record, |shard| runs_out(shard) && shard.retained() > 1) {
                allow(record, id, 1);
            }
        }
        let too_many = of(record, goes_on).len() > usize::try_from(pods).unwrap_or(0);
        for (cluster, sum) in per_cluster(record, places, pods) {
            let mut here = of(record, |shard| goes_on(shard) && shard.cluster == cluster);
            here.sort_by_key(|id| Reverse(record.shards[id].remaining()));
            let keeps =
                if sum == 0 || too_many { usize::try_from(sum).unwrap_or(0) } else { here.len() };
            here.iter().skip(keeps).for_each(|id| run_out(record, *id));
        }
        let ending = of(record, runs_out);
        let rest = pods.saturating_sub(count(of(record, goes_on).len() + ending.len())).max(0);
        // What runs goes on, as far as that many pods may run.
        let more = ending.iter().map(|id| self::running(&record.shards[id]) - 1);
        let more = apportion(rest, &more.collect::<Vec<_>>());
        for (id, more) in ending.into_iter().zip(more) {
            allow(record, id, 1 + more);
        }
    }
    divide(record, places);
}

fn run_out(record: &mut Record, id: u32) {
    let succeeded = record.achieved() > 0;
    let shard = record.shards.get_mut(&id).expect("of this ledger");
    match shard.completions {
        Some(completions) => shard.credit_target = completions,
        // One that has succeeded runs out by itself.
        None => shard.retired |= !succeeded,
    }
}

/// Says how many pods each shard may run that goes on, so that the members' sums are those of the
/// plan for what remains, less what runs out.
pub(in crate::reconcile) fn divide(record: &mut Record, places: &Places) {
    let pods = record.manifest.size().parallelism;
    if pods == 0 {
        return of(record, may_run).into_iter().for_each(|id| allow(record, id, 0));
    }
    for id in of(record, runs_out) {
        let least = record.shards[&id].parallelism.max(1);
        allow(record, id, least);
    }
    let pods = pods.saturating_sub(pods_running_out(record)).max(1);
    let sums = per_cluster(record, places, pods);
    let least = |least: fn(&Shard) -> i32| {
        let least = per_member(record, |shard| if goes_on(shard) { least(shard) } else { 0 });
        sums.iter().map(|(cluster, _)| had(&least, cluster)).collect::<Vec<_>>()
    };
    // No pod that runs is stopped, unless fewer may run.
    let least = Some(least(running))
        .filter(|least| least.iter().sum::<i32>() <= pods)
        .unwrap_or(least(|_| 1));
    let divided = at_least(&sums.iter().map(|(_, sum)| *sum).collect::<Vec<_>>(), &least);
    for ((cluster, _), sum) in sums.into_iter().zip(divided) {
        let here = of(record, |shard| goes_on(shard) && shard.cluster == cluster);
        split(record, &here, sum);
    }
}

/// The plan of so many pods for what remains, over the members whose shards go on; it may have none
/// for some.
fn per_cluster(record: &Record, places: &Places, pods: i32) -> Vec<(String, i32)> {
    let remaining = per_member(record, |shard| if goes_on(shard) { shard.retained() } else { 0 });
    let completions = record.manifest.size().completions.map(|_| remaining.values().sum());
    let given = given(record);
    // Pods that may not run any more are taken from all alike: where each kept what it has, the
    // last would be left with none.
    let fits = given.values().map(|pods| i64::from(*pods)).sum::<i64>() <= i64::from(pods);
    let share = |name: &str| Share {
        parallelism: had(&given, name),
        completions: completions.map(|_| had(&remaining, name)),
    };
    // What a work queue may run more may run anywhere.
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
        // Where the preferences give them no plan, each keeps what it has, as far as there is so
        // much now.
        None => {
            let kept =
                apportion(pods, &given.values().map(|pods| (*pods).max(1)).collect::<Vec<_>>());
            given.into_keys().zip(kept).collect()
        }
    }
}

/// How many pods each member may run whose shards go on.
pub(in crate::reconcile) fn given(record: &Record) -> BTreeMap<String, i32> {
    let mut given = per_member(record, |shard| if goes_on(shard) { shard.parallelism } else { 0 });
    let shards = per_member(record, |shard| i32::from(goes_on(shard)));
    given.retain(|name, _| had(&shards, name) > 0);
    given
}

/// The same sum, with at least so much each, taken from those that have more in proportion to that.
fn at_least(sums: &[i32], least: &[i32]) -> Vec<i32> {
    let lacking = sums.iter().zip(least).map(|(sum, least)| (least - sum).max(0)).sum();
    let beyond: Vec<i32> =
        sums.iter().zip(least).map(|(sum, least)| (sum - least).max(0)).collect();
    let taken = apportion(lacking, &beyond);
    sums.iter()
        .zip(least)
        .zip(taken)
        .map(|((sum, least), taken)| (sum - taken).max(*least))
        .collect()
}

/// Divides the pods of one member over its shards, by what remains in each: at least what runs,
/// where there are so many, and one for each otherwise.
pub(in crate::reconcile) fn split(record: &mut Record, shards: &[u32], sum: i32) {
    let shard = |id: &u32| &record.shards[id];
    let mut least: Vec<i32> = shards.iter().map(|id| running(shard(id))).collect();
    if least.iter().sum::<i32>() > sum {
        least = vec![1; shards.len()];
    }
    let mut rest = (sum - least.iter().sum::<i32>()).max(0);
    // More pods than completions start nothing: what is beyond goes to whoever has room.
    let room = shards.iter().zip(&least).map(|(id, least)| (shard(id).remaining() - least).max(0));
    let mut parts = apportion(rest, &room.collect::<Vec<_>>());
    rest -= parts.iter().sum::<i32>();
    if let Some(first) = parts.first_mut() {
        *first += rest;
    }
    for ((id, least), part) in shards.iter().zip(least).zip(parts) {
        allow(record, *id, least + part);
    }
}

fn allow(record: &mut Record, id: u32, pods: i32) {
    let shard = record.shards.get_mut(&id).expect("of this ledger");
    if shard.parallelism != pods {
        shard.parallelism = pods;
        shard.change();
    }
}

fn of(record: &Record, which: impl Fn(&Shard) -> bool) -> Vec<u32> {
    record.shards.iter().filter(|(_, shard)| which(shard)).map(|(id, _)| *id).collect()
}

fn count(len: usize) -> i32 {
    i32::try_from(len).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
