//! What a path leads to, and how two such values compare in Go.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::go;

/// A value that a path leads to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Found<'a> {
    /// A value of the object.
    Value(&'a Value),
    /// Text of the template.
    Text(&'a str),
    /// A number of the template.
    Int(i64),
    /// A number of the template with a dot.
    Float(f64),
    /// A word of the template: `true` or `false`.
    Bool(bool),
    /// A byte of a text, of which a wildcard leads to each.
    Byte(u8),
    /// Nothing at all: where a loop over nothing, or over null, stands.
    Nothing,
}

/// A value in Go's types, of those that compare.
enum Basic<'a> {
    Bool(bool),
    Int(i64),
    Unsigned(u8),
    Float(f64),
    Text(&'a str),
}

/// Why two values do not compare.
const NOT_BASIC: &str = "invalid type for comparison";
const DIFFERENT: &str = "incompatible types for comparison";

impl<'a> Found<'a> {
    /// The list, if it is one.
    pub(super) fn list(self) -> Option<&'a [Value]> {
        match self {
            Self::Value(Value::Array(items)) => Some(items),
            _ => None,
        }
    }

    /// Whether it is null, which every step passes over.
    pub(super) fn is_null(self) -> bool {
        self == Self::Value(&Value::Null)
    }

    /// All that is in it: of a map by its keys, of a text its bytes.
    pub(super) fn content(self) -> Vec<Self> {
        match self {
            Self::Value(Value::Array(items)) => items.iter().map(Self::Value).collect(),
            Self::Value(Value::Object(fields)) => fields.values().map(Self::Value).collect(),
            Self::Value(Value::String(text)) => text.bytes().map(Self::Byte).collect(),
            Self::Text(text) => text.bytes().map(Self::Byte).collect(),
            _ => Vec::new(),
        }
    }

    /// The name of its type in Go.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Value(Value::Object(_)) => "map[string]interface {}",
            Self::Value(Value::Array(_)) => "[]interface {}",
            Self::Value(Value::String(_)) | Self::Text(_) => "string",
            Self::Value(Value::Number(number)) if go::integer(number).is_some() => "int64",
            Self::Value(Value::Number(_)) | Self::Float(_) => "float64",
            Self::Value(Value::Bool(_)) | Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Byte(_) => "uint8",
            Self::Value(Value::Null) | Self::Nothing => "<nil>",
        }
    }

    /// As Go prints it in the course of a sentence.
    pub fn shown(self) -> String {
        match self {
            Self::Value(value) => go::shown(value),
            Self::Text(text) => text.to_owned(),
            Self::Int(number) => number.to_string(),
            Self::Float(number) => go::float(number),
            Self::Bool(word) => word.to_string(),
            Self::Byte(byte) => byte.to_string(),
            Self::Nothing => "<invalid reflect.Value>".to_owned(),
        }
    }

    /// As a value of JSON.
    pub(super) fn to_json(self) -> Value {
        match self {
            Self::Value(value) => value.clone(),
            Self::Text(text) => text.into(),
            Self::Int(number) => number.into(),
            Self::Float(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
            Self::Bool(word) => word.into(),
            Self::Byte(byte) => byte.into(),
            Self::Nothing => Value::Null,
        }
    }

    /// Whether an operator holds between this and another value.
    ///
    /// # Errors
    /// Values of these types do not compare, or there is no such operator.
    pub fn compares(self, operator: &str, other: Self) -> Result<bool, String> {
        match operator {
            "==" => self.equals(other),
            "!=" => self.equals(other).map(|equal| !equal),
            "<" => self.is_less(other),
            ">=" => self.is_less(other).map(|less| !less),
            "<=" => Ok(self.is_less(other)? || self.equals(other)?),
            ">" => Ok(!(self.is_less(other)? || self.equals(other)?)),
            _ => Err(format!("unrecognized filter operator {operator}")),
        }
    }

    fn equals(self, other: Self) -> Result<bool, String> {
        Ok(self.order(other, true)? == Some(Ordering::Equal))
    }

    fn is_less(self, other: Self) -> Result<bool, String> {
        Ok(self.order(other, false)? == Some(Ordering::Less))
    }

    /// How they are ordered. Words of two are equal or not, and have no order.
    fn order(self, other: Self, words_too: bool) -> Result<Option<Ordering>, String> {
        let (left, right) = (self.basic()?, other.basic()?);
        match (left, right) {
            (Basic::Bool(left), Basic::Bool(right)) if words_too => Ok(Some(left.cmp(&right))),
            (Basic::Bool(_), Basic::Bool(_)) => Err(NOT_BASIC.to_owned()),
            (Basic::Int(left), Basic::Int(right)) => Ok(Some(left.cmp(&right))),
            (Basic::Int(left), Basic::Unsigned(right)) => Ok(Some(left.cmp(&right.into()))),
            (Basic::Unsigned(left), Basic::Int(right)) => Ok(Some(i64::from(left).cmp(&right))),
            (Basic::Unsigned(left), Basic::Unsigned(right)) => Ok(Some(left.cmp(&right))),
            (Basic::Float(left), Basic::Float(right)) => Ok(left.partial_cmp(&right)),
            (Basic::Text(left), Basic::Text(right)) => Ok(Some(left.cmp(right))),
            _ => Err(DIFFERENT.to_owned()),
        }
    }

    fn basic(self) -> Result<Basic<'a>, String> {
        Ok(match self {
            Self::Value(Value::Bool(word)) => Basic::Bool(*word),
            Self::Value(Value::String(text)) => Basic::Text(text),
            Self::Value(Value::Number(number)) => match go::integer(number) {
                Some(integer) => Basic::Int(integer),
                None => Basic::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Self::Text(text) => Basic::Text(text),
            Self::Int(number) => Basic::Int(number),
            Self::Float(number) => Basic::Float(number),
            Self::Bool(word) => Basic::Bool(word),
            Self::Byte(byte) => Basic::Unsigned(byte),
            Self::Value(_) | Self::Nothing => return Err(NOT_BASIC.to_owned()),
        })
    }
}
