//! A host that could not be marked as moved is marked late: the federation has another host
//! already, because a move is done, or a backup was restored there. What was done on the old host
//! meanwhile goes to the new one.

use std::collections::BTreeSet;

use super::{
    backup::{compare, listable},
    error::{Error, HostError},
    event::{Event, Observer},
    key::key as place,
    leaving::{all_records, leave},
    moved_record::{copy, key, put},
};
use crate::state::{
    self, Change, Lacking, Member, MemberState, Moved, Record, Registry, Shard, Store,
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
    /// record of the new host that does not know all shards of the old one lists its clusters
    /// again. Gives whether anything was left to do.
    ///
    /// # Errors
    /// A host cannot be read or written; or the new host lacks Jobs, or clusters that have shards
    /// of the old one.
    pub async fn leave(&self, old: Registry, moved: Moved) -> Result<bool, Error> {
        let Self { from, to, .. } = self;
        let there = all_records(to, &old.uid, None).await?;
        let unmarked = unmarked_records(from, &old).await?;
        let was_marked = old.moved.is_some();
        if was_marked && unmarked.is_empty() {
            return Ok(false);
        }
        let known: BTreeSet<_> = there.iter().map(key).collect();
        if !was_marked {
            let [host, from] = [to, from].map(|store| store.host().name().to_owned());
            let context = moved.context.clone();
            let lacking = unmarked.iter().filter(|record| !known.contains(&key(record)));
            let jobs: Vec<_> = lacking.map(place).collect();
            if !jobs.is_empty() {
                return Err(HostError::LacksJobs { host, from, context, jobs }.into());
            }
            let clusters = self.lacking_clusters(&there, &unmarked, &old);
            if !clusters.is_empty() {
                return Err(HostError::LacksClusters { host, from, context, clusters }.into());
            }
        }
        // An older program marked no records: what the new host lacks was deleted there.
        if was_marked && moved.number == 0 {
            leave(from, old, moved).await?;
            return Ok(true);
        }
        let old = from.mark_moved(old, moved).await?;
        self.move_late(&old, &known).await?;
        Ok(true)
    }

    /// The clusters that are no members of the new host, and have shards that only the old one
    /// knows: each with the context by which whoever registered it there reached it.
    fn lacking_clusters(
        &self,
        there: &[Record],
        unmarked: &[Record],
        old: &Registry,
    ) -> Vec<(String, String)> {
        let members = self.registry.saved();
        let is_lacking = |uid: &String| members.member_by_uid(uid).is_none();
        let unknown = unmarked.iter().flat_map(|record| {
            let same = there.iter().find(|it| key(it) == key(record));
            let lacking = same.map(|same| same.lacking(record)).unwrap_or_default();
            let shards = unknown_shards(record, &lacking);
            shards.filter_map(|shard| shard.cluster_uid.clone()).collect::<Vec<_>>()
        });
        let uids: BTreeSet<_> = unknown.filter(is_lacking).collect();
        // What was given up on the old host is not waited for here.
        let is_waited_for = |member: &Member| member.state != MemberState::Lost;
        let of_uid = old.members.iter();
        let of_uid = of_uid.filter(|(_, it)| uids.contains(&it.uid) && is_waited_for(it));
        of_uid.map(|(name, member)| (name.clone(), member.context.clone())).collect()
    }

    /// Copies the records of the old host, which is marked, that were made since, and marks all
    /// that are not marked. `known` are the records that the new host has.
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
                let marked = from.mark_record(record.clone(), moved).await?;
                if let Some(marked) = marked.filter(|it| !it.unstored().says_the_same(&record)) {
                    take_over(&marked).await?;
                }
            }
        }
    }

    /// Has the record of the new host list its clusters, if the one of the old host knows shards
    /// that it does not know, or has a later edit: no work is opened before these were taken in.
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
        let members = self.registry.saved();
        let mut lacking = Lacking::default();
        let change = async |mut there: Record| {
            lacking = there.lacking(record);
            let has_edit = record.state.revision > there.state.revision;
            if there.state.uid != record.state.uid || (lacking.is_empty() && !has_edit) {
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
        match self.to.update(there, change).await {
            Ok(Change::Replace(written)) => {
                let host = self.from.host().name();
                let unknown = Event::UnknownShards { record: &written, host, lacking: &lacking };
                self.observer.notify(unknown);
                Ok(())
            }
            Ok(Change::Keep(_) | Change::Remove(_))
            | Err(Error::State(state::Error::Replaced { .. })) => Ok(()),
            Err(Error::State(error)) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The shards of a record that another one does not know.
fn unknown_shards<'r>(record: &'r Record, lacking: &'r Lacking) -> impl Iterator<Item = &'r Shard> {
    let is_unknown = |id: u32| i32::try_from(id).is_ok_and(|id| lacking.shards.contains(id));
    record.shards.iter().filter(move |(id, _)| is_unknown(**id)).map(|(_, shard)| shard)
}

/// The records of a federation on its old host that are not marked as moved.
async fn unmarked_records(from: &Store, registry: &Registry) -> Result<Vec<Record>, Error> {
    let read = all_records(from, &registry.uid, registry.moved.as_ref()).await;
    let mut records = read.map_err(|error| Error::on_old_host(from, error))?;
    records.retain(|record| record.state.moved.is_none());
    Ok(records)
}
