//! What is logged of requests at which level. No secret is logged.
//!
//! | `-v` | level | logged |
//! |---|---|---|
//! | 1 | warn | each repetition of a request, with the reason |
//! | 6 | info | each request: method, URL, status, time |
//! | 7 | debug | its headers |
//! | 8 | trace | the headers of the answer, and the start of bodies ([`BODIES`] at debug) |
//! | 9 | trace | whole bodies ([`BODIES`] at trace) |
//!
//! From 6 on the levels are kubectl's.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, SET_COOKIE};

use super::auth::Credentials;
use super::secrets::{MASKED, Secrets};

/// The log target for requests, without their bodies.
pub const REQUESTS: &str = "kubectl_federate::requests";

/// The log target for bodies.
pub const BODIES: &str = "kubectl_federate::bodies";

/// How many bytes of a body are logged at level 8, as in kubectl.
const BEGINNING: usize = 1024;

/// Logs the headers of a request.
pub(super) fn request_headers(cluster: &str, headers: &HeaderMap) {
    for (name, value) in headers {
        tracing::debug!(target: REQUESTS, "[{cluster}] request header {name}: \
        {}", shown(name, value));
    }
}

/// Logs the headers of an answer. A credential in one is masked, since a server may quote it.
pub(super) fn answer_headers(cluster: &str, headers: &HeaderMap, secrets: &Secrets) {
    for (name, value) in headers {
        tracing::trace!(target: REQUESTS, "[{cluster}] answer header {name}: \
        {}", secrets.masked(&shown(name, value)));
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

/// Whether bodies are logged.
pub(super) fn wants_bodies() -> bool {
    tracing::enabled!(target: BODIES, tracing::Level::DEBUG)
}

/// Logs a body. `kind` is `request` or `answer`. A credential in it is masked, since a server may
/// quote it.
pub(super) fn body(cluster: &str, kind: &str, body: &[u8], credentials: &Credentials) {
    if body.is_empty() || !wants_bodies() {
        return;
    }
    let text = String::from_utf8_lossy(body);
    let text = credentials.secrets().masked(&text).into_owned();
    let end = text.floor_char_boundary(BEGINNING);
    if end == text.len() || tracing::enabled!(target: BODIES, tracing::Level::TRACE) {
        tracing::debug!(target: BODIES, "[{cluster}] {kind} body: {text}");
    } else {
        tracing::debug!(target: BODIES, "[{cluster}] {kind} body: {} [truncated {} bytes]",
            &text[..end], text.len() - end);
    }
}
