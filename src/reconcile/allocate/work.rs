//! Where work goes that nobody carries, and from whom it is taken; pure.

use std::cmp::Reverse;

use super::{
    apportion::{Places, apportion, had, per_member, plan_for, preferences},
    pods::{divide, drained_members, free_pods, given, may_run},
};
use crate::{
    job::{Indexes, Size},
    plan::{self, Plan, Share},
    reconcile::Place,
    state::{Record, Shard},
};

/// Opens shards for the work that no shard carries and that nobody holds back, where the plan for
/// the whole Job has too little so far. Where the members have no place for it, it stays unplaced.
///
/// A shard that has work may run a pod (G2), so that no more are opened than pods are free: the
/// rest waits until others have ended, and no pod that runs is stopped for it.
pub(in crate::reconcile) fn open(record: &mut Record, places: &Places, now: i64) {
    let homeless = Homeless::of(record);
    let amount = homeless.len();
    let room = room(record);
    if amount == 0 || room == 0 {
        return;
    }
    let drained = drained_members(record);
    let takes =
        |name: &str, place: &Place| may_take(record, name, *place) && !drained.contains(name);
    let deadline = record.manifest.active_deadline_seconds().zip(record.state.started);
    let seconds = deadline.map(|(seconds, started)| (started + seconds - now).max(1));
    if let Homeless::Pods(pods) = homeless {
        for (cluster, parallelism) in queue_parts(record, places, takes, pods) {
            let shard = Shard::planned(&cluster, Size { parallelism, completions: None });
            record.add(Shard { active_deadline_seconds: seconds, ..shard });
        }
        return;
    }
    let Some(plan) = planned(record, places, takes, true) else { return };
    let carried = per_member(record, Shard::carried);
    let targets: Vec<i32> =
        plan.shares.values().map(|share| share.completions.unwrap_or(0)).collect();
    let lacks = plan
        .shares
        .iter()
        .zip(&targets)
        .map(|((name, _), target)| (target - had(&carried, name)).max(0));
    let mut parts = apportion(amount, &lacks.collect::<Vec<_>>());
    let rest = amount - parts.iter().sum::<i32>();
    parts.iter_mut().zip(apportion(rest, &targets)).for_each(|(part, more)| *part += more);

    let mut parts: Vec<(&String, i32)> =
        plan.shares.keys().zip(parts).filter(|(_, part)| *part > 0).collect();
    let busy = per_member(record, |shard| i32::from(may_run(shard)));
    parts.sort_by_key(|(cluster, part)| (had(&busy, cluster), Reverse(*part)));
    parts.truncate(room);
    parts.sort();

    let mut homeless = homeless;
    for (cluster, part) in parts {
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
    divide(record, places);
}

/// Where so many pods more of a work queue are to run: in members that have fewer than the plan for
/// all of them.
fn queue_parts(
    record: &Record,
    places: &Places,
    takes: impl Fn(&str, &Place) -> bool,
    pods: i32,
) -> Vec<(String, i32)> {
    let given = given(record);
    let existing =
        |name: &str| given.get(name).map(|pods| Share { parallelism: *pods, completions: None });
    let members =
        places.iter().filter(|(name, place)| takes(name, place) || given.contains_key(*name));
    let members = members.map(|(name, place)| plan::Member {
        weight: place.weight,
        existing: existing(name),
        ..plan::Member::new(name)
    });
    let all = given.values().copied().fold(pods, i32::saturating_add);
    let Some(plan) = plan_for(record, places, &members.collect::<Vec<_>>(), all, None) else {
        return Vec::new();
    };
    let shares = plan
        .shares
        .iter()
        .filter(|(name, _)| places.get(*name).is_some_and(|place| takes(name, place)));
    let lacks =
        shares.map(|(name, share)| (name.clone(), (share.parallelism - had(&given, name)).max(0)));
    let (names, lacks): (Vec<_>, Vec<_>) = lacks.unzip();
    names.into_iter().zip(apportion(pods, &lacks)).filter(|(_, part)| *part > 0).collect()
}

/// How many shards more there may be that run a pod each.
fn room(record: &Record) -> usize {
    let pods = record.manifest.size().parallelism;
    if pods == 0 {
        return usize::MAX;
    }
    usize::try_from(free_pods(record)).unwrap_or(0)
}

/// How much of what no shard carries waits for nothing but pods that may run.
pub(in crate::reconcile) fn waiting(record: &Record) -> i32 {
    if room(record) == 0 { Homeless::of(record).len() } else { 0 }
}

/// Whether a member may be given a shard: of a Job that selects its pods itself there can be one in
/// a member only.
fn may_take(record: &Record, name: &str, place: Place) -> bool {
    let has_one = || record.shards.values().any(|shard| shard.cluster == name);
    place.takes_work && !(record.manifest.manual_selector() && has_one())
}

/// Work that no shard carries, less what a user took away by deleting a Job, and what failed.
enum Homeless {
    Completions(i32),
    Indexes(Indexes),
    /// Of a work queue that has not succeeded: the pods of shards that were stopped or are opened
    /// again.
    Pods(i32),
}

impl Homeless {
    fn of(record: &Record) -> Self {
        let Size { parallelism, completions } = record.manifest.size();
        let Some(asked) = completions else {
            let leaves = |shard: &Shard| shard.phase.ended() && (shard.retired || shard.reopened);
            let pods = record
                .shards
                .values()
                .filter(|shard| !leaves(shard))
                .map(|shard| shard.parallelism);
            let missing = parallelism.saturating_sub(pods.fold(0, i32::saturating_add)).max(0);
            return Self::Pods(if record.achieved() > 0 { 0 } else { missing });
        };
        let held = record.shards.values().filter(|shard| shard.phase.ended() && !shard.reopened);
        if record.manifest.indexed() {
            let own = held.filter_map(|shard| shard.indexes.as_ref());
            let held = own.fold(record.carried_indexes(), |all, own| all.with(own));
            return Self::Indexes(
                Indexes::all(asked).without(&held).without(&record.failed_indexes()),
            );
        }
        let held: i32 =
            held.map(|shard| shard.share().completions.unwrap_or(0) - shard.carried()).sum();
        Self::Completions((record.unplaced() - held).max(0))
    }

    fn len(&self) -> i32 {
        match self {
            Self::Completions(count) | Self::Pods(count) => *count,
            Self::Indexes(indexes) => indexes.len(),
        }
    }
}

/// Whether there is work that has no place now, or will have none once it `moves`, and that no
/// member may take.
pub(in crate::reconcile) fn lacks_place(record: &Record, places: &Places, moves: bool) -> bool {
    (moves || Homeless::of(record).len() > 0)
        && !places.iter().any(|(name, place)| may_take(record, name, *place))
}

/// Whether work may have to be opened in a member that has no shard yet, now or once some was taken
/// off another.
pub fn may_open(record: &Record) -> bool {
    let moves = |shard: &Shard| {
        !shard.phase.ended() && (shard.retired || shard.credit_target > shard.credited)
    };
    Homeless::of(record).len() > 0 || record.shards.values().any(moves)
}

/// Has taken off what the shards carry beyond what is asked for: first where the plan would have
/// less, and of what has not started.
pub(in crate::reconcile) fn take_excess(record: &mut Record, places: &Places) {
    let Some(asked) = record.manifest.size().completions else { return };
    if record.manifest.indexed() {
        let space = Indexes::all(asked);
        for shard in record.shards.values_mut().filter(|shard| !shard.phase.ended()) {
            let completed =
                shard.seen.as_ref().map(|seen| seen.completed.clone()).unwrap_or_default();
            let beyond = shard
                .indexes
                .as_ref()
                .map_or(0, |own| own.without(&space).without(&completed).len());
            shard.credit_target = shard.credit_target.max(shard.credited + beyond);
        }
        return;
    }
    let carried: i32 = record.shards.values().map(carried_after_credit).sum();
    let mut excess = carried - asked;
    if excess <= 0 {
        return;
    }
    if let Some(plan) = planned(record, places, |_, _| true, false) {
        excess -= take_surplus(record, &plan, excess);
    }
    for free in [Shard::unstarted, Shard::retained] {
        excess -= take(record, excess, |_| true, free);
    }
}

/// Has taken off each member what it carries beyond the plan, if the preferences ask for that.
pub(in crate::reconcile) fn rebalance(record: &mut Record, places: &Places) {
    if !preferences(record, places).is_some_and(|preferences| preferences.rebalance) {
        return;
    }
    if let Some(plan) = planned(record, places, |_, place| place.takes_work, false) {
        take_surplus(record, &plan, i32::MAX);
    }
}

/// Has taken off what each member has beyond a plan, at most `limit` in all; gives how much that
/// is.
fn take_surplus(record: &mut Record, plan: &Plan, limit: i32) -> i32 {
    let planned =
        |name: &str| plan.shares.get(name).and_then(|share| share.completions).unwrap_or(0);
    let has = per_member(record, carried_after_credit);
    let free = per_member(record, Shard::unstarted);
    let surplus: Vec<_> =
        has.iter().map(|(name, has)| (has - planned(name)).clamp(0, had(&free, name))).collect();
    let parts = apportion(limit, &surplus);
    let mut taken = 0;
    for (name, part) in has.keys().zip(parts) {
        taken += take(record, part, |shard| shard.cluster == *name, Shard::unstarted);
    }
    taken
}

/// Has taken off `amount` of what these shards have free; gives how much that is.
fn take(
    record: &mut Record,
    amount: i32,
    of: impl Fn(&Shard) -> bool,
    free: fn(&Shard) -> i32,
) -> i32 {
    let caps: Vec<i32> =
        record.shards.values().map(|shard| if of(shard) { free(shard) } else { 0 }).collect();
    let parts = apportion(amount.max(0), &caps);
    for (shard, part) in record.shards.values_mut().zip(&parts) {
        shard.credit_target += part;
    }
    parts.iter().sum()
}

/// What a shard carries once all that is to be taken off it has been: `carried − outstanding`.
fn carried_after_credit(shard: &Shard) -> i32 {
    shard.carried() - shard.outstanding()
}

/// The plan for the whole Job over some places; with `keep`, on top of what the members carry, as
/// far as the preferences do not ask to rebalance. None where there is none: an edit is refused
/// then, and what became impossible later waits.
fn planned(
    record: &Record,
    places: &Places,
    of: impl Fn(&str, &Place) -> bool,
    keep: bool,
) -> Option<Plan> {
    let Size { parallelism, completions } = record.manifest.size();
    let carried = per_member(record, Shard::carried);
    // What it may run says nothing here: it was just divided over those alone that have work.
    let pods = per_member(record, Shard::active);
    let existing = |name: &str| {
        let share = Share { parallelism: had(&pods, name), completions: Some(had(&carried, name)) };
        Some(share).filter(|share| keep && share.completions > Some(0))
    };
    let members = places.iter().filter(|(name, place)| of(name, place)).map(|(name, place)| {
        plan::Member { weight: place.weight, existing: existing(name), ..plan::Member::new(name) }
    });
    plan_for(record, places, &members.collect::<Vec<_>>(), parallelism, completions)
}
