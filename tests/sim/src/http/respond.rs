//! Responses.

use http::{HeaderValue, Response, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

use super::SimBody;
use crate::status::Status;

/// A JSON object.
pub(crate) fn object(code: u16, object: &Value) -> Response<SimBody> {
    let mut text = object.to_string();
    text.push('\n');
    with_type(code, "application/json", text)
}

/// A text.
pub(crate) fn text(code: u16, text: &str) -> Response<SimBody> {
    with_type(code, "text/plain; charset=utf-8", text.to_owned())
}

/// A refusal.
pub(crate) fn refusal(status: &Status) -> Response<SimBody> {
    object(status.code, &status.body())
}

/// A stream of JSON objects, one a line.
pub(crate) fn stream(body: SimBody) -> Response<SimBody> {
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}

/// The log of a container.
pub(crate) fn log(body: SimBody) -> Response<SimBody> {
    let mut response = Response::new(body);
    response.headers_mut().insert("content-type", HeaderValue::from_static("text/plain"));
    response
}

fn with_type(code: u16, kind: &'static str, text: String) -> Response<SimBody> {
    let mut response = Response::new(SimBody::whole(text));
    *response.status_mut() =
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static(kind));
    headers.insert("cache-control", HeaderValue::from_static("no-cache, private"));
    response
}

/// Says the server's time, where the response says none.
pub(crate) fn date(response: &mut Response<SimBody>, now: Timestamp) {
    let text = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().entry("date").or_insert(value);
    }
}

/// Adds warnings, each as a header with code 299.
pub(crate) fn warn(response: &mut Response<SimBody>, warnings: &[String]) {
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append("warning", value);
        }
    }
}
