//! The logs that there are in each member.

use std::collections::BTreeSet;

use super::{
    error::LogsError,
    targets::{Lacking, Target, targets},
    terms::{LogReader, LogTerms},
};
use crate::{
    cluster::Connection,
    federation::pods::{Answer, pods},
    reconcile::Members,
    state::Record,
};

/// The logs that there are, as the members say.
#[derive(Default)]
pub(super) struct Found {
    /// Those that are asked for, by cluster and pod.
    pub targets: Vec<(Connection, Target)>,
    /// Those that pods do not have.
    pub lacking: Vec<Lacking>,
    /// The clusters that do not say what there is.
    pub silent: BTreeSet<String>,
}

impl Found {
    /// Checks that some pod may have the container that is asked for.
    ///
    /// # Errors
    /// All pods are known, and none has it.
    pub fn check(&mut self) -> Result<(), LogsError> {
        match self.lacking.first() {
            Some(_) if self.targets.is_empty() && self.silent.is_empty() => {
                Err(self.lacking.remove(0).why)
            }
            _ => Ok(()),
        }
    }
}

/// Finds the logs that are asked for, with one list of pods in each member.
pub(super) async fn find(
    record: &Record,
    members: &Members,
    terms: &LogTerms,
    reader: &dyn LogReader,
) -> Found {
    let mut found = Found::default();
    for (cluster, Answer { absent, pods }) in pods(record, members, &terms.clusters).await {
        if let Some(why) = absent {
            reader.silent(&cluster, &why);
            found.silent.insert(cluster.clone());
        }
        match pods {
            None => {}
            Some((connection, Ok(pods))) => {
                let (targets, lacking) = targets(&cluster, &pods, terms);
                let targets = targets.into_iter().map(|target| (connection.clone(), target));
                found.targets.extend(targets);
                found.lacking.extend(lacking);
            }
            Some((_, Err(error))) => {
                reader.unread(&cluster, None, &error);
                found.silent.insert(cluster);
            }
        }
    }
    found
}
