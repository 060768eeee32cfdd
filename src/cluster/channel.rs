//! The way to one server: the HTTP client for an endpoint, and what all clients of a process share.

use std::sync::{Arc, Mutex, PoisonError};

use http::header::{HeaderValue, USER_AGENT};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::client::Body;
use rustls::sign::CertifiedKey;
use tokio::sync::Semaphore;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceExt as _};
use tower_http::decompression::DecompressionBody;

use super::endpoint::Endpoint;
use super::error::Error;
use super::exec::Plugins;
use super::opened::Opened;
use super::patience::Queue;
use super::round_trip::{RoundTrip, WarningSink};
use super::tls::Tls;
use super::transport::{AnswerBody, Network, Wire};

/// Sent with every request.
pub(super) const USER_AGENT_TEXT: &str = concat!("kubectl-federate/", env!("CARGO_PKG_VERSION"));

/// Sends requests to one server. The client of kube 5.0 would do the same, with room for 1,024
/// requests that wait in a queue: 10 KB for each server.
pub(super) type Client = BoxCloneSyncService<Request<Body>, Response<AnswerBody>, BoxError>;

/// Gives the wire to an endpoint, in place of the network.
pub type WireFactory = Arc<dyn Fn(&Endpoint) -> Wire + Send + Sync>;

/// Is told the name of a cluster that has not answered a request for a second. What it gives is
/// dropped when the answer is there, or is waited for no longer.
pub type SilenceSink = Arc<dyn Fn(&str) -> Box<dyn Send> + Send + Sync>;

/// Is told that a request is about to be sent that changes what a server has stored.
pub type WriteSink = Arc<dyn Fn() + Send + Sync>;

/// What all clients of a process share.
pub(super) struct Shared {
    pub tls: Arc<Tls>,
    pub plugins: Plugins,
    pub warnings: WarningSink,
    pub silence: SilenceSink,
    pub writes: WriteSink,
    /// One for each request that may be open to a member.
    pub requests: Semaphore,
    pub network: Network,
    pub factory: Option<WireFactory>,
}

impl Shared {
    /// What sends requests to an endpoint, without its credentials. `queue` counts what connections
    /// wait for their turn to be opened, `opened` is told of the first.
    pub fn wire(
        &self,
        endpoint: &Endpoint,
        certificate: Option<Arc<CertifiedKey>>,
        queue: &Arc<Queue>,
        opened: &Arc<Opened>,
    ) -> Result<Wire, Error> {
        if let Some(factory) = &self.factory {
            opened.set();
            return Ok(factory(endpoint));
        }
        let tls = self.tls.config(&endpoint.trust, certificate).map_err(Error::configuration)?;
        self.network.wire(endpoint, tls, queue, opened).map_err(Error::configuration)
    }

    fn client(
        &self,
        cluster: &str,
        endpoint: &Endpoint,
        certificate: Option<Arc<CertifiedKey>>,
        queue: &Arc<Queue>,
        opened: &Arc<Opened>,
    ) -> Result<Client, Error> {
        let round_trip = RoundTrip {
            wire: self.wire(endpoint, certificate, queue, opened)?,
            cluster: cluster.into(),
            server: endpoint.server.clone(),
            warnings: self.warnings.clone(),
        };
        let headers = endpoint.impersonation.clone();
        let stack = tower::ServiceBuilder::new()
            .map_request(move |mut request: Request<Body>| {
                request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(USER_AGENT_TEXT));
                for (name, value) in &headers {
                    request.headers_mut().append(name, value.clone());
                }
                request
            })
            .layer(tower_http::decompression::DecompressionLayer::new().gzip(endpoint.compression))
            .service(round_trip);
        let boxed = |body: DecompressionBody<_>| body.map_err(Into::into).boxed_unsync();
        Ok(BoxCloneSyncService::new(stack.map_response(move |answer| answer.map(boxed))))
    }
}

/// The client of one server. A credential plugin that gives another certificate replaces it.
pub(super) struct Channel {
    pub cluster: Arc<str>,
    pub endpoint: Endpoint,
    pub shared: Arc<Shared>,
    /// What its connections waited for their turn to be opened.
    pub queue: Arc<Queue>,
    /// Whether one is open that takes several requests.
    pub opened: Arc<Opened>,
    certificate: Option<Arc<CertifiedKey>>,
    current: Mutex<(Option<Arc<CertifiedKey>>, Client)>,
}

impl Channel {
    /// Reads the certificates that the endpoint names. `cluster` is its name in messages.
    pub fn new(shared: &Arc<Shared>, cluster: &str, endpoint: &Endpoint) -> Result<Self, Error> {
        let certificate = match &endpoint.identity {
            Some(identity) if shared.factory.is_none() => {
                Some(Arc::new(shared.tls.certified(identity).map_err(Error::configuration)?))
            }
            _ => None,
        };
        let (queue, opened) = Default::default();
        let client = shared.client(cluster, endpoint, certificate.clone(), &queue, &opened)?;
        Ok(Self {
            cluster: cluster.into(),
            endpoint: endpoint.clone(),
            shared: shared.clone(),
            queue,
            opened,
            certificate,
            current: Mutex::new((None, client)),
        })
    }

    /// The client that shows the certificate of a plugin, or, without one, the kubeconfig's.
    pub fn client(&self, plugins: Option<&Arc<CertifiedKey>>) -> Result<Client, Error> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let same = match (&current.0, plugins) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        if !same {
            let certificate = plugins.cloned().or_else(|| self.certificate.clone());
            let Self { cluster, endpoint, queue, opened, .. } = self;
            let client = self.shared.client(cluster, endpoint, certificate, queue, opened)?;
            *current = (plugins.cloned(), client);
        }
        Ok(current.1.clone())
    }
}
