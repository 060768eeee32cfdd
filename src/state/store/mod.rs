//! The store of the state: ConfigMaps of the host cluster. Each write is a compare-and-swap.

mod moves;
mod repair;

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::{
    Error, Moved, Record, Registry, SavedRegistry,
    record::Stored,
    registry::{MemberChange, NAME, NAMESPACE},
};
use crate::{
    cluster::{self, Connection, DeleteOptions, WatchedPath, WriteOptions, jitter, path},
    job::labels,
    seams::{self, Defect},
};

/// The number of conflicts after which a write is given up: somebody else keeps changing the
/// object.
pub const MAX_CONFLICTS: u32 = 20;

/// The pause after the first conflict. Each later pause is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The longest pause between a conflict and the next attempt, before jitter.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A change of a record: what a caller asks for, and what was written.
#[derive(Debug)]
pub enum Change {
    /// The record is replaced by this one.
    Replace(Record),
    /// The record is removed.
    Remove(Record),
    /// The record stays as it is.
    Keep(Record),
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
    /// [`Error::NoRegistry`] where there is none; [`Error::Moved`] where the federation has another
    /// host by now.
    pub async fn registry(&self) -> Result<Registry, Error> {
        let registry = self.any_registry().await?;
        match registry.moved {
            None => Ok(registry),
            Some(moved) => Err(self.moved(&moved)),
        }
    }

    /// The error of something whose federation was moved away from this host.
    pub fn moved(&self, Moved { uid, context, .. }: &Moved) -> Error {
        let (uid, context) = (uid.clone(), context.clone());
        Error::Moved { host: self.host.name().to_owned(), uid, context }
    }

    /// Refuses a record that was moved to another host. Whoever wrote the record before it was
    /// marked so has to read it again, and stops here.
    fn usable(&self, record: Record) -> Result<Record, Error> {
        match &record.state.moved {
            None => Ok(record),
            Some(moved) => Err(self.moved(moved)),
        }
    }

    /// Reads the registry, also one whose federation was moved to another host.
    ///
    /// # Errors
    /// [`Error::NoRegistry`] where there is none.
    pub async fn any_registry(&self) -> Result<Registry, Error> {
        match self.host.get(&config_map_path(NAMESPACE, NAME)).await {
            Ok(config_map) => Registry::from_config_map(&config_map),
            Err(error) if error.is_not_found() => {
                Err(Error::NoRegistry { host: self.host.name().to_owned() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Creates the registry and its namespace if they do not exist. Returns whether the registry
    /// was created.
    pub async fn init(&self) -> Result<(Registry, bool), Error> {
        match self.registry().await {
            Err(Error::NoRegistry { .. }) => {}
            found => return Ok((found?, false)),
        }
        let host = self.host.identity().await?;
        let uid = seams::uuid().to_string();
        let config_map = Registry::new_config_map(&SavedRegistry::new(&uid), &host)?;
        match self.create_in(NAMESPACE, &config_map).await {
            Ok(config_map) => Ok((Registry::from_config_map(&config_map)?, true)),
            Err(error) if error.is_already_exists() => Ok((self.registry().await?, false)),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates a namespace on the host if it does not exist.
    pub async fn ensure_namespace(&self, name: &str) -> Result<(), Error> {
        Ok(self.host.ensure_namespace(name).await?)
    }

    /// Writes a new ConfigMap, and creates its namespace where that is missing. Where it is there,
    /// no right to create namespaces is needed.
    async fn create_in(
        &self,
        namespace: &str,
        config_map: &Value,
    ) -> Result<Value, cluster::Error> {
        let path = config_maps_path(namespace);
        match self.host.create(&path, config_map, WriteOptions::default()).await {
            Err(error) if error.is_not_found() => {
                self.host.ensure_namespace(namespace).await?;
                self.host.create(&path, config_map, WriteOptions::default()).await
            }
            // Some servers grant the rights in a namespace to whoever creates it.
            Err(error) if error.is_forbidden() => {
                if self.host.ensure_namespace(namespace).await.is_err() {
                    return Err(error);
                }
                self.host.create(&path, config_map, WriteOptions::default()).await
            }
            created => created,
        }
    }

    /// Changes one member by compare-and-swap. `change` gets the registry and returns the change.
    /// If somebody else changed the registry meanwhile, `change` is called again with the new
    /// registry.
    ///
    /// # Errors
    /// An error of `change`. The registry cannot be read or written. There were [`MAX_CONFLICTS`]
    /// conflicts.
    pub async fn update_member<E: From<Error>>(
        &self,
        registry: Registry,
        name: &str,
        mut change: impl AsyncFnMut(&Registry) -> Result<MemberChange, E>,
    ) -> Result<MemberChange, E> {
        let changes = async |registry: &Registry| {
            Ok::<_, E>([(name.to_owned(), change(registry).await?)].into())
        };
        let mut changes = self.update_members(registry, changes).await?;
        Ok(changes.remove(name).unwrap_or(MemberChange::Keep))
    }

    /// The same of several members, by their names, in one write.
    ///
    /// # Errors
    /// As those of [`Self::update_member`].
    pub async fn update_members<E: From<Error>>(
        &self,
        mut registry: Registry,
        mut change: impl AsyncFnMut(&Registry) -> Result<BTreeMap<String, MemberChange>, E>,
    ) -> Result<BTreeMap<String, MemberChange>, E> {
        let mut conflicts = Conflicts::default();
        loop {
            let changes = change(&registry).await?;
            if changes.values().all(|change| *change == MemberChange::Keep) {
                return Ok(changes);
            }
            let patch = registry.patch(&changes)?;
            match self.patch(NAMESPACE, NAME, &patch).await {
                Ok(_) => return Ok(changes),
                Err(error) => conflicts.pause(error).await?,
            }
            registry = self.registry().await?;
        }
    }

    /// Makes the registry on this host what was saved of one, whatever host that was. `existing` is
    /// the one that was read, for a compare-and-swap; none where there is none.
    ///
    /// # Errors
    /// Somebody made or changed it since; or it cannot be written.
    pub async fn write_registry(
        &self,
        existing: Option<&Registry>,
        saved: &SavedRegistry,
    ) -> Result<Registry, Error> {
        let host = self.host.identity().await?;
        let written = if let Some(existing) = existing {
            let patch = existing.patch_whole(saved, &host)?;
            self.patch(NAMESPACE, NAME, &patch).await?
        } else {
            let config_map = Registry::new_config_map(saved, &host)?;
            self.create_in(NAMESPACE, &config_map).await?
        };
        Registry::from_config_map(&written)
    }

    /// Removes clusters from the former ones of the registry, by their uids.
    ///
    /// # Errors
    /// The registry cannot be read or written, or there were [`MAX_CONFLICTS`] conflicts.
    pub async fn forget_former(
        &self,
        mut registry: Registry,
        uids: &[String],
    ) -> Result<(), Error> {
        let mut conflicts = Conflicts::default();
        while uids.iter().any(|uid| registry.former.contains_key(uid)) {
            match self.patch(NAMESPACE, NAME, &registry.patch_former(uids)?).await {
                Ok(_) => return Ok(()),
                Err(error) => conflicts.pause(error).await?,
            }
            registry = self.registry().await?;
        }
        Ok(())
    }

    /// Reads the record of one federated Job.
    ///
    /// # Errors
    /// [`Error::Moved`] where it was moved to another host; [`Error::Damaged`]; or it is not found.
    pub async fn record(&self, namespace: &str, job: &str) -> Result<Record, Error> {
        let path = config_map_path(namespace, &Record::config_map_name(job));
        self.usable(Record::from_config_map(&self.host.get(&path).await?)?)
    }

    /// Reads the record of one federated Job of a federation, also one that was moved to another
    /// host. Whose a ConfigMap is, is known by its label, whatever else it holds.
    ///
    /// # Errors
    /// [`Error::OtherFederation`], [`Error::NoRecord`], [`Error::Damaged`]; or it is not found.
    pub async fn any_record(
        &self,
        federation: &str,
        namespace: &str,
        job: &str,
    ) -> Result<Record, Error> {
        let path = config_map_path(namespace, &Record::config_map_name(job));
        Record::of_federation(federation, &self.host.get(&path).await?)
    }

    /// Waits, and then reads a record again that somebody has changed.
    ///
    /// # Errors
    /// [`Error::Replaced`] if another federated Job has its name by now.
    async fn record_again(&self, record: &Record) -> Result<Record, Error> {
        let current = self.record(record.namespace(), record.name()).await?;
        if current.state.uid == record.state.uid {
            return Ok(current);
        }
        Err(Error::Replaced { job: record.name().to_owned() })
    }

    /// Changes a record, which was read from this store, by compare-and-swap. `change` gets the
    /// record and returns the change. If somebody else changed the record meanwhile, `change` is
    /// called again with the new record. Returns what was written; a replacement is the record as
    /// it is stored.
    ///
    /// # Errors
    /// An error of `change`. The record is gone, or it is another Job's by now
    /// ([`Error::Replaced`]). It cannot be read or written. There were [`MAX_CONFLICTS`] conflicts.
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

    /// The registry, to be watched.
    pub fn watched_registry(&self) -> WatchedPath {
        watched(config_maps_path(NAMESPACE), NAME.to_owned())
    }

    /// The record of one federated Job, to be watched.
    pub fn watched_record(&self, namespace: &str, job: &str) -> WatchedPath {
        watched(config_maps_path(namespace), Record::config_map_name(job))
    }

    /// All records of a federation, in one namespace or in all, to be watched.
    pub fn watched_records(&self, federation: &str, namespace: Option<&str>) -> WatchedPath {
        let path = path::collection(path::CORE, namespace, "configmaps");
        let labels = format!("{}={federation}", labels::FEDERATION);
        WatchedPath { path, labels, name: String::new() }
    }

    /// Reads all records of a federation, in one namespace or in all. A record that is damaged or
    /// was moved to another host is an error in its place; the others are read.
    pub async fn records(
        &self,
        federation: &str,
        namespace: Option<&str>,
    ) -> Result<Vec<Result<Record, Error>>, Error> {
        let records = self.any_records(federation, namespace).await?;
        Ok(records.into_iter().map(|record| self.usable(record?)).collect())
    }

    /// As [`Store::records`], with those that were moved to another host.
    pub async fn any_records(
        &self,
        federation: &str,
        namespace: Option<&str>,
    ) -> Result<Vec<Result<Record, Error>>, Error> {
        let path = path::collection(path::CORE, namespace, "configmaps");
        let selector = format!("{}={federation}", labels::FEDERATION);
        let config_maps = self.host.list(&path, &selector).await?;
        Ok(config_maps.iter().map(Record::from_config_map).collect())
    }

    /// Checks that a record of this size can be written, before any other request is sent.
    ///
    /// # Errors
    /// [`Error::TooLarge`], or the host's refusal.
    pub async fn try_create(&self, record: &Record) -> Result<(), Error> {
        self.post(record, WriteOptions { dry_run: true, ..WriteOptions::default() }).await.map(drop)
    }

    /// Writes a new record.
    ///
    /// # Errors
    /// A record of that name exists already, or this one would be too large.
    pub async fn create(&self, record: &Record) -> Result<Record, Error> {
        Record::from_config_map(&self.post(record, WriteOptions::default()).await?)
    }

    /// Writes a new record, and creates its namespace where that is missing.
    ///
    /// # Errors
    /// As [`Store::create`]; or the namespace cannot be created.
    pub async fn create_anywhere(&self, record: &Record) -> Result<Record, Error> {
        let config_map = record.to_config_map()?;
        Record::from_config_map(&self.create_in(record.namespace(), &config_map).await?)
    }

    async fn post(&self, record: &Record, options: WriteOptions) -> Result<Value, Error> {
        let config_map = record.to_config_map()?;
        Ok(self.host.create(&config_maps_path(record.namespace()), &config_map, options).await?)
    }

    /// Replaces a record that was read from this store.
    ///
    /// # Errors
    /// A conflict if somebody changed it since it was read. Not found if it is gone.
    pub async fn replace(&self, record: &Record) -> Result<Record, Error> {
        let stored = stored(record);
        let mut patch = record.patch(stored)?;
        if seams::has(Defect::BlindReplace) {
            patch["metadata"]["resourceVersion"] = Value::Null;
        }
        let name = Record::config_map_name(record.name());
        Record::from_config_map(&self.patch(record.namespace(), &name, &patch).await?)
    }

    /// Removes a record that was read from this store. It is no error if the record is gone
    /// already.
    ///
    /// # Errors
    /// A conflict if somebody changed it since it was read.
    pub async fn remove(&self, record: &Record) -> Result<(), Error> {
        self.delete(record, false).await
    }

    /// Checks by dry run that a record can be removed. Nothing is removed.
    ///
    /// # Errors
    /// The errors of [`Store::remove`], and the host's refusal.
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
    /// Waits before the next attempt. The time grows with each conflict, and is random, so that
    /// several writers do not conflict again.
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

/// The pause after this number of conflicts, before jitter.
fn pause(conflicts: u32) -> Duration {
    LONGEST_PAUSE.min(FIRST_PAUSE * (1 << conflicts.min(16)))
}

fn stored(record: &Record) -> &Stored {
    record.stored.as_ref().expect("only records that were read are replaced or removed")
}

fn watched(path: String, name: String) -> WatchedPath {
    WatchedPath { path, labels: String::new(), name }
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
