//! A host that could not be marked as moved is marked late: the federation has another host
//! already, because a move is done, or a backup was restored there. What was done on the old host
//! meanwhile goes to the new one.

use std::collections::BTreeSet;

use super::{
    backup::{compare, listable},
    error::{Error, HostError},
    event::{Event, LateEdit, Observer},
    key::key as place,
    leaving::{all_records, leave, records_of_old},
    moved_record::{copy, key, put},
};
use crate::{
    reconcile::take_edits,
    state::{self, Change, Lacking, Member, MemberState, Moved, Record, Registry, Shard, Store},
};

/// The two hosts of one federation.
pub(super) struct Late<'a> {
    /// The old one.
    pub from: &'a Store,
    /// The new one.
    pub to: &'a Store,
    /// The registry of the new one.
    pub registry: &'a Registry,
    /// Whoever is told.
    pub observer: &'a dyn Observer,
}

impl Late<'_> {
    /// Marks the old host. Records that were made there while the federation moved are copied. A
    /// record of the new host takes over the edits of the old one, and lists its clusters again
    /// where it does not know all that was done there. Gives whether anything was left to do.
    ///
    /// # Errors
    /// A host cannot be read or written; or the new host lacks Jobs, or clusters that have shards
    /// of the old one.
    pub async fn leave(&self, old: Registry, moved: Moved) -> Result<bool, Error> {
        let Self { from, to, .. } = self;
        let there = all_records(to, &old.uid, None).await?;
        let records = records_of_old(from, &old).await?;
        let (marked, unmarked): (Vec<_>, Vec<_>) =
            records.into_iter().partition(|record| record.state.moved.is_some());
        let left = left_there(&there, marked, &old.host);
        let was_marked = old.moved.is_some();
        if was_marked && unmarked.is_empty() && left.is_empty() {
            return Ok(false);
        }
        if !was_marked {
            let known: BTreeSet<_> = there.iter().map(key).collect();
            let lacking = unmarked.iter().filter(|record| !known.contains(&key(record)));
            let jobs: Vec<_> = lacking.map(place).collect();
            if !jobs.is_empty() {
                let [host, from] = [to, from].map(|store| store.host().name().to_owned());
                let context = moved.context.clone();
                return Err(HostError::LacksJobs { host, from, context, jobs }.into());
            }
            self.refuse_lacking(self.registry, &there, &unmarked, (&old, &moved))?;
        }
        // An older program marked no records: what the new host lacks was deleted there.
        if was_marked && moved.number == 0 {
            leave(from, old, moved).await?;
            return Ok(true);
        }
        let on_old = |error| Error::on_old_host(from, error);
        let old = from.mark_moved(old, moved.clone()).await.map_err(on_old)?;
        self.compare_again(&old, &moved, was_marked).await?;
        for record in &left {
            put(to, compare(to, &copy(record, &old)).await?).await?;
        }
        let acting = there.iter().filter(|record| record.state.moved.is_none());
        self.move_late(&old, &acting.map(key).collect()).await?;
        Ok(true)
    }

    /// Compares the clusters once more, now that the registry of the old host is marked: who had
    /// read it before may have opened shards since they were compared. If the new host lacks
    /// clusters by now, the old one is not marked any more.
    ///
    /// A move that was interrupted here is known by that: no record is marked, and the new host
    /// remembers that the old one is not.
    ///
    /// # Errors
    /// A host cannot be read or written; or the new host lacks clusters.
    async fn compare_again(
        &self,
        old: &Registry,
        moved: &Moved,
        was_marked: bool,
    ) -> Result<(), Error> {
        let Self { from, to, .. } = self;
        let registry = to.registry().await?;
        let records = records_of_old(from, old).await?;
        let is_begun = records.iter().any(|record| record.state.moved.is_some());
        if was_marked && (is_begun || !registry.unmarked.contains_key(&old.host)) {
            return Ok(());
        }
        let there = all_records(to, &old.uid, None).await?;
        let lacking = self.refuse_lacking(&registry, &there, &records, (old, moved));
        if lacking.is_err() {
            let unmarked = from.unmark_moved(old).await;
            unmarked.map_err(|error| Error::on_old_host(from, error))?;
        }
        lacking
    }

    /// Checks that the new host has all clusters that have shards which only the old one knows.
    ///
    /// # Errors
    /// [`HostError::LacksClusters`] names those that it lacks.
    fn refuse_lacking(
        &self,
        registry: &Registry,
        there: &[Record],
        records: &[Record],
        (old, moved): (&Registry, &Moved),
    ) -> Result<(), Error> {
        let clusters = lacking_clusters(registry, there, records, old);
        if clusters.is_empty() {
            return Ok(());
        }
        let [host, from] = [self.to, self.from].map(|store| store.host().name().to_owned());
        let context = moved.context.clone();
        Err(HostError::LacksClusters { host, from, context, clusters }.into())
    }

    /// Copies the records of the old host, which is marked, that were made since, and marks all
    /// that are not marked. `known` are the records that the new host has, and that count there.
    ///
    /// A record is marked once the new host has what it says: if this is interrupted, the next call
    /// finds it again. If somebody changed it in between, what was marked counts.
    async fn move_late(
        &self,
        old: &Registry,
        known: &BTreeSet<(String, String)>,
    ) -> Result<(), Error> {
        let Self { from, to, .. } = self;
        let Some(moved) = &old.moved else { return Ok(()) };
        loop {
            let unmarked = unmarked_records(from, old).await?;
            if unmarked.is_empty() {
                return Ok(());
            }
            for record in unmarked {
                let is_late = !known.contains(&key(&record));
                let take_over = async |record: &Record| {
                    if is_late {
                        put(to, compare(to, &copy(record, old)).await?).await
                    } else {
                        self.list_again(record).await
                    }
                };
                take_over(&record).await?;
                let marked = from.mark_record(record.clone(), moved).await;
                let marked = marked.map_err(|error| Error::on_old_host(from, error))?;
                if let Some(marked) = marked.filter(|it| !it.unstored().says_the_same(&record)) {
                    take_over(&marked).await?;
                }
            }
        }
    }

    /// Has the record of the new host take over the edits of the old one. If the old one knows
    /// shards that it does not know, or has edited the Job, it lists its clusters: no work is
    /// opened before what they have was taken in.
    ///
    /// A cluster of such a shard that is no member is remembered: it was declared lost on the old
    /// host.
    async fn list_again(&self, record: &Record) -> Result<(), Error> {
        let (namespace, name) = place(record);
        let there = match self.to.any_record(&record.federation, &namespace, &name).await {
            // Somebody deletes it.
            Err(error) if error.is_not_found() => return Ok(()),
            there => there?,
        };
        if there.state.uid != record.state.uid {
            return Ok(());
        }
        let members = self.registry.saved();
        let (mut lacking, mut edit) = (Lacking::default(), LateEdit::None);
        let change = async |mut there: Record| {
            lacking = there.lacking(record);
            edit = take_late_edit(&mut there, record);
            let has_ended = there.state.outcome.is_some();
            if lacking.is_empty() && (edit == LateEdit::None || has_ended) {
                return Ok::<_, Error>(Change::Keep(there));
            }
            for shard in unknown_shards(record, &lacking) {
                let uid = shard.cluster_uid.as_ref();
                if let Some(uid) = uid.filter(|uid| members.member_by_uid(uid).is_none()) {
                    there.miss(&shard.cluster, uid);
                }
            }
            there.list_again(listable(&members.members));
            Ok(Change::Replace(there))
        };
        let there = match self.to.update(there, change).await {
            Ok(Change::Replace(there) | Change::Keep(there) | Change::Remove(there)) => there,
            Err(Error::State(state::Error::Replaced { .. })) => return Ok(()),
            Err(Error::State(error)) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error),
        };
        let is_deleted = record.state.deleting.is_some() && there.state.deleting.is_none();
        if is_deleted || edit != LateEdit::None || !lacking.is_empty() {
            let (host, record, lacking) = (self.from.host().name(), &there, &lacking);
            let used = Event::UsedAgain { record, host, lacking, edit: &edit, is_deleted };
            self.observer.notify(used);
        }
        Ok(())
    }
}

/// The records of an old host that are marked, and that the new one does not have in fact: the
/// federation was moved from there to the old host before, and that mark is still on its own. `old`
/// is the uid of the old host. The last of two moves counts.
fn left_there(there: &[Record], marked: Vec<Record>, old: &str) -> Vec<Record> {
    let number = |record: &Record| record.state.moved.as_ref().map(|moved| moved.number);
    let is_left = |record: &Record| {
        let same = there.iter().find(|it| key(it) == key(record));
        let same = same.filter(|it| it.state.moved.as_ref().is_some_and(|to| to.uid == old));
        same.is_some_and(|same| number(same) < number(record))
    };
    marked.into_iter().filter(is_left).collect()
}

/// Has a record take over the edits of the same Job on a host that was used again, and says what
/// becomes of them. Of edits on both hosts, the record keeps its own, unless the other host has
/// made more of them.
fn take_late_edit(there: &mut Record, record: &Record) -> LateEdit {
    let before = there.manifest.clone();
    if record.state.revision < there.state.revision || record.manifest == before {
        return LateEdit::None;
    }
    if take_edits(there, record) {
        LateEdit::Taken(before)
    } else {
        LateEdit::Left(record.manifest.clone())
    }
}

/// The clusters that are no members of a new host, and have shards that only the old one knows:
/// each with the context by which whoever registered it there reached it.
fn lacking_clusters(
    new: &Registry,
    there: &[Record],
    records: &[Record],
    old: &Registry,
) -> Vec<(String, String)> {
    let is_lacking = |uid: &String| new.member_by_uid(uid).is_none();
    let unknown = records.iter().flat_map(|record| {
        let same = there.iter().find(|it| key(it) == key(record));
        let lacking = same.map(|same| same.lacking(record));
        let is_unknown = move |id| lacking.as_ref().is_none_or(|it| has_shard(it, id));
        let shards = record.shards.iter().filter(move |(id, _)| is_unknown(**id));
        shards.filter_map(|(_, shard)| shard.cluster_uid.clone())
    });
    let uids: BTreeSet<_> = unknown.filter(is_lacking).collect();
    // What was given up on the old host is not waited for here.
    let is_waited_for = |member: &Member| member.state != MemberState::Lost;
    let of_uid = old.members.iter();
    let of_uid = of_uid.filter(|(_, it)| uids.contains(&it.uid) && is_waited_for(it));
    of_uid.map(|(name, member)| (name.clone(), member.context.clone())).collect()
}

/// The shards of a record that another one does not know.
fn unknown_shards<'r>(record: &'r Record, lacking: &'r Lacking) -> impl Iterator<Item = &'r Shard> {
    record.shards.iter().filter(|(id, _)| has_shard(lacking, **id)).map(|(_, shard)| shard)
}

/// Whether a shard is among those that another record does not know.
fn has_shard(lacking: &Lacking, id: u32) -> bool {
    i32::try_from(id).is_ok_and(|id| lacking.shards.contains(id))
}

/// The records of a federation on its old host that are not marked as moved.
async fn unmarked_records(from: &Store, registry: &Registry) -> Result<Vec<Record>, Error> {
    let mut records = records_of_old(from, registry).await?;
    records.retain(|record| record.state.moved.is_none());
    Ok(records)
}
