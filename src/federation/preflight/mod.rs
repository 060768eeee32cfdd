//! The preflight: before anything is written, each member is asked by dry run whether it would
//! accept what it is to be sent.
//!
//! | file | what is asked |
//! |---|---|
//! | [`creation`] | the Job of a new shard |
//! | [`fields`] | which fields that a server does not know are new |
//! | [`rights`] | the rights that a new shard needs later |
//! | [`template`] | the template of a Job that exists |
//!
//! The bodies are those of the writes: both take them from `reconcile::act::bodies`.

mod creation;
mod fields;
mod rights;
mod template;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use template::TemplateChange;

use super::{
    refusal::Refusal,
    simulate::{Creation, Write, simulate_writes},
};
use crate::{
    cluster::{Connection, DeleteOptions, Error, FAN_OUT, WriteOptions, fan_out, fan_out_by},
    reconcile::{Members, Observations, job_path},
    state::{Record, Shard},
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
    /// What members say of fields that they do not know, where the user lets these pass: the
    /// clusters by what they say.
    pub unknown: BTreeMap<String, BTreeSet<String>>,
    /// Whether a member refuses to change the template of a Job in place. New shards could have the
    /// new template.
    pub is_template_refused: bool,
}

/// Sends each reachable member its shard as a server dry run with strict field validation. An
/// invalid Job, an unknown field, a name that is taken, a missing namespace or right shows here, in
/// the server's words. An unknown field refuses nothing where the user lets it pass.
///
/// A member that cannot be reached refuses nothing: its shard waits for it. One that used up its
/// time is given up for this command, so that it is not waited for again. One whose context,
/// credential or certificate is wrong refuses: nothing would come of waiting. One that answers
/// with something else than a Job is no API server now: it gets nothing in this command either.
pub async fn preflight(record: &Record, members: &Members) -> Preflight {
    let mut preflight = Preflight::default();
    let shared = Arc::new(record.clone());
    let new = |id: &u32| Creation { record: shared.clone(), id: *id };
    preflight.ask_new(&record.shards.keys().map(new).collect::<Vec<_>>(), members).await;
    preflight
}

/// Asks each reachable member about a changed Job. The reconcile that would follow is simulated,
/// and each write that it would send is sent as a dry run: to Jobs that exist, and for new shards.
/// Of the shards that exist, the values of all fields are checked too.
///
/// A write to a Job that has changed since, or is gone, is not refused: the reconcile reads the Job
/// again. Nor is a supplement whose name is taken meanwhile: it gets another name. Nor is the
/// change of a template that an earlier edit made, which the member has refused already.
pub async fn preflight_change(
    before: &Record,
    after: &Record,
    observations: &Observations,
    members: &Members,
    now: Timestamp,
) -> Preflight {
    let (_, mut writes) = simulate_writes(after, observations.clone(), members, now).await;
    // The simulation creates nothing in a member that does not answer.
    for id in after.shards.keys().filter(|id| !before.shards.contains_key(id)) {
        if !writes.creations.iter().any(|new| new.id == *id) {
            writes.create(after, *id);
        }
    }
    let mut preflight = Preflight { refusals: writes.refusals, ..Preflight::default() };
    let has_shard = |cluster: &str| before.shards.values().any(|shard| shard.cluster == cluster);
    preflight.ask_new(&writes.creations, members).await;
    preflight
        .refusals
        .retain(|Refusal { cluster, error }| !(error.is_already_exists() && has_shard(cluster)));
    preflight.ask_fields(after, members).await;
    let template = TemplateChange::between(&before.manifest, &after.manifest);
    if template.is_some() {
        for (cluster, job) in writes.unready {
            let error = template::unready(&cluster, &job);
            preflight.refusals.push(Refusal { cluster, error });
        }
    }
    preflight.ask_patches(after, writes.patches, template.as_ref(), members).await;
    preflight.ask_deletions(writes.deletions, members).await;
    preflight
}

/// Asks each member of a Job whether it knows all fields, and takes their values.
pub(super) async fn preflight_fields(record: &Record, members: &Members) -> Preflight {
    let mut preflight = Preflight::default();
    preflight.ask_fields(record, members).await;
    preflight
}

/// Asks each member about Jobs that are to be adopted: each write that the reconcile would send is
/// sent as a dry run. The rights that shards need are asked for, too.
pub(super) async fn preflight_adoption(
    record: &Record,
    observations: &Observations,
    members: &Members,
    now: Timestamp,
) -> Preflight {
    let mut preflight =
        Box::pin(preflight_change(record, record, observations, members, now)).await;
    preflight.ask_rights(record, members).await;
    preflight
}

/// Sends each reachable member the deletion of its shard as a server dry run. A shard that is gone,
/// or whose name another Job has by now, needs no deletion.
pub async fn preflight_deletion(record: &Record, members: &Members) -> Vec<Refusal> {
    let ask = async |(id, cluster, uid): (u32, String, String)| {
        let path = job_path(record.namespace(), record.job_name(id));
        let error = match (members.lasting_error(&cluster), members.of_shard(&record.shards[&id])) {
            (Some(error), _) => Some(error.clone()),
            (None, Ok(connection)) => try_delete(connection, &path, &uid).await,
            (None, Err(_)) => None,
        };
        let error = error.filter(|error| !error.is_unreachable())?;
        Some(Refusal { cluster, error })
    };
    let created = record
        .shards
        .iter()
        .filter_map(|(id, shard)| Some((*id, shard.cluster.clone(), shard.uid.clone()?)));
    fan_out(created, ask).await.into_iter().flatten().collect()
}

/// Sends the deletion of a Job as a dry run. Gives the answer if that is an error; a Job that is
/// gone, or is another one by now, needs no deletion.
async fn try_delete(connection: &Connection, path: &str, uid: &str) -> Option<Error> {
    let options = DeleteOptions { uid: Some(uid), dry_run: true, ..DeleteOptions::default() };
    let error = connection.delete(path, options).await.err()?;
    (!(error.is_not_found() || error.is_conflict())).then_some(error)
}

impl Preflight {
    /// Asks whether new shards would be created, and whether they would have the rights that they
    /// need.
    async fn ask_new(&mut self, creations: &[Creation], members: &Members) {
        let clusters = creations.iter().map(|new| new.record.shards[&new.id].cluster.clone());
        self.asked.extend(clusters);
        let ask = async |Creation { record, id }: &Creation| {
            let cluster = &record.shards[id].cluster;
            let answer =
                match (members.lasting_error(cluster), members.of_shard(&record.shards[id])) {
                    (Some(error), _) => Err(error.clone()),
                    (None, Ok(connection)) => creation::check(record, *id, connection).await,
                    (None, Err(_)) => Ok(creation::Checked::default()),
                };
            (cluster.clone(), job_path(record.namespace(), record.job_name(*id)), answer)
        };
        // Each asks two things at once, and holds the Job meanwhile.
        for (cluster, path, answer) in fan_out_by(FAN_OUT / 2, creations, ask).await {
            match answer {
                Ok(creation::Checked { dropped, unknown, queue }) => {
                    if let Some(answer) = queue {
                        members.hand_on_queue_answer(&cluster, path, answer);
                    }
                    for path in dropped {
                        self.dropped.entry(path).or_default().insert(cluster.clone());
                    }
                    self.add_unknown(&cluster, unknown);
                }
                Err(error) if error.is_of_other_kind() => {
                    members.give_up(&cluster, error.report());
                }
                Err(error) => self.add(cluster, error, members),
            }
        }
    }

    /// Asks each member of a Job whether it grants the rights that a shard needs.
    async fn ask_rights(&mut self, record: &Record, members: &Members) {
        let ask = async |shard: &Shard| {
            let answer = match members.of_shard(shard) {
                Ok(connection) => rights::check_rights(record, connection).await,
                Err(_) => Ok(()),
            };
            (shard.cluster.clone(), answer)
        };
        for (cluster, answer) in fan_out(record.shards.values(), ask).await {
            if let Err(error) = answer {
                self.add(cluster, error, members);
            }
        }
    }

    /// Asks each member of a Job whether the values of all fields are valid.
    async fn ask_fields(&mut self, record: &Record, members: &Members) {
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
                Err(_) => Ok(BTreeSet::new()),
            };
            (cluster, answer)
        };
        for (cluster, answer) in fan_out(shards, ask).await {
            match answer {
                Ok(unknown) => self.add_unknown(&cluster, unknown),
                Err(error) => self.add(cluster, error, members),
            }
        }
    }

    /// Sends patches of existing Jobs as dry runs.
    async fn ask_patches(
        &mut self,
        record: &Record,
        patches: Vec<Write>,
        template: Option<&TemplateChange>,
        members: &Members,
    ) {
        let field_validation = record.state.field_validation.of_writes();
        let options = WriteOptions { dry_run: true, field_validation };
        let ask = async |write: Write| {
            let answer = match members.get(&write.cluster) {
                Ok(connection) => {
                    connection.patch_with(&write.path, &write.body, options).await.err()
                }
                Err(_) => None,
            };
            (write, answer)
        };
        for (write, error) in fan_out(patches, ask).await {
            let Some(error) = error.filter(|e| !(e.is_conflict() || e.is_not_found())) else {
                continue;
            };
            match template {
                None if write.has_template() && error.is_invalid() => {}
                Some(template) if write.has_template() && error.is_invalid() => {
                    self.is_template_refused |= error.refuses_only_changes();
                    self.add(write.cluster, template.named(error), members);
                }
                _ => self.add(write.cluster, error, members),
            }
        }
    }

    /// Sends deletions of Jobs, each with its member, its path and its uid, as dry runs.
    async fn ask_deletions(&mut self, deletions: Vec<(String, String, String)>, members: &Members) {
        let ask = async |(cluster, path, uid): (String, String, String)| {
            let answer = match members.get(&cluster) {
                Ok(connection) => try_delete(connection, &path, &uid).await,
                Err(_) => None,
            };
            (cluster, answer)
        };
        for (cluster, error) in fan_out(deletions, ask).await {
            if let Some(error) = error {
                self.add(cluster, error, members);
            }
        }
    }

    /// Adds what a member says of fields that it does not know.
    fn add_unknown(&mut self, cluster: &str, fields: BTreeSet<String>) {
        for field in fields {
            self.unknown.entry(field).or_default().insert(cluster.to_owned());
        }
    }

    /// Adds an answer that is an error. A member that cannot be reached refuses nothing.
    fn add(&mut self, cluster: String, error: Error, members: &Members) {
        if !error.is_unreachable() || error.is_distrusted() || error.is_of_other_kind() {
            self.refusals.push(Refusal { cluster, error });
        } else if members.get(&cluster).is_ok_and(Connection::is_silent) {
            members.give_up(&cluster, error.to_string());
        }
    }
}
