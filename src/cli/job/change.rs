//! How a federated Job is changed: a new manifest is made of the old one, written as a compare-and-swap, and reconciled.

use super::{
    Session, again, find, of_another, print_done, report,
    submission::{Rehearsal, name_the_unasked},
};
use crate::{
    cli::DryRun,
    error::{Error, Result},
    job::{Manifest, can_recreate, same},
    reconcile::{Members, Status, Unamendable, amend, forecast, observe, settle},
    state::{Record, Registry, Store},
};

/// How often a record that somebody else keeps changing is read again before that is an error.
const CONFLICTS: u32 = 20;

const RECREATE_HINT: &str =
    "--recreate stops the jobs in the clusters, keeps what has succeeded, and runs the rest anew.";

/// How a change is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    /// What is said of the Job once it is changed: `configured`, `scaled`.
    pub what: &'static str,
    /// Whether it is done, or only said.
    pub dry_run: DryRun,
    /// Whether the members are asked first whether they would take it.
    pub rehearsed: bool,
    /// Whether fields may change that only new shards can carry; none where the verb does not offer it.
    pub recreate: Option<bool>,
}

/// The federation that a command works with.
pub(super) struct Federation<'a> {
    /// Where the records are.
    pub store: &'a Store,
    /// The members.
    pub registry: &'a Registry,
}

/// The record as it is to be written so that it has this manifest; none where that is no change.
///
/// # Errors
/// The Job cannot be changed so. `subject` begins the sentence: `job.batch/pi`, or the file.
pub(super) fn amended(
    session: &Session<'_>,
    registry: &Registry,
    record: &Record,
    manifest: Manifest,
    recreate: Option<bool>,
    subject: &str,
) -> Result<Option<Record>> {
    if record.state.deleting.is_none() && same(&record.manifest, &manifest) {
        return Ok(None);
    }
    amend(record, registry, manifest, recreate.unwrap_or(false), session.now())
        .map(Some)
        .map_err(|error| refused(subject, &error, recreate == Some(false)))
}

/// A Job that cannot be changed is one that nothing is asked about any more.
///
/// # Errors
/// It has finished, or is being deleted.
pub(super) fn check_open(session: &Session<'_>, registry: &Registry, record: &Record) -> Result<()> {
    match amend(record, registry, record.manifest.clone(), false, session.now()) {
        Err(error @ (Unamendable::Finished | Unamendable::Deleting)) => {
            Err(refused(&format!("job.batch/{}", record.name()), &error, false))
        }
        _ => Ok(()),
    }
}

fn refused(subject: &str, error: &Unamendable, may_recreate: bool) -> Error {
    let refusal = Error::new(format!("{subject}: {error}"));
    match error {
        Unamendable::Immutable { path } if may_recreate && can_recreate(path) => refusal.hint(RECREATE_HINT),
        Unamendable::Finished => refusal.hint("Delete it first, or give the new one another name."),
        _ => refusal,
    }
}

/// Reads a record of this federation.
pub(super) async fn read(federation: &Federation<'_>, namespace: &str, name: &str) -> Result<Record> {
    let record = find(federation.store, namespace, name).await?;
    if record.federation == federation.registry.uid { Ok(record) } else { Err(of_another(&record)) }
}

/// Changes one federated Job by a function from its manifest to another; gives the error where a member did not do its
/// part.
pub(super) async fn change(
    session: &Session<'_>,
    federation: &Federation<'_>,
    (namespace, name): (&str, &str),
    how: How,
    make: impl Fn(&Manifest) -> Result<Manifest>,
) -> Result<Option<Error>> {
    let subject = format!("job.batch/{name}");
    let remake = |record: &Record| {
        let manifest = make(&record.manifest)?;
        amended(session, federation.registry, record, manifest, how.recreate, &subject)
    };
    let before = read(federation, namespace, name).await?;
    let Some(after) = remake(&before)? else {
        unchanged(session, federation, &before, how.dry_run).await;
        return Ok(None);
    };
    let members = session.members_of(federation.registry, &[&after]).await;
    if how.dry_run == DryRun::Server || (how.dry_run == DryRun::None && how.rehearsed) {
        let mut rehearsal = Rehearsal::default();
        rehearsal.change(&before, &after, None, &members).await;
        rehearsal.end(session, "changed")?;
    }
    carry_out(session, federation, after, &members, how, remake).await
}

/// Writes a record that was amended and rehearsed, and has reconcile do the rest; or says what that would do. Where somebody
/// else changed the record meanwhile it is made again of what is there then.
pub(super) async fn carry_out(
    session: &Session<'_>,
    federation: &Federation<'_>,
    after: Record,
    members: &Members,
    how: How,
    remake: impl Fn(&Record) -> Result<Option<Record>>,
) -> Result<Option<Error>> {
    if how.dry_run != DryRun::None {
        foresee(session, federation, &after, members, how.dry_run).await;
        session.output().line(format!("job.batch/{} {}{}", after.name(), how.what, how.dry_run.suffix()));
        return Ok(None);
    }
    let (mut after, mut conflicts) = (after, 0);
    let record = loop {
        match federation.store.replace(&after).await {
            Err(error) if error.is_conflict() && conflicts < CONFLICTS => {
                conflicts += 1;
                let current = again(federation.store, &after).await?;
                match remake(&current)? {
                    Some(next) => after = next,
                    None => {
                        unchanged(session, federation, &current, how.dry_run).await;
                        return Ok(None);
                    }
                }
            }
            // It is the Job that the user knows, not its record.
            Err(error) if error.is_not_found() => {
                return Err(find(federation.store, after.namespace(), after.name())
                    .await
                    .err()
                    .unwrap_or(error.into()));
            }
            written => break written?,
        }
    };
    let others;
    let members = if conflicts == 0 {
        members
    } else {
        others = session.members_of(federation.registry, &[&record]).await;
        &others
    };
    finish(session, federation, record, members, how.what).await
}

/// Brings members to what was written, and says what was done.
async fn finish(
    session: &Session<'_>,
    federation: &Federation<'_>,
    record: Record,
    members: &Members,
    what: &str,
) -> Result<Option<Error>> {
    let name = record.name().to_owned();
    let observations = observe(&[&record], members).await.remove(0);
    let settled = settle(federation.store, record, observations, members, || session.now(), &|_| ()).await?;
    print_done(session, &name, &settled.done, DryRun::None);
    session.output().line(format!("job.batch/{name} {what}"));
    Ok(settled.record.and_then(|record| {
        let status = Status::of(&record, &settled.observations);
        report(session, &record, &status)
    }))
}

/// Says what would be done in the members.
pub(super) async fn foresee(
    session: &Session<'_>,
    federation: &Federation<'_>,
    after: &Record,
    members: &Members,
    dry_run: DryRun,
) {
    let observations = observe(&[after], members).await.remove(0);
    let done = forecast(after, federation.registry, observations, members, session.now()).await;
    name_the_unasked(session, after, members);
    print_done(session, after.name(), &done, dry_run);
}

/// Says that nothing changes, and, where an earlier change was interrupted, how it is finished.
pub(super) async fn unchanged(
    session: &Session<'_>,
    federation: &Federation<'_>,
    record: &Record,
    dry_run: DryRun,
) {
    session.output().line(format!("job.batch/{} unchanged{}", record.name(), dry_run.suffix()));
    if record.state.outcome.is_some() {
        return;
    }
    let members = session.members_of(federation.registry, &[record]).await;
    let observations = observe(&[record], &members).await.remove(0);
    let left = forecast(record, federation.registry, observations, &members, session.now()).await;
    if !left.is_empty() {
        let (name, namespace) = (record.name(), record.namespace());
        let finish = format!("kubectl federate reconcile {name} -n {namespace}");
        session.output().note(format!("`{finish}` finishes what was begun."));
    }
}
