//! JSON that forgets nothing: a key that is there twice is seen, which `serde_json::Value` would
//! not show.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::{InvalidPreferences, did_you_mean};

/// A JSON value as it is written.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    Number(Number),
    String(String),
    Array,
    Object(Vec<(String, Value)>),
}

impl Value {
    /// The fields of an object: each once, and of the known names only. No known names: any name
    /// will do.
    pub fn object(
        &self,
        place: &str,
        known: &[&str],
    ) -> Result<&[(String, Value)], InvalidPreferences> {
        let Self::Object(fields) = self else {
            return Err(InvalidPreferences::new(place, format!("must be an object, is {self}")));
        };
        for (i, (field, _)) in fields.iter().enumerate() {
            let problem = if fields[..i].iter().any(|(earlier, _)| earlier == field) {
                "is there twice".to_owned()
            } else if !known.is_empty() && !known.contains(&field.as_str()) {
                format!("unknown field{}", did_you_mean(field, known))
            } else {
                continue;
            };
            let dot = if place.is_empty() { "" } else { "." };
            return Err(InvalidPreferences::new(format!("{place}{dot}{field}"), problem));
        }
        Ok(fields)
    }

    /// `true` or `false`.
    pub fn boolean(&self, place: &str) -> Result<bool, InvalidPreferences> {
        match self {
            Self::Boolean(value) => Ok(*value),
            other => {
                Err(InvalidPreferences::new(place, format!("must be true or false, is {other}")))
            }
        }
    }

    /// A whole number of 0 or more, in 32 bits as all counts of pods are.
    pub fn count(&self, place: &str) -> Result<i32, InvalidPreferences> {
        let problem = match self {
            Self::Number(number) => match (number.as_i64().map(i32::try_from), number.as_f64()) {
                (Some(Ok(count)), _) if count >= 0 => return Ok(count),
                (_, Some(value)) if value < 0.0 => format!("must be 0 or more, is {number}"),
                (_, Some(value)) if value > f64::from(i32::MAX) => {
                    format!("must be at most {}, is {number}", i32::MAX)
                }
                _ => format!("must be a whole number, is {number}"),
            },
            other => format!("must be a whole number, is {other}"),
        };
        Err(InvalidPreferences::new(place, problem))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => value.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::String(text) => write!(f, "the string {text:?}"),
            Self::Array => f.write_str("an array"),
            Self::Object(_) => f.write_str("an object"),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

struct Written;

impl<'de> Visitor<'de> for Written {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        while items.next_element::<Value>()?.is_some() {}
        Ok(Value::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = entries.next_entry()? {
            fields.push(field);
        }
        Ok(Value::Object(fields))
    }
}
