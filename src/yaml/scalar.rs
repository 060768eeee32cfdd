//! What a scalar means: the rules of go-yaml v2, which kubectl reads with (`resolve.go`).

use std::fmt::{Display, LowerExp};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::Date;
use serde_json::Value;

/// The namespace of YAML's own tags, which `!!` stands for.
const YAML_TAGS: &str = "tag:yaml.org,2002:";

/// How a scalar is written, which decides what it may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form<'t> {
    /// Without quotes and without a tag: any type, by its text.
    Plain,
    /// In quotes, as a block, or with the tag `!`: a string.
    Text,
    /// With a tag: its full name, such as `tag:yaml.org,2002:int`.
    Tagged(&'t str),
}

/// The value of a scalar.
///
/// # Errors
/// A tag that does not fit the text, and a float that JSON cannot hold.
pub(super) fn resolve(text: &str, form: Form<'_>) -> Result<Value, String> {
    let tag = match form {
        Form::Plain => "",
        Form::Text => return Ok(text.into()),
        Form::Tagged(tag) => match tag.strip_prefix(YAML_TAGS) {
            Some(tag @ ("bool" | "int" | "float" | "null")) => tag,
            Some("binary") => return binary(text),
            _ => return Ok(text.into()),
        },
    };
    let resolved = plain(text);
    let fits = match &resolved {
        Plain::Null => tag == "null",
        Plain::Bool(_) => tag == "bool",
        Plain::Number(Value::Number(number)) if !number.is_f64() => matches!(tag, "int" | "float"),
        Plain::Number(_) | Plain::NotFinite => tag == "float",
        Plain::Text => false,
    };
    if !tag.is_empty() && !fits {
        return Err(format!("cannot decode `{text}` as a !!{tag}"));
    }
    match resolved {
        Plain::Null => Ok(Value::Null),
        Plain::Bool(value) => Ok(value.into()),
        Plain::Number(number) if tag == "float" => Ok(number.as_f64().into()),
        Plain::Number(number) => Ok(number),
        Plain::NotFinite => Err(format!("value `{text}` is not a finite number")),
        Plain::Text => Ok(text.into()),
    }
}

/// What a plain scalar is taken for.
enum Plain {
    Null,
    Bool(bool),
    Number(Value),
    /// `.inf` and `.nan`, which JSON has no form for.
    NotFinite,
    Text,
}

fn plain(text: &str) -> Plain {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Plain::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Plain::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Plain::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF"
        | "-.inf" | "-.Inf" | "-.INF" => return Plain::NotFinite,
        _ => {}
    }
    let number = match text.as_bytes()[0] {
        b'.' if underscores_separate_digits(text) => float(&text.replace('_', "")),
        b'+' | b'-' | b'0'..=b'9' => {
            let digits = text.replace('_', "");
            integer(&digits).or_else(|| float(&digits)).or_else(|| binary_integer(&digits))
        }
        _ => None,
    };
    number.map_or(Plain::Text, Plain::Number)
}

/// Go takes underscores in a float between two digits only.
fn underscores_separate_digits(text: &str) -> bool {
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'_').all(|(at, _)| {
        digit(at.checked_sub(1).and_then(|before| bytes.get(before))) && digit(bytes.get(at + 1))
    })
}

/// An integer of 64 bits, in base 2, 8, 10 or 16 by its prefix; a leading 0 is octal.
fn integer(text: &str) -> Option<Value> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (base, digits) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &unsigned[2..]),
        [b'0', b'b' | b'B', ..] => (2, &unsigned[2..]),
        [b'0', b'o' | b'O', ..] => (8, &unsigned[2..]),
        [b'0', _, ..] => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    in_base(text.strip_suffix(unsigned)?, digits, base)
}

/// go-yaml reads a sign behind `0b`, too.
fn binary_integer(text: &str) -> Option<Value> {
    let digits = text.strip_prefix("0b")?;
    let unsigned = digits.strip_prefix(['+', '-'])?;
    in_base(digits.strip_suffix(unsigned)?, unsigned, 2)
}

fn in_base(sign: &str, digits: &str, base: u32) -> Option<Value> {
    // A second sign is no digit.
    if !digits.starts_with(|first: char| first.is_digit(base)) {
        return None;
    }
    match sign {
        "-" => i64::from_str_radix(&format!("-{digits}"), base).ok().map(Value::from),
        "+" => i64::from_str_radix(digits, base).ok().map(Value::from),
        _ => u64::from_str_radix(digits, base).ok().map(Value::from),
    }
}

/// A decimal float. One that is too large is text, such as the revision `12e4567`.
fn float(text: &str) -> Option<Value> {
    let decimal =
        text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    let value: f64 = text.parse().ok().filter(|value: &f64| decimal && value.is_finite())?;
    serde_json::Number::from_f64(value).map(Value::Number)
}

fn binary(text: &str) -> Result<Value, String> {
    let encoded: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let bytes = STANDARD
        .decode(encoded)
        .map_err(|_| "a !!binary value contains invalid base64 data".to_owned())?;
    // Go's JSON has a replacement character for each byte that is no text.
    let text = bytes.utf8_chunks().flat_map(|chunk| {
        let replaced = std::iter::repeat_n('\u{fffd}', chunk.invalid().len());
        chunk.valid().chars().chain(replaced)
    });
    Ok(text.collect::<String>().into())
}

/// A key of a mapping as JSON has it; `None` for one that JSON cannot have.
pub(super) fn key(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(match number.as_f64().filter(|_| number.is_f64()) {
            // kubectl formats keys in 32 bits.
            Some(float) => match float as f32 {
                f32::INFINITY => ".inf".to_owned(),
                f32::NEG_INFINITY => "-.inf".to_owned(),
                float => shortest(float),
            },
            None => number.as_i64()?.to_string(),
        }),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A float as Go formats it with `%g`: with an exponent below -4 and above 5.
pub(super) fn shortest<F: Display + LowerExp>(float: F) -> String {
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        format!("{float}")
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", exponent.abs())
    }
}

/// Whether kubectl reads a string where the text stands without quotes, and writes none.
pub(super) fn is_text(text: &str) -> bool {
    matches!(plain(text), Plain::Text) && !is_timestamp(text) && !is_sexagesimal(text)
}

/// Whether it is a number in base 60, such as `1:30`. kubectl reads it as text, and writes quotes.
fn is_sexagesimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let Some((first, rest)) = unsigned.split_once(':') else { return false };
    let is_run = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let (rest, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let is_place = |place: &str| match place.as_bytes() {
        [b'0'..=b'5', digit] | [digit] => digit.is_ascii_digit(),
        _ => false,
    };
    let is_first = first.starts_with(|c: char| c.is_ascii_digit()) && is_run(first);
    is_first && rest.split(':').all(is_place) && is_run(fraction)
}

/// Whether go-yaml reads a date from the text, with or without a time, as Go's `time.Parse` does.
pub fn is_timestamp(text: &str) -> bool {
    let Some(rest) = behind_date(text) else { return false };
    match rest.chars().next() {
        None => true,
        Some('T' | 't') => behind_time(&rest[1..]).is_some_and(is_zone),
        Some(' ') => behind_time(rest.trim_start_matches(' ')).is_some_and(str::is_empty),
        Some(_) => false,
    }
}

/// What stands behind a date such as `2026-1-02`.
fn behind_date(text: &str) -> Option<&str> {
    let (year, rest) = text.split_at_checked(4)?;
    let (year, _) = leading(year, 4).filter(|(_, rest)| rest.is_empty())?;
    let (month, rest) = leading(rest.strip_prefix('-')?, 2)?;
    let (day, rest) = leading(rest.strip_prefix('-')?, 2)?;
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    Some(rest)
}

/// What stands behind a time of day such as `3:04:05.6`.
fn behind_time(text: &str) -> Option<&str> {
    let (_, rest) = leading(text, 2).filter(|(hour, _)| *hour < 24)?;
    let (_, rest) = leading(rest.strip_prefix(':')?, 2).filter(|(minute, _)| *minute < 60)?;
    let (_, rest) = leading(rest.strip_prefix(':')?, 2).filter(|(second, _)| *second < 60)?;
    let fraction = rest.strip_prefix(['.', ',']).unwrap_or("");
    let without = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    Some(if without.len() < fraction.len() { without } else { rest })
}

/// Whether it is `Z` or a distance from it such as `+01:00`.
fn is_zone(text: &str) -> bool {
    let two = |text: &str| {
        let number = leading(text, 2).filter(|(_, rest)| rest.is_empty());
        number.filter(|_| text.len() == 2).map(|(number, _)| number)
    };
    let distance = text.strip_prefix(['+', '-']).and_then(|text| text.split_once(':'));
    let distance = distance.and_then(|(hours, minutes)| two(hours).zip(two(minutes)));
    text == "Z" || distance.is_some_and(|(hours, minutes)| hours <= 24 && minutes <= 60)
}

/// The number of the first digits, at most so many, and what stands behind them.
fn leading(text: &str, most: usize) -> Option<(i16, &str)> {
    let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(count);
    Some((digits.parse().ok()?, rest))
}
