//! The loop: decide, record, act, until nothing is left to do.

use jiff::Timestamp;

use super::{
    act::{self, Done},
    decide::{Action, Decision, decide, overdue},
    observe::{Members, Observations, Place, Places},
};
use crate::{
    seams::{self, Defect},
    state::{Error, MAX_CONFLICTS, Record, Store},
};

/// The result of reconciling one federated Job.
#[derive(Debug)]
pub struct Reconciled {
    /// The record as it is now; none if it was removed.
    pub record: Option<Record>,
    /// What the members said last.
    pub observations: Observations,
    /// What was done in the members, in order.
    pub done: Vec<Done>,
}

/// What the loop reads and writes: one record on the host, and its Jobs in the members. Tests and
/// simulations have backends of their own.
pub trait Backend {
    /// Writes a record on the condition that it is unchanged since it was read.
    ///
    /// # Errors
    /// A conflict where it was changed since; not found where it is gone.
    fn replace(&self, record: &Record) -> impl Future<Output = Result<Record, Error>>;

    /// Removes a record on the condition that it is unchanged since it was read. It is no error if
    /// the record is gone already.
    ///
    /// # Errors
    /// A conflict where it was changed since.
    fn remove(&self, record: &Record) -> impl Future<Output = Result<(), Error>>;

    /// The record under this one's name as it is now.
    ///
    /// # Errors
    /// Not found where there is none.
    fn read(&self, record: &Record) -> impl Future<Output = Result<Record, Error>>;

    /// The members of the record's federation as they are registered now; none if the registry is
    /// another federation's by now.
    ///
    /// # Errors
    /// The host cannot be read.
    fn places(&self, record: &Record) -> impl Future<Output = Result<Places, Error>>;

    /// Asks by name for the Jobs of shards, and adds the answers to the observations.
    fn confirm(
        &self,
        record: &Record,
        shards: &[u32],
        observations: &mut Observations,
    ) -> impl Future<Output = ()>;

    /// Takes actions that the written record allows for (G3), and adds the members' answers to the
    /// observations.
    fn act(
        &self,
        record: &Record,
        actions: Vec<Action>,
        observations: &mut Observations,
    ) -> impl Future<Output = Vec<Done>>;

    /// Deletes observed Jobs that have run nothing and whose uid the record never knew. Called when
    /// the record is gone, so that nobody would ever start them.
    fn retract(
        &self,
        record: &Record,
        observations: &Observations,
    ) -> impl Future<Output = Vec<Done>>;
}

/// How often a run writes a record at most. A few times are enough, unless the host keeps something
/// else than what is written.
const MAX_WRITES: u32 = 200;

/// The host and the members as they are.
struct Clusters<'a> {
    store: &'a Store,
    members: &'a Members,
    on_done: &'a (dyn Fn(&Done) + Sync),
}

impl Backend for Clusters<'_> {
    async fn replace(&self, record: &Record) -> Result<Record, Error> {
        self.store.replace(record).await
    }

    async fn remove(&self, record: &Record) -> Result<(), Error> {
        self.store.remove(record).await
    }

    async fn read(&self, record: &Record) -> Result<Record, Error> {
        self.store.record(record.namespace(), record.name()).await
    }

    async fn places(&self, record: &Record) -> Result<Places, Error> {
        let registry = self.store.registry().await?;
        let ours = registry.uid == record.federation;
        Ok(if ours { Place::all(&registry) } else { Places::default() })
    }

    async fn confirm(&self, record: &Record, shards: &[u32], observations: &mut Observations) {
        act::confirm(record, shards, self.members, observations).await;
    }

    async fn act(
        &self,
        record: &Record,
        actions: Vec<Action>,
        observations: &mut Observations,
    ) -> Vec<Done> {
        act::act(record, actions, self.members, observations, self.on_done).await
    }

    async fn retract(&self, record: &Record, observations: &Observations) -> Vec<Done> {
        act::retract(record, self.members, observations).await
    }
}

/// Decides what the record would be now, and writes nothing anywhere. Shards that a list did not
/// have are asked for by name.
pub async fn preview(
    record: &Record,
    mut observations: Observations,
    members: &Members,
    now: Timestamp,
) -> (Record, Observations) {
    let mut record = record.clone();
    let mut decision = decide(&record, &observations, now);
    let awaited = |record: &Record| (record.state.unlisted.clone(), record.state.missed.clone());
    if awaited(&decision.record) != awaited(&record) {
        record = decision.record;
        decision = decide(&record, &observations, now);
    }
    if !decision.confirm.is_empty() {
        act::confirm(&record, &decision.confirm, members, &mut observations).await;
        decision = decide(&record, &observations, now);
    }
    observations.overdue = overdue(&decision.record, &observations, now);
    (decision.record, observations)
}

/// Brings one federated Job's ledger and its members together: finishes what was begun, and records
/// what happened. `now` gives the time of each decision, by the host's clock. `on_done` is told of
/// each action as it is done.
///
/// # Errors
/// The host cannot be read or written. A member that cannot be reached or refuses is no error: it
/// shows in the observations.
pub async fn run(
    store: &Store,
    record: Record,
    mut observations: Observations,
    members: &Members,
    now: impl Fn() -> Timestamp,
    on_done: &(dyn Fn(&Done) + Sync),
) -> Result<Reconciled, Error> {
    observations.clocks = members.clocks(store.host());
    // The future holds the state of every action. Boxing it keeps the callers' futures small.
    Box::pin(run_on(&Clusters { store, members, on_done }, record, observations, now)).await
}

/// The loop of [`run`] on any backend: the clusters, a simulation, or a test that decides what
/// happens between any two steps.
///
/// # Errors
/// As [`run`].
pub async fn run_on(
    backend: &impl Backend,
    mut record: Record,
    mut observations: Observations,
    now: impl Fn() -> Timestamp,
) -> Result<Reconciled, Error> {
    let mut done = Vec::new();
    let (mut conflicts, mut writes) = (0, 0);
    let mut last_step: Option<(Record, Vec<Action>)> = None;
    let was_expiring = record.state.expiring;
    loop {
        let decision = decide(&record, &observations, now());
        if !decision.confirm.is_empty() {
            backend.confirm(&record, &decision.confirm, &mut observations).await;
            continue;
        }
        // Actions without effect are not repeated in this run. An example is a field that an
        // admission webhook sets back.
        let repeats_last_step = last_step.as_ref().is_some_and(|(last_record, last_actions)| {
            *last_record == record && *last_actions == decision.actions
        });
        let nothing_to_do = decision.actions.is_empty() || repeats_last_step;
        let finished = decision.record == record && nothing_to_do && !decision.remove;
        // The run that records an outcome reports it. The record expires in a later run.
        let expires_too_soon =
            decision.record.state.deleting != record.state.deleting && !was_expiring;
        if finished || expires_too_soon {
            observations.overdue = overdue(&record, &observations, now());
            return Ok(Reconciled { record: Some(record), observations, done });
        }
        match write(backend, &record, &decision).await {
            Ok(Some(written)) => {
                writes += u32::from(decision.record != record);
                if writes > MAX_WRITES {
                    let (namespace, name) = (record.namespace(), record.name());
                    return Err(Error::restless(namespace, &Record::config_map_name(name)));
                }
                record = written;
            }
            Ok(None) => return Ok(Reconciled { record: None, observations, done }),
            Err(error) if error.is_conflict() && conflicts < MAX_CONFLICTS => {
                conflicts += 1;
                let Some(current) = read_again(backend, &record).await? else {
                    done.extend(backend.retract(&record, &observations).await);
                    return Ok(Reconciled { record: None, observations, done });
                };
                record = current;
                observations.forget_confirmed();
                continue;
            }
            Err(error) if error.is_not_found() => {
                done.extend(backend.retract(&record, &observations).await);
                return Ok(Reconciled { record: None, observations, done });
            }
            Err(error) => return Err(error),
        }
        let adds = |action: &Action| matches!(action, Action::Create { .. } | Action::Adopt { .. });
        if decision.actions.iter().any(adds) {
            // `cluster unregister` marks the member first and reads the records then. So either it
            // finds the shard in this record, or the mark is seen here.
            let places = backend.places(&record).await?;
            if places != observations.places {
                observations.update_places(places);
                continue;
            }
        }
        last_step = Some((record.clone(), decision.actions.clone()));
        done.extend(backend.act(&record, decision.actions, &mut observations).await);
    }
}

/// The record as it is now. None if it was removed meanwhile, even if another federated Job has its
/// name by now.
async fn read_again(backend: &impl Backend, record: &Record) -> Result<Option<Record>, Error> {
    match backend.read(record).await {
        Ok(current) => Ok(Some(current).filter(|current| current.state.uid == record.state.uid)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes the decided record if it differs from the stored one. None once the record is removed.
async fn write(
    backend: &impl Backend,
    record: &Record,
    decision: &Decision,
) -> Result<Option<Record>, Error> {
    if decision.remove {
        backend.remove(record).await?;
        return Ok(None);
    }
    let is_late = seams::has(Defect::NoWriteAhead) && !decision.actions.is_empty();
    if decision.record == *record || is_late {
        return Ok(Some(decision.record.clone()));
    }
    backend.replace(&decision.record).await.map(Some)
}
