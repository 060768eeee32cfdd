//! The JSON documents in one ConfigMap.
//!
//! A document is an annotation, which `kubectl get -o yaml` shows as plain JSON. All annotations of
//! an object together can have 256 KiB. Where the documents of a ConfigMap exceed [`PLAIN`], they
//! are moved to `binaryData` of the same ConfigMap and compressed with gzip. So one
//! compare-and-swap on one object still covers everything, up to 5,000 members or shards.
//!
//! 1. Large documents, such as a manifest, are compressed each by itself, until the others fit. The
//!    name of such a document in `binaryData` is its annotation's key with `_` for `/`.
//! 2. Where that does not suffice, the entries of members and shards are compressed together. They
//!    are much alike, so that 100 bytes hold one. The [`PACK`] is a JSON object with the documents
//!    by their keys.
//!
//! To read them:
//!
//! ```sh
//! kubectl get configmap pi.federated-job \
//!   -o jsonpath='{.binaryData.kubectl-federate\.dev_manifest}' | base64 -d | gunzip
//! kubectl get configmap pi.federated-job \
//!   -o jsonpath='{.binaryData.pack\.kubectl-federate\.dev_documents}' | base64 -d | gunzip
//! ```

use std::{collections::BTreeMap, fmt::Display, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    Error,
    compressed::{DOCUMENT, decompress, gzip},
};
use crate::hidden::{MOST, bounded};

/// What all annotations of an object together can have, keys included, in bytes
/// (`TotalAnnotationSizeLimitB` of the API server's validation).
pub(super) const ANNOTATIONS: usize = 256 * 1024;

/// What all annotations of an object together may have before documents are compressed, in bytes.
/// The rest up to [`ANNOTATIONS`] is left to the annotations of others.
pub(super) const PLAIN: usize = 128 * 1024;

/// What all compressed documents of an object together can have, in bytes, before base64.
///
/// A ConfigMap's data can have 1 MiB (`MaxSecretSize` of the API server's validation). Less is
/// used, because etcd takes 1.5 MiB for the whole object, and `metadata.managedFields` names each
/// key.
pub(super) const COMPRESSED: usize = 896 * 1024;

/// What all compressed documents of an object together can have, in bytes of JSON.
const ALL: usize = 4 * DOCUMENT;

/// The part of a key that says that the document is ours.
const OURS: &str = "kubectl-federate.dev/";

/// The name in `binaryData` of the documents that are compressed together.
const PACK: &str = "pack.kubectl-federate.dev_documents";

/// A document with more bytes is compressed by itself.
const LARGE: usize = 4 * 1024;

/// Texts by their keys. Copies share them: a record has what was read and what is written.
type Texts = BTreeMap<Arc<str>, Arc<str>>;

/// The documents of one ConfigMap. Ours are read and changed by key, the annotations of others
/// stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Documents {
    object: String,
    texts: Texts,
    read: Encoded,
}

/// The documents as a ConfigMap has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Encoded {
    /// `metadata.annotations`.
    annotations: Texts,
    /// `binaryData`: gzip, then base64.
    binary: Texts,
}

impl Documents {
    /// No documents, for a ConfigMap that does not exist yet. `object` is its name in errors, such
    /// as `configmap NAMESPACE/NAME`.
    pub fn none(object: String) -> Self {
        Self { object, texts: Texts::new(), read: Encoded::default() }
    }

    /// The documents of a ConfigMap as read.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a compressed document cannot be decompressed.
    pub fn read(object: String, config_map: &Value) -> Result<Self, Error> {
        let strings = |map: &Value| {
            let entries = map.as_object().into_iter().flatten();
            entries
                .filter_map(|(key, value)| {
                    Some((Arc::from(key.as_str()), Arc::from(value.as_str()?)))
                })
                .collect::<Texts>()
        };
        let read = Encoded {
            annotations: strings(&config_map["metadata"]["annotations"]),
            binary: strings(&config_map["binaryData"]),
        };
        let mut documents = Self { object, texts: read.annotations.clone(), read };
        let mut all = 0;
        for (name, data) in &documents.read.binary {
            let Some(key) = key_of(name) else { continue };
            let damaged = |cause: String| documents.damaged(&key, &cause);
            let text = decompress(data).map_err(damaged)?;
            all += text.len();
            if all > ALL {
                return Err(damaged(format!("the documents up to it have more than {ALL} bytes")));
            }
            if **name == *PACK {
                documents.texts.extend(unpack(&text).map_err(damaged)?);
            } else {
                documents.texts.insert(key.into(), text.into());
            }
        }
        Ok(documents)
    }

    /// Puts a document under a key.
    pub fn put(&mut self, key: &str, document: &impl Serialize) {
        let text = serde_json::to_string(document).expect("our documents have string keys only");
        self.texts.insert(key.into(), text.into());
    }

    /// The document under a key that must be there.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<T, Error> {
        match self.texts.get(key) {
            Some(text) => serde_json::from_str(text).map_err(|cause| self.damaged(key, &cause)),
            None => Err(self.damaged(key, &"it is missing")),
        }
    }

    /// The documents whose keys begin with `prefix`, by the rest of the key.
    pub fn with_prefix<T: DeserializeOwned>(
        &self,
        prefix: &str,
    ) -> Result<BTreeMap<String, T>, Error> {
        self.each(prefix).map(|(rest, document)| Ok((rest.to_owned(), document?))).collect()
    }

    /// The same of those documents alone that can be read.
    pub fn readable<T: DeserializeOwned>(&self, prefix: &str) -> BTreeMap<String, T> {
        self.each(prefix)
            .filter_map(|(rest, document)| Some((rest.to_owned(), document.ok()?)))
            .collect()
    }

    /// The documents whose keys begin with `prefix`, with the rest of the key, each by itself.
    pub fn each<T: DeserializeOwned>(
        &self,
        prefix: &str,
    ) -> impl Iterator<Item = (&str, Result<T, Error>)> {
        self.texts.iter().filter_map(move |(key, text)| {
            let document = || serde_json::from_str(text).map_err(|why| self.damaged(key, &why));
            key.strip_prefix(prefix).map(|rest| (rest, document()))
        })
    }

    /// The version that the document under a key says it has.
    ///
    /// # Errors
    /// [`Error::Newer`] if this program does not know it, whatever else the document has.
    pub fn version(&self, key: &str) -> Result<u32, Error> {
        let found = self.get::<Value>(key)?["version"].as_u64().unwrap_or(0);
        let found = u32::try_from(found).unwrap_or(u32::MAX);
        if found > super::VERSION {
            return Err(Error::Newer { object: self.object.clone(), found });
        }
        Ok(found)
    }

    /// The error that says that the document under a key is not what it must be.
    pub fn damaged(&self, key: &str, cause: &dyn Display) -> Error {
        Error::Damaged {
            object: self.object.clone(),
            key: bounded(key, MOST).into_owned(),
            // It may quote the value.
            cause: bounded(&cause.to_string(), MOST).into_owned(),
        }
    }

    /// Removes the document under a key.
    pub fn remove(&mut self, key: &str) {
        self.texts.remove(key);
    }

    /// Removes the documents whose keys begin with `prefix`.
    pub fn clear_prefix(&mut self, prefix: &str) {
        self.texts.retain(|key, _| !key.starts_with(prefix));
    }

    /// The size of the document under a key once it is compressed, in bytes; 0 if there is none.
    pub fn compressed_size(&self, key: &str) -> usize {
        self.texts.get(key).map_or(0, |text| gzip(text).len())
    }

    /// The error that says that documents need more room than there is.
    pub fn too_large(&self, what: &'static str, bytes: usize, limit: usize) -> Error {
        Error::TooLarge { object: self.object.clone(), what, bytes, limit }
    }

    /// Puts the documents into a ConfigMap that is to be created.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn write_to(&self, config_map: &mut Value) -> Result<(), Error> {
        let Encoded { annotations, binary } = self.encode()?;
        config_map["metadata"]["annotations"] = object(&annotations);
        if !binary.is_empty() {
            config_map["binaryData"] = object(&binary);
        }
        Ok(())
    }

    /// The merge patch that gives a ConfigMap these documents in place of those that were read. It
    /// has only what differs, and applies to this `resourceVersion` only.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn patch(&self, resource_version: &str) -> Result<Value, Error> {
        let after = self.encode()?;
        let mut patch = json!({ "metadata": {
            "resourceVersion": resource_version,
            "annotations": difference(&self.read.annotations, &after.annotations),
        }});
        let binary = difference(&self.read.binary, &after.binary);
        if !binary.is_empty() {
            patch["binaryData"] = Value::Object(binary);
        }
        Ok(patch)
    }

    /// Keeps the documents as annotations as far as they fit into [`PLAIN`], and compresses others.
    fn encode(&self) -> Result<Encoded, Error> {
        let ours = || self.texts.iter().filter(|(key, _)| key.contains(OURS));
        if let Some((_, text)) = ours().find(|(_, text)| text.len() > DOCUMENT) {
            return Err(self.too_large("a document", text.len(), DOCUMENT));
        }
        let mut plain: usize = self.texts.iter().map(size).sum();
        let mut encoded = Encoded { annotations: self.texts.clone(), ..Encoded::default() };
        let mut compressed = 0;
        let mut largest: Vec<_> = ours().filter(|(_, text)| text.len() > LARGE).collect();
        largest.sort_by_key(|entry| std::cmp::Reverse(size(*entry)));
        for (key, text) in largest {
            if plain <= PLAIN {
                break;
            }
            plain -= size((key, text));
            encoded.annotations.remove(key);
            let data = gzip(text);
            compressed += data.len();
            encoded.binary.insert(name_of(key).into(), STANDARD.encode(data).into());
        }
        if plain > PLAIN {
            let packed = pack(&encoded.annotations);
            encoded.annotations.retain(|key, _| !packed.contains_key(&**key));
            plain = encoded.annotations.iter().map(size).sum();
            let text = serde_json::to_string(&packed).expect("its keys are strings");
            if text.len() > DOCUMENT {
                return Err(self.too_large("the entries together", text.len(), DOCUMENT));
            }
            let data = gzip(&text);
            compressed += data.len();
            encoded.binary.insert(PACK.into(), STANDARD.encode(data).into());
        }
        if compressed > COMPRESSED {
            return Err(self.too_large("the compressed documents", compressed, COMPRESSED));
        }
        if plain > ANNOTATIONS {
            return Err(self.too_large("the annotations", plain, ANNOTATIONS));
        }
        Ok(encoded)
    }
}

/// What an annotation has of what all can have together.
fn size((key, text): (&Arc<str>, &Arc<str>)) -> usize {
    key.len() + text.len()
}

/// The documents that are compressed together: the entries of members and of shards. What says the
/// version stays an annotation.
fn pack(texts: &Texts) -> BTreeMap<String, Value> {
    let entries = texts.iter().filter(|(key, _)| key.contains(OURS) && !key.starts_with(OURS));
    // A text that is no document stays where its reader looks for it, and says so.
    let documents = entries.filter_map(|(key, text)| {
        let document = serde_json::from_str(text).ok()?;
        Some((key.to_string(), document))
    });
    documents.collect()
}

/// The documents of a pack, by their keys.
fn unpack(text: &str) -> Result<impl Iterator<Item = (Arc<str>, Arc<str>)>, String> {
    let packed: BTreeMap<String, Value> =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(packed.into_iter().map(|(key, document)| (key.into(), document.to_string().into())))
}

/// How many bytes entries take once they are compressed together.
pub(super) fn packed_size<'a>(entries: impl Iterator<Item = (String, &'a Value)>) -> usize {
    let packed: BTreeMap<String, &Value> = entries.collect();
    gzip(&serde_json::to_string(&packed).expect("its keys are strings")).len()
}

/// Texts as a JSON object.
fn object(texts: &Texts) -> Value {
    texts.iter().map(|(key, text)| (key.to_string(), Value::from(&**text))).collect()
}

/// What a merge patch must carry to turn `before` into `after`; null removes a key.
fn difference(before: &Texts, after: &Texts) -> Map<String, Value> {
    let removed = before.keys().filter(|key| !after.contains_key(*key));
    let changed = after.iter().filter(|(key, value)| before.get(*key) != Some(value));
    removed
        .map(|key| (key.to_string(), Value::Null))
        .chain(changed.map(|(key, value)| (key.to_string(), Value::from(&**value))))
        .collect()
}

/// The name in `binaryData` of the document under a key. A key has one `/`, and none of ours has
/// `_`.
fn name_of(key: &str) -> String {
    key.replace('/', "_")
}

/// The key of the document under a name in `binaryData`, if it is ours.
fn key_of(name: &str) -> Option<String> {
    let key = name.replacen('_', "/", 1);
    key.contains(OURS).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::compressed::compress;

    const A: &str = "a.kubectl-federate.dev/";

    fn documents(annotations: &Value) -> Documents {
        let config_map = json!({"metadata": {"annotations": annotations}});
        Documents::read("configmap a/b".into(), &config_map).expect("whole")
    }

    /// Digits that a compression cannot make much smaller than half.
    fn noise(length: usize) -> String {
        let mut state = 1_u64;
        let digit = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from_digit(u32::try_from(state >> 33).unwrap_or(0) % 36, 36).unwrap_or('0')
        };
        (0..length).map(digit).collect()
    }

    fn written(documents: &Documents) -> Value {
        let mut config_map = json!({"metadata": {}});
        documents.write_to(&mut config_map).expect("fits");
        config_map
    }

    #[test]
    fn a_patch_has_only_what_changed_and_leaves_the_annotations_of_others() {
        let mut after = documents(&json!({"theirs": "x", "a/1": "1", "a/2": "2", "a/3": "3"}));
        after.clear_prefix("a/");
        after.put("a/1", &1);
        after.put("a/2", &22);
        let patch = after.patch("7").expect("fits");
        assert_eq!(
            patch,
            json!({"metadata": {
                "resourceVersion": "7", "annotations": {"a/2": "22", "a/3": null},
            }})
        );
    }

    #[test]
    fn damage_names_the_object_and_the_key() {
        let read = documents(&json!({"a/1": "{"}));
        for error in [
            read.get::<u32>("a/1").expect_err("not JSON").to_string(),
            read.with_prefix::<u32>("a/").expect_err("not JSON").to_string(),
            documents(&json!({})).get::<u32>("a/1").expect_err("missing").to_string(),
        ] {
            assert!(error.starts_with("configmap a/b is damaged: annotation \"a/1\": "), "{error}");
        }
        for damaged in ["?", "AAAA", &STANDARD.encode(&gzip("x")[..12])] {
            let config_map = json!({"binaryData": {"a.kubectl-federate.dev_1": damaged}});
            let error = Documents::read("configmap a/b".into(), &config_map).expect_err("damaged");
            let error = error.to_string();
            assert!(error.contains("annotation \"a.kubectl-federate.dev/1\""), "{error}");
        }
    }

    #[test]
    fn small_documents_that_become_huge_ones_together_are_damaged() {
        let large = compress(&" ".repeat(DOCUMENT));
        let names = (0..5).map(|n| (format!("{n}.kubectl-federate.dev_a"), large.clone()));
        let many = json!({"binaryData": names.collect::<BTreeMap<_, _>>()});
        let error = Documents::read("configmap a/b".into(), &many).expect_err("too much");
        assert!(error.to_string().contains("more than 33554432 bytes"), "{error}");
    }

    #[test]
    fn the_largest_documents_are_compressed_and_the_others_stay_plain() {
        let mut all = documents(&json!({"theirs/large": "x".repeat(PLAIN / 2)}));
        all.put(&format!("{A}small"), &"s");
        all.put(&format!("{A}large"), &"l".repeat(PLAIN));
        let config_map = written(&all);
        assert_eq!(config_map["metadata"]["annotations"][format!("{A}small")], "\"s\"");
        assert!(config_map["metadata"]["annotations"][format!("{A}large")].is_null());
        assert!(config_map["binaryData"]["a.kubectl-federate.dev_large"].is_string());
        let mut read = Documents::read("configmap a/b".into(), &config_map).expect("whole");
        assert_eq!(read.texts, all.texts);
        assert_eq!(read.patch("1").expect("fits")["metadata"]["annotations"], json!({}));
        read.put(&format!("{A}large"), &"l");
        let patch = read.patch("1").expect("fits");
        assert_eq!(patch["metadata"]["annotations"], json!({format!("{A}large"): "\"l\""}));
        assert_eq!(patch["binaryData"], json!({"a.kubectl-federate.dev_large": null}));
    }

    #[test]
    fn many_small_documents_are_compressed_together() {
        let mut all = documents(&json!({"theirs": "x"}));
        all.put("kubectl-federate.dev/state", &json!({"version": 9}));
        all.put(&format!("{A}large"), &"l".repeat(LARGE));
        for n in 0..5_000 {
            all.put(&format!("{A}{n}"), &json!({"name": format!("cluster-{n}"), "n": n}));
        }
        let config_map = written(&all);
        let annotations = config_map["metadata"]["annotations"].as_object().expect("an object");
        // Who knows nothing of packs reads that the version is a newer one.
        assert_eq!(
            annotations.keys().collect::<Vec<_>>(),
            ["kubectl-federate.dev/state", "theirs"]
        );
        let binary = config_map["binaryData"].as_object().expect("an object");
        assert_eq!(binary.keys().collect::<Vec<_>>(), ["a.kubectl-federate.dev_large", PACK]);
        let mut read = Documents::read("configmap a/b".into(), &config_map).expect("whole");
        assert_eq!(read.texts, all.texts);
        let unchanged = json!({"metadata": {"resourceVersion": "1", "annotations": {}}});
        assert_eq!(read.patch("1").expect("fits"), unchanged);
        for n in 10..5_000 {
            read.remove(&format!("{A}{n}"));
        }
        let patch = read.patch("1").expect("fits");
        assert_eq!(patch["binaryData"][PACK], Value::Null, "few are annotations again");
        assert_eq!(patch["metadata"]["annotations"].as_object().map(Map::len), Some(11));
    }

    #[test]
    fn a_pack_that_cannot_be_read_is_damaged() {
        for damaged in ["?".to_owned(), compress("[]"), compress("{\"a\":")] {
            let config_map = json!({"binaryData": {PACK: damaged}});
            let error = Documents::read("configmap a/b".into(), &config_map).expect_err("damaged");
            assert!(error.to_string().contains("pack.kubectl-federate.dev/documents"), "{error}");
        }
    }

    #[test]
    fn what_an_object_cannot_hold_is_refused() {
        let theirs = documents(&json!({"theirs": "x".repeat(ANNOTATIONS)}));
        assert!(matches!(theirs.patch("1"), Err(Error::TooLarge { limit: ANNOTATIONS, .. })));
        let mut ours = documents(&json!({}));
        for n in 0..16 {
            ours.put(&format!("{A}{n}"), &noise(PLAIN));
        }
        assert!(matches!(ours.patch("1"), Err(Error::TooLarge { limit: COMPRESSED, .. })));
        let mut long = documents(&json!({}));
        long.put(&format!("{A}1"), &" ".repeat(DOCUMENT));
        assert!(matches!(long.patch("1"), Err(Error::TooLarge { limit: DOCUMENT, .. })));
    }
}
