//! The record of a federated Job whose shards are Jobs that exist already; pure.

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    job::{EndKind, Indexes, Manifest, Misfit, Observed, Size, adoptable, differing},
    reconcile::observe::Clocks,
    state::{Adoption, MemberState, Phase, Record, Registry, Shard},
};

/// A Job that is to become a shard.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The member that has it.
    pub cluster: String,
    /// The Job as its server has it.
    pub object: Value,
}

/// A candidate that fits by itself.
struct Fitting<'a> {
    cluster: &'a str,
    object: &'a Value,
    manifest: Manifest,
    job: Observed,
}

/// The record of a federated Job that these Jobs are the shards of, one in each member. Its
/// parallelism and completions are the sums of theirs. The record that it returns is not written
/// yet, and says that each Job is to get its labels.
///
/// # Errors
/// What keeps Jobs from becoming shards, each with its member.
pub fn adopted_record(
    registry: &Registry,
    candidates: &[Candidate],
    clocks: &Clocks,
    now: Timestamp,
) -> Result<Record, Vec<(String, Misfit)>> {
    let mut misfits = Vec::new();
    let mut fitting = Vec::new();
    for Candidate { cluster, object } in candidates {
        let state = registry.members.get(cluster).map(|member| member.state);
        if let Some(state) = state.filter(|state| !keeps_work(*state)) {
            misfits.push((cluster.clone(), Misfit::Leaving(state.as_str())));
        }
        match adoptable(object) {
            Ok(manifest) => {
                let job = Observed::from_object(object);
                fitting.push(Fitting { cluster, object, manifest, job });
            }
            Err(why) => misfits.extend(why.into_iter().map(|why| (cluster.clone(), why))),
        }
    }
    if misfits.is_empty() {
        misfits = together(&fitting, clocks, now);
    }
    if !misfits.is_empty() {
        return Err(misfits);
    }
    let invalid = |error| {
        let cluster = candidates.first().map(|candidate| candidate.cluster.clone());
        vec![(cluster.unwrap_or_default(), Misfit::Invalid(error))]
    };
    let manifest = Manifest::new(sum(&fitting), "", "").map_err(invalid)?;
    let shards = fitting.iter().map(|it| shard(it, now)).collect();
    let mut record = Record::new(&registry.uid, manifest, shards, now);
    record.name_clusters(|name| registry.members.get(name).map(|member| member.uid.as_str()));
    if !record.manifest.suspended() {
        record.state.started = fitting.iter().filter_map(|it| started(it, clocks)).min();
    }
    Ok(record)
}

/// What keeps a Job, as its server has it now, from getting the labels of the shard that it was
/// recorded as. Somebody may have changed it since, and a shard is treated by what its ledger says
/// of it. What an edit of the federated Job is to change may differ.
///
/// # Errors
/// All that speaks against it.
pub(in crate::reconcile) fn still_fits(
    record: &Record,
    id: u32,
    object: &Value,
) -> Result<(), Vec<Misfit>> {
    let (manifest, job) = (adoptable(object)?, Observed::from_object(object));
    let completions = record.shards[&id].completions;
    let mut changes = Vec::new();
    if manifest.size().completions != completions {
        let text = |count: Option<i32>| count.map_or("unset".to_owned(), |count| count.to_string());
        let (is, was) = (text(manifest.size().completions), text(completions));
        changes.push(format!("spec.completions is {is}, not {was}"));
    }
    if record.state.revision == 0 {
        let (is, was) = (job.suspended, record.manifest.suspended());
        if job.end.is_none() && is != was {
            changes.push(format!("spec.suspend is {is}, not {was}"));
        }
        let fields = differing(&record.manifest, &manifest).into_iter();
        changes.extend(fields.map(|field| format!("{field} is another")));
    }
    if changes.is_empty() { Ok(()) } else { Err(vec![Misfit::Changed(changes)]) }
}

/// Whether the work of a member in this state stays there.
fn keeps_work(state: MemberState) -> bool {
    match state {
        MemberState::Ready | MemberState::Cordoned => true,
        MemberState::Draining | MemberState::Lost | MemberState::Leaving => false,
    }
}

/// What keeps Jobs that fit by themselves from being shards of one federated Job.
fn together(all: &[Fitting<'_>], clocks: &Clocks, now: Timestamp) -> Vec<(String, Misfit)> {
    let [first, others @ ..] = all else { return Vec::new() };
    let mut misfits = Vec::new();
    for other in others {
        let fields = differing(&first.manifest, &other.manifest);
        if !fields.is_empty() {
            let misfit = Misfit::Differs { fields, cluster: first.cluster.to_owned() };
            misfits.push((other.cluster.to_owned(), misfit));
        } else if first.manifest.indexed() {
            let misfit = Misfit::SameIndexes {
                cluster: first.cluster.to_owned(),
                indexes: indexes(first).both(&indexes(other)),
            };
            misfits.push((other.cluster.to_owned(), misfit));
        }
    }
    let mut open = all.iter().filter(|it| it.job.end.is_none());
    if let Some(first) = open.next() {
        for other in open.filter(|other| other.job.suspended != first.job.suspended) {
            let fields = vec!["spec.suspend".to_owned()];
            let misfit = Misfit::Differs { fields, cluster: first.cluster.to_owned() };
            misfits.push((other.cluster.to_owned(), misfit));
        }
    }
    for one in all {
        let others = all.iter().filter(|other| other.cluster != one.cluster);
        misfits.extend(beside(one, others).map(|misfit| (one.cluster.to_owned(), misfit)));
    }
    misfits.extend(beyond_limits(all, clocks, now));
    misfits
}

/// What keeps one Job from being a shard beside others.
fn beside<'a>(
    one: &Fitting<'_>,
    mut others: impl Iterator<Item = &'a Fitting<'a>>,
) -> Option<Misfit> {
    let is_open = |it: &&Fitting<'_>| it.job.end.is_none();
    if is_open(&one) && one.job.ending {
        return Some(Misfit::Ending);
    }
    if has_failed(one) {
        let open = others.find(is_open)?;
        return Some(Misfit::Failed(open.cluster.to_owned()));
    }
    if is_open(&one) && one.job.parallelism == 0 {
        let running = others.filter(is_open).find(|other| other.job.parallelism > 0)?;
        return Some(Misfit::Paused(running.cluster.to_owned()));
    }
    None
}

/// Whether a Job has ended without all its completions.
fn has_failed(it: &Fitting<'_>) -> bool {
    let is_done = it.job.completions.is_some_and(|completions| it.job.succeeded >= completions);
    it.job.end.as_ref().is_some_and(|end| end.kind == EndKind::Failed) && !is_done
}

/// The limits of the federated Job that several Jobs together have passed already. One Job alone
/// has its own limits.
fn beyond_limits(all: &[Fitting<'_>], clocks: &Clocks, now: Timestamp) -> Vec<(String, Misfit)> {
    let (Some(first), true) = (all.first(), all.len() > 1) else { return Vec::new() };
    let mut misfits = Vec::new();
    let failed = all.iter().map(|it| it.job.failed).fold(0, i32::saturating_add);
    if let Some(limit) = first.manifest.backoff_limit().filter(|limit| failed > *limit) {
        let most = all.iter().max_by_key(|it| it.job.failed).unwrap_or(first);
        misfits.push((most.cluster.to_owned(), Misfit::FailedPods { failed, limit }));
    }
    let runs = all.iter().any(|it| it.job.end.is_none() && !it.job.suspended);
    if let (Some(seconds), true) = (first.manifest.active_deadline_seconds(), runs) {
        let starts = all.iter().filter_map(|it| Some((started(it, clocks)?, it)));
        if let Some((start, earliest)) = starts.min_by_key(|(start, _)| *start)
            && start.saturating_add(seconds) <= now.as_second()
        {
            misfits.push((earliest.cluster.to_owned(), Misfit::PastDeadline));
        }
    }
    misfits
}

/// When a Job started, in seconds since 1970 by the host's clock.
fn started(it: &Fitting<'_>, clocks: &Clocks) -> Option<i64> {
    it.job.start.map(|start| clocks.host_time(it.cluster, start.as_second()))
}

/// The indexes of an Indexed Job.
fn indexes(it: &Fitting<'_>) -> Indexes {
    Indexes::all(it.job.completions.unwrap_or(0))
}

/// The Job that all of them are together. Labels and annotations that not all have stay on those
/// that have them, and are no part of it.
fn sum(all: &[Fitting<'_>]) -> Value {
    let mut job = all.first().map(|first| first.object.clone()).unwrap_or_default();
    for map in ["labels", "annotations"] {
        if let Some(entries) = job["metadata"].get_mut(map).and_then(Value::as_object_mut) {
            let everywhere = |key: &String, value: &Value| {
                all.iter().all(|it| it.object["metadata"][map].get(key) == Some(value))
            };
            entries.retain(|key, value| everywhere(key, value));
        }
    }
    let total = |count: fn(&Size) -> i32| -> i64 {
        all.iter().map(|it| i64::from(count(&it.manifest.size()))).sum()
    };
    let spec = &mut job["spec"];
    if let Some(fields) = spec.as_object_mut() {
        fields.remove("managedBy");
    }
    spec["parallelism"] = total(|size| size.parallelism).into();
    if all.iter().all(|it| it.manifest.size().completions.is_some()) {
        spec["completions"] = total(|size| size.completions.unwrap_or(0)).into();
    }
    let mut open = all.iter().filter(|it| it.job.end.is_none());
    spec["suspend"] = open.next().is_some_and(|it| it.job.suspended).into();
    job
}

/// The entry of a Job in the ledger. How it ended, if it has, is found by the first look.
fn shard(it: &Fitting<'_>, now: Timestamp) -> Shard {
    let size = it.manifest.size();
    let planned = if it.manifest.indexed() {
        Shard::planned_indexes(it.cluster, size.parallelism, indexes(it))
    } else {
        Shard::planned(it.cluster, size)
    };
    let mut shard = Shard {
        adoption: Some(Adoption::Planned),
        phase: if it.job.has_run_nothing() { Phase::Created } else { Phase::Started },
        uid: Some(it.job.uid.clone()),
        ..planned
    };
    shard.see(&it.job, now.as_second());
    shard
}
