//! A member is asked about the Job of a shard by a dry run of its creation.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::rights::check_rights;
use crate::{
    cluster::{Connection, Error, FieldValidation, WriteOptions},
    job::{dropped, queue},
    reconcile::{
        QueueAnswer,
        act::{
            bodies,
            make::{ask_queue, prepared},
        },
        jobs_path,
    },
    state::Record,
};

/// A namespace that every cluster has.
const EVERYWHERE: &str = "default";

/// The fields that shards are not created with: `ttlSecondsAfterFinished` is patched in once the
/// result is recorded, and `successPolicy` is judged over all clusters.
const HELD_BACK: [&str; 2] = ["ttlSecondsAfterFinished", "successPolicy"];

/// What a member has said to the creation of a shard.
#[derive(Default)]
pub(super) struct Checked {
    /// The paths of the fields that its server would drop.
    pub dropped: Vec<String>,
    /// What it has said of fields that it does not know, where the user lets these pass.
    pub unknown: BTreeSet<String>,
    /// What it has answered about this very Job; none where another one stood for it.
    pub queue: Option<QueueAnswer>,
}

/// Asks whether a member would create a shard and grants the rights that the shard needs.
///
/// Where the namespace is missing and is to be created, a server refuses to look at the Job. Then
/// the creation of the namespace is tried, and the Job in another namespace.
pub(super) async fn check(
    record: &Record,
    id: u32,
    connection: &Connection,
) -> Result<Checked, Error> {
    let (checked, rights) =
        tokio::join!(check_anywhere(record, id, connection), check_rights(record, connection));
    let checked = checked?;
    rights?;
    Ok(checked)
}

async fn check_anywhere(
    record: &Record,
    id: u32,
    connection: &Connection,
) -> Result<Checked, Error> {
    match check_in(record.namespace(), record, id, connection).await {
        Err(error) if error.is_not_found() && record.state.create_namespace => {
            connection.try_namespace(record.namespace()).await?;
            match check_in(EVERYWHERE, record, id, connection).await {
                Err(error) if error.is_forbidden() || error.is_already_exists() => {
                    Ok(Checked::default())
                }
                other => Ok(Checked { queue: None, ..other? }),
            }
        }
        other => other,
    }
}

/// Asks whether the values of all fields are valid for a shard that exists already. What else a
/// server has against creating it again is not looked at, such as a quota or an admission policy.
///
/// Gives what the server says of fields that it does not know, where the user lets these pass.
pub(super) async fn check_fields(
    record: &Record,
    id: u32,
    connection: &Connection,
) -> Result<BTreeSet<String>, Error> {
    let job = with_held_back(record, bodies::creation(record, id));
    let mut unknown = BTreeSet::new();
    let send =
        async |validation| try_create(connection, record.namespace(), &job, validation).await;
    match ask(record, &mut unknown, send).await {
        Err(error) if is_about_fields(&error, |_| true) => Err(error),
        Err(error) if error.is_unreachable() => Err(error),
        _ => Ok(unknown),
    }
}

async fn check_in(
    namespace: &str,
    record: &Record,
    id: u32,
    connection: &Connection,
) -> Result<Checked, Error> {
    let mut sent = bodies::creation(record, id);
    sent["metadata"]["namespace"] = namespace.into();
    let mut unknown = BTreeSet::new();
    let (answer, sent, stored) =
        rehearse(namespace, record, sent, connection, &mut unknown).await?;
    // A server that does not know these fields would run the Job at once, or each index everywhere.
    let lacks = ["suspend", "completionMode"].into_iter().find(|field| {
        let asked = &sent["spec"][field];
        !asked.is_null() && stored["spec"][field] != *asked
    });
    if let Some(field) = lacks {
        let message = format!(
            "jobs.batch {:?} is invalid: spec.{field}: this server does not keep it",
            record.name()
        );
        return Err(Error::refusal(connection.name(), 422, "Invalid", message));
    }
    let complete = with_held_back(record, sent.clone());
    let send = async |validation| try_create(connection, namespace, &complete, validation).await;
    if complete != sent
        && let Err(error) = ask(record, &mut unknown, send).await
        && is_about_fields(&error, is_held_back)
    {
        return Err(error);
    }
    let mut dropped = dropped(&sent, &stored);
    dropped.retain(|path| !unknown.contains(&format!("unknown field \"{path}\"")));
    Ok(Checked { dropped, unknown, queue: Some(answer) })
}

/// Sends a dry run that refuses unknown fields. Where the user lets them pass, the answer is noted,
/// and the dry run is sent again without that check, for what else there is to say.
async fn ask<T>(
    record: &Record,
    unknown: &mut BTreeSet<String>,
    send: impl AsyncFn(FieldValidation) -> Result<T, Error>,
) -> Result<T, Error> {
    let answer = send(FieldValidation::Strict).await;
    let passes = !record.state.field_validation.is_strict();
    match answer.as_ref().err().filter(|_| passes).and_then(Error::unknown_fields) {
        Some(fields) => {
            unknown.extend(fields);
            send(FieldValidation::Ignore).await
        }
        None => answer,
    }
}

/// Asks whether the cluster decides when a Job runs, and whether it would take the Job as it is to
/// be created then. Gives both answers, and the Job.
///
/// Few clusters put a Job in a queue that names none. So both are asked at once of such a Job, and
/// where it is queued nevertheless, the rehearsal is repeated with what is to be created there.
async fn rehearse(
    namespace: &str,
    record: &Record,
    job: Value,
    connection: &Connection,
    unknown: &mut BTreeSet<String>,
) -> Result<(QueueAnswer, Value, Value), Error> {
    let mut unknown_later = BTreeSet::new();
    let send = async |validation| ask_queue(connection, namespace, &job, validation).await;
    let asked = ask(record, unknown, send);
    let (answer, stored) = match record.manifest.label(queue::QUEUE_NAME) {
        Some(_) => (asked.await?, None),
        None => {
            let send = async |validation| try_create(connection, namespace, &job, validation).await;
            let rehearsed = ask(record, &mut unknown_later, send);
            let (answer, stored) = tokio::join!(asked, rehearsed);
            (answer?, Some(stored))
        }
    };
    let stored = stored.filter(|_| answer.queue.is_none());
    let prepared = prepared(job.clone(), &answer);
    let stored = match stored {
        Some(stored) => stored?,
        None => {
            let send =
                async |validation| try_create(connection, namespace, &prepared, validation).await;
            ask(record, &mut unknown_later, send).await?
        }
    };
    unknown.append(&mut unknown_later);
    Ok((answer, prepared, stored))
}

async fn try_create(
    connection: &Connection,
    namespace: &str,
    job: &Value,
    field_validation: FieldValidation,
) -> Result<Value, Error> {
    let options = WriteOptions { dry_run: true, field_validation };
    connection.create(&jobs_path(namespace), job, options).await
}

/// The Job with the fields that shards are not created with.
fn with_held_back(record: &Record, mut job: Value) -> Value {
    let asked = &record.manifest.object()["spec"];
    for field in HELD_BACK {
        if let Some(value) = asked.get(field) {
            job["spec"][field] = json!(value);
        }
    }
    job
}

fn is_held_back(path: &str) -> bool {
    HELD_BACK.iter().any(|field| {
        let rest = path.strip_prefix("spec.").and_then(|path| path.strip_prefix(field));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    })
}

/// Whether a server refuses fields: one that it does not know, or the value of one that counts.
fn is_about_fields(error: &Error, counts: impl Fn(&str) -> bool) -> bool {
    error.reason() == "BadRequest" || (error.is_invalid() && error.invalid_fields().any(counts))
}
