//! What a test may do to a request.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tokio::sync::Notify;

use super::request::RequestInfo;

/// On which side of a request's effect something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The request never takes effect.
    Before,
    /// The request has taken effect, and the client does not hear of it.
    After,
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is served.
    Pass,
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
}

/// A hook: asked about each request that is allowed, before it takes effect.
pub type Hook = Arc<dyn Fn(&RequestInfo) -> Verdict + Send + Sync>;
