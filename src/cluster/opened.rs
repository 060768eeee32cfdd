//! Whether a connection to a server is open that takes several requests at once.

use std::pin::pin;

use http::Request;
use hyper_util::client::legacy::connect::{CaptureConnection, Connected, capture_connection};
use tokio::sync::SetOnce;

/// What is known of the connections to one server. Requests that are sent at once before the first
/// is open would each open one.
#[derive(Default)]
pub(super) struct Opened(SetOnce<()>);

impl Opened {
    /// There is one, as within this process.
    pub fn set(&self) {
        // It is set already where another request has found the same.
        let _ = self.0.set(());
    }

    /// Waits for one. Where requests go over HTTP/1.1 there never is one.
    pub async fn wait(&self) {
        self.0.wait().await;
    }

    /// What tells the connection of a request; nothing where one is known already.
    pub fn watch<B>(&self, request: &mut Request<B>) -> Option<CaptureConnection> {
        (!self.0.initialized()).then(|| capture_connection(request))
    }

    /// Waits for an answer, and notes meanwhile what the request is sent over.
    pub async fn while_sent<T>(
        &self,
        connection: Option<CaptureConnection>,
        answer: impl Future<Output = T>,
    ) -> T {
        let Some(mut connection) = connection else { return answer.await };
        let mut answer = pin!(answer);
        let is_shared = async {
            let connected = connection.wait_for_connection_metadata().await;
            connected.as_ref().is_some_and(Connected::is_negotiated_h2)
        };
        tokio::select! {
            biased;
            answer = &mut answer => return answer,
            true = is_shared => self.set(),
        }
        answer.await
    }
}
