//! The network between the commands and the clusters: it numbers each request, and a test says what
//! becomes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use kube::client::Body;
use kubectl_federate::cluster::{
    Endpoint, WireFactory,
    transport::{AnswerBody, wire},
};
use serde_json::{Value, json};
use sim::{Cluster, Verdict, When};
use tokio::sync::Notify;
use tower::{BoxError, ServiceExt as _};

use super::witness::Witness;

/// More requests for a cluster than any command sends here; one that sends more goes round in
/// circles.
const MOST_REQUESTS: usize = 300;

/// A request on its way.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its number since [`Net::watch`], from 0.
    pub number: usize,
    /// The cluster that it is for.
    pub cluster: String,
    /// Who sends it.
    pub user: String,
    pub method: Method,
    /// The path without the query.
    pub path: String,
    pub body: Value,
    /// Whether it changes what is stored.
    pub mutating: bool,
    /// Whether it asks to be told what changes from now on.
    pub watches: bool,
}

impl Sent {
    /// Whether it is about Jobs, and not about how or whether they may be written.
    pub fn of_jobs(&self) -> bool {
        self.path.contains("/jobs")
    }

    /// Whether it makes a Job.
    pub fn makes_job(&self) -> bool {
        self.mutating && self.method == Method::POST && self.of_jobs()
    }
}

impl std::fmt::Display for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dry = if self.mutating || self.method == Method::GET { "" } else { " (dry run)" };
        write!(
            f,
            "{} {} {} {}{dry} by {}",
            self.number, self.cluster, self.method, self.path, self.user
        )
    }
}

/// What becomes of a request.
#[derive(Clone)]
pub enum Fate {
    Pass,
    /// Nobody listens.
    Refused,
    /// The connection breaks.
    Reset(When),
    /// No answer ever comes.
    Hang(When),
    /// The process that sent it dies.
    Kill(When),
    /// The process that sent it dies, and the request arrives when the signal is given.
    KillAndHold(Arc<Notify>),
    /// It arrives when the signal is given.
    Hold(Arc<Notify>),
    /// It arrives after this time.
    Delay(Duration),
    /// It is answered so, whatever the server would say. It is JSON, unless a header says otherwise.
    Answer(When, u16, Vec<(&'static str, &'static str)>, Bytes),
    /// The answer has no end: it is this again and again, with a pause before each.
    Endless(Bytes, Duration),
    /// It is refused, in words that quote the token that came with it.
    Quoted,
    /// The answer begins so, and nothing more comes.
    Mute(Bytes),
    /// The answer is the server's, changed so.
    Twisted(Arc<dyn Fn(&mut Value) + Send + Sync>),
    /// Half of the answer comes.
    Cut,
    /// What is read is what there was before the last write to this cluster.
    Stale,
}

impl Fate {
    /// Whether the request may have taken effect, as far as its sender can know.
    fn may_have_happened(&self) -> bool {
        match self {
            Self::Refused => false,
            Self::Answer(_, code, ..) => *code >= 500 || *code == 200,
            _ => true,
        }
    }

    /// Whether a read so treated tells its sender what there is.
    fn tells(&self) -> bool {
        matches!(self, Self::Pass | Self::Hold(_) | Self::Delay(_) | Self::Stale)
    }
}

type Judge = Box<dyn FnMut(&Sent, &mut Witness) -> Fate + Send>;

/// The network.
pub struct Net {
    clusters: BTreeMap<String, Cluster>,
    state: Mutex<State>,
    /// Given when a process dies at a request.
    pub killed: Notify,
    /// How many bytes of answers without an end were taken.
    poured: Arc<AtomicUsize>,
}

struct State {
    judge: Judge,
    sent: Vec<Sent>,
    witness: Witness,
    /// Clusters, users, and the paths of Jobs that they may have made there, of which no read has
    /// told them since.
    unread: BTreeSet<(String, String, String)>,
    /// The revision of each cluster before its last write.
    before: BTreeMap<String, u64>,
}

impl State {
    /// A read has told a user which Jobs there are in a cluster.
    fn read(&mut self, (cluster, user): &(String, String)) {
        self.unread.retain(|(there, who, _)| (there, who) != (cluster, user));
    }
}

impl Net {
    pub fn new(clusters: &[Cluster]) -> Arc<Self> {
        let state = State {
            judge: Box::new(|_, _| Fate::Pass),
            sent: Vec::new(),
            witness: Witness::new(clusters),
            unread: BTreeSet::new(),
            before: BTreeMap::new(),
        };
        let clusters =
            clusters.iter().map(|cluster| (cluster.name().to_owned(), cluster.clone())).collect();
        let (state, poured) = (Mutex::new(state), Arc::default());
        Arc::new(Self { clusters, state, killed: Notify::new(), poured })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has every request judged from now on, and counts from 0 again.
    pub fn watch(&self, judge: impl FnMut(&Sent, &mut Witness) -> Fate + Send + 'static) {
        let mut state = self.state();
        state.judge = Box::new(judge);
        state.sent.clear();
        self.poured.store(0, Ordering::SeqCst);
    }

    /// Lets every request pass from now on, and counts from 0 again.
    pub fn heal(&self) {
        self.watch(|_, _| Fate::Pass);
    }

    /// The requests that were sent since [`Net::watch`].
    pub fn sent(&self) -> Vec<Sent> {
        self.state().sent.clone()
    }

    /// How many bytes of answers without an end were taken since [`Net::watch`].
    pub fn poured(&self) -> usize {
        self.poured.load(Ordering::SeqCst)
    }

    /// What was seen so far.
    pub fn witness<T>(&self, ask: impl FnOnce(&mut Witness) -> T) -> T {
        ask(&mut self.state().witness)
    }

    /// The ways from the commands to the clusters: the host of an address is a cluster's name.
    pub fn wires(self: &Arc<Self>) -> WireFactory {
        let net = self.clone();
        Arc::new(move |endpoint: &Endpoint| {
            let name = endpoint.host().split(':').next().unwrap_or_default().to_owned();
            let net = net.clone();
            wire(tower::service_fn(move |request: Request<Body>| {
                let (net, name) = (net.clone(), name.clone());
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    let fate = net.judge(&name, &head, &body);
                    // What is on its way arrives, whatever becomes of the process that sent it.
                    let arrives =
                        tokio::spawn(async move { net.deliver(&name, fate, head, body).await });
                    arrives.await?
                }
            }))
        })
    }

    fn judge(&self, cluster: &str, head: &http::request::Parts, body: &Bytes) -> Fate {
        let mut state = self.state();
        let state = &mut *state;
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let query = head.uri.query().unwrap_or_default();
        let dry = query.contains("dryRun") || !body["dryRun"].is_null();
        let path = head.uri.path().to_owned();
        let user = user_of(head);
        let mutating = head.method != Method::GET && !dry && !path.ends_with("reviews");
        let sent = Sent {
            number: state.sent.len(),
            cluster: cluster.to_owned(),
            user,
            method: head.method.clone(),
            path,
            body,
            mutating,
            watches: query.contains("watch=true"),
        };
        state.sent.push(sent.clone());
        state.witness.judge(&sent);
        if state.sent.len() > MOST_REQUESTS * self.clusters.len() {
            state.witness.accuse(format!("a command goes round in circles: {sent}"));
            self.killed.notify_one();
            return Fate::Hang(When::Before);
        }
        let fate = (state.judge)(&sent, &mut state.witness);
        let place = (sent.cluster.clone(), sent.user.clone());
        let tells = sent.method == Method::GET && fate.tells() || sent.method == Method::DELETE;
        if sent.makes_job() {
            let name = sent.body["metadata"]["name"].as_str().unwrap_or_default();
            let place = (place.0, place.1, format!("{}/{name}", sent.path));
            if state.unread.contains(&place) {
                state.witness.accuse(format!("a POST is repeated with no read between: {sent}"));
            }
            if fate.may_have_happened() {
                state.unread.insert(place);
            }
        } else if sent.of_jobs() && tells {
            state.read(&place);
        }
        fate
    }

    async fn deliver(
        &self,
        name: &str,
        fate: Fate,
        head: http::request::Parts,
        body: Bytes,
    ) -> Result<Response<AnswerBody>, BoxError> {
        let head = Arc::new(head);
        let serve = async || self.serve(name, &head, body.clone()).await;
        let effect = async |when: When| {
            if when == When::After {
                drop(serve().await);
            }
        };
        match fate {
            Fate::Pass if head.uri.query().is_some_and(|query| query.contains("watch=true")) => {
                let request = Request::from_parts((*head).clone(), Full::new(body));
                let answer = self.clusters[name].service().oneshot(request).await?;
                Ok(answer.map(|body| body.map_err(BoxError::from).boxed_unsync()))
            }
            Fate::Pass => {
                let answer = serve().await;
                if answer.status().is_client_error() {
                    // The server says itself that it did not happen.
                    self.state().read(&(name.to_owned(), user_of(&head)));
                }
                Ok(boxed(answer))
            }
            Fate::Refused => Err(io::Error::from(io::ErrorKind::ConnectionRefused).into()),
            Fate::Reset(when) => {
                effect(when).await;
                Err(io::Error::from(io::ErrorKind::ConnectionReset).into())
            }
            Fate::Hang(when) => {
                effect(when).await;
                std::future::pending().await
            }
            Fate::Kill(when) => {
                effect(when).await;
                self.killed.notify_one();
                std::future::pending().await
            }
            Fate::KillAndHold(signal) => {
                self.killed.notify_one();
                signal.notified().await;
                Ok(boxed(serve().await))
            }
            Fate::Hold(signal) => {
                signal.notified().await;
                Ok(boxed(serve().await))
            }
            Fate::Delay(time) => {
                tokio::time::sleep(time).await;
                Ok(boxed(serve().await))
            }
            Fate::Answer(when, code, headers, text) => {
                effect(when).await;
                let json = HeaderValue::from_static("application/json");
                let mut answer = Response::builder().status(code).body(text)?;
                answer.headers_mut().insert(CONTENT_TYPE, json);
                for (name, value) in headers {
                    answer.headers_mut().insert(name, HeaderValue::from_static(value));
                }
                Ok(boxed(answer))
            }
            Fate::Endless(piece, pause) => Ok(endless(piece, pause, self.poured.clone())),
            Fate::Quoted => Ok(boxed(quoting(&head)?)),
            Fate::Mute(text) => {
                let begin = futures::stream::iter([Ok(hyper::body::Frame::data(text))]);
                let frames = begin.chain(futures::stream::pending());
                Ok(Response::new(http_body_util::StreamBody::new(frames).boxed_unsync()))
            }
            Fate::Twisted(change) => Ok(boxed(serve().await.map(|bytes| {
                let Ok(mut value) = serde_json::from_slice(&bytes) else { return bytes };
                change(&mut value);
                value.to_string().into()
            }))),
            Fate::Cut => Ok(cut(serve().await)),
            Fate::Stale => {
                let before = self.state().before.get(name).copied().unwrap_or_default();
                let age = self.clusters[name].revision() - before;
                Ok(boxed(self.serve_as(Verdict::Stale(age), name, &head, body).await))
            }
        }
    }

    /// Has the cluster serve a request, and its controllers do what follows from it at once.
    async fn serve(&self, name: &str, head: &http::request::Parts, body: Bytes) -> Response<Bytes> {
        self.serve_as(Verdict::Pass, name, head, body).await
    }

    async fn serve_as(
        &self,
        verdict: Verdict,
        name: &str,
        head: &http::request::Parts,
        body: Bytes,
    ) -> Response<Bytes> {
        let cluster = &self.clusters[name];
        if head.method != Method::GET {
            self.state().before.insert(name.to_owned(), cluster.revision());
        }
        let mut request = Request::from_parts(head.clone(), Full::new(body));
        request.extensions_mut().insert(verdict);
        let answer = cluster.service().oneshot(request).await.expect("it is there");
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.expect("a simulated cluster answers in full").to_bytes();
        if head.method != Method::GET {
            cluster.settle();
            self.state().witness.look();
        }
        Response::from_parts(parts, bytes)
    }
}

/// Whose token it is that comes with a request: the end of the token says so.
fn user_of(head: &http::request::Parts) -> String {
    let token =
        head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    token.rsplit('-').next().unwrap_or_default().to_owned()
}

fn boxed(answer: Response<Bytes>) -> Response<AnswerBody> {
    answer.map(|bytes| Full::new(bytes).map_err(|never| match never {}).boxed_unsync())
}

fn endless(piece: Bytes, pause: Duration, poured: Arc<AtomicUsize>) -> Response<AnswerBody> {
    let frames = futures::stream::repeat(piece).then(move |piece| {
        poured.fetch_add(piece.len(), Ordering::SeqCst);
        async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            Ok(hyper::body::Frame::data(piece))
        }
    });
    Response::new(http_body_util::StreamBody::new(frames).boxed_unsync())
}

/// A refusal that says in all places what token came.
fn quoting(head: &http::request::Parts) -> Result<Response<Bytes>, BoxError> {
    let token = head.headers.get(AUTHORIZATION).map(HeaderValue::to_str).transpose()?;
    let words = format!("it is not enough to say {}", token.unwrap_or_default());
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 422,
        "reason": "Invalid", "message": words, "details": {"kind": "Job", "name": words,
        "causes": [{"field": words, "message": words}]}});
    Ok(Response::builder()
        .status(422)
        .header(CONTENT_TYPE, "application/json")
        .header("warning", format!("299 - \"{words}\""))
        .body(status.to_string().into())?)
}

fn cut(answer: Response<Bytes>) -> Response<AnswerBody> {
    answer.map(|bytes| {
        let half = hyper::body::Frame::data(bytes.slice(..bytes.len() / 2));
        let frames = [Ok(half), Err(BoxError::from(io::Error::from(io::ErrorKind::UnexpectedEof)))];
        http_body_util::StreamBody::new(futures::stream::iter(frames)).boxed_unsync()
    })
}
