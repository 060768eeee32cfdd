//! The fields of the kinds that are served: what a strict server refuses, what a lenient one drops,
//! and by which key lists are merged. The table is taken from the `OpenAPI` document of Kubernetes
//! 1.36.3, and `scheduling` of Jobs from 1.37.2.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::Value;

static TABLE: &str = include_str!("schema.txt");

/// The type of a field.
#[derive(Debug)]
pub(crate) enum Type {
    /// `string`, `time`, `bytes`.
    Text,
    /// `int32` or `int64`.
    Integer(&'static str),
    Float,
    Bool,
    /// A quantity of a resource: a string that may be written as a number.
    Quantity,
    /// A port by number or by name.
    IntOrString,
    Any,
    Object(&'static str),
    Map(Box<Type>),
    /// A list, and how a strategic merge patch merges it.
    List(Box<Type>, Merge),
}

/// How a strategic merge patch treats a list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Merge {
    Replace,
    /// Values that the list does not hold yet are appended.
    Values,
    /// Items are objects, known by this key.
    Key(&'static str),
}

type Fields = HashMap<&'static str, Type>;

fn kinds() -> &'static HashMap<&'static str, Fields> {
    static KINDS: OnceLock<HashMap<&'static str, Fields>> = OnceLock::new();
    KINDS.get_or_init(|| {
        TABLE
            .lines()
            .filter_map(|line| {
                let mut words = line.split(' ');
                let kind = words.next()?;
                Some((
                    kind,
                    words.filter_map(|w| w.split_once(':')).map(|(f, t)| (f, parse(t))).collect(),
                ))
            })
            .collect()
    })
}

fn parse(text: &'static str) -> Type {
    if let Some(item) = text.strip_prefix("[]") {
        let (item, merge) = match item.split_once('~') {
            None => (item, Merge::Replace),
            Some((item, "")) => (item, Merge::Values),
            Some((item, key)) => (item, Merge::Key(key)),
        };
        return Type::List(Box::new(parse(item)), merge);
    }
    if let Some(value) = text.strip_prefix("{}") {
        return Type::Map(Box::new(parse(value)));
    }
    match text {
        "string" | "time" | "bytes" => Type::Text,
        "int32" | "int64" => Type::Integer(text),
        "float" => Type::Float,
        "bool" => Type::Bool,
        "quantity" => Type::Quantity,
        "intstr" => Type::IntOrString,
        "any" => Type::Any,
        kind => Type::Object(kind),
    }
}

/// The type of a kind's field.
pub(crate) fn field(kind: &str, name: &str) -> Option<&'static Type> {
    kinds().get(kind)?.get(name)
}

/// Brings an object to the form in which a server keeps it: unknown fields, nulls, and empty lists
/// and maps go. Returns what a strict server would have refused, or, as the error, what no server
/// can read.
pub(crate) fn decode(kind: &str, object: &mut Value) -> Result<Vec<String>, String> {
    let mut strict = Vec::new();
    let mut at = Place { path: String::new(), fields: String::new() };
    decode_kind(kind, object, &mut at, &mut strict)?;
    Ok(strict)
}

struct Place {
    /// The path as strict errors print it, with indexes.
    path: String,
    /// The path as type errors print it, without.
    fields: String,
}

impl Place {
    fn enter<T>(&mut self, segment: &str, field: bool, run: impl FnOnce(&mut Self) -> T) -> T {
        let (path, fields) = (self.path.len(), self.fields.len());
        if field && path > 0 {
            self.path.push('.');
        }
        self.path.push_str(segment);
        if field {
            if fields > 0 {
                self.fields.push('.');
            }
            self.fields.push_str(segment);
        }
        let result = run(self);
        self.path.truncate(path);
        self.fields.truncate(fields);
        result
    }
}

fn mismatch(kind: &str, value: &Value, at: &Place, wanted: &str) -> String {
    let found = match value {
        Value::String(_) => "string".to_owned(),
        Value::Number(n) if wanted.starts_with("int") => format!("number {n}"),
        Value::Number(_) => "number".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Array(_) => "array".to_owned(),
        Value::Object(_) => "object".to_owned(),
        Value::Null => "null".to_owned(),
    };
    format!(
        "json: cannot unmarshal {found} into Go struct field {kind}.{} of type {wanted}",
        at.fields
    )
}

fn decode_kind(
    kind: &str,
    object: &mut Value,
    at: &mut Place,
    strict: &mut Vec<String>,
) -> Result<(), String> {
    let Some(fields) = kinds().get(kind) else { return Ok(()) };
    let Some(map) = object.as_object_mut() else {
        return Err(mismatch(kind, object, at, &format!("v1.{kind}")));
    };
    let names: Vec<String> = map.keys().cloned().collect();
    for name in names {
        let Some(kind_of) = fields.get(name.as_str()) else {
            at.enter(&name, true, |at| strict.push(format!("unknown field {:?}", at.path)));
            map.remove(&name);
            continue;
        };
        let value = map.get_mut(&name).expect("the name was just read from the map");
        if value.is_null() {
            map.remove(&name);
            continue;
        }
        at.enter(&name, true, |at| decode_value(kind, kind_of, value, at, strict))?;
        let empty = match (kind_of, &*value) {
            (Type::List(..), Value::Array(list)) => list.is_empty(),
            (Type::Map(_), Value::Object(entries)) => entries.is_empty(),
            _ => false,
        };
        if empty {
            map.remove(&name);
        }
    }
    Ok(())
}

fn decode_value(
    kind: &str,
    wanted: &Type,
    value: &mut Value,
    at: &mut Place,
    strict: &mut Vec<String>,
) -> Result<(), String> {
    let wrong = |value: &Value, at: &Place, name: &str| Err(mismatch(kind, value, at, name));
    match wanted {
        Type::Any | Type::IntOrString => Ok(()),
        Type::Text if value.is_string() => Ok(()),
        Type::Text => wrong(value, at, "string"),
        Type::Integer("int32") if value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => {
            Ok(())
        }
        Type::Integer("int64") if value.is_i64() => Ok(()),
        Type::Integer(name) => wrong(value, at, name),
        Type::Float if value.is_number() => Ok(()),
        Type::Float => wrong(value, at, "float64"),
        Type::Bool if value.is_boolean() => Ok(()),
        Type::Bool => wrong(value, at, "bool"),
        Type::Quantity => {
            if value.is_number() {
                *value = Value::String(value.to_string());
            }
            if value.is_string() {
                Ok(())
            } else {
                Err("quantities must match the regular expression \
                    '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
                    .to_owned())
            }
        }
        Type::Object(inner) => decode_kind(inner, value, at, strict),
        Type::Map(inner) => {
            let Some(map) = value.as_object_mut() else {
                return wrong(value, at, "map[string]string");
            };
            for (key, entry) in map.iter_mut() {
                if entry.is_null() && matches!(**inner, Type::Text) {
                    *entry = Value::String(String::new());
                }
                at.enter(key, true, |at| decode_value(kind, inner, entry, at, strict))?;
            }
            Ok(())
        }
        Type::List(inner, _) => {
            let Some(list) = value.as_array_mut() else { return wrong(value, at, "[]") };
            for (index, entry) in list.iter_mut().enumerate() {
                at.enter(&format!("[{index}]"), false, |at| {
                    decode_value(kind, inner, entry, at, strict)
                })?;
            }
            Ok(())
        }
    }
}
