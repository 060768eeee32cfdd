//! What becomes of the records of a backup, beside those that the host has.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    federation::{error::Error, key::key},
    state::{self, Lacking, Member, MemberState, Newer, Record, SavedRegistry, Store},
};

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordChange {
    /// The host has none, or one that can be read.
    Readable(Comparison),
    /// The host has one that cannot be read, and it is replaced.
    Damaged(String),
    /// The host has one that is newer, or of which that is not known: that one stays. What was done
    /// since the backup would be forgotten. The times are as of [`Comparison::Replaced`]. Where it
    /// does not know all shards of the backup, it lists its clusters before it opens work.
    Kept {
        /// The record of the host.
        on_host: i64,
        /// The record of the backup.
        in_backup: i64,
        /// Whether the one of the host is known to be newer.
        is_newer: bool,
        /// The shards of the backup that it does not know.
        lacking: Lacking,
    },
    /// The host has the same, which lists its clusters again: others have given out its work.
    Listed,
    /// The host is as old as a backup, and what it has of the Job counts again: it is newer than
    /// the backup, or the backup lacks the Job.
    Revived(RecordSource),
    /// The host has another federated Job under its name. That one stays, and this is not written.
    Taken,
}

/// How a record compares with what the host has under its name, if that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// The host has none, and gets this one.
    New,
    /// The host has the same.
    Same,
    /// The host has another one, which is replaced: when each of the two last changed, in seconds
    /// since 1970 as far as they say.
    Replaced {
        /// The record of the host.
        on_host: i64,
        /// The record of the backup.
        in_backup: i64,
        /// Which of the two is newer: this is the one of the host.
        newer: Newer,
    },
}

/// Where a record that is restored is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordSource {
    /// From the backup.
    Backup,
    /// From the host, which took no part in what was done since: it is newer there.
    NewerOnHost,
    /// From such a host: the backup lacks the Job.
    HostAlone,
}

/// The records of a backup with those of a host that took no part in what was done since. These are
/// as old as a backup: each that the backup lacks, or has older, is restored too. A name that the
/// backup has is that of its Job.
pub(super) fn with_stale(
    saved: Vec<(Record, RecordSource)>,
    on_host: impl Iterator<Item = Record>,
) -> Vec<(Record, RecordSource)> {
    let by_name = saved.into_iter().map(|saved| (key(&saved.0), saved));
    let mut all: BTreeMap<_, _> = by_name.collect();
    for record in on_host {
        let source = match all.get(&key(&record)) {
            None => RecordSource::HostAlone,
            Some((saved, _)) if saved.state.uid != record.state.uid => continue,
            Some((saved, _)) if record.newer(saved) == Newer::This => RecordSource::NewerOnHost,
            Some(_) => continue,
        };
        all.insert(key(&record), (record.unstored(), source));
    }
    all.into_values().collect()
}

/// What becomes of the records of a backup where the registry becomes this. `replaces_newer` is as
/// for the plan of a restore. `is_stale` says that the records on the host are as
/// old as a backup: none of them stays as it is.
///
/// # Errors
/// The errors of [`compare`], except that a record is damaged.
pub(super) async fn compare_all(
    store: &Store,
    whole: &SavedRegistry,
    saved: Vec<(Record, RecordSource)>,
    replaces_newer: bool,
    is_stale: bool,
) -> Result<Vec<(Record, RecordChange)>, Error> {
    let mut records = Vec::new();
    let is_lost = |uid: &str| {
        let mut lost = whole.members.values().filter(|it| it.state == MemberState::Lost);
        lost.any(|member| member.uid == uid)
    };
    for (mut record, source) in saved {
        let unlisted = listable(&whole.members);
        record.state.unlisted.clone_from(&unlisted);
        record.mark_restored();
        record.rename_clusters(|uid| whole.member_by_uid(uid));
        record.give_up_before(is_lost);
        let there = match on_host(store, &record).await {
            Ok(Some(there)) => there,
            Ok(None) => {
                records.push((record, RecordChange::Readable(Comparison::New)));
                continue;
            }
            Err(Error::State(error @ state::Error::Damaged { .. })) => {
                records.push((record, RecordChange::Damaged(error.to_string())));
                continue;
            }
            Err(Error::OtherJob { .. }) => {
                let (namespace, name) = key(&record);
                let other = store.any_record(&record.federation, &namespace, &name).await?;
                // One that was moved away has no effect here.
                let is_left = is_stale && other.state.moved.is_some();
                records.push(if is_left {
                    let (on_host, in_backup) = (other.last_change(), record.last_change());
                    let replaced = Comparison::Replaced { on_host, in_backup, newer: Newer::Other };
                    (record.in_place_of(&other), RecordChange::Readable(replaced))
                } else {
                    (record, RecordChange::Taken)
                });
                continue;
            }
            Err(error) => return Err(error),
        };
        if source != RecordSource::Backup {
            records.push((record.in_place_of(&there), RecordChange::Revived(source)));
            continue;
        }
        // What was moved away is the same but for the mark.
        if is_stale && there.unstored().says_the_same(&record) && there.state != record.state {
            records.push((record.in_place_of(&there), RecordChange::Listed));
            continue;
        }
        records.push(match comparison(&there, &record) {
            Comparison::Replaced { on_host, in_backup, newer }
                if newer != Newer::Other && !replaces_newer && !is_stale =>
            {
                let is_newer = newer == Newer::This;
                let lacking = there.lacking(&record);
                let kept = if lacking.is_empty() {
                    record
                } else {
                    let mut there = there;
                    there.list_again(unlisted);
                    there
                };
                (kept, RecordChange::Kept { on_host, in_backup, is_newer, lacking })
            }
            Comparison::Same => (there, RecordChange::Readable(Comparison::Same)),
            replaced => (record.in_place_of(&there), RecordChange::Readable(replaced)),
        });
    }
    Ok(records)
}

/// Compares one record with what the host has. Gives it as it is to be written.
///
/// # Errors
/// What is there under its name is no record of this Job, or cannot be read.
pub(in crate::federation) async fn compare(
    store: &Store,
    record: &Record,
) -> Result<(Record, Comparison), Error> {
    Ok(match on_host(store, record).await? {
        None => (record.clone(), Comparison::New),
        Some(there) => match comparison(&there, record) {
            Comparison::Same => (there, Comparison::Same),
            replaced => (record.clone().in_place_of(&there), replaced),
        },
    })
}

/// The record of the same Job that the host has, if it has one.
///
/// # Errors
/// As for [`compare`].
async fn on_host(store: &Store, record: &Record) -> Result<Option<Record>, Error> {
    match store.any_record(&record.federation, record.namespace(), record.name()).await {
        Ok(there) if there.state.uid != record.state.uid => Err(other_job(record)),
        Ok(there) => Ok(Some(there)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// How a record compares with the one of the same Job that the host has.
fn comparison(there: &Record, record: &Record) -> Comparison {
    if there.says_the_same(record) {
        return Comparison::Same;
    }
    Comparison::Replaced {
        on_host: there.last_change(),
        in_backup: record.last_change(),
        // One that was moved away has no effect here any more.
        newer: match there.state.moved {
            Some(_) => Newer::Other,
            None => there.newer(record),
        },
    }
}

/// The error of a record whose name another federated Job has on the host.
pub(super) fn other_job(record: &Record) -> Error {
    let (namespace, name) = key(record);
    Error::OtherJob { namespace, name }
}

/// The members that have to be listed before a record is trusted: all. One that was declared lost
/// may answer by now; if it does not, a reconcile does not wait for it.
pub(in crate::federation) fn listable(members: &BTreeMap<String, Member>) -> BTreeSet<String> {
    members.keys().cloned().collect()
}
