//! Objects as KYAML: the YAML that braces, brackets and quotes make unambiguous, byte for byte as
//! kubectl prints it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::{jsonpath::go, yaml::is_timestamp};

/// What has a string go on in the next line.
const FOLD: &str = "\\\n";

/// The document of a value, with the line that begins it.
pub(super) fn document(value: &Value) -> String {
    let mut text = String::from("---\n");
    node(value, 0, &mut text);
    text.push('\n');
    text
}

fn node(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(word) => drop(write!(text, "{word}")),
        Value::Number(number) => text.push_str(&go::json_number(number)),
        Value::String(string) => quoted(string, indent + 1, text),
        Value::Array(items) => list(items, indent, text),
        Value::Object(fields) if fields.is_empty() => text.push_str("{}"),
        Value::Object(fields) => {
            text.push_str("{\n");
            for (name, field) in fields {
                pad(indent + 1, text);
                key(name, text);
                text.push_str(": ");
                node(field, indent + 1, text);
                text.push_str(",\n");
            }
            pad(indent, text);
            text.push('}');
        }
    }
}

/// Brackets and braces stand together where a list has nothing but them.
fn list(items: &[Value], indent: usize, text: &mut String) {
    let cuddled = items.iter().all(|item| item.is_object() || item.is_array());
    text.push('[');
    for (at, item) in items.iter().enumerate() {
        if cuddled {
            text.push_str(if at > 0 { ", " } else { "" });
            node(item, indent, text);
        } else {
            text.push_str(if at > 0 { "" } else { "\n" });
            pad(indent + 1, text);
            node(item, indent + 1, text);
            text.push_str(",\n");
        }
    }
    if !cuddled {
        pad(indent, text);
    }
    text.push(']');
}

fn pad(indent: usize, text: &mut String) {
    text.push_str(&"  ".repeat(indent));
}

/// A string in quotes. One of several lines has each in a line of its own.
fn quoted(string: &str, indent: usize, text: &mut String) {
    let has_lines = string.contains('\n');
    text.push('"');
    if has_lines {
        text.push_str(FOLD);
    }
    for c in string.chars() {
        if text.ends_with('\n') {
            pad(indent, text);
            // Without the sign, a reader would take the blanks that a line begins with for the
            // indentation.
            text.push(if c.is_whitespace() && c != '\n' { '\\' } else { ' ' });
        }
        match c {
            '\n' => {
                text.push_str("\\n");
                text.push_str(FOLD);
            }
            '\t' => text.push(c),
            _ => escaped(c, text),
        }
    }
    if has_lines {
        text.push_str(if text.ends_with('\n') { "" } else { FOLD });
        pad(indent, text);
    }
    text.push('"');
}

/// A key, in quotes where a reader might take it for something else.
fn key(name: &str, text: &mut String) {
    if is_plain(name) {
        text.push_str(name);
        return;
    }
    text.push('"');
    for c in name.chars() {
        match c {
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            _ => escaped(c, text),
        }
    }
    text.push('"');
}

fn escaped(c: char, text: &mut String) {
    match c {
        '"' | '\\' => text.extend(['\\', c]),
        c if go::is_printable(c) => text.push(c),
        '\u{7}' => text.push_str("\\a"),
        '\u{8}' => text.push_str("\\b"),
        '\u{c}' => text.push_str("\\f"),
        '\r' => text.push_str("\\r"),
        '\u{b}' => text.push_str("\\v"),
        '\0' => text.push_str("\\0"),
        '\u{1b}' => text.push_str("\\e"),
        '\u{85}' => text.push_str("\\N"),
        '\u{a0}' => text.push_str("\\_"),
        '\u{2028}' => text.push_str("\\L"),
        '\u{2029}' => text.push_str("\\P"),
        c if c.is_ascii() => drop(write!(text, "\\x{:02x}", u32::from(c))),
        c if u32::from(c) < 0x1_0000 => drop(write!(text, "\\u{:04x}", u32::from(c))),
        c => drop(write!(text, "\\U{:08x}", u32::from(c))),
    }
}

/// Whether a key needs no quotes.
fn is_plain(name: &str) -> bool {
    let last = name.chars().count().saturating_sub(1);
    let fits = name.chars().enumerate().all(|(at, c)| {
        c.is_alphanumeric() || c == '_' || (at > 0 && at < last && matches!(c, '-' | '.' | '/'))
    });
    fits && !name.is_empty() && !is_ambiguous(name)
}

/// Whether some reader of YAML takes a word for something else than text: a boolean, a number, a
/// date. Only words are asked about whose characters a key may have.
fn is_ambiguous(word: &str) -> bool {
    let lower = word.to_lowercase();
    let words = ["null", "true", "false", "t", "f", "y", "n", "yes", "no", "on", "off"];
    if words.contains(&&*lower) {
        return true;
    }
    is_number(&lower.replace('_', "")) || is_timestamp(word)
}

/// Whether Go reads a number from lower-case text.
fn is_number(text: &str) -> bool {
    let whole = |digits: &str, radix| {
        digits.starts_with(|c: char| c.is_ascii_alphanumeric())
            && i64::from_str_radix(digits, radix).is_ok()
    };
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            return whole(digits, radix) || (radix == 16 && is_hexadecimal_float(digits));
        }
    }
    match text {
        "inf" | "infinity" | "nan" => true,
        // What is too large for a float is none.
        _ => text.parse::<f64>().is_ok_and(f64::is_finite),
    }
}

/// Whether it is a mantissa, `p` and an exponent.
fn is_hexadecimal_float(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once('p') else { return false };
    let digits = mantissa.replacen('.', "", 1);
    !digits.is_empty()
        && digits.chars().all(|c| c.is_ascii_hexdigit())
        && exponent.parse::<i16>().is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_is_as_kubectl_prints_it() {
        let object = json!({
            "kind": "Job", "no": false, "empty": {}, "none": [], "nothing": null,
            "args": ["a", 1, {"b": []}], "both": [[1], {"c": 0.5}],
            "script": "one\n  two\n\nthree", "line": "ends\n", "wide": "a\tb\u{a0}\"c\\",
        });
        assert_eq!(
            document(&object),
            r#"---
{
  args: [
    "a",
    1,
    {
      b: [],
    },
  ],
  both: [[
    1,
  ], {
    c: 0.5,
  }],
  empty: {},
  kind: "Job",
  line: "\
     ends\n\
    ",
  "no": false,
  none: [],
  nothing: null,
  script: "\
     one\n\
    \  two\n\
     \n\
     three\
    ",
  wide: "a	b\_\"c\\",
}
"#
        );
    }

    #[test]
    fn keys_that_may_be_something_else_are_in_quotes() {
        for plain in
            ["a", "_", "app.kubernetes.io/name", "f2", "0x", "1a", "e1", "2026-13-1", "1.2.3", "ä"]
        {
            assert!(is_plain(plain), "{plain}");
        }
        for quoted in [
            "", "y", "NO", "Null", "0", "1_000", "0x1F", "0b11", "1e3", "1.", "nan", "Inf", "08",
            "2026-1-2", "a b", "-a", "a-", ".a", "a:b", "0x1p2", "T", "~",
        ] {
            assert!(!is_plain(quoted), "{quoted}");
        }
    }
}
