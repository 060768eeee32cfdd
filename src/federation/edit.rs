//! How a federated Job gets a new manifest: one is made of the old one, the members are asked, it
//! is written as a compare-and-swap, and reconciled.

use super::{
    after_write::{give_up_on_silent, running_pods},
    dry_run_strategy::DryRun,
    error::Error,
    event::Event,
    open::{Federation, carrying, concerned},
    recreate::stopped,
    refusals::Refusals,
    simulate::simulate,
};
use crate::{
    job::{Manifest, Unpatchable, can_recreate, same},
    reconcile::{
        EditError, Members, Observation, Observations, Status, edit_record, new_record, preview,
    },
    state::{Change, Record},
};

/// How a Job is to be changed.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub struct Request<'a> {
    /// What begins the sentences about it: `job.batch/pi`, or the file.
    pub subject: String,
    /// The file that the change was read from, if it was.
    pub source: Option<&'a str>,
    /// Whether it is done, or only foreseen.
    pub dry_run: DryRun,
    /// Whether the members are asked first whether they would take it.
    pub preflight: bool,
    /// Whether fields may change that only new shards can carry; none where the verb does not offer
    /// it.
    pub recreate: Option<bool>,
    /// Whether pods that run may be stopped so that new shards take their place: the user was
    /// asked.
    pub may_stop: bool,
    /// Whether a Job that has ended is refused even where nothing would change: it neither stops
    /// nor goes on.
    pub open_only: bool,
    /// Whether missing namespaces are made.
    pub create_namespace: bool,
}

impl Request<'_> {
    /// A request about one Job that is named, not read from a file.
    pub fn new(name: &str, dry_run: DryRun) -> Self {
        Self {
            subject: format!("job.batch/{name}"),
            source: None,
            dry_run,
            preflight: true,
            recreate: None,
            may_stop: true,
            open_only: false,
            create_namespace: false,
        }
    }

    fn refusal(&self, record: &Record, error: EditError) -> Error {
        Error::NotEditable {
            subject: self.subject.clone(),
            from_file: self.source.is_some(),
            may_recreate: self.recreate == Some(false) && may_recreate(&error),
            error,
            namespace: record.namespace().to_owned(),
            name: record.name().to_owned(),
        }
    }
}

/// What came of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edited {
    /// The Job was changed.
    Changed,
    /// It is so already.
    Unchanged,
}

/// A change that is ready to be written.
#[derive(Debug)]
pub(super) struct Prepared {
    /// The record as it is.
    pub before: Record,
    /// The record as it is to be.
    pub after: Record,
    /// What its members said just now.
    pub observations: Observations,
}

impl Federation<'_> {
    /// Changes one federated Job by a function from its manifest to another. Where somebody else
    /// changes it meanwhile, the function is asked again of what is there then.
    ///
    /// # Errors
    /// The Job cannot be changed so, or [`Error::StopsWork`], and nothing was; or
    /// [`Error::Unfinished`], where a member did not do its part.
    pub async fn edit(
        &self,
        namespace: &str,
        name: &str,
        request: &Request<'_>,
        make: impl Fn(&Manifest) -> Result<Manifest, Unpatchable>,
    ) -> Result<Edited, Error> {
        let record = self.record(namespace, name).await?;
        let make = |record: &Record| {
            make(&record.manifest)
                .map_err(|error| Error::NotApplicable { subject: request.subject.clone(), error })
        };
        let mut members = Members::default();
        if request.dry_run == DryRun::None {
            return Box::pin(self.write(record, None, request, make, &mut members)).await;
        }
        match Box::pin(self.attempt(&record, make(&record)?, request, &mut members)).await? {
            Some(change) => {
                Box::pin(self.foresee_change(change, request, &members)).await;
                Ok(Edited::Changed)
            }
            None => self.keep(&record, request.dry_run).await,
        }
    }

    /// Makes sure that a Job can be changed at all: it is of this federation, not being deleted,
    /// and has not ended by what its members say now.
    ///
    /// # Errors
    /// It cannot.
    pub async fn editable(&self, namespace: &str, name: &str) -> Result<Record, Error> {
        let record = self.record(namespace, name).await?;
        let request = Request::new(name, DryRun::None);
        check_open(&record, &request)?;
        let members = self.members_of(&[&record]).await;
        let observations = self.observe(&[&record], &members).await.remove(0);
        let seen = self.check_unended(&record, observations, &members, &request).await?;
        Ok(seen.0)
    }

    /// Writes a change as a compare-and-swap, each attempt from what is there then, and brings the
    /// members to it. `first` is the change that the first attempt writes, if it is prepared and
    /// asked about already.
    ///
    /// # Errors
    /// As [`Federation::edit`].
    pub(super) async fn write(
        &self,
        record: Record,
        mut first: Option<Prepared>,
        request: &Request<'_>,
        make: impl Fn(&Record) -> Result<Manifest, Error>,
        members: &mut Members,
    ) -> Result<Edited, Error> {
        let name = record.name().to_owned();
        let mut prepared = None;
        let written = self
            .store
            .update(record, async |record| {
                prepared = match first.take() {
                    Some(change) => Some(change),
                    None => self.attempt(&record, make(&record)?, request, members).await?,
                };
                Ok(match &prepared {
                    Some(change) => {
                        self.notify(Event::Recording(&change.after));
                        Change::Replace(change.after.clone())
                    }
                    None => Change::Keep(record),
                })
            })
            .await;
        let written = written.map_err(|error: Error| match &prepared {
            Some(change) if error.is_host_unreachable() => {
                let record = &change.after;
                let (namespace, name) = (record.namespace().to_owned(), record.name().to_owned());
                Error::MaybeRecorded { error: Box::new(error), namespace, name }
            }
            _ => error,
        });
        match (known(written, &name)?, prepared) {
            (Change::Replace(after), Some(Prepared { before, observations, .. })) => {
                self.notify(Event::Recorded(&after));
                self.finish(&before, after, observations, members).await?;
                Ok(Edited::Changed)
            }
            (Change::Keep(record) | Change::Remove(record) | Change::Replace(record), _) => {
                self.keep(&record, request.dry_run).await
            }
        }
    }

    /// A change that is prepared, and that the members would take as far as they are asked; none
    /// where nothing would change.
    async fn attempt(
        &self,
        record: &Record,
        manifest: Manifest,
        request: &Request<'_>,
        members: &mut Members,
    ) -> Result<Option<Prepared>, Error> {
        // It holds the state of every question that may be asked.
        let prepared = Box::pin(self.prepare(record, manifest, request, members)).await?;
        let asks = match request.dry_run {
            DryRun::None => request.preflight,
            DryRun::Client => false,
            DryRun::Server => true,
        };
        if let (Some(Prepared { before, after, observations }), true) = (&prepared, asks) {
            let mut refusals = Refusals::new("changed", request.source.is_some());
            let (both, source) = ((before, after), request.source);
            let check = self.check_change(both, observations, source, members, &mut refusals);
            Box::pin(check).await;
            Error::of_refusals(refusals)?;
        }
        if request.dry_run == DryRun::None && !request.may_stop {
            check_stops(&prepared)?;
        }
        Ok(prepared)
    }

    /// A change of one Job that is ready to be written; none where nothing would change. The
    /// members that carry it are asked once, those that it may be given to are connected to.
    ///
    /// # Errors
    /// The Job cannot be changed so.
    async fn prepare(
        &self,
        record: &Record,
        manifest: Manifest,
        request: &Request<'_>,
        members: &mut Members,
    ) -> Result<Option<Prepared>, Error> {
        if is_same(record, &manifest) && !request.open_only {
            return Ok(None);
        }
        check_open(record, request)?;
        self.join(members, carrying(&[record])).await;
        let observations = self.observe(&[record], members).await.remove(0);
        self.prepare_seen(record, observations, manifest, request, members).await
    }

    /// The same, once the members that carry the Job were asked.
    ///
    /// # Errors
    /// The Job cannot be changed so.
    pub(super) async fn prepare_seen(
        &self,
        record: &Record,
        observations: Observations,
        manifest: Manifest,
        request: &Request<'_>,
        members: &mut Members,
    ) -> Result<Option<Prepared>, Error> {
        let (seen, mut observations) =
            self.check_unended(record, observations, members, request).await?;
        if is_same(&seen, &manifest) {
            return Ok(None);
        }
        let recreate = request.recreate.unwrap_or(false);
        let edited = edit_record(
            &seen,
            &self.registry,
            manifest.clone(),
            recreate,
            &observations.clocks,
            self.now(),
        );
        let mut after = match edited {
            Ok(after) => after,
            Err(error) => {
                if may_recreate(&error) {
                    self.check_known(manifest, request, members).await?;
                }
                return Err(request.refusal(&seen, error));
            }
        };
        after.state.create_namespace |= request.create_namespace;
        if after.manifest.lease() != seen.manifest.lease() {
            after.state.leased = self.lease_consent(&after.manifest).await;
        }
        self.join(members, concerned(&self.registry, &[&after], self.now())).await;
        add_others(&mut observations, members);
        Ok(Some(Prepared { before: record.clone(), after, observations }))
    }

    /// Of a field that may not change, makes sure that the clusters know it: where they do not, or
    /// it holds what it cannot, that is what is wrong.
    ///
    /// # Errors
    /// It is.
    async fn check_known(
        &self,
        manifest: Manifest,
        request: &Request<'_>,
        members: &mut Members,
    ) -> Result<(), Error> {
        let Ok(proposed) = new_record(&self.registry, manifest, self.now()) else { return Ok(()) };
        self.join(members, carrying(&[&proposed])).await;
        self.check_fields(&proposed, request.source, members).await
    }

    /// Makes sure that the Job has not ended by what its clusters say now, whether or not anybody
    /// has recorded that: else what `get` has shown already would be undone. The outcome is
    /// recorded, unless this is a dry run. Gives the record with what the members say.
    ///
    /// # Errors
    /// It has ended.
    async fn check_unended(
        &self,
        record: &Record,
        observations: Observations,
        members: &Members,
        request: &Request<'_>,
    ) -> Result<(Record, Observations), Error> {
        let (seen, observations) = preview(record, observations, members, self.now()).await;
        let Some(outcome) = &seen.state.outcome else { return Ok((seen, observations)) };
        let finished = EditError::Finished(outcome.verdict.as_str());
        if request.dry_run != DryRun::None || record.state.outcome.is_some() {
            return Err(request.refusal(record, finished));
        }
        let reconciled = self.run(record.clone(), observations, members).await?;
        self.notify(Event::Done(&reconciled.done, DryRun::None));
        match reconciled.record {
            // Somebody has changed it meanwhile, so that it goes on.
            Some(record) if record.state.outcome.is_none() => Ok((record, reconciled.observations)),
            _ => Err(request.refusal(&seen, finished)),
        }
    }

    /// Says what a change would come to.
    pub(super) async fn foresee_change(
        &self,
        change: Prepared,
        request: &Request<'_>,
        members: &Members,
    ) {
        let Prepared { before, after, observations } = change;
        self.foresee(&after, observations, members, request.dry_run).await;
        let dry_run = request.dry_run;
        self.notify(Event::Changed { before: &before, after: &after, dry_run });
    }

    /// Brings members to what was written, and says what was done.
    async fn finish(
        &self,
        before: &Record,
        after: Record,
        observations: Observations,
        members: &mut Members,
    ) -> Result<(), Error> {
        let written = after.clone();
        let running = running_pods(&after);
        let reconciled = self.run(after, observations, members).await?;
        give_up_on_silent(members, &reconciled.observations);
        self.notify(Event::Done(&reconciled.done, DryRun::None));
        self.notify(Event::Changed { before, after: &written, dry_run: DryRun::None });
        let Some(record) = reconciled.record else { return Ok(()) };
        self.name_the_surplus(&record, running);
        self.name_the_crowd(&record, DryRun::None);
        let status = Status::new(&record, &reconciled.observations);
        self.notify(Event::Stands(&record, &status));
        self.report(&record, &status)
    }

    /// Says that nothing changes, and, where an earlier change was interrupted, that a reconcile
    /// finishes it.
    pub(super) async fn keep(&self, record: &Record, dry_run: DryRun) -> Result<Edited, Error> {
        self.notify(Event::Unchanged(record, dry_run));
        if record.state.outcome.is_none() {
            let members = self.members_to_reconcile(&[record]).await;
            let observations = self.observe(&[record], &members).await.remove(0);
            let left = simulate(record, observations, &members, self.now()).await;
            if left.is_some_and(|left| !left.done.is_empty()) {
                self.notify(Event::Unfinished(record));
            }
        }
        Ok(Edited::Unchanged)
    }
}

/// Refuses to stop shards with pods that may run.
///
/// # Errors
/// [`Error::StopsWork`].
pub(super) fn check_stops<'c>(
    changes: impl IntoIterator<Item = &'c Prepared>,
) -> Result<(), Error> {
    let of_one =
        |Prepared { before, after, observations }: &Prepared| stopped(before, after, observations);
    match changes.into_iter().flat_map(of_one).collect::<Vec<_>>() {
        all if all.is_empty() => Ok(()),
        all => Err(Error::StopsWork(all)),
    }
}

/// A Job that cannot be changed is one that no member is asked about any more.
///
/// # Errors
/// Its end is recorded, or it is being deleted.
pub(super) fn check_open(record: &Record, request: &Request<'_>) -> Result<(), Error> {
    let error = match (&record.state.outcome, record.state.deleting) {
        (Some(outcome), _) => EditError::Finished(outcome.verdict.as_str()),
        (None, Some(_)) => EditError::Deleting,
        (None, None) => return Ok(()),
    };
    Err(request.refusal(record, error))
}

/// Whether new shards could carry a change that the present ones cannot.
fn may_recreate(error: &EditError) -> bool {
    matches!(error, EditError::Immutable { path, .. } if can_recreate(path))
}

/// It is the Job that the user knows, not its record.
pub(super) fn known<T>(done: Result<T, Error>, name: &str) -> Result<T, Error> {
    done.map_err(|error| match error {
        error if error.is_not_found() => Error::NotFound { name: name.to_owned() },
        error => error,
    })
}

/// Whether a Job is to be what it is.
pub(super) fn is_same(record: &Record, manifest: &Manifest) -> bool {
    record.state.deleting.is_none() && same(&record.manifest, manifest)
}

/// Members that carry nothing of a Job were not listed: work that is opened there is asked for by
/// name.
fn add_others(observations: &mut Observations, members: &Members) {
    for cluster in members.asked() {
        let known = || match members.get(cluster) {
            Ok(_) => Observation::known([].into()),
            Err(why) => Observation::Unknown { why: why.to_owned() },
        };
        observations.members.entry(cluster.to_owned()).or_insert_with(known);
    }
    observations.places.clone_from(members.places());
}
