//! The logs that there are in each member.

use std::collections::BTreeSet;

use super::{
    error::LogsError,
    targets::{Target, targets},
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
    /// The clusters that do not say what there is.
    pub silent: BTreeSet<String>,
}

/// Finds the logs that are asked for, with one list of pods in each member.
///
/// # Errors
/// A pod lacks the container that is asked for.
pub(super) async fn find(
    record: &Record,
    members: &Members,
    terms: &LogTerms,
    reader: &dyn LogReader,
) -> Result<Found, LogsError> {
    let mut found = Found::default();
    for (cluster, Answer { absent, pods }) in pods(record, members, &terms.clusters).await {
        if let Some(why) = absent {
            reader.silent(&cluster, &why);
            found.silent.insert(cluster.clone());
        }
        match pods {
            None => {}
            Some((connection, Ok(pods))) => {
                let targets = targets(&cluster, &pods, terms)?.into_iter();
                found.targets.extend(targets.map(|target| (connection.clone(), target)));
            }
            Some((_, Err(error))) => {
                reader.unread(&cluster, None, &error);
                found.silent.insert(cluster);
            }
        }
    }
    Ok(found)
}
