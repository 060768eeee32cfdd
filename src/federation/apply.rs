//! Manifests that create a federated Job, or make it what they say.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    dry_run_strategy::DryRun,
    edit::{Attempt, Prepared, Start, check_stops},
    error::Error,
    event::Event,
    open::{Federation, carrying},
    refusals::Refusals,
    request::{Request, check_open, is_same},
    submit::{Proposal, Source, SubmitTerms, names, parted, unmade},
    turns::at_once,
};
use crate::{
    cluster::{FieldValidation, fan_out, fan_out_by},
    reconcile::{Members, Observations},
    state::{Phase, Record},
};

/// What applying a manifest may do beside changing what the manifest says.
#[derive(Debug, Clone, Copy, Default)]
pub struct ApplyTerms {
    /// Fields may change that only new shards can carry.
    pub recreate: bool,
    /// Pods that run may be stopped for that: the user was asked.
    pub may_stop: bool,
    /// Missing namespaces are made.
    pub create_namespace: bool,
    /// What is done about fields that a member does not know.
    pub field_validation: FieldValidation,
}

impl ApplyTerms {
    fn request(self, source: &Source, dry_run: DryRun) -> Request<'_> {
        Request {
            subject: source.subject(),
            source: Some(&source.source),
            dry_run,
            preflight: true,
            recreate: Some(self.recreate),
            may_stop: self.may_stop,
            open_only: false,
            create_namespace: self.create_namespace,
            field_validation: Some(self.field_validation),
        }
    }

    fn of_creation(self) -> SubmitTerms {
        let Self { create_namespace, field_validation, .. } = self;
        SubmitTerms { create_namespace, field_validation }
    }
}

/// What is to be done about one manifest.
#[derive(Debug)]
pub enum Step {
    /// There is no such Job, and this is to be written.
    Create(Box<Proposal>),
    /// There is one that differs.
    Change(Box<Changing>),
    /// There is one, and it is what the manifest says; with what the members say of it, if they
    /// were asked.
    Keep(Box<(Record, Option<Observations>)>),
}

/// What there is of the Job of a manifest.
enum Found {
    /// Nothing, and this is to be written.
    Absent(Proposal),
    /// Its record.
    Present(Source, Record),
}

impl Found {
    /// The record of a Job of which the members are asked. Nobody is asked any more about one that
    /// stays as it is and has ended.
    fn open(&self) -> Option<&Record> {
        match self {
            Self::Present(source, record) => {
                let is_open = record.state.outcome.is_none() || !is_same(record, &source.manifest);
                Some(record).filter(|_| is_open)
            }
            Self::Absent(_) => None,
        }
    }

    fn proposed(&self) -> Option<&Record> {
        match self {
            Self::Absent(proposal) => Some(&proposal.record),
            Self::Present(..) => None,
        }
    }
}

/// A change that is ready to be written, and the manifest that it came from.
#[derive(Debug)]
pub struct Changing {
    change: Prepared,
    source: Source,
}

impl Step {
    fn change(&self) -> Option<&Prepared> {
        match self {
            Self::Change(step) => Some(&step.change),
            Self::Create(_) | Self::Keep(_) => None,
        }
    }

    /// The record as it is to be.
    fn record(&self) -> &Record {
        match self {
            Self::Create(proposal) => &proposal.record,
            Self::Change(step) => &step.change.after,
            Self::Keep(step) => &step.0,
        }
    }

    /// The record as it is, if there is one, and as it is to be; none where nothing changes.
    pub fn difference(&self) -> Option<(Option<&Record>, &Record)> {
        match self {
            Self::Create(proposal) => Some((None, &proposal.record)),
            Self::Change(step) => Some((Some(&step.change.before), &step.change.after)),
            Self::Keep(_) => None,
        }
    }
}

/// What is to be done about several manifests, and the members that it concerns.
struct Plan {
    steps: Vec<Step>,
    members: Members,
}

impl Federation<'_> {
    /// Creates Jobs, or makes them what their manifests say. Nothing is written unless all can be
    /// done and all members that answer would take it.
    ///
    /// # Errors
    /// Nothing was written, as with [`Error::StopsWork`]; or, of each Job, what kept it from being
    /// done.
    pub async fn apply(
        &self,
        sources: Vec<Source>,
        terms: ApplyTerms,
        dry_run: DryRun,
    ) -> Result<(), Error> {
        let count = sources.len();
        let nothing = |errors| Error::none_done("applied", count, errors);
        let asked = sources.iter().map(|it| (it.manifest.namespace(), it.manifest.name()));
        self.about(asked, dry_run);
        let (plan, errors) = self.plan(sources, terms, dry_run).await;
        nothing(errors)?;
        let Plan { steps, members } = plan;
        if dry_run != DryRun::Client {
            let (refusals, errors) = Box::pin(self.check_all(&steps, &members)).await;
            nothing(errors)?;
            Error::of_refusals(refusals)?;
        }
        if dry_run == DryRun::None && !terms.may_stop {
            check_stops(steps.iter().filter_map(Step::change))?;
        }
        // Those that were planned are begun now.
        self.about(steps.iter().map(|step| names(step.record())), dry_run);
        let take = async |federation: &Self, step| {
            Box::pin(federation.take(step, terms, dry_run, &members)).await
        };
        let at_once = at_once(steps.iter().map(Step::record));
        let taken = self.side_by_side(at_once, steps, take).await;
        Error::all(taken.into_iter().filter_map(Result::err).collect())
    }

    /// Finds out what [`Federation::apply`] would do, and asks the host and the members by dry run
    /// whether they would take it. `show` is given the steps and says what its
    /// caller makes of them, before what would be done in the members is told. Gives that, and the
    /// members of which it is not known.
    ///
    /// # Errors
    /// It could not be done; or what `show` returns.
    pub async fn diff<T, E: From<Error>>(
        &self,
        sources: Vec<Source>,
        terms: ApplyTerms,
        show: impl AsyncFnOnce(&[Step]) -> Result<T, E>,
    ) -> Result<(T, BTreeSet<String>), E> {
        let (plan, errors) = self.plan(sources, terms, DryRun::Server).await;
        Error::all(errors)?;
        let Plan { steps, members } = plan;
        let (refusals, errors) = Box::pin(self.check_all(&steps, &members)).await;
        Error::all(errors)?;
        Error::of_refusals(refusals)?;
        let shown = show(&steps).await?;
        let unasked = self.name_who_was_not_asked(&steps, &members);
        for step in steps {
            match step {
                Step::Create(new) => {
                    let observations = unmade(&new.record, &members);
                    self.foresee(&new.record, observations, &members, DryRun::Client).await;
                }
                Step::Change(step) => {
                    let Prepared { after, observations, .. } = step.change;
                    self.foresee(&after, observations, &members, DryRun::Client).await;
                }
                Step::Keep(_) => {}
            }
        }
        Ok((shown, unasked))
    }

    /// Says which members did not say what they have of these Jobs, or whether they would take what
    /// is to be done. Gives their names.
    fn name_who_was_not_asked(&self, steps: &[Step], members: &Members) -> BTreeSet<String> {
        let mut unasked = BTreeMap::new();
        for step in steps {
            let (record, seen) = match step {
                Step::Create(proposal) => (&proposal.record, None),
                Step::Change(step) => (&step.change.after, Some(&step.change.observations)),
                // One that has ended needs nobody.
                Step::Keep(step) if step.1.is_none() => continue,
                Step::Keep(step) => (&step.0, step.1.as_ref()),
            };
            for shard in record.shards.values().filter(|shard| !shard.is_over()) {
                let absent = members.of_shard(shard).err().map(str::to_owned);
                let is_planned = shard.phase == Phase::Planned;
                let unknown = || seen.filter(|_| !is_planned)?.unknown(shard);
                if let Some(why) = absent.or_else(unknown) {
                    unasked.entry(shard.cluster.clone()).or_insert(why);
                }
            }
        }
        for (cluster, why) in &unasked {
            self.notify(Event::Silent { cluster, why });
        }
        unasked.into_keys().collect()
    }

    /// What each manifest asks for, and why others cannot be done. The members are asked once for
    /// all of them; nothing is written.
    async fn plan(
        &self,
        sources: Vec<Source>,
        terms: ApplyTerms,
        dry_run: DryRun,
    ) -> (Plan, Vec<Error>) {
        let find = async |source: Source| {
            let (namespace, name) = (source.manifest.namespace(), source.manifest.name());
            let record = self.record(namespace, name).await;
            (source, record)
        };
        let find_one = |(source, record): (Source, Result<Record, Error>)| match record {
            Ok(record) => {
                if !is_same(&record, &source.manifest) {
                    check_open(&record, &terms.request(&source, dry_run))?;
                }
                Ok(Found::Present(source, record))
            }
            Err(Error::NotFound { .. }) => {
                Ok(Found::Absent(self.propose(source, terms.of_creation())?))
            }
            Err(error) => Err(error),
        };
        let (found, mut errors) = parted(fan_out(sources, find).await.into_iter().map(find_one));
        if !errors.is_empty() {
            return (Plan { steps: Vec::new(), members: self.unasked() }, errors);
        }
        let plan = Box::pin(self.plan_found(found, terms, dry_run)).await;
        errors.extend(plan.1);
        (plan.0, errors)
    }

    async fn plan_found(
        &self,
        steps: Vec<Found>,
        terms: ApplyTerms,
        dry_run: DryRun,
    ) -> (Plan, Vec<Error>) {
        // A Job that stays as it is may have been left unfinished.
        let records = || steps.iter().filter_map(Found::open);
        let proposed = steps.iter().filter_map(Found::proposed);
        let members = self.unasked();
        let all: Vec<_> = records().chain(proposed).collect();
        self.join(&members, carrying(&all)).await;
        let present: Vec<_> = records().collect();
        let mut observed = self.observe(&present, &members).await.into_iter();
        let seen = steps.iter().map(|found| found.open().and_then(|_| observed.next()));
        let seen: Vec<_> = seen.collect();
        let plan = async |federation: &Self, (found, seen)| {
            federation.plan_one(found, seen, terms, dry_run, &members).await
        };
        let at_once = at_once(present);
        let found = steps.into_iter().zip(seen);
        let planned = self.plan_side_by_side(at_once, found, plan).await;
        let (steps, errors) = parted(planned);
        (Plan { steps, members }, errors)
    }

    /// What one manifest asks for, by what the members have said of its Job if they were asked.
    async fn plan_one(
        &self,
        found: Found,
        seen: Option<Observations>,
        terms: ApplyTerms,
        dry_run: DryRun,
        members: &Members,
    ) -> Result<Step, Error> {
        let (source, record) = match found {
            Found::Absent(proposal) => return Ok(Step::Create(Box::new(proposal))),
            Found::Present(source, record) => (source, record),
        };
        if is_same(&record, &source.manifest) {
            return Ok(Step::Keep(Box::new((record, seen))));
        }
        let request = terms.request(&source, dry_run);
        let (manifest, seen) = (source.manifest.clone(), seen.unwrap_or_default());
        let prepared = self.prepare_seen(&record, seen, manifest, &request, members);
        Ok(match prepared.await? {
            Attempt::Change(change) => Step::Change(Box::new(Changing { change: *change, source })),
            Attempt::Same(seen) => Step::Keep(Box::new((record, seen))),
        })
    }

    /// What the members have against what is to be done; and what the host has.
    async fn check_all(&self, steps: &[Step], members: &Members) -> (Refusals, Vec<Error>) {
        let ask = async |step: &Step| match step {
            Step::Create(proposal) => {
                let Proposal { record, source } = &**proposal;
                self.ask_creation(record, source, members).await.map(Some)
            }
            Step::Change(step) => {
                let Prepared { before, after, observations } = &step.change;
                Ok(Some(self.ask_change((before, after), observations, members).await))
            }
            Step::Keep(_) => Ok(None),
        };
        let mut refusals = Refusals::new("applied", true);
        let asked = fan_out_by(at_once(steps.iter().map(Step::record)), steps, ask).await;
        let mut errors = Vec::new();
        for (step, answers) in steps.iter().zip(asked) {
            let answers = match answers {
                Ok(Some(answers)) => answers,
                Ok(None) => continue,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            match step {
                Step::Create(proposal) => {
                    let Proposal { record, source } = &**proposal;
                    self.check_creation(record, source, answers, members, &mut refusals).await;
                }
                Step::Change(step) => {
                    let (after, source) = (&step.change.after, Some(&*step.source.source));
                    self.check_change(after, answers, source, members, &mut refusals).await;
                }
                Step::Keep(_) => {}
            }
        }
        (refusals, errors)
    }

    async fn take(
        &self,
        step: Step,
        terms: ApplyTerms,
        dry_run: DryRun,
        members: &Members,
    ) -> Result<(), Error> {
        match step {
            Step::Keep(step) => {
                let (record, seen) = *step;
                self.keep(&record, seen, members, dry_run).await.map(drop)
            }
            Step::Change(step) => {
                let Changing { change, source } = *step;
                self.name_what_misleads(&change.after);
                let request = terms.request(&source, dry_run);
                if dry_run != DryRun::None {
                    self.foresee_change(change, &request, members).await;
                    return Ok(());
                }
                let make = |_: &Record| Ok(source.manifest.clone());
                let record = change.before.clone();
                let start = Start::Prepared(Box::new(change));
                Box::pin(self.write(record, start, &request, make, members)).await.map(drop)
            }
            Step::Create(proposal) => {
                let record = proposal.record.clone();
                self.name_plan(&record);
                let mut created = Ok(());
                if dry_run == DryRun::None {
                    created = Box::pin(self.create(*proposal, members)).await;
                    if !matches!(created, Ok(()) | Err(Error::Unfinished(_))) {
                        return created;
                    }
                } else {
                    let observations = unmade(&record, members);
                    self.foresee(&record, observations, members, dry_run).await;
                }
                self.notify(Event::Created(&record, dry_run));
                created
            }
        }
    }
}
