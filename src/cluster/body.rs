//! The body of an answer, as far as it comes.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body;
use tower::BoxError;

use super::error::Cause;
use super::items::{Splitter, TakesItems};
use super::secrets::Secrets;
use super::transport::AnswerBody;
use super::words;

/// The most that the body of one answer may hold, in bytes, after decompression.
const MAX_BODY: usize = 64 << 20;

/// What is said of an answer that should be an object, and is none.
pub(super) const NO_OBJECT: &str = "the answer is not a JSON object";

/// Why there is no answer.
pub(super) struct Lost {
    pub cause: Cause,
    /// Whether nothing of the request can have reached the server.
    pub unsent: bool,
    /// Whether trying again soon may help.
    pub passing: bool,
}

/// Why no more of a body comes. It is a type of its own because rustc 1.95 cannot tell that a
/// future is [`Send`] which holds a [`Limited`] body whose error is a boxed one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct CutShort(#[source] BoxError);

/// The body as far as it is not larger than [`MAX_BODY`].
fn limited(body: AnswerBody) -> Limited<impl Body<Data = Bytes, Error = CutShort> + Unpin> {
    Limited::new(body.map_err(CutShort), MAX_BODY)
}

/// The whole body, if it is not larger than [`MAX_BODY`].
pub(super) async fn read(body: AnswerBody) -> Result<Bytes, Lost> {
    let body = limited(body).collect().await;
    Ok(body.map_err(|error| Lost::in_body(&*error))?.to_bytes())
}

/// The body of a list without its items, which are handed on, and how large it was. `secrets` are
/// what the server may quote.
pub(super) async fn read_items(
    body: AnswerBody,
    takes: &dyn TakesItems,
    secrets: &Secrets,
) -> Result<(Bytes, usize), Lost> {
    let mut body = limited(body);
    let (mut splitter, mut size) = (Splitter::default(), 0);
    takes.begin(secrets);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Lost::in_body(&*error))?;
        let Ok(piece) = frame.into_data() else { continue };
        size += piece.len();
        let cause = || Cause::Other(NO_OBJECT.into());
        let no_object = |_| Lost { cause: cause(), unsent: false, passing: false };
        splitter.feed(&piece, takes).map_err(no_object)?;
    }
    Ok((splitter.end().into(), size))
}

impl Lost {
    /// The answer has begun, and does not come to its end.
    fn in_body(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Self {
        // The request has reached the server, since it answered.
        if error.is::<LengthLimitError>() {
            Self { cause: Cause::TooLarge("64 MiB"), unsent: false, passing: false }
        } else {
            Self { unsent: false, passing: true, ..Self::new(error) }
        }
    }

    /// All the time that it may take is over.
    pub fn timeout(limit: Duration) -> Self {
        Self { cause: Cause::Timeout(limit), unsent: false, passing: false }
    }

    /// What a library says of it.
    pub fn new(error: &(dyn std::error::Error + 'static)) -> Self {
        Self {
            cause: words::cause(error),
            unsent: words::unsent(error),
            passing: words::passing(error),
        }
    }
}
