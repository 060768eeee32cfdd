//! YAML as kubectl takes it, and so that kubectl takes it back.
//!
//! kubectl reads YAML 1.1: `yes` and `on` are booleans, `0755` is octal, `1_000` is a thousand, the
//! last of two equal keys wins. A manifest must mean here what it means there, so serde-saphyr
//! reads by those rules and writes strings in quotes that either version of YAML would take for
//! something else.
//!
//! Where kubectl (go-yaml v2) strays from the specification, serde-saphyr does not follow:
//!
//! - A key beside a merge key (`<<`) wins, wherever it stands; in kubectl only if it stands behind
//!   the merge key.
//! - Keys are text as it is written; kubectl turns the keys `y` and `012` into `true` and `10`.
//! - A tag of an application (`!mine 12`) changes nothing; in kubectl it makes text.
//! - Booleans ignore case, so `oN` is one too; underscores stand between digits of integers only.
//! - A plain number that no float can hold, such as `1e999`, is an error and no string.
//! - All documents of a stream are read, also those that kubectl drops behind a `...` line.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::{Number, Value};
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{
    DoubleQuoted, Error, MessageFormatter, Options, UserMessageFormatter, budget, options,
    ser_options,
};

#[cfg(test)]
mod tests;

/// The most collections and scalars that a text may hold, with its aliases copied out: about 50,000
/// jobs.
const MAX_NODES: usize = 2_000_000;

/// Reads all documents of a text. Those that are empty or `null` are left out, as kubectl does.
///
/// Fails on broken syntax, on keys that are not scalars, on `.inf` and `.nan`, on collections
/// nested deeper than 64, and on aliases that multiply to more than serde-saphyr's limits. The
/// error is one sentence that ends in the line and the column.
pub fn read(text: &str) -> Result<Vec<Value>, String> {
    let mut documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, as_kubectl())
        .map_err(|error| error.render_with_formatter(&Sentences))?;
    documents.iter_mut().for_each(make_whole);
    Ok(documents)
}

fn as_kubectl() -> Options {
    options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        legacy_octal_numbers: true,
        // Comments would count against a budget of their own, and files may be full of them.
        emit_comments: false,
        with_snippet: false,
        // One file may have thousands of jobs, and they may all use one anchor.
        budget: budget! {
            max_documents: usize::MAX,
            max_events: usize::MAX,
            max_nodes: MAX_NODES,
            enforce_alias_anchor_ratio: false,
        },
    }
}

/// serde-saphyr's messages for users, one of which dumps the limit that was passed.
struct Sentences;

impl MessageFormatter for Sentences {
    fn format_message<'e>(&self, error: &'e Error) -> Cow<'e, str> {
        match error {
            Error::Budget { .. } => {
                "the document is too large, nests too deeply or has too many aliases".into()
            }
            error => UserMessageFormatter.format_message(error),
        }
    }
}

/// `1.0` and `1e3` are integers for kubectl, and an API server takes nothing else where it wants an
/// integer.
fn make_whole(value: &mut Value) {
    /// 2^63, the first float beyond the integers.
    const EDGE: f64 = 9_223_372_036_854_775_808.0;
    match value {
        Value::Array(items) => items.iter_mut().for_each(make_whole),
        Value::Object(fields) => fields.values_mut().for_each(make_whole),
        Value::Number(number) if number.is_f64() => {
            if let Some(whole) =
                number.as_f64().filter(|f| f.fract() == 0.0 && (-EDGE..EDGE).contains(f))
            {
                *number = Number::from(whole as i64);
            }
        }
        _ => {}
    }
}

/// Writes a value as one block-style document that ends in a newline, with sorted keys.
///
/// kubectl reads the same value from it. Control characters other than tabs and line breaks are
/// escaped.
pub fn write(value: &Value) -> String {
    let unfolded = ser_options! { folded_wrap_chars: usize::MAX };
    serde_saphyr::to_string_with_options(&Written(value), unfolded)
        .expect("a value has string keys, and memory does not fail to be written")
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
            Value::String(text) if text.trim_start_matches([' ', '\n']).starts_with('\t') => {
                DoubleQuoted(text).serialize(serializer)
            }
            value => value.serialize(serializer),
        }
    }
}
