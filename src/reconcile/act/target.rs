//! A shard's Job in its member, and how actions read and write it.

use std::sync::OnceLock;

use jiff::Timestamp;
use serde_json::Value;

use super::bodies;
use crate::{
    cluster::{Connection, Error, FieldValidation, WriteOptions},
    job::{Observed, differences, dropped},
    reconcile::observe::{Answer, Created, server_time, shard_id},
    seams,
    state::Record,
};

/// How often a Job that keeps changing is read again before the rest is left to the next reconcile.
pub(super) const ATTEMPTS: u32 = 12;

/// What a shard waits for after that many attempts.
pub(super) const CHANGING: &str = "its Job keeps changing";

/// What a member answered, and what was done there, if anything.
pub(super) type Performed = (Answer, Option<String>);

/// A shard's Job in its member, as the actions address it.
pub(super) struct Target<'a> {
    pub record: &'a Record,
    pub id: u32,
    /// The uid that the Job must have; none before it is created.
    pub uid: Option<&'a str>,
    pub connection: &'a Connection,
    /// The API path of the Job.
    pub path: String,
    /// Whether the preflight of this command has asked about the Job, and so has named what its
    /// server does not keep.
    pub is_asked: bool,
    /// The Job as this command has created it: what [`create`](super::make::create) leaves, and
    /// [`change`](super::change::change) finds.
    pub created: OnceLock<Created>,
}

impl Target<'_> {
    /// The time by the server's clock.
    pub(super) fn now(&self) -> Timestamp {
        server_time(self.connection, seams::now())
    }

    /// What the server changed of the Job that it was sent, in either direction: one sentence for
    /// each field.
    pub(super) fn altered(&self, sent: &Value, stored: &Value) -> Vec<String> {
        let mut altered = differences(sent, stored);
        if self.names_dropped() {
            altered.extend(dropped(sent, stored).iter().map(|path| format!("{path} is not kept")));
        }
        altered
    }

    /// Whether it is said which fields the server does not keep. Who lets such fields pass with a
    /// warning is not told of them again and again: the preflight has named them, or, where the
    /// cluster did not answer then, the first Job that is created there does.
    fn names_dropped(&self) -> bool {
        let is_told = match self.record.state.field_validation {
            FieldValidation::Strict => false,
            FieldValidation::Warn => !(self.is_new() && self.is_first_there()),
            FieldValidation::Ignore => true,
        };
        !self.is_asked && !is_told
    }

    /// Whether the Job is created in this command.
    fn is_new(&self) -> bool {
        self.uid.is_none() || self.created.get().is_some()
    }

    /// Whether the federated Job has had no other Job in this cluster.
    fn is_first_there(&self) -> bool {
        let Some(own) = self.record.shards.get(&self.id) else { return false };
        let mut others = self.record.shards.iter().filter(|(id, _)| **id != self.id);
        !self.record.state.folded.clusters.contains_key(&own.cluster)
            && !others.any(|(_, other)| other.cluster == own.cluster && other.uid.is_some())
    }

    /// Reads the Job, if it is this shard and has the uid that it must have.
    pub(super) async fn read(&self) -> Answer {
        match read(self.record, self.id, self.connection, &self.path).await {
            Answer::Job(job) if self.uid.is_some_and(|uid| uid != job.uid) => Answer::Gone,
            answer => answer,
        }
    }

    /// Changes the Job, or a subresource of it, if it is unchanged since it was read as `read`.
    pub(super) async fn patch(
        &self,
        subresource: &str,
        patch: Value,
        read: &Observed,
    ) -> Result<Value, Error> {
        let patch = bodies::conditional(patch, read);
        let path = format!("{}{subresource}", self.path);
        self.connection.patch_with(&path, &patch, self.write_options()).await
    }

    /// Changes the Job by a JSON patch, which says itself on which conditions.
    pub(super) async fn json_patch(&self, operations: &Value) -> Result<Value, Error> {
        self.connection.json_patch(&self.path, operations, self.write_options()).await
    }

    fn write_options(&self) -> WriteOptions {
        let field_validation = self.record.state.field_validation.of_writes();
        WriteOptions { dry_run: false, field_validation }
    }

    /// Reads the Job, decides what to write to it, and writes that on the condition that the Job is
    /// unchanged. If somebody else was faster, it starts over.
    ///
    /// `decide` returns the subresource (`""` or `"/status"`) and the patch, or none where nothing
    /// is to be done. `what` names what was done, such as `started`.
    pub(super) async fn update(
        &self,
        what: &str,
        decide: impl Fn(&Observed) -> Option<(&'static str, Value)>,
    ) -> Performed {
        self.act_on_current(async |job| {
            let Some((subresource, patch)) = decide(job) else { return Ok(None) };
            let job = self.patch(subresource, patch, job).await?;
            Ok(Some((answer_of(&job), Some(what.to_owned()))))
        })
        .await
    }

    /// Reads the Job and acts on it. If `act` meets a conflict, it starts over. `act` returns none
    /// where nothing is to be done.
    pub(super) async fn act_on_current(
        &self,
        act: impl AsyncFn(&Observed) -> Result<Option<Performed>, Error>,
    ) -> Performed {
        // Somebody who removed our labels since has taken the Job over (G6).
        let is_ours = |job: &Observed| shard_id(self.record, job) == Some(self.id);
        self.act_on_any(async |job| if is_ours(job) { act(job).await } else { Ok(None) }).await
    }

    /// The same for a Job that may carry no labels of the shard.
    ///
    /// While Kueue stops a Job, its webhook refuses to let the Job have another queue. Then the
    /// action waits until that is over, and starts over.
    pub(super) async fn act_on_any(
        &self,
        act: impl AsyncFn(&Observed) -> Result<Option<Performed>, Error>,
    ) -> Performed {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let job = match self.read().await {
                Answer::Job(job) => job,
                other => return (other, None),
            };
            match act(&job).await {
                Ok(Some(performed)) => return performed,
                Ok(None) => return (Answer::Job(job), None),
                Err(error) if error.is_conflict() && attempt < ATTEMPTS => {}
                Err(error) if error.is_conflict() => {
                    return (Answer::Waiting(job, CHANGING.to_owned()), None);
                }
                Err(error) if is_denied(&error) && job.stopping && attempt < ATTEMPTS => {
                    match self.wait_until(|job| !job.stopping).await {
                        Answer::Job(_) => {}
                        other => return (other, None),
                    }
                }
                Err(error) if error.is_not_found() => return (Answer::Gone, None),
                Err(error) => return (answer_of_error(&error), None),
            }
        }
    }
}

/// Whether a webhook may have refused a request. It chooses one of two codes.
pub(super) fn is_denied(error: &Error) -> bool {
    error.is_forbidden() || error.is_invalid()
}

/// Reads the Job under a shard's name, if it is that shard: it has the uid that the ledger knows,
/// or, where the ledger knows none yet, the shard's labels.
pub(super) async fn read(record: &Record, id: u32, connection: &Connection, path: &str) -> Answer {
    match connection.get(path).await {
        Ok(object) => match answer_of(&object) {
            Answer::Job(job) => {
                let uid = record.shards.get(&id).and_then(|shard| shard.uid.as_ref());
                let ours = uid == Some(&job.uid) || shard_id(record, &job) == Some(id);
                if ours { Answer::Job(job) } else { Answer::Gone }
            }
            other => other,
        },
        Err(error) if error.is_not_found() => Answer::Gone,
        Err(error) => answer_of_error(&error),
    }
}

/// The answer that an object is, if it is a Job. A proxy may answer with anything.
pub(super) fn answer_of(object: &Value) -> Answer {
    match Observed::from_object(object) {
        observed if object["kind"] == "Job" && !observed.uid.is_empty() => {
            Answer::Job(Box::new(observed))
        }
        _ => Answer::Unknown("the answer is not a Job".to_owned()),
    }
}

/// The answer that an error is: unknown where the member was not reached, refused otherwise.
pub(super) fn answer_of_error(error: &Error) -> Answer {
    if error.is_unreachable() {
        Answer::Unknown(error.to_string())
    } else {
        Answer::Refused(error.to_string())
    }
}
