//! Which shards are opened for work that no shard carries, and from which shards work is taken;
//! pure.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{
    apportion::{apportion, asks_to_rebalance, per_member, plan_for, sum_of},
    pods::{divide, drained_members, free_pods, given, may_run},
    unplaced::Placeable,
};
use crate::{
    job::{Indexes, Lease, Size},
    plan::{self, Plan, Share},
    reconcile::observe::{Place, Places},
    state::{Record, Shard},
};

/// Opens shards for placeable work, in members that carry less than the plan for the whole Job
/// gives them. Work for which the members have no room stays unplaced.
///
/// Each shard that has work may run a pod (G2). So no more shards are opened than pods are free.
/// The rest waits until pods end, and no running pod is stopped for it.
pub(in crate::reconcile) fn open(record: &mut Record, places: &Places, now: i64) {
    let placeable = Placeable::in_record(record);
    if placeable.len() == 0 || most_new_shards(record) == 0 {
        return;
    }
    let deadline = record.manifest.active_deadline_seconds().zip(record.state.started);
    let left = |(seconds, started): (i64, i64)| seconds.saturating_add(started.saturating_sub(now));
    let seconds = deadline.map(|it| left(it).max(1));
    let opened = match placeable {
        Placeable::Pods(pods) => new_queue_shards(record, places, pods),
        placeable => new_shards(record, places, placeable),
    };
    if opened.is_empty() {
        return;
    }
    for shard in opened {
        let lease = places.get(&shard.cluster).and_then(Place::lease_seconds);
        let lease = Lease::planned(&record.manifest, lease, now);
        record.add(Shard { active_deadline_seconds: seconds, lease, ..shard });
    }
    if record.manifest.size().completions.is_some() {
        divide(record, places);
    }
}

/// The shards for placeable completions or indexes. Each gets one pod until the pods are divided.
fn new_shards(record: &Record, places: &Places, mut placeable: Placeable) -> Vec<Shard> {
    let mut shards = Vec::new();
    for (cluster, amount) in portions(record, places, placeable.len()) {
        shards.push(match &mut placeable {
            Placeable::Completions(_) | Placeable::Pods(_) => {
                Shard::planned(&cluster, Size { parallelism: 1, completions: Some(amount) })
            }
            Placeable::Indexes(left) => {
                let (own, others) = left.split(amount);
                *left = others;
                Shard::planned_indexes(&cluster, 1, own)
            }
        });
    }
    shards
}

/// How many of so many completions each member gets: in proportion to what it lacks of the plan
/// for the whole Job, and the rest in proportion to the plan. No more members get some than shards
/// may be opened.
fn portions(record: &Record, places: &Places, amount: i32) -> Vec<(String, i32)> {
    let Some(plan) = plan_whole(record, places, takers(record), Existing::Carried) else {
        return Vec::new();
    };
    let carried = carried_per_member(record, Shard::carried);
    let planned: Vec<i32> =
        plan.shares.values().map(|share| share.completions.unwrap_or(0)).collect();
    let lacking = plan
        .shares
        .keys()
        .zip(&planned)
        .map(|(name, planned)| (planned - sum_of(&carried, name)).max(0));
    let mut portions = apportion(amount, &lacking.collect::<Vec<_>>());
    let rest = amount - portions.iter().sum::<i32>();
    portions.iter_mut().zip(apportion(rest, &planned)).for_each(|(portion, more)| *portion += more);

    let mut portions: Vec<(String, i32)> =
        plan.shares.keys().cloned().zip(portions).filter(|(_, portion)| *portion > 0).collect();
    let running_shards = per_member(record, |shard| i32::from(may_run(shard)));
    portions
        .sort_by_key(|(cluster, portion)| (sum_of(&running_shards, cluster), Reverse(*portion)));
    join_parts_of_gangs(record, &mut portions);
    portions.truncate(most_new_shards(record));
    portions.sort();
    portions
}

/// The shards for so many more pods of a work queue, in members that have fewer pods than the plan
/// for all of them.
fn new_queue_shards(record: &Record, places: &Places, pods: i32) -> Vec<Shard> {
    let may_take = takers(record);
    let given = given(record);
    let existing =
        |name: &str| given.get(name).map(|pods| Share { parallelism: *pods, completions: None });
    let members = places
        .iter()
        .filter(|(name, place)| may_take(name, place) || given.contains_key(*name))
        .map(|(name, place)| plan::Member {
            weight: place.weight,
            existing: existing(name),
            ..plan::Member::new(name)
        });
    let all = given.values().copied().fold(pods, i32::saturating_add);
    let Some(plan) = plan_for(record, places, &members.collect::<Vec<_>>(), all, None) else {
        return Vec::new();
    };
    let lacking = plan
        .shares
        .iter()
        .filter(|(name, _)| places.get(*name).is_some_and(|place| may_take(name, place)))
        .map(|(name, share)| (name, (share.parallelism - sum_of(&given, name)).max(0)));
    let (names, lacking): (Vec<_>, Vec<_>) = lacking.unzip();
    let portions = names.into_iter().cloned().zip(apportion(pods, &lacking));
    let mut portions: Vec<_> = portions.filter(|(_, parallelism)| *parallelism > 0).collect();
    join_parts_of_gangs(record, &mut portions);
    let planned = |(name, parallelism): (String, i32)| {
        Shard::planned(&name, Size { parallelism, completions: None })
    };
    portions.into_iter().map(planned).collect()
}

/// Adds portions that are less than a gang to the first one, from the last on.
fn join_parts_of_gangs(record: &Record, portions: &mut Vec<(String, i32)>) {
    let gang = record.manifest.gang().unwrap_or(1);
    let is_part = |(_, portion): &(String, i32)| *portion < gang;
    while portions.len() > 1
        && let Some(last) = portions.iter().rposition(is_part)
    {
        let (_, part) = portions.remove(last);
        portions[0].1 += part;
    }
}

/// How many more shards may be opened, if each runs a pod, or a gang.
fn most_new_shards(record: &Record) -> usize {
    if record.manifest.size().parallelism == 0 {
        return usize::MAX;
    }
    let placeable = Placeable::in_record(record).len();
    let each = record.manifest.gang().map_or(1, |gang| gang.min(placeable).max(1));
    usize::try_from(free_pods(record) / each).unwrap_or(0)
}

/// How much placeable work waits only for running pods to end.
pub(in crate::reconcile) fn waiting_for_pods(record: &Record) -> i32 {
    if most_new_shards(record) == 0 { Placeable::in_record(record).len() } else { 0 }
}

/// Whether a member may be given a shard. A Job that selects its pods itself can have only one
/// shard in a member. A cluster that was declared lost and is back has to end first what it has
/// (G8).
fn may_take(record: &Record, name: &str, place: &Place) -> bool {
    let here = || record.shards.values().filter(|shard| shard.cluster == name);
    let has_lost = here().any(|shard| shard.is_lost() && shard.is_in(&place.uid));
    let has_one = record.manifest.manual_selector() && here().next().is_some();
    takes_work(record, place) && !has_lost && !has_one
}

/// Whether a member takes work of this Job: its lease would not end pods that the user lets run
/// longer.
fn takes_work(record: &Record, place: &Place) -> bool {
    place.takes_work && !place.ends_pods_of(&record.manifest)
}

/// Says which members may be given a shard now: not those from which all work is being taken.
fn takers(record: &Record) -> impl Fn(&str, &Place) -> bool {
    let drained = drained_members(record);
    move |name, place| may_take(record, name, place) && !drained.contains(name)
}

/// Whether there is work, now or once some `moves`, that no member may take.
pub(in crate::reconcile) fn lacks_place(record: &Record, places: &Places, moves: bool) -> bool {
    (moves || Placeable::in_record(record).len() > 0)
        && !places.iter().any(|(name, place)| may_take(record, name, place))
}

/// What the members do together: the size of the Job, less what was done before it. A retry of an
/// Indexed Job begins with indexes that no member has done.
fn size_in_members(record: &Record) -> Size {
    let folded = &record.state.folded;
    let before = (folded.carried_indexes.len() - folded.sum(|totals| totals.carried)).max(0);
    let Size { parallelism, completions } = record.manifest.size();
    Size { parallelism, completions: completions.map(|asked| (asked - before).max(0)) }
}

/// Whether members that take work have room for all of the Job.
pub(in crate::reconcile) fn others_may_take(record: &Record, places: &Places) -> bool {
    let Size { parallelism, completions } = size_in_members(record);
    let takers = places.iter().filter(|(name, place)| may_take(record, name, place));
    let members = takers
        .map(|(name, place)| plan::Member { weight: place.weight, ..plan::Member::new(name) });
    let members: Vec<_> = members.collect();
    !members.is_empty() && plan_for(record, places, &members, parallelism, completions).is_some()
}

/// Whether a shard may have to be opened in a member that has none, now or once work was taken from
/// another shard.
pub fn may_open(record: &Record) -> bool {
    let moves =
        |shard: &Shard| !shard.is_over() && (shard.retired || shard.credit_target > shard.credited);
    Placeable::in_record(record).len() > 0 || record.shards.values().any(moves)
}

/// Takes from the shards what they carry beyond what the Job asks for: first from members that
/// carry more than the plan gives them, and first work that has not started.
pub(in crate::reconcile) fn take_excess(record: &mut Record, places: &Places) {
    let Some(asked) = record.manifest.size().completions else { return };
    if record.manifest.indexed() {
        return take_indexes_beyond(record, asked);
    }
    let planned: i32 = carried_per_member(record, carried_after_credit).values().sum();
    let mut excess = planned - asked;
    if excess <= 0 {
        return;
    }
    if let Some(plan) = plan_whole(record, places, |_, _| true, Existing::Ignored) {
        excess -= take_surplus(record, &plan, excess);
    }
    for available in [Shard::unstarted, Shard::retained] {
        excess -= take(record, excess, |_| true, available, 1);
    }
}

/// Takes the indexes from `asked` on from each shard, and those that have succeeded in a shard
/// that was given up, less those that it has completed.
fn take_indexes_beyond(record: &mut Record, asked: i32) {
    let all = Indexes::all(asked).without(&record.done_in_given_up());
    for shard in record.shards.values_mut().filter(|shard| !shard.is_over()) {
        let completed = shard.seen.as_ref().map(|seen| seen.completed.clone()).unwrap_or_default();
        let beyond =
            shard.indexes.as_ref().map_or(0, |own| own.without(&all).without(&completed).len());
        shard.credit_target = shard.credit_target.max(shard.credited + beyond);
    }
}

/// Takes from each member what it carries beyond the plan, if the preferences ask to rebalance.
pub(in crate::reconcile) fn rebalance(record: &mut Record, places: &Places) {
    if asks_to_rebalance(record, places) {
        rebalance_now(record, places);
    }
}

/// Takes from each member what it carries beyond the plan and has not started, whatever the
/// preferences ask. Members that carry less get it, as pods become free.
pub fn rebalance_now(record: &mut Record, places: &Places) {
    let included = |_: &str, place: &Place| takes_work(record, place);
    if let Some(plan) = plan_whole(record, places, included, Existing::Ignored) {
        take_surplus(record, &plan, i32::MAX);
    }
}

/// Takes from each member what it carries beyond a plan, at most `limit` in all. Returns how much
/// was taken.
fn take_surplus(record: &mut Record, plan: &Plan, limit: i32) -> i32 {
    let planned =
        |name: &str| plan.shares.get(name).and_then(|share| share.completions).unwrap_or(0);
    let carried = carried_per_member(record, carried_after_credit);
    let unstarted_sums = per_member(record, Shard::unstarted);
    let surplus: Vec<_> = carried
        .iter()
        .map(|(name, carried)| (carried - planned(name)).clamp(0, sum_of(&unstarted_sums, name)))
        .collect();
    let portions = apportion(limit, &surplus);
    let gang = record.manifest.gang().unwrap_or(1);
    let mut taken = 0;
    for (name, portion) in carried.keys().zip(portions) {
        taken += take(record, portion, |shard| shard.cluster == *name, Shard::unstarted, gang);
    }
    taken
}

/// Takes `amount` from some shards, in proportion to what is available in each. What a shard is
/// left with, besides what runs, is no part of a gang of so many pods. Returns how much was taken.
fn take(
    record: &mut Record,
    amount: i32,
    from: impl Fn(&Shard) -> bool,
    available: fn(&Shard) -> i32,
    gang: i32,
) -> i32 {
    let caps: Vec<i32> = record
        .shards
        .values()
        .map(|shard| if from(shard) { available(shard) } else { 0 })
        .collect();
    let portions = apportion(amount.max(0), &caps);
    let mut taken = 0;
    for (shard, mut portion) in record.shards.values_mut().zip(portions) {
        let retained = shard.retained() - shard.failed_indexes();
        let left = retained - portion;
        if portion > 0 && left < gang && left > shard.active() {
            portion = (retained - gang).max(0);
        }
        shard.credit_target += portion;
        taken += portion;
    }
    taken
}

/// What each member carries, with what shards did there that are not in the ledger any more.
fn carried_per_member(record: &Record, count: fn(&Shard) -> i32) -> BTreeMap<String, i32> {
    let mut sums = per_member(record, count);
    for (name, totals) in &record.state.folded.clusters {
        let sum = sums.entry(name.clone()).or_default();
        *sum = sum.saturating_add(totals.carried);
    }
    sums
}

/// What a shard carries once everything is credited that is to be credited.
fn carried_after_credit(shard: &Shard) -> i32 {
    shard.carried() - shard.outstanding()
}

/// What a plan for the whole Job takes as given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Existing {
    /// What each member carries, unless the preferences ask to rebalance.
    Carried,
    /// Nothing.
    Ignored,
}

/// The plan for the whole Job over some places. None where the preferences cannot be followed: an
/// edit is refused then, and work that became impossible to place later waits.
fn plan_whole(
    record: &Record,
    places: &Places,
    included: impl Fn(&str, &Place) -> bool,
    existing: Existing,
) -> Option<Plan> {
    let Size { parallelism, completions } = size_in_members(record);
    let carried = carried_per_member(record, Shard::carried);
    // The pods that run count here, and not the pods that are allowed: those were divided a moment
    // ago over the shards that have work.
    let pods = per_member(record, Shard::active);
    let share = |name: &str| {
        let completions = sum_of(&carried, name);
        let share = Share { parallelism: sum_of(&pods, name), completions: Some(completions) };
        (existing == Existing::Carried && completions > 0).then_some(share)
    };
    let members =
        places.iter().filter(|(name, place)| included(name, place)).map(|(name, place)| {
            plan::Member { weight: place.weight, existing: share(name), ..plan::Member::new(name) }
        });
    plan_for(record, places, &members.collect::<Vec<_>>(), parallelism, completions)
}
