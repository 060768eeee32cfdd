//! The record of a new Job: its manifest, divided over the members; pure.

use jiff::Timestamp;

use crate::{
    job::{Indexes, Manifest, Size},
    plan::{self, PREFERENCES, Preferences, Request, Share},
    state::{MemberState, Record, Registry, Shard},
};

/// Why a Job cannot be divided over the members of a federation.
#[derive(Debug, thiserror::Error)]
pub enum NewRecordError {
    /// The preferences are invalid, or the members have no room for all of the Job.
    #[error(transparent)]
    Plan(#[from] plan::Error),
    /// No member takes work.
    #[error("no cluster of the federation takes work")]
    NoMembers,
}

/// Divides a Job over the members of a federation that take work. The record that it returns is not
/// written yet.
///
/// # Errors
/// [`NewRecordError`]; the message names the field or the annotation.
pub fn new_record(
    registry: &Registry,
    manifest: Manifest,
    now: Timestamp,
) -> Result<Record, NewRecordError> {
    let takes_work =
        registry.members.iter().filter(|(_, member)| member.state == MemberState::Ready);
    let members: Vec<_> = takes_work
        .map(|(name, member)| plan::Member { weight: member.weight, ..plan::Member::new(name) })
        .collect();
    let Size { parallelism, completions } = manifest.size();
    if members.is_empty() && completions != Some(0) {
        return Err(NewRecordError::NoMembers);
    }
    let names: Vec<_> = registry.members.keys().map(String::as_str).collect();
    let preferences =
        manifest.annotation(PREFERENCES).map(|text| Preferences::parse(text, &names)).transpose();
    let preferences = preferences.map_err(plan::Error::from)?;
    let key = format!("{}/{}", manifest.namespace(), manifest.name());
    let request = Request {
        key: &key,
        members: &members,
        preferences: preferences.as_ref(),
        parallelism,
        completions,
    };
    let shares = plan::plan(&request)?.shares;
    let mut indexes = Indexes::all(completions.unwrap_or(0));
    let shards = shares.iter().map(|(cluster, share)| {
        let Share { parallelism, completions } = *share;
        if !manifest.indexed() {
            return Shard::planned(cluster, Size { parallelism, completions });
        }
        let (own, rest) = indexes.split(completions.unwrap_or(0));
        indexes = rest;
        Shard::planned_indexes(cluster, parallelism, own)
    });
    let shards = shards.collect();
    let mut record = Record::new(&registry.uid, manifest, shards, now);
    record.name_clusters(|name| registry.members.get(name).map(|member| member.uid.as_str()));
    Ok(record)
}
