//! How connections are made.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::channel::{Channel, Shared, SilenceSink, WireFactory, WriteSink};
use super::connection::Connection;
use super::endpoint::Endpoint;
use super::error::Error;
use super::exec::{PluginPolicy, Plugins};
use super::round_trip::WarningSink;
use super::tls::Tls;
use super::transport::Network;

/// If fewer files than this can be open, connections are closed after each request: a federation
/// may have more clusters than that.
const FILES_TO_KEEP: u64 = 4096;

/// How many requests of a command may be open, to all members. Each may take a file.
const OPEN_REQUESTS: usize = 512;

/// The same where fewer files than [`FILES_TO_KEEP`] can be open.
const OPEN_REQUESTS_OF_FEW_FILES: usize = 64;

/// The settings of a command for all its connections.
#[derive(Clone)]
pub struct DialerOptions {
    /// Gets each warning of a server, with the name of the cluster. A warning may come repeatedly.
    pub warnings: WarningSink,
    /// Is told of each request that has had no answer for a second.
    pub silence: SilenceSink,
    /// Is told of each request that changes something, before it is sent.
    pub writes: WriteSink,
    /// Whether credential plugins may read standard input. A manifest may come from there instead.
    pub stdin: bool,
    /// Which credential plugins may run.
    pub policy: PluginPolicy,
}

impl Default for DialerOptions {
    fn default() -> Self {
        Self {
            warnings: Arc::new(|_, _| {}),
            silence: Arc::new(|_| Box::new(())),
            writes: Arc::new(|| {}),
            stdin: false,
            policy: PluginPolicy::default(),
        }
    }
}

/// Makes connections. All connections of a dialer share the authorities of the operating system,
/// the answers of credential plugins, and the place where warnings go.
#[derive(Clone)]
pub struct Dialer {
    pub(super) shared: Arc<Shared>,
}

impl Dialer {
    /// A dialer onto the network. It raises the limit of open files of this process, because each
    /// connection takes one.
    pub fn new(options: DialerOptions) -> Self {
        let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or_else(|error| {
            tracing::debug!("the limit of open files cannot be raised: {error}");
            0
        });
        Self::with(options, files >= FILES_TO_KEEP, None)
    }

    /// A dialer whose requests go to the wires of the factory (see
    /// [`wire`](super::transport::wire)) and never to the network. All above the wire is the same:
    /// credentials, timeouts, retries, warnings.
    pub fn in_process(options: DialerOptions, factory: WireFactory) -> Self {
        Self::with(options, true, Some(factory))
    }

    fn with(options: DialerOptions, keep: bool, factory: Option<WireFactory>) -> Self {
        let tls = Arc::new(Tls::new());
        let DialerOptions { warnings, silence, writes, stdin, policy } = options;
        let plugins = Plugins::new(stdin, policy, tls.clone());
        let most = if keep { OPEN_REQUESTS } else { OPEN_REQUESTS_OF_FEW_FILES };
        let (requests, network) = (Semaphore::new(most), Network::new(keep));
        let shared = Shared { tls, plugins, warnings, silence, writes, requests, network, factory };
        Self { shared: Arc::new(shared) }
    }

    /// A connection to an endpoint. `cluster` is its name in messages. Reads the certificates that
    /// the endpoint names, and sends nothing yet. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`Error::Configuration`] for certificates and keys that cannot be read or used.
    pub fn dial(&self, cluster: &str, endpoint: &Endpoint) -> Result<Connection, Error> {
        Ok(Connection::new(Channel::new(&self.shared, cluster, endpoint)?, false))
    }

    /// A connection to the host, as [`Self::dial`] makes one. Requests to the host do not wait for
    /// those to members, which may be silent: records and leases are written whatever members do.
    ///
    /// # Errors
    /// As [`Self::dial`].
    pub fn dial_host(&self, cluster: &str, endpoint: &Endpoint) -> Result<Connection, Error> {
        Ok(Connection::new(Channel::new(&self.shared, cluster, endpoint)?, true))
    }
}
