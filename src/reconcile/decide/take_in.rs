//! The ledger takes in what members have of a Job whose record was recovered, restored or moved;
//! pure.
//!
//! Such a record may be older than the Jobs in the members, or be new and know none of them. A
//! member is *unlisted* until it has answered with all Jobs that carry this federated Job's labels.
//! Until all members have, no shard is opened and nothing is taken from one: what seems to be
//! carried by nobody may be in a member that does not answer.

use std::{cmp::Reverse, collections::BTreeSet};

use crate::{
    job::{Leeway, Manifest, Observed, TemplateEdits, immutable},
    reconcile::{
        allocate::pods,
        observe::{Found, Observation, Observations},
    },
    seams::{self, Defect},
    state::{Origin, Phase, Record, Recovery, Shard},
};

/// Takes over the Jobs of the unlisted members that have answered, and of those that were missed.
/// Gives whether the record changed. The shards are looked at in the next step of the loop.
pub(super) fn take_in(record: &mut Record, observations: &Observations) -> bool {
    if observations.places.is_empty() {
        return false;
    }
    let listed = take_unlisted(record, observations);
    take_missed(record, observations) || listed
}

/// Takes over the Jobs of the unlisted members that have answered. Gives whether any was settled.
fn take_unlisted(record: &mut Record, observations: &Observations) -> bool {
    let places = &observations.places;
    // A member that answers is listed, also if it was declared lost.
    let answers =
        |name: &str| matches!(observations.members.get(name), Some(Observation::Known { .. }));
    let is_settled = |name: &String| {
        observations.found.contains_key(name)
            || places.get(name).is_none_or(|place| place.lost.is_some() && !answers(name))
    };
    let settled: Vec<_> =
        record.state.unlisted.iter().filter(|name| is_settled(name)).cloned().collect();
    if settled.is_empty() {
        return false;
    }
    if record.state.origin.is_none() && settled.iter().any(|name| !places.contains_key(name)) {
        // Nobody knows what the Jobs of a cluster have done that is registered no more.
        record.state.origin = Some(Origin::Backup);
    }
    for name in settled.iter().filter(|name| !observations.found.contains_key(*name)) {
        let Some(place) = places.get(name) else { continue };
        if let Some(declared) = &place.lost {
            record.give_up_unlisted(name, &place.uid, declared);
        }
    }
    // Another cluster may have the name of a missed one by now.
    let is_missed = |name: &str| {
        places.get(name).is_some_and(|place| record.state.missed.contains_key(&place.uid))
    };
    let mut found: Vec<_> = settled
        .iter()
        .filter(|name| !is_missed(name))
        .flat_map(|name| {
            observations.found.get(name).into_iter().flatten().map(move |it| (name, it))
        })
        .collect();
    if record.state.origin == Some(Origin::Move) {
        // The ledger has all shards: what their Jobs keep is nothing to it.
        found.clear();
    }
    // With the newest manifest first, the others are seen to be older.
    let newness = |it: &Recovery| (it.revision, it.is_verbatim);
    found.sort_by_key(|(_, found)| Reverse(found.recovery.as_ref().map_or((0, false), newness)));
    let heard = Heard {
        present: present(record, observations, &settled),
        disputed: observations.disputed(record).into_keys().collect(),
    };
    record.shards.retain(|id, shard| !(shard.told && heard.present.contains(id)));
    let mut divides = false;
    for (cluster, found) in found {
        divides |= take(record, cluster, &places[cluster].uid, found, &heard);
    }
    record.state.unlisted.retain(|name| !settled.contains(name));
    if record.state.unlisted.is_empty() {
        record.shards.values_mut().for_each(|shard| shard.told = false);
        if record.state.origin != Some(Origin::Move) {
            forget_planned(record);
        }
        // What a backup does not know is withheld once the shards were looked at.
        record.state.origin = record.state.origin.filter(|origin| *origin == Origin::Backup);
    }
    if divides && record.state.outcome.is_none() {
        pods::divide(record, places);
    }
    true
}

/// Whether something is yet to be seen of a restored record before it is known which work nobody
/// has: members that have not been listed, or shards whose members do not answer.
pub(super) fn awaits_answers(record: &Record, observations: &Observations) -> bool {
    let is_unseen = |shard: &Shard| shard.restored && !shard.is_over();
    let unseen = |shard: &Shard| is_unseen(shard) && observations.answer(shard).is_none();
    !record.state.unlisted.is_empty() || record.shards.values().any(unseen)
}

/// Takes over the Jobs of the missed clusters that have answered, as shards that were given up.
/// Others do their work already, so they are stopped. Gives whether any cluster was listed.
fn take_missed(record: &mut Record, observations: &Observations) -> bool {
    let is_there = |(uid, name): &(&String, &String)| {
        observations.places.get(*name).is_some_and(|place| place.uid == **uid)
            && observations.found.contains_key(*name)
    };
    let listed: Vec<_> = record.state.missed.iter().filter(is_there).collect();
    let listed: Vec<_> =
        listed.into_iter().map(|(uid, name)| (uid.clone(), name.clone())).collect();
    for (uid, name) in &listed {
        for found in &observations.found[name] {
            let Some(id) = found.shard_of(record) else { continue };
            if let Ok(recovery) = &found.recovery
                && !record.knows_shard(id)
                && !is_copy(recovery, uid)
            {
                let shard = recovered(record, name, uid, recovery, &found.job);
                record.add_missed(id, caught_up(shard, &found.job, Some(recovery)));
            }
        }
        record.state.missed.remove(uid);
    }
    !listed.is_empty()
}

/// The shard that a Job says it is.
///
/// An adopted Job got its annotation with its labels, and its spec was not changed: what it lacked
/// of the ledger then, it lacks until its own generation says more.
fn recovered(
    record: &Record,
    cluster: &str,
    uid: &str,
    recovery: &Recovery,
    job: &Observed,
) -> Shard {
    Shard {
        cluster: cluster.to_owned(),
        cluster_uid: Some(uid.to_owned()),
        name: (job.name != record.name()).then(|| job.name.clone()),
        generation: recovery.shard.adoption.map_or(1, |_| recovery.shard.generation),
        ..recovery.shard.clone()
    }
}

/// What the Jobs that were found say together.
struct Heard {
    /// The shards whose Jobs were found in their own clusters.
    present: BTreeSet<u32>,
    /// The edits of which different manifests were found. None of these is taken over.
    disputed: BTreeSet<u32>,
}

/// The shards whose Jobs these members have. A Job knows better than those of other shards, which
/// any member can write, whether it goes on, and what it has done.
fn present(record: &Record, observations: &Observations, members: &[String]) -> BTreeSet<u32> {
    let jobs = members.iter().flat_map(|name| {
        let place = observations.places.get(name);
        let found = observations.found.get(name).into_iter().flatten();
        found.filter_map(move |found| Some((place?, found)))
    });
    let present = jobs.filter_map(|(place, found)| {
        let recovery = found.recovery.as_ref().ok()?;
        let is_it = recovery.shard.uid.as_ref().is_none_or(|uid| *uid == found.job.uid);
        found.shard_of(record).filter(|_| is_it && !is_copy(recovery, &place.uid))
    });
    present.collect()
}

/// Takes over one Job. Gives whether its pods, or those of others, are to be divided again, because
/// an edit had not reached it.
fn take(record: &mut Record, cluster: &str, uid: &str, found: &Found, heard: &Heard) -> bool {
    let job = &found.job;
    let Some(id) = found.shard_of(record) else { return false };
    if job.end.is_some() && seams::has(Defect::RecoverBlind) {
        return false;
    }
    let known = record.shards.get(&id);
    let is_it = known.is_some_and(|shard| is_known_as(record, id, shard, cluster, job));
    let divides = match &found.recovery {
        Ok(recovery) if is_it || (known.is_none() && !is_copy(recovery, uid)) => {
            take_ended(record, recovery, &heard.present);
            !heard.disputed.contains(&recovery.revision) && adopt_manifest(record, recovery)
        }
        Err(_) if is_it => false,
        _ => return false,
    };
    let shard = match (record.shards.get(&id), &found.recovery) {
        (Some(shard), _) => shard.clone(),
        (None, Ok(recovery)) => recovered(record, cluster, uid, recovery, job),
        (None, Err(_)) => return divides,
    };
    if !shard.phase.ended() {
        let recovery = found.recovery.as_ref().ok();
        // Also another of the same edit. Of a newer edit with several manifests nobody knows which
        // one is true: its Jobs go on with theirs.
        let is_other = |it: &&Recovery| {
            let differs = it.is_verbatim && it.manifest != record.manifest;
            it.revision != record.state.revision || differs
        };
        let is_disputed = |it: &&Recovery| heard.disputed.contains(&it.revision);
        let other = recovery.filter(is_other).filter(|it| !is_disputed(it));
        let mut shard = caught_up(shard, job, recovery);
        let lacks_nothing = shard.adoption.is_none() || job.generation >= shard.generation;
        if recovery.is_some_and(|it| !is_other(&it)) && lacks_nothing {
            // The last edit and the annotation were written at once.
            shard.template_generation = job.template_generation;
        }
        let is_held = shard.phase == Phase::Started && job.suspended && job.takes_credit();
        if (!is_it || job.is_stopped()) && is_held && !record.manifest.suspended() {
            // It was being stopped, and nobody can tell any more what for. It goes on with what it
            // has left. The ledger may know it from before that.
            shard.change();
        }
        if let Some(other) = other {
            Missed::between(&other.manifest, record).mark(&mut shard);
        }
        record.shards.insert(id, shard);
        return divides || other.is_some();
    }
    divides
}

/// Whether the ledger has this Job as this shard already, or is about to create it.
fn is_known_as(record: &Record, id: u32, shard: &Shard, cluster: &str, job: &Observed) -> bool {
    shard.cluster == cluster
        && record.job_name(id) == job.name
        && shard.uid.as_ref().is_none_or(|uid| *uid == job.uid)
}

/// Whether a Job was copied from another cluster.
fn is_copy(recovery: &Recovery, uid: &str) -> bool {
    !recovery.shard.is_in(uid)
}

/// A shard as its Job says it is. Where the ledger is older than the Job, the Job is right.
fn caught_up(mut shard: Shard, job: &Observed, recovery: Option<&Recovery>) -> Shard {
    // A Job that is held in a queue has no pods, and gets its own back when it is released.
    // Somebody may have changed the pods of any Job by hand: what it keeps was written with those
    // that it got, unless there was no room for it any more.
    if job.generation >= shard.generation && !job.in_hold_queue {
        let recovery = recovery.filter(|it| it.shard.generation >= job.generation);
        shard.parallelism = recovery.map_or(job.parallelism, |it| it.shard.parallelism);
    }
    shard.uid = Some(job.uid.clone());
    shard.refusal = None;
    if let Some(lease) = &mut shard.lease {
        // It may have been renewed since. The Job says until when, once it is looked at.
        lease.until = None;
        let deadline = job.active_deadline_seconds.unwrap_or(0);
        lease.deadline_seconds = lease.deadline_seconds.max(deadline);
    }
    shard.generation = shard.generation.max(job.generation);
    let has_run = shard.phase == Phase::Started || !job.has_run_nothing();
    shard.phase = if has_run { Phase::Started } else { Phase::Created };
    shard
}

/// Takes over the shards that had ended or were given up when a Job was last written. Their Jobs
/// may be gone, and what they achieved with them. Also those whose Jobs had yet to be adopted,
/// where the ledger knows nothing newer of them: their adoption goes on. What is said of shards
/// whose Jobs are `present` does not count. Those that had ended count as told until their own
/// clusters have been listed.
fn take_ended(record: &mut Record, recovery: &Recovery, present: &BTreeSet<u32>) {
    if !present.iter().any(|id| recovery.folded.has(*id)) {
        record.take_folded(&recovery.folded);
    }
    if let Some(heard) = &recovery.heard {
        record.hear(heard);
    }
    for (id, ended) in &recovery.ended {
        let is_present = ended.phase.ended() && present.contains(id);
        if is_present || record.state.folded.has(*id) {
            continue;
        }
        let knows_better = record.shards.get(id).is_some_and(|shard| {
            shard.phase.ended()
                || shard.uid.as_ref().is_some_and(|uid| Some(uid) != ended.uid.as_ref())
        });
        match record.shards.get_mut(id) {
            Some(_) if knows_better || ended.awaits_labels() => {}
            // Its Job says what it did. That others do the rest, only the ledger knew.
            Some(known) if known.uid.is_some() && ended.is_lost() => {
                known.given_up = ended.given_up;
                (known.retired, known.reopened) = (true, true);
                // That was before the restore, and others may have done it since.
                known.restored = false;
            }
            _ => {
                let told = ended.phase.ended();
                record.shards.insert(*id, Shard { told, ..ended.clone() });
            }
        }
    }
}

/// Takes over a newer manifest that a Job keeps. Gives whether it did.
fn adopt_manifest(record: &mut Record, recovery: &Recovery) -> bool {
    take_manifest(record, &recovery.manifest, recovery.revision, &recovery.template_edits)
}

/// Takes over the edits that another host has recorded of the same federated Job, if it has more of
/// them. The Jobs in the members are told once they were listed. Gives whether it did.
pub fn take_edits(record: &mut Record, other: &Record) -> bool {
    let (manifest, state) = (&other.manifest, &other.state);
    let is_taken = take_manifest(record, manifest, state.revision, &state.template_edits);
    if is_taken {
        record.state.leased.clone_from(&state.leased);
    }
    is_taken
}

/// Takes over this manifest if it is of a later revision. The shards that are known already have
/// yet to be told of it. A Job that has ended keeps its own. Gives whether it did.
fn take_manifest(
    record: &mut Record,
    manifest: &Manifest,
    revision: u32,
    template_edits: &TemplateEdits,
) -> bool {
    let is_of_it = manifest.name() == record.name()
        && manifest.indexed() == record.manifest.indexed()
        && manifest.size().completions.is_some() == record.manifest.size().completions.is_some();
    let has_ended = record.state.outcome.is_some();
    if revision <= record.state.revision || !is_of_it || has_ended {
        return false;
    }
    let older = std::mem::replace(&mut record.manifest, manifest.clone());
    record.state.revision = revision;
    record.state.template_edits.join(template_edits);
    let missed = Missed::between(&older, record);
    let unended = record.shards.values_mut().filter(|shard| !shard.phase.ended());
    unended.for_each(|shard| missed.mark(shard));
    true
}

/// What the edits have changed that a shard has missed.
enum Missed {
    /// Fields that can be changed at any time.
    Fields,
    /// Also the template, in the existing Job.
    Template,
    /// What no existing Job can get: the shard is made anew (`--recreate`).
    Immutable,
}

impl Missed {
    /// What differs between an older manifest and the one that the record has by now. The record
    /// remembers what of it was removed.
    ///
    /// A template that was edited in place is edited in place here too. A field that was only ever
    /// changed with `--recreate` may be one that the shard's cluster does not let change.
    fn between(older: &Manifest, record: &mut Record) -> Self {
        let newer = &record.manifest;
        record.state.removed.add(older, newer);
        let differs = |leeway| immutable(older, newer, leeway).is_some();
        let mut edits = TemplateEdits::default();
        edits.add(older, newer);
        match (differs(Leeway::None), differs(Leeway::Suspended)) {
            (false, _) => Self::Fields,
            (true, false) if record.state.template_edits.has_all(&edits) => Self::Template,
            (true, _) => Self::Immutable,
        }
    }

    /// Marks a shard that has missed this.
    fn mark(&self, shard: &mut Shard) {
        match self {
            Self::Fields => shard.change(),
            Self::Template => shard.change_template(),
            Self::Immutable => {
                shard.change();
                shard.retired = true;
            }
        }
    }
}

/// Removes the shards whose Jobs no member has: they were planned when the record was saved. Their
/// work may have been given to others since, and is opened again where it was not.
fn forget_planned(record: &mut Record) {
    let planned = record.shards.iter().filter(|(_, shard)| shard.phase == Phase::Planned);
    for id in planned.map(|(id, _)| *id).collect::<Vec<_>>() {
        record.forget(id);
    }
}
