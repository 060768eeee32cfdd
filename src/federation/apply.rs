//! Manifests that create a federated Job, or make it what they say.

use super::{
    dry_run_strategy::DryRun,
    edit::{Prepared, Request, check_open, check_stops, is_same},
    error::Error,
    event::Event,
    open::{Federation, carrying},
    refusals::Refusals,
    submit::{Proposal, Source, unmade},
};
use crate::{cluster::fan_out, reconcile::Members, state::Record};

/// What applying a manifest may do beside changing what the manifest says.
#[derive(Debug, Clone, Copy, Default)]
pub struct ApplyTerms {
    /// Fields may change that only new shards can carry.
    pub recreate: bool,
    /// Pods that run may be stopped for that: the user was asked.
    pub may_stop: bool,
    /// Missing namespaces are made.
    pub create_namespace: bool,
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
        }
    }
}

/// What is to be done about one manifest.
#[derive(Debug)]
pub enum Step {
    /// There is no such Job, and this is to be written.
    Create(Box<Proposal>),
    /// There is one that differs.
    Change(Box<Changing>),
    /// There is one, and it is what the manifest says.
    Keep(Box<Record>),
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
        let Plan { steps, mut members } = self.plan(sources, terms, dry_run).await?;
        if dry_run != DryRun::Client {
            Box::pin(self.check_all(&steps, &mut members)).await?;
        }
        if dry_run == DryRun::None && !terms.may_stop {
            check_stops(steps.iter().filter_map(Step::change))?;
        }
        let mut errors = Vec::new();
        for step in steps {
            errors.extend(Box::pin(self.take(step, terms, dry_run, &mut members)).await.err());
        }
        Error::all(errors)
    }

    /// Finds out what [`Federation::apply`] would do, and asks the host and the members by dry run
    /// whether they would take it. `show` is given the steps and says what its
    /// caller makes of them, before what would be done in the members is told.
    ///
    /// # Errors
    /// It could not be done; or what `show` returns.
    pub async fn diff<T, E: From<Error>>(
        &self,
        sources: Vec<Source>,
        terms: ApplyTerms,
        show: impl AsyncFnOnce(&[Step]) -> Result<T, E>,
    ) -> Result<T, E> {
        let Plan { steps, mut members } = self.plan(sources, terms, DryRun::Server).await?;
        Box::pin(self.check_all(&steps, &mut members)).await?;
        let shown = show(&steps).await?;
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
        Ok(shown)
    }

    /// What each manifest asks for. The members are asked once for all of them; nothing is written.
    async fn plan(
        &self,
        sources: Vec<Source>,
        terms: ApplyTerms,
        dry_run: DryRun,
    ) -> Result<Plan, Error> {
        let find = async |source: Source| {
            let (namespace, name) = (source.manifest.namespace(), source.manifest.name());
            let record = self.record(namespace, name).await;
            (source, record)
        };
        let mut found = Vec::new();
        for (source, record) in fan_out(sources, find).await {
            found.push(match record {
                Ok(record) => {
                    if !is_same(&record, &source.manifest) {
                        check_open(&record, &terms.request(&source, dry_run))?;
                    }
                    (source, Some(record))
                }
                Err(Error::NotFound { .. }) => (source, None),
                Err(error) => return Err(error),
            });
        }
        Box::pin(self.plan_found(found, terms, dry_run)).await
    }

    async fn plan_found(
        &self,
        found: Vec<(Source, Option<Record>)>,
        terms: ApplyTerms,
        dry_run: DryRun,
    ) -> Result<Plan, Error> {
        let differs = |(source, record): &&(Source, Option<Record>)| {
            record.as_ref().is_some_and(|record| !is_same(record, &source.manifest))
        };
        let changing: Vec<_> =
            found.iter().filter(differs).filter_map(|(_, record)| record.as_ref()).collect();
        let mut members = self.members_of(&changing).await;
        let mut observed = self.observe(&changing, &members).await.into_iter();
        let (mut steps, mut errors) = (Vec::new(), Vec::new());
        for (source, record) in &found {
            let step = match record {
                None => {
                    let proposal = self.propose(source.clone(), terms.create_namespace)?;
                    self.join(&mut members, carrying(&[&proposal.record])).await;
                    Step::Create(Box::new(proposal))
                }
                Some(record) if is_same(record, &source.manifest) => {
                    Step::Keep(Box::new(record.clone()))
                }
                Some(record) => {
                    let observations = observed.next().unwrap_or_default();
                    let request = terms.request(source, dry_run);
                    let manifest = source.manifest.clone();
                    let change =
                        self.prepare_seen(record, observations, manifest, &request, &mut members);
                    match change.await {
                        Ok(Some(change)) => {
                            let source = source.clone();
                            Step::Change(Box::new(Changing { change, source }))
                        }
                        Ok(None) => Step::Keep(Box::new(record.clone())),
                        Err(error) => {
                            errors.push(error);
                            continue;
                        }
                    }
                }
            };
            steps.push(step);
        }
        Error::all(errors)?;
        Ok(Plan { steps, members })
    }

    async fn check_all(&self, steps: &[Step], members: &mut Members) -> Result<(), Error> {
        let mut refusals = Refusals::new("applied", true);
        for step in steps {
            match step {
                Step::Create(proposal) => {
                    let (record, source) = (&proposal.record, &proposal.source);
                    self.check_creation(record, source, members, &mut refusals).await?;
                }
                Step::Change(step) => {
                    let Changing { change, source } = &**step;
                    let (both, source) = ((&change.before, &change.after), Some(&*source.source));
                    let observations = &change.observations;
                    self.check_change(both, observations, source, members, &mut refusals).await;
                }
                Step::Keep(_) => {}
            }
        }
        Error::of_refusals(refusals)
    }

    async fn take(
        &self,
        step: Step,
        terms: ApplyTerms,
        dry_run: DryRun,
        members: &mut Members,
    ) -> Result<(), Error> {
        match step {
            Step::Keep(record) => self.keep(&record, dry_run).await.map(drop),
            Step::Change(step) => {
                let Changing { change, source } = *step;
                self.name_own_indexes(&change.after);
                let request = terms.request(&source, dry_run);
                if dry_run != DryRun::None {
                    self.foresee_change(change, &request, members).await;
                    return Ok(());
                }
                let make = |_: &Record| Ok(source.manifest.clone());
                let record = change.before.clone();
                Box::pin(self.write(record, Some(change), &request, make, members)).await.map(drop)
            }
            Step::Create(proposal) => {
                let record = proposal.record.clone();
                self.name_plan(&record);
                let mut created = Ok(());
                if dry_run == DryRun::None {
                    created = self.create(*proposal, members).await;
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
