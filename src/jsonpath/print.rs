//! What is printed of what a template leads to.

use serde_json::Value;

use super::{found::Found, go};

/// The results of one text or block, with blanks between them. Maps and lists print as JSON.
pub(super) fn text(results: &[Found<'_>]) -> String {
    let each = results.iter().map(|found| match found {
        Found::Value(Value::Null) => "null".to_owned(),
        Found::Nothing => "<no value>".to_owned(),
        Found::Value(value @ (Value::Array(_) | Value::Object(_))) => go::json(value),
        found => found.shown(),
    });
    each.collect::<Vec<_>>().join(" ")
}

/// The results of one text or block as a list of JSON.
pub(super) fn json(results: &[Found<'_>]) -> String {
    let list = results.iter().map(|found| found.to_json()).collect();
    let mut text = go::indented_json(&Value::Array(list));
    text.push('\n');
    text
}
