//! Ended shards whose Jobs are gone leave the ledger; their totals stay; pure.

use super::lookup::{Lookup, lookup};
use crate::{
    reconcile::observe::Observations,
    state::{Phase, Record, Shard},
};

/// How many ended shards whose Jobs are gone stay in the ledger, so that users see what they did.
/// With more, the oldest are folded.
pub(super) const KEPT: usize = 8;

/// Folds the oldest of the ended shards whose Jobs are gone and of which nothing can change, until
/// [`KEPT`] are left. Gives the shards that must be asked for by name before that can be told. A
/// work queue has few shards, and keeps them until it is deleted, but for those that others
/// replace.
pub(super) fn fold(record: &mut Record, observations: &Observations) -> Vec<u32> {
    let is_queue = record.manifest.size().completions.is_none();
    let folds = |shard: &Shard| shard.is_settled() && (!is_queue || shard.is_replaced());
    let mut confirm = Vec::new();
    let mut gone = Vec::new();
    for (&id, shard) in record.shards.iter().filter(|(_, shard)| folds(shard)) {
        let is_confirmed = match lookup(id, shard, observations) {
            // That it is gone was confirmed when it became so.
            _ if shard.phase == Phase::Deleted => true,
            Lookup::Missing { confirmed } => confirmed,
            Lookup::Found(_) | Lookup::Unknown => continue,
        };
        if is_confirmed || observations.refused(&shard.cluster, id).is_none() {
            gone.push((id, is_confirmed));
        }
    }
    let surplus = gone.len().saturating_sub(KEPT);
    for (id, is_confirmed) in gone.into_iter().take(surplus) {
        if is_confirmed {
            let shard = &record.shards[&id];
            let end = shard.seen.as_ref().and_then(|seen| seen.end);
            let end = end.map(|end| observations.clocks.host_time(&shard.cluster, end));
            record.fold(id, end);
        } else {
            confirm.push(id);
        }
    }
    confirm
}
