//! What all connections of a process share, and how one is made.

use std::sync::{Arc, Mutex, PoisonError};

use http::header::{HeaderValue, USER_AGENT};
use kube::client::Client;
use rustls::sign::CertifiedKey;

use super::connection::Connection;
use super::endpoint::Endpoint;
use super::error::Error;
use super::exec::Plugins;
use super::round_trip::{RoundTrip, WarningSink};
use super::tls::Tls;
use super::transport::{self, Wire};

/// Sent with every request.
pub const USER_AGENT_TEXT: &str = concat!("kubectl-federate/", env!("CARGO_PKG_VERSION"));

/// With fewer open files than this, connections are not kept between requests: a federation may
/// have more clusters than that.
const FILES_TO_KEEP: u64 = 4096;

/// What a command says about all its connections.
#[derive(Clone)]
pub struct DialerOptions {
    /// Gets each warning of a server, with the cluster's name; a warning may come more than once.
    pub warnings: WarningSink,
    /// Whether credential plugins may read standard input: not when a manifest comes from there.
    pub stdin: bool,
}

impl Default for DialerOptions {
    fn default() -> Self {
        Self { warnings: Arc::new(|_, _| {}), stdin: false }
    }
}

/// Gives the wire to an endpoint in place of the network.
pub type WireFactory = Arc<dyn Fn(&Endpoint) -> Wire + Send + Sync>;

/// What all connections of a process share: TLS authorities, credential plugins and what they gave,
/// the place where warnings go.
#[derive(Clone)]
pub struct Dialer {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    tls: Arc<Tls>,
    pub plugins: Plugins,
    warnings: WarningSink,
    keep: bool,
    factory: Option<WireFactory>,
}

impl Dialer {
    /// A dialer onto the network. It raises the limit of open files, of which a connection takes
    /// one.
    pub fn new(options: DialerOptions) -> Self {
        let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or_else(|error| {
            tracing::debug!("the limit of open files cannot be raised: {error}");
            0
        });
        Self::with(options, files >= FILES_TO_KEEP, None)
    }

    /// A dialer whose requests go where the factory says, and never to the network: see
    /// [`transport::wire`]. All above the wire (credentials, timeouts, retries, warnings) is as on
    /// the network.
    pub fn in_process(options: DialerOptions, factory: WireFactory) -> Self {
        Self::with(options, true, Some(factory))
    }

    fn with(options: DialerOptions, keep: bool, factory: Option<WireFactory>) -> Self {
        let tls = Arc::new(Tls::new());
        let plugins = Plugins::new(options.stdin, tls.clone());
        Self {
            shared: Arc::new(Shared { tls, plugins, warnings: options.warnings, keep, factory }),
        }
    }

    /// A connection to an endpoint; `cluster` is its name in messages. It reads the certificates
    /// that the endpoint names and sends nothing yet. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`Error::Configuration`] for certificates and keys that cannot be read or used.
    pub fn dial(&self, cluster: &str, endpoint: &Endpoint) -> Result<Connection, Error> {
        let certificate = match &endpoint.identity {
            Some(identity) if self.shared.factory.is_none() => {
                let certified =
                    self.shared.tls.certified(identity).map_err(Error::configuration)?;
                Some(Arc::new(certified))
            }
            _ => None,
        };
        let channel = Channel {
            cluster: cluster.into(),
            endpoint: endpoint.clone(),
            certificate: certificate.clone(),
            current: Mutex::new((None, self.client(cluster, endpoint, certificate)?)),
            dialer: self.clone(),
        };
        Ok(Connection::new(channel))
    }

    /// What sends requests to an endpoint, without its credentials.
    pub(super) fn wire(
        &self,
        endpoint: &Endpoint,
        certificate: Option<Arc<CertifiedKey>>,
    ) -> Result<Wire, Error> {
        if let Some(factory) = &self.shared.factory {
            return Ok(factory(endpoint));
        }
        let tls =
            self.shared.tls.config(&endpoint.trust, certificate).map_err(Error::configuration)?;
        transport::network(endpoint, tls, self.shared.keep).map_err(Error::configuration)
    }

    fn client(
        &self,
        cluster: &str,
        endpoint: &Endpoint,
        certificate: Option<Arc<CertifiedKey>>,
    ) -> Result<Client, Error> {
        let round_trip = RoundTrip {
            wire: self.wire(endpoint, certificate)?,
            cluster: cluster.into(),
            server: endpoint.server.clone(),
            warnings: self.shared.warnings.clone(),
        };
        let headers = endpoint.impersonation.clone();
        let stack = tower::ServiceBuilder::new()
            .map_request(move |mut request: http::Request<kube::client::Body>| {
                request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(USER_AGENT_TEXT));
                for (name, value) in &headers {
                    request.headers_mut().append(name, value.clone());
                }
                request
            })
            .layer(tower_http::decompression::DecompressionLayer::new().gzip(endpoint.compression))
            .service(round_trip);
        Ok(Client::new(stack, endpoint.namespace.clone()))
    }
}

/// One server's client, made anew when a credential plugin gives another certificate.
pub(super) struct Channel {
    pub cluster: Arc<str>,
    pub endpoint: Endpoint,
    pub dialer: Dialer,
    certificate: Option<Arc<CertifiedKey>>,
    current: Mutex<(Option<Arc<CertifiedKey>>, Client)>,
}

impl Channel {
    /// The client that shows a plugin's certificate, or, where there is none, the kubeconfig's.
    pub fn client(&self, plugins: Option<&Arc<CertifiedKey>>) -> Result<Client, Error> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let same = match (&current.0, plugins) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        if !same {
            let certificate = plugins.cloned().or_else(|| self.certificate.clone());
            *current =
                (plugins.cloned(), self.dialer.client(&self.cluster, &self.endpoint, certificate)?);
        }
        Ok(current.1.clone())
    }
}
