//! How federated Jobs stand, with nothing written anywhere.

use std::collections::BTreeMap;

use super::{
    logs::{LastLines, last_lines},
    open::{Federation, carrying},
    refusals::Place,
    simulate::simulate,
};
use crate::{
    cluster::fan_out,
    reconcile::{Inspection, Members, Observations, ShardStatus, Status, inspect, preview},
    state::Record,
};

/// A federated Job with what its members say of it.
#[derive(Debug)]
pub struct Look {
    /// The record as it is stored.
    pub stored: Record,
    /// What it would be with what the members say.
    pub record: Record,
    /// What the members say.
    pub observations: Observations,
    /// How the Job stands.
    pub status: Status,
}

/// A federated Job, and why it does not run as it should.
#[derive(Debug)]
pub struct Described {
    /// How it stands.
    pub look: Look,
    /// What the members' Jobs, pods and events say.
    pub inspection: Inspection,
    /// The last lines of one pod that failed, by the shard's id, where they could be read soon.
    pub last_lines: BTreeMap<u32, LastLines>,
    /// Where the Job of each shard is, by the shard's id.
    pub places: BTreeMap<u32, Place>,
    /// Whether a reconcile would change something in a member now.
    pub reconcile_acts: bool,
}

impl Federation<'_> {
    /// Looks at federated Jobs: one list of each member that carries some.
    pub async fn look(&self, records: Vec<Record>) -> Vec<Look> {
        self.look_closer(records, async |look, _| look).await
    }

    /// Looks at federated Jobs, and at what keeps their pods from running.
    pub async fn look_and_inspect(&self, records: Vec<Record>) -> Vec<(Look, Inspection)> {
        let closer = async |look: Look, members: &Members| {
            let inspection = inspect(&look.record, members, self.now()).await;
            (look, inspection)
        };
        self.look_closer(records, closer).await
    }

    /// Looks at federated Jobs, and at all that keeps them from running.
    pub async fn describe(&self, records: Vec<Record>) -> Vec<Described> {
        let describe = async |look: Look, members: &Members| {
            let (inspection, last_lines) = tokio::join!(
                inspect(&look.record, members, self.now()),
                last_lines(&look.record, &look.status, members)
            );
            let place = |shard: &ShardStatus| {
                (shard.id, self.place(&shard.cluster, &look.record, &shard.name))
            };
            let places = look.status.shards.iter().map(place).collect();
            let observations = look.observations.clone();
            let foreseen = simulate(&look.record, observations, members, self.now()).await;
            let reconcile_acts = foreseen.is_some_and(|foreseen| !foreseen.done.is_empty());
            Described { look, inspection, last_lines, places, reconcile_acts }
        };
        self.look_closer(records, describe).await
    }

    async fn look_closer<T>(
        &self,
        records: Vec<Record>,
        closer: impl AsyncFn(Look, &Members) -> T,
    ) -> Vec<T> {
        let all: Vec<_> = records.iter().collect();
        let members = self.unasked();
        let observed = self.join_and_observe(&all, &members, carrying(&all)).await;
        self.name_the_clocks(&members);
        let seen = records.into_iter().zip(observed);
        fan_out(seen, async |(stored, observations)| {
            let (record, observations) = preview(&stored, observations, &members, self.now()).await;
            let mut status = Status::new(&record, &observations);
            status.name_the_foreseen(&stored);
            closer(Look { stored, record, observations, status }, &members).await
        })
        .await
    }
}
