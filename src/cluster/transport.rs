//! Bytes to and from a server: name look-up, TCP, proxies, TLS, HTTP/2 or HTTP/1.1.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http::{Request, Response, Uri};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{
    DefaultServerNameResolver, FixedServerNameResolver, HttpsConnector, ResolveServerName,
};
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::Body;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceExt as _};

use super::bound::Bound;
use super::endpoint::Endpoint;
use super::names::{Names, Resolver};
use super::opened::Opened;
use super::patience::{CONNECT_TIMEOUT, ConnectTimeout, Patience, Queue};
use super::proxy::Proxy;
use super::words;

/// After which silence an HTTP/2 connection is pinged, and how long the answer may take. The
/// numbers are those of client-go.
const PING_AFTER: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a connection is kept that nothing is asked over: longer than rounds of a command are
/// apart while a watch is open. A stream that is open over it does not count as use.
const IDLE: Duration = Duration::from_mins(5);

/// The body of an answer.
pub type AnswerBody = UnsyncBoxBody<Bytes, BoxError>;

/// Sends one request to one server and gives the answer. Below it there is the network, or a
/// service in this process.
pub type Wire = BoxCloneSyncService<Request<Body>, Response<AnswerBody>, BoxError>;

/// Makes a [`Wire`] from any HTTP service, such as a simulated API server.
pub fn wire<S, B>(service: S) -> Wire
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let service = service
        .map_response(|response| response.map(|body: B| body.map_err(Into::into).boxed_unsync()))
        .map_err(Into::into);
    BoxCloneSyncService::new(service)
}

/// How many connections are opened at once, at first and at least. A server, what is before it or
/// the network of the user may take fewer at a time.
const OPENED_AT_ONCE: usize = 512;
const FEWEST_OPENED_AT_ONCE: usize = 16;

/// The way to all servers.
pub(super) struct Network {
    /// Whether connections stay open between requests.
    keep: bool,
    names: Names,
    opening: Bound,
}

impl Network {
    /// Without `keep` it connects anew for each request.
    pub fn new(keep: bool) -> Self {
        let opening = Bound::new(FEWEST_OPENED_AT_ONCE, OPENED_AT_ONCE);
        Self { keep, names: Names::of_system(), opening }
    }

    /// Whether connections are kept after a request.
    pub fn keeps(&self) -> bool {
        self.keep
    }

    /// The wire to an endpoint. `queue` counts what its connections wait for their turn, `opened`
    /// is told of the first.
    pub fn wire(
        &self,
        endpoint: &Endpoint,
        tls: ClientConfig,
        queue: &Arc<Queue>,
        opened: &Arc<Opened>,
    ) -> Result<Wire, String> {
        let connector = connector(endpoint, tls, self.names.resolver(queue))?;
        let (opening, queue) = (self.opening.clone(), queue.clone());
        let connector = tower::service_fn(move |uri: Uri| {
            let connecting = connector.clone().oneshot(uri);
            let (opening, queue) = (opening.clone(), queue.clone());
            open(connecting, opening, queue).boxed()
        });
        let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(if self.keep { usize::MAX } else { 0 })
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .http2_keep_alive_interval(PING_AFTER)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .build::<_, Body>(connector);
        let opened = opened.clone();
        Ok(wire(tower::service_fn(move |mut request: Request<Body>| {
            let (opened, connection) = (opened.clone(), opened.watch(&mut request));
            let answer = client.request(request);
            async move { opened.while_sent(connection, answer).await }
        })))
    }
}

/// Opens a connection when it is its turn. Where many are refused or cut off while they are opened,
/// fewer are opened at once from then on.
async fn open(
    connecting: impl Future<Output = Result<Stream, BoxError>>,
    opening: Bound,
    queue: Arc<Queue>,
) -> Result<Stream, BoxError> {
    let permit = queue.wait_for(opening.permit()).await;
    // The name of the server waits for its turn, too.
    let mut patience = Patience::new(Some(CONNECT_TIMEOUT), &queue);
    let opened = patience.wait_for(connecting, || Box::new(())).await;
    let opened = opened.map_err(|_| BoxError::from(ConnectTimeout))?;
    match &opened {
        Ok(_) => permit.succeeded(),
        Err(error) if words::passing(&**error) => {
            permit.refused();
        }
        Err(_) => {}
    }
    opened
}

type Connector = BoxCloneSyncService<Uri, Stream, BoxError>;

fn connector(
    endpoint: &Endpoint,
    mut tls: ClientConfig,
    names: Resolver,
) -> Result<Connector, String> {
    let mut tcp = HttpConnector::new_with_resolver(names);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(PING_AFTER));

    let names: Arc<dyn ResolveServerName + Send + Sync> = match &endpoint.trust.server_name {
        Some(name) => {
            let name = ServerName::try_from(name.clone()).map_err(|_| {
                format!("tls-server-name {name:?} is neither a DNS name nor an IP address")
            })?;
            Arc::new(FixedServerNameResolver::new(name))
        }
        None => Arc::new(DefaultServerNameResolver::default()),
    };
    let to_proxy = HttpsConnector::new(
        tcp.clone(),
        tls.clone(),
        false,
        Arc::new(DefaultServerNameResolver::default()),
    );
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let https = endpoint.server.scheme_str() == Some("https");
    Ok(match &endpoint.proxy {
        None => boxed(HttpsConnector::new(tcp, tls, false, names), false),
        Some(proxy) if proxy.is_socks() => {
            let mut socks = SocksV5::new(proxy.uri().clone(), tcp);
            if let Some((user, password)) = proxy.login() {
                socks = socks.with_auth(user, password);
            }
            boxed(HttpsConnector::new(socks, tls, false, names), false)
        }
        Some(proxy) if https => {
            boxed(HttpsConnector::new(tunnel(proxy, to_proxy), tls, false, names), false)
        }
        // For plain HTTP, a proxy gets requests for the whole URL.
        Some(proxy) => {
            let address = proxy.uri().clone();
            boxed(to_proxy.map_request(move |_: Uri| address.clone()), true)
        }
    })
}

fn tunnel<C>(proxy: &Proxy, connector: C) -> Tunnel<C> {
    let tunnel = Tunnel::new(proxy.uri().clone(), connector);
    match proxy.authorization() {
        Some(value) => tunnel.with_auth(value),
        None => tunnel,
    }
}

fn boxed<C>(connector: C, to_proxy: bool) -> Connector
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Io + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    BoxCloneSyncService::new(
        connector.map_response(move |io| Stream { io: Box::new(io), to_proxy }).map_err(Into::into),
    )
}

trait Io: Read + Write + Connection + Send + Unpin {}

impl<T: Read + Write + Connection + Send + Unpin> Io for T {}

/// A connection, plain or TLS, directly or through a proxy.
struct Stream {
    io: Box<dyn Io>,
    to_proxy: bool,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("to_proxy", &self.to_proxy).finish_non_exhaustive()
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = self.io.connected();
        if self.to_proxy { connected.proxy(true) } else { connected }
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}
