//! The decision: the new record, and the actions that lead to it; pure.

use jiff::Timestamp;

use super::{
    action::Action,
    delete::{delete, expire},
    follow::{follow, forget_uncreated},
    limits, next, outcome,
};
use crate::{
    reconcile::{allocate::work, observe::Observations},
    state::Record,
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
    match record.state.deleting {
        Some(cascade) => {
            let deletion = delete(&mut decision.record, observations, cascade);
            decision.remove = decision.record.shards.is_empty() && deletion.actions.is_empty();
            (decision.confirm, decision.actions) = (deletion.confirm, deletion.actions);
        }
        None => advance(&mut decision, observations, now),
    }
    decision
}

/// Decides for a Job that is not being deleted.
fn advance(decision: &mut Decision, observations: &Observations, now: Timestamp) {
    let record = &mut decision.record;
    let was_latched = record.state.outcome.is_some();
    decision.confirm = follow(record, observations, now);
    if record.state.outcome.is_none() {
        decision.confirm.extend(forget_uncreated(record, observations));
        record.state.outcome = outcome::outcome(record, &observations.clocks, now);
    }
    if record.state.outcome.is_none() {
        work::take_excess(record, &observations.places);
        work::open(record, &observations.places, now.as_second());
        record.name_clusters(|name| observations.places.get(name).map(|place| place.uid.as_str()));
        limits::share_deadline(record, &observations.clocks);
    } else if was_latched {
        expire(record, now);
    }
    decision.actions = next::actions(record, observations);
}
