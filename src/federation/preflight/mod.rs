//! The preflight: before anything is written, each member is asked by dry run whether it would
//! accept what it is to be sent.
//!
//! | file | what is asked |
//! |---|---|
//! | [`creation`] | the Job of a new shard |
//! | [`rights`] | the rights that a new shard needs later |
//!
//! The bodies are those of the writes: both take them from `reconcile::act::bodies`.

mod creation;
mod rights;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    refusal::Refusal,
    simulate::{Creation, Write, simulate_writes},
};
use crate::{
    cluster::{DeleteOptions, Error, fan_out},
    reconcile::{Members, Observations, job_path},
    state::Record,
};

/// The answers of the members to a preflight.
#[derive(Debug, Default)]
pub struct Preflight {
    /// The members that something would be written to, reachable or not.
    pub asked: BTreeSet<String>,
    /// The members that would refuse a write.
    pub refusals: Vec<Refusal>,
    /// The fields of the Job that servers would drop without refusing it: the clusters by the
    /// fields' paths.
    pub dropped: BTreeMap<String, BTreeSet<String>>,
}

/// Sends each reachable member its shard as a server dry run with strict field validation. An
/// invalid Job, an unknown field, a name that is taken, a missing namespace or right shows here, in
/// the server's words.
///
/// A member that cannot be reached refuses nothing: its shard waits for it. One that used up its
/// time is given up for this command, so that it is not waited for again. One whose context,
/// credential or certificate is wrong refuses: nothing would come of waiting.
pub async fn preflight(record: &Record, members: &mut Members) -> Preflight {
    let mut preflight = Preflight::default();
    let new = |id: &u32| Creation { record: record.clone(), id: *id };
    preflight.ask_new(&record.shards.keys().map(new).collect::<Vec<_>>(), members).await;
    preflight
}

/// Asks each reachable member about a changed Job. The reconcile that would follow is simulated, and
/// each write that it would send is sent as a dry run: to Jobs that exist, and for new shards. Of
/// the shards that exist, the values of all fields are checked too.
///
/// A write to a Job that has changed since, or is gone, is not refused: the reconcile reads the Job
/// again. Nor is a supplement whose name is taken meanwhile: it gets another name.
pub async fn preflight_change(
    before: &Record,
    after: &Record,
    observations: &Observations,
    members: &mut Members,
    now: Timestamp,
) -> Preflight {
    let (_, mut writes) = simulate_writes(after, observations.clone(), members, now).await;
    // The simulation creates nothing in a member that does not answer.
    for id in after.shards.keys().filter(|id| !before.shards.contains_key(id)) {
        if !writes.creations.iter().any(|new| new.id == *id) {
            writes.creations.push(Creation { record: after.clone(), id: *id });
        }
    }
    let mut preflight = Preflight { refusals: writes.refusals, ..Preflight::default() };
    let has_shard = |cluster: &str| before.shards.values().any(|shard| shard.cluster == cluster);
    preflight.ask_new(&writes.creations, members).await;
    preflight
        .refusals
        .retain(|Refusal { cluster, error }| !(error.is_already_exists() && has_shard(cluster)));
    preflight.ask_fields(after, members).await;
    preflight.ask_patches(writes.patches, members).await;
    preflight
}

/// Sends each reachable member the deletion of its shard as a server dry run. A shard that is gone,
/// or whose name another Job has by now, needs no deletion.
pub async fn preflight_deletion(record: &Record, members: &Members) -> Vec<Refusal> {
    let ask = async |(id, cluster, uid): (u32, String, String)| {
        let path = job_path(record.namespace(), record.job_name(id));
        let error = match (members.lasting_error(&cluster), members.of_shard(&record.shards[&id])) {
            (Some(error), _) => Some(error.clone()),
            (None, Ok(connection)) => {
                let options =
                    DeleteOptions { uid: Some(&uid), dry_run: true, ..DeleteOptions::default() };
                connection.delete(&path, options).await.err()
            }
            (None, Err(_)) => None,
        };
        let error = error.filter(|error| {
            !(error.is_not_found() || error.is_conflict() || error.is_unreachable())
        })?;
        Some(Refusal { cluster, error })
    };
    let created = record
        .shards
        .iter()
        .filter_map(|(id, shard)| Some((*id, shard.cluster.clone(), shard.uid.clone()?)));
    fan_out(created, ask).await.into_iter().flatten().collect()
}

impl Preflight {
    /// Asks whether new shards would be created, and whether they would have the rights that they
    /// need.
    async fn ask_new(&mut self, creations: &[Creation], members: &mut Members) {
        let clusters = creations.iter().map(|new| new.record.shards[&new.id].cluster.clone());
        self.asked.extend(clusters);
        let ask = async |Creation { record, id }: &Creation| {
            let cluster = &record.shards[id].cluster;
            let answer =
                match (members.lasting_error(cluster), members.of_shard(&record.shards[id])) {
                    (Some(error), _) => Err(error.clone()),
                    (None, Ok(connection)) => creation::check(record, *id, connection).await,
                    (None, Err(_)) => Ok(Vec::new()),
                };
            (cluster.clone(), answer)
        };
        for (cluster, answer) in fan_out(creations, ask).await {
            match answer {
                Ok(dropped) => {
                    for path in dropped {
                        self.dropped.entry(path).or_default().insert(cluster.clone());
                    }
                }
                Err(error) => self.add(cluster, error, members),
            }
        }
    }

    /// Asks each member of a Job whether the values of all fields are valid.
    async fn ask_fields(&mut self, record: &Record, members: &mut Members) {
        let mut record = record.clone();
        // What has passed would hide what is wrong with the limits of the Job.
        for shard in record.shards.values_mut() {
            (shard.seen, shard.active_deadline_seconds) = (None, None);
        }
        let shards = record.shards.iter().map(|(id, shard)| (*id, shard.cluster.clone()));
        self.asked.extend(shards.clone().map(|(_, cluster)| cluster));
        let ask = async |(id, cluster): (u32, String)| {
            let answer = match members.of_shard(&record.shards[&id]) {
                Ok(connection) => creation::check_fields(&record, id, connection).await,
                Err(_) => Ok(()),
            };
            (cluster, answer)
        };
        for (cluster, answer) in fan_out(shards, ask).await {
            if let Err(error) = answer {
                self.add(cluster, error, members);
            }
        }
    }

    /// Sends patches of existing Jobs as dry runs.
    async fn ask_patches(&mut self, patches: Vec<Write>, members: &mut Members) {
        let ask = async |Write { cluster, path, body }: Write| {
            let answer = match members.get(&cluster) {
                Ok(connection) => connection.try_patch(&path, &body).await.err(),
                Err(_) => None,
            };
            (cluster, answer)
        };
        for (cluster, error) in fan_out(patches, ask).await {
            match error {
                Some(error) if !(error.is_conflict() || error.is_not_found()) => {
                    self.add(cluster, error, members);
                }
                _ => {}
            }
        }
    }

    /// Adds an answer that is an error. A member that cannot be reached refuses nothing.
    fn add(&mut self, cluster: String, error: Error, members: &mut Members) {
        if !error.is_unreachable() || error.is_distrusted() {
            self.refusals.push(Refusal { cluster, error });
        } else if error.is_timeout() {
            members.give_up(&cluster, error.to_string());
        }
    }
}
