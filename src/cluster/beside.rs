//! Requests to one server beside each other.

use std::pin::pin;

use super::connection::Connection;

impl Connection {
    /// Asks `first`, and `others` beside it, as soon as a connection is open that takes both; where
    /// there is none before, once `first` is answered. What fails `first` ends `others`.
    ///
    /// # Errors
    /// Those of `first`.
    pub async fn beside<T, U, E>(
        &self,
        first: impl Future<Output = Result<T, E>>,
        others: impl Future<Output = U>,
    ) -> Result<(T, U), E> {
        let mut first = pin!(first);
        tokio::select! {
            biased;
            first = &mut first => return Ok((first?, others.await)),
            () = self.inner.channel.opened.wait() => {}
        }
        tokio::try_join!(first, async { Ok(others.await) })
    }
}
