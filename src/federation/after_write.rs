//! What every request does after it wrote a record: a reconcile, and what is said of it.

use std::collections::BTreeSet;

use super::{
    dry_run_strategy::DryRun,
    error::{Error, Unfinished},
    event::Event,
    open::Federation,
    simulate::simulate,
};
use crate::{
    job::own_index_variables,
    reconcile::{Members, Observation, Observations, Reconciled, ShardStatus, Status, run},
    state::{Outcome, Record, Shard, Verdict},
};

impl Federation<'_> {
    /// Brings members to what a record says. Each action is told as [`Event::Acted`].
    ///
    /// # Errors
    /// The host cannot be read or written: [`Error::Interrupted`], as the record is written.
    pub(super) async fn run(
        &self,
        record: Record,
        observations: Observations,
        members: &Members,
    ) -> Result<Reconciled, Error> {
        let (namespace, name) = (record.namespace().to_owned(), record.name().to_owned());
        let acted = |done: &_| self.notify(Event::Acted(done));
        self.name_the_clocks(members);
        run(&self.store, record, observations, members, || self.now(), &acted)
            .await
            .map_err(|error| Error::Interrupted { error: Box::new(error.into()), namespace, name })
    }

    /// Says what would be done in the members for a record that is not written.
    pub(super) async fn foresee(
        &self,
        record: &Record,
        observations: Observations,
        members: &Members,
        dry_run: DryRun,
    ) {
        let running = running_pods(record);
        let foreseen = simulate(record, observations, members, self.now()).await;
        self.name_the_unasked(record, members);
        if let Some(Reconciled { record, done, .. }) = foreseen {
            self.notify(Event::Done(&done, dry_run));
            if let Some(record) = record {
                self.name_the_surplus(&record, running);
            }
        }
    }

    /// Says which members a dry run could not ask.
    pub(super) fn name_the_unasked(&self, record: &Record, members: &Members) {
        for shard in record.shards.values() {
            if let Err(why) = members.of_shard(shard) {
                self.notify(Event::Unasked { record, cluster: &shard.cluster, why });
            }
        }
    }

    /// Says where containers of an Indexed Job would not learn their index.
    pub(super) fn name_own_indexes(&self, record: &Record) {
        for path in own_index_variables(&record.manifest) {
            self.notify(Event::OwnIndex { record, path: &path });
        }
    }

    /// Says where as much has succeeded as is asked for by now, or more, and that it stops the pods
    /// that were running.
    pub(super) fn name_the_surplus(&self, record: &Record, running: i32) {
        let complete = |outcome: &Outcome| outcome.verdict == Verdict::Complete;
        let Some(asked) = record.manifest.size().completions else { return };
        let succeeded = record.shards.values().map(Shard::achieved).fold(0, i32::saturating_add);
        if succeeded >= asked && record.state.outcome.as_ref().is_some_and(complete) {
            self.notify(Event::Surplus { record, succeeded, asked, stopped: running });
        }
    }

    /// Says which shards are not known or were refused.
    ///
    /// # Errors
    /// [`Error::Unfinished`], if there are any.
    pub(super) fn report(&self, record: &Record, status: &Status) -> Result<(), Error> {
        for shard in &status.shards {
            if let Some(why) = shard.unknown.as_ref().or(shard.refused.as_ref()) {
                self.notify(Event::ShardFailed { record, shard, why });
            } else if let Some(why) = &shard.waiting {
                self.notify(Event::ShardWaits { record, shard, why });
            }
            for difference in &shard.altered {
                self.notify(Event::ShardAltered { record, shard, difference });
            }
        }
        let count = |counts: fn(&ShardStatus) -> bool| {
            let shards = status.shards.iter().filter(|shard| counts(shard));
            shards.map(|shard| &shard.cluster).collect::<BTreeSet<_>>().len()
        };
        let unfinished = Unfinished {
            namespace: record.namespace().to_owned(),
            name: record.name().to_owned(),
            clusters: count(|_| true),
            unknown: count(|shard| shard.unknown.is_some()),
            refused: count(|shard| shard.unknown.is_none() && shard.refused.is_some()),
        };
        match (unfinished.unknown, unfinished.refused) {
            (0, 0) => Ok(()),
            _ => Err(Error::Unfinished(unfinished)),
        }
    }
}

/// How many pods run in the shards of a record, as they were last seen.
pub(super) fn running_pods(record: &Record) -> i32 {
    record.shards.values().map(Shard::active).fold(0, i32::saturating_add)
}

/// Asks members no more in this command that did not answer: they would have to be waited for
/// again.
pub(super) fn give_up_on_silent(members: &mut Members, observations: &Observations) {
    for (cluster, observation) in &observations.members {
        if let Observation::Unknown { why } = observation {
            members.give_up(cluster, why.clone());
        }
    }
}
