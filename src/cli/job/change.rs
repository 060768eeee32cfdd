//! How a federated Job is changed: a new manifest is made of the old one, written as a
//! compare-and-swap, and reconciled.

use super::{
    Federation, Session, again, find, finish_begun, name_the_unasked, name_the_unplaced,
    of_another, print_done, report,
    submission::{Rehearsal, lose_the_silent},
};
use crate::{
    cli::DryRun,
    error::{Error, Result},
    federation::simulate,
    job::{Manifest, can_recreate, same},
    reconcile::{
        EditError, Members, Reconciled, Status, edit_record, new_record, observe, preview, run,
    },
    state::{Outcome, Record, Registry, Shard, Verdict},
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
    /// Whether fields may change that only new shards can carry; none where the verb does not offer
    /// it.
    pub recreate: Option<bool>,
    /// Whether a Job that has ended is refused even where nothing would change: it neither stops
    /// nor goes on.
    pub open_only: bool,
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
    try_amend(session, registry, record, manifest, recreate)
        .map_err(|error| refused(subject, &error, recreate == Some(false)))
}

/// The same, before anything is written. Of a field that may not change the clusters are asked
/// whether they know it: where they do not, or it holds what it cannot, that is what is wrong.
/// `source` is the file that the manifest was read from, if it was.
///
/// # Errors
/// As [`amended`].
pub(super) async fn understood(
    session: &Session<'_>,
    federation: &Federation<'_>,
    record: &Record,
    manifest: Manifest,
    recreate: Option<bool>,
    (subject, source): (&str, Option<&str>),
) -> Result<Option<Record>> {
    let registry = federation.registry;
    let error = match try_amend(session, registry, record, manifest.clone(), recreate) {
        Ok(after) => return Ok(after),
        Err(error) => error,
    };
    if let EditError::Immutable { path } = &error
        && can_recreate(path)
        && let Ok(proposed) = new_record(registry, manifest, session.now())
    {
        let mut members = session.members_of(registry, &[&proposed]).await;
        let mut rehearsal = Rehearsal::default();
        rehearsal.read(&proposed, source, &mut members).await;
        let unread: Vec<_> = rehearsal.refusals().collect();
        if !unread.is_empty() {
            return Err(Error::verbatim(unread.join("\n")));
        }
    }
    Err(refused(subject, &error, recreate == Some(false)))
}

fn try_amend(
    session: &Session<'_>,
    registry: &Registry,
    record: &Record,
    manifest: Manifest,
    recreate: Option<bool>,
) -> Result<Option<Record>, EditError> {
    if record.state.deleting.is_none() && same(&record.manifest, &manifest) {
        return Ok(None);
    }
    edit_record(record, registry, manifest, recreate.unwrap_or(false), session.now()).map(Some)
}

/// A Job that cannot be changed is one that nothing is asked about any more.
///
/// # Errors
/// It has finished, or is being deleted.
pub(super) fn check_open(
    session: &Session<'_>,
    registry: &Registry,
    record: &Record,
) -> Result<()> {
    match edit_record(record, registry, record.manifest.clone(), false, session.now()) {
        Err(error @ (EditError::Finished(_) | EditError::Deleting)) => {
            Err(refused(&format!("job.batch/{}", record.name()), &error, false))
        }
        _ => Ok(()),
    }
}

/// Makes sure that the Job has not ended by what its clusters say now, whether or not anybody has
/// recorded that: else what `get` has shown already would be undone. The outcome is recorded,
/// unless this is a dry run.
///
/// # Errors
/// It has ended. `subject` begins the sentence.
pub(super) async fn check_unended(
    session: &Session<'_>,
    federation: &Federation<'_>,
    record: &Record,
    members: &Members,
    dry_run: DryRun,
    subject: &str,
) -> Result<Record> {
    let observations = observe(&[record], members).await.remove(0);
    let (mut seen, observations) = preview(record, observations, members, session.now()).await;
    if dry_run == DryRun::None && record.state.outcome.is_none() && seen.state.outcome.is_some() {
        let now = || session.now();
        let settled =
            run(federation.store, record.clone(), observations, members, now, &|_| ()).await?;
        print_done(session, &settled.done, dry_run);
        // Where somebody has changed it meanwhile it may go on; where it is gone that shows when it
        // is written.
        let Some(record) = settled.record else { return Ok(seen) };
        seen = record;
    }
    match &seen.state.outcome {
        Some(outcome) => {
            Err(refused(subject, &EditError::Finished(outcome.verdict.as_str()), false))
        }
        None => Ok(seen),
    }
}

fn refused(subject: &str, error: &EditError, may_recreate: bool) -> Error {
    let refusal = Error::new(format!("{subject}: {error}"));
    match error {
        EditError::Immutable { path } if may_recreate && can_recreate(path) => {
            refusal.hint(RECREATE_HINT)
        }
        EditError::Finished(_) => {
            refusal.hint("Delete it first, or give the new one another name.")
        }
        _ => refusal,
    }
}

/// Reads a record of this federation.
pub(super) async fn read(
    federation: &Federation<'_>,
    namespace: &str,
    name: &str,
) -> Result<Record> {
    let record = find(federation.store, namespace, name).await?;
    if record.federation == federation.registry.uid { Ok(record) } else { Err(of_another(&record)) }
}

/// Changes one federated Job by a function from its manifest to another; gives the error where a
/// member did not do its part.
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
    if how.open_only {
        check_open(session, federation.registry, &before)?;
    }
    let manifest = make(&before.manifest)?;
    let after =
        understood(session, federation, &before, manifest, how.recreate, (&subject, None)).await?;
    if after.is_none() && !how.open_only {
        unchanged(session, federation, &before, how.dry_run).await;
        return Ok(None);
    }
    let concerned = after.as_ref().unwrap_or(&before);
    let mut members = session.members_to_settle(federation.registry, &[concerned]).await;
    let seen = check_unended(session, federation, &before, &members, how.dry_run, &subject).await?;
    let Some(after) = remake(&seen)? else {
        unchanged(session, federation, &before, how.dry_run).await;
        return Ok(None);
    };
    if how.dry_run == DryRun::Server || (how.dry_run == DryRun::None && how.rehearsed) {
        let mut rehearsal = Rehearsal::default();
        rehearsal.change(session, federation, (&before, &after), None, &mut members).await;
        rehearsal.end(session, "changed")?;
    }
    carry_out(session, federation, after, &mut members, how, &subject, remake).await
}

/// Writes a record that was amended and rehearsed, and has reconcile do the rest; or says what that
/// would do. Where somebody else changed the record meanwhile it is made again of what is there
/// then. `subject` begins what is said where that cannot be.
pub(super) async fn carry_out(
    session: &Session<'_>,
    federation: &Federation<'_>,
    after: Record,
    members: &mut Members,
    how: How,
    subject: &str,
    remake: impl Fn(&Record) -> Result<Option<Record>>,
) -> Result<Option<Error>> {
    if how.dry_run != DryRun::None {
        foresee(session, &after, members, how.dry_run).await;
        session.output().line(format!(
            "job.batch/{} {}{}",
            after.name(),
            how.what,
            how.dry_run.suffix()
        ));
        return Ok(None);
    }
    let (mut after, mut conflicts) = (after, 0);
    let record = loop {
        match federation.store.replace(&after).await {
            Err(error) if error.is_conflict() && conflicts < CONFLICTS => {
                conflicts += 1;
                let current = again(federation.store, &after).await?;
                match remake(&current)? {
                    Some(next) => {
                        *members = session.members_to_settle(federation.registry, &[&next]).await;
                        let seen = check_unended(
                            session,
                            federation,
                            &current,
                            members,
                            how.dry_run,
                            subject,
                        )
                        .await?;
                        after = remake(&seen)?.unwrap_or(next);
                    }
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
    finish(session, federation, record, members, how.what).await
}

/// Brings members to what was written, and says what was done.
async fn finish(
    session: &Session<'_>,
    federation: &Federation<'_>,
    record: Record,
    members: &mut Members,
    what: &str,
) -> Result<Option<Error>> {
    let name = record.name().to_owned();
    let begun = finish_begun(&record);
    let observations = observe(&[&record], members).await.remove(0);
    let settled = run(federation.store, record, observations, members, || session.now(), &|_| ())
        .await
        .map_err(|error| Error::from(error).hint(begun))?;
    lose_the_silent(members, &settled.observations);
    print_done(session, &settled.done, DryRun::None);
    session.output().line(format!("job.batch/{name} {what}"));
    Ok(settled.record.and_then(|record| {
        name_the_surplus(session, &record);
        let status = Status::of(&record, &settled.observations);
        name_the_unplaced(session, &record, &status);
        report(session, &record, &status)
    }))
}

/// Says what would be done in the members.
pub(super) async fn foresee(
    session: &Session<'_>,
    after: &Record,
    members: &Members,
    dry_run: DryRun,
) {
    let observations = observe(&[after], members).await.remove(0);
    let foreseen = simulate(after, observations, members, session.now()).await;
    name_the_unasked(session, after, members);
    if let Some(Reconciled { record, done, .. }) = foreseen {
        print_done(session, &done, dry_run);
        if let Some(record) = record {
            name_the_surplus(session, &record);
        }
    }
}

/// Says where as much has succeeded as is asked for by now, or more: the Job is complete then.
fn name_the_surplus(session: &Session<'_>, record: &Record) {
    let complete = |outcome: &Outcome| outcome.verdict == Verdict::Complete;
    let Some(asked) = record.manifest.size().completions else { return };
    let succeeded = record.shards.values().map(Shard::achieved).fold(0, i32::saturating_add);
    if succeeded >= asked && record.state.outcome.as_ref().is_some_and(complete) {
        let text = format!(
            "{succeeded} have succeeded already, and {asked} were asked for: it is complete"
        );
        session.output().note(format!("job.batch/{}: {text}", record.name()));
    }
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
    let members = session.members_to_settle(federation.registry, &[record]).await;
    let observations = observe(&[record], &members).await.remove(0);
    let left = simulate(record, observations, &members, session.now()).await;
    if left.is_some_and(|left| !left.done.is_empty()) {
        session.output().note(finish_begun(record));
    }
}
