//! How a federated Job is deleted together with its shards, or forgotten while they stay.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    dry_run_strategy::DryRun,
    edit::known,
    error::Error,
    event::{Event, Work},
    key::key,
    open::Federation,
    preflight::preflight_deletion,
    refusal::Refusal,
    refusals::Place,
};
use crate::{
    reconcile::{Members, Observations, Reconciled, ShardStatus, Status},
    state::{Cascade, Change, MemberState, Phase, Record, Shard},
};

/// How long to wait before looking again whether pods have gone.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What becomes of the shards of a federated Job that is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    /// They stay, and run on.
    Orphan,
    /// They stay where they cannot be deleted because their members do not answer, in a deletion
    /// that was begun. Without one, all stay.
    Abandon,
    /// They are deleted.
    Cascade(Cascade),
}

/// How long a deletion is waited for whose pods have yet to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Until it is done.
    Endless,
    /// Until then.
    Until(Instant),
    /// Not at all.
    None,
}

impl Patience {
    fn lasts(self) -> bool {
        match self {
            Self::Endless => true,
            Self::Until(end) => Instant::now() < end,
            Self::None => false,
        }
    }

    /// The result of a deletion that others finish.
    fn end(self, record: &Record, notify: impl Fn(Event<'_>)) -> Result<(), Error> {
        if self == Self::None {
            notify(Event::Unfinished(record));
            return Ok(());
        }
        Err(Error::TimedOut { name: Some(record.name().to_owned()) })
    }
}

impl Federation<'_> {
    /// Deletes a federated Job.
    ///
    /// # Errors
    /// It was not deleted; or its deletion was begun, and members did not all do their part, or
    /// not in time.
    pub async fn delete(
        &self,
        record: Record,
        deletion: Deletion,
        patience: Patience,
    ) -> Result<(), Error> {
        match deletion {
            Deletion::Abandon if record.state.deleting.is_some() => self.abandon(record).await,
            Deletion::Orphan | Deletion::Abandon => self.orphan(record).await,
            Deletion::Cascade(cascade) => self.cascade(record, cascade, patience).await,
        }
    }

    /// Says what would be deleted; nothing is. With [`DryRun::Server`] the host and the members
    /// are asked whether they would let go of it.
    ///
    /// # Errors
    /// They would not.
    pub async fn check_deletion(
        &self,
        record: &Record,
        deletion: Deletion,
        dry_run: DryRun,
    ) -> Result<(), Error> {
        if dry_run == DryRun::Server {
            self.store.try_remove(record).await?;
            if matches!(deletion, Deletion::Cascade(_)) {
                let members = self.members_of(&[record]).await;
                let refusals = preflight_deletion(record, &members).await.into_iter();
                let refused =
                    |Refusal { cluster, error }| Error::DeletionRefused { cluster, error };
                self.name_the_unasked(record, &members);
                Error::all(refusals.map(refused).collect())?;
            }
        }
        self.notify(Event::Deleted(&key(record), dry_run));
        Ok(())
    }

    /// Forgets the federated Job, and says where its Jobs are.
    async fn orphan(&self, record: Record) -> Result<(), Error> {
        let key = key(&record);
        let removed = self.store.update(record, async |record| match record.state.deleting {
            Some(_) => Err(deleted_already(&record)),
            None => Ok(Change::Remove(record)),
        });
        let (Change::Remove(record) | Change::Replace(record) | Change::Keep(record)) =
            known(removed.await, &key.1)?;
        self.notify(Event::Deleted(&key, DryRun::None));
        if !record.shards.is_empty() {
            self.notify(Event::Kept(&record, &self.places(&record)));
        }
        Ok(())
    }

    /// Where the Jobs of a record are, one place for each shard that may have one. A cluster whose
    /// name stands for another one by now is reached by no context that is known.
    fn places(&self, record: &Record) -> Vec<Place> {
        let shards = record.shards.iter().filter(|(_, shard)| shard.phase != Phase::Deleted);
        let place = |(id, shard): (&u32, &Shard)| {
            let mut place = self.place(&shard.cluster, record, record.job_name(*id));
            if self.has_left(shard) {
                place.context = None;
            }
            place
        };
        shards.map(place).collect()
    }

    /// Whether the cluster of a shard is no member any more, or its name stands for another one.
    fn has_left(&self, shard: &Shard) -> bool {
        let member = self.registry.members.get(&shard.cluster);
        !member.is_some_and(|member| shard.is_in(&member.uid))
    }

    /// Says which Jobs a deletion leaves behind, because their clusters are no members any more.
    fn name_those_left_behind(&self, record: &Record) {
        let gone = record.shards.iter().filter(|(_, shard)| shard.phase != Phase::Deleted);
        for (_, shard) in gone.filter(|(_, shard)| self.has_left(shard)) {
            let why = "its cluster is not registered any more: its job there is not deleted";
            self.notify(Event::Unasked { record, cluster: &shard.cluster, why });
        }
    }

    /// Says which Jobs a deletion leaves behind in clusters that were declared lost and do not
    /// answer.
    fn name_those_lost(&self, record: &Record, observations: &Observations) {
        for shard in record.shards.values().filter(|shard| shard.phase != Phase::Deleted) {
            let member = self.registry.members.get(&shard.cluster);
            let lost = member.is_some_and(|member| member.state == MemberState::Lost);
            if lost && observations.unknown(shard).is_some() && !self.has_left(shard) {
                let why = "its cluster was declared lost: its job there is not deleted";
                self.notify(Event::Unasked { record, cluster: &shard.cluster, why });
            }
        }
    }

    /// Says which Jobs a deletion leaves behind because they had yet to be adopted.
    fn name_those_not_adopted(&self, record: &Record, observations: &Observations) {
        let not_adopted = |id: &u32| observations.is_not_adopted(record, *id);
        for (_, shard) in record.shards.iter().filter(|(id, _)| not_adopted(id)) {
            let why = "its job there was not adopted yet: it is not deleted";
            self.notify(Event::Unasked { record, cluster: &shard.cluster, why });
        }
    }

    /// Ends a deletion that waits for clusters that do not answer: what can be reached is deleted,
    /// and the rest is left behind. Where a cluster that answers has something yet, the deletion
    /// goes on.
    async fn abandon(&self, record: Record) -> Result<(), Error> {
        let key = key(&record);
        let members = self.members_of(&[&record]).await;
        let reconciled = self.look_and_run(record, &members).await?;
        if let Some(rest) = reconciled.record {
            let status = Status::new(&rest, &reconciled.observations);
            if status.shards.iter().any(|shard| shard.unknown.is_none()) {
                self.report(&rest, &status)?;
                return Err(deleted_already(&rest));
            }
            self.store.remove(&rest).await?;
            for shard in &status.shards {
                let why = shard.unknown.as_deref().unwrap_or_default();
                self.notify(Event::LeftBehind { shard, why });
            }
            let mut places = self.places(&rest);
            for place in &mut places {
                // A context that leads to another cluster is none that leads there.
                if members.lasting_error(&place.cluster).is_some_and(is_elsewhere) {
                    place.context = None;
                }
            }
            self.notify(Event::Kept(&rest, &places));
        }
        self.notify(Event::Deleted(&key, DryRun::None));
        Ok(())
    }

    /// Marks the record, so that whoever reconciles next goes on, and then goes on.
    async fn cascade(
        &self,
        record: Record,
        cascade: Cascade,
        patience: Patience,
    ) -> Result<(), Error> {
        let key = key(&record);
        let marked = self.store.update(record, async |mut record| {
            Ok::<_, Error>(match record.state.deleting.replace(cascade) {
                Some(before) if before == cascade => Change::Keep(record),
                _ => Change::Replace(record),
            })
        });
        let (Change::Replace(mut record) | Change::Keep(mut record) | Change::Remove(mut record)) =
            known(marked.await, &key.1)?;
        let members = self.members_of(&[&record]).await;
        self.name_those_left_behind(&record);
        self.notify(Event::Began(Work::Deleting, &record));
        let (mut named, mut told) = (false, false);
        loop {
            let before = record.clone();
            let reconciled = self.look_and_run(record, &members).await?;
            let seen = Status::new(&before, &reconciled.observations);
            self.name_the_left_alone(&before, &seen);
            if !std::mem::replace(&mut named, true) {
                self.name_those_lost(&before, &reconciled.observations);
                self.name_those_not_adopted(&before, &reconciled.observations);
            }
            let Some(rest) = reconciled.record else { break };
            let status = Status::new(&rest, &reconciled.observations);
            let is_open = |shard: &ShardStatus| shard.unknown.is_some() || shard.refused.is_some();
            if status.shards.iter().any(is_open) || !status.unlisted.is_empty() {
                self.notify(Event::Deleting(&key));
                return self.report(&rest, &status);
            }
            if !patience.lasts() {
                self.notify(Event::Deleting(&key));
                return patience.end(&rest, |event| self.notify(event));
            }
            if !std::mem::replace(&mut told, true) {
                self.notify(Event::PodsEnding);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
            record = rest;
        }
        self.notify(Event::Ended);
        self.notify(Event::Deleted(&key, DryRun::None));
        Ok(())
    }

    async fn look_and_run(&self, record: Record, members: &Members) -> Result<Reconciled, Error> {
        let observations = self.observe(&[&record], members).await.remove(0);
        self.run(record, observations, members).await
    }
}

fn is_elsewhere(error: &crate::cluster::Error) -> bool {
    matches!(error, crate::cluster::Error::WrongCluster { .. })
}

fn deleted_already(record: &Record) -> Error {
    Error::DeletedAlready {
        namespace: record.namespace().to_owned(),
        name: record.name().to_owned(),
    }
}
