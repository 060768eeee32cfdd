//! The loop: decide, record, act, until nothing is left to do.

use jiff::Timestamp;

use super::{Action, Decision, Done, Members, Observation, Observations, act, decide};
use crate::state::{Cascade, Error, Record, Store};

/// How often a record that somebody else keeps changing is read again before that is an error.
const CONFLICTS: u32 = 20;

/// What came of reconciling one federated Job.
#[derive(Debug)]
pub struct Settled {
    /// The record as it is now; none if it was removed.
    pub record: Option<Record>,
    /// What the members said last.
    pub observations: Observations,
    /// What was done in members, in order.
    pub done: Vec<Done>,
}

/// Looks only: what the record would be now, with nothing written anywhere. Shards that a list did not
/// have are asked for by name.
pub async fn look(
    record: &Record,
    mut observations: Observations,
    members: &Members,
    now: Timestamp,
) -> (Record, Observations) {
    let decision = decided(record, &mut observations, members, now).await;
    (decision.record, observations)
}

/// Decides, with what has to be asked by name asked.
async fn decided(
    record: &Record,
    observations: &mut Observations,
    members: &Members,
    now: Timestamp,
) -> Decision {
    let decision = decide(record, observations, now);
    if decision.confirm.is_empty() {
        return decision;
    }
    act::confirm(record, &decision.confirm, members, observations).await;
    decide(record, observations, now)
}

/// Brings one federated Job's ledger and its members together: whatever was begun is finished, and what
/// happened is recorded. `now` is asked for the time of each decision, `on_done` is told what is done as it is done.
///
/// # Errors
/// The host cannot be read or written. That a member cannot be reached or refuses is no error: it is in
/// the observations.
pub async fn settle(
    store: &Store,
    record: Record,
    mut observations: Observations,
    members: &Members,
    now: impl Fn() -> Timestamp,
    on_done: &(dyn Fn(&Done) + Sync),
) -> Result<Settled, Error> {
    let mut record = record;
    let mut done = Vec::new();
    let mut conflicts = 0;
    loop {
        let decision = decided(&record, &mut observations, members, now()).await;
        let written = write(store, &record, &decision).await;
        match written {
            Ok(Some(stored)) => record = stored,
            Ok(None) => return Ok(Settled { record: None, observations, done }),
            Err(error) if error.is_conflict() && conflicts < CONFLICTS => {
                conflicts += 1;
                match store.record(record.namespace(), record.name()).await {
                    Ok(current) if current.state.uid == record.state.uid => record = current,
                    Ok(_) => return abandon(&record, observations, members, done).await,
                    Err(error) if error.is_not_found() => {
                        return abandon(&record, observations, members, done).await;
                    }
                    Err(error) => return Err(error),
                }
                continue;
            }
            Err(error) if error.is_not_found() => return abandon(&record, observations, members, done).await,
            Err(error) => return Err(error),
        }
        if decision.actions.is_empty() {
            return Ok(Settled { record: Some(record), observations, done });
        }
        done.extend(act::act(&record, decision.actions, members, &mut observations, on_done).await);
    }
}

/// Writes what was decided, if it differs from what is stored; none once the record is removed.
async fn write(store: &Store, record: &Record, decision: &Decision) -> Result<Option<Record>, Error> {
    if decision.remove {
        store.remove(record).await?;
        return Ok(None);
    }
    if decision.record == *record {
        return Ok(Some(record.clone()));
    }
    store.replace(&decision.record).await.map(Some)
}

/// Somebody removed the record while we worked: Jobs that we made since and whose uid it never knew
/// have run nothing, and nobody would ever start them.
async fn abandon(
    record: &Record,
    mut observations: Observations,
    members: &Members,
    mut done: Vec<Done>,
) -> Result<Settled, Error> {
    let unstarted = record.shards.iter().filter(|(_, shard)| shard.uid.is_none());
    let made = unstarted.filter_map(|(&id, shard)| match observations.members.get(&shard.cluster)? {
        Observation::Known { jobs, .. } => Some(Action::Delete {
            shard: id,
            cluster: shard.cluster.clone(),
            uid: jobs.get(&id)?.uid.clone(),
            cascade: Cascade::Background,
        }),
        Observation::Unknown { .. } => None,
    });
    let made = made.collect();
    done.extend(act::act(record, made, members, &mut observations, &|_| ()).await);
    Ok(Settled { record: None, observations, done })
}
