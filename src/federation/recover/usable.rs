//! Which Jobs of a federated Job tell what its record was; pure.

use std::cmp::Reverse;

use crate::{
    federation::labelled::{Asked, Labelled},
    job::summary,
    state::{LAST_TAKEN_IN, Recovery},
};

/// A manifest that is newer than what other clusters have of it.
#[derive(Debug)]
pub struct Newest {
    /// The cluster that has it.
    pub cluster: String,
    /// What the newest manifest of the others has changed to: a phrase for each field.
    pub changes: Vec<String>,
}

/// A Job in a member that carries the labels of a shard, and is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// The member.
    pub cluster: String,
    /// The Job's namespace.
    pub namespace: String,
    /// The Job's name.
    pub name: String,
    /// Why, a sentence about `it`.
    pub why: String,
}

impl Unusable {
    /// Whether it has the name of the federated Job, or that of a supplement of it.
    pub(super) fn may_be_shard_of(&self, job: &str) -> bool {
        let rest = self.name.strip_prefix(job);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

/// A usable Job, with what it keeps.
pub(super) struct Usable {
    pub shard: u32,
    name: String,
    pub cluster: String,
    pub cluster_uid: String,
    pub recovery: Recovery,
}

/// The Jobs of one federated Job that can be used, the one with the newest manifest first. The
/// others are added to `unusable`. Where members keep different manifests of the newest edit, that
/// of the member `manifest_of` is first.
pub(super) fn usable(
    jobs: Vec<(Asked, Labelled)>,
    manifest_of: Option<&str>,
    unusable: &mut Vec<Unusable>,
) -> Vec<Usable> {
    let mut usable: Vec<Usable> = Vec::new();
    for (asked, job) in jobs {
        let cluster = asked.name;
        let name = job.observed.name.clone();
        let read = kept_by(&job, &asked.member.uid).and_then(|(shard, recovery)| {
            match usable.iter().find(|it| it.shard == shard) {
                None => Ok(Usable {
                    shard,
                    name: name.clone(),
                    cluster: cluster.clone(),
                    cluster_uid: asked.member.uid.clone(),
                    recovery,
                }),
                Some(Usable { name, cluster, .. }) => {
                    Err(format!("it is shard {shard}, as job {name} in cluster {cluster} is"))
                }
            }
        });
        match read {
            Ok(job) => usable.push(job),
            Err(why) => {
                unusable.push(Unusable { cluster, namespace: job.namespace, name, why });
            }
        }
    }
    usable.sort_by_key(|job| Reverse((job.recovery.revision, job.recovery.is_verbatim)));
    let is_chosen = |job: &Usable| Some(job.cluster.as_str()) == manifest_of;
    let newest = usable.first().map_or(0, |job| job.recovery.revision);
    let chosen = usable.iter().position(|job| {
        is_chosen(job) && job.recovery.is_verbatim && job.recovery.revision == newest
    });
    if let Some(why) = disputed(&usable) {
        if let Some(chosen) = chosen {
            // The others are changed to it, once they have been listed.
            usable[..=chosen].rotate_right(1);
            return usable;
        }
        let refused = usable.drain(..);
        unusable.extend(refused.map(|it| it.unusable(it.recovery.manifest.namespace(), &why)));
    }
    usable
}

/// Why none of these Jobs can be used, the one with the newest manifest first: they have different
/// manifests of one edit, and one of these is not true.
fn disputed(usable: &[Usable]) -> Option<String> {
    let newest = usable.first().filter(|it| it.recovery.is_verbatim)?;
    let Recovery { revision, manifest, .. } = &newest.recovery;
    let differs = |it: &Recovery| it.is_verbatim && it.revision == *revision;
    let differs = |it: &&Usable| differs(&it.recovery) && it.recovery.manifest != *manifest;
    let other = usable.iter().find(differs)?;
    let mut clusters = [newest.cluster.as_str(), other.cluster.as_str()];
    clusters.sort_unstable();
    let [one, other] = clusters;
    Some(format!(
        "clusters {one} and {other} keep different manifests of edit {revision}; \
         --manifest-of=CLUSTER says which one counts"
    ))
}

/// Where the newest manifest is from, and what it has changed, of Jobs with the newest first. Of
/// several manifests of the newest edit, how the first one differs from the next.
pub(super) fn newest_of(usable: &[Usable]) -> Option<Newest> {
    let newest = usable.first()?;
    let (edit, chosen) = (newest.recovery.revision, &newest.recovery.manifest);
    let is_other = |it: &&Usable| {
        it.recovery.is_verbatim && it.recovery.revision == edit && it.recovery.manifest != *chosen
    };
    if let Some(other) = usable.iter().find(is_other) {
        let changes = summary(&other.recovery.manifest, chosen);
        return Some(Newest { cluster: newest.cluster.clone(), changes });
    }
    let older = usable.iter().find(|it| it.recovery.revision < newest.recovery.revision)?;
    let is_newest = |it: &&Usable| it.recovery.revision == newest.recovery.revision;
    let is_alone = usable.iter().filter(is_newest).all(|it| it.cluster == newest.cluster);
    let changes = summary(&older.recovery.manifest, &newest.recovery.manifest);
    is_alone.then(|| Newest { cluster: newest.cluster.clone(), changes })
}

/// The id of a Job's shard, and what the Job keeps. `uid` is that of its cluster.
///
/// # Errors
/// Why it is of no use, a sentence about `it`.
pub(in crate::federation) fn kept_by(job: &Labelled, uid: &str) -> Result<(u32, Recovery), String> {
    let shard = &job.owner.shard;
    let id = shard.parse().ok().filter(|id| (1..=LAST_TAKEN_IN).contains(id));
    let id = id.ok_or_else(|| format!("its label says that it is shard {shard:?}"))?;
    let recovery = Recovery::from_job(&job.object)?;
    match &recovery.shard.cluster_uid {
        Some(from) if from != uid => Err("it is a copy of a job in another cluster".to_owned()),
        _ => Ok((id, recovery)),
    }
}

impl Usable {
    pub(super) fn unusable(&self, namespace: &str, why: &str) -> Unusable {
        Unusable {
            cluster: self.cluster.clone(),
            namespace: namespace.to_owned(),
            name: self.name.clone(),
            why: why.to_owned(),
        }
    }
}
