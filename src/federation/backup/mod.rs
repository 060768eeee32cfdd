//! The registry and all records are saved to one document, and restored from it.
//!
//! | file | what it holds |
//! |---|---|
//! | [`mod@compare`] | the records of the backup beside those of the host |
//! | [`mod@merge`] | the registries of the backup and of the host as one; pure |
//! | [`mod@other_host`] | the host that the backup is of, if it is another one |
//! | this one | what is compared, and what is written |
//!
//! A backup is old when it is restored: Jobs may have been edited, and shards opened, since. So
//! each restored record lists its members before it opens work, and takes in the shards that it
//! does not know.

mod compare;
mod merge;
mod other_host;

pub use compare::{Comparison, RecordChange, RecordSource};
pub(super) use compare::{compare, listable};
pub use merge::{Difference, Replaced};
pub use other_host::{OtherHost, last_host};

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use self::{
    compare::{compare_all, other_job, with_stale},
    merge::{join, merge, merge_stale, new_gap},
};
use super::{
    acceptance::accepted,
    dry_run_strategy::DryRun,
    error::{Error, HostError, InUse},
    event::{Event, Observer, Work},
    key::key,
    leaving::leave,
    open::Federation,
    records::{Records, jobs_of},
};
use crate::{
    reconcile::server_time,
    state::{
        self, Acceptance, Accepted, Backup, Gap, LeftOut, Moved, Newer, Record, Registry, Salvaged,
        SavedRegistry, Store, Unmarked,
    },
};

/// What a restore is going to do, with nothing written.
#[derive(Debug)]
pub struct Restore {
    /// What becomes of the registry.
    pub registry: RegistryChange,
    /// The clusters that the host and the backup do not have alike, by their names.
    pub differences: Vec<(String, Difference)>,
    /// The records, each with what becomes of it.
    pub records: Vec<(Record, RecordChange)>,
    /// What becomes of the host that the backup is of, if this host is another one and has no
    /// registry of the federation yet, or one that is older than what was done there. If both are
    /// used, both give out the same work.
    pub other_host: Option<OtherHost>,
    /// That the federation was moved away from this host, which becomes its host again.
    pub returns: Option<Return>,
    existing: Option<Registry>,
    whole: SavedRegistry,
    /// Whether the registry is made anew, or was made so by a restore that was interrupted.
    is_anew: bool,
    /// The clusters that have work of the backup and are no members, by their uids.
    left: BTreeMap<String, String>,
    /// Who gives up what these have; none if there are none.
    declared: Option<Acceptance>,
}

/// What becomes of the registry of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryChange {
    /// There is none, and one is made.
    New,
    /// It is of this federation, and has all that the backup has.
    Same,
    /// It is of this federation, and gets what the backup has.
    Changed,
    /// It is of a federation without Jobs, and becomes this one.
    TakenOver {
        /// The uid that it has.
        from: String,
    },
    /// It cannot be read, for this reason, and is made anew.
    Damaged(String),
}

/// A host from which the federation was moved away becomes its host again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Return {
    /// The host to which it was moved.
    pub moved: Moved,
    /// Whether that is the [other host](Restore::other_host) of the restore.
    pub is_other_host: bool,
}

impl Federation<'_> {
    /// The registry and all records that can be read. Which others it leaves out, is told and
    /// written in it.
    ///
    /// # Errors
    /// The host cannot be read.
    pub async fn backup(&self) -> Result<Backup, Error> {
        let Records { records, errors } = self.records(&[], None).await?;
        let mut left_out = Vec::new();
        for error in errors {
            let jobs = error.unread_jobs();
            if jobs.is_empty() {
                return Err(error);
            }
            self.notify(Event::Unread(&error));
            let why = error.to_string();
            let lacking = |(namespace, name)| LeftOut { namespace, name, why: why.clone() };
            left_out.extend(jobs.into_iter().map(lacking));
        }
        Ok(Backup::new(&self.registry, &records, left_out, self.now().as_second()))
    }
}

impl Restore {
    /// The uid of the host that has the federation of a backup, by what a host says that the
    /// federation may have left.
    pub async fn host_now(store: &Store, backup: &Backup) -> String {
        let registry = store.any_registry().await.ok();
        host_now(registry.as_ref(), &backup.federation)
    }

    /// Compares a backup with what a host has. `of_host` is the uid of the host that has the
    /// federation, as far as that is known, and `left` is that host, if it is another one and the
    /// user has a context for it. `now` is the local time. `replaces_newer`
    /// says that records are replaced also where that of the host is newer, or may be.
    ///
    /// A host from which the federation of the backup was moved away is as old as a backup itself.
    ///
    /// # Errors
    /// The host cannot be read, or belongs to another federation that has Jobs, or had another one
    /// that was moved away.
    pub async fn plan(
        store: &Store,
        backup: Backup,
        saved: Vec<Record>,
        left: Option<&Store>,
        now: Timestamp,
        replaces_newer: bool,
        of_host: &str,
    ) -> Result<Self, Error> {
        let host = store.host().identity().await?;
        let now = server_time(store.host(), now).as_second();
        let (existing, damage) = match store.any_registry().await {
            Err(state::Error::NoRegistry { .. }) => (None, None),
            Err(error @ state::Error::Damaged { .. }) => (None, Some(error.to_string())),
            registry => (Some(registry?), None),
        };
        let moved = existing.as_ref().and_then(|it| it.moved.clone());
        if let (Some(it), Some(moved)) = (&existing, &moved)
            && it.uid != backup.federation.uid
        {
            return Err(store.moved(moved).into());
        }
        let (uid, gap) = (backup.federation.uid.clone(), backup.federation.gap);
        let (former, lacks_from) = (backup.federation.former.clone(), backup.lacks_from());
        let first_host = host_now(existing.as_ref(), &backup.federation);
        // One that was made here before the federation left is older than what is here.
        let is_of_this = backup.federation.host == host;
        let saved_jobs: BTreeSet<_> = saved.iter().map(key).collect();
        let on_host = existing.as_ref().map(Registry::saved);
        let is_left = on_host.as_ref().is_some_and(|it| it.is_left_for(&backup.federation));
        let is_stale = is_left || moved.is_some();
        let makes_a_host =
            is_stale || (of_host != host && on_host.as_ref().is_none_or(|it| it.uid != uid));
        let mut other_host = None;
        if of_host != host {
            other_host = Some(OtherHost::find(left, of_host, &uid, &host, &saved_jobs).await);
        }
        if !makes_a_host {
            // The federation has a host here already. Another one that acts for it is left.
            other_host = other_host.filter(OtherHost::acts);
        }
        let is_joined = matches!(other_host, Some(OtherHost::Left { .. }));
        let mut known = backup.federation;
        if let Some(OtherHost::Left { registry, differences, .. }) = &mut other_host {
            (known, *differences) = join(known, &registry.saved());
        }
        let mut salvaged = Vec::new();
        if damage.is_some() {
            (known, salvaged) = salvage(store, known).await?;
        }
        let unmarked = known.unmarked.clone();
        let (mut whole, mut differences) = match &on_host {
            Some(on_host) if is_stale && (!is_of_this || is_joined) => merge_stale(known, on_host),
            on_host => merge(known, on_host.as_ref()),
        };
        differences.extend(salvaged);
        let mut saved: Vec<_> = saved.into_iter().map(|it| (it, RecordSource::Backup)).collect();
        if is_stale {
            whole.unmarked.extend(unmarked);
        }
        // They took no part in what was done since. On a host that acts, those that are marked were
        // left by a restore that could not write them. One that is damaged is compared below.
        let readable = store.any_records(&uid, None).await?.into_iter().flatten();
        let stale = readable.filter(|it| makes_a_host || it.state.moved.is_some());
        saved = with_stale(saved, stale);
        let returns = moved.map(|moved| {
            let is_other_host = moved.uid == first_host || moved.uid == of_host;
            Return { moved, is_other_host }
        });
        if let Some(Return { moved, is_other_host: false }) = &returns {
            let unmarked = Unmarked { context: moved.context.clone() };
            whole.unmarked.insert(moved.uid.clone(), unmarked);
        }
        whole.unmarked.extend(other_host.as_ref().and_then(|it| it.unmarked(of_host)));
        whole.unmarked.remove(&host);
        let is_interrupted = |it: &&SavedRegistry| it.gap.is_some_and(Gap::is_open);
        let restored = on_host.as_ref().filter(|it| !is_stale || is_interrupted(it));
        let new_gap = new_gap(&uid, restored, gap, lacks_from, now);
        if new_gap.is_some() {
            whole.created = whole.created.or(Some(backup.created));
            whole.gap = new_gap;
            whole.restores.count(&host);
        }
        let registry = match (damage, &existing) {
            (Some(why), _) => RegistryChange::Damaged(why),
            (None, existing) => registry_change(store, existing.as_ref(), &whole).await?,
        };
        let records = compare_all(store, &whole, saved, replaces_newer, makes_a_host).await?;
        let left = whole.former.iter().filter(|(uid, _)| !former.contains_key(*uid));
        let left: BTreeMap<_, _> =
            left.map(|(uid, former)| (uid.clone(), former.name.clone())).collect();
        let is_anew = new_gap.is_some();
        let accepts = !left.is_empty() || (!is_anew && has_new(&records)) || revives_any(&records);
        let accepted = accepted(store.host(), Accepted::Restored, "", now);
        let declared = if accepts { Some(accepted.await) } else { None };
        Ok(Self {
            registry,
            differences,
            records,
            other_host,
            returns,
            existing,
            whole,
            is_anew,
            left,
            declared,
        })
    }

    /// Whether something that the host has is replaced.
    pub fn overwrites(&self) -> bool {
        let replaces = |change: &RecordChange| {
            matches!(
                change,
                RecordChange::Readable(Comparison::Replaced { .. })
                    | RecordChange::Revived(_)
                    | RecordChange::Damaged(_)
            )
        };
        matches!(self.registry, RegistryChange::TakenOver { .. } | RegistryChange::Damaged(_))
            || !self.differences.is_empty()
            || self.records.iter().any(|(_, change)| replaces(change))
    }

    /// The Jobs whose records on the host are replaced although these are newer, or may be, by
    /// namespace and name.
    pub fn replaced_newer(&self) -> Vec<(String, String)> {
        let is_newer = |change: &RecordChange| match change {
            RecordChange::Readable(Comparison::Replaced { newer, .. }) => *newer != Newer::Other,
            _ => false,
        };
        let records = self.records.iter().filter(|(_, change)| is_newer(change));
        records.map(|(record, _)| key(record)).collect()
    }

    /// That all Jobs of the backup can be restored.
    ///
    /// # Errors
    /// [`Error::OtherJob`] for each whose name another federated Job has on the host.
    pub fn every_name_is_free(&self) -> Result<(), Error> {
        let taken = self.records.iter().filter(|(_, change)| *change == RecordChange::Taken);
        Error::all(taken.map(|(record, _)| other_job(record)).collect())
    }

    /// Whether Jobs come back that the host does not have any more, although it has their
    /// federation: users have deleted them since the backup was made, or they have expired, or
    /// their records were lost.
    pub fn revives(&self) -> bool {
        let may_lack_any = self.is_anew && !matches!(self.registry, RegistryChange::Damaged(_));
        !may_lack_any && has_new(&self.records)
    }

    /// Marks the host that the backup is of as left, if it answers. Writes the registry, then the
    /// records. If it is interrupted, the same restore finishes it. `left` is as for
    /// [`Restore::plan`], `context` is the user's for this host.
    ///
    /// Until all records are written, a registry that is made anew says that it may lack any. That
    /// of a federation that comes back stays marked as moved until each was tried.
    ///
    /// Gives why records were not written. All others are, and can be used. The same restore writes
    /// the rest.
    ///
    /// # Errors
    /// A host cannot be written, or somebody changed meanwhile what was compared.
    pub async fn apply(
        self,
        store: &Store,
        left: Option<&Store>,
        context: &str,
        observer: &dyn Observer,
    ) -> Result<Vec<Error>, Error> {
        if let (Some(OtherHost::Left { registry, .. }), Some(left)) = (self.other_host, left) {
            let uid = store.host().identity().await?;
            let before = self.returns.as_ref().map_or(0, |returns| returns.moved.number);
            let number = before.saturating_add(1);
            leave(left, *registry, Moved { uid, context: context.to_owned(), number }).await?;
        }
        let (registry, returns) = (self.registry, self.returns.is_some());
        let writes = self.records.iter().any(|(_, change)| is_written(change));
        let opens = self.is_anew && writes;
        let opened = self.whole.gap.filter(|_| opens).map(Gap::opened);
        let mut first = SavedRegistry { gap: opened.or(self.whole.gap), ..self.whole.clone() };
        if opened.is_some() {
            // It counts once all is written: until then the host is as old as it was.
            let same = self.existing.as_ref().filter(|it| it.uid == first.uid);
            first.restores = same.map(|it| it.restores.clone()).unwrap_or_default();
        }
        match registry {
            _ if returns => {}
            RegistryChange::Damaged(_) => store.write_over_damaged_registry(&first).await?,
            RegistryChange::Same => {}
            _ => drop(store.write_registry(self.existing.as_ref(), &first).await?),
        }
        let mut errors = Vec::new();
        let is_anew = self.is_anew;
        let total = self.records.len();
        for (done, (mut record, change)) in self.records.into_iter().enumerate() {
            observer.notify(Event::Turn(Work::Recording, record.name(), done, total));
            if change == RecordChange::Readable(Comparison::Same) {
                observer.notify(Event::Unchanged(&record, DryRun::None));
            }
            if !is_written(&change) {
                continue;
            }
            if let Some(declared) = &self.declared {
                record.give_up_left(&self.left, declared);
                let is_new = !is_anew && change == RecordChange::Readable(Comparison::New);
                if is_new || change == RecordChange::Revived(RecordSource::HostAlone) {
                    let detail = "work that was done since the backup".to_owned();
                    record.accept(Acceptance { detail, ..declared.clone() });
                }
            }
            match write(store, &record, &change).await {
                Ok(written) => observer.notify(Event::Restored(&written)),
                Err(error) => errors.push(not_restored(&record, error)),
            }
        }
        observer.notify(Event::Ended);
        if returns {
            // One that cannot be written keeps the others from nothing.
            let whole = if errors.is_empty() { &self.whole } else { &first };
            store.write_registry(self.existing.as_ref(), whole).await?;
        } else if errors.is_empty() && opened.is_some() && first != self.whole {
            let current = store.registry().await?;
            let (gap, restores) = (self.whole.gap, self.whole.restores);
            let whole = SavedRegistry { gap, restores, ..current.saved() };
            store.write_registry(Some(&current), &whole).await?;
        }
        Ok(errors)
    }
}

/// The error of a record that could not be written.
fn not_restored(record: &Record, error: state::Error) -> Error {
    HostError::NotRestored { name: record.name().to_owned(), error: Box::new(error) }.into()
}

/// Whether a record is written.
fn is_written(change: &RecordChange) -> bool {
    match change {
        RecordChange::Readable(comparison) => *comparison != Comparison::Same,
        RecordChange::Damaged(_) | RecordChange::Listed | RecordChange::Revived(_) => true,
        RecordChange::Kept { lacking, .. } => !lacking.is_empty(),
        RecordChange::Taken => false,
    }
}

/// Whether the host has no record of some of these Jobs.
fn has_new(records: &[(Record, RecordChange)]) -> bool {
    records.iter().any(|(_, change)| *change == RecordChange::Readable(Comparison::New))
}

/// Whether some of these Jobs come back that the backup lacks.
fn revives_any(records: &[(Record, RecordChange)]) -> bool {
    records.iter().any(|(_, change)| *change == RecordChange::Revived(RecordSource::HostAlone))
}

/// The uid of the host that has the federation of a backup: that of the backup, or that to which
/// the federation was moved from this host since, or before this one became the host of another.
fn host_now(this: Option<&Registry>, backup: &SavedRegistry) -> String {
    let moved = this.and_then(|this| match &this.moved {
        Some(moved) if this.uid == backup.uid && this.host == backup.host => Some(moved.clone()),
        _ => this.left(&backup.uid),
    });
    moved.map_or_else(|| backup.host.clone(), |moved| moved.uid)
}

/// Writes one record, which is to become this.
async fn write(
    store: &Store,
    record: &Record,
    change: &RecordChange,
) -> Result<Record, state::Error> {
    if matches!(
        change,
        RecordChange::Readable(Comparison::Replaced { .. })
            | RecordChange::Listed
            | RecordChange::Revived(_)
            | RecordChange::Kept { .. }
    ) {
        return store.replace(record).await;
    }
    let (namespace, name) = (record.namespace(), record.name());
    store.discard_damaged(&record.federation, namespace, name, false).await?;
    store.create_anywhere(record).await
}

/// The registry of a backup with the clusters that a damaged one still names, and how the two
/// differ. What is not in the damaged one may be what is damaged.
///
/// # Errors
/// The host cannot be read.
async fn salvage(
    store: &Store,
    saved: SavedRegistry,
) -> Result<(SavedRegistry, Vec<(String, Difference)>), Error> {
    let Salvaged { members, former, unmarked } = store.salvage_registry().await?;
    let unmarked = saved.unmarked.clone().into_iter().chain(unmarked).collect();
    let since = SavedRegistry { members, former, unmarked, ..saved.clone() };
    let (whole, mut differences) = join(saved, &since);
    differences.retain(|(_, difference)| *difference != Difference::Returns);
    Ok((whole, differences))
}

/// What becomes of a registry that can be read, if there is one.
///
/// # Errors
/// It is of another federation that has Jobs, or the host cannot be read.
async fn registry_change(
    store: &Store,
    existing: Option<&Registry>,
    whole: &SavedRegistry,
) -> Result<RegistryChange, Error> {
    let Some(it) = existing else { return Ok(RegistryChange::New) };
    if it.saved() == (SavedRegistry { host: it.host.clone(), ..whole.clone() }) {
        return Ok(RegistryChange::Same);
    }
    if it.uid == whole.uid {
        return Ok(RegistryChange::Changed);
    }
    let (own, records) = (it.uid.clone(), store.any_records(&it.uid, None).await?);
    if records.is_empty() {
        return Ok(RegistryChange::TakenOver { from: own });
    }
    Err(Error::FederationInUse { own, by: InUse::Jobs, jobs: jobs_of(&records) })
}
