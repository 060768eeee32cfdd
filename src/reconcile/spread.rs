//! Where work goes that nobody carries, from whom it is taken, and how many pods each shard may run; pure.

use std::collections::{BTreeMap, BTreeSet};

use super::Place;
use crate::{
    job::{Indexes, Size},
    plan::{self, PREFERENCES, Plan, Preferences, Request, Share},
    state::{Record, Shard},
};

type Places = BTreeMap<String, Place>;

/// Opens shards for the work that no shard carries and that nobody holds back, where the plan for the whole Job has too little
/// so far. Where the members have no place for it, it stays unplaced.
pub(super) fn open(record: &mut Record, places: &Places, now: i64) {
    let homeless = Homeless::of(record);
    let amount = homeless.len();
    let draining = draining(record);
    let takes = |name: &str, place: &Place| place.takes_work && !draining.contains(name);
    if amount == 0 {
        return;
    }
    let deadline = record.manifest.active_deadline_seconds().zip(record.state.started);
    let seconds = deadline.map(|(seconds, started)| (started + seconds - now).max(1));
    if let Homeless::Pods(pods) = homeless {
        let members = places.iter().filter(|(name, place)| takes(name, place));
        let members =
            members.map(|(name, place)| plan::Member { weight: place.weight, ..plan::Member::new(name) });
        let plan = plan_for(record, places, &members.collect::<Vec<_>>(), pods, None);
        for (cluster, share) in plan.map(|plan| plan.shares).unwrap_or_default() {
            let shard = Shard::planned(&cluster, Size { parallelism: share.parallelism, completions: None });
            record.add(Shard { active_deadline_seconds: seconds, ..shard });
        }
        return;
    }
    let Some(plan) = planned(record, places, takes, true) else { return };
    let carried = per_member(record, Shard::carries);
    let targets: Vec<i32> = plan.shares.values().map(|share| share.completions.unwrap_or(0)).collect();
    let lacks =
        plan.shares.iter().zip(&targets).map(|((name, _), target)| (target - had(&carried, name)).max(0));
    let mut parts = apportion(amount, &lacks.collect::<Vec<_>>());
    let rest = amount - parts.iter().sum::<i32>();
    parts.iter_mut().zip(apportion(rest, &targets)).for_each(|(part, more)| *part += more);

    let mut homeless = homeless;
    for (cluster, part) in plan.shares.keys().zip(parts).filter(|(_, part)| *part > 0) {
        let shard = match &mut homeless {
            Homeless::Completions(_) | Homeless::Pods(_) => {
                Shard::planned(cluster, Size { parallelism: 1, completions: Some(part) })
            }
            Homeless::Indexes(left) => {
                let (own, others) = left.split(part);
                *left = others;
                Shard::planned_indexes(cluster, 1, own)
            }
        };
        record.add(Shard { active_deadline_seconds: seconds, ..shard });
    }
    divide_parallelism(record, places, false);
}

/// Work that no shard carries, less what a user took away by deleting a Job, and what failed.
enum Homeless {
    Completions(i32),
    Indexes(Indexes),
    /// Of a work queue that has not succeeded: the pods of shards that were stopped or are opened again.
    Pods(i32),
}

impl Homeless {
    fn of(record: &Record) -> Self {
        let Size { parallelism, completions } = record.manifest.size();
        let Some(asked) = completions else {
            let leaves = |shard: &Shard| shard.phase.ended() && (shard.retired || shard.reopened);
            let pods = record.shards.values().filter(|shard| !leaves(shard)).map(|shard| shard.parallelism);
            let missing = parallelism.saturating_sub(pods.fold(0, i32::saturating_add)).max(0);
            return Self::Pods(if record.achieved() > 0 { 0 } else { missing });
        };
        let held = record.shards.values().filter(|shard| shard.phase.ended() && !shard.reopened);
        if record.manifest.indexed() {
            let own = held.filter_map(|shard| shard.indexes.as_ref());
            let held = own.fold(record.carried_indexes(), |all, own| all.with(own));
            return Self::Indexes(Indexes::all(asked).without(&held).without(&record.failed_indexes()));
        }
        let held: i32 = held.map(|shard| shard.share().completions.unwrap_or(0) - shard.carries()).sum();
        Self::Completions((record.unplaced() - held).max(0))
    }

    fn len(&self) -> i32 {
        match self {
            Self::Completions(count) | Self::Pods(count) => *count,
            Self::Indexes(indexes) => indexes.len(),
        }
    }
}

/// Whether work may have to be opened in a member that has no shard yet, now or once some was taken off another.
pub fn may_open(record: &Record) -> bool {
    let moves = |shard: &Shard| !shard.phase.ended() && (shard.retired || shard.credit > shard.credited);
    Homeless::of(record).len() > 0 || record.shards.values().any(moves)
}

/// Has taken off what the shards carry beyond what is asked for: first where the plan would have less, and
/// of what has not started.
pub(super) fn take_excess(record: &mut Record, places: &Places) {
    let Some(asked) = record.manifest.size().completions else { return };
    if record.manifest.indexed() {
        let space = Indexes::all(asked);
        for shard in record.shards.values_mut().filter(|shard| !shard.phase.ended()) {
            let completed = shard.seen.as_ref().map(|seen| seen.completed.clone()).unwrap_or_default();
            let beyond =
                shard.indexes.as_ref().map_or(0, |own| own.without(&space).without(&completed).len());
            shard.credit = shard.credit.max(shard.credited + beyond);
        }
        return;
    }
    let promised: i32 = record.shards.values().map(promised).sum();
    let mut excess = promised - asked;
    if excess <= 0 {
        return;
    }
    if let Some(plan) = planned(record, places, |_, _| true, false) {
        excess -= take_surplus(record, &plan, excess);
    }
    for free in [unstarted, unpromised] {
        excess -= take(record, excess, |_| true, free);
    }
}

/// Has taken off each member what it carries beyond the plan, if the preferences ask for that.
pub(super) fn rebalance(record: &mut Record, places: &Places) {
    if !preferences(record, places).is_some_and(|preferences| preferences.rebalance) {
        return;
    }
    if let Some(plan) = planned(record, places, |_, place| place.takes_work, false) {
        take_surplus(record, &plan, i32::MAX);
    }
}

/// Has taken off what each member has beyond a plan, at most `limit` in all; gives how much that is.
fn take_surplus(record: &mut Record, plan: &Plan, limit: i32) -> i32 {
    let planned = |name: &str| plan.shares.get(name).and_then(|share| share.completions).unwrap_or(0);
    let has = per_member(record, promised);
    let free = per_member(record, unstarted);
    let surplus: Vec<_> =
        has.iter().map(|(name, has)| (has - planned(name)).clamp(0, had(&free, name))).collect();
    let parts = apportion(limit, &surplus);
    let mut taken = 0;
    for (name, part) in has.keys().zip(parts) {
        taken += take(record, part, |shard| shard.cluster == *name, unstarted);
    }
    taken
}

/// Has taken off `amount` of what these shards have free; gives how much that is.
fn take(record: &mut Record, amount: i32, of: impl Fn(&Shard) -> bool, free: fn(&Shard) -> i32) -> i32 {
    let caps: Vec<i32> =
        record.shards.values().map(|shard| if of(shard) { free(shard) } else { 0 }).collect();
    let parts = apportion(amount.max(0), &caps);
    for (shard, part) in record.shards.values_mut().zip(&parts) {
        shard.credit += part;
    }
    parts.iter().sum()
}

/// What a shard will have carried once all is taken off that is to be.
fn promised(shard: &Shard) -> i32 {
    if shard.phase.ended() {
        shard.carries()
    } else {
        shard.share().completions.unwrap_or(0) - outstanding(shard)
    }
}

fn outstanding(shard: &Shard) -> i32 {
    (shard.credit - shard.credited).clamp(0, shard.remaining())
}

/// What remains in a shard beyond what is to be taken off.
fn unpromised(shard: &Shard) -> i32 {
    shard.remaining() - outstanding(shard)
}

/// The same, less what runs.
fn unstarted(shard: &Shard) -> i32 {
    (unpromised(shard) - shard.seen.as_ref().map_or(0, |seen| seen.active)).max(0)
}

/// Members of which everything is to be taken off: nothing is given to them meanwhile.
fn draining(record: &Record) -> BTreeSet<String> {
    let all = |shard: &&Shard| {
        !shard.phase.ended() && !shard.retired && shard.completions.is_some_and(|given| shard.credit >= given)
    };
    record.shards.values().filter(all).map(|shard| shard.cluster.clone()).collect()
}

/// Says how many pods each shard may run that has not ended, so that the members' sums are those of the plan for what remains. A
/// shard that has work never gets 0 (G2). With `drain`, where the plan gives a member nothing, its
/// unstarted work is to be taken off.
pub(super) fn divide_parallelism(record: &mut Record, places: &Places, drain: bool) {
    let Size { parallelism, completions } = record.manifest.size();
    let runs = |shard: &Shard| {
        !shard.phase.ended() && !shard.retired && (completions.is_none() || unpromised(shard) > 0)
    };
    let remaining = per_member(record, |shard| if runs(shard) { unpromised(shard) } else { 0 });
    let running: BTreeSet<String> =
        record.shards.values().filter(|shard| runs(shard)).map(|shard| shard.cluster.clone()).collect();
    let pods = per_member(record, |shard| if runs(shard) { shard.parallelism } else { 0 });
    let share = |name: &str| Share {
        parallelism: had(&pods, name),
        completions: completions.map(|_| had(&remaining, name)),
    };
    let members = running.iter().map(|name| plan::Member {
        weight: places.get(name).map_or(1, |place| place.weight),
        existing: Some(share(name)),
        ..plan::Member::new(name)
    });
    let left = completions.map(|_| remaining.values().sum());
    let plan = plan_for(record, places, &members.collect::<Vec<_>>(), parallelism, left);
    // Where the preferences give them no plan, each keeps what it has, as far as there is so much now.
    let kept = apportion(parallelism, &running.iter().map(|name| had(&pods, name)).collect::<Vec<_>>());
    for (cluster, kept) in running.into_iter().zip(kept) {
        let here: Vec<u32> = record
            .shards
            .iter()
            .filter(|(_, shard)| shard.cluster == cluster && runs(shard))
            .map(|(id, _)| *id)
            .collect();
        let sum = match &plan {
            Some(plan) => plan.shares.get(&cluster).map_or(0, |share| share.parallelism),
            None => kept,
        };
        if drain && sum == 0 && parallelism > 0 {
            for id in &here {
                let shard = record.shards.get_mut(id).expect("listed above");
                shard.credit = shard.completions.unwrap_or(0);
            }
        }
        split_parallelism(record, &here, if parallelism == 0 { None } else { Some(sum) });
    }
}

/// Divides the pods of one member over its shards, by what remains in each, and at least one for each; none where the Job is
/// paused.
pub(super) fn split_parallelism(record: &mut Record, shards: &[u32], sum: Option<i32>) {
    let weights: Vec<i32> = shards.iter().map(|id| record.shards[id].remaining().max(1)).collect();
    let ones = i32::try_from(shards.len()).unwrap_or(i32::MAX);
    let mut parts = match sum {
        None => vec![0; shards.len()],
        Some(sum) if sum <= ones => vec![1; shards.len()],
        Some(sum) => {
            let mut parts = vec![1; shards.len()];
            let mut rest = sum - ones;
            // More pods than completions start nothing: what is beyond goes to whoever has room.
            let room: Vec<i32> = weights.iter().map(|weight| weight - 1).collect();
            let by_work = apportion(rest, &room);
            rest -= by_work.iter().sum::<i32>();
            parts.iter_mut().zip(by_work).for_each(|(part, more)| *part += more);
            parts[0] += rest;
            parts
        }
    };
    for (id, part) in shards.iter().zip(parts.drain(..)) {
        let shard = record.shards.get_mut(id).expect("of this ledger");
        if shard.parallelism != part {
            shard.parallelism = part;
            shard.change();
        }
    }
}

/// The plan for the whole Job over some places; with `keep`, on top of what the members carry, as far as the preferences do not
/// ask to rebalance. None where there is none: an edit is refused then, and what became impossible later waits.
fn planned(record: &Record, places: &Places, of: impl Fn(&str, &Place) -> bool, keep: bool) -> Option<Plan> {
    let Size { parallelism, completions } = record.manifest.size();
    let carried = per_member(record, Shard::carries);
    let pods = per_member(record, |shard| if shard.phase.ended() { 0 } else { shard.parallelism });
    let existing = |name: &str| {
        let share = Share { parallelism: had(&pods, name), completions: Some(had(&carried, name)) };
        Some(share).filter(|share| keep && share.completions > Some(0))
    };
    let members = places.iter().filter(|(name, place)| of(name, place)).map(|(name, place)| plan::Member {
        weight: place.weight,
        existing: existing(name),
        ..plan::Member::new(name)
    });
    plan_for(record, places, &members.collect::<Vec<_>>(), parallelism, completions)
}

fn plan_for(
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
    let request = Request { key: &key, members, preferences: preferences.as_ref(), parallelism, completions };
    plan::plan(&request).ok()
}

/// The Job's preferences, where it has some that can be followed.
fn preferences(record: &Record, places: &Places) -> Option<Preferences> {
    let names: Vec<&str> = places.keys().map(String::as_str).collect();
    Preferences::parse(record.manifest.annotation(PREFERENCES)?, &names).ok()
}

fn per_member(record: &Record, count: impl Fn(&Shard) -> i32) -> BTreeMap<String, i32> {
    let mut sums = BTreeMap::new();
    for shard in record.shards.values() {
        let sum: &mut i32 = sums.entry(shard.cluster.clone()).or_default();
        *sum = sum.saturating_add(count(shard));
    }
    sums
}

fn had(sums: &BTreeMap<String, i32>, name: &str) -> i32 {
    sums.get(name).copied().unwrap_or(0)
}

/// Divides an amount in proportion to caps, none of which is exceeded, by largest remainder, ties to the first. Where the caps hold
/// less than the amount, they are filled.
fn apportion(amount: i32, caps: &[i32]) -> Vec<i32> {
    let total: i64 = caps.iter().map(|cap| i64::from(*cap)).sum();
    let amount = i64::from(amount);
    if amount >= total {
        return caps.to_vec();
    }
    let exact = |cap: &i32| amount * i64::from(*cap);
    let mut parts: Vec<i64> = caps.iter().map(|cap| exact(cap) / total).collect();
    let mut order: Vec<usize> = (0..caps.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(exact(&caps[*i]) % total));
    let missing = usize::try_from(amount - parts.iter().sum::<i64>()).unwrap_or(0);
    order.iter().take(missing).for_each(|i| parts[*i] += 1);
    parts.iter().map(|part| i32::try_from(*part).unwrap_or(i32::MAX)).collect()
}
