//! The record of a federated Job: its manifest, its state and its ledger, in one ConfigMap.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Error, Phase, Seen, Shard, VERSION, annotations::Annotations};
use crate::job::{Indexes, Manifest, Ownership, Removed, Spec, labels};

const MANIFEST: &str = "kubectl-federate.dev/manifest";
const STATE: &str = "kubectl-federate.dev/state";
const SHARD_PREFIX: &str = "shard.kubectl-federate.dev/";
const NAME_SUFFIX: &str = ".federated-job";

/// A Job's name becomes a label's value: 63 characters.
const NAME_ROOM: usize = 63;

/// A hyphen and the largest index, at the end of the hostnames of an Indexed Job's pods.
const INDEX_ROOM: usize = 11;

/// Room that is kept free for an outcome's message, in bytes.
const OUTCOME_ROOM: usize = 2048;

/// A federated Job as the host remembers it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The uid of the federation that it belongs to.
    pub federation: String,
    /// The Job as submitted, cleaned of what a server had set.
    pub manifest: Manifest,
    /// Everything about the Job as a whole.
    pub state: State,
    /// The ledger: shards by their ids.
    pub shards: BTreeMap<u32, Shard>,
    /// The ConfigMap that it was read from; none before it is first written.
    pub(super) stored: Option<Stored>,
}

/// What a compare-and-swap needs of the ConfigMap as it was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stored {
    pub resource_version: String,
    pub uid: String,
    pub annotations: Annotations,
}

/// The state of a federated Job as a whole; times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct State {
    /// The version of the record's documents.
    pub version: u32,
    /// The federated Job's own uid: it survives a restore of the ConfigMap.
    pub uid: String,
    /// When it was submitted.
    pub created: i64,
    /// Whether the Job's namespace is made in a member that lacks it, because the user asked for
    /// it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub create_namespace: bool,
    /// Set once the user asked for its deletion together with its shards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleting: Option<Cascade>,
    /// When the first shard started, since the last resume: `activeDeadlineSeconds` counts from
    /// here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<i64>,
    /// How it ended; once latched, nothing that happens in a member changes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Its shards were given `ttlSecondsAfterFinished`, because the outcome is recorded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expiring: bool,
    /// The last of the ids of shards that were forgotten because their Jobs were never made; 0
    /// where there are none. A run that was frozen may still make one, so that no other shard gets
    /// its id or its name.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub forgotten: u32,
    /// Labels and annotations that its shards' Jobs are to lose.
    #[serde(default, skip_serializing_if = "Removed::is_empty")]
    pub removed: Removed,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// How the Jobs in the members are deleted, as in kubectl's `--cascade`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cascade {
    /// The Job at once, its pods after it.
    Background,
    /// The pods first, the Job when they are gone.
    Foreground,
}

/// How a federated Job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct Outcome {
    /// Complete or Failed.
    pub verdict: Verdict,
    /// The reason, as in the condition of a Job.
    pub reason: String,
    /// The message; for a failure it names the shard and its cluster.
    pub message: String,
    /// When it ended.
    pub at: i64,
}

/// The two ways a federated Job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// All the work is done.
    Complete,
    /// The Job as a whole has failed.
    Failed,
}

impl Record {
    /// A record for a Job that is about to be submitted, with a uid of its own.
    pub fn new(federation: &str, manifest: Manifest, shards: Vec<Shard>, now: Timestamp) -> Self {
        let state = State {
            version: VERSION,
            uid: uuid::Uuid::new_v4().to_string(),
            created: now.as_second(),
            create_namespace: false,
            deleting: None,
            started: None,
            outcome: None,
            expiring: false,
            forgotten: 0,
            removed: Removed::default(),
        };
        let shards = (1..).zip(shards).collect();
        Self { federation: federation.to_owned(), manifest, state, shards, stored: None }
    }

    /// The federated Job's name.
    pub fn name(&self) -> &str {
        self.manifest.name()
    }

    /// The federated Job's namespace, on the host and in every member.
    pub fn namespace(&self) -> &str {
        self.manifest.namespace()
    }

    /// Completions that no live shard has to do and that no ended one achieved, 0 or more; an index
    /// that failed for good is none. 0 for a work queue, and once the outcome is latched.
    pub fn unplaced(&self) -> i32 {
        let (Some(asked), None) = (self.manifest.size().completions, &self.state.outcome) else {
            return 0;
        };
        if self.manifest.indexed() {
            return Indexes::all(asked)
                .without(&self.carried_indexes())
                .without(&self.failed_indexes())
                .len();
        }
        self.shards.values().map(Shard::carried).fold(asked, i32::saturating_sub).max(0)
    }

    /// The indexes of an Indexed Job that need no other shard.
    pub fn carried_indexes(&self) -> Indexes {
        self.shards
            .values()
            .fold(Indexes::default(), |all, shard| all.with(&shard.carried_indexes()))
    }

    /// What succeeded, in all shards together; of an Indexed Job, the size of the union of its
    /// completed indexes.
    pub fn achieved(&self) -> i32 {
        match self.manifest.size().completions {
            Some(asked) if self.manifest.indexed() => {
                self.completed_indexes().both(&Indexes::all(asked)).len()
            }
            _ => self.shards.values().map(Shard::achieved).fold(0, i32::saturating_add),
        }
    }

    /// The completed indexes of an Indexed Job, of all shards together.
    pub fn completed_indexes(&self) -> Indexes {
        let seen = self.shards.values().filter_map(|shard| shard.seen.as_ref());
        seen.fold(Indexes::default(), |all, seen| all.with(&seen.completed))
    }

    /// The indexes of an Indexed Job that failed for good, of all shards together.
    pub fn failed_indexes(&self) -> Indexes {
        let seen = self.shards.values().filter_map(|shard| shard.seen.as_ref());
        seen.fold(Indexes::default(), |all, seen| all.with(&seen.failed_indexes))
    }

    /// The name of a shard's Job.
    pub fn job_name(&self, id: u32) -> &str {
        self.shards.get(&id).and_then(|shard| shard.name.as_deref()).unwrap_or(self.name())
    }

    /// What a shard's Job is to be: its limits are what the other shards leave of the Job's
    /// (`backoffLimit`, `maxFailedIndexes`). The shard must be in the ledger.
    pub fn spec(&self, id: u32) -> Spec {
        let shard = &self.shards[&id];
        // What is beyond an edit that asked for less may be asked for again, and a Job's
        // completions are immutable.
        let asked = self.manifest.size().completions.unwrap_or(0);
        let completions = shard.indexes.as_ref().map(|own| own.end().max(asked));
        Spec {
            parallelism: shard.parallelism,
            completions: completions.or(shard.completions),
            backoff_limit: left(self.manifest.backoff_limit(), self.spent(id, |seen| seen.failed)),
            max_failed_indexes: left(
                self.manifest.max_failed_indexes(),
                self.spent(id, |seen| seen.failed_indexes.len()),
            ),
            active_deadline_seconds: shard.active_deadline_seconds,
            generation: shard.generation,
        }
    }

    /// What all shards but one have spent of a limit that is for the whole.
    fn spent(&self, but: u32, count: fn(&Seen) -> i32) -> i32 {
        let others = self.shards.iter().filter(|(id, _)| **id != but);
        others.filter_map(|(_, shard)| shard.seen.as_ref()).map(count).fold(0, i32::saturating_add)
    }

    /// Whether somebody deleted a shard, and what is left of it is not to be done by others so far.
    pub fn holds_back(&self) -> bool {
        self.shards.values().any(|shard| shard.phase == Phase::Deleted && !shard.reopened)
    }

    /// Lets what is left of deleted shards be done by others; says whether there is any that was
    /// not let so far.
    pub fn reopen(&mut self) -> bool {
        let held = |shard: &&mut Shard| shard.phase == Phase::Deleted && !shard.reopened;
        let mut any = false;
        for shard in self.shards.values_mut().filter(held) {
            shard.reopened = true;
            any = true;
        }
        any
    }

    /// Adds a shard to the ledger, under a new id and, where its member has had one, a name of its
    /// own.
    pub fn add(&mut self, shard: Shard) {
        let last = self.shards.keys().next_back().copied().unwrap_or(0).max(self.state.forgotten);
        let id = last.saturating_add(1);
        let first = self.state.forgotten == 0
            && self.shards.values().all(|other| other.cluster != shard.cluster);
        let name = (!first).then(|| self.supplement(id));
        self.shards.insert(id, Shard { name, ..shard });
    }

    /// Takes a shard out of the ledger whose Job was never made.
    pub fn forget(&mut self, id: u32) {
        if self.shards.remove(&id).is_some() {
            self.state.forgotten = self.state.forgotten.max(id);
        }
    }

    /// A name that no other shard has: the Job's, cut where there is no room, and the id. Where it
    /// was cut, a part of the Job's uid keeps it apart from that of another Job.
    fn supplement(&self, id: u32) -> String {
        let room = if self.manifest.indexed() { NAME_ROOM - INDEX_ROOM } else { NAME_ROOM };
        let plain = format!("{}-{id}", self.name());
        if plain.len() <= room {
            return plain;
        }
        let suffix = format!("-{}-{id}", &self.state.uid[..self.state.uid.floor_char_boundary(8)]);
        let kept = self.name().floor_char_boundary(room.saturating_sub(suffix.len()));
        format!("{}{suffix}", self.name()[..kept].trim_end_matches(['-', '.']))
    }

    /// The labels that the Job of a shard carries.
    pub fn ownership(&self, id: u32) -> Ownership {
        Ownership {
            federation: self.federation.clone(),
            job: self.state.uid.clone(),
            shard: id.to_string(),
        }
    }

    /// The name of the ConfigMap that holds the record of a federated Job.
    pub fn config_map_name(job: &str) -> String {
        format!("{job}{NAME_SUFFIX}")
    }

    /// Reads a record from its ConfigMap.
    ///
    /// # Errors
    /// It is damaged or newer; the error names the ConfigMap and the annotation.
    pub fn from_config_map(config_map: &Value) -> Result<Self, Error> {
        let metadata = &config_map["metadata"];
        let text = |field: &str| metadata[field].as_str().unwrap_or_default();
        let annotations =
            Annotations::of(format!("configmap {}/{}", text("namespace"), text("name")), metadata);
        let damaged = |key: &str, cause: &dyn std::fmt::Display| annotations.damaged(key, cause);
        let version = annotations.get::<Value>(STATE)?["version"].as_u64().unwrap_or(0);
        if version > u64::from(VERSION) {
            let found = u32::try_from(version).unwrap_or(u32::MAX);
            return Err(Error::Newer { object: annotations.object().to_owned(), found });
        }
        let state: State = annotations.get(STATE)?;
        let manifest =
            Manifest::recorded(annotations.get(MANIFEST)?).map_err(|e| damaged(MANIFEST, &e))?;
        let place = (text("namespace").to_owned(), text("name").to_owned());
        if place != (manifest.namespace().to_owned(), Self::config_map_name(manifest.name())) {
            let cause = format!("holds the Job {}/{}", manifest.namespace(), manifest.name());
            return Err(damaged(MANIFEST, &cause));
        }
        let federation =
            metadata["labels"][labels::FEDERATION].as_str().unwrap_or_default().to_owned();
        let mut shards = BTreeMap::new();
        for (id, shard) in annotations.with_prefix::<Shard>(SHARD_PREFIX)? {
            let number = id
                .parse()
                .map_err(|_| damaged(&format!("{SHARD_PREFIX}{id}"), &"its id is not a number"))?;
            shard.check().map_err(|cause| damaged(&format!("{SHARD_PREFIX}{id}"), &cause))?;
            shards.insert(number, shard);
        }
        let stored = Stored {
            resource_version: text("resourceVersion").to_owned(),
            uid: text("uid").to_owned(),
            annotations,
        };
        Ok(Self { federation, manifest, state, shards, stored: Some(stored) })
    }

    /// The ConfigMap of a record that does not exist yet.
    ///
    /// # Errors
    /// [`Error::TooLarge`], where it would not fit once every shard has ended.
    pub(super) fn to_config_map(&self) -> Result<Value, Error> {
        self.grown_annotations().to_value()?;
        Ok(json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": Self::config_map_name(self.name()),
                "namespace": self.namespace(),
                "labels": { labels::FEDERATION: self.federation },
                "annotations": self.annotations().to_value()?,
            },
        }))
    }

    /// The record's annotations, those of others beside them kept.
    pub(super) fn annotations(&self) -> Annotations {
        let mut annotations = match &self.stored {
            Some(stored) => stored.annotations.clone(),
            None => Annotations::none(format!(
                "configmap {}/{}",
                self.namespace(),
                Self::config_map_name(self.name())
            )),
        };
        annotations.put(MANIFEST, self.manifest.object());
        annotations.put(STATE, &self.state);
        annotations.clear_prefix(SHARD_PREFIX);
        for (id, shard) in &self.shards {
            annotations.put(&format!("{SHARD_PREFIX}{id}"), shard);
        }
        annotations
    }

    /// The annotations as large as they can become: a Job that fits at submission fits until its
    /// end.
    fn grown_annotations(&self) -> Annotations {
        let shards = self.shards.iter().map(|(id, shard)| (*id, shard.grown())).collect();
        let mut annotations = Self { shards, ..self.clone() }.annotations();
        annotations.put("room", &" ".repeat(OUTCOME_ROOM));
        annotations
    }
}

/// What is left of a limit, where that is not all of it.
fn left(limit: Option<i32>, spent: i32) -> Option<i32> {
    limit.filter(|_| spent > 0).map(|limit| limit.saturating_sub(spent).max(0))
}

impl Verdict {
    /// The type of a Job's condition that says so.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "Complete",
            Self::Failed => "Failed",
        }
    }

    /// The type of the condition that says that it will be so, once all that runs has ended
    /// (Kubernetes 1.31).
    pub fn target(self) -> &'static str {
        match self {
            Self::Complete => "SuccessCriteriaMet",
            Self::Failed => "FailureTarget",
        }
    }
}

impl Outcome {
    /// An outcome whose message fits into the room that every record keeps for it.
    pub fn new(verdict: Verdict, reason: &str, message: &str, at: i64) -> Self {
        let cut = |text: &str, most: usize| text[..text.floor_char_boundary(most)].to_owned();
        Self {
            verdict,
            reason: cut(reason, OUTCOME_ROOM / 8),
            message: cut(message, OUTCOME_ROOM / 2),
            at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{job::Size, state::LIMIT};

    fn record(shards: usize, cluster: &str) -> Record {
        let manifest = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
            "spec": {"parallelism": 9, "completions": 18, "template": {}},
        });
        let manifest = Manifest::new(manifest, "work", "").expect("valid");
        let share = Size { parallelism: 1000, completions: Some(10_000) };
        let shards =
            (0..shards).map(|n| Shard::planned(&format!("{cluster}-{n}"), share)).collect();
        Record::new("f", manifest, shards, Timestamp::UNIX_EPOCH)
    }

    fn read_back(record: &Record) -> Result<Record, Error> {
        let mut config_map = record.to_config_map().expect("fits");
        config_map["metadata"]["uid"] = "u".into();
        config_map["metadata"]["resourceVersion"] = "1".into();
        Record::from_config_map(&config_map)
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let mut record = record(2, "east");
        let shard = record.shards.get_mut(&2).expect("two shards");
        shard.phase = Phase::Failed;
        shard.uid = Some("x".into());
        shard.seen = Some(Seen { failed: 7, end: Some(3), at: 5, ..Seen::default() });
        record.state.outcome =
            Some(Outcome::new(Verdict::Failed, "BackoffLimitExceeded", "too many", 3));
        record.state.deleting = Some(Cascade::Foreground);
        let read = read_back(&record).expect("whole");
        assert_eq!(Record { stored: None, ..read }, record);
    }

    #[test]
    fn a_job_that_is_made_has_room_for_all_indexes_of_its_shard() {
        let mut record = record(0, "");
        record.add(Shard::planned_indexes("a", 1, (17..=19).into()));
        record.add(Shard::planned_indexes("a", 1, (0..=3).into()));
        assert_eq!(
            record.spec(1).completions,
            Some(20),
            "an edit asked for less before it was made"
        );
        assert_eq!(record.spec(2).completions, Some(18));
    }

    #[test]
    fn a_thousand_members_fit_and_what_does_not_fit_is_refused_before_it_grows() {
        assert!(record(1000, "member").to_config_map().is_ok());
        let full = record(1000, &"x".repeat(120));
        assert!(full.annotations().to_value().is_ok(), "it would fit as it is");
        assert!(
            matches!(full.to_config_map(), Err(Error::TooLarge { bytes, .. }) if bytes > LIMIT)
        );
    }

    #[test]
    fn every_damage_is_an_error_that_names_its_key() {
        for (key, value) in [
            (MANIFEST, Some("{")),
            (MANIFEST, Some("{}")),
            (MANIFEST, None),
            (STATE, Some("[]")),
            (STATE, None),
            ("shard.kubectl-federate.dev/1", Some("null")),
            (
                "shard.kubectl-federate.dev/1",
                Some(r#"{"cluster":"a","parallelism":1,"phase":"flying"}"#),
            ),
            (
                "shard.kubectl-federate.dev/1",
                Some(r#"{"cluster":"a","parallelism":-1,"phase":"planned"}"#),
            ),
            (
                "shard.kubectl-federate.dev/1",
                Some(r#"{"cluster":"a","parallelism":1,"completions":-1,"phase":"planned"}"#),
            ),
            (
                "shard.kubectl-federate.dev/1",
                Some(r#"{"cluster":"a","parallelism":1,"phase":"started"}"#),
            ),
            (
                "shard.kubectl-federate.dev/1",
                Some(r#"{"cluster":"a","parallelism":1,"phase":"planned","uid":"u"}"#),
            ),
            (
                "shard.kubectl-federate.dev/x",
                Some(r#"{"cluster":"a","parallelism":1,"phase":"planned"}"#),
            ),
        ] {
            let mut config_map = record(2, "east").to_config_map().expect("fits");
            config_map["metadata"]["annotations"][key] = value.into();
            let error = Record::from_config_map(&config_map).expect_err("damaged").to_string();
            assert!(
                error.starts_with("configmap work/pi.federated-job is damaged: annotation"),
                "{error}"
            );
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn a_newer_version_is_refused_even_where_it_cannot_be_read() {
        let mut config_map = record(1, "east").to_config_map().expect("fits");
        config_map["metadata"]["annotations"][STATE] =
            r#"{"version":2,"fieldOfTomorrow":1}"#.into();
        assert!(matches!(Record::from_config_map(&config_map), Err(Error::Newer { found: 2, .. })));
    }

    #[test]
    fn a_record_in_the_wrong_place_is_damaged() {
        let mut config_map = record(1, "east").to_config_map().expect("fits");
        config_map["metadata"]["namespace"] = "elsewhere".into();
        assert!(matches!(Record::from_config_map(&config_map), Err(Error::Damaged { .. })));
    }
}
