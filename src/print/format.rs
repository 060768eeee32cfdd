//! `-o`: objects as JSON, YAML or names.

use std::fmt::Write as _;
use std::str::FromStr;

use serde::Serialize as _;
use serde_json::{Value, json};

use super::escape;
/// The value of `-o`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The whole object, as JSON with four spaces of indentation.
    Json,
    /// `RESOURCE/NAME`.
    Name,
    /// The table with more columns.
    Wide,
    /// The whole object, as YAML.
    Yaml,
}

impl Format {
    /// The names that `-o` takes, in kubectl's order.
    pub const NAMES: [(&'static str, Self); 4] =
        [("json", Self::Json), ("name", Self::Name), ("wide", Self::Wide), ("yaml", Self::Yaml)];

    /// The text of an object or of a [`list`], ending in a newline; `None` for a table.
    ///
    /// `resource` is what `-o name` prints before the slash, such as `job.batch`. managedFields are
    /// left out.
    pub fn text(self, object: &Value, resource: &str) -> Option<String> {
        match self {
            Self::Json => Some(to_json(&without_managed_fields(object))),
            Self::Yaml => Some(crate::yaml::write(&without_managed_fields(object))),
            Self::Name => Some(names(object, resource)),
            Self::Wide => None,
        }
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let found = Self::NAMES.iter().find(|(name, _)| *name == text);
        found.map(|(_, format)| *format).ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

/// A value of `-o` that there is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unable to match a printer suitable for the output format {0:?}, allowed formats are: \
    {allowed}",
    allowed = Format::NAMES.map(|(name, _)| name).join(",")
)]
pub struct UnknownFormat(String);

/// The list that `kubectl get` makes of several objects.
pub fn list(items: Vec<Value>) -> Value {
    let mut list =
        json!({ "apiVersion": "v1", "kind": "List", "metadata": { "resourceVersion": "" } });
    list["items"] = Value::Array(items);
    list
}

fn to_json(object: &Value) -> String {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    object
        .serialize(&mut serializer)
        .expect("a value has string keys, and memory does not fail to be written");
    let mut text = escape::json(&String::from_utf8(bytes).expect("serde_json writes UTF-8"));
    text.push('\n');
    text
}

fn names(object: &Value, resource: &str) -> String {
    let mut text = String::new();
    let one = std::slice::from_ref(object);
    for item in object.get("items").and_then(Value::as_array).map_or(one, Vec::as_slice) {
        let name = item.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("<unknown>");
        let _ = writeln!(text, "{resource}/{}", escape::line(name));
    }
    text
}

fn without_managed_fields(object: &Value) -> Value {
    let mut object = object.clone();
    let hide = |object: &mut Value| {
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
    };
    hide(&mut object);
    for item in object.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
        hide(item);
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pi() -> Value {
        json!({
            "kind": "Job",
            "apiVersion": "batch/v1",
            "metadata": { "name": "pi", "managedFields": [{ "manager": "kubectl" }], "labels": {} },
            "spec": { "args": ["a && b > c", "\u{9b}x"], "completions": 18 },
        })
    }

    #[test]
    fn json_is_as_kubectl_prints_it() {
        assert_eq!(
            Format::Json.text(&pi(), "job.batch").expect("text"),
            r#"{
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {
        "labels": {},
        "name": "pi"
    },
    "spec": {
        "args": [
            "a \u0026\u0026 b \u003e c",
            "\u009bx"
        ],
        "completions": 18
    }
}
"#
        );
    }

    #[test]
    fn yaml_is_as_kubectl_prints_it() {
        assert_eq!(
            Format::Yaml.text(&list(vec![pi()]), "job.batch").expect("text"),
            r#"apiVersion: v1
items:
- apiVersion: batch/v1
  kind: Job
  metadata:
    labels: {}
    name: pi
  spec:
    args:
    - a && b > c
    - "\x9Bx"
    completions: 18
kind: List
metadata:
  resourceVersion: ""
"#
        );
    }

    #[test]
    fn names_are_one_per_line() {
        assert_eq!(Format::Name.text(&pi(), "job.batch").as_deref(), Some("job.batch/pi\n"));
        assert_eq!(
            Format::Name.text(&list(vec![pi(), pi()]), "job.batch").as_deref(),
            Some("job.batch/pi\njob.batch/pi\n")
        );
        assert_eq!(Format::Name.text(&list(Vec::new()), "job.batch").as_deref(), Some(""));
        assert_eq!(Format::Wide.text(&pi(), "job.batch"), None);
    }

    #[test]
    fn an_unknown_format_is_refused_in_kubectls_words() {
        assert_eq!("wide".parse::<Format>().expect("known"), Format::Wide);
        assert_eq!(
            "x".parse::<Format>().expect_err("unknown").to_string(),
            "unable to match a printer suitable for the output format \"x\", \
             allowed formats are: json,name,wide,yaml"
        );
    }
}
