//! YAML as kubectl reads it, and YAML that kubectl reads back.
//!
//! A manifest must mean here what it means in kubectl, which uses go-yaml v2. That is YAML 1.1
//! with rules of its own: `yes` and `on` are booleans, `0755` is octal, `1_000` is a thousand,
//! `12e4567` is text, the last of equal keys wins, and a merge key (`<<`) is an entry like the
//! others, so that it overrides what stands above it. `scalar` and `compose` follow these
//! rules over the events of granit-parser; serde-saphyr writes, with quotes around strings that
//! either version of YAML would take for something else.
//!
//! What kubectl drops without a word is read: the documents behind a `...` line, and all
//! documents but the first of a file in UTF-16.

mod compose;
mod encoding;
mod scalar;

use std::fmt::Write as _;

use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_saphyr::{DoubleQuoted, ser_options};

use crate::hidden::is_hidden;
use compose::TooDeep;

pub use encoding::{decode, decode_first};

#[cfg(test)]
mod tests;

/// Reads all documents of a text. Those that are empty or `null` are left out, as in kubectl.
///
/// # Errors
/// Broken syntax; keys that are collections or null; `.inf` and `.nan`; more than 100 collections
/// in one another; more than 2,000,000 values, where each alias counts as often as it is used. The
/// error is one sentence that ends in the line and the column.
pub fn read(text: &str) -> Result<Vec<Value>, String> {
    read_with(text, TooDeep::Refused)
}

/// The same, but what stands more than 100 collections deep is `null`, and no error.
///
/// # Errors
/// All others of [`read`].
pub fn read_shallow(text: &str) -> Result<Vec<Value>, String> {
    read_with(text, TooDeep::Null)
}

fn read_with(text: &str, too_deep: TooDeep) -> Result<Vec<Value>, String> {
    let mut documents = compose::documents(text, too_deep)?;
    documents.retain(|document| !document.is_null());
    documents.iter_mut().for_each(whole_numbers);
    Ok(documents)
}

/// Turns floats without a fraction into integers, as kubectl does on the way through Go's JSON. An
/// API server takes `1.0` and `1e3` for an integer only so.
pub fn whole_numbers(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        Value::Number(number) if number.is_f64() => {
            // Go writes the shortest digits that mean the float, and reads them as an integer.
            let shortest = number.as_f64().map(|float| float.to_string());
            if let Some(whole) = shortest.and_then(|digits| digits.parse::<i64>().ok()) {
                *number = whole.into();
            }
        }
        _ => {}
    }
}

/// Writes a value as one block-style document that ends in a newline, with sorted keys.
///
/// kubectl reads the same value from it. Hidden characters ([`is_hidden`]) other than tabs and line
/// breaks are escaped.
pub fn write(value: &Value) -> String {
    let unfolded = ser_options! { folded_wrap_chars: usize::MAX };
    // serde-saphyr cannot be told to quote a key. In JSON, which is YAML too, each is in quotes.
    let text = if has_escaped_key(value) {
        format!("{value:#}\n")
    } else {
        serde_saphyr::to_string_with_options(&Written(value), unfolded)
            .expect("a value has string keys, and memory does not fail to be written")
    };
    if !text.contains(is_escaped) {
        return text;
    }
    // They stand in double quotes only.
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match u32::from(c) {
            _ if !is_escaped(c) => escaped.push(c),
            code @ ..=0xffff => _ = write!(escaped, "\\u{code:04x}"),
            code => _ = write!(escaped, "\\U{code:08x}"),
        }
    }
    escaped
}

fn is_escaped(c: char) -> bool {
    is_hidden(c) && !matches!(c, '\t' | '\n')
}

fn has_escaped_key(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_escaped_key),
        Value::Object(fields) => {
            fields.iter().any(|(key, value)| key.contains(is_escaped) || has_escaped_key(value))
        }
        _ => false,
    }
}

/// A value in the styles that kubectl reads.
struct Written<'v>(&'v Value);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(items) => serializer.collect_seq(items.iter().map(Written)),
            Value::Object(fields) => {
                serializer.collect_map(fields.iter().map(|(key, value)| (key, Written(value))))
            }
            // go-yaml takes a tab at the beginning of a block for its indentation.
            Value::String(text)
                if text.contains(is_escaped)
                    || text.trim_start_matches([' ', '\n']).starts_with('\t') =>
            {
                DoubleQuoted(text).serialize(serializer)
            }
            value => value.serialize(serializer),
        }
    }
}
