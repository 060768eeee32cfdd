//! Connections to the members. A member's identity is checked before anything else is sent there.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use tokio::sync::OnceCell;

use super::{
    clocks::{Clocks, plausible_skew},
    created::Created,
    place::{Place, Places},
};
use crate::{
    cluster::{Connection, Error, fan_out},
    seams::{self, Defect},
    state::{Member, MemberState, Registry, Shard},
};

/// The members that a command talks to. Each has a connection to the registered cluster, or the
/// reason why there is none. All Jobs of a command share them, side by side. The default has no
/// members.
#[derive(Default)]
pub struct Members {
    places: Places,
    lines: BTreeMap<String, Line>,
    /// What was answered about new Jobs, by member and API path.
    queue_answers: Mutex<BTreeMap<(String, String), Option<QueueAnswer>>>,
    /// The Jobs that were created and not started yet, by member and API path.
    created: Mutex<BTreeMap<(String, String), Created>>,
}

/// What a cluster has answered about the Job of a new shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueAnswer {
    /// The queue that decides when the Job runs; none if nobody decides that there.
    pub queue: Option<String>,
}

/// The way to one member.
#[derive(Default)]
struct Line {
    /// Whoever needs the member first connects to it.
    connection: OnceCell<Result<Connection, Absent>>,
    /// Why it is not asked any more in this command.
    given_up: OnceLock<Absent>,
}

impl Line {
    /// The connection, or why there is none; nothing where nobody has needed it yet.
    fn get(&self) -> Option<Result<&Connection, &Absent>> {
        match self.given_up.get() {
            Some(absent) => Some(Err(absent)),
            None => self.connection.get().map(Result::as_ref),
        }
    }
}

/// Why there is no connection.
struct Absent {
    why: String,
    error: Option<Error>,
}

impl Members {
    /// The members of a federation, of which none is talked to yet.
    pub fn of(registry: &Registry) -> Self {
        let lines = registry.members.keys().map(|name| (name.clone(), Line::default()));
        Self { places: Place::all(registry), lines: lines.collect(), ..Self::default() }
    }

    /// Connects to the members with these names, all at once, and compares the identity of each
    /// with the registered one (G7). A member that cannot be reached is recorded as absent.
    ///
    /// `dial` makes the connection object; it sends nothing.
    pub async fn connect(
        registry: &Registry,
        names: BTreeSet<String>,
        dial: impl Fn(&str, &Member) -> Result<Connection, Error>,
    ) -> Self {
        let members = Self::of(registry);
        members.join(registry, names, dial).await;
        members
    }

    /// Connects to more members: to those of these names that this command has not talked to yet.
    /// One that several Jobs ask for at once is connected to once.
    pub async fn join(
        &self,
        registry: &Registry,
        names: BTreeSet<String>,
        dial: impl Fn(&str, &Member) -> Result<Connection, Error>,
    ) {
        self.join_and_ask(registry, names, dial, async |_, _| ()).await;
    }

    /// As [`Members::join`], and asks each of the members something while its identity is being
    /// checked. It must be no write and no dry run (G7). Gives the answers of those that are the
    /// registered clusters, and have not been talked to before.
    pub async fn join_and_ask<T>(
        &self,
        registry: &Registry,
        names: BTreeSet<String>,
        dial: impl Fn(&str, &Member) -> Result<Connection, Error>,
        ask: impl AsyncFn(&str, &Connection) -> T,
    ) -> BTreeMap<String, T> {
        let names = names.into_iter().map(|name| (name, None)).collect();
        self.connect_or_verify(registry, names, dial, ask).await
    }

    /// As [`Members::connect`], for a command that works in rounds. It keeps the connections of the
    /// round before. Each cluster is asked for its identity again, because its address may lead to
    /// another cluster by now. Members that were absent are dialled anew.
    pub async fn reconnect(
        mut self,
        registry: &Registry,
        names: BTreeSet<String>,
        dial: impl Fn(&str, &Member) -> Result<Connection, Error>,
    ) -> Self {
        let names = names.into_iter().map(|name| {
            let line = self.lines.remove(&name).filter(|line| line.given_up.get().is_none());
            let kept = line.and_then(|line| line.connection.into_inner()).and_then(Result::ok);
            (name, kept)
        });
        let names = names.collect();
        let members = Self::of(registry);
        members.connect_or_verify(registry, names, dial, async |_, _| ()).await;
        members
    }

    /// Connects to members, or asks those again that there is a connection to. Gives what they
    /// answered besides.
    async fn connect_or_verify<T>(
        &self,
        registry: &Registry,
        names: Vec<(String, Option<Connection>)>,
        dial: impl Fn(&str, &Member) -> Result<Connection, Error>,
        ask: impl AsyncFn(&str, &Connection) -> T,
    ) -> BTreeMap<String, T> {
        let known = names.into_iter().filter_map(|(name, kept)| {
            Some((self.lines.get(&name)?, registry.members.get_key_value(&name)?, kept))
        });
        let connect = async |(line, (name, member), kept): (&Line, (&String, &Member), _)| {
            let mut answer = None;
            let connect = async || match connected(name, member, kept, &dial, &ask).await {
                Ok((connection, answered)) => {
                    answer = Some(answered);
                    Ok(connection)
                }
                Err(absent) => Err(absent),
            };
            line.connection.get_or_init(connect).await;
            Some((name.clone(), answer?))
        };
        let known = known.filter(|(line, ..)| line.given_up.get().is_none());
        fan_out(known, connect).await.into_iter().flatten().collect()
    }

    /// All members of the federation as places for work, by their names.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// The names of the members that this command talks to, or tried to.
    pub fn asked(&self) -> impl Iterator<Item = &str> {
        let asked = self.lines.iter().filter(|(_, line)| line.get().is_some());
        asked.map(|(name, _)| name.as_str())
    }

    /// How far the clocks of the members differ from the host's. A cluster that has not answered
    /// yet counts as having the host's clock; that of one that sends no `Date` is unknown.
    pub fn clocks(&self, host: &Connection) -> Clocks {
        let Some(host) = plausible_skew(host) else { return Clocks::unknown() };
        let connected = self
            .lines
            .iter()
            .filter_map(|(name, line)| Some((name.as_str(), plausible_skew(line.get()?.ok()?))));
        Clocks::measured(host, connected)
    }

    /// The connection to a member, or why there is none.
    pub fn get(&self, name: &str) -> Result<&Connection, &str> {
        match self.lines.get(name).map(Line::get) {
            Some(Some(connection)) => connection.map_err(|absent| absent.why.as_str()),
            Some(None) => Err("it was not asked"),
            None => Err("it is not registered in this federation"),
        }
    }

    /// The connection to the cluster of a shard, or why there is none. The member that the shard
    /// names must still be that cluster.
    pub fn of_shard(&self, shard: &Shard) -> Result<&Connection, &str> {
        match self.places.get(&shard.cluster) {
            Some(place) if place.moved(shard) => Err("it was registered anew as another cluster"),
            _ => self.get(&shard.cluster),
        }
    }

    /// Hands on what a member has answered about a new Job, by its API path, to whoever creates the
    /// Job in this command: the member is not asked again.
    pub fn hand_on_queue_answer(&self, name: &str, path: String, answer: QueueAnswer) {
        self.queue_answers().insert((name.to_owned(), path), Some(answer));
    }

    /// What was handed on of a new Job, once; none where the member is to be asked.
    pub fn take_queue_answer(&self, name: &str, path: &str) -> Option<QueueAnswer> {
        self.queue_answers().get_mut(&(name.to_owned(), path.to_owned()))?.take()
    }

    /// Whether this command has asked a member about a new Job, by its API path.
    pub fn was_asked(&self, name: &str, path: &str) -> bool {
        self.queue_answers().contains_key(&(name.to_owned(), path.to_owned()))
    }

    /// Hands on a Job that was created, by its API path, to whoever starts it in this command.
    pub fn hand_on_created(&self, name: &str, path: String, job: Created) {
        self.created().insert((name.to_owned(), path), job);
    }

    /// The Job that was handed on, once.
    pub fn take_created(&self, name: &str, path: &str) -> Option<Created> {
        self.created().remove(&(name.to_owned(), path.to_owned()))
    }

    fn created(&self) -> MutexGuard<'_, BTreeMap<(String, String), Created>> {
        self.created.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue_answers(&self) -> MutexGuard<'_, BTreeMap<(String, String), Option<QueueAnswer>>> {
        self.queue_answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a member as absent for the rest of this command. Use it for one that did not answer:
    /// every further request would have to wait for it again.
    pub fn give_up(&self, name: &str, why: String) {
        if let Some(line) = self.lines.get(name) {
            // The first reason stays: others follow from it.
            let _ = line.given_up.set(Absent { why, error: None });
        }
    }

    /// The error that keeps this command from a member until the user corrects it
    /// ([`Error::is_lasting`]). None where there is a connection, and where the member may answer
    /// later.
    pub fn lasting_error(&self, name: &str) -> Option<&Error> {
        let absent = self.lines.get(name)?.get()?.err()?;
        absent.error.as_ref().filter(|error| error.is_lasting())
    }
}

/// A connection to a member, and what it has answered besides. One that was declared lost is not
/// waited for long, as it costs each command that time.
async fn connected<T>(
    name: &str,
    member: &Member,
    kept: Option<Connection>,
    dial: &impl Fn(&str, &Member) -> Result<Connection, Error>,
    ask: &impl AsyncFn(&str, &Connection) -> T,
) -> Result<(Connection, T), Absent> {
    let is_lost = member.state == MemberState::Lost;
    verified(name, member, kept, dial, ask).await.map_err(|error| {
        if is_lost && error.is_unreachable() && error.is_timeout() {
            return Absent {
                why: "it was declared lost, and does not answer".to_owned(),
                error: None,
            };
        }
        Absent { why: error.to_string(), error: Some(error) }
    })
}

async fn verified<T>(
    name: &str,
    member: &Member,
    kept: Option<Connection>,
    dial: &impl Fn(&str, &Member) -> Result<Connection, Error>,
    ask: &impl AsyncFn(&str, &Connection) -> T,
) -> Result<(Connection, T), Error> {
    let is_kept = kept.is_some();
    let connection = match kept {
        Some(connection) => connection,
        None => dial(name, member)?,
    };
    if member.state == MemberState::Lost {
        connection.wait_briefly();
    }
    let verified = async {
        if seams::has(Defect::WriteUnverified) {
            Ok(())
        } else if is_kept {
            connection.verify_again(&member.uid).await
        } else {
            connection.verify(&member.uid).await
        }
    };
    let ((), answer) = connection.beside(verified, ask(name, &connection)).await?;
    Ok((connection, answer))
}
