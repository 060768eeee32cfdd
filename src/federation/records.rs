//! The federated Jobs of a federation, by name or all of a namespace.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    error::Error,
    key::{Key, key},
    open::Federation,
};
use crate::{
    cluster::fan_out,
    state::{self, Record},
};

/// The records that a request is about, and an error for each that cannot be read.
#[derive(Debug, Default)]
pub struct Records {
    /// Those that were read.
    pub records: Vec<Record>,
    /// Why others were not.
    pub errors: Vec<Error>,
}

impl Federation<'_> {
    /// Reads the record of one federated Job of this federation.
    ///
    /// # Errors
    /// There is none, or it is of another federation.
    pub async fn record(&self, namespace: &str, name: &str) -> Result<Record, Error> {
        let record = match self.take_ahead(&(namespace.to_owned(), name.to_owned())) {
            Some(record) => record,
            None => self.store.record(namespace, name).await,
        };
        match record {
            Ok(record) => self.own(record),
            Err(error) if error.is_not_found() => Err(Error::not_found(namespace, name)),
            Err(error) => Err(error.into()),
        }
    }

    /// The same of several Jobs, side by side. The results have the order of the Jobs.
    pub async fn records_of(
        &self,
        jobs: impl IntoIterator<Item = Key>,
    ) -> Vec<Result<Record, Error>> {
        let read = async |(namespace, name): Key| self.record(&namespace, &name).await;
        fan_out(jobs, read).await
    }

    /// The record, if it is of this federation.
    ///
    /// # Errors
    /// It is of another one.
    pub(super) fn own(&self, record: Record) -> Result<Record, Error> {
        if record.federation == self.registry.uid {
            return Ok(record);
        }
        let name = Record::config_map_name(record.name());
        let object = format!("configmap {}/{name}", record.namespace());
        Err(state::Error::OtherFederation { object, federation: record.federation }.into())
    }

    /// The records without those that were moved to another host, and one error for all that were
    /// moved to the same.
    fn without_moved(
        &self,
        mut records: Vec<Result<Record, state::Error>>,
    ) -> (Vec<Result<Record, state::Error>>, impl Iterator<Item = Error>) {
        let mut left: BTreeMap<String, Vec<Key>> = BTreeMap::new();
        records.retain(|record| match record {
            Ok(record) => match &record.state.moved {
                Some(moved) => {
                    left.entry(moved.context.clone()).or_default().push(key(record));
                    false
                }
                None => true,
            },
            Err(_) => true,
        });
        let host = self.store.host().name().to_owned();
        let error = move |(context, jobs)| Error::LeftRecords { host: host.clone(), context, jobs };
        (records, left.into_iter().map(error))
    }

    /// The records with these names in a namespace; or, without names, all of the namespace, or of
    /// all namespaces. The order is that of the names, or, without names, that in which a server
    /// lists Jobs: by `NAMESPACE/NAME`.
    ///
    /// # Errors
    /// The host cannot be asked, or names are given without a namespace.
    pub async fn records(
        &self,
        names: &[String],
        namespace: Option<&str>,
    ) -> Result<Records, Error> {
        let found: Vec<Result<Record, Error>> = match (names, namespace) {
            ([_, ..], Some(namespace)) => {
                let mut seen = BTreeSet::new();
                let names: Vec<_> = names.iter().filter(|name| seen.insert(*name)).collect();
                fan_out(names, async |name| self.record(namespace, name).await).await
            }
            ([_, ..], None) => return Err(Error::NamesAcrossNamespaces),
            ([], namespace) => {
                let records = self.store.any_records(&self.registry.uid, namespace).await?;
                let (records, left) = self.without_moved(records);
                let own = |record: Result<Record, state::Error>| self.own(record?);
                records.into_iter().map(own).chain(left.map(Err)).collect()
            }
        };
        let mut all = Records::default();
        for record in found {
            match record {
                Ok(record) => all.records.push(record),
                Err(error) => all.errors.push(error),
            }
        }
        if names.is_empty() {
            let key = |record: &Record| format!("{}/{}", record.namespace(), record.name());
            all.records.sort_by_cached_key(key);
        }
        Ok(all)
    }
}

/// The federated Jobs of these records, by namespace and name, also of those that cannot be read.
pub(super) fn jobs_of<'r>(
    records: impl IntoIterator<Item = &'r Result<Record, state::Error>>,
) -> Vec<Key> {
    let job = |record: &Result<Record, state::Error>| match record {
        Ok(record) => Some(key(record)),
        Err(error) => error.job().map(|(namespace, name)| (namespace.to_owned(), name.to_owned())),
    };
    records.into_iter().filter_map(job).collect()
}
