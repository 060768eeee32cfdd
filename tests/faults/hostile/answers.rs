//! What a hostile server answers.

use std::io::Write as _;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use jiff::Timestamp;
use serde_json::{Value, json};
use sim::When;

use super::super::net::Fate;

/// Sequences that a terminal acts on: they set its title, clear it, colour it, turn text around.
const EVIL: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\r\u{9b}31m\u{202e}";

/// One way to answer.
#[derive(Clone)]
pub struct Hostility {
    pub name: &'static str,
    pub fate: Fate,
    /// Whether it is told for a true answer.
    pub lies: bool,
}

fn answer(code: u16, headers: &[(&'static str, &'static str)], body: impl Into<Bytes>) -> Fate {
    Fate::Answer(When::Before, code, headers.to_vec(), body.into())
}

fn typed(code: u16, media: &'static str, body: &'static [u8]) -> Fate {
    answer(code, &[("content-type", media)], body)
}

fn refusal(code: u16, reason: &str, message: &str, details: &Value) -> String {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
        "reason": reason, "message": message, "details": details})
    .to_string()
}

/// Answers that are none, or too large.
pub fn heavy() -> Vec<(&'static str, Fate)> {
    let gzip = [("content-encoding", "gzip")];
    let page = json!({"kind": "List", "apiVersion": "v1", "metadata": {"continue": "more"},
        "items": vec![json!({"metadata": {"name": "p"}}); 30_000]});
    vec![
        ("a body without an end", Fate::Endless(vec![b' '; 1 << 20].into(), Duration::ZERO)),
        ("a body that grows when it is decompressed", answer(200, &gzip, BOMB.clone())),
        ("pages without an end", answer(200, &[], page.to_string())),
        ("gzip that is none", answer(200, &gzip, "{}")),
        ("a web page", typed(200, "text/html", b"<html>Sign in</html>")),
        ("an error page", typed(500, "text/html", b"<html>\x1b[2JOops</html>")),
        ("bytes", typed(200, "application/octet-stream", &[0xff; 1000])),
        ("protobuf", typed(200, "application/vnd.kubernetes.protobuf", b"k8s\0\n\x0f\n\x02v1")),
        ("nested JSON", answer(200, &[], "[".repeat(1 << 20))),
        ("a redirect to itself", answer(302, &[("location", "https://north:6443/version")], "")),
    ]
}

/// More white space than is read, compressed.
pub static BOMB: LazyLock<Bytes> = LazyLock::new(|| {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let spaces = vec![b' '; 1 << 20];
    for _ in 0..80 {
        gzip.write_all(&spaces).expect("memory takes it");
    }
    gzip.finish().expect("memory takes it").into()
});

/// Every kind of answer that costs little to give.
pub fn light() -> Vec<Hostility> {
    let causes = vec![json!({"field": EVIL, "message": EVIL}); 2_000];
    let numbered = causes
        .iter()
        .enumerate()
        .map(|(n, cause)| json!({"field": format!("spec.f{n}"), "message": cause["message"]}));
    let invalid = json!({"kind": EVIL, "name": EVIL, "causes": numbered.collect::<Vec<_>>()});
    let (long, none) = (EVIL.repeat(20_000), json!({}));
    let odd = r#"{"kind":"JobList","apiVersion":"batch/v1","metadata":{"continue":7},
        "items":[null,7,"x",[],{},{"metadata":[],"spec":"x","status":7}]}"#;
    let busy = [("retry-after", "18446744073709551615"), ("date", "Fri, 31 Dec 9999 23:59:59 GMT")];
    let plain = |name, fate| Hostility { name, fate, lies: false };
    let lie = |name, change: fn(&mut Value)| {
        let change = move |answer: &mut Value| change(answer);
        Hostility { name, fate: Fate::Twisted(Arc::new(change)), lies: true }
    };
    vec![
        plain("410", answer(410, &[], refusal(410, "Expired", "too old", &none))),
        plain("null", answer(200, &[], "null")),
        plain("an empty object", answer(200, &[], "{}")),
        plain("no content", answer(204, &[], "")),
        plain("a list of everything", answer(200, &[], odd)),
        plain("a long refusal", answer(403, &[], refusal(403, "Forbidden", &long, &none))),
        plain("a long reason", answer(409, &[], refusal(409, &long, "no", &none))),
        plain("an invalid object", answer(422, &[], refusal(422, "Invalid", EVIL, &invalid))),
        plain("the token", Fate::Quoted),
        plain("absurd headers", answer(429, &busy, refusal(429, "TooManyRequests", EVIL, &none))),
        lie("other types", |answer| leaves(answer, &|_, leaf| *leaf = other_type(leaf))),
        lie("large numbers", |answer| leaves(answer, &|_, leaf| renumber(leaf, i64::MAX.into()))),
        lie("small numbers", |answer| leaves(answer, &|_, leaf| renumber(leaf, i64::MIN.into()))),
        lie("counts that are too large", |answer| {
            leaves(answer, &|_, leaf| renumber(leaf, i32::MAX.into()));
        }),
        lie("negative numbers", |answer| leaves(answer, &|_, leaf| renumber(leaf, (-1).into()))),
        lie("fractions", |answer| leaves(answer, &|_, leaf| renumber(leaf, json!(1e300)))),
        lie("late times", |answer| leaves(answer, &|_, leaf| set_clock(leaf, Timestamp::MAX))),
        lie("early times", |answer| leaves(answer, &|_, leaf| set_clock(leaf, Timestamp::MIN))),
        lie("sequences in messages", |answer| {
            leaves(answer, &|key, leaf| {
                let is_free = ["message", "reason", "context", "gitVersion", "username", "refusal"];
                append(leaf, EVIL, is_free.contains(&key));
            });
        }),
        lie("sequences everywhere", |answer| {
            leaves(answer, &|key, leaf| {
                append(leaf, EVIL, !["kind", "apiVersion"].contains(&key));
            });
        }),
        lie("sequences in names of fields", rename),
        lie("long texts", |answer| {
            leaves(answer, &|key, leaf| {
                append(leaf, &"x".repeat(10_000), !["kind", "apiVersion", "uid"].contains(&key));
            });
        }),
        lie("long lists", lengthen),
    ]
}

/// Changes each value that has none in it, given the name of its field; also those in documents
/// that annotations have.
pub fn leaves(value: &mut Value, change: &dyn Fn(&str, &mut Value)) {
    change_at("", value, change);
}

fn change_at(key: &str, value: &mut Value, change: &dyn Fn(&str, &mut Value)) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                change_at(key, field, change);
            }
        }
        Value::Array(items) => {
            for item in items {
                change_at(key, item, change);
            }
        }
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(mut document) if document.is_object() => {
                change_at(key, &mut document, change);
                *text = document.to_string();
            }
            _ => change(key, value),
        },
        _ => change(key, value),
    }
}

fn other_type(value: &Value) -> Value {
    match value {
        Value::String(_) => json!(7),
        Value::Number(_) => json!("seven"),
        Value::Bool(_) => json!([]),
        _ => json!({}),
    }
}

/// Replaces a number.
pub fn renumber(value: &mut Value, number: Value) {
    if value.is_number() {
        *value = number;
    }
}

/// Replaces a time, also in seconds since 1970.
fn set_clock(value: &mut Value, time: Timestamp) {
    let seconds = value.as_i64().is_some_and(|seconds| seconds > 1_000_000_000);
    if seconds {
        *value = time.as_second().into();
    } else if value.as_str().is_some_and(|text| text.parse::<Timestamp>().is_ok()) {
        *value = time.to_string().into();
    }
}

fn append(value: &mut Value, end: &str, is_meant: bool) {
    if let Value::String(text) = value
        && is_meant
    {
        text.push_str(end);
    }
}

/// Has the names of annotations and labels end otherwise.
fn rename(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                match field {
                    Value::Object(map) if ["annotations", "labels"].contains(&key.as_str()) => {
                        let renamed = std::mem::take(map).into_iter();
                        map.extend(renamed.map(|(key, value)| (format!("{key}{EVIL}"), value)));
                    }
                    field => rename(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(rename),
        _ => {}
    }
}

/// Has each list of values have its last one many times.
fn lengthen(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(lengthen),
        Value::Array(items) => {
            items.iter_mut().for_each(lengthen);
            let last = items.last().filter(|last| last.to_string().len() < 500).cloned();
            items.extend(last.into_iter().flat_map(|last| vec![last; 2_000]));
        }
        _ => {}
    }
}
