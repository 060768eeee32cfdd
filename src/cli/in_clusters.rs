//! `--clusters`: in which clusters a user looks at what is there.

use std::collections::BTreeSet;

use clap::Args;

use crate::reconcile::Status;

/// `--clusters`, of verbs that show what is in several.
#[derive(Debug, Clone, Default, Args)]
pub struct InClusters {
    /// Only what is in these clusters
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    clusters: Vec<String>,
}

impl InClusters {
    /// Whether all are meant.
    pub fn is_all(&self) -> bool {
        self.clusters.is_empty()
    }

    /// Whether what is in this cluster is meant.
    pub fn has(&self, cluster: &str) -> bool {
        self.is_all() || self.clusters.iter().any(|name| name == cluster)
    }

    /// The names that were given; none where all are meant.
    pub fn names(&self) -> BTreeSet<String> {
        self.clusters.iter().cloned().collect()
    }

    /// Leaves in a status only what it says of shards in these clusters. What it says of the Job as
    /// a whole stays.
    pub fn narrow(&self, status: &mut Status) {
        status.shards.retain(|shard| self.has(&shard.cluster));
        status.folded.clusters.retain(|cluster, _| self.has(cluster));
        status.unlisted.retain(|cluster, _| self.has(cluster));
        status.missed.retain(|_, cluster| self.has(cluster));
    }
}
