//! An answer that is read while it comes, such as the log of a pod.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use tokio::{task::coop::consume_budget, time::timeout};

use super::connection::{Call, Connection, Reading};
use super::error::{Cause, Error};
use super::transport::AnswerBody;
use super::words;

/// The body of an answer, in the pieces in which it comes.
pub struct Stream {
    connection: Connection,
    body: AnswerBody,
    /// How long nothing may come; none if that may take any time.
    limit: Option<Duration>,
}

impl Connection {
    /// Opens what is at a path such as `/api/v1/namespaces/ns/pods/pi/log`, to be read as it comes.
    ///
    /// The time limit of requests holds for the beginning of the answer, and for each silence in
    /// it. With `follows` both may take any time: a server says something when there is something
    /// to say.
    ///
    /// # Errors
    /// As any request that only reads.
    pub async fn stream(&self, path: &str, follows: bool) -> Result<Stream, Error> {
        let reading = if follows { Reading::Whenever } else { Reading::Stream };
        let answer = self.answer(&Call { reading, ..Call::get(path) }).await?;
        match answer.rest {
            Some(body) => {
                let limit = self.inner.channel.endpoint.timeout.filter(|_| !follows);
                Ok(Stream { connection: self.clone(), body, limit })
            }
            None => Err(self.refused(&answer)),
        }
    }
}

impl Stream {
    /// The next bytes; none at the end.
    ///
    /// # Errors
    /// The answer broke off, or nothing more came in its time.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(limit) = self.limit else { return self.piece().await };
        match timeout(limit, self.piece()).await {
            Ok(piece) => piece,
            Err(_) => Err(self.connection.unreachable(Cause::Timeout(limit))),
        }
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            // A server that has always more to say must not keep others from being heard.
            consume_budget().await;
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Ok(Some(data)),
                    // Trailers, which nobody needs.
                    Err(_) => {}
                },
                Some(Err(error)) => {
                    let cause: Cause = words::cause(&*error);
                    return Err(self.connection.unreachable(cause));
                }
            }
        }
    }
}
