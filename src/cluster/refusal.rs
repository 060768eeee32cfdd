//! What a server says where it does not do what it is asked.

use http::StatusCode;
use kube::core::Status;
use serde_json::Value;

use super::connection::{Answer, Connection};
use super::error::{Cause, Error};
use super::secrets::Secrets;
use crate::hidden::{MOST, bounded};

/// The longest reason, which is a word, in bytes.
const REASON: usize = 64;

impl Connection {
    /// The error that an answer is that is no success.
    pub(super) fn refused(&self, answer: &Answer) -> Error {
        match told(answer).or_else(|| bare_status(answer)) {
            Some(status) => {
                Error::Status { cluster: self.name().to_owned(), status: Box::new(status) }
            }
            None => self.unreachable(Cause::Other(format!(
                "{} answered {} without a Kubernetes Status: is it an API server?",
                self.host(),
                answer.code
            ))),
        }
    }
}

/// The Status in an answer. It does not quote the credentials, and is no longer than anybody reads.
fn told(answer: &Answer) -> Option<Status> {
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    let is_status = body["kind"] == "Status";
    let mut status: Status = serde_json::from_value(body).ok().filter(|_| is_status)?;
    if status.code == 0 {
        status.code = answer.code.as_u16();
    }
    if status.message.trim().is_empty() {
        status.message = format!("the server answered {} without a reason", answer.code);
    }
    mask(&mut status, &answer.secrets);
    status.message = bounded(&status.message, MOST).into_owned();
    if status.reason.len() > REASON {
        status.reason.clear();
    }
    Some(status)
}

/// Masks secrets in all that is shown of a Status.
fn mask(status: &mut Status, secrets: &Secrets) {
    let mask = |text: &mut String| *text = secrets.masked_in_words(text).into_owned();
    mask(&mut status.message);
    mask(&mut status.reason);
    let Some(details) = &mut status.details else { return };
    mask(&mut details.kind);
    mask(&mut details.name);
    for cause in &mut details.causes {
        mask(&mut cause.field);
        mask(&mut cause.message);
    }
}

/// The Status for an answer that API servers, or authenticating proxies before them, give as bare
/// text. A 404 is not among them: only an API server may say that an object does not exist.
fn bare_status(answer: &Answer) -> Option<Status> {
    let (reason, message) = match answer.code {
        StatusCode::UNAUTHORIZED => {
            ("Unauthorized", "the server has asked for the client to provide credentials")
        }
        StatusCode::FORBIDDEN => ("Forbidden", "the server does not allow this request"),
        StatusCode::PAYLOAD_TOO_LARGE => {
            ("RequestEntityTooLarge", "the request is too large for the server")
        }
        StatusCode::TOO_MANY_REQUESTS => (
            "TooManyRequests",
            "the server has received too many requests and has asked us to try again later",
        ),
        _ => return None,
    };
    Some(Status {
        code: answer.code.as_u16(),
        reason: reason.into(),
        message: message.into(),
        ..Status::default()
    })
}
