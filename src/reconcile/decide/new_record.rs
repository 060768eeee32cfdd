//! The record of a new Job: its manifest, divided over the members; pure.

use jiff::Timestamp;

use crate::{
    job::{Indexes, Lease, Manifest, Size},
    plan::{self, PREFERENCES, Preferences, Request, Share},
    state::{Member, Record, Registry, Shard},
};

/// Why a Job cannot be divided over the members of a federation.
#[derive(Debug, thiserror::Error)]
pub enum NewRecordError {
    /// The preferences are invalid, or the members have no room for all of the Job.
    #[error(transparent)]
    Plan(#[from] plan::Error),
    /// There is no member.
    #[error("no clusters are registered")]
    NoMembers,
    /// The pods of the Job may run longer than the leases of members that take work, and the others
    /// have no place for it.
    #[error(
        "spec.template.spec.activeDeadlineSeconds: Invalid value: {own}: must be at most {lease}, \
         the lease of cluster {cluster:?}"
    )]
    PodDeadline {
        /// The seconds that a pod may run.
        own: i64,
        /// The seconds of the lease.
        lease: i64,
        /// The member.
        cluster: String,
    },
    /// No member takes work: each with its state, such as `west (Leaving)`.
    #[error("no cluster takes work: {}", .0.join(", "))]
    NoneReady(Vec<String>),
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
    let indexes = Indexes::all(manifest.size().completions.unwrap_or(0));
    divided(registry, manifest, indexes, now)
}

/// Divides what did not succeed of a federated Job, as a new one with this manifest. That of an
/// Indexed Job asks for the same indexes; those that were completed count as done from the start.
///
/// # Errors
/// As [`new_record`].
pub fn retry_record(
    registry: &Registry,
    failed: &Record,
    manifest: Manifest,
    now: Timestamp,
) -> Result<Record, NewRecordError> {
    let all = Indexes::all(manifest.size().completions.unwrap_or(0));
    let done =
        if manifest.indexed() { failed.completed_indexes().both(&all) } else { Indexes::default() };
    let mut record = divided(registry, manifest, all.without(&done), now)?;
    record.state.folded.completed = done.clone();
    record.state.folded.carried_indexes = done;
    Ok(record)
}

/// Divides a Job, of an Indexed one only these indexes.
fn divided(
    registry: &Registry,
    manifest: Manifest,
    mut indexes: Indexes,
    now: Timestamp,
) -> Result<Record, NewRecordError> {
    let ready = registry.members.iter().filter(|(_, member)| member.state.takes_work());
    let ready: Vec<_> = ready
        .map(|(name, member)| plan::Member { weight: member.weight, ..plan::Member::new(name) })
        .collect();
    let shorter = |member: &plan::Member<'_>| shorter_lease(registry, &manifest, member.name, now);
    let members: Vec<_> = ready.iter().filter(|it| shorter(it).is_none()).copied().collect();
    let short = ready.iter().find_map(shorter);
    let Size { parallelism, completions } = manifest.size();
    let completions = if manifest.indexed() { Some(indexes.len()) } else { completions };
    if ready.is_empty() && completions != Some(0) {
        let stands =
            |(name, member): (&String, &Member)| format!("{name} ({})", member.state.as_str());
        if registry.members.is_empty() {
            return Err(NewRecordError::NoMembers);
        }
        return Err(NewRecordError::NoneReady(registry.members.iter().map(stands).collect()));
    }
    let names: Vec<_> = registry.members.keys().map(String::as_str).collect();
    let preferences =
        manifest.annotation(PREFERENCES).map(|text| Preferences::parse(text, &names)).transpose();
    let preferences = preferences.map_err(plan::Error::from)?;
    let key = format!("{}/{}", manifest.namespace(), manifest.name());
    let request = |members| Request {
        key: &key,
        members,
        preferences: preferences.as_ref(),
        parallelism,
        completions,
        least: manifest.gang().unwrap_or(1),
    };
    let has_none = members.is_empty() && completions != Some(0);
    let planned = match (plan::plan(&request(&members)), short) {
        // The members that it keeps from the Job would have had the place.
        (planned, Some(short))
            if has_none || (planned.is_err() && plan::plan(&request(&ready)).is_ok()) =>
        {
            return Err(short);
        }
        (planned, _) => planned?,
    };
    let shards = planned.shares.iter().map(|(cluster, share)| {
        let Share { parallelism, completions } = *share;
        let lease = leased(registry, &manifest, cluster, now);
        if !manifest.indexed() {
            let share = Size { parallelism, completions };
            return Shard { lease, ..Shard::planned(cluster, share) };
        }
        let (own, rest) = indexes.split(completions.unwrap_or(0));
        indexes = rest;
        Shard { lease, ..Shard::planned_indexes(cluster, parallelism, own) }
    });
    let shards = shards.collect();
    let mut record = Record::new(&registry.uid, manifest, shards, now);
    record.name_clusters(|name| registry.members.get(name).map(|member| member.uid.as_str()));
    Ok(record)
}

/// The lease of a new shard in a member.
fn leased(
    registry: &Registry,
    manifest: &Manifest,
    cluster: &str,
    now: Timestamp,
) -> Option<Lease> {
    let lease = registry.members.get(cluster).and_then(|member| member.lease.as_ref());
    Lease::planned(manifest, lease.map(|lease| lease.seconds), now.as_second())
}

/// The lease of a member, if it is shorter than the pods of the Job may run by their own
/// `activeDeadlineSeconds`: the lease would end them, so the member gets no shard.
fn shorter_lease(
    registry: &Registry,
    manifest: &Manifest,
    cluster: &str,
    now: Timestamp,
) -> Option<NewRecordError> {
    let own = manifest.pod_deadline_seconds()?;
    let lease = leased(registry, manifest, cluster, now)?.seconds;
    let is_shorter = lease < own;
    is_shorter.then(|| NewRecordError::PodDeadline { own, lease, cluster: cluster.to_owned() })
}
