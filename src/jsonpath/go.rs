//! Values and texts as Go's `fmt`, `strconv` and `encoding/json` write them.

use std::fmt::Write as _;

use serde_json::{Number, Value};

/// The number as kubectl reads it: whole ones that fit are integers, others are floats.
pub(super) fn integer(number: &Number) -> Option<i64> {
    number.as_i64()
}

/// A float as `%v` has it: the shortest digits, with an exponent where it is large or small.
pub fn float(number: f64) -> String {
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => with_exponent(digits, exponent, 2),
        _ => number.to_string(),
    }
}

/// The exponent has a sign, and so many digits at least.
fn with_exponent(digits: &str, exponent: i32, least: usize) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:0least$}", exponent.unsigned_abs())
}

/// A number as `encoding/json` has it.
pub fn json_number(number: &Number) -> String {
    let float = match (integer(number), number.as_f64()) {
        (Some(integer), _) => return integer.to_string(),
        (None, float) => float.unwrap_or_default(),
    };
    if float != 0.0 && !(1e-6..1e21).contains(&float.abs()) {
        let scientific = format!("{float:e}");
        if let Some((digits, exponent)) = scientific.split_once('e') {
            return with_exponent(digits, exponent.parse().unwrap_or_default(), 1);
        }
    }
    float.to_string()
}

/// A value as `%v` has it.
pub fn shown(value: &Value) -> String {
    let mut text = String::new();
    show(value, &mut text);
    text
}

fn show(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("<nil>"),
        Value::Bool(word) => drop(write!(text, "{word}")),
        Value::Number(number) => text.push_str(&number_shown(number)),
        Value::String(string) => text.push_str(string),
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at > 0 { " " } else { "" });
                show(item, text);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            text.push_str("map[");
            for (at, (key, field)) in fields.iter().enumerate() {
                text.push_str(if at > 0 { " " } else { "" });
                text.push_str(key);
                text.push(':');
                show(field, text);
            }
            text.push(']');
        }
    }
}

fn number_shown(number: &Number) -> String {
    match (integer(number), number.as_f64()) {
        (Some(integer), _) => integer.to_string(),
        (None, number) => float(number.unwrap_or_default()),
    }
}

/// A value in Go's syntax, as `%#v` has it.
pub(super) fn syntax(value: &Value) -> String {
    let mut text = String::new();
    write_syntax(value, &mut text);
    text
}

fn write_syntax(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("interface {}(nil)"),
        Value::Bool(word) => drop(write!(text, "{word}")),
        Value::Number(number) => text.push_str(&number_shown(number)),
        Value::String(string) => text.push_str(&quoted(string)),
        Value::Array(items) => {
            text.push_str("[]interface {}{");
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at > 0 { ", " } else { "" });
                write_syntax(item, text);
            }
            text.push('}');
        }
        Value::Object(fields) => {
            text.push_str("map[string]interface {}{");
            for (at, (key, field)) in fields.iter().enumerate() {
                text.push_str(if at > 0 { ", " } else { "" });
                text.push_str(&quoted(key));
                text.push(':');
                write_syntax(field, text);
            }
            text.push('}');
        }
    }
}

/// Whether Go shows the character as it is.
pub fn is_printable(c: char) -> bool {
    c == ' ' || (!c.is_whitespace() && !c.is_control() && !crate::hidden::is_hidden(c))
}

/// A text as `%q` has it.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            c if is_printable(c) => quoted.push(c),
            c if c.is_ascii() => drop(write!(quoted, "\\x{:02x}", u32::from(c))),
            c if u32::from(c) < 0x1_0000 => drop(write!(quoted, "\\u{:04x}", u32::from(c))),
            c => drop(write!(quoted, "\\U{:08x}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}

/// The text in quotes of either kind, with Go's escapes; none where they are none of Go's.
pub(super) fn unquoted(quoted: &str) -> Option<String> {
    let quote = quoted.chars().next()?;
    let mut rest = quoted.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c != '\\' {
            if c == quote {
                return None;
            }
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let kind = rest.chars().next()?;
        rest = &rest[kind.len_utf8()..];
        match kind {
            'a' => bytes.push(0x7),
            'b' => bytes.push(0x8),
            'f' => bytes.push(0xc),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(0xb),
            '\\' => bytes.push(b'\\'),
            '\'' | '"' if kind == quote => bytes.push(kind as u8),
            'x' => bytes.push(u8::try_from(digits(&mut rest, 2, 16)?).ok()?),
            '0'..='7' => {
                let first = kind.to_digit(8)?;
                bytes.push(u8::try_from(first * 64 + digits(&mut rest, 2, 8)?).ok()?);
            }
            'u' | 'U' => {
                let count = if kind == 'u' { 4 } else { 8 };
                let c = char::from_u32(digits(&mut rest, count, 16)?)?;
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The number of so many digits.
fn digits(rest: &mut &str, count: usize, radix: u32) -> Option<u32> {
    let text = rest.get(..count).filter(|text| text.chars().all(|c| c.is_digit(radix)))?;
    *rest = &rest[count..];
    u32::from_str_radix(text, radix).ok()
}

/// A value as `json.Marshal` has it, on one line.
pub(super) fn json(value: &Value) -> String {
    let mut text = String::new();
    write_json(value, None, &mut text);
    text
}

/// A value as `json.MarshalIndent` has it, with four spaces of indentation.
pub fn indented_json(value: &Value) -> String {
    let mut text = String::new();
    write_json(value, Some(0), &mut text);
    text
}

/// `depth` is how deep the value stands, where each item has a line of its own.
fn write_json(value: &Value, depth: Option<usize>, text: &mut String) {
    let deeper = depth.map(|depth| depth + 1);
    match value {
        Value::Number(number) => text.push_str(&json_number(number)),
        Value::Array(items) if items.is_empty() => text.push_str("[]"),
        Value::Object(fields) if fields.is_empty() => text.push_str("{}"),
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                begin_line(deeper, text);
                write_json(item, deeper, text);
            }
            begin_line(depth, text);
            text.push(']');
        }
        Value::Object(fields) => {
            text.push('{');
            for (at, (key, field)) in fields.iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                begin_line(deeper, text);
                write_plain_json(&key.as_str().into(), text);
                text.push_str(if depth.is_some() { ": " } else { ":" });
                write_json(field, deeper, text);
            }
            begin_line(depth, text);
            text.push('}');
        }
        plain => write_plain_json(plain, text),
    }
}

fn begin_line(depth: Option<usize>, text: &mut String) {
    if let Some(depth) = depth {
        text.push('\n');
        text.extend(std::iter::repeat_n("    ", depth));
    }
}

/// Go escapes what could end a script in HTML, and two line breaks of Unicode.
fn write_plain_json(value: &Value, text: &mut String) {
    for c in value.to_string().chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
}
