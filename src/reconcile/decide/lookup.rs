//! What a member says of one shard of the ledger; pure.

use crate::{
    job::Observed,
    reconcile::observe::{Observation, Observations},
    seams::{self, Defect},
    state::{Record, Shard},
};

/// What a member says of one shard.
pub(super) enum Lookup<'a> {
    /// Nothing is known.
    Unknown,
    /// Its Job is there.
    Found(&'a Observed),
    /// Its Job is not there. Another Job may have its name.
    Missing {
        /// Whether the member was asked by name. A list may be stale.
        confirmed: bool,
    },
}

/// Looks up the Job of a shard. Where the ledger knows a uid, the Job must have it: another Job
/// under the same name was created by somebody who deleted ours.
pub(super) fn lookup<'a>(id: u32, shard: &Shard, observations: &'a Observations) -> Lookup<'a> {
    let Some(Observation::Known { jobs, confirmed, .. }) = observations.answer(shard) else {
        return Lookup::Unknown;
    };
    let has_uid = |job: &Observed| shard.uid.as_ref().is_none_or(|uid| *uid == job.uid);
    match jobs.get(&id).filter(|job| has_uid(job) || seams::has(Defect::LedgerByName)) {
        Some(job) => Lookup::Found(job),
        None => Lookup::Missing { confirmed: confirmed.contains(&id) },
    }
}

/// The observed Jobs that carry the labels of their shards, with their members and shards. A Job in
/// a member whose name stood for another cluster when its shard was planned is not one of them.
pub(super) fn our_jobs<'a>(
    record: &Record,
    observations: &'a Observations,
) -> impl Iterator<Item = (&'a str, u32, &'a Observed)> {
    observations.jobs().filter(|(cluster, id, job)| {
        let there = record.shards.get(id).filter(|shard| shard.cluster == *cluster);
        is_ours(record, *id, job) && there.is_none_or(|shard| observations.answer(shard).is_some())
    })
}

/// Whether a Job carries the labels of this shard. A Job without them is read and never changed
/// (G6): whoever removed the labels has taken the Job over.
pub(super) fn is_ours(record: &Record, id: u32, job: &Observed) -> bool {
    job.owner.as_ref() == Some(&record.ownership(id))
}
