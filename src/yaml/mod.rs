//! YAML as kubectl reads and writes it.
//!
//! A manifest must mean here what it means in kubectl, which uses go-yaml v2. That is YAML 1.1
//! with rules of its own: `yes` and `on` are booleans, `0755` is octal, `1_000` is a thousand,
//! `12e4567` is text, the last of equal keys wins, and a merge key (`<<`) is an entry like the
//! others, so that it overrides what stands above it. `scalar` and `compose` follow these
//! rules over the events of granit-parser. What [`write`](fn@write) gives is byte for byte what
//! kubectl prints; no crate has go-yaml's rules for quotes, broken lines and the order of keys.
//!
//! What kubectl drops without a word is read: the documents behind a `...` line, and all
//! documents but the first of a file in UTF-16.

mod compose;
mod encoding;
mod scalar;
mod write;

use serde_json::Value;

use compose::TooDeep;

pub use encoding::{decode, decode_first};
pub use scalar::is_timestamp;
pub use write::write;

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
