//! `-o`: objects as JSON, YAML, names, or as a template says.

use std::fmt::Write as _;

use serde_json::Value;

use super::{CustomColumns, Printed, Tabs, columns::NO_COLUMNS, escape, kyaml};
use crate::jsonpath::{JsonPath, go};

/// How objects are printed, where it is not the usual table.
#[derive(Debug, Clone, PartialEq)]
pub enum Format {
    /// A table of columns that the user chose.
    CustomColumns(CustomColumns),
    /// What a template in Go's language makes of the object, which kubectl has to run.
    GoTemplate(GoTemplate),
    /// The whole object, as JSON with four spaces of indentation.
    Json,
    /// What a template of paths makes of the object.
    JsonPath(JsonPath),
    /// What the paths of a template lead to, as lists of JSON.
    JsonPathAsJson(JsonPath),
    /// The whole object, as YAML with braces and quotes.
    Kyaml,
    /// `RESOURCE/NAME`.
    Name,
    /// The table with more columns.
    Wide,
    /// The whole object, as YAML.
    Yaml,
}

/// A template in Go's language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoTemplate {
    /// Its text.
    pub text: String,
    /// Whether a key that an object lacks is `<no value>`, and not an error.
    pub allow_missing_keys: bool,
}

/// What was typed of a format.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The value of `-o`, empty where it was not given.
    pub output: &'a str,
    /// The value of `--template`, empty where it was not given.
    pub template: &'a str,
    /// Whether a key that an object lacks is nothing, and not an error.
    pub allow_missing_keys: bool,
    /// Whether columns have names.
    pub headers: bool,
}

/// The formats that take a template.
const TEMPLATES: [&str; 9] = [
    "custom-columns",
    "custom-columns-file",
    "go-template",
    "go-template-file",
    "jsonpath",
    "jsonpath-as-json",
    "jsonpath-file",
    "template",
    "templatefile",
];

impl Format {
    /// The formats of verbs that list, in the order in which kubectl names them.
    pub const OF_LISTS: [&str; 14] = [
        "custom-columns",
        "custom-columns-file",
        "go-template",
        "go-template-file",
        "json",
        "jsonpath",
        "jsonpath-as-json",
        "jsonpath-file",
        "kyaml",
        "name",
        "template",
        "templatefile",
        "wide",
        "yaml",
    ];

    /// The formats of verbs that change something: those of lists, without those of tables.
    pub fn of_changes() -> Vec<&'static str> {
        let is_table = |format: &str| format == "wide" || format.starts_with("custom-columns");
        Self::OF_LISTS.into_iter().filter(|format| !is_table(format)).collect()
    }

    /// The format that was asked for, of those that there are; none for the usual table or
    /// sentence. `read` gives the text of a file, or why it cannot be read.
    ///
    /// # Errors
    /// There is no such format, or its template is none, in kubectl's words.
    pub fn choose(
        asked: Asked<'_>,
        allowed: &[&str],
        read: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Option<Self>, String> {
        let (name, value) = match asked.output.split_once('=') {
            _ if !asked.template.is_empty() && asked.output.is_empty() => {
                ("go-template", asked.template)
            }
            _ if !asked.template.is_empty() => (asked.output, asked.template),
            Some((name, value)) if TEMPLATES.contains(&name) => (name, value),
            _ => (asked.output, ""),
        };
        if name.is_empty() {
            return Ok(None);
        }
        let lower = name.to_lowercase();
        let is_whole = matches!(&*lower, "json" | "kyaml" | "name" | "yaml");
        let known = if is_whole { &*lower } else { name };
        if !allowed.contains(&known) {
            return Err(format!(
                "unable to match a printer suitable for the output format {}, allowed formats \
                are: {}",
                go::quoted(name),
                allowed.join(",")
            ));
        }
        Ok(Some(match known {
            "json" => Self::Json,
            "kyaml" => Self::Kyaml,
            "yaml" => Self::Yaml,
            "name" => Self::Name,
            "wide" => Self::Wide,
            "custom-columns" | "custom-columns-file" if value.is_empty() => {
                return Err(NO_COLUMNS.to_owned());
            }
            _ if value.is_empty() => {
                return Err("template format specified but no template given".to_owned());
            }
            "custom-columns" => {
                Self::CustomColumns(CustomColumns::from_spec(value, asked.headers)?)
            }
            "custom-columns-file" => {
                let text =
                    read(value).map_err(|why| format!("error reading template {value}, {why}"))?;
                Self::CustomColumns(CustomColumns::from_file(&text)?)
            }
            _ => Self::template(known, value, asked, read)?,
        }))
    }

    fn template(
        name: &str,
        value: &str,
        asked: Asked<'_>,
        read: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Self, String> {
        let text = match name {
            "jsonpath-file" | "go-template-file" | "templatefile" => {
                read(value).map_err(|why| format!("error reading --template {value}, {why}"))?
            }
            _ => value.to_owned(),
        };
        let allow_missing_keys = asked.allow_missing_keys;
        if !name.starts_with("jsonpath") {
            return Ok(Self::GoTemplate(GoTemplate { text, allow_missing_keys }));
        }
        let path = JsonPath::parse(&text)
            .map_err(|why| format!("error parsing jsonpath {text}, {why}"))?
            .allow_missing_keys(allow_missing_keys);
        if name == "jsonpath-as-json" {
            return Ok(Self::JsonPathAsJson(path));
        }
        Ok(Self::JsonPath(path))
    }

    /// What is printed of an object or of a [`list`]; none where that is not for us: a table, and a
    /// template in Go's language.
    ///
    /// `resource` is what `-o name` prints before the slash, such as `job.batch`. managedFields are
    /// left out of JSON and YAML.
    pub fn print(&self, object: &Value, resource: &str) -> Option<Printed> {
        self.print_below(object, resource, &mut Tabs::default(), true)
    }

    /// The same below what was printed before, aligned by the same `tabs`; `first` where nothing
    /// was.
    pub fn print_below(
        &self,
        object: &Value,
        resource: &str,
        tabs: &mut Tabs,
        first: bool,
    ) -> Option<Printed> {
        let printed = |text: Result<String, String>| {
            let (text, failed) = match text {
                Ok(text) => (text, None),
                Err(why) => (String::new(), Some(why)),
            };
            Some(Printed { text, failed })
        };
        match self {
            Self::Json => printed(Ok(json(object))),
            Self::Kyaml => printed(Ok(kyaml(object))),
            Self::Yaml => printed(Ok(yaml(object))),
            Self::Name => printed(Ok(names(object, resource))),
            Self::JsonPath(path) => printed(path.text(object)),
            Self::JsonPathAsJson(path) => printed(path.json(object)),
            Self::CustomColumns(columns) => Some(columns.print(items(object), tabs, first)),
            Self::GoTemplate(_) | Self::Wide => None,
        }
    }
}

/// The list that `kubectl get` makes of several objects.
pub fn list(items: Vec<Value>) -> Value {
    let metadata = serde_json::json!({ "resourceVersion": "" });
    let mut list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "metadata": metadata });
    list["items"] = Value::Array(items);
    list
}

/// An object, or a list of them, as JSON with four spaces of indentation, without managedFields.
pub fn json(object: &Value) -> String {
    let mut text = escape::json(&go::indented_json(&without_managed_fields(object)));
    text.push('\n');
    text
}

/// An object, or a list of them, as YAML, without managedFields.
pub fn yaml(object: &Value) -> String {
    crate::yaml::write(&without_managed_fields(object))
}

/// An object, or a list of them, as KYAML, without managedFields.
pub fn kyaml(object: &Value) -> String {
    kyaml::document(&without_managed_fields(object))
}

/// The items of a list; of anything else, itself.
fn items(object: &Value) -> &[Value] {
    let one = std::slice::from_ref(object);
    object.get("items").and_then(Value::as_array).map_or(one, Vec::as_slice)
}

fn names(object: &Value, resource: &str) -> String {
    let mut text = String::new();
    for item in items(object) {
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
    use serde_json::json;

    use super::*;

    fn pi() -> Value {
        json!({
            "kind": "Job",
            "apiVersion": "batch/v1",
            "metadata": { "name": "pi", "managedFields": [{ "manager": "kubectl" }], "labels": {} },
            "spec": { "args": ["a && b > c", "\u{9b}x"], "completions": 18 },
        })
    }

    fn text(format: &Format, object: &Value) -> String {
        let printed = format.print(object, "job.batch").expect("it is for us");
        assert_eq!(printed.failed, None);
        printed.text
    }

    #[test]
    fn json_is_as_kubectl_prints_it() {
        assert_eq!(
            text(&Format::Json, &pi()),
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
            text(&Format::Yaml, &list(vec![pi()])),
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
        assert_eq!(text(&Format::Name, &pi()), "job.batch/pi\n");
        assert_eq!(text(&Format::Name, &list(vec![pi(), pi()])), "job.batch/pi\njob.batch/pi\n");
        assert_eq!(text(&Format::Name, &list(Vec::new())), "");
        assert_eq!(Format::Wide.print(&pi(), "job.batch"), None);
    }

    fn chosen(output: &str, template: &str) -> Result<Option<Format>, String> {
        let asked = Asked { output, template, allow_missing_keys: true, headers: true };
        Format::choose(asked, &Format::OF_LISTS, |file| Err(format!("open {file}: no")))
    }

    #[test]
    fn an_unknown_format_is_refused_in_kubectls_words() {
        assert_eq!(chosen("wide", ""), Ok(Some(Format::Wide)));
        assert_eq!(chosen("JSON", ""), Ok(Some(Format::Json)));
        assert_eq!(chosen("", ""), Ok(None));
        for (output, template, why) in [
            ("jsonpath=", "", "template format specified but no template given"),
            ("custom-columns", "", "custom-columns format specified but no custom columns given"),
            ("jsonpath={.x", "", "error parsing jsonpath {.x, unclosed action"),
            ("jsonpath-file=x", "", "error reading --template x, open x: no"),
            ("custom-columns-file=x", "", "error reading template x, open x: no"),
        ] {
            assert_eq!(chosen(output, template), Err(why.to_owned()), "{output}");
        }
        for (output, template) in [("x", ""), ("json=x", ""), ("Wide", ""), ("jsonpath=x", "y")] {
            let why = chosen(output, template).expect_err(output);
            let sentence = format!(
                "unable to match a printer suitable for the output format {output:?}, allowed \
                 formats are: custom-columns,"
            );
            assert!(why.starts_with(&sentence), "{why}");
        }
    }

    #[test]
    fn templates_are_given_in_either_flag() {
        let path = |text: &str| JsonPath::parse(text).expect("a path");
        assert_eq!(chosen("jsonpath={.x}", ""), Ok(Some(Format::JsonPath(path("{.x}")))));
        assert_eq!(chosen("jsonpath", "{.x=1}"), Ok(Some(Format::JsonPath(path("{.x=1}")))));
        let template = GoTemplate { text: "{{.x}}".to_owned(), allow_missing_keys: true };
        for (output, template_flag) in [("", "{{.x}}"), ("template={{.x}}", "")] {
            let found = chosen(output, template_flag);
            assert_eq!(found, Ok(Some(Format::GoTemplate(template.clone()))));
        }
    }
}
