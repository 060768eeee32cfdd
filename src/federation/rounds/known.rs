//! What a round has read, so that what is no news to it is told from what is; pure.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    cluster::Change,
    federation::Key,
    reconcile::Observations,
    state::{REGISTRY_NAME, REGISTRY_NAMESPACE, Record, Registry},
};

/// The ConfigMaps of the host and the Jobs of the members, at the versions that were read.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The resourceVersions; none for what was looked for and is not there.
    versions: BTreeMap<Object, Option<String>>,
    /// Whether a record that was not there is news, whatever its name.
    takes_all: bool,
}

/// Which object it is.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Object {
    /// The name of the member; none for the host.
    member: Option<String>,
    namespace: String,
    name: String,
}

impl Known {
    /// The registry and the records as they were read, and the Jobs that have none. `is_named` says
    /// that no other records are asked for.
    pub fn of_host(
        registry: &Registry,
        records: &[Record],
        absent: &[Key],
        is_named: bool,
    ) -> Self {
        let mut known = Self { versions: BTreeMap::new(), takes_all: !is_named };
        let version = registry.resource_version().to_owned();
        known.insert(None, REGISTRY_NAMESPACE, REGISTRY_NAME, Some(version));
        for (namespace, name) in absent {
            known.insert(None, namespace, &Record::config_map_name(name), None);
        }
        for record in records {
            known.record(record);
        }
        known
    }

    /// Notes the version of a record.
    pub fn record(&mut self, record: &Record) {
        let name = Record::config_map_name(record.name());
        let version = record.resource_version().map(str::to_owned);
        self.insert(None, record.namespace(), &name, version);
    }

    /// Notes the versions of a record's Jobs.
    pub fn observe(&mut self, record: &Record, observations: &Observations) {
        for (cluster, _, job) in observations.jobs() {
            let version = Some(job.resource_version.clone());
            self.insert(Some(cluster), record.namespace(), &job.name, version);
        }
    }

    /// Whether an event says something that was not read: of a member, or of the host where there
    /// is none.
    pub fn is_news(&self, member: Option<&str>, change: &Change) -> bool {
        let object = object(member, &change.namespace, &change.name);
        match self.versions.get(&object) {
            Some(Some(version)) => change.is_gone || change.resource_version != *version,
            Some(None) => !change.is_gone,
            // The Job of a shard that is new comes with news of its record.
            None => !change.is_gone && member.is_none() && self.takes_all,
        }
    }

    fn insert(&mut self, member: Option<&str>, namespace: &str, name: &str, to: Option<String>) {
        self.versions.insert(object(member, namespace, name), to);
    }
}

fn object(member: Option<&str>, namespace: &str, name: &str) -> Object {
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    Object { member: member.map(str::to_owned), namespace, name }
}

/// How long it is until something is to be done about a record because of the time alone, in whole
/// seconds; the longest there is where nothing is. `now` is in seconds since 1970 by the host's
/// clock.
///
/// These are the deadline of the Job, its deletion after its end, and the lease of each shard,
/// which is renewed where less than half is left and may end in silence.
pub(super) fn next_moment(record: &Record, now: i64) -> Duration {
    let manifest = &record.manifest;
    let outcome = record.state.outcome.as_ref();
    let deadline = match outcome {
        None => record.state.started.zip(manifest.active_deadline_seconds()),
        Some(outcome) => Some(outcome.at).zip(manifest.ttl_seconds_after_finished()),
    };
    let left = deadline.map(|(from, seconds)| from.saturating_add(seconds).saturating_sub(now));
    let unended = record.shards.values().filter(|shard| !shard.phase.ended());
    let leases = unended.filter_map(|shard| Some(shard.lease.as_ref()?.seconds / 4));
    let soonest = left.into_iter().chain(leases).min();
    soonest.map_or(Duration::MAX, |left| Duration::from_secs(left.max(0).unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(namespace: &str, name: &str, version: &str, is_gone: bool) -> Change {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Change { namespace, name, resource_version: version.to_owned(), is_gone }
    }

    #[test]
    fn what_was_read_is_no_news() {
        let mut known = Known::default();
        known.insert(Some("east"), "ns", "pi-1", Some("7".to_owned()));
        known.insert(None, "ns", "absent", None);
        let expected = [
            (Some("east"), change("ns", "pi-1", "7", false), false),
            (Some("east"), change("ns", "pi-1", "8", false), true),
            (Some("east"), change("ns", "pi-1", "8", true), true),
            (Some("west"), change("ns", "pi-1", "8", false), false),
            (Some("east"), change("other", "pi-1", "8", false), false),
            (None, change("ns", "absent", "8", true), false),
            (None, change("ns", "absent", "8", false), true),
            (None, change("ns", "another", "8", false), false),
        ];
        for (member, change, is_news) in expected {
            assert_eq!(known.is_news(member, &change), is_news, "{member:?} {change:?}");
        }
        known.takes_all = true;
        assert!(known.is_news(None, &change("ns", "another", "8", false)));
        assert!(!known.is_news(None, &change("ns", "another", "8", true)));
        assert!(!known.is_news(Some("east"), &change("ns", "another", "8", false)));
    }
}
