//! Requests to one server beside each other.

use super::connection::Connection;

impl Connection {
    /// Asks `first`, and `others` beside it, as soon as a connection is open that takes both; where
    /// there is none before, once `first` is answered. What fails `first` ends `others`.
    ///
    /// # Errors
    /// Those of `first`.
    pub fn beside<T, U, E>(
        &self,
        first: impl Future<Output = Result<T, E>>,
        others: impl Future<Output = U>,
    ) -> impl Future<Output = Result<(T, U), E>> {
        // Each place through which a future is moved has room for it in what this returns: of a
        // thousand members, 20 MB.
        let (mut first, others) = (Box::pin(first), Box::pin(others));
        async move {
            tokio::select! {
                biased;
                first = &mut first => return Ok((first?, others.await)),
                () = self.inner.channel.opened.wait() => {}
            }
            tokio::try_join!(first, async { Ok(others.await) })
        }
    }
}
