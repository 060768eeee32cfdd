//! A record as a ConfigMap, and how large it may become.

use serde_json::{Value, json};

use super::{OUTCOME_ROOM, Record, State, Stored};
use crate::{
    job::{Indexes, Manifest, labels},
    seams::{self, Defect},
    state::{
        Error, Shard, Shards, VERSION, acceptance,
        documents::{COMPRESSED, Documents, PLAIN, packed_size},
        ids::check_id,
    },
};

pub(super) const MANIFEST: &str = "kubectl-federate.dev/manifest";
pub(super) const STATE: &str = "kubectl-federate.dev/state";
pub(super) const SHARD_PREFIX: &str = "shard.kubectl-federate.dev/";
const NAME_SUFFIX: &str = ".federated-job";

/// Since this version the state says which entries the ledger must have.
const LISTED_SINCE: u32 = 8;

/// What a manifest can have, in bytes of JSON compressed with gzip. As JSON it can have 8 MiB.
pub const MANIFEST_LIMIT: usize = 256 * 1024;

/// What the compressed ledger can have: the rest of what a ConfigMap can hold.
const LEDGER_LIMIT: usize = COMPRESSED - MANIFEST_LIMIT;

/// What the ledger can have as it is.
const PLAIN_LEDGER: usize = PLAIN - OTHERS_ROOM;

/// Room for the state, without its outcome, and for small manifests among the plain documents.
const OTHERS_ROOM: usize = 8 * 1024 + acceptance::ROOM;

/// The most indexes for which a record has room, in whatever way they are divided over its shards.
///
/// Kubernetes allows no more with `backoffLimitPerIndex`. Without it a Job can have more indexes,
/// but they complete in order, except those of the pods that run: their sets are a few ranges.
const INDEXES: i32 = 100_000;

/// What one index takes at most, in bytes: it is in the text of its shard's own indexes, and in
/// that of the completed or of the failed ones. Each text has up to 6 characters for it, of 12
/// different ones, which gzip writes as 3.6 bits each.
const BYTES_PER_INDEX: f64 = 5.4;

impl Record {
    /// The name of the ConfigMap that holds the record of a federated Job.
    pub fn config_map_name(job: &str) -> String {
        format!("{job}{NAME_SUFFIX}")
    }

    /// The namespace and the name of the federated Job whose record a ConfigMap is. The argument
    /// names the ConfigMap as an [`Error`] does: `configmap NAMESPACE/NAME`. None if it holds no
    /// record.
    pub fn job_of(object: &str) -> Option<(&str, &str)> {
        let (namespace, name) = object.strip_prefix("configmap ")?.split_once('/')?;
        Some((namespace, name.strip_suffix(NAME_SUFFIX)?))
    }

    /// Reads a record of a federation from its ConfigMap. The label is compared first.
    ///
    /// # Errors
    /// [`Error::OtherFederation`], [`Error::NoRecord`], and those of [`Record::from_config_map`].
    pub(in crate::state) fn of_federation(
        federation: &str,
        config_map: &Value,
    ) -> Result<Self, Error> {
        let metadata = &config_map["metadata"];
        let text = |field: &str| metadata[field].as_str().unwrap_or_default();
        let object = || format!("configmap {}/{}", text("namespace"), text("name"));
        match metadata["labels"][labels::FEDERATION].as_str() {
            Some(label) if label == federation => Self::from_config_map(config_map),
            Some(label) => {
                Err(Error::OtherFederation { object: object(), federation: label.to_owned() })
            }
            None => Err(Error::NoRecord { object: object() }),
        }
    }

    /// Reads a record from its ConfigMap. A record of an older version is read as one of this
    /// version, and is written as one.
    ///
    /// # Errors
    /// [`Error::Newer`], or [`Error::Damaged`] with the ConfigMap and the annotation.
    pub fn from_config_map(config_map: &Value) -> Result<Self, Error> {
        let (record, damage) = Self::read(config_map)?;
        damage.map_or(Ok(record), Err)
    }

    /// Reads a record without the entries of its ledger that are damaged or gone, and says what is
    /// wrong with the first of them.
    fn read(config_map: &Value) -> Result<(Self, Option<Error>), Error> {
        let metadata = &config_map["metadata"];
        let text = |field: &str| metadata[field].as_str().unwrap_or_default();
        let object = format!("configmap {}/{}", text("namespace"), text("name"));
        let documents = Documents::read(object, config_map)?;
        let damaged = |key: &str, cause: &dyn std::fmt::Display| documents.damaged(key, cause);
        let version = documents.version(STATE)?;
        let mut state = State { version: VERSION, ..documents.get(STATE)? };
        state.check().map_err(|cause| damaged(STATE, &cause))?;
        let manifest =
            Manifest::recorded(documents.get(MANIFEST)?).map_err(|e| damaged(MANIFEST, &e))?;
        let place = (text("namespace").to_owned(), text("name").to_owned());
        if place != (manifest.namespace().to_owned(), Self::config_map_name(manifest.name())) {
            let cause = format!("holds the Job {}/{}", manifest.namespace(), manifest.name());
            return Err(damaged(MANIFEST, &cause));
        }
        let federation =
            metadata["labels"][labels::FEDERATION].as_str().unwrap_or_default().to_owned();
        let ids = state.ids.take();
        if ids.is_none() && version >= LISTED_SINCE && !seams::has(Defect::LedgerUnlisted) {
            return Err(damaged(STATE, &"ids: it is missing"));
        }
        let (shards, mut damage) = entries(&documents);
        if let Some(ids) = &ids {
            damage = damage.or(compare(&documents, &ids_of(&shards, &state), ids).err());
        }
        if damage.is_some() {
            // No other shard gets the id of one whose entry is gone.
            let last = ids.map_or(0, |ids| ids.end() - 1);
            state.forgotten = state.forgotten.max(u32::try_from(last).unwrap_or(0));
        }
        let stored = Stored {
            resource_version: text("resourceVersion").to_owned(),
            uid: text("uid").to_owned(),
            documents,
        };
        Ok((Self { federation, manifest, state, shards, stored: Some(stored) }, damage))
    }

    /// What can be read of a record of which some shards' entries are damaged or gone, without
    /// these shards; none if more than that is.
    pub(in crate::state) fn salvage(config_map: &Value) -> Option<Self> {
        // The entries that are compressed together may be damaged as a whole.
        let plain = json!({ "metadata": config_map["metadata"] });
        let (record, _) = Self::read(config_map).or_else(|_| Self::read(&plain)).ok()?;
        Some(record)
    }

    /// The ConfigMap of a record that does not exist yet.
    ///
    /// # Errors
    /// [`Error::TooLarge`], also if the record fits now, but may not fit in a later state.
    pub(in crate::state) fn to_config_map(&self) -> Result<Value, Error> {
        let documents = self.documents();
        check_manifest(&documents)?;
        let ledger = self.largest_ledger();
        if ledger > LEDGER_LIMIT {
            return Err(documents.too_large("the ledger", ledger, LEDGER_LIMIT));
        }
        let mut config_map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": Self::config_map_name(self.name()),
                "namespace": self.namespace(),
                "labels": { labels::FEDERATION: self.federation },
            },
        });
        documents.write_to(&mut config_map)?;
        Ok(config_map)
    }

    /// The merge patch that writes this record in place of the one that was read.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub(in crate::state) fn patch(&self, stored: &Stored) -> Result<Value, Error> {
        let documents = self.documents();
        check_manifest(&documents)?;
        documents.patch(&stored.resource_version)
    }

    /// The record's documents, beside the annotations of others.
    pub(super) fn documents(&self) -> Documents {
        let mut documents = match &self.stored {
            Some(stored) => stored.documents.clone(),
            None => Documents::none(format!(
                "configmap {}/{}",
                self.namespace(),
                Self::config_map_name(self.name())
            )),
        };
        documents.put(MANIFEST, self.manifest.object());
        let is_listed = !seams::has(Defect::LedgerUnlisted);
        let ids = is_listed.then(|| ids_of(&self.shards, &self.state));
        documents.put(STATE, &State { ids, ..self.state.clone() });
        documents.clear_prefix(SHARD_PREFIX);
        for (id, shard) in &self.shards {
            documents.put(&format!("{SHARD_PREFIX}{id}"), shard);
        }
        documents
    }

    /// What the ledger can take once all its shards have ended, in bytes: compressed, unless it
    /// stays plain.
    pub(super) fn largest_ledger(&self) -> usize {
        let completions = self.manifest.size().completions.filter(|_| self.manifest.indexed());
        let indexes = f64::from(completions.unwrap_or(0).min(INDEXES)) * BYTES_PER_INDEX;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2²⁰")]
        let others = OUTCOME_ROOM + indexes as usize;
        let grown = |(id, shard): (&u32, &Shard)| {
            let entry = serde_json::to_value(shard.grown(*id)).unwrap_or_default();
            (format!("{SHARD_PREFIX}{id}"), entry)
        };
        let entries: Vec<(String, Value)> = self.shards.iter().map(grown).collect();
        let plain = entries.iter().map(|(key, entry)| key.len() + entry.to_string().len());
        match others + plain.sum::<usize>() {
            plain if plain <= PLAIN_LEDGER => plain,
            _ => others + packed_size(entries.iter().map(|(key, entry)| (key.clone(), entry))),
        }
    }
}

/// The entries of a ledger that can be read, and what is wrong with the first of the others.
fn entries(documents: &Documents) -> (Shards, Option<Error>) {
    let entry = |(id, shard): (&str, Result<Shard, Error>)| -> Result<(u32, Shard), Error> {
        let damaged = |cause| documents.damaged(&format!("{SHARD_PREFIX}{id}"), &cause);
        let shard = shard?;
        let number = id.parse().map_err(|_| damaged("its id is not a number"))?;
        check_id(number).and_then(|()| shard.check()).map_err(damaged)?;
        Ok((number, shard))
    };
    let mut damage = None;
    let readable = documents.each(SHARD_PREFIX).map(entry).filter_map(|read| match read {
        Ok(entry) => Some(entry),
        Err(error) => {
            damage.get_or_insert(error);
            None
        }
    });
    // Collected, because a map that is filled one by one has room for twice as many.
    let readable = readable.collect::<Shards>();
    (readable, damage)
}

/// The ids of the shards of a ledger, with those that were folded.
fn ids_of(shards: &Shards, state: &State) -> Indexes {
    let own: Indexes = shards.keys().filter_map(|id| i32::try_from(*id).ok()).collect();
    own.with(&state.folded.ids)
}

/// Compares the ids of the entries that are there with those of all that must be.
///
/// # Errors
/// [`Error::Damaged`] with the first entry that is gone, or that nobody has written.
fn compare(documents: &Documents, there: &Indexes, ids: &Indexes) -> Result<(), Error> {
    let (gone, strange) = (ids.without(there), there.without(ids));
    let damaged = |which: &Indexes, cause: &str| {
        let (first, others) = which.split(1);
        let others = (!others.is_empty()).then(|| format!(", as are those of shards {others}"));
        let cause = format!("{cause}{}", others.unwrap_or_default());
        Err(documents.damaged(&format!("{SHARD_PREFIX}{first}"), &cause))
    };
    match (gone.is_empty(), strange.is_empty()) {
        (false, _) => damaged(&gone, "it is missing"),
        (true, false) => damaged(&strange, "the state does not know it"),
        (true, true) => Ok(()),
    }
}

/// Checks that the manifest leaves enough room for everything else.
fn check_manifest(documents: &Documents) -> Result<(), Error> {
    let bytes = documents.compressed_size(MANIFEST);
    if bytes > MANIFEST_LIMIT {
        return Err(documents.too_large("the compressed manifest", bytes, MANIFEST_LIMIT));
    }
    Ok(())
}
