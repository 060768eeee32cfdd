//! The loop: decide, record, act, until nothing is left to do.

use jiff::Timestamp;

use super::{Action, Decision, Done, Members, Observations, act, decide};
use crate::state::{Error, Record, Store};

/// How often a record that somebody else keeps changing is read again before that is an error.
const CONFLICTS: u32 = 20;

/// What came of reconciling one federated Job.
#[derive(Debug)]
pub struct Reconciled {
    /// The record as it is now; none if it was removed.
    pub record: Option<Record>,
    /// What the members said last.
    pub observations: Observations,
    /// What was done in members, in order.
    pub done: Vec<Done>,
}

/// What the loop reads and writes: one record on the host, and its Jobs in the members.
pub trait Backend {
    /// Writes a record on the condition that it is still as it was read.
    ///
    /// # Errors
    /// A conflict where somebody changed it since; not found where it is gone.
    fn replace(&self, record: &Record) -> impl Future<Output = Result<Record, Error>>;

    /// Removes a record on the condition that it is still as it was read; that it is gone already
    /// is no error.
    ///
    /// # Errors
    /// A conflict where somebody changed it since.
    fn remove(&self, record: &Record) -> impl Future<Output = Result<(), Error>>;

    /// The record under this one's name as it is now.
    ///
    /// # Errors
    /// Not found where there is none.
    fn read(&self, record: &Record) -> impl Future<Output = Result<Record, Error>>;

    /// Asks by name for the Jobs of shards, and adds the answers to the observations.
    fn confirm(
        &self,
        record: &Record,
        shards: &[u32],
        observations: &mut Observations,
    ) -> impl Future<Output = ()>;

    /// Takes actions that are written down (G3), and adds what the members answer to the
    /// observations.
    fn act(
        &self,
        record: &Record,
        actions: Vec<Action>,
        observations: &mut Observations,
    ) -> impl Future<Output = Vec<Done>>;

    /// Deletes the Jobs, of those observed, that have run nothing and whose uid the record never
    /// knew.
    fn retract(
        &self,
        record: &Record,
        observations: &Observations,
    ) -> impl Future<Output = Vec<Done>>;
}

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

/// Looks only: what the record would be now, with nothing written anywhere. Shards that a list did
/// not have are asked for by name.
pub async fn preview(
    record: &Record,
    mut observations: Observations,
    members: &Members,
    now: Timestamp,
) -> (Record, Observations) {
    let mut decision = decide(record, &observations, now);
    if !decision.confirm.is_empty() {
        act::confirm(record, &decision.confirm, members, &mut observations).await;
        decision = decide(record, &observations, now);
    }
    (decision.record, observations)
}

/// Brings one federated Job's ledger and its members together: whatever was begun is finished, and
/// what happened is recorded. `now` is asked for the time of each decision, `on_done` is told what
/// is done as it is done.
///
/// # Errors
/// The host cannot be read or written. That a member cannot be reached or refuses is no error: it
/// is in the observations.
pub async fn run(
    store: &Store,
    record: Record,
    observations: Observations,
    members: &Members,
    now: impl Fn() -> Timestamp,
    on_done: &(dyn Fn(&Done) + Sync),
) -> Result<Reconciled, Error> {
    // It holds every action's state, and callers hold it in theirs.
    Box::pin(run_on(&Clusters { store, members, on_done }, record, observations, now)).await
}

/// The loop of [`run`], on any ground: the real one, or one of a test that says what happens
/// between any two steps.
///
/// # Errors
/// As [`run`].
pub async fn run_on(
    ground: &impl Backend,
    mut record: Record,
    mut observations: Observations,
    now: impl Fn() -> Timestamp,
) -> Result<Reconciled, Error> {
    let mut done = Vec::new();
    let mut conflicts = 0;
    let mut taken: Option<(Record, Vec<Action>)> = None;
    let expires = record.state.expiring;
    loop {
        let decision = decide(&record, &observations, now());
        // What has been done to no effect, such as a field that a webhook puts back, is not done
        // again in this run.
        let again =
            |(of, actions): &(Record, Vec<Action>)| *of == record && *actions == decision.actions;
        let idle = decision.actions.is_empty() || taken.as_ref().is_some_and(again);
        let settled = decision.record == record && idle && !decision.remove;
        // The run that records an outcome tells it: the record expires in a later one.
        let too_soon = decision.record.state.deleting != record.state.deleting && !expires;
        if (settled || too_soon) && decision.confirm.is_empty() {
            return Ok(Reconciled { record: Some(record), observations, done });
        }
        if !decision.confirm.is_empty() {
            ground.confirm(&record, &decision.confirm, &mut observations).await;
            continue;
        }
        match write(ground, &record, &decision).await {
            Ok(Some(written)) => record = written,
            Ok(None) => return Ok(Reconciled { record: None, observations, done }),
            Err(error) if error.is_conflict() && conflicts < CONFLICTS => {
                conflicts += 1;
                match ground.read(&record).await {
                    Ok(current) if current.state.uid == record.state.uid => {
                        record = current;
                        observations.outdate();
                        continue;
                    }
                    Err(error) if !error.is_not_found() => return Err(error),
                    // Somebody removed the record, and perhaps made another one, while we worked.
                    _ => {
                        done.extend(ground.retract(&record, &observations).await);
                        return Ok(Reconciled { record: None, observations, done });
                    }
                }
            }
            Err(error) if error.is_not_found() => {
                done.extend(ground.retract(&record, &observations).await);
                return Ok(Reconciled { record: None, observations, done });
            }
            Err(error) => return Err(error),
        }
        taken = Some((record.clone(), decision.actions.clone()));
        done.extend(ground.act(&record, decision.actions, &mut observations).await);
    }
}

/// Writes what was decided, if it differs from what is stored; none once the record is removed.
async fn write(
    ground: &impl Backend,
    record: &Record,
    decision: &Decision,
) -> Result<Option<Record>, Error> {
    if decision.remove {
        ground.remove(record).await?;
        return Ok(None);
    }
    if decision.record == *record {
        return Ok(Some(record.clone()));
    }
    ground.replace(&decision.record).await.map(Some)
}
