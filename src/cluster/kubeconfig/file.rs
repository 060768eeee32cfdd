//! Reads one kubeconfig file as leniently as client-go does.
//!
//! Only the first YAML document counts. An entry that cannot be read is an error where it is used,
//! and nowhere else: it must not hide the entries beside it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::entry::{Cluster, Context, Entry, User};
use crate::cluster::error::Error;
use crate::cluster::redact;
use crate::yaml;

/// The entries of a list by name, each with what is wrong with it where it cannot be read.
pub(super) type Entries<T> = BTreeMap<String, Result<T, Error>>;

/// The content of a file.
#[derive(Debug, Default)]
pub(super) struct File {
    pub current_context: String,
    pub clusters: Entries<Cluster>,
    pub contexts: Entries<Context>,
    pub users: Entries<User>,
}

impl File {
    /// Reads the bytes of the file at an absolute path.
    ///
    /// # Errors
    /// [`Error::Kubeconfig`] for bytes that are not text, broken YAML in the first document, a
    /// `kind` other than `Config`, and a field of the wrong type outside the entries.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        let fault = |cause: String| Error::Kubeconfig { file: path.to_path_buf(), cause };
        let text = yaml::decode_first(bytes).map_err(fault)?;
        let first = match json(&text) {
            Some(object) => Some(object),
            // The parser's message may quote the file, and there may be a token in the quotes.
            // Only extensions nest that deep, and what they hold there is for other programs.
            None => yaml::read_shallow(&text)
                .map_err(|error| fault(redact::printable(&redact::unquoted(&error))))?
                .into_iter()
                .next(),
        };
        let mut fields = match first {
            Some(Value::Object(fields)) => fields,
            Some(_) => return Err(fault("it is not a mapping of fields".to_owned())),
            None => return Ok(Self::default()),
        };
        let kind = string(&mut fields, "kind").map_err(fault)?;
        if !matches!(kind.as_str(), "" | "Config") {
            return Err(fault(format!("its kind is {}, not Config", redact::printable(&kind))));
        }
        Ok(Self {
            current_context: string(&mut fields, "current-context").map_err(fault)?,
            clusters: entries(&mut fields, "clusters", "cluster", path)?,
            contexts: entries(&mut fields, "contexts", "context", path)?,
            users: entries(&mut fields, "users", "user", path)?,
        })
    }
}

/// The object in JSON that a text begins with, whatever follows it: go-yaml reads no further.
fn json(text: &str) -> Option<Value> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    values.next()?.ok().filter(Value::is_object)
}

/// A field that is text, and empty where it is missing or `null`.
fn string(fields: &mut Map<String, Value>, name: &str) -> Result<String, String> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("{name} is not a string")),
    }
}

/// The entries of a list such as `clusters`, each of which holds its content in a field such as
/// `cluster`. An entry without a name cannot be used, so it is dropped.
fn entries<T: Entry>(
    fields: &mut Map<String, Value>,
    list: &str,
    field: &str,
    path: &Path,
) -> Result<Entries<T>, Error> {
    let fault = |cause: String| Error::Kubeconfig { file: path.to_path_buf(), cause };
    let items = match fields.remove(list) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(fault(format!("{list} is not a list"))),
    };
    let mut entries = Entries::new();
    for item in items {
        let Value::Object(mut item) = item else { continue };
        let Some(name) = string(&mut item, "name").ok().filter(|name| !name.is_empty()) else {
            tracing::debug!("kubeconfig {}: {list} has an entry without a name", path.display());
            continue;
        };
        let content = item.remove(field).unwrap_or_default();
        let entry = if entries.contains_key(&name) {
            Err(fault(format!("{list} has the name {name:?} twice")))
        } else {
            entry(content, path).map_err(|cause| fault(format!("{list}: {name:?}: {cause}")))
        };
        entries.insert(name, entry);
    }
    Ok(entries)
}

/// The content of an entry. The error names the field and shows nothing of its value.
fn entry<T: Entry>(content: Value, path: &Path) -> Result<T, String> {
    let read: Result<Option<T>, _> = serde_path_to_error::deserialize(content);
    let mut entry = read
        .map_err(|error| {
            let field = error.path().to_string();
            let cause = redact::unquoted(&error.into_inner().to_string());
            redact::printable(&if field == "." { cause } else { format!("{field}: {cause}") })
        })?
        .unwrap_or_default();
    if let Some(folder) = path.parent() {
        entry.resolve(folder);
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_that_nest_deep_hurt_nobody() {
        // The parser reads no flow collections that stand deeper than 255.
        for depth in [90, 101, 200] {
            let lists = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let maps = format!("{}1{}", "{a: ".repeat(depth), "}".repeat(depth));
            let json = format!("{}1{}", "{\"a\": ".repeat(depth), "}".repeat(depth));
            for (open, deep, close) in [
                ("current-context: a\nextensions:\n- name: x\n  extension: ", lists, "\n"),
                ("current-context: a\nextensions:\n- name: x\n  extension: ", maps, "\n"),
                ("{\"extensions\": [{\"extension\": ", json, "}], \"current-context\": \"a\"}"),
            ] {
                let file = File::parse(format!("{open}{deep}{close}").as_bytes(), Path::new("/f"));
                assert_eq!(file.expect("it is read").current_context, "a", "{depth}");
            }
        }
    }

    #[test]
    fn what_follows_a_document_in_json_does_not_count() {
        for next in ["", " {\"current-context\": \"b\"}", "\n---\ncurrent-context: b\n", "\nx"] {
            let text = format!("{{\"current-context\": \"a\"}}{next}");
            let file = File::parse(text.as_bytes(), Path::new("/f")).expect("the first is whole");
            assert_eq!(file.current_context, "a", "{next:?}");
        }
        assert!(File::parse(b"{\"a\": ", Path::new("/f")).is_err());
    }
}
