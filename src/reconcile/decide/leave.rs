//! The work of members that are drained or were declared lost is given to others; pure.

use super::{
    lookup::{Lookup, is_ours, lookup},
    predicates::winding_down,
};
use crate::{
    reconcile::{
        allocate::{pods, work},
        observe::{Observations, Places},
    },
    state::{Phase, Record, Shard},
};

/// Gives up the shards in clusters that were declared lost (G8): what they were not seen to have
/// done is opened elsewhere.
///
/// If the cluster answers, its shards are stopped first instead, and others do the rest once they
/// have ended. So nothing runs twice. A cluster that refuses to stop a shard is as good as one that
/// does not answer, and so is a shard that nobody may stop, since somebody took our labels off its
/// Job (G6): the user has accepted that what the shard does runs twice.
pub(super) fn give_up_lost(record: &mut Record, observations: &Observations) {
    let mut any = false;
    for (cluster, place) in observations.places.iter() {
        let Some(declared) = &place.lost else { continue };
        let live: Vec<u32> = record.live_in(cluster, &place.uid).map(|(id, _)| id).collect();
        let can_end = |id: &u32| {
            let shard = &record.shards[id];
            let is_refused = shard.retired && observations.refused(cluster, *id).is_some();
            let is_left_alone = match lookup(*id, shard, observations) {
                Lookup::Unknown => true,
                Lookup::Found(job) => {
                    job.end.is_none() && !is_ours(record, *id, job) && !shard.awaits_labels()
                }
                Lookup::Missing { .. } => false,
            };
            !is_left_alone && !is_refused
        };
        let (to_stop, unreached): (Vec<u32>, Vec<u32>) = live.into_iter().partition(can_end);
        for id in to_stop {
            retire(record, id);
        }
        any |= !unreached.is_empty();
        record.give_up(cluster, &unreached, declared);
    }
    let has_shares = record.manifest.size().completions.is_some();
    if any && has_shares && record.state.outcome.is_none() {
        pods::divide(record, &observations.places);
    }
}

/// Takes the work off the shards in members that are drained, as far as others may take it. What
/// nobody else may take stays. A suspended Job has no pods that could finish.
pub(super) fn drain(record: &mut Record, places: &Places) {
    let mut any = false;
    for (cluster, place) in places.iter() {
        let Some(stops_pods) = place.drained else { continue };
        let stops_pods = stops_pods || record.manifest.suspended();
        let ends_by_itself = |shard: &Shard| ends_with_its_pods(shard) || runs_on(shard);
        let is_kept = |shard: &Shard| shard.retired || (!stops_pods && ends_by_itself(shard));
        let live = record.live_in(cluster, &place.uid);
        let to_drain: Vec<u32> =
            live.filter(|(_, shard)| !is_kept(shard)).map(|(id, _)| id).collect();
        // A work queue that has succeeded starts nothing anywhere.
        let is_done = winding_down(record);
        if to_drain.is_empty() || !(is_done || work::others_may_take(record, places)) {
            continue;
        }
        for id in to_drain {
            // What has not started has no pods that could finish.
            if stops_pods || record.shards[&id].phase < Phase::Started {
                retire(record, id);
            } else {
                pods::let_run_out(record, id);
            }
        }
        any = true;
    }
    if any && record.manifest.size().completions.is_some() {
        pods::divide(record, places);
    }
}

/// Whether a shard ends with the pods that run in it, and all else is to be credited: also what
/// would run in place of a pod that fails.
fn ends_with_its_pods(shard: &Shard) -> bool {
    pods::runs_out(shard) && shard.completions.is_some_and(|all| shard.credit_target >= all)
}

/// Whether a shard of a work queue goes on in a drained member until the queue has ended. Nothing
/// can be taken off it, and what its pods have in hand would be lost if they were stopped. One that
/// has no pods and may start none is of no use there.
pub(crate) fn runs_on(shard: &Shard) -> bool {
    let may_start = shard.parallelism > 0 && shard.seen.as_ref().is_none_or(|it| !it.suspended);
    let is_queue = shard.completions.is_none() && shard.phase == Phase::Started;
    is_queue && !shard.retired && (may_start || shard.active() > 0)
}

fn retire(record: &mut Record, id: u32) {
    if let Some(shard) = record.shards.get_mut(&id) {
        shard.retired = true;
    }
}
