//! How a federated Job is deleted together with its shards, or forgotten while they stay.

mod ahead;
mod stay;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

use super::{
    dry_run_strategy::DryRun,
    edit::known,
    error::Error,
    event::{Event, Work},
    key::key,
    open::{Federation, carrying},
    preflight::preflight_deletion,
    refusal::Refusal,
    submit::names,
    turns::{Turns, at_once},
};
use crate::{
    cluster::fan_out_by,
    reconcile::{Members, Observations, ShardStatus, Status},
    state::{Cascade, Change, MemberState, Phase, Record, Shard},
};

/// How long to wait before looking again whether pods have gone.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How long members are asked at least. Less would keep those that answer from being asked at all.
const LEAST: Duration = Duration::from_secs(2);

/// How long members are asked where nobody waits for the deletion. The next reconcile asks the
/// rest.
const BRIEFLY: Duration = Duration::from_secs(3);

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

    /// When a deletion is cut off that began then, if it is at all.
    fn cut(self, begun: Instant) -> Option<Instant> {
        match self {
            Self::Until(end) => Some(end.max(begun + LEAST)),
            Self::None => Some(begun + BRIEFLY),
            Self::Endless => None,
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
    /// Deletes federated Jobs, side by side; what fails does not stop the rest. A Job that could
    /// not be read is the error that it is. In each round the members are asked once for all Jobs
    /// that are not gone yet.
    ///
    /// Gives, of each Job that was not deleted, why: that its deletion was begun, and members did
    /// not all do their part, or not in time, is a reason too.
    pub async fn delete(
        &self,
        jobs: Vec<Result<(Record, Deletion), Error>>,
        patience: Patience,
    ) -> Vec<Error> {
        let turns = Turns::of(self);
        turns.while_settling(self.delete_by(&turns, jobs, patience)).await
    }

    async fn delete_by(
        &self,
        turns: &Turns<'_, '_>,
        jobs: Vec<Result<(Record, Deletion), Error>>,
        patience: Patience,
    ) -> Vec<Error> {
        let now = Instant::now();
        // What an abandoned deletion leaves behind nobody finishes: its clusters have all the time
        // to answer.
        let cut = if jobs.iter().flatten().any(is_abandoned) { None } else { patience.cut(now) };
        let members = self.unasked();
        let at_once = at_once(existing(&jobs));
        let mut seen = self.see_what_stays(&jobs).await;
        let mut errors = BTreeMap::new();
        let concerned = carrying(&needing_members(&jobs));
        let unread = || ("", "");
        let all = jobs.iter().map(|job| job.as_ref().map_or_else(|_| unread(), |it| names(&it.0)));
        self.about(all, DryRun::None);
        let begin = async |((place, job), seen): ((usize, Result<_, Error>), Observations)| {
            let begun = match job {
                Ok((record, deletion)) => turns.at(place).begin(record, deletion, &seen).await,
                Err(error) => Err(error),
            };
            if !matches!(begun, Ok(Some(_))) {
                turns.settled(place);
            }
            (place, begun)
        };
        // Nobody writes before the mark is written; who the members are can be asked meanwhile. The
        // rest of the time is for what those have yet to do that have answered last.
        let most = cut.map(|end| end - end.duration_since(now) / 10);
        let jobs = jobs.into_iter().enumerate().map(|(place, job)| {
            let seen = seen.remove(&place).unwrap_or_default();
            ((place, job), seen)
        });
        let begin = fan_out_by(at_once, jobs, begin);
        let joined = self.join_until(&members, concerned, most);
        let begun =
            self.begin_beside(turns, (at_once, cut, patience), &members, begin, joined).await;
        let mut going = Vec::new();
        for (place, begun) in begun {
            match begun {
                Ok(Some(begun)) => going.push((place, begun)),
                ended => errors.extend(ended.err().map(|error| (place, error))),
            }
        }
        while !going.is_empty() {
            let records: Vec<_> = going.iter().map(|(_, job)| &job.record).collect();
            let look = async {
                self.join(&members, carrying(&records)).await;
                self.observe(&records, &members).await
            };
            let Some(observed) = within(cut, look).await else {
                for (place, job) in going {
                    let cut_off = turns.at(place).cut_off(&job.record, patience);
                    errors.extend(cut_off.err().map(|error| (place, error)));
                    turns.settled(place);
                }
                break;
            };
            let go_on = async |((place, job), seen): ((usize, Going), Observations)| {
                let (federation, record) = (turns.at(place), job.record.clone());
                let gone = within(cut, federation.go_on(job, seen, &members, patience)).await;
                let cut_off = || federation.cut_off(&record, patience).map(|()| None);
                let gone = gone.unwrap_or_else(cut_off);
                if !matches!(gone, Ok(Some(_))) {
                    turns.settled(place);
                }
                (place, gone)
            };
            let gone = fan_out_by(at_once, going.into_iter().zip(observed), go_on).await;
            going = Vec::new();
            for (place, gone) in gone {
                match gone {
                    Ok(rest) => going.extend(rest.map(|rest| (place, rest))),
                    Err(error) => drop(errors.insert(place, error)),
                }
            }
            if !going.is_empty() {
                let _ = within(cut, tokio::time::sleep(LOOK_AGAIN)).await;
            }
        }
        errors.into_values().collect()
    }

    /// The time of a deletion is over while members are asked.
    ///
    /// # Errors
    /// Somebody waits for it.
    fn cut_off(&self, record: &Record, patience: Patience) -> Result<(), Error> {
        self.notify(Event::Deleting(&key(record)));
        self.notify(Event::Ended);
        patience.end(record, |event| self.notify(event))
    }

    /// Connects to more members, until then if there is an end. Those that have not answered by
    /// then, or whose turn to be asked has not come, are not asked any more in this command.
    async fn join_until(&self, members: &Members, names: BTreeSet<String>, end: Option<Instant>) {
        if within(end, self.join(members, names.clone())).await.is_some() {
            return;
        }
        let answered: BTreeSet<_> = members.asked().map(str::to_owned).collect();
        for name in names.difference(&answered) {
            members.give_up(name, "the time was over before it had answered".to_owned());
        }
        self.name_the_astray(members);
    }

    /// Begins a deletion: what stays is forgotten, or the record is marked. Gives what is left to
    /// do in the members, if there is anything.
    /// `seen` is what the members say of what stays.
    async fn begin(
        &self,
        record: Record,
        deletion: Deletion,
        seen: &Observations,
    ) -> Result<Option<Going>, Error> {
        match deletion {
            Deletion::Abandon if record.state.deleting.is_some() => {
                Ok(Some(Going { record, how: How::Abandoned }))
            }
            Deletion::Orphan | Deletion::Abandon => self.orphan(record, seen).await.map(|()| None),
            Deletion::Cascade(cascade) => {
                let record = self.mark(record, cascade).await?;
                self.name_those_left_behind(&record);
                self.notify(Event::Began(Work::Deleting, &record));
                Ok(Some(Going { record, how: How::Marked { rounds: 0 } }))
            }
        }
    }

    /// Does what can be done of a deletion by what the members say. Gives what is left of it to
    /// wait for.
    async fn go_on(
        &self,
        job: Going,
        seen: Observations,
        members: &Members,
        patience: Patience,
    ) -> Result<Option<Going>, Error> {
        match job.how {
            How::Abandoned => self.abandon(job.record, seen, members).await.map(|()| None),
            How::Marked { rounds } => {
                let rest = self.cascade(job.record, rounds, seen, members, patience).await;
                if !matches!(rest, Ok(Some(_))) {
                    self.notify(Event::Ended);
                }
                let how = How::Marked { rounds: rounds + 1 };
                Ok(rest?.map(|record| Going { record, how }))
            }
        }
    }

    /// Says what would be deleted; nothing is. With [`DryRun::Server`] the host and the members
    /// are asked whether they would let go of it. A Job that could not be read is the error that it
    /// is.
    ///
    /// Gives, of each Job, why they would not.
    pub async fn check_deletions(
        &self,
        jobs: Vec<Result<(Record, Deletion), Error>>,
        dry_run: DryRun,
    ) -> Vec<Error> {
        let members = self.unasked();
        if dry_run == DryRun::Server {
            self.join(&members, carrying(&needing_members(&jobs))).await;
        }
        let check = async |federation: &Self, job: Result<(Record, Deletion), Error>| {
            let (record, deletion) = job?;
            federation.check_deletion(&record, deletion, &members, dry_run).await
        };
        let at_once = at_once(existing(&jobs));
        let checked = self.side_by_side(at_once, jobs, check).await;
        checked.into_iter().filter_map(Result::err).collect()
    }

    async fn check_deletion(
        &self,
        record: &Record,
        deletion: Deletion,
        members: &Members,
        dry_run: DryRun,
    ) -> Result<(), Error> {
        if dry_run == DryRun::Server {
            self.store.try_remove(record).await?;
            if matches!(deletion, Deletion::Cascade(_)) {
                let refusals = preflight_deletion(record, members).await.into_iter();
                let refused =
                    |Refusal { cluster, error }| Error::DeletionRefused { cluster, error };
                self.name_the_unasked(record, members);
                Error::all(refusals.map(refused).collect())?;
            }
        }
        self.notify(Event::Deleted(&key(record), dry_run));
        Ok(())
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

    /// Says which Jobs a deletion leaves behind in clusters that were given up and do not answer.
    fn name_those_lost(&self, record: &Record, observations: &Observations) {
        for shard in record.shards.values().filter(|shard| shard.phase != Phase::Deleted) {
            let member = self.registry.members.get(&shard.cluster);
            let why = if member.is_some_and(|member| member.state == MemberState::Lost) {
                "its cluster was declared lost: its job there is not deleted"
            } else if shard.is_lost() {
                "its work was given to others: its job there is not deleted"
            } else {
                continue;
            };
            if observations.unknown(shard).is_some() && !self.has_left(shard) {
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
    async fn abandon(
        &self,
        record: Record,
        seen: Observations,
        members: &Members,
    ) -> Result<(), Error> {
        let key = key(&record);
        let reconciled = self.run(record, seen, members).await?;
        if let Some(rest) = reconciled.record {
            let status = Status::new(&rest, &reconciled.observations);
            if status.shards.iter().any(|shard| shard.unknown.is_none()) {
                self.report(&rest, &status)?;
                return Err(deleted_already(&rest));
            }
            self.notify(Event::Recording(&rest));
            self.store.remove(&rest).await?;
            for shard in &status.shards {
                let why = shard.unknown.as_deref().unwrap_or_default();
                self.notify(Event::LeftBehind { shard, why });
            }
            let mut kept = self.kept_by_record(&rest);
            for place in &mut kept.places {
                // A context that leads to another cluster is none that leads there.
                if members.lasting_error(&place.cluster).is_some_and(is_elsewhere) {
                    place.context = None;
                }
            }
            self.notify(Event::Kept(&rest, &kept));
        }
        self.notify(Event::Deleted(&key, DryRun::None));
        Ok(())
    }

    /// Marks the record, so that whoever reconciles next goes on.
    async fn mark(&self, record: Record, cascade: Cascade) -> Result<Record, Error> {
        let (namespace, name) = key(&record);
        self.notify(Event::Recording(&record));
        let marked = self.store.update(record, async |mut record| {
            Ok::<_, Error>(match record.state.deleting.replace(cascade) {
                Some(before) if before == cascade => Change::Keep(record),
                _ => Change::Replace(record),
            })
        });
        let (Change::Replace(record) | Change::Keep(record) | Change::Remove(record)) =
            known(marked.await, (&namespace, &name))?;
        self.notify(Event::Recorded(&record));
        Ok(record)
    }

    /// Goes on with the deletion of a marked record, after so many rounds. Gives the record if pods
    /// have yet to end.
    async fn cascade(
        &self,
        before: Record,
        rounds: usize,
        seen: Observations,
        members: &Members,
        patience: Patience,
    ) -> Result<Option<Record>, Error> {
        let key = key(&before);
        let reconciled = self.run(before.clone(), seen, members).await?;
        let seen = Status::new(&before, &reconciled.observations);
        self.name_the_meddled(&before, &seen);
        if rounds == 0 {
            self.name_those_lost(&before, &reconciled.observations);
            self.name_those_not_adopted(&before, &reconciled.observations);
        }
        let Some(rest) = reconciled.record else {
            self.notify(Event::Deleted(&key, DryRun::None));
            return Ok(None);
        };
        let status = Status::new(&rest, &reconciled.observations);
        let is_open = |shard: &ShardStatus| shard.unknown.is_some() || shard.refused.is_some();
        if status.shards.iter().any(is_open) || !status.unlisted.is_empty() {
            self.notify(Event::Deleting(&key));
            return self.report(&rest, &status).map(|()| None);
        }
        if !patience.lasts() {
            self.notify(Event::Deleting(&key));
            return patience.end(&rest, |event| self.notify(event)).map(|()| None);
        }
        if rounds == 0 {
            self.notify(Event::PodsEnding);
        }
        Ok(Some(rest))
    }
}

/// Does something until then, if there is an end. None if that is over before it is done: it may
/// be cut off between any two requests (G4).
async fn within<T>(end: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match end {
        Some(end) => timeout_at(end, work).await.ok(),
        None => Some(work.await),
    }
}

/// A deletion that needs the members.
struct Going {
    record: Record,
    how: How,
}

/// How a deletion goes on.
#[derive(Clone, Copy)]
enum How {
    /// What cannot be reached is left behind.
    Abandoned,
    /// The record is marked, and so many rounds were made.
    Marked { rounds: usize },
}

/// The records that could be read.
fn existing(jobs: &[Result<(Record, Deletion), Error>]) -> impl Iterator<Item = &Record> {
    jobs.iter().flatten().map(|(record, _)| record)
}

/// Whether a deletion that was begun is ended without the clusters that do not answer.
fn is_abandoned((record, deletion): &(Record, Deletion)) -> bool {
    *deletion == Deletion::Abandon && record.state.deleting.is_some()
}

/// The records of Jobs whose members are to be asked.
fn needing_members(jobs: &[Result<(Record, Deletion), Error>]) -> Vec<&Record> {
    let needs =
        |job: &&(Record, Deletion)| matches!(job.1, Deletion::Cascade(_)) || is_abandoned(job);
    jobs.iter()
        .filter_map(|job| job.as_ref().ok())
        .filter(needs)
        .map(|(record, _)| record)
        .collect()
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
