//! A backup: the registry and all records of a federation in one document.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Gap, Record, Registry, SavedRegistry, Shard, Shards, State, VERSION, ids::check_id};
use crate::job::Manifest;

/// `apiVersion` and `kind` of the document.
const API_VERSION: &str = "kubectl-federate.dev/v1";
const KIND: &str = "Backup";

/// The registry and all records of a federation, as they were at one time. It has no credentials.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct Backup {
    api_version: String,
    kind: String,
    /// The version of the state in it.
    version: u32,
    /// When it was made, in seconds since 1970 by the host's clock.
    pub created: i64,
    /// The registry.
    pub federation: SavedRegistry,
    /// The records, sorted by namespace and name.
    pub jobs: Vec<SavedJob>,
    /// The federated Jobs whose records could not be read. They are not in it, and may be on the
    /// host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
}

/// A federated Job that a backup lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct LeftOut {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Why its record could not be read, a sentence.
    pub why: String,
}

/// A record in a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct SavedJob {
    manifest: Value,
    state: State,
    shards: BTreeMap<u32, Shard>,
}

impl Backup {
    /// A backup of a registry and its records, but for those that could not be read.
    pub fn new(
        registry: &Registry,
        records: &[Record],
        left_out: Vec<LeftOut>,
        created: i64,
    ) -> Self {
        let mut jobs: Vec<_> = records.iter().collect();
        jobs.sort_by_key(|record| (record.namespace(), record.name()));
        let save = |record: &Record| SavedJob {
            manifest: record.manifest.object().clone(),
            state: record.state.clone(),
            shards: BTreeMap::clone(&record.shards),
        };
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            version: VERSION,
            created,
            federation: registry.saved(),
            jobs: jobs.into_iter().map(save).collect(),
            left_out,
        }
    }

    /// From when on records may be missing where it is restored, in seconds since 1970.
    pub fn lacks_from(&self) -> i64 {
        if self.left_out.is_empty() { self.created } else { Gap::ANY }
    }

    /// The document, with string keys only.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).expect("its keys are strings or numbers")
    }

    /// The version that a document says it has, if this program is too old for it.
    pub fn newer(document: &Value) -> Option<u32> {
        let found = document["version"].as_u64().filter(|found| *found > u64::from(VERSION))?;
        is_backup(document).then(|| u32::try_from(found).unwrap_or(u32::MAX))
    }

    /// Reads a document that is not [newer](Self::newer), and its records. The records are as they
    /// were saved.
    ///
    /// # Errors
    /// A sentence that names the field: it is no backup, or damaged.
    pub fn read(document: Value) -> Result<(Self, Vec<Record>), String> {
        if !is_backup(&document) {
            return Err(format!("kind: must be a {API_VERSION} {KIND}"));
        }
        let mut backup: Self = serde_path_to_error::deserialize(document)
            .map_err(|error| format!("{}: {}", error.path(), error.inner()))?;
        for (name, member) in &backup.federation.members {
            member.check(name).map_err(|why| format!("federation.members.{name}: {why}"))?;
        }
        let SavedRegistry { restores, host, unmarked, .. } = &mut backup.federation;
        *restores = mem::take(restores).since(backup.version, host, unmarked);
        let mut records = Vec::new();
        for (n, job) in backup.jobs.iter().enumerate() {
            let record = job.record(&backup.federation.uid);
            records.push(record.map_err(|why| format!("jobs[{n}].{why}"))?);
        }
        Ok((backup, records))
    }
}

fn is_backup(document: &Value) -> bool {
    let text = |field: &str| document[field].as_str().unwrap_or_default();
    (text("apiVersion"), text("kind")) == (API_VERSION, KIND)
}

impl SavedJob {
    fn record(&self, federation: &str) -> Result<Record, String> {
        let manifest = Manifest::recorded(self.manifest.clone());
        let manifest = manifest.map_err(|error| format!("manifest.{error}"))?;
        for (id, shard) in &self.shards {
            let checked = check_id(*id).and_then(|()| shard.check());
            checked.map_err(|why| format!("shards.{id}: {why}"))?;
        }
        self.state.check().map_err(|why| format!("state.{why}"))?;
        let state = State { version: VERSION, moved: None, ..self.state.clone() };
        Ok(Record::saved(federation, manifest, state, self.shards.clone().into()))
    }
}

impl Record {
    /// A record as it was saved.
    fn saved(federation: &str, manifest: Manifest, state: State, shards: Shards) -> Self {
        Self { federation: federation.to_owned(), manifest, state, shards, stored: None }
    }

    /// The record as one that another host has yet to store.
    #[must_use]
    pub fn unstored(&self) -> Self {
        let state = State { moved: None, ..self.state.clone() };
        Self { stored: None, state, ..self.clone() }
    }

    /// The record as one that replaces another of the same Job, which was read from a host.
    #[must_use]
    pub fn in_place_of(self, there: &Self) -> Self {
        Self { stored: there.stored.clone(), ..self }
    }

    /// Whether two records say the same, whichever members have been listed and shards seen.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let state = |record: &Self| State {
            unlisted: BTreeSet::new(),
            origin: None,
            // A restore leaves it to the members to say.
            started: None,
            ..record.state.clone()
        };
        let shards = |record: &Self| {
            let mut shards = record.shards.clone();
            for shard in shards.values_mut() {
                shard.restored = false;
            }
            shards
        };
        self.manifest == other.manifest
            && shards(self) == shards(other)
            && state(self) == state(other)
    }

    /// When it last changed, in seconds since 1970, as far as it says: the latest time in it.
    pub fn last_change(&self) -> i64 {
        let seen = self.shards.values().filter_map(|shard| shard.seen.as_ref()).map(|seen| seen.at);
        let accepted = self.state.accepted.iter().map(|accepted| accepted.when);
        let outcome = self.state.outcome.as_ref().map(|outcome| outcome.at);
        let times = seen.chain(accepted).chain(outcome).chain(self.state.started);
        times.fold(self.state.created, i64::max)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::job::Size;

    fn saved() -> (Record, Value) {
        let manifest = Manifest::new(
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
                "spec": {"completions": 9}}),
            "work",
            "",
        )
        .expect("valid");
        let shard = Shard::planned("east", Size { parallelism: 1, completions: Some(9) });
        let record = Record::new("f", manifest, vec![shard], Timestamp::UNIX_EPOCH);
        let config_map = Registry::new_config_map(&SavedRegistry::new("f"), "h").expect("fits");
        let registry = Registry::from_config_map(&config_map).expect("whole");
        let document =
            Backup::new(&registry, std::slice::from_ref(&record), Vec::new(), 7).to_value();
        (record, document)
    }

    #[test]
    fn what_is_saved_is_read_also_from_yaml() {
        let (record, document) = saved();
        let text = serde_yaml::to_string(&document).expect("plain");
        let yaml: Value = serde_yaml::from_str(&text).expect("read");
        let (backup, records) = Backup::read(yaml).expect("whole");
        assert_eq!((backup.federation.uid.as_str(), backup.created), ("f", 7));
        assert_eq!(records, [record]);
    }

    #[test]
    fn a_backup_of_a_newer_version_is_known_as_one() {
        let (_, mut document) = saved();
        assert_eq!(Backup::newer(&document), None);
        document["version"] = json!(99);
        assert_eq!(Backup::newer(&document), Some(99));
        document["kind"] = json!("Job");
        assert_eq!(Backup::newer(&document), None);
    }

    #[test]
    fn a_restore_that_an_older_version_did_not_count_leaves_the_other_host() {
        let settings = |version: u32, host: &str| {
            json!({"version": version, "uid": "f", "host": host}).to_string()
        };
        let registry = |annotations: Value| {
            let config_map = json!({"metadata": {"annotations": annotations}});
            Registry::from_config_map(&config_map).expect("whole")
        };
        let unmarked = json!({"context": "old"});
        let old = registry(json!({"kubectl-federate.dev/settings": settings(6, "o")}));
        let new = registry(json!({
            "kubectl-federate.dev/settings": settings(6, "n"),
            "unmarked.kubectl-federate.dev/o": unmarked.to_string(),
        }));
        assert!(old.restores.is_empty());
        assert!(old.saved().is_left_for(&new.saved()) && !new.saved().is_left_for(&old.saved()));
        let (_, mut document) = saved();
        document["version"] = json!(6);
        document["federation"]["host"] = json!("n");
        document["federation"]["unmarked"] = json!({"o": unmarked});
        let (backup, _) = Backup::read(document).expect("whole");
        assert_eq!(backup.federation.restores, new.restores);
        assert!(old.saved().is_left_for(&backup.federation));
    }

    #[test]
    fn members_of_a_backup_are_checked_as_those_of_a_registry_are() {
        let member = |change: Value| {
            let mut member = json!({"context": "c", "uid": "e", "weight": 1, "state": "ready",
                "registered": 0});
            for (key, value) in change.as_object().expect("fields") {
                member[key] = value.clone();
            }
            member
        };
        for (name, change, said) in [
            ("east", json!({"weight": -1}), "weight: must be a whole number, 0 or more"),
            ("east", json!({"uid": ""}), "uid: must be that of a cluster"),
            ("east", json!({"state": "lost"}), "lost: must be there if and only if"),
            ("east", json!({"labels": {"-": ""}}), "labels: \"-\": name part of the key"),
            ("East", json!({}), "its name must have"),
            ("a/b", json!({}), "its name must have"),
        ] {
            let (_, mut document) = saved();
            document["federation"]["members"] = json!({name: member(change.clone())});
            let why = Backup::read(document).expect_err("no backup");
            assert!(why.starts_with(&format!("federation.members.{name}: {said}")), "{why}");
            let mut config_map =
                Registry::new_config_map(&SavedRegistry::new("f"), "h").expect("fits");
            config_map["metadata"]["annotations"][format!("member.kubectl-federate.dev/{name}")] =
                member(change).to_string().into();
            let why = Registry::from_config_map(&config_map).expect_err("damaged").to_string();
            assert!(why.contains(said), "{why}");
        }
    }

    #[test]
    fn what_is_no_backup_says_where() {
        let (_, document) = saved();
        let shard = document["jobs"][0]["shards"]["1"].clone();
        for (pointer, value, said) in [
            ("/kind", json!("Job"), "kind: must be a kubectl-federate.dev/v1 Backup"),
            ("/created", json!("x"), "created: invalid type"),
            ("/federation/members", json!({"a": 1}), "federation.members.a: "),
            ("/jobs/0/manifest/spec", json!(1), "jobs[0].manifest.spec: Required value"),
            ("/jobs/0/shards/1/parallelism", json!(-1), "jobs[0].shards.1: a count is negative"),
            ("/jobs/0/shards", json!({"4294967295": shard}), "jobs[0].shards.4294967295: its id"),
            ("/jobs/0/state/version", json!("x"), "jobs[0].state.version: "),
        ] {
            let mut document = document.clone();
            *document.pointer_mut(pointer).expect("there") = value;
            let why = Backup::read(document).expect_err("no backup");
            assert!(why.starts_with(said), "{pointer}: {why}");
        }
    }
}
