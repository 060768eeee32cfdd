//! What a shard's Job keeps of its federated Job, so that a record can be rebuilt without its host:
//! one annotation, gzip and then base64 of a JSON document. To read one:
//!
//! ```sh
//! kubectl get job pi -o jsonpath='{.metadata.annotations.kubectl-federate\.dev/recovery}' \
//!   | base64 -d | gunzip
//! ```
//!
//! It is written with the writes that happen anyway: when the Job is created, and when its spec is
//! changed. So it is as old as the last of them, and a reconcile without changes writes nothing.
//!
//! All annotations of an object together can have 256 KiB, and those of the user count. A document
//! that is too large is written without what the Job itself shows: first without the pod template,
//! then also without the Job's own labels and annotations. Both are read from the Job then. If many
//! shards have ended, it has what is known of them together, in place of each of them. What still
//! does not fit is not written. An older annotation stays then: a recovery takes its manifest for
//! an older one, and the Job's own spec for newer. Without any, the Job cannot help to rebuild a
//! record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Folded, Heard, LAST_TAKEN_IN, Record, Shard,
    compressed::{compress, decompress, store},
    documents::ANNOTATIONS,
    summary::Summary,
};
use crate::{
    cluster::FieldValidation,
    job::{Invalid, Manifest, TemplateEdits, is_zero, labels},
};

/// The newest version of the document. A newer one is not read. Since version 2 it says what is
/// done about fields that a member does not know, since version 3 what is known of many ended
/// shards together. One that does not say so has an earlier version, so that Jobs need no new
/// annotation.
const VERSION: u32 = 3;

/// What the annotation can have, in bytes.
const MOST: usize = 64 * 1024;

/// A document up to this length, in bytes, is not compressed. That of a Job of usual length is
/// written three times for each member. To compress it would cost more than most other work of a
/// creation.
const SMALL: usize = 2 * 1024;

/// What the document can have before it is compressed, in bytes.
const MOST_PLAIN: usize = 512 * 1024;

/// Room for the other annotations that this program writes, in bytes.
const OTHERS: usize = 32 * 1024;

/// More ended shards do not fit each by itself: the uids of a shard's Job and cluster alone have 32
/// bytes that no compression makes fewer.
const MOST_ENDED: usize = MOST / 4 * 3 / 32;

/// What is left out of the manifest, in the order in which it is tried. The Job shows it.
const OMISSIONS: [&[&str]; 3] =
    [&[], &["/spec/template"], &["/spec/template", "/metadata/labels", "/metadata/annotations"]];

/// What a shard's Job keeps of its federated Job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The number of the manifest's last edit: [`State::revision`](super::State::revision).
    pub revision: u32,
    /// When the federated Job was submitted, in seconds since 1970.
    pub created: i64,
    /// Whether its namespace is created where it is missing.
    pub create_namespace: bool,
    /// What is done about fields that a member does not know.
    pub field_validation: FieldValidation,
    /// The federated Job's manifest.
    pub manifest: Manifest,
    /// Whether the manifest is as it was submitted. Otherwise some of it is as the server of the
    /// Job has it.
    pub is_verbatim: bool,
    /// What edits have changed of the template in place, up to this revision.
    pub template_edits: TemplateEdits,
    /// The name that the Job was created under. A copy has another one.
    pub name: String,
    /// The shard's entry in the ledger, without what its Job says.
    pub shard: Shard,
    /// The shards that had ended when this was written, or were given up because their clusters
    /// were declared lost; by id. Their Jobs may be gone. Also the shards whose Jobs had yet to be
    /// adopted: these Jobs have no such document.
    pub ended: BTreeMap<u32, Shard>,
    /// The totals of the shards that had been folded by then.
    pub folded: Folded,
    /// What is known of the ended and the folded shards together, if each by itself did not fit.
    pub heard: Option<Heard>,
}

/// The document as it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
struct Document {
    version: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    revision: u32,
    created: i64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    create_namespace: bool,
    #[serde(default, skip_serializing_if = "FieldValidation::is_strict")]
    field_validation: FieldValidation,
    manifest: Value,
    /// JSON pointers of what the manifest lacks and the Job has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    omitted: Vec<String>,
    #[serde(default, skip_serializing_if = "TemplateEdits::is_empty")]
    template_edits: TemplateEdits,
    name: String,
    shard: Shard,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    ended: BTreeMap<u32, Shard>,
    #[serde(default, skip_serializing_if = "Folded::is_empty")]
    folded: Folded,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    summary: Option<Summary>,
}

impl Record {
    /// The annotation that a shard's Job gets; none if it does not fit. The shard must be in the
    /// ledger.
    pub fn recovery(&self, id: u32) -> Option<String> {
        let own = self.shards[&id].clone();
        let mut shard = Shard { seen: None, refusal: None, restored: false, told: false, ..own };
        shard.end_adoption();
        let ended: Vec<_> = self.shards.unsaid_but(id).collect();
        let each = |(id, shard): &(u32, &Shard)| (*id, (*shard).clone());
        let mut document = Document {
            version: if self.state.field_validation.is_strict() { 1 } else { 2 },
            revision: self.state.revision,
            created: self.state.created,
            create_namespace: self.state.create_namespace,
            field_validation: self.state.field_validation,
            manifest: Value::Null,
            omitted: Vec::new(),
            template_edits: self.state.template_edits.clone(),
            name: self.job_name(id).to_owned(),
            shard,
            ended: BTreeMap::new(),
            folded: Folded::default(),
            summary: None,
        };
        if ended.len() <= MOST_ENDED {
            document.ended = ended.iter().map(each).collect();
            document.folded = (*self.state.folded).clone();
            if document.folded.given_up.is_some() || !document.folded.twice.is_empty() {
                document.version = VERSION;
            }
            if let Some(encoded) = document.encoded(&self.manifest) {
                return Some(encoded);
            }
        }
        // What a lost shard does may still change.
        let is_final = |shard: &Shard| shard.phase.ended() && shard.given_up.is_none();
        let (last, others): (Vec<_>, Vec<_>) =
            ended.into_iter().partition(|(_, shard)| is_final(shard));
        let counts = self.manifest.size().completions.is_some();
        if !counts || (last.is_empty() && self.state.folded.is_empty()) {
            return None;
        }
        document.ended = others.iter().map(each).collect();
        document.folded = Folded::default();
        document.summary = Some(self.together(last.into_iter()).into());
        document.version = VERSION;
        document.encoded(&self.manifest)
    }
}

impl Document {
    /// It as an annotation, with as much of the manifest as fits; none if it does not fit.
    fn encoded(&mut self, manifest: &Manifest) -> Option<String> {
        let annotations = &manifest.object()["metadata"]["annotations"];
        let theirs = annotations.as_object().map_or(0, |_| annotations.to_string().len());
        let room = MOST.min(ANNOTATIONS.saturating_sub(theirs + OTHERS));
        OMISSIONS.iter().find_map(|omitted| {
            self.omitted = omitted.iter().map(|&pointer| pointer.to_owned()).collect();
            self.manifest = without(manifest.object().clone(), omitted);
            let text = serde_json::to_string(&self).expect("its keys are strings");
            let encode = if text.len() <= SMALL { store } else { compress };
            let encoded = (text.len() <= MOST_PLAIN).then(|| encode(&text));
            encoded.filter(|encoded| encoded.len() <= room)
        })
    }
}

impl Recovery {
    /// Reads the annotation of a Job.
    ///
    /// # Errors
    /// A sentence that says why it is of no use: it is missing, damaged, newer, or of another Job.
    pub fn from_job(job: &Value) -> Result<Self, String> {
        let text = job["metadata"]["annotations"][labels::RECOVERY].as_str();
        let text = text.ok_or_else(|| format!("it has no annotation {}", labels::RECOVERY))?;
        let damaged = |cause: &dyn std::fmt::Display| {
            format!("its annotation {} is damaged: {cause}", labels::RECOVERY)
        };
        let text = decompress(text).map_err(|cause| damaged(&cause))?;
        let value: Value = serde_json::from_str(&text).map_err(|cause| damaged(&cause))?;
        if value["version"].as_u64().is_some_and(|found| found > u64::from(VERSION)) {
            return Err("a newer kubectl-federate wrote it".to_owned());
        }
        let document: Document = serde_json::from_value(value).map_err(|cause| damaged(&cause))?;
        let manifest =
            complete(document.manifest, &document.omitted, job).map_err(|cause| damaged(&cause))?;
        let shards = document.ended.values().chain([&document.shard]);
        for shard in shards {
            shard.check().map_err(|cause| damaged(&cause))?;
        }
        let heard: Option<Heard> = document.summary.map(Heard::from);
        let together = heard.as_ref().and_then(|heard| heard.totals.last());
        let last = document.ended.keys().copied().chain(document.folded.last()).chain(together);
        if last.max().is_some_and(|last| last > LAST_TAKEN_IN) {
            return Err(damaged(&format!("the id of a shard is above {LAST_TAKEN_IN}")));
        }
        let name = job["metadata"]["name"].as_str().unwrap_or_default();
        if document.name != name {
            return Err(format!("it is a copy of job {:?}", document.name));
        }
        if job["metadata"]["namespace"].as_str() != Some(manifest.namespace()) {
            return Err(format!("it is a copy of a job in namespace {:?}", manifest.namespace()));
        }
        let supplement = name.strip_prefix(manifest.name());
        if !supplement.is_some_and(|rest| rest.is_empty() || rest.starts_with('-')) {
            return Err(damaged(&format!("it is of job {:?}", manifest.name())));
        }
        Ok(Self {
            revision: document.revision,
            created: document.created,
            create_namespace: document.create_namespace,
            field_validation: document.field_validation,
            manifest,
            is_verbatim: document.omitted.is_empty(),
            template_edits: document.template_edits,
            name: document.name,
            shard: document.shard,
            ended: document.ended,
            folded: document.folded,
            heard,
        })
    }
}

/// An object without the values at some pointers.
fn without(mut object: Value, omitted: &[&str]) -> Value {
    for pointer in omitted {
        let Some((parent, key)) = pointer.rsplit_once('/') else { continue };
        if let Some(parent) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
            parent.remove(key);
        }
    }
    object
}

/// The manifest with what was omitted, as the Job has it. Pointers that this program never omits
/// are ignored.
fn complete(mut object: Value, omitted: &[String], job: &Value) -> Result<Manifest, Invalid> {
    let known = |pointer: &&String| OMISSIONS.concat().contains(&pointer.as_str());
    for pointer in omitted.iter().filter(known) {
        let Some((parent, key)) = pointer.rsplit_once('/') else { continue };
        let value = job.pointer(pointer).cloned();
        if let (Some(parent), Some(value)) =
            (object.pointer_mut(parent).filter(|parent| parent.is_object()), value)
        {
            parent[key] = value;
        }
    }
    let manifest = Manifest::recorded(object)?;
    let metadata = "/spec/template/metadata";
    let has_labels_of_shards = manifest.object().pointer(metadata) == Some(&json!({}));
    if omitted.is_empty() || !has_labels_of_shards {
        return Ok(manifest);
    }
    Manifest::recorded(without(manifest.object().clone(), &[metadata]))
}

/// The part of a patch, or of a new Job, that carries the annotation. Without a new one, a patch
/// leaves the old one.
pub fn annotate(body: &mut Value, recovery: Option<String>) {
    let Some(recovery) = recovery else { return };
    if !body["metadata"]["annotations"].is_object() {
        body["metadata"]["annotations"] = json!({});
    }
    body["metadata"]["annotations"][labels::RECOVERY] = recovery.into();
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        job::{Indexes, Size},
        state::Phase,
    };

    fn record(annotation: &str, image: &str) -> Record {
        let manifest = Manifest::new(
            json!({
                "apiVersion": "batch/v1", "kind": "Job",
                "metadata": {"name": "pi", "annotations": {"theirs": annotation}},
                "spec": {"completions": 9, "parallelism": 3, "template": {"spec": {
                    "restartPolicy": "Never", "containers": [{"name": "pi", "image": image}],
                }}},
            }),
            "work",
            "",
        )
        .expect("valid");
        let share = Size { parallelism: 2, completions: Some(4) };
        let mut ended = Shard::planned("west", share);
        (ended.phase, ended.uid) = (Phase::Complete, Some("w".into()));
        let shards = vec![Shard::planned("east", share), ended];
        let mut record = Record::new("f", manifest, shards, Timestamp::UNIX_EPOCH);
        record.state.revision = 3;
        record
    }

    /// The Job as a server has it.
    fn stored(record: &Record) -> Value {
        let own = record.spec(1);
        let mut job = crate::job::shard(&record.manifest, "pi", &own, &record.ownership(1));
        annotate(&mut job, record.recovery(1));
        job
    }

    /// Text that a compression cannot make much smaller.
    fn noise(length: usize) -> String {
        let random = || uuid::Uuid::new_v4().simple().to_string();
        std::iter::repeat_with(random).take(length / 32).collect()
    }

    #[test]
    fn what_is_written_is_read_whatever_its_size() {
        for (annotation, image) in [
            ("a".to_owned(), "pi".to_owned()),
            ("a".to_owned(), noise(400_000)),
            (noise(160_000), noise(400_000)),
            (noise(200_000), "pi".to_owned()),
        ] {
            let record = record(&annotation, &image);
            let job = stored(&record);
            let text = job["metadata"]["annotations"][labels::RECOVERY].as_str().expect("fits");
            let all = job["metadata"]["annotations"].to_string().len();
            assert!(text.len() <= MOST && all <= ANNOTATIONS, "{} {all}", text.len());
            let read = Recovery::from_job(&job).expect("whole");
            assert_eq!(read.manifest, record.manifest);
            assert_eq!((read.revision, read.shard), (3, record.shards[&1].clone()));
            assert_eq!(read.ended, [(2, record.shards[&2].clone())].into());
        }
    }

    #[test]
    fn only_what_earlier_versions_do_not_know_raises_the_version() {
        for (field_validation, version) in
            [(FieldValidation::Strict, 1), (FieldValidation::Warn, 2), (FieldValidation::Ignore, 2)]
        {
            let mut record = record("a", "pi");
            record.state.field_validation = field_validation;
            let text = decompress(&record.recovery(1).expect("fits")).expect("whole");
            let document: Value = serde_json::from_str(&text).expect("whole");
            assert_eq!(document["version"], version);
            let read = Recovery::from_job(&stored(&record)).expect("whole");
            assert_eq!(read.field_validation, field_validation);
        }
    }

    #[test]
    fn an_annotation_that_does_not_fit_is_not_written() {
        let record = record(&noise(240_000), "pi");
        assert_eq!(record.recovery(1), None);
        let why = Recovery::from_job(&stored(&record)).expect_err("none");
        assert_eq!(why, "it has no annotation kubectl-federate.dev/recovery");
    }

    #[test]
    fn what_is_of_no_use_says_why() {
        let record = record("a", "pi");
        let change = |pointer: &str, value: Value| {
            let mut job = stored(&record);
            *job.pointer_mut(pointer).expect("it is there") = value;
            Recovery::from_job(&job).expect_err("of no use")
        };
        let annotation = "/metadata/annotations/kubectl-federate.dev~1recovery";
        assert_eq!(change("/metadata/name", json!("copy")), "it is a copy of job \"pi\"");
        assert_eq!(
            change("/metadata/namespace", json!("other")),
            "it is a copy of a job in namespace \"work\""
        );
        assert!(change(annotation, json!("AAAA")).contains("is damaged: it is not gzip"));
        let newer =
            change(annotation, compress(&json!({"version": VERSION + 1}).to_string()).into());
        assert_eq!(newer, "a newer kubectl-federate wrote it");
        let no_shard = change(annotation, compress("{\"version\":1}").into());
        assert!(no_shard.contains("is damaged: missing field"), "{no_shard}");
    }

    #[test]
    fn an_id_that_no_job_has_is_not_taken_over() {
        let whole = record("a", "pi");
        for (id, is_read) in [(2, true), (LAST_TAKEN_IN, true), (LAST_TAKEN_IN + 1, false)] {
            let (mut ended, mut folded) = (whole.clone(), whole.clone());
            let shard = ended.shards.remove(&2).expect("there");
            ended.shards.insert(id, shard.clone());
            folded.shards.remove(&2);
            folded.shards.insert(id, shard);
            folded.fold(id, None);
            for record in [ended, folded] {
                let read = Recovery::from_job(&stored(&record));
                assert_eq!(read.is_ok(), is_read, "{id}: {read:?}");
            }
        }
    }

    #[test]
    fn the_indexes_of_a_shard_are_kept() {
        let mut record = record("a", "pi");
        record.shards.insert(1, Shard::planned_indexes("east", 2, Indexes::all(4)));
        let read = Recovery::from_job(&stored(&record)).expect("whole");
        assert_eq!(read.shard.indexes, Some(Indexes::all(4)));
    }
}
