//! How a federated Job gets a new manifest: one is made of the old one, the members are asked, it
//! is written as a compare-and-swap, and reconciled.

use super::{
    after_write::{give_up_on_silent, running_pods},
    dry_run_strategy::DryRun,
    error::Error,
    event::Event,
    key::key,
    open::{Federation, carrying, concerned},
    recreate::stopped,
    refusals::Refusals,
    request::{Request, check_open, is_same, may_recreate},
    simulate::simulate,
    turns::at_once,
};
use crate::{
    cluster::fan_out,
    job::{Manifest, Unpatchable},
    reconcile::{
        EditError, Members, Observation, Observations, Status, edit_record, new_record, preview,
    },
    state::{Change, Record},
};

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

/// What an attempt to change a Job comes to.
pub(super) enum Attempt {
    /// This is to be written.
    Change(Box<Prepared>),
    /// Nothing changes; with what the members said, if they were asked.
    Same(Option<Observations>),
}

/// From what the first attempt of a change begins.
pub(super) enum Start {
    /// It is prepared, and the members were asked whether they would take it.
    Prepared(Box<Prepared>),
    /// The members were asked how the Job stands, if there is something.
    Seen(Option<Observations>),
}

impl Attempt {
    fn change(&self) -> Option<&Prepared> {
        match self {
            Self::Change(change) => Some(change),
            Self::Same(_) => None,
        }
    }
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
        self.edit_all(namespace, &[(name, request)], make).await.remove(0)
    }

    /// The same of several Jobs of a namespace, side by side: each by its name and what is asked of
    /// it. The members are asked once for all of them. The results have the order of the Jobs.
    pub async fn edit_all(
        &self,
        namespace: &str,
        jobs: &[(&str, &Request<'_>)],
        make: impl Fn(&Manifest) -> Result<Manifest, Unpatchable>,
    ) -> Vec<Result<Edited, Error>> {
        let make = |record: &Record, request: &Request<'_>| {
            make(&record.manifest)
                .map_err(|error| Error::NotApplicable { subject: request.subject.clone(), error })
        };
        let keys: Vec<_> = jobs.iter().map(|(name, _)| (namespace, *name)).collect();
        let dry_run = jobs.first().map_or(DryRun::None, |(_, request)| request.dry_run);
        self.about(keys, dry_run);
        let find = async |(name, _): &(&str, _)| self.record(namespace, name).await;
        let found = fan_out(jobs, find).await;
        let is_asked_about = |record: &Record, request: &Request<'_>| {
            let made = make(record, request);
            made.is_ok_and(|manifest| request.looks(record, &manifest).unwrap_or(false))
        };
        let open = found.iter().zip(jobs).map(|(record, (_, request))| {
            record.as_ref().ok().filter(|record| is_asked_about(record, request))
        });
        let open: Vec<_> = open.collect();
        let asked: Vec<_> = open.iter().copied().flatten().collect();
        let members = self.unasked();
        let observed = self.join_and_observe(&asked, &members, carrying(&asked)).await;
        let mut observed = observed.into_iter();
        let seen: Vec<_> = open.iter().map(|open| open.and_then(|_| observed.next())).collect();
        let requests = jobs.iter().map(|(_, request)| *request);
        let edit = async |federation: &Self, ((record, seen), request): (_, &Request<'_>)| {
            let make = |record: &Record| make(record, request);
            Box::pin(federation.edit_seen(record?, seen, request, make, &members)).await
        };
        let at_once = at_once(found.iter().flatten());
        self.side_by_side(at_once, found.into_iter().zip(seen).zip(requests), edit).await
    }

    /// Changes a Job of which the members were asked just now, if they were.
    async fn edit_seen(
        &self,
        record: Record,
        seen: Option<Observations>,
        request: &Request<'_>,
        make: impl Fn(&Record) -> Result<Manifest, Error>,
        members: &Members,
    ) -> Result<Edited, Error> {
        if request.dry_run == DryRun::None {
            return Box::pin(self.write(record, Start::Seen(seen), request, make, members)).await;
        }
        match Box::pin(self.attempt(&record, seen, make(&record)?, request, members)).await? {
            Attempt::Change(change) => {
                Box::pin(self.foresee_change(*change, request, members)).await;
                Ok(Edited::Changed)
            }
            Attempt::Same(seen) => self.keep(&record, seen, members, request.dry_run).await,
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
        let members = self.unasked();
        let carrying = carrying(&[&record]);
        let observations = self.join_and_observe(&[&record], &members, carrying).await.remove(0);
        let seen = self.check_unended(&record, observations, &members, &request).await?;
        Ok(seen.0)
    }

    /// Writes a change as a compare-and-swap, each attempt from what is there then, and brings the
    /// members to it.
    ///
    /// # Errors
    /// As [`Federation::edit`].
    pub(super) async fn write(
        &self,
        record: Record,
        start: Start,
        request: &Request<'_>,
        make: impl Fn(&Record) -> Result<Manifest, Error>,
        members: &Members,
    ) -> Result<Edited, Error> {
        let (namespace, name) = key(&record);
        let (mut first, mut seen) = match start {
            Start::Prepared(change) => (Some(Attempt::Change(change)), None),
            Start::Seen(seen) => (None, seen),
        };
        let mut attempt = Attempt::Same(None);
        let written = self
            .store
            .update(record, async |record| {
                attempt = match first.take() {
                    Some(change) => change,
                    None => {
                        let (seen, manifest) = (seen.take(), make(&record)?);
                        self.attempt(&record, seen, manifest, request, members).await?
                    }
                };
                Ok(match attempt.change() {
                    Some(change) => {
                        self.notify(Event::Recording(&change.after));
                        Change::Replace(change.after.clone())
                    }
                    None => Change::Keep(record),
                })
            })
            .await;
        let written = written.map_err(|error: Error| match attempt.change() {
            Some(change) if error.is_host_unreachable() => {
                let record = &change.after;
                let (namespace, name) = (record.namespace().to_owned(), record.name().to_owned());
                Error::MaybeRecorded { error: Box::new(error), namespace, name }
            }
            _ => error,
        });
        match (known(written, (&namespace, &name))?, attempt) {
            (Change::Replace(after), Attempt::Change(change)) => {
                let Prepared { before, observations, .. } = *change;
                self.notify(Event::Recorded(&after));
                self.finish(&before, after, observations, members).await?;
                Ok(Edited::Changed)
            }
            (Change::Keep(record) | Change::Remove(record) | Change::Replace(record), attempt) => {
                let seen = match attempt {
                    Attempt::Same(seen) => seen,
                    Attempt::Change(_) => None,
                };
                self.keep(&record, seen, members, request.dry_run).await
            }
        }
    }

    /// A change that is prepared, and that the members would take as far as they are asked.
    async fn attempt(
        &self,
        record: &Record,
        seen: Option<Observations>,
        manifest: Manifest,
        request: &Request<'_>,
        members: &Members,
    ) -> Result<Attempt, Error> {
        // It holds the state of every question that may be asked.
        let attempt = Box::pin(self.prepare(record, seen, manifest, request, members)).await?;
        let asks = match request.dry_run {
            DryRun::None => request.preflight,
            DryRun::Client => false,
            DryRun::Server => true,
        };
        if let (Some(Prepared { before, after, observations }), true) = (attempt.change(), asks) {
            let mut refusals = Refusals::new("changed", request.source.is_some());
            let asked = self.ask_change((before, after), observations, members);
            let mut answers = Box::pin(asked).await;
            if request.field_validation.is_none() {
                answers.refuse_new_fields(&before.manifest);
            }
            self.check_change(after, answers, request.source, members, &mut refusals).await;
            Error::of_refusals(refusals)?;
        }
        if request.dry_run == DryRun::None && !request.may_stop {
            check_stops(attempt.change())?;
        }
        Ok(attempt)
    }

    /// A change of one Job that is ready to be written. The members that carry it are asked once,
    /// if they were not just now; those that it may be given to are connected to.
    ///
    /// # Errors
    /// The Job cannot be changed so.
    async fn prepare(
        &self,
        record: &Record,
        seen: Option<Observations>,
        manifest: Manifest,
        request: &Request<'_>,
        members: &Members,
    ) -> Result<Attempt, Error> {
        if !request.looks(record, &manifest)? {
            return Ok(Attempt::Same(None));
        }
        let seen = match seen {
            Some(seen) => seen,
            None => self.seen(record, members).await,
        };
        self.prepare_seen(record, seen, manifest, request, members).await
    }

    /// What the members that carry a Job say of it.
    async fn seen(&self, record: &Record, members: &Members) -> Observations {
        self.join(members, carrying(&[record])).await;
        self.observe(&[record], members).await.remove(0)
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
        members: &Members,
    ) -> Result<Attempt, Error> {
        let (seen, mut observations) =
            self.check_unended(record, observations, members, request).await?;
        if is_same(&seen, &manifest) {
            return Ok(Attempt::Same(Some(observations)));
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
                    self.check_known(&seen, manifest, request, members).await?;
                }
                return Err(request.refusal(&seen, error));
            }
        };
        after.state.create_namespace |= request.create_namespace;
        after.state.field_validation = request.field_validation(&seen);
        if after.manifest.lease() != seen.manifest.lease() {
            after.state.leased = self.lease_consent(&after.manifest).await;
        }
        self.join(members, concerned(&self.registry, &[&after], self.now())).await;
        add_others(&mut observations, members);
        let before = record.clone();
        Ok(Attempt::Change(Box::new(Prepared { before, after, observations })))
    }

    /// Of a field that may not change, makes sure that the clusters know it: where they do not, or
    /// it holds what it cannot, that is what is wrong. Where the user lets such fields pass, they
    /// are named: nobody is to stop pods for the sake of a field that clusters drop.
    ///
    /// # Errors
    /// It is.
    async fn check_known(
        &self,
        record: &Record,
        manifest: Manifest,
        request: &Request<'_>,
        members: &Members,
    ) -> Result<(), Error> {
        let proposed = new_record(&self.registry, manifest, self.now());
        let Ok(mut proposed) = proposed else { return Ok(()) };
        proposed.state.field_validation = request.field_validation(record);
        self.join(members, carrying(&[&proposed])).await;
        self.check_fields(&record.manifest, &proposed, request, members).await
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
        members: &Members,
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
    /// finishes it. `seen` is what the members that carry the Job said just now, if they were
    /// asked.
    pub(super) async fn keep(
        &self,
        record: &Record,
        seen: Option<Observations>,
        members: &Members,
        dry_run: DryRun,
    ) -> Result<Edited, Error> {
        self.notify(Event::Unchanged(record, dry_run));
        if record.state.outcome.is_none() {
            let mut seen = match seen {
                Some(seen) => seen,
                None => self.seen(record, members).await,
            };
            self.join(members, concerned(&self.registry, &[record], self.now())).await;
            add_others(&mut seen, members);
            let left = simulate(record, seen, members, self.now()).await;
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

/// It is the Job that the user knows, not its record.
pub(super) fn known<T>(
    done: Result<T, Error>,
    (namespace, name): (&str, &str),
) -> Result<T, Error> {
    done.map_err(|error| match error {
        error if error.is_not_found() => Error::not_found(namespace, name),
        error => error,
    })
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
