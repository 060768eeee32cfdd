//! What stays in the members where a federated Job is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::{BRIEFLY, Deletion, deleted_already, is_abandoned, known, within};
use crate::{
    federation::{
        dry_run_strategy::DryRun,
        error::Error,
        event::Event,
        kept::Kept,
        key::key,
        open::{Federation, carrying},
    },
    reconcile::Observations,
    state::{self, Change, Phase, Record, Shard},
};

impl Federation<'_> {
    /// What the members have of the Jobs that are forgotten, by the places of the Jobs. A member
    /// that does not answer soon is not waited for: what it has stays in any case. That it did not
    /// is no reason to leave it out of other deletions.
    pub(super) async fn see_what_stays(
        &self,
        jobs: &[Result<(Record, Deletion), Error>],
    ) -> BTreeMap<usize, Observations> {
        let members = &self.unasked();
        let stays = |(place, job): (usize, &Result<(Record, Deletion), Error>)| match job {
            Ok((_, Deletion::Cascade(_))) | Err(_) => None,
            Ok(job) if is_abandoned(job) => None,
            Ok((record, _)) => Some((place, record.clone())),
        };
        let (places, records): (Vec<_>, Vec<_>) = jobs.iter().enumerate().filter_map(stays).unzip();
        let records: Vec<_> = records.iter().collect();
        let end = Instant::now() + BRIEFLY;
        self.join_until(members, carrying(&records), Some(end - BRIEFLY / 3)).await;
        let observed = within(Some(end), self.observe(&records, members)).await;
        places.into_iter().zip(observed.unwrap_or_default()).collect()
    }

    /// Forgets the federated Job, and says where its Jobs are. `seen` is what the members say.
    pub(super) async fn orphan(&self, record: Record, seen: &Observations) -> Result<(), Error> {
        let key = key(&record);
        self.notify(Event::Recording(&record));
        let removed = self.store.update(record, async |record| match record.state.deleting {
            Some(_) => Err(deleted_already(&record)),
            None => Ok(Change::Remove(record)),
        });
        let (Change::Remove(record) | Change::Replace(record) | Change::Keep(record)) =
            known(removed.await, (&key.0, &key.1))?;
        self.notify(Event::Deleted(&key, DryRun::None));
        let kept = self.kept(&record, seen);
        if !kept.places.is_empty() {
            self.notify(Event::Kept(&record, &kept));
        }
        Ok(())
    }

    /// Forgets the federated Jobs among these whose records are damaged, and gives the others. What
    /// clusters have of them stays, and is not known: it is what no record has from then on. With
    /// [`DryRun::Server`] the host is asked whether it would let go of the records.
    pub async fn forget_damaged<T>(
        &self,
        jobs: Vec<Result<T, Error>>,
        dry_run: DryRun,
    ) -> Vec<Result<T, Error>> {
        let mut others = Vec::new();
        for job in jobs {
            let damaged = match &job {
                Err(Error::State(state::Error::Damaged { object, .. })) => Record::job_of(object),
                _ => None,
            };
            let Some((namespace, name)) = damaged else {
                others.push(job);
                continue;
            };
            match self.forget_one_damaged(namespace, name, dry_run).await {
                Ok(true) => {
                    let key = (namespace.to_owned(), name.to_owned());
                    self.notify(Event::Deleted(&key, dry_run));
                    if dry_run == DryRun::None {
                        self.notify(Event::KeptUnread(&key));
                    }
                }
                // Somebody has repaired or deleted it meanwhile.
                Ok(false) => others.push(job),
                Err(error) => others.push(Err(error.into())),
            }
        }
        others
    }

    /// Forgets a federated Job, if its record is damaged. Gives whether it is.
    async fn forget_one_damaged(
        &self,
        namespace: &str,
        name: &str,
        dry_run: DryRun,
    ) -> Result<bool, state::Error> {
        let own = &self.registry.uid;
        if dry_run == DryRun::Client {
            let there = self.store.any_record(own, namespace, name).await;
            return Ok(matches!(there, Err(state::Error::Damaged { .. })));
        }
        let is_dry = dry_run == DryRun::Server;
        self.store.discard_damaged(own, namespace, name, is_dry).await
    }

    /// What stays of a record, as it was recorded last.
    pub(super) fn kept_by_record(&self, record: &Record) -> Kept {
        let kept = self.kept(record, &Observations::default());
        Kept { unknown: BTreeSet::new(), ..kept }
    }

    /// What stays of a record, one place for each shard that has a Job, or may have one: a list may
    /// be stale, or older than the shard. A cluster whose name stands for another one by now is
    /// reached by no context that is known.
    fn kept(&self, record: &Record, seen: &Observations) -> Kept {
        let mut kept = Kept::default();
        let has_job = |shard: &Shard| shard.phase != Phase::Deleted;
        for (id, shard) in record.shards.iter().filter(|(_, shard)| has_job(shard)) {
            let is_known = seen.unknown(shard).is_none();
            let mut jobs = seen.jobs().filter(|_| is_known);
            match jobs.find(|job| (job.0, job.1) == (shard.cluster.as_str(), *id)) {
                Some((_, _, job)) => kept.run_on |= job.end.is_none() && !job.suspended,
                None if is_known && !shard.phase.live() => continue,
                None => {
                    kept.unknown.insert(shard.cluster.clone());
                    kept.run_on |= shard.phase == Phase::Started && !record.manifest.suspended();
                }
            }
            let mut place = self.place(&shard.cluster, record, record.job_name(*id));
            if self.has_left(shard) {
                place.context = None;
            }
            kept.places.push(place);
        }
        kept
    }
}
