//! What a plain scalar means: the rules of go-yaml v2 (`resolve.go`), which kubectl uses.

use serde_json::{Number, Value};

/// The tags of YAML's type repository that change how a scalar is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    Str,
    Bool,
    Int,
    Float,
    Null,
    Timestamp,
    Binary,
}

impl Tag {
    /// The tag of a name in the namespace `tag:yaml.org,2002:`, if it is one of these.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "str" => Self::Str,
            "bool" => Self::Bool,
            "int" => Self::Int,
            "float" => Self::Float,
            "null" => Self::Null,
            "timestamp" => Self::Timestamp,
            "binary" => Self::Binary,
            _ => return None,
        })
    }

    /// The tag as a document writes it.
    pub(super) fn written(self) -> &'static str {
        match self {
            Self::Str => "!!str",
            Self::Bool => "!!bool",
            Self::Int => "!!int",
            Self::Float => "!!float",
            Self::Null => "!!null",
            Self::Timestamp => "!!timestamp",
            Self::Binary => "!!binary",
        }
    }
}

/// A scalar's value and the tag that it resolved to. Timestamps stay strings; a value that JSON cannot hold
/// (`.inf`, `.nan`) is `None`.
pub(super) struct Resolved {
    pub(super) tag: Tag,
    pub(super) value: Option<Value>,
}

/// Resolves the text of an untagged plain scalar.
pub(super) fn resolve(text: &str) -> Resolved {
    let (tag, value) = match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            (Tag::Bool, Some(Value::Bool(true)))
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            (Tag::Bool, Some(Value::Bool(false)))
        }
        "" | "~" | "null" | "Null" | "NULL" => (Tag::Null, Some(Value::Null)),
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf"
        | "-.Inf" | "-.INF" => (Tag::Float, None),
        _ => {
            return resolve_number(text)
                .unwrap_or_else(|| Resolved { tag: Tag::Str, value: Some(Value::String(text.to_owned())) });
        }
    };
    Resolved { tag, value }
}

fn resolve_number(text: &str) -> Option<Resolved> {
    match text.as_bytes().first()? {
        b'.' => {
            let value = float(text)?;
            Some(Resolved { tag: Tag::Float, value: Some(whole(value)) })
        }
        b'0'..=b'9' | b'+' | b'-' => {
            if is_timestamp(text) {
                return Some(Resolved { tag: Tag::Timestamp, value: Some(Value::String(text.to_owned())) });
            }
            let plain = text.replace('_', "");
            if let Some(number) = integer(&plain) {
                return Some(Resolved { tag: Tag::Int, value: Some(Value::Number(number)) });
            }
            let value = float(&plain)?;
            Some(Resolved { tag: Tag::Float, value: Some(whole(value)) })
        }
        _ => None,
    }
}

/// An integer of at most 64 bits, with Go's prefixes: `0x`, `0o`, `0b`, and a bare leading `0` for octal.
fn integer(text: &str) -> Option<Number> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => ("", &text[1..]),
        b'-' => ("-", &text[1..]),
        _ => ("", text),
    };
    let (digits, radix) = match rest.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (&rest[2..], 16),
        [b'0', b'o' | b'O', _, ..] => (&rest[2..], 8),
        [b'0', b'b' | b'B', _, ..] => (&rest[2..], 2),
        [b'0', _, ..] => (&rest[1..], 8),
        _ => (rest, 10),
    };
    if !digits.starts_with(|c: char| c.is_digit(radix)) {
        return None;
    }
    if let Ok(value) = i64::from_str_radix(&format!("{sign}{digits}"), radix) {
        return Some(value.into());
    }
    if text.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok().map(Number::from)
}

/// A finite decimal number: `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`.
fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if !digits(before) || !digits(after) || (before.is_empty() && after.is_empty()) {
        return None;
    }
    if let Some(exponent) = exponent {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if exponent.is_empty() || !digits(exponent) {
            return None;
        }
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// The number as JSON holds it: one without a fraction becomes an integer, as it does on its way through Go's JSON.
pub(super) fn whole(value: f64) -> Value {
    const EDGE: f64 = 9_223_372_036_854_775_808.0;
    if value.fract() == 0.0 && (-EDGE..EDGE).contains(&value) {
        return Value::Number((value as i64).into());
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// Whether go-yaml takes the text for a timestamp: `2006-1-2`, alone or with a time of day.
fn is_timestamp(text: &str) -> bool {
    timestamp(text.as_bytes()).is_some()
}

fn timestamp(text: &[u8]) -> Option<()> {
    let mut rest = text;
    let year = number(&mut rest, 4, 4)?;
    expect(&mut rest, b"-")?;
    let month = number(&mut rest, 1, 2)?;
    expect(&mut rest, b"-")?;
    let day = number(&mut rest, 1, 2)?;
    let date =
        jiff::civil::Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    if date.is_err() {
        return None;
    }
    if rest.is_empty() {
        return Some(());
    }
    let separator = expect(&mut rest, b"Tt ")?;
    let hour = number(&mut rest, 1, 2)?;
    expect(&mut rest, b":")?;
    let minute = number(&mut rest, 1, 2)?;
    expect(&mut rest, b":")?;
    let second = number(&mut rest, 1, 2)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    if let [b'.' | b',', b'0'..=b'9', ..] = rest {
        let digits = rest[1..].iter().take_while(|b| b.is_ascii_digit()).count();
        rest = &rest[1 + digits..];
    }
    if separator != b' ' && expect(&mut rest, b"Z+-")? != b'Z' {
        let hours = number(&mut rest, 2, 2)?;
        expect(&mut rest, b":")?;
        let minutes = number(&mut rest, 2, 2)?;
        if hours > 24 || minutes > 60 {
            return None;
        }
    }
    rest.is_empty().then_some(())
}

fn number(rest: &mut &[u8], min: usize, max: usize) -> Option<u32> {
    let count = rest.iter().take(max).take_while(|b| b.is_ascii_digit()).count();
    if count < min {
        return None;
    }
    let (digits, tail) = rest.split_at(count);
    *rest = tail;
    Some(digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0')))
}

fn expect(rest: &mut &[u8], any_of: &[u8]) -> Option<u8> {
    let (first, tail) = rest.split_first()?;
    any_of.contains(first).then(|| {
        *rest = tail;
        *first
    })
}
