//! What a round has read, so that what is no news to it is told from what is; pure.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    cluster::Change,
    federation::Key,
    reconcile::Observations,
    state::{REGISTRY_NAME, REGISTRY_NAMESPACE, Record, Registry, Shard},
};

/// How late it is seen at most that a cluster is back whose work was given to others.
const RETURN: Duration = Duration::from_secs(30);

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

/// How long a round may be put off for the sake of one record, although nothing has changed; the
/// longest time there is where no limit is needed. `now` is in seconds since 1970 by the host's
/// clock.
///
/// A Job that has ended is deleted at its `ttlSecondsAfterFinished`. A lease is renewed where less
/// than half of it is left. A cluster that was declared lost, or that was missed at a recovery, may
/// come back, and what it does until it is seen runs twice.
pub(super) fn longest_rest(record: &Record, now: i64) -> Duration {
    let outcome = record.state.outcome.as_ref();
    let deleted = outcome.and_then(|outcome| {
        let ttl = record.manifest.ttl_seconds_after_finished()?;
        Some(outcome.at.saturating_add(ttl).saturating_sub(now)).filter(|left| *left > 0)
    });
    let unended = record.shards.values().filter(|shard| !shard.is_over());
    let renewed = unended.filter_map(|shard| {
        let lease = shard.lease.as_ref().filter(|lease| lease.until.is_some())?;
        Some((lease.seconds / 4).max(1))
    });
    let may_return = record.shards.values().any(Shard::is_lost) || record.awaits_lists();
    let soonest = deleted.into_iter().chain(renewed).min();
    let soonest = soonest.map_or(Duration::MAX, |left| Duration::from_secs(left.unsigned_abs()));
    if may_return { soonest.min(RETURN) } else { soonest }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::{
        job::{Lease, Manifest, Size},
        state::{Outcome, Phase, Verdict},
    };

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

    /// A record whose only shard runs, and has a lease of so many seconds.
    fn record(lease: Option<i64>) -> Record {
        let manifest = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
            "spec": {"completions": 3, "ttlSecondsAfterFinished": 60},
        });
        let manifest = Manifest::new(manifest, "work", "").expect("valid");
        let mut shard = Shard::planned("east", Size { parallelism: 1, completions: Some(3) });
        shard.phase = Phase::Started;
        shard.lease = Lease::planned(&manifest, lease, 0);
        if let Some(lease) = &mut shard.lease {
            lease.until = Some(600);
        }
        Record::new("f", manifest, vec![shard], Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_rest_ends_in_time_for_what_the_time_alone_brings() {
        let seconds = Duration::from_secs;
        assert_eq!(longest_rest(&record(None), 0), Duration::MAX);
        assert_eq!(longest_rest(&record(Some(1800)), 0), seconds(450));
        let mut lost = record(Some(1800));
        lost.shards.get_mut(&1).expect("a shard").given_up = Some(100);
        assert_eq!(longest_rest(&lost, 0), RETURN);
        let mut ended = record(Some(1800));
        ended.shards.get_mut(&1).expect("a shard").phase = Phase::Complete;
        ended.state.outcome = Some(Outcome::new(Verdict::Complete, "", "", 100));
        assert_eq!(longest_rest(&ended, 120), seconds(40));
        assert_eq!(longest_rest(&ended, 160), Duration::MAX, "what is over is waited for no more");
        ended.state.missed.insert("uid".to_owned(), "west".to_owned());
        assert_eq!(longest_rest(&ended, 160), RETURN);
    }
}
