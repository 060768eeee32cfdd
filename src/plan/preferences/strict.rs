//! Strict reading of the annotation: the place of each error, and nothing that JSON lets pass.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Number, Value};

use super::InvalidPreferences;

/// Reads JSON; the error has the path of the field.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, InvalidPreferences> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut deserializer);
    let Object(value) = read.map_err(|error| {
        let place = error.path().to_string();
        let error = error.into_inner();
        if !error.is_data() {
            return InvalidPreferences::new("", format!("is not valid JSON: {error}"));
        }
        // The place says it better than line and column.
        let problem = error.to_string();
        let (problem, _) = problem.rsplit_once(" at line ").unwrap_or((&problem, ""));
        InvalidPreferences::new(if place == "." { "" } else { &place }, problem)
    })?;
    deserializer
        .end()
        .map_err(|error| InvalidPreferences::new("", format!("is not valid JSON: {error}")))?;
    Ok(value)
}

/// A struct that is read from an object, and not from a list of its fields, which serde reads too.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

struct Fields<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
    }
}

/// An object of objects in which each key occurs once.
pub(super) fn unique_keys<'de, D, T>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_map(UniqueKeys(PhantomData))
}

struct UniqueKeys<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for UniqueKeys<T> {
    type Value = BTreeMap<String, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((key, Object(value))) = entries.next_entry::<String, Object<T>>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("duplicate field `{key}`")));
            }
            map.insert(key, value);
        }
        Ok(map)
    }
}

/// An integer from 0 to 2³¹ - 1, as all counts of pods are.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    let problem = match Value::deserialize(deserializer)? {
        Value::Number(number) => match number.as_i64().map(i32::try_from) {
            Some(Ok(count)) if count >= 0 => return Ok(count),
            _ => out_of_range(&number),
        },
        Value::Null => "must be a whole number, is null".to_owned(),
        Value::Bool(value) => format!("must be a whole number, is {value}"),
        Value::String(text) => format!("must be a whole number, is the string {text:?}"),
        Value::Array(_) => "must be a whole number, is a list".to_owned(),
        Value::Object(_) => "must be a whole number, is an object".to_owned(),
    };
    Err(D::Error::custom(problem))
}

fn out_of_range(number: &Number) -> String {
    match number.as_f64() {
        Some(value) if value < 0.0 => format!("must be 0 or more, is {number}"),
        Some(value) if value > f64::from(i32::MAX) => {
            format!("must be at most {}, is {number}", i32::MAX)
        }
        _ => format!("must be a whole number, is {number}"),
    }
}

/// The same for a field that may be absent.
pub(super) fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i32>, D::Error> {
    count(deserializer).map(Some)
}
