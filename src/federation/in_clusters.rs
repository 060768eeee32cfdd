//! The clusters in which a user looks at what is there.

use std::collections::BTreeSet;

use super::{error::Error, open::Federation};
use crate::{
    plan::did_you_mean,
    state::{Record, Registry},
};

impl Error {
    /// The error that no cluster of this name is registered. It asks whether another one is meant.
    pub fn not_registered(name: &str, registry: &Registry) -> Self {
        let meant = did_you_mean(name, registry.members.keys().map(String::as_str));
        Self::NotRegistered { name: name.to_owned(), meant }
    }
}

impl Federation<'_> {
    /// Checks that these clusters are known: as members, or because one of the Jobs has shards
    /// there.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check_registered<'r>(
        &self,
        clusters: &BTreeSet<String>,
        records: impl IntoIterator<Item = &'r Record>,
    ) -> Result<(), Error> {
        let mut unknown: BTreeSet<_> = clusters.iter().map(String::as_str).collect();
        unknown.retain(|name| !self.registry.members.contains_key(*name));
        for record in records {
            unknown.retain(|name| !has_shards(record, name));
        }
        match unknown.pop_first() {
            Some(name) => Err(Error::not_registered(name, &self.registry)),
            None => Ok(()),
        }
    }

    /// Checks that a Job has, or may have, shards in each of these clusters, or had some.
    ///
    /// # Errors
    /// The first cluster that is not known, or where it has none.
    pub fn check_shards_in(
        &self,
        clusters: &BTreeSet<String>,
        record: &Record,
    ) -> Result<(), Error> {
        self.check_registered(clusters, [record])?;
        match clusters.iter().find(|cluster| !has_shards(record, cluster)) {
            Some(cluster) => {
                let (name, cluster) = (record.name().to_owned(), cluster.clone());
                Err(Error::NoShardThere { name, cluster })
            }
            None => Ok(()),
        }
    }
}

fn has_shards(record: &Record, cluster: &str) -> bool {
    record.clusters().contains(cluster) || record.state.folded.clusters.contains_key(cluster)
}
