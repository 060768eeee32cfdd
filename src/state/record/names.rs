//! The names of the clusters of a record. Clusters are known by their uids.

use super::Record;
use crate::state::Shard;

impl Record {
    /// Gives what is in clusters that have other names by now the new names. `name` gives that of
    /// the member with a uid, if it is registered.
    pub fn rename_clusters<'a>(&mut self, name: impl Fn(&str) -> Option<&'a str>) {
        let shards = self.shards.values_mut().map(|shard| {
            let Shard { cluster, cluster_uid, .. } = shard;
            (cluster_uid.as_deref(), cluster)
        });
        let missed = self.state.missed.iter_mut();
        for (uid, cluster) in shards.chain(missed.map(|(uid, name)| (Some(uid.as_str()), name))) {
            if let Some(name) = uid.and_then(&name).filter(|name| **name != **cluster) {
                name.clone_into(cluster);
            }
        }
    }

    /// The clusters that it names by their uids, each with its name as a member.
    pub fn named_clusters(&self) -> impl Iterator<Item = (&str, &str)> {
        let shards = self.shards.values();
        let shards = shards.filter_map(|it| Some((it.cluster_uid.as_deref()?, &*it.cluster)));
        shards.chain(self.state.missed.iter().map(|(uid, name)| (uid.as_str(), name.as_str())))
    }
}
