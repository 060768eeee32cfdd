//! Label selectors and field selectors, in the syntax of queries and in that of a spec.

use serde_json::Value;

use crate::object;

/// A label selector: all requirements must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Labels(Vec<Requirement>);

#[derive(Clone, Debug)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl Labels {
    /// Reads `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        split(text)
            .into_iter()
            .filter(|t| !t.trim().is_empty())
            .map(requirement)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Reads a `LabelSelector` object. None where it is null, which selects nothing.
    pub(crate) fn of_spec(selector: &Value) -> Option<Self> {
        let selector = selector.is_object().then_some(selector)?;
        let mut requirements: Vec<Requirement> = object::strings(selector, "/matchLabels")
            .map(|(key, value)| Requirement {
                key: key.to_owned(),
                test: Test::In(vec![value.to_owned()]),
            })
            .collect();
        for expression in object::items(selector, "/matchExpressions") {
            let values = || {
                object::items(expression, "/values")
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect()
            };
            let test = match object::text(expression, "/operator") {
                "In" => Test::In(values()),
                "NotIn" => Test::NotIn(values()),
                "Exists" => Test::Exists,
                _ => Test::Absent,
            };
            requirements
                .push(Requirement { key: object::text(expression, "/key").to_owned(), test });
        }
        Some(Self(requirements))
    }

    /// Whether there is no requirement.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an object's labels are selected.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.selects(|key| object::label(object, key))
    }

    /// Whether labels, looked up by key, are selected.
    pub(crate) fn selects<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|requirement| match (&requirement.test, label(&requirement.key)) {
            (Test::In(values), Some(value)) => values.iter().any(|v| v == value),
            (Test::NotIn(values), Some(value)) => values.iter().all(|v| v != value),
            (Test::NotIn(_) | Test::Absent, None) | (Test::Exists, Some(_)) => true,
            (Test::In(_) | Test::Exists, None) | (Test::Absent, Some(_)) => false,
        })
    }
}

/// Splits at the commas that are not in parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn requirement(text: &str) -> Result<Requirement, String> {
    let text = text.trim();
    let make = |key: &str, test| {
        let key = key.trim();
        let good = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if let Some((_, next)) = key.split_once(' ') {
            let next = next.trim();
            return Err(format!(
                "unable to parse requirement: found '{next}', expected: in, notin, =, ==, !=, gt, \
                 lt"
            ));
        }
        if key.is_empty() || !key.chars().all(good) {
            return Err(format!(
                "unable to parse requirement: found '{text}', expected: identifier"
            ));
        }
        Ok(Requirement { key: key.to_owned(), test })
    };
    let one = |value: &str| vec![value.trim().to_owned()];
    let set = |values: &str| {
        let inner = values.trim().strip_prefix('(').and_then(|v| v.strip_suffix(')'));
        inner
            .map(|v| v.split(',').map(|v| v.trim().to_owned()).collect())
            .ok_or_else(|| format!("unable to parse requirement: found '{values}', expected: '('"))
    };
    if let Some(key) = text.strip_prefix('!') {
        return make(key, Test::Absent);
    }
    if let Some((key, value)) = text.split_once("!=") {
        return make(key, Test::NotIn(one(value)));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return make(key, Test::In(one(value)));
    }
    if let Some((key, values)) = text.split_once(" notin ").or_else(|| {
        text.split_once(" notin(").map(|(k, _)| (k, &text[text.find('(').unwrap_or(0)..]))
    }) {
        return make(key, Test::NotIn(set(values)?));
    }
    if let Some((key, values)) = text
        .split_once(" in ")
        .or_else(|| text.split_once(" in(").map(|(k, _)| (k, &text[text.find('(').unwrap_or(0)..])))
    {
        return make(key, Test::In(set(values)?));
    }
    make(text, Test::Exists)
}

/// A field selector: each field must equal, or must not equal, a value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Vec<(String, bool, String)>);

impl Fields {
    /// Reads `metadata.name=pi,status.phase!=Failed`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let part = |part: &str| {
            let (field, equal, value) = if let Some((field, value)) = part.split_once("!=") {
                (field, false, value)
            } else if let Some((field, value)) =
                part.split_once("==").or_else(|| part.split_once('='))
            {
                (field, true, value)
            } else {
                return Err(format!("invalid selector: '{part}'; can't understand '{part}'"));
            };
            Ok((field.trim().to_owned(), equal, value.trim().to_owned()))
        };
        text.split(',').filter(|t| !t.is_empty()).map(part).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is no requirement.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first field that objects of a kind cannot be selected by.
    pub(crate) fn unsupported(&self, kind: &str) -> Option<&str> {
        let known = |field: &str| {
            matches!(field, "metadata.name" | "metadata.namespace")
                || match kind {
                    "Pod" => matches!(
                        field,
                        "spec.nodeName"
                            | "spec.restartPolicy"
                            | "spec.schedulerName"
                            | "status.phase"
                    ),
                    "Job" => field == "status.successful",
                    "Namespace" => matches!(field, "status.phase" | "name"),
                    "Event" => {
                        field.starts_with("involvedObject.") || matches!(field, "reason" | "type")
                    }
                    "Secret" => field == "type",
                    _ => false,
                }
        };
        self.0.iter().map(|(field, ..)| field.as_str()).find(|f| !known(f))
    }

    /// Whether an object is selected.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|(field, equal, value)| {
            let found = match field.as_str() {
                "status.successful" => {
                    object::number(object, "/status/succeeded").unwrap_or_default().to_string()
                }
                "name" => object::name(object).to_owned(),
                _ => object::text(object, &format!("/{}", field.replace('.', "/"))).to_owned(),
            };
            (found == *value) == *equal
        })
    }
}
