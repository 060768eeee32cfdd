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
    cluster::Connection,
    job::{Size, lost_limits, own_index_variables},
    reconcile::{Members, Observation, Observations, Place, Reconciled, ShardStatus, Status, run},
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
        let before = record.clone();
        let newest = observations.newest_manifest(&record).map(str::to_owned);
        for (edit, clusters) in observations.disputed(&record) {
            self.notify(Event::Disputed { record: &record, edit, clusters: &clusters });
        }
        let reconciled =
            run(&self.store, record, observations, members, || self.now(), &acted).await.map_err(
                |error| Error::Interrupted { error: Box::new(error.into()), namespace, name },
            )?;
        self.name_the_untested(&reconciled.observations);
        if let Some(after) = &reconciled.record {
            self.name_the_lost(&before, after);
            if let Some(cluster) = newest.filter(|_| after.manifest != before.manifest) {
                let cluster = cluster.as_str();
                self.notify(Event::ManifestTaken { before: &before, after, cluster });
            }
        }
        Ok(reconciled)
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
        if let Some(Reconciled { record, done, observations, .. }) = foreseen {
            self.notify(Event::Done(&done, dry_run));
            if let Some(record) = record {
                self.name_the_surplus(&record, running);
                self.name_the_crowd(&record, dry_run);
                let status = Status::new(&record, &observations);
                self.notify(Event::Foreseen(&record, &status, dry_run));
            }
        }
    }

    /// Says where more pods may run than are asked for: a shard with something to do keeps one
    /// (G2).
    pub(super) fn name_the_crowd(&self, record: &Record, dry_run: DryRun) {
        let Size { parallelism: asked, completions: Some(_) } = record.manifest.size() else {
            return;
        };
        let is_live = |shard: &&Shard| shard.phase.live() && !shard.is_lost() && !shard.retired;
        let live = record.shards.values().filter(is_live).map(|shard| shard.parallelism);
        let pods = live.fold(0, i32::saturating_add);
        let runs = record.state.outcome.is_none() && !record.manifest.suspended();
        if pods > asked && runs {
            self.notify(Event::Crowded { record, pods, asked, dry_run });
        }
    }

    /// Says which members a dry run could not ask.
    pub(super) fn name_the_unasked(&self, record: &Record, members: &Members) {
        for shard in record.shards.values().filter(|shard| !shard.is_lost()) {
            if let Err(why) = members.of_shard(shard) {
                self.notify(Event::Silent { cluster: &shard.cluster, why });
            }
        }
    }

    /// Says where the clusters would not do what the manifest asks for: where containers of an
    /// Indexed Job would not learn their index, and which limits would not hold.
    pub(super) fn name_what_misleads(&self, record: &Record) {
        for path in own_index_variables(&record.manifest) {
            self.notify(Event::OwnIndex { record, path: &path });
        }
        for limit in lost_limits(&record.manifest) {
            self.notify(Event::LostLimit { record, limit });
        }
    }

    /// Says which clusters give the shards of a queued Job no lease, although others get one there.
    pub(super) fn name_who_gives_no_lease(&self, record: &Record) {
        if !record.manifest.is_queued() || record.manifest.lease().is_some() {
            return;
        }
        let members = &self.registry.members;
        let gives_leases =
            |name: &&str| members.get(*name).is_some_and(|member| member.lease.is_some());
        let clusters = record.shards.values().map(|shard| shard.cluster.as_str());
        let clusters: BTreeSet<_> = clusters.filter(gives_leases).map(str::to_owned).collect();
        if !clusters.is_empty() {
            self.notify(Event::NoLease { record, clusters: &clusters });
        }
    }

    /// Says which clusters take work, and none of this Job, as their leases would end its pods.
    pub(super) fn name_whose_lease_is_short(&self, record: &Record) {
        let places = Place::all(&self.registry);
        let is_short = |place: &Place| place.takes_work && place.ends_pods_of(&record.manifest);
        let clusters = places.iter().filter(|(_, place)| is_short(place));
        let clusters: BTreeSet<_> = clusters.map(|(name, _)| name.clone()).collect();
        if !clusters.is_empty() {
            self.notify(Event::ShortLease { record, clusters: &clusters });
        }
    }

    /// Says where as much has succeeded as is asked for by now, or more, and that it stops the pods
    /// that were running.
    pub(super) fn name_the_surplus(&self, record: &Record, running: i32) {
        let complete = |outcome: &Outcome| outcome.verdict == Verdict::Complete;
        let Some(asked) = record.manifest.size().completions else { return };
        let succeeded = record.achieved();
        if succeeded >= asked && record.state.outcome.as_ref().is_some_and(complete) {
            self.notify(Event::Surplus { record, succeeded, asked, stopped: running });
        }
    }

    /// Says which shards nothing is done to, because of what somebody did to their Jobs.
    pub(super) fn name_the_meddled(&self, record: &Record, status: &Status) {
        for shard in &status.shards {
            self.name_meddling(record, shard);
        }
    }

    /// Says of a shard what somebody did to its Job there.
    pub(super) fn name_meddling(&self, record: &Record, shard: &ShardStatus) {
        if let Some(how) = shard.meddling {
            let place = &self.place(&shard.cluster, record, &shard.name);
            self.notify(Event::ShardMeddled { record, shard, how, place });
        }
    }

    /// Says which shards are not known or were refused.
    ///
    /// # Errors
    /// [`Error::Unfinished`], if there are any.
    pub(super) fn report(&self, record: &Record, status: &Status) -> Result<(), Error> {
        for shard in &status.shards {
            if let Some(why) = &shard.unknown {
                self.notify(Event::Silent { cluster: &shard.cluster, why });
            } else if let Some(why) = &shard.refused {
                self.notify(Event::ShardFailed { record, shard, why });
            } else if let Some(why) = &shard.waiting {
                self.notify(Event::ShardWaits { record, shard, why });
            }
            for difference in &shard.altered {
                self.notify(Event::ShardAltered { record, shard, difference });
            }
        }
        for (cluster, why) in &status.unlisted {
            self.notify(Event::Unlisted { cluster, why });
        }
        self.name_the_meddled(record, status);
        let count = |counts: fn(&ShardStatus) -> bool, others: &BTreeSet<&String>| {
            let shards = status.shards.iter().filter(|shard| counts(shard));
            let clusters: BTreeSet<_> = shards.map(|shard| &shard.cluster).collect();
            clusters.union(others).count()
        };
        // What has ended is not given to others. A deletion waits for all clusters.
        let is_deletion = record.state.deleting.is_some();
        let is_open = is_deletion || record.state.outcome.is_none();
        let is_member = |name: &String| self.registry.members.contains_key(name);
        let unknown = status.shards.iter().filter(|shard| shard.unknown.is_some());
        let unregistered: BTreeSet<_> =
            unknown.map(|shard| &shard.cluster).filter(|name| !is_member(name)).collect();
        let (unlisted, none) = (status.unlisted.keys().collect(), BTreeSet::new());
        let unfinished = Unfinished {
            namespace: record.namespace().to_owned(),
            name: record.name().to_owned(),
            clusters: count(|_| true, &unlisted),
            unknown: count(|shard| shard.unknown.is_some(), &unlisted),
            refused: count(|shard| shard.unknown.is_none() && shard.refused.is_some(), &none),
            silent: if is_open { status.silent_clusters() } else { Vec::new() },
            unregistered: unregistered.into_iter().cloned().collect(),
            is_deletion,
        };
        match (unfinished.unknown, unfinished.refused) {
            (0, 0) => Ok(()),
            _ => Err(Error::Unfinished(Box::new(unfinished))),
        }
    }
}

/// How many pods run in the shards of a record, as they were last seen.
pub(super) fn running_pods(record: &Record) -> i32 {
    record.shards.values().map(Shard::active).fold(0, i32::saturating_add)
}

/// Asks members no more in this command that do not answer: they would have to be waited for again,
/// by each Job that is under way beside this one. A member that answers that it cannot do something
/// for one Job may do it for another.
pub(super) fn give_up_on_silent(members: &Members, observations: &Observations) {
    for (cluster, observation) in &observations.members {
        if let Observation::Unknown { why } = observation
            && members.get(cluster).is_ok_and(Connection::is_silent)
        {
            members.give_up(cluster, why.clone());
        }
    }
}
