//! The decision: the new record, and the actions that lead to it; pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    action::Action,
    delete::{delete, expire},
    fold::fold,
    follow::{follow, forget_uncreated},
    lease, leave, limits, next, outcome,
    take_in::{awaits_answers, take_in},
};
use crate::{
    reconcile::{
        allocate::{unplaced, work},
        observe::{Observations, Places},
    },
    seams::{self, Defect},
    state::{Origin, Record},
};

/// What is to be written to the host, and then done in the members.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The record as it must be written before any of the actions is taken.
    pub record: Record,
    /// Shards to ask for by name before anything else. A list did not have them, and it may be
    /// stale.
    pub confirm: Vec<u32>,
    /// What is to be done then, in any order.
    pub actions: Vec<Action>,
    /// Whether the record is to be removed, because its deletion is finished.
    pub remove: bool,
}

/// Decides what is written and done, from what was recorded and what was observed.
///
/// It does no I/O and has no clock. Called again with the record that it returned and the same
/// observations, it returns the same record and the same actions (G5).
pub fn decide(record: &Record, observations: &Observations, now: Timestamp) -> Decision {
    let mut decision = Decision {
        record: record.clone(),
        confirm: Vec::new(),
        actions: Vec::new(),
        remove: false,
    };
    let uid = |name: &str| observations.places.get(name).map(|place| place.uid.as_str());
    decision.record.name_clusters(uid);
    follow_names(&mut decision.record, &observations.places);
    if take_in(&mut decision.record, observations) {
        return decision;
    }
    match record.state.deleting {
        Some(cascade) => {
            let deletion = delete(&mut decision.record, observations, cascade, now);
            decision.remove = decision.record.shards.is_empty()
                && decision.record.state.unlisted.is_empty()
                && deletion.actions.is_empty();
            (decision.confirm, decision.actions) = (deletion.confirm, deletion.actions);
        }
        None => advance(&mut decision, observations, now),
    }
    decision
}

/// Gives the record the names by which its clusters are registered now.
fn follow_names(record: &mut Record, places: &Places) {
    let is_right = |(uid, name): (&str, &str)| places.get(name).is_some_and(|it| it.uid == uid);
    if record.named_clusters().all(is_right) {
        return;
    }
    let names: BTreeMap<_, _> =
        places.iter().map(|(name, place)| (place.uid.as_str(), name.as_str())).collect();
    record.rename_clusters(|uid| names.get(uid).copied());
}

/// Decides for a Job that is not being deleted.
fn advance(decision: &mut Decision, observations: &Observations, now: Timestamp) {
    let record = &mut decision.record;
    let was_latched = record.state.outcome.is_some();
    decision.confirm = follow(record, observations, now);
    if record.state.unlisted.is_empty() && decision.confirm.is_empty() {
        // By now it is known what the Jobs that are there did, and which are gone.
        record.settle_heard();
    }
    let is_restored = record.state.origin == Some(Origin::Backup);
    let is_unsettled = is_restored && awaits_answers(record, observations);
    if is_restored && !is_unsettled && decision.confirm.is_empty() {
        unplaced::withhold(record);
        record.state.origin = None;
    }
    leave::give_up_lost(record, observations);
    lease::give_up_expired(record, observations, now);
    let awaits_lists =
        is_unsettled || !record.state.unlisted.is_empty() || record.state.heard.is_some();
    if awaits_lists && !seams::has(Defect::OpenBeforeListed) {
        // What runs must not end for want of a member that does not answer.
        if record.state.outcome.is_none() {
            lease::renew(record, observations, now);
        }
        decision.actions = next::actions(record, observations, now);
        return;
    }
    if record.state.outcome.is_none() {
        decision.confirm.extend(forget_uncreated(record, observations));
        decision.confirm.extend(fold(record, observations));
        record.state.outcome = outcome::outcome(record, &observations.clocks, now);
    }
    if record.state.outcome.is_none() {
        leave::drain(record, &observations.places);
        unplaced::withhold_no_more_than_is_left(record);
        work::take_excess(record, &observations.places);
        work::open(record, &observations.places, now.as_second());
        record.name_clusters(|name| observations.places.get(name).map(|place| place.uid.as_str()));
        limits::share_deadline(record, &observations.clocks);
        lease::renew(record, observations, now);
    } else if was_latched {
        expire(record, now);
    }
    if record.state.outcome.is_some() {
        // What was refused is not tried again.
        record.shards.values_mut().for_each(|shard| shard.refusal = None);
    }
    decision.actions = next::actions(record, observations, now);
}
