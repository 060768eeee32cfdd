//! What a test may do to a request.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use tokio::sync::Notify;

use super::request::RequestInfo;
use crate::status::Status;

/// On which side of a request's effect something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The request never takes effect.
    Before,
    /// The request has taken effect, and the client does not hear of it.
    After,
}

/// What becomes of a request. A client in the same process may put one among the extensions of
/// its request: it takes the place of the hook's.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is served.
    Pass,
    /// Nobody listens at the address: nothing of the request is received.
    Refuse,
    /// It is served, and these warnings are added to the answer.
    Warn(Vec<String>),
    /// It is served after a while on tokio's clock, which a test may have paused.
    Delay(Duration),
    /// It is never answered.
    Hang(When),
    /// It is never answered, and the signal is given once its effect is there, or not to be: the
    /// test that waits for the signal drops the client, as if the process had been killed at this
    /// request.
    Kill(When, Arc<Notify>),
    /// The connection it came by is cut. In process, where there is no connection, the answer's
    /// body breaks off.
    Reset(When),
    /// This is answered, in place of what the server would have said.
    Answer(When, Response<Bytes>),
    /// It is served, and the answer's body breaks off after so many bytes.
    Cut(usize),
    /// A list, or an object that is read by its name, is answered as it was so many changes of the
    /// cluster ago, as far back as the cluster remembers. Any other request is served.
    Stale(u64),
}

impl Verdict {
    /// A refusal in the form of a `Status`, in place of what the server would have said.
    pub fn refusal(when: When, code: u16, reason: &str, message: &str) -> Self {
        let body = Status::new(code, reason, message).body().to_string();
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() =
            http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        Self::Answer(when, response)
    }

    /// The same verdict with a header in its answer, if it has one.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &'static str) -> Self {
        if let Self::Answer(_, response) = &mut self {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        self
    }
}

/// A hook: asked about each request that is allowed, before it takes effect.
pub type Hook = Arc<dyn Fn(&RequestInfo) -> Verdict + Send + Sync>;
