//! How the clusters stand, in few words beside a progress bar.

use std::collections::BTreeMap;

use crate::{reconcile::Status, state::Record};

/// Columns that the clusters may take beside a progress bar, on a terminal of the usual 80, before
/// they are only counted.
const ROOM: usize = 36;

/// The states of shards, from what matters most to somebody who waits to what matters least.
const BY_INTEREST: [&str; 14] = [
    "Unknown",
    "Forbidden",
    "Unauthorized",
    "Failed",
    "Expired",
    "Evicted",
    "Running",
    "Queued",
    "Pending",
    "Suspended",
    "Lost",
    "Deleted",
    "Stopped",
    "Complete",
];

/// The one of these states that matters most.
pub(super) fn foremost(states: impl IntoIterator<Item = &'static str>) -> &'static str {
    states.into_iter().map(rank).min().map_or("", |rank| BY_INTEREST[rank])
}

fn rank(state: &'static str) -> usize {
    BY_INTEREST.iter().position(|known| *known == state).unwrap_or(0)
}

/// `east: Running, west: Complete`; or, where that is long, `clusters: 3 Running, 1 Complete`. A
/// cluster with several shards counts once, with the state that matters most.
pub(super) fn states(looked: &[(Record, Status)]) -> String {
    let mut clusters: BTreeMap<&str, usize> = BTreeMap::new();
    for shard in looked.iter().flat_map(|(_, status)| &status.shards) {
        let rank = rank(shard.state);
        let entry = clusters.entry(&shard.cluster).or_insert(rank);
        *entry = rank.min(*entry);
    }
    let each = clusters.iter().map(|(cluster, rank)| format!("{cluster}: {}", BY_INTEREST[*rank]));
    let named = each.collect::<Vec<_>>().join(", ");
    if looked.len() == 1 && named.len() <= ROOM {
        return named;
    }
    let count = |rank: usize| clusters.values().filter(|each| **each == rank).count();
    let counts = BY_INTEREST.iter().enumerate().map(|(rank, state)| (count(rank), state));
    let counts = counts.filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts.map(|(count, state)| format!("{count} {state}")).collect();
    format!("clusters: {}", counts.join(", "))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::{
        job::{Manifest, Size},
        reconcile::{Observation, Observations},
        state::{Phase, Shard},
    };

    fn looked(shards: &[(&str, Phase)]) -> (Record, Status) {
        let spec = json!({"completions": 9, "template": {"spec": {"containers": []}}});
        let metadata = json!({"name": "pi"});
        let job =
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec});
        let manifest = Manifest::new(job, "work", "").expect("valid");
        let size = Size { parallelism: 1, completions: Some(3) };
        let shard = |(cluster, phase): &(&str, Phase)| Shard {
            phase: *phase,
            ..Shard::planned(cluster, size)
        };
        let shards = shards.iter().map(shard).collect();
        let record = Record::new("f", manifest, shards, Timestamp::UNIX_EPOCH);
        let known = |shard: &Shard| (shard.cluster.clone(), Observation::known([].into()));
        let members = record.shards.values().map(known).collect();
        let status = Status::new(&record, &Observations { members, ..Observations::default() });
        (record, status)
    }

    #[test]
    fn a_cluster_with_several_shards_is_counted_once_with_what_matters_most() {
        let one = looked(&[
            ("east", Phase::Complete),
            ("west", Phase::Complete),
            ("east", Phase::Started),
        ]);
        let two = looked(&[("north", Phase::Failed), ("west", Phase::Planned)]);
        assert_eq!(states(std::slice::from_ref(&one)), "east: Running, west: Complete");
        assert_eq!(states(&[one, two]), "clusters: 1 Failed, 1 Running, 1 Pending");
    }
}
