//! What is told of requests, by level, with nothing secret in it.
//!
//! | `-v` | level | told |
//! |---|---|---|
//! | 1 | warn | what is sent again, why, and when |
//! | 6 | info | each request: method, URL, status, time |
//! | 7 | debug | its headers |
//! | 8 | trace | those of the answer, and the beginnings of bodies ([`BODIES`] at debug) |
//! | 9 | trace | whole bodies ([`BODIES`] at trace) |
//!
//! From 6 on this is kubectl's; it tells of repetitions from 4 on, among much else.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, SET_COOKIE};

use super::auth::Credentials;

/// The target of all that is told of requests but bodies.
pub const REQUESTS: &str = "kubectl_federate::requests";

/// The target of bodies.
pub const BODIES: &str = "kubectl_federate::bodies";

/// How many bytes of a body its beginning has; kubectl's number.
const BEGINNING: usize = 1024;

/// What stands for a secret, as in kubectl.
const MASKED: &str = "<masked>";

/// Tells of the headers of a request.
pub(super) fn request_headers(cluster: &str, headers: &HeaderMap) {
    for (name, value) in headers {
        tracing::debug!(target: REQUESTS, "[{cluster}] request header {name}: {}", shown(name, value));
    }
}

/// Tells of the headers of an answer.
pub(super) fn answer_headers(cluster: &str, headers: &HeaderMap) {
    for (name, value) in headers {
        tracing::trace!(target: REQUESTS, "[{cluster}] answer header {name}: {}", shown(name, value));
    }
}

fn shown(name: &HeaderName, value: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes());
    if !value.is_sensitive() && name != SET_COOKIE {
        return text.into_owned();
    }
    match text.split_once(' ') {
        Some((scheme @ ("Bearer" | "Basic"), _)) => format!("{scheme} {MASKED}"),
        _ => MASKED.to_owned(),
    }
}

/// Tells of a body, `of` a request or an answer. A server that quotes the credential gives nothing
/// away.
pub(super) fn body(cluster: &str, of: &str, body: &[u8], credentials: &Credentials) {
    if body.is_empty() || !tracing::enabled!(target: BODIES, tracing::Level::DEBUG) {
        return;
    }
    let mut text = String::from_utf8_lossy(body).into_owned();
    let credential =
        credentials.header.as_ref().map(|value| String::from_utf8_lossy(value.as_bytes()));
    if let Some(credential) = credential {
        let secret = credential.split_once(' ').map_or(&*credential, |(_, secret)| secret);
        if !secret.is_empty() {
            text = text.replace(secret, MASKED);
        }
    }
    let end = text.floor_char_boundary(BEGINNING);
    if end == text.len() || tracing::enabled!(target: BODIES, tracing::Level::TRACE) {
        tracing::debug!(target: BODIES, "[{cluster}] {of} body: {text}");
    } else {
        tracing::debug!(target: BODIES, "[{cluster}] {of} body: {} [truncated {} bytes]",
            &text[..end], text.len() - end);
    }
}
