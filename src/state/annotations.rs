//! Documents as annotations: JSON under a key, all of them bounded together.

use std::{collections::BTreeMap, fmt::Display};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::Error;

/// What all annotations of an object together can hold, keys included, in bytes
/// (`TotalAnnotationSizeLimitB` of the API server's validation).
pub const LIMIT: usize = 256 * 1024;

/// The annotations of one object: ours are read and changed by key, those of others stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Annotations {
    object: String,
    values: BTreeMap<String, String>,
}

impl Annotations {
    /// Those of an object as read; `object` is how errors name it.
    pub fn of(object: String, metadata: &Value) -> Self {
        let values = metadata["annotations"].as_object().into_iter().flatten();
        let values = values
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect();
        Self { object, values }
    }

    /// None at all, for an object that does not exist yet.
    pub fn none(object: String) -> Self {
        Self { object, values: BTreeMap::new() }
    }

    /// Puts a document under a key.
    pub fn put(&mut self, key: &str, document: &impl Serialize) {
        let text = serde_json::to_string(document).expect("our documents have string keys only");
        self.values.insert(key.to_owned(), text);
    }

    /// The document under a key that must be there.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<T, Error> {
        match self.values.get(key) {
            Some(text) => serde_json::from_str(text).map_err(|cause| self.damaged(key, &cause)),
            None => Err(self.damaged(key, &"it is missing")),
        }
    }

    /// The documents whose keys begin with `prefix`, by the rest of the key.
    pub fn with_prefix<T: DeserializeOwned>(
        &self,
        prefix: &str,
    ) -> Result<BTreeMap<String, T>, Error> {
        let with_prefix = self
            .values
            .iter()
            .filter_map(|(key, text)| Some((key, key.strip_prefix(prefix)?, text)));
        with_prefix
            .map(|(key, rest, text)| {
                let document =
                    serde_json::from_str(text).map_err(|cause| self.damaged(key, &cause))?;
                Ok((rest.to_owned(), document))
            })
            .collect()
    }

    /// The error that says that the document under a key is not what it must be.
    pub fn damaged(&self, key: &str, cause: &dyn Display) -> Error {
        Error::Damaged {
            object: self.object.clone(),
            key: key.to_owned(),
            cause: cause.to_string(),
        }
    }

    /// How errors name the object.
    pub fn object(&self) -> &str {
        &self.object
    }

    /// All of them, as `metadata.annotations` of a new object.
    ///
    /// # Errors
    /// They exceed [`LIMIT`].
    pub fn to_value(&self) -> Result<Value, Error> {
        self.check()?;
        Ok(json!(self.values))
    }

    /// What a merge patch must carry to turn `before` into these; null removes a key.
    ///
    /// # Errors
    /// They exceed [`LIMIT`].
    pub fn patch_from(&self, before: &Self) -> Result<Map<String, Value>, Error> {
        self.check()?;
        let removed = before.values.keys().filter(|key| !self.values.contains_key(*key));
        let changed =
            self.values.iter().filter(|(key, value)| before.values.get(*key) != Some(value));
        Ok(removed
            .map(|key| (key.clone(), Value::Null))
            .chain(changed.map(|(key, value)| (key.clone(), Value::from(value.as_str()))))
            .collect())
    }

    fn check(&self) -> Result<(), Error> {
        let bytes = self.values.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > LIMIT {
            return Err(Error::TooLarge { object: self.object.clone(), bytes });
        }
        Ok(())
    }

    /// Drops the document under a key.
    pub fn remove(&mut self, key: &str) {
        self.values.remove(key);
    }

    /// Drops our documents with this prefix, before they are put again.
    pub fn clear_prefix(&mut self, prefix: &str) {
        self.values.retain(|key, _| !key.starts_with(prefix));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations(value: &Value) -> Annotations {
        Annotations::of("configmap a/b".into(), &json!({ "annotations": value }))
    }

    #[test]
    fn a_patch_carries_only_what_changed_and_leaves_what_is_not_ours() {
        let before = annotations(&json!({"theirs": "x", "a/1": "1", "a/2": "2", "a/3": "3"}));
        let mut after = before.clone();
        after.clear_prefix("a/");
        after.put("a/1", &1);
        after.put("a/2", &22);
        assert_eq!(
            Value::Object(after.patch_from(&before).expect("fits")),
            json!({"a/2": "22", "a/3": null})
        );
    }

    #[test]
    fn damage_names_the_object_and_the_key() {
        let read = annotations(&json!({"a/1": "{"}));
        for error in [
            read.get::<u32>("a/1").expect_err("not JSON").to_string(),
            read.with_prefix::<u32>("a/").expect_err("not JSON").to_string(),
            annotations(&json!({})).get::<u32>("a/1").expect_err("missing").to_string(),
        ] {
            assert!(error.starts_with("configmap a/b is damaged: annotation \"a/1\": "), "{error}");
        }
    }

    #[test]
    fn what_an_object_cannot_hold_is_refused() {
        let mut full = annotations(&json!({}));
        full.put("k", &"x".repeat(LIMIT - 3));
        assert!(full.to_value().is_ok());
        full.put("k", &"x".repeat(LIMIT - 2));
        assert!(
            matches!(full.to_value(), Err(Error::TooLarge { bytes, .. }) if bytes == LIMIT + 1)
        );
    }
}
