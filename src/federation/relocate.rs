//! A federation is moved to another host, records and all.
//!
//! Each record is copied as it was when it was [marked](leave): nothing changes it afterwards.

use std::collections::BTreeSet;

use super::{
    backup::{Comparison, compare},
    error::{Error, HostError, InUse},
    event::{Event, Observer, Work},
    key::key as place,
    late::Late,
    leaving::{all_records, leave, records_of_old},
    moved_record::{copy, key, put, try_new},
    records::jobs_of,
};
use crate::state::{self, Moved, Record, Registry, Store};

/// Makes a new host of a federation: everything is copied, and the old host is marked, so that
/// nothing uses it any more. `context` is the user's for the new host, and is said to whoever asks
/// the old one.
///
/// The old registry and its records are marked first, then the records are copied, then the new
/// registry is written. Where the federation was on the new host before, the records that it has
/// deleted since are removed there. If it is interrupted, the same call finishes it. Gives whether
/// anything was left to do.
///
/// # Errors
/// A host cannot be read or written; a record is damaged; the old federation was moved elsewhere;
/// the new host has another federation with members or Jobs; it has the same one, and lacks Jobs
/// or clusters, or has what is older than a restore on the old one, or each lacks what was done on
/// the other; or it has lost its registry since the move, and has records that are newer.
pub async fn relocate(
    from: &Store,
    to: &Store,
    context: &str,
    observer: &dyn Observer,
) -> Result<bool, Error> {
    let old = match from.any_registry().await {
        Err(state::Error::NoRegistry { .. }) => {
            return Err(nothing_to_move(from, to, context).await);
        }
        old => old.map_err(|error| Error::on_old_host(from, error))?,
    };
    let verified = from.host().verify(&old.host).await;
    verified.map_err(|error| Error::on_old_host(from, Error::host(error, false)))?;
    let host = to.host().identity().await?;
    let moved_to = host.clone();
    if host == old.host {
        return Err(HostError::SameHost { name: to.host().name().to_owned() }.into());
    }
    if let Some(moved) = old.moved.as_ref().filter(|moved| moved.uid != host) {
        return Err(Error::on_old_host(from, from.moved(moved)));
    }
    let existing = match to.any_registry().await {
        Err(state::Error::NoRegistry { .. }) => None,
        registry => Some(registry?),
    };
    let left = existing.as_ref().and_then(|it| it.moved.as_ref());
    let moved = match &old.moved {
        Some(moved) => moved.clone(),
        None => {
            let number = left.map_or(0, |left| left.number).saturating_add(1);
            Moved { uid: host, context: context.to_owned(), number }
        }
    };
    if let Some(it) = &existing {
        if it.uid == old.uid && it.moved.is_none() {
            // What it has is older than the restore on the old host. It must not become the truth.
            let (there, here) = (it.saved(), old.saved());
            if old.moved.is_none() && there.is_left_for(&here) {
                let [host, from] = [to, from].map(|store| store.host().name().to_owned());
                let context = context.to_owned();
                let error = if here.is_left_for(&there) {
                    HostError::BothLeft { host, from, context }
                } else {
                    HostError::StaleHost { host, from, context }
                };
                return Err(error.into());
            }
            let uid = old.host.clone();
            let late = Late { from, to, registry: it, observer };
            let is_marked = Box::pin(late.leave(old, moved)).await?;
            return Ok(to.forget_unmarked(&uid).await? || is_marked);
        }
        refuse_in_use(to, it, &old).await?;
    }
    // A move that was begun goes on only where the federation has not left the new host since: the
    // last of its moves counts.
    let mut arrived = old.restores.clone();
    arrived.count_move(&moved_to);
    let has_gone_on = |left: &&Moved| {
        // Both say that the federation was moved to the other one: the last of these moves counts.
        if left.uid == old.host {
            return left.number > moved.number;
        }
        let has_arrived = existing.as_ref().is_some_and(|it| it.restores.include_moves(&arrived));
        old.moved.is_some() && (has_arrived || left.number >= moved.number)
    };
    if let Some(left) = left.filter(has_gone_on) {
        return Err(to.moved(left).into());
    }
    let was_host = left.is_some();
    // Until the new host has its registry, no command changes the copies there. So records that are
    // no copies were written after this move, and are newer than those of the old host.
    let finished = old.moved.as_ref().filter(|_| !was_host).map(|_| context);
    // What cannot be copied is found before anything is marked.
    let records = records_of_old(from, &old).await?;
    // Where all was marked before, and the new host has nothing, it may have lost what it had. What
    // it had given out is not known then.
    let were_marked = records.iter().all(|record| record.state.moved.is_some());
    let may_be_lost =
        finished.is_some() && were_marked && to.any_records(&old.uid, None).await?.is_empty();
    let terms = Terms { was_host, finished, may_be_lost };
    try_new(to, &copies(to, &old, records, terms).await?.copies).await?;
    let (old, records) = mark(from, old, moved).await.map_err(|it| Error::on_old_host(from, it))?;
    let Copies { stale, copies } = copies(to, &old, records, terms).await?;
    for record in stale {
        to.remove(&record).await?;
    }
    let total = copies.len();
    for (done, copy) in copies.into_iter().enumerate() {
        observer.notify(Event::Turn(Work::Recording, copy.0.name(), done, total));
        put(to, copy).await?;
    }
    observer.notify(Event::Ended);
    let mut saved = old.saved();
    saved.unmarked.remove(&moved_to);
    saved.restores = arrived;
    to.write_registry(existing.as_ref(), &saved).await?;
    Ok(true)
}

/// Marks the old host as left. Gives its registry and its records: nothing changes them afterwards.
async fn mark(from: &Store, old: Registry, moved: Moved) -> Result<(Registry, Vec<Record>), Error> {
    let old = leave(from, old, moved).await?;
    let records = all_records(from, &old.uid, old.moved.as_ref()).await?;
    Ok((old, records))
}

/// Why there is nothing to move from a host without a registry.
async fn nothing_to_move(from: &Store, to: &Store, context: &str) -> Error {
    // Whoever may not list the records is told nothing of them.
    let left = from.left_behind(None).await.unwrap_or_default();
    let (from, context) = (from.host().name().to_owned(), context.to_owned());
    let is_host = to.registry().await.is_ok();
    HostError::NothingToMove { from, context, left, is_host }.into()
}

/// Checks that the registry of a new host may become that of this federation: it is that already,
/// or is empty.
///
/// # Errors
/// [`Error::FederationInUse`], or the host cannot be read.
async fn refuse_in_use(to: &Store, it: &Registry, old: &Registry) -> Result<(), Error> {
    if it.uid == old.uid {
        return Ok(());
    }
    let records = to.any_records(&it.uid, None).await?;
    let is_empty = it.members.is_empty() && records.is_empty();
    let by = match it.moved {
        Some(_) => InUse::AnotherHost,
        None if is_empty => return Ok(()),
        None => InUse::ClustersOrJobs,
    };
    Err(Error::FederationInUse { own: it.uid.clone(), by, jobs: jobs_of(&records) })
}

/// What makes the records of a new host those of the old one.
struct Copies {
    /// The records of the new host whose Jobs were deleted since it was left.
    stale: Vec<Record>,
    /// The records of the old host, and what becomes of them on the new one.
    copies: Vec<(Record, Comparison)>,
}

/// What is known of a new host.
#[derive(Clone, Copy)]
struct Terms<'a> {
    /// Whether the federation was on it before, and left it. Only then does the old host know what
    /// was deleted since.
    was_host: bool,
    /// Its context, if its records may be newer: a record there that is no copy is not replaced.
    finished: Option<&'a str>,
    /// Whether it may have lost all that it had.
    may_be_lost: bool,
}

/// Compares the records of the old host with those of the new one.
async fn copies(
    to: &Store,
    old: &Registry,
    records: Vec<Record>,
    Terms { was_host, finished, may_be_lost }: Terms<'_>,
) -> Result<Copies, Error> {
    let moved = || finished.map(str::to_owned);
    let mut errors = Vec::new();
    let mut stale = Vec::new();
    let kept: BTreeSet<_> = records.iter().map(key).collect();
    let mut unreadable = BTreeSet::new();
    for record in to.any_records(&old.uid, None).await? {
        match record {
            Ok(record) if kept.contains(&key(&record)) => {}
            Ok(record) if was_host => stale.push(record),
            Ok(record) => {
                let (namespace, name) = place(&record);
                let error = format!("the host has a record of job {namespace}/{name} already");
                errors.push(Error::InTheWay { error, moved: moved() });
            }
            Err(error) => drop(unreadable.insert(error.to_string())),
        }
    }
    let freed: BTreeSet<_> = stale.iter().map(place).collect();
    let mut copies = Vec::new();
    for record in records {
        let mut copy = copy(&record, old);
        if may_be_lost {
            copy.mark_restored();
        }
        if freed.contains(&place(&copy)) {
            copies.push((copy, Comparison::New));
            continue;
        }
        match compare(to, &copy).await {
            Ok((copy, Comparison::Replaced { .. })) if finished.is_some() => {
                let (namespace, name) = place(&copy);
                let error = format!("the host has a newer record of job {namespace}/{name}");
                errors.push(Error::InTheWay { error, moved: moved() });
            }
            Ok(copy) => copies.push(copy),
            Err(error @ Error::OtherJob { .. }) => {
                errors.push(Error::InTheWay { error: error.to_string(), moved: None });
            }
            Err(Error::State(error @ state::Error::Damaged { .. })) => {
                unreadable.insert(error.to_string());
            }
            Err(error) => errors.push(error),
        }
    }
    errors.extend(unreadable.into_iter().map(|error| Error::InTheWay { error, moved: moved() }));
    Error::all(errors)?;
    Ok(Copies { stale, copies })
}
