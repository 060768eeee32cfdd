//! Where the state is kept: the host cluster's ConfigMaps, read and compared-and-swapped.

use std::time::Duration;

use serde_json::Value;

use super::{
    Error, Member, Record, Registry,
    record::Stored,
    registry::{NAME, NAMESPACE},
};
use crate::{
    cluster::{Connection, DeleteOptions, WriteOptions, jitter, path},
    job::labels,
};

/// How often an object that somebody else keeps changing is read again before that is an error.
pub const MAX_CONFLICTS: u32 = 20;

/// The pause after the first conflict; each one after it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The longest pause between a conflict and the next attempt, before jitter.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What is to become of a record that was read, or what became of it.
#[derive(Debug)]
pub enum Change {
    /// It is replaced by this one.
    Replace(Record),
    /// It is removed.
    Remove(Record),
    /// It stays as it is.
    Keep(Record),
}

/// What is to become of one member in the registry, or what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberChange {
    /// The name gets this member.
    Set(Member),
    /// The member is removed.
    Remove,
    /// Nothing changes.
    Keep,
}

/// The state of one federation in its host cluster.
#[derive(Clone)]
pub struct Store {
    host: Connection,
}

impl Store {
    /// The store in a host cluster.
    pub fn new(host: Connection) -> Self {
        Self { host }
    }

    /// The host cluster.
    pub fn host(&self) -> &Connection {
        &self.host
    }

    /// Reads the registry.
    ///
    /// # Errors
    /// [`Error::NoRegistry`] where there is none.
    pub async fn registry(&self) -> Result<Registry, Error> {
        match self.host.get(&config_map_path(NAMESPACE, NAME)).await {
            Ok(config_map) => Registry::from_config_map(&config_map),
            Err(error) if error.is_not_found() => {
                Err(Error::NoRegistry { host: self.host.name().to_owned() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the registry, and its namespace, unless they are there; says whether it made it.
    pub async fn init(&self) -> Result<(Registry, bool), Error> {
        match self.registry().await {
            Err(Error::NoRegistry { .. }) => {}
            found => return Ok((found?, false)),
        }
        let host = self.host.identity().await?;
        self.ensure_namespace(NAMESPACE).await?;
        let config_map = Registry::new_config_map(&uuid::Uuid::new_v4().to_string(), &host);
        match self
            .host
            .create(&config_maps_path(NAMESPACE), &config_map, WriteOptions::default())
            .await
        {
            Ok(config_map) => Ok((Registry::from_config_map(&config_map)?, true)),
            Err(error) if error.is_already_exists() => Ok((self.registry().await?, false)),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a namespace on the host unless it is there.
    pub async fn ensure_namespace(&self, name: &str) -> Result<(), Error> {
        Ok(self.host.ensure_namespace(name).await?)
    }

    /// Changes one member as a compare-and-swap. `change` says what becomes of it, given the
    /// registry; where somebody else changed the registry meanwhile it is asked again.
    ///
    /// # Errors
    /// What `change` returns; or the registry cannot be read or written, or there were
    /// [`MAX_CONFLICTS`] conflicts.
    pub async fn update_member<E: From<Error>>(
        &self,
        mut registry: Registry,
        name: &str,
        mut change: impl AsyncFnMut(&Registry) -> Result<MemberChange, E>,
    ) -> Result<MemberChange, E> {
        let mut conflicts = Conflicts::default();
        loop {
            let change = change(&registry).await?;
            let member = match &change {
                MemberChange::Set(member) => Some(member),
                MemberChange::Remove => None,
                MemberChange::Keep => return Ok(change),
            };
            let patch = registry.patch(name, member)?;
            match self.patch(NAMESPACE, NAME, &patch).await {
                Ok(_) => return Ok(change),
                Err(error) => conflicts.pause(error).await?,
            }
            registry = self.registry().await?;
        }
    }

    /// Reads the record of one federated Job.
    pub async fn record(&self, namespace: &str, job: &str) -> Result<Record, Error> {
        let path = config_map_path(namespace, &Record::config_map_name(job));
        Record::from_config_map(&self.host.get(&path).await?)
    }

    /// Reads a record again that somebody has changed, after a pause.
    ///
    /// # Errors
    /// [`Error::Replaced`] where another federated Job has taken its name since.
    async fn record_again(&self, record: &Record) -> Result<Record, Error> {
        let current = self.record(record.namespace(), record.name()).await?;
        if current.state.uid == record.state.uid {
            return Ok(current);
        }
        Err(Error::Replaced { job: record.name().to_owned() })
    }

    /// Changes a record that was read from here as a compare-and-swap. `change` says what becomes
    /// of it; where somebody else changed the record meanwhile it is asked again, of what is there
    /// then. Gives what became of it; of a replacement, the record as it is stored.
    ///
    /// # Errors
    /// What `change` returns; the record is gone, or is another Job's by now
    /// ([`Error::Replaced`]); it cannot be read or written; or there were [`MAX_CONFLICTS`]
    /// conflicts.
    pub async fn update<E: From<Error>>(
        &self,
        mut record: Record,
        mut change: impl AsyncFnMut(Record) -> Result<Change, E>,
    ) -> Result<Change, E> {
        let mut conflicts = Conflicts::default();
        loop {
            let (wanted, written) = match change(record).await? {
                Change::Replace(wanted) => {
                    let written = self.replace(&wanted).await;
                    (wanted, written.map(Change::Replace))
                }
                Change::Remove(wanted) => {
                    let removed = self.remove(&wanted).await;
                    (wanted.clone(), removed.map(|()| Change::Remove(wanted)))
                }
                keep @ Change::Keep(_) => return Ok(keep),
            };
            match written {
                Ok(done) => return Ok(done),
                Err(error) => conflicts.pause(error).await?,
            }
            record = self.record_again(&wanted).await?;
        }
    }

    /// Reads all records of a federation, in one namespace or in all; a damaged one is an error of
    /// its own beside the others.
    pub async fn records(
        &self,
        federation: &str,
        namespace: Option<&str>,
    ) -> Result<Vec<Result<Record, Error>>, Error> {
        let path = path::collection(path::CORE, namespace, "configmaps");
        let selector = format!("{}={federation}", labels::FEDERATION);
        let config_maps = self.host.list(&path, &selector).await?;
        Ok(config_maps.iter().map(Record::from_config_map).collect())
    }

    /// Whether a record of this size can be written: asked before anything else is.
    ///
    /// # Errors
    /// [`Error::TooLarge`], or the host's refusal.
    pub async fn try_create(&self, record: &Record) -> Result<(), Error> {
        self.post(record, WriteOptions { dry_run: true, ..WriteOptions::default() }).await.map(drop)
    }

    /// Writes a new record.
    ///
    /// # Errors
    /// There is one of that name already, or it would be too large.
    pub async fn create(&self, record: &Record) -> Result<Record, Error> {
        Record::from_config_map(&self.post(record, WriteOptions::default()).await?)
    }

    async fn post(&self, record: &Record, options: WriteOptions) -> Result<Value, Error> {
        let config_map = record.to_config_map()?;
        Ok(self.host.create(&config_maps_path(record.namespace()), &config_map, options).await?)
    }

    /// Replaces a record that was read from here.
    ///
    /// # Errors
    /// A conflict where somebody changed it since; not found where it is gone.
    pub async fn replace(&self, record: &Record) -> Result<Record, Error> {
        let stored = stored(record);
        let patch = record.patch(stored)?;
        let name = Record::config_map_name(record.name());
        Record::from_config_map(&self.patch(record.namespace(), &name, &patch).await?)
    }

    /// Removes a record that was read from here; that it is gone already is no error.
    ///
    /// # Errors
    /// A conflict where somebody changed it since.
    pub async fn remove(&self, record: &Record) -> Result<(), Error> {
        self.delete(record, false).await
    }

    /// Whether a record could be removed; nothing is.
    ///
    /// # Errors
    /// As [`Store::remove`], and the host's refusal.
    pub async fn try_remove(&self, record: &Record) -> Result<(), Error> {
        self.delete(record, true).await
    }

    async fn delete(&self, record: &Record, dry_run: bool) -> Result<(), Error> {
        let stored = stored(record);
        let path = config_map_path(record.namespace(), &Record::config_map_name(record.name()));
        let options = DeleteOptions {
            uid: Some(&stored.uid),
            resource_version: Some(&stored.resource_version),
            dry_run,
            ..DeleteOptions::default()
        };
        match self.host.delete(&path, options).await {
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Ok(()),
        }
    }

    async fn patch(&self, namespace: &str, name: &str, patch: &Value) -> Result<Value, Error> {
        let path = config_map_path(namespace, name);
        Ok(self.host.patch(&path, patch).await?)
    }
}

/// The conflicts of one compare-and-swap so far.
#[derive(Default)]
struct Conflicts(u32);

impl Conflicts {
    /// Waits before the next attempt, a random time that grows, so that several writers do not
    /// meet again.
    ///
    /// # Errors
    /// The error itself, unless it is a conflict and there have been fewer than
    /// [`MAX_CONFLICTS`].
    async fn pause(&mut self, error: Error) -> Result<(), Error> {
        if !error.is_conflict() || self.0 >= MAX_CONFLICTS {
            return Err(error);
        }
        tokio::time::sleep(pause(self.0).mul_f64(0.5 + jitter())).await;
        self.0 += 1;
        Ok(())
    }
}

/// The pause after so many conflicts, before jitter.
fn pause(conflicts: u32) -> Duration {
    LONGEST_PAUSE.min(FIRST_PAUSE * (1 << conflicts.min(16)))
}

fn stored(record: &Record) -> &Stored {
    record.stored.as_ref().expect("only records that were read are replaced or removed")
}

fn config_maps_path(namespace: &str) -> String {
    path::collection(path::CORE, Some(namespace), "configmaps")
}

fn config_map_path(namespace: &str, name: &str) -> String {
    path::object(path::CORE, namespace, "configmaps", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_between_conflicts_grow_to_a_limit() {
        let pauses: Vec<_> = [0, 1, 2, 6, MAX_CONFLICTS].map(|n| pause(n).as_millis()).into();
        assert_eq!(pauses, [10, 20, 40, 500, 500]);
    }
}
