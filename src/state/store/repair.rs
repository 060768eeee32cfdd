//! ConfigMaps that were damaged, or have lost their label.

use serde_json::{Value, json};

use super::{Store, config_map_path, stored};
use crate::{
    cluster::{DeleteOptions, path},
    job::labels,
    state::{
        Error, LeftBehind, Record, Registry, Salvaged, SavedRegistry,
        registry::{NAME, NAMESPACE},
    },
};

impl Store {
    /// What can be read of a registry that is damaged; nothing if it is gone.
    ///
    /// # Errors
    /// The host cannot be read.
    pub async fn salvage_registry(&self) -> Result<Salvaged, Error> {
        match self.host.get(&config_map_path(NAMESPACE, NAME)).await {
            Ok(config_map) => Ok(Registry::salvage(&config_map)),
            Err(error) if error.is_not_found() => Ok(Salvaged::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a registry that cannot be read, because it is damaged, what was saved of one. It is
    /// one write, so nothing that can be read of the damaged one is lost in between.
    ///
    /// # Errors
    /// It can be read by now, or somebody changed it meanwhile; or it cannot be written.
    pub async fn write_over_damaged_registry(&self, saved: &SavedRegistry) -> Result<(), Error> {
        let config_map = match self.host.get(&config_map_path(NAMESPACE, NAME)).await {
            Err(error) if error.is_not_found() => {
                return self.write_registry(None, saved).await.map(drop);
            }
            config_map => config_map?,
        };
        if let Ok(registry) = Registry::from_config_map(&config_map) {
            return self.write_registry(Some(&registry), saved).await.map(drop);
        }
        let host = self.host.identity().await?;
        let patch = Registry::patch_damaged(&config_map, saved, &host)?;
        self.patch(NAMESPACE, NAME, &patch).await?;
        Ok(())
    }

    /// Removes the ConfigMap of a record of a federation that cannot be read because it is damaged;
    /// with `dry_run` the host is asked whether it would. One that can be read by now, or is gone,
    /// stays as it is. Gives whether it was damaged.
    ///
    /// # Errors
    /// The errors of [`Store::any_record`], except [`Error::Damaged`].
    pub async fn discard_damaged(
        &self,
        federation: &str,
        namespace: &str,
        job: &str,
        dry_run: bool,
    ) -> Result<bool, Error> {
        let path = config_map_path(namespace, &Record::config_map_name(job));
        let config_map = match self.host.get(&path).await {
            Err(error) if error.is_not_found() => return Ok(false),
            config_map => config_map?,
        };
        match Record::of_federation(federation, &config_map) {
            Err(Error::Damaged { .. }) => {}
            other => return other.map(|_| false),
        }
        self.discard(&path, &config_map, dry_run).await.map(|()| true)
    }

    /// What can be read of a damaged record of a federation: its state, and the shards whose
    /// annotations are whole. None if that is not all that is damaged, or the record is gone.
    ///
    /// # Errors
    /// The host cannot be read.
    pub async fn salvage_record(
        &self,
        federation: &str,
        namespace: &str,
        job: &str,
    ) -> Result<Option<Record>, Error> {
        let path = config_map_path(namespace, &Record::config_map_name(job));
        let config_map = match self.host.get(&path).await {
            Err(error) if error.is_not_found() => return Ok(None),
            config_map => config_map?,
        };
        let record = Record::salvage(&config_map).filter(|it| it.federation == federation);
        Ok(record.map(|record| record.unstored()))
    }

    /// Removes a ConfigMap if it is as it was read.
    async fn discard(&self, path: &str, config_map: &Value, dry_run: bool) -> Result<(), Error> {
        let metadata = &config_map["metadata"];
        let options = DeleteOptions {
            dry_run,
            uid: metadata["uid"].as_str(),
            resource_version: metadata["resourceVersion"].as_str(),
            ..DeleteOptions::default()
        };
        match self.host.delete(path, options).await {
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Reads the record of one federated Job whose ConfigMap has lost the label of its federation;
    /// none if there is no such record.
    ///
    /// # Errors
    /// The host cannot be read.
    pub async fn unlabelled(&self, namespace: &str, job: &str) -> Result<Option<Record>, Error> {
        let path = config_map_path(namespace, &Record::config_map_name(job));
        let config_map = match self.host.get(&path).await {
            Err(error) if error.is_not_found() => return Ok(None),
            config_map => config_map?,
        };
        let is_labelled = config_map["metadata"]["labels"][labels::FEDERATION].is_string();
        Ok(if is_labelled { None } else { Record::from_config_map(&config_map).ok() })
    }

    /// The records that the host has of other federations than this one, or of any if `own` is
    /// none. Those that cannot be read do not count. Where there are any that were not moved, the
    /// registry of that federation was lost.
    ///
    /// # Errors
    /// The host cannot be read.
    pub async fn left_behind(&self, own: Option<&str>) -> Result<LeftBehind, Error> {
        let path = path::collection(path::CORE, None, "configmaps");
        let others = own.map(|own| format!(",{}!={own}", labels::FEDERATION));
        let selector = format!("{}{}", labels::FEDERATION, others.unwrap_or_default());
        let mut left = LeftBehind::default();
        for config_map in self.host.list(&path, &selector).await? {
            if let Ok(record) = Record::from_config_map(&config_map) {
                left.add(record);
            }
        }
        Ok(left)
    }

    /// Gives a record the label of its federation again, as a compare-and-swap.
    ///
    /// # Errors
    /// Somebody changed it since it was read, or it cannot be written.
    pub async fn label(&self, record: &Record) -> Result<Record, Error> {
        let name = Record::config_map_name(record.name());
        let patch = json!({"metadata": {
            "resourceVersion": stored(record).resource_version,
            "labels": { labels::FEDERATION: record.federation },
        }});
        Record::from_config_map(&self.patch(record.namespace(), &name, &patch).await?)
    }
}
