//! A connection to one API server: requests with credentials, within time, repeated where that is
//! safe.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::{Body, Client};
use kube::core::Status;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::auth::Credentials;
use super::cause;
use super::dialer::Channel;
use super::error::{Cause, Error};
use super::exec::Trouble;
use super::log;
use super::retry::{self, Ended};

/// One API server, as one user. Clones share everything.
#[derive(Clone)]
pub struct Connection {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    channel: Channel,
    pub(super) identity: OnceCell<String>,
}

/// A request before it is dressed for the wire.
pub(super) struct Call {
    pub method: Method,
    /// Path and query.
    pub path: String,
    pub content_type: &'static str,
    pub body: Bytes,
    /// It changes nothing, so that it may be sent twice.
    pub reads: bool,
}

/// A whole answer.
struct Answer {
    code: StatusCode,
    retry_after: Option<Duration>,
    body: Bytes,
}

/// Why there is no answer.
struct Lost {
    cause: Cause,
    unsent: bool,
    passing: bool,
}

impl Connection {
    pub(super) fn new(channel: Channel) -> Self {
        Self { inner: Arc::new(Inner { channel, identity: OnceCell::new() }) }
    }

    /// The cluster's name, as it was dialled.
    pub fn name(&self) -> &str {
        &self.inner.channel.cluster
    }

    /// The namespace that holds where a command names none.
    pub fn namespace(&self) -> &str {
        self.inner.channel.endpoint.namespace()
    }

    /// Host and port of the server, as messages show them.
    pub fn host(&self) -> &str {
        self.inner.channel.endpoint.host()
    }

    /// Sends a request and gives the object that was answered.
    pub(super) async fn call(&self, call: &Call) -> Result<Value, Error> {
        let channel = &self.inner.channel;
        let plugins = &channel.dialer.shared.plugins;
        let auth = &channel.endpoint.auth;
        let trouble = |Trouble { cause, hint }| Error::Credentials {
            cluster: self.name().to_owned(),
            cause,
            hint,
        };

        // Plugins have their own time: they may be waiting for a person.
        let credentials = auth.credentials(plugins).await.map_err(trouble)?;
        let mut answer = self.within_time(call, &credentials).await?;
        if answer.code == StatusCode::UNAUTHORIZED
            && let Some(renewed) = auth.renewed(&credentials, plugins).await.map_err(trouble)?
        {
            answer = self.within_time(call, &renewed).await?;
        }
        self.decode(&answer)
    }

    async fn within_time(&self, call: &Call, credentials: &Credentials) -> Result<Answer, Error> {
        let client = self.inner.channel.client(credentials.certificate.as_ref())?;
        let attempts = self.attempts(&client, call, credentials);
        let ended = match self.inner.channel.endpoint.timeout {
            Some(limit) => match tokio::time::timeout(limit, attempts).await {
                Ok(ended) => ended,
                Err(_) => return Err(self.unreachable(Cause::Timeout(limit))),
            },
            None => attempts.await,
        };
        ended.map_err(|lost| self.unreachable(lost.cause))
    }

    async fn attempts(
        &self,
        client: &Client,
        call: &Call,
        credentials: &Credentials,
    ) -> Result<Answer, Lost> {
        let mut done = 0;
        loop {
            done += 1;
            log::body(self.name(), "request", &call.body, credentials);
            let ended = attempt(client, call, credentials).await;
            if let Ok(answer) = &ended {
                log::body(self.name(), "answer", &answer.body, credentials);
            }
            let how = match &ended {
                Ok(answer) => {
                    Ended::Answered { code: answer.code.as_u16(), retry_after: answer.retry_after }
                }
                Err(lost) => Ended::Failed { unsent: lost.unsent, passing: lost.passing },
            };
            let Some(wait) = retry::wait(call.reads, done, how, retry::jitter()) else {
                return ended;
            };
            let why = match &ended {
                Ok(answer) => answer.code.to_string(),
                Err(lost) => lost.cause.to_string(),
            };
            tracing::warn!(target: log::REQUESTS,
                "[{}] {} {} is sent again in {} milliseconds, attempt {} of {}: {why}",
                self.name(), call.method, call.path, wait.as_millis(), done + 1, retry::ATTEMPTS);
            tokio::time::sleep(wait).await;
        }
    }

    fn decode(&self, answer: &Answer) -> Result<Value, Error> {
        let parsed: Result<Value, _> = serde_json::from_slice(&answer.body);
        if answer.code.is_success() {
            return match parsed {
                Ok(value) if value.is_object() => Ok(value),
                _ => Err(self.unreachable(Cause::Other("the answer is not a JSON object".into()))),
            };
        }
        let told = parsed
            .ok()
            .filter(|value| value["kind"] == "Status")
            .and_then(|v| serde_json::from_value::<Status>(v).ok());
        let status = match told {
            Some(mut status) => {
                if status.code == 0 {
                    status.code = answer.code.as_u16();
                }
                status
            }
            None => bare_status(answer).ok_or_else(|| {
                self.unreachable(Cause::Other(format!(
                    "{} answered {} without a Kubernetes Status: is it an API server?",
                    self.host(),
                    answer.code
                )))
            })?,
        };
        Err(Error::Status { cluster: self.name().to_owned(), status: Box::new(status) })
    }

    pub(super) fn unreachable(&self, cause: Cause) -> Error {
        // Whoever is dialled through a proxy resolves and accepts for itself: these two are the
        // proxy's own.
        let cause = match (cause, self.inner.channel.endpoint.proxy()) {
            (Cause::Refused, Some(proxy)) => {
                Cause::Other(format!("the proxy {proxy} refused the connection"))
            }
            (Cause::Unresolved(words), Some(proxy)) => {
                let host = proxy.rsplit_once(':').map_or(proxy, |(host, _)| host);
                Cause::Other(format!("the proxy's name: lookup {host}: {words}"))
            }
            (cause, _) => cause,
        };
        Error::Unreachable {
            cluster: self.name().to_owned(),
            server: self.host().to_owned(),
            cause,
        }
    }
}

/// The answers that API servers, or authenticating proxies before them, give as bare text. A 404 is
/// not among them: only an API server may say that an object does not exist.
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

async fn attempt(client: &Client, call: &Call, credentials: &Credentials) -> Result<Answer, Lost> {
    let lost = |error: &(dyn std::error::Error + 'static)| Lost {
        cause: cause::cause(error),
        unsent: cause::unsent(error),
        passing: cause::passing(error),
    };
    let mut request = Request::builder()
        .method(call.method.clone())
        .uri(&call.path)
        .header(ACCEPT, "application/json")
        .body(Body::from(call.body.clone()))
        .map_err(|error| Lost {
            cause: Cause::Other(error.to_string()),
            unsent: true,
            passing: false,
        })?;
    if !call.body.is_empty() {
        request
            .headers_mut()
            .insert(CONTENT_TYPE, http::HeaderValue::from_static(call.content_type));
    }
    if let Some(value) = &credentials.header {
        request.headers_mut().insert(AUTHORIZATION, value.clone());
    }
    let response = client.send(request).await.map_err(|error| lost(&error))?;
    let code = response.status();
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    // What was answered has reached the server, whatever happens to the rest of it.
    let body = response.into_body().collect().await.map_err(|error| Lost {
        unsent: false,
        passing: true,
        ..lost(&error)
    })?;
    Ok(Answer { code, retry_after, body: body.to_bytes() })
}
