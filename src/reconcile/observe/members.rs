//! Connections to the members, each made sure of before anything else is sent there.

use std::collections::{BTreeMap, BTreeSet};

use super::Place;
use crate::{
    cluster::{Connection, Error, fan_out},
    state::{Member, Registry},
};

/// The members that a command talks to: for each a connection to the cluster that was registered,
/// or the reason why there is none. The default has none at all.
#[derive(Default)]
pub struct Members {
    places: BTreeMap<String, Place>,
    connections: BTreeMap<String, Result<Connection, Absent>>,
}

/// Why there is no connection.
struct Absent {
    why: String,
    error: Option<Error>,
}

impl Members {
    /// Connects to the members with these names, all side by side, and compares the identity of
    /// each with the registered one (G7). That one cannot be reached is an answer, not an error.
    ///
    /// `dial` makes the connection; nothing is sent by it.
    pub async fn connect(
        registry: &Registry,
        names: BTreeSet<String>,
        dial: impl Fn(&str, &Member) -> Result<Connection, Error>,
    ) -> Self {
        Self::default().connect_again(registry, names, dial).await
    }

    /// The same for a command that looks again and again: connections that there are stay, and each
    /// cluster is asked once more who it is, since an address can come to lead elsewhere meanwhile.
    /// Members that were absent are dialled anew.
    pub async fn connect_again(
        mut self,
        registry: &Registry,
        names: BTreeSet<String>,
        dial: impl Fn(&str, &Member) -> Result<Connection, Error>,
    ) -> Self {
        let names: Vec<_> = names
            .into_iter()
            .map(|name| {
                let kept = self.connections.remove(&name).and_then(Result::ok);
                (name, kept)
            })
            .collect();
        let connect = async |(name, kept): (String, Option<Connection>)| {
            let connection = match registry.members.get(&name) {
                Some(member) => verified(&name, member, kept, &dial)
                    .await
                    .map_err(|error| Absent { why: error.to_string(), error: Some(error) }),
                None => Err(Absent {
                    why: "it is not registered in this federation".to_owned(),
                    error: None,
                }),
            };
            (name, connection)
        };
        Self {
            places: Place::all(registry),
            connections: fan_out(names, connect).await.into_iter().collect(),
        }
    }

    /// All members of the federation, as places for work.
    pub fn places(&self) -> &BTreeMap<String, Place> {
        &self.places
    }

    /// The names of the members that this command talks to, or tried to.
    pub fn asked(&self) -> impl Iterator<Item = &str> {
        self.connections.keys().map(String::as_str)
    }

    /// The connection to a member, or why there is none.
    pub fn get(&self, name: &str) -> Result<&Connection, &str> {
        match self.connections.get(name) {
            Some(connection) => connection.as_ref().map_err(|absent| absent.why.as_str()),
            None => Err("it was not asked"),
        }
    }

    /// Asks a member no more in this command, because it did not answer: it would have to be waited
    /// for again.
    pub fn lose(&mut self, name: &str, why: String) {
        self.connections.insert(name.to_owned(), Err(Absent { why, error: None }));
    }

    /// What stays wrong until the user mends it, where that is why there is no connection: a
    /// context that is not there or leads to another cluster, a credential that is refused, a
    /// server whose certificate is not trusted. None where the member may answer later.
    pub fn wrong(&self, name: &str) -> Option<&Error> {
        let absent = self.connections.get(name)?.as_ref().err()?;
        absent.error.as_ref().filter(|error| !error.is_unreachable() || error.is_distrusted())
    }
}

async fn verified(
    name: &str,
    member: &Member,
    kept: Option<Connection>,
    dial: &impl Fn(&str, &Member) -> Result<Connection, Error>,
) -> Result<Connection, Error> {
    if let Some(connection) = kept {
        connection.verify_again(&member.uid).await?;
        return Ok(connection);
    }
    let connection = dial(name, member)?;
    connection.verify(&member.uid).await?;
    Ok(connection)
}
