//! A connection to one API server. Each request gets credentials and a time limit, and is repeated
//! where that is safe.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use jiff::SignedDuration;
use kube::client::Body;
use serde_json::Value;
use tokio::sync::{OnceCell, SemaphorePermit};
use tokio::time::Instant;
use tower::ServiceExt as _;

use super::auth::Credentials;
use super::body::{Lost, NO_OBJECT, read, read_items};
use super::bound::{Bound, Permit};
use super::channel::{Channel, Client};
use super::clock::Clock;
use super::error::{Cause, Error};
use super::exec::CredentialError;
use super::items::TakesItems;
use super::log;
use super::patience::{BRIEF, Patience};
use super::retry::{self, Ended};
use super::secrets::Secrets;
use super::silence::Silence;
use super::transport::AnswerBody;
use crate::seams;

/// How many requests may be open to one server at first, over one connection of HTTP/2.
const OPEN_REQUESTS: usize = 32;

/// One API server, as one user. Clones share everything.
#[derive(Clone)]
pub struct Connection {
    pub(super) inner: Arc<Inner>,
}

/// The answer to one question about a right, for all that wait for it.
type Grant = Arc<OnceCell<Result<bool, Error>>>;

pub(super) struct Inner {
    pub(super) channel: Channel,
    pub(super) identity: OnceCell<String>,
    pub(super) version: OnceCell<String>,
    /// Which rights it has said to grant, by what was asked.
    pub(super) grants: Mutex<BTreeMap<String, Grant>>,
    clock: Clock,
    /// The requests that may be open.
    turns: Bound,
    /// Whether the command can go on without this cluster, and does not wait for it long.
    is_brief: AtomicBool,
    silence: Silence,
    /// Whether its requests wait for none of those to other servers.
    is_apart: bool,
}

/// A request without its credentials and headers.
pub(super) struct Call<'a> {
    pub method: Method,
    /// Path and query.
    pub path: String,
    pub content_type: &'static str,
    pub body: Bytes,
    /// Whether it changes nothing, so that it may be sent twice.
    pub reads: bool,
    /// How the body of the answer is taken.
    pub reading: Reading<'a>,
    /// Whether it asks which cluster it is.
    pub identifies: bool,
}

/// How the body of an answer is taken. That of a refusal is always taken as a whole.
#[derive(Clone, Copy)]
pub(super) enum Reading<'a> {
    /// As a whole.
    Whole,
    /// As a list, whose items are handed on as they come. The rest is taken as a whole.
    Items(&'a dyn TakesItems),
    /// As it comes.
    Stream,
    /// As it comes, and the answer may begin at any time.
    Whenever,
}

/// An answer.
pub(super) struct Answer {
    pub code: StatusCode,
    retry_after: Option<Duration>,
    /// The whole body, without the items that were handed on; empty where there is a rest.
    pub body: Bytes,
    /// How large the body was, in bytes.
    size: usize,
    /// The body, where it is taken as it comes.
    pub rest: Option<AnswerBody>,
    /// What the server may quote of the credentials.
    pub secrets: Secrets,
}

impl Connection {
    /// With `is_apart` its requests wait for none of those to other servers.
    pub(super) fn new(channel: Channel, is_apart: bool) -> Self {
        Self {
            inner: Arc::new(Inner {
                channel,
                identity: OnceCell::new(),
                version: OnceCell::new(),
                grants: Mutex::default(),
                clock: Clock::default(),
                turns: Bound::new(1, OPEN_REQUESTS),
                is_brief: AtomicBool::new(false),
                silence: Silence::default(),
                is_apart,
            }),
        }
    }

    /// Waits for this cluster only briefly from now on: connecting and its identity may take
    /// 3 seconds together. Where a request had no answer in its time, and no other had one since it
    /// was sent, none is sent before the identity is asked for again.
    ///
    /// It is for commands that can go on without the cluster. `--request-timeout` goes before.
    pub fn wait_briefly(&self) {
        let is_brief = !self.inner.channel.endpoint.is_timeout_given;
        self.inner.is_brief.store(is_brief, Ordering::Relaxed);
    }

    /// The cluster's name, as it was dialled.
    pub fn name(&self) -> &str {
        &self.inner.channel.cluster
    }

    /// The namespace for commands that name none.
    pub fn namespace(&self) -> &str {
        self.inner.channel.endpoint.namespace()
    }

    /// Host and port of the server, as messages show them.
    pub fn host(&self) -> &str {
        self.inner.channel.endpoint.host()
    }

    /// Whether what it is made of stays open after a request.
    pub(super) fn is_kept(&self) -> bool {
        self.inner.channel.shared.network.keeps()
    }

    /// How far the clock of the server is ahead of the local clock; negative where it is behind.
    /// `None` before the first answer, and for a server that sends no `Date` header.
    ///
    /// The precision is half a second and half the time of the request that was measured. That is
    /// the quickest request of the last minute, or the last one.
    pub fn clock_skew(&self) -> Option<SignedDuration> {
        self.inner.clock.skew()
    }

    /// A request that changes something is about to be sent.
    pub(super) fn writes(&self) {
        (self.inner.channel.shared.writes)();
    }

    /// Sends a request and returns the object in the answer.
    pub(super) async fn call(&self, call: &Call<'_>) -> Result<Value, Error> {
        self.call_sized(call).await.map(|(object, _)| object)
    }

    /// As [`Self::call`], with the size of the answer in bytes.
    pub(super) async fn call_sized(&self, call: &Call<'_>) -> Result<(Value, usize), Error> {
        let answer = self.answer(call).await?;
        Ok((self.decode(&answer)?, answer.size))
    }

    /// Sends a request with credentials, which are renewed where the server does not know them.
    pub(super) async fn answer(&self, call: &Call<'_>) -> Result<Answer, Error> {
        let channel = &self.inner.channel;
        let plugins = &channel.shared.plugins;
        let auth = &channel.endpoint.auth;
        let failed = |CredentialError { cause, hint }| Error::Credentials {
            cluster: self.name().to_owned(),
            cause,
            hint,
        };

        // The request timeout does not cover plugins: they may be waiting for a person.
        let credentials = auth.credentials(plugins).await.map_err(failed)?;
        let mut answer = self.within_time(call, &credentials).await?;
        if answer.code == StatusCode::UNAUTHORIZED
            && let Some(renewed) = auth.renewed(&credentials, plugins).await.map_err(failed)?
        {
            answer = self.within_time(call, &renewed).await?;
        }
        Ok(answer)
    }

    /// How long a request may take.
    fn limit(&self, call: &Call<'_>) -> Option<Duration> {
        match self.inner.channel.endpoint.timeout {
            _ if matches!(call.reading, Reading::Whenever) => None,
            Some(limit) if call.identifies && self.is_brief() => Some(limit.min(BRIEF)),
            limit => limit,
        }
    }

    /// Whether a request had no answer in its time, and no other had one since it was sent.
    pub fn is_silent(&self) -> bool {
        self.inner.silence.holds()
    }

    fn is_brief(&self) -> bool {
        self.inner.is_brief.load(Ordering::Relaxed)
    }

    async fn within_time(
        &self,
        call: &Call<'_>,
        credentials: &Credentials,
    ) -> Result<Answer, Error> {
        let client = self.inner.channel.client(credentials.certificate.as_ref())?;
        // Boxed, because it is in the future of whoever sends a request.
        let mut first_sent = None;
        let ended = Box::pin(self.attempts(client, call, credentials, &mut first_sent)).await;
        if let (Err(lost), Some(sent)) = (&ended, first_sent)
            && matches!(lost.cause, Cause::Timeout(_))
        {
            self.inner.silence.timed_out(sent);
        }
        ended.map_err(|lost| self.unreachable(lost.cause))
    }

    async fn attempts(
        &self,
        client: Client,
        call: &Call<'_>,
        credentials: &Credentials,
        first_sent: &mut Option<Instant>,
    ) -> Result<Answer, Lost> {
        let channel = &self.inner.channel;
        let limit = self.limit(call);
        let mut patience = Patience::new(limit, &channel.queue);
        let notice = || match call.reading {
            Reading::Whenever => Box::new(()),
            _ => (channel.shared.silence)(self.name()),
        };
        let mut done = 0;
        loop {
            let turn = self.turn(call, limit).await?;
            first_sent.get_or_insert_with(Instant::now);
            log::body(self.name(), "request", &call.body, credentials);
            let attempt = self.attempt(client.clone(), call, credentials);
            let ended = patience.wait_for(attempt, notice).await.map_err(Lost::timeout)?;
            let outcome = match &ended {
                Ok(answer) => {
                    Ended::Answered { code: answer.code.as_u16(), retry_after: answer.retry_after }
                }
                Err(lost) => Ended::Failed { unsent: lost.unsent, passing: lost.passing },
            };
            // Where fewer are open from now on, the next attempt is not the same again.
            let eases = turn.is_some_and(|turn| turn.end(outcome));
            done += u32::from(!eases);
            let Some(wait) = retry::wait(call.reads, done, outcome, retry::jitter()) else {
                return ended;
            };
            let why = match &ended {
                Ok(answer) => answer.code.to_string(),
                Err(lost) => lost.cause.to_string(),
            };
            tracing::warn!(target: log::REQUESTS,
                "[{}] {} {} is sent again in {} milliseconds, attempt {} of {}: {why}",
                self.name(), call.method, call.path, wait.as_millis(), done + 1, retry::ATTEMPTS);
            let waits = patience.wait_for(tokio::time::sleep(wait), notice);
            waits.await.map_err(Lost::timeout)?;
        }
    }

    /// Waits until the request may be sent. None for one whose answer may begin at any time: it
    /// would keep others from being sent.
    ///
    /// A request that waited while the server fell silent would wait as long again, and so would
    /// each behind it. It ends as if it had been sent.
    async fn turn(
        &self,
        call: &Call<'_>,
        limit: Option<Duration>,
    ) -> Result<Option<Turn<'_>>, Lost> {
        if matches!(call.reading, Reading::Whenever) {
            return Ok(None);
        }
        let mut turn = pin!(async {
            let of_server = self.inner.turns.permit().await;
            let requests = &self.inner.channel.shared.requests;
            let of_process = if self.inner.is_apart {
                None
            } else {
                Some(requests.acquire().await.expect("it is never closed"))
            };
            Turn { of_server, _of_process: of_process }
        });
        let (turn, waited) = match futures::poll!(&mut turn) {
            Poll::Ready(turn) => (turn, false),
            Poll::Pending => (turn.await, true),
        };
        match limit {
            Some(limit) if self.is_silent() && !call.identifies && (waited || self.is_brief()) => {
                Err(Lost::timeout(limit))
            }
            _ => Ok(Some(turn)),
        }
    }

    async fn attempt(
        &self,
        client: Client,
        call: &Call<'_>,
        credentials: &Credentials,
    ) -> Result<Answer, Lost> {
        let request = request(call, credentials).map_err(|error| Lost {
            cause: Cause::Other(error.to_string()),
            unsent: true,
            passing: false,
        })?;
        let (sent, start) = (seams::now(), Instant::now());
        let response = client.oneshot(request).await.map_err(|error| Lost::new(&*error))?;
        self.inner.silence.answered();
        let headers = response.headers();
        if let Some(date) = headers.get(DATE).and_then(|date| date.to_str().ok()) {
            self.inner.clock.measure(date, sent, start.elapsed());
        }
        let (code, retry_after) = (response.status(), retry_after(headers));
        let body = response.into_body();
        let secrets = credentials.secrets();
        let none = Answer { code, retry_after, body: Bytes::new(), size: 0, rest: None, secrets };
        if code.is_success() {
            match call.reading {
                Reading::Stream | Reading::Whenever => {
                    return Ok(Answer { rest: Some(body), ..none });
                }
                // What is logged is the whole answer.
                Reading::Items(takes) if !log::wants_bodies() => {
                    let (body, size) = read_items(body, takes, &none.secrets).await?;
                    return Ok(Answer { body, size, ..none });
                }
                Reading::Items(_) | Reading::Whole => {}
            }
        }
        let body = read(body).await?;
        log::body(self.name(), "answer", &body, credentials);
        let size = body.len();
        match call.reading {
            Reading::Items(takes) if code.is_success() => {
                let whole = Full::new(body).map_err(|never| match never {}).boxed_unsync();
                let (body, _) = read_items(whole, takes, &none.secrets).await?;
                Ok(Answer { body, size, ..none })
            }
            _ => Ok(Answer { body, size, ..none }),
        }
    }

    fn decode(&self, answer: &Answer) -> Result<Value, Error> {
        if !answer.code.is_success() {
            return Err(self.refused(answer));
        }
        match serde_json::from_slice(&answer.body) {
            Ok(mut object @ Value::Object(_)) => {
                answer.secrets.mask_told(&mut object);
                Ok(object)
            }
            _ => Err(self.unreachable(Cause::Other(NO_OBJECT.into()))),
        }
    }

    pub(super) fn unreachable(&self, cause: Cause) -> Error {
        // A proxy resolves the server's name and connects to it, so these two are about the proxy.
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

fn request(call: &Call<'_>, credentials: &Credentials) -> Result<Request<Body>, http::Error> {
    let mut request = Request::builder()
        .method(call.method.clone())
        .uri(&call.path)
        .header(ACCEPT, accepted(call.reading))
        .body(Body::from(call.body.clone()))?;
    let headers = request.headers_mut();
    if !call.body.is_empty() {
        headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(call.content_type));
    }
    if let Some(value) = &credentials.header {
        headers.insert(AUTHORIZATION, value.clone());
    }
    Ok(request)
}

/// What may be answered. What is read as it comes may be text, as in kubectl.
fn accepted(reading: Reading<'_>) -> &'static str {
    match reading {
        Reading::Whole | Reading::Items(_) => "application/json",
        Reading::Stream | Reading::Whenever => "application/json, */*",
    }
}

/// The seconds that a server asks to wait.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// Leave to have one more request open.
struct Turn<'a> {
    of_server: Permit,
    /// None for a server whose requests do not wait for those to others.
    _of_process: Option<SemaphorePermit<'a>>,
}

impl Turn<'_> {
    /// The request has ended so. Says whether fewer are sent to the server at once from now on,
    /// because it takes no more.
    fn end(self, ended: Ended) -> bool {
        match ended {
            Ended::Answered { code: 429, .. } => return self.of_server.refused(),
            Ended::Answered { .. } => self.of_server.succeeded(),
            Ended::Failed { .. } => {}
        }
        false
    }
}
