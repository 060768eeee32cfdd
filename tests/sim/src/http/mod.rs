//! The API server as an HTTP service: requests are understood, shown to the test's hook, logged and
//! answered.

mod answer;
mod body;
mod hook;
mod log;
mod openapi;
mod request;
mod respond;
mod table;
mod watch;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Limited};
use tokio::sync::Notify;

use crate::cluster::Cluster;
use crate::status::Status;

pub use body::SimBody;
pub use hook::{Hook, Verdict, When};
pub use request::RequestInfo;

/// The largest body that is read, as in a real server.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

/// Ends the connection that a request came by; a server puts it into the request's extensions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection(pub(crate) Arc<Notify>);

/// A cluster as a tower service, for clients in the same process.
#[derive(Clone, Debug)]
pub struct Service(pub(crate) Cluster);

impl<B> tower::Service<Request<B>> for Service
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<SimBody>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let cluster = self.0.clone();
        Box::pin(async move {
            if cluster.is_away() {
                return Err(answer::refused());
            }
            let (head, body) = request.into_parts();
            let Ok(body) = Limited::new(body, BODY_LIMIT)
                .collect()
                .await
                .map(http_body_util::Collected::to_bytes)
            else {
                let why = format!("limit is {BODY_LIMIT}");
                let refusal = Status::new(
                    413,
                    "RequestEntityTooLarge",
                    format!("Request entity too large: {why}"),
                );
                return Ok(respond::refusal(&refusal));
            };
            let mut answer = answer::answer(&cluster, head, body).await?;
            respond::date(&mut answer, cluster.now());
            Ok(answer)
        })
    }
}
