//! Where the state is kept: the host cluster's ConfigMaps, read and compared-and-swapped.

use serde_json::Value;

use super::{
    Error, Member, Record, Registry,
    record::Stored,
    registry::{NAME, NAMESPACE},
};
use crate::{
    cluster::{Connection, DeleteOptions, WriteOptions, path},
    job::labels,
};

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

    /// Sets or removes one member. The registry is as it was read: a conflict means that somebody
    /// changed it since.
    pub async fn set_member(
        &self,
        registry: &Registry,
        name: &str,
        member: Option<&Member>,
    ) -> Result<Registry, Error> {
        let patch = registry.patch(name, member)?;
        Registry::from_config_map(&self.patch(NAMESPACE, NAME, &patch).await?)
    }

    /// Reads the record of one federated Job.
    pub async fn record(&self, namespace: &str, job: &str) -> Result<Record, Error> {
        let path = config_map_path(namespace, &Record::config_map_name(job));
        Record::from_config_map(&self.host.get(&path).await?)
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

fn stored(record: &Record) -> &Stored {
    record.stored.as_ref().expect("only records that were read are replaced or removed")
}

fn config_maps_path(namespace: &str) -> String {
    path::collection(path::CORE, Some(namespace), "configmaps")
}

fn config_map_path(namespace: &str, name: &str) -> String {
    path::object(path::CORE, namespace, "configmaps", name)
}
