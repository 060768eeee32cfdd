//! An API server and a user: what a context and the flags lead to, by kubectl's rules.

mod user;
mod values;

use std::path::Path;
use std::time::Duration;

use http::header::HeaderMap;
use http::{Uri, uri};
use percent_encoding::percent_decode_str;
use secrecy::SecretString;

use self::user::{auth, identity, impersonation, override_user};
use self::values::{filled, material, some_path};
use super::auth::Auth;
use super::error::Error;
use super::flags::{Overrides, request_timeout};
use super::kubeconfig::{Cluster, Context, Kubeconfig, User};
use super::proxy::{self, Proxy};
use super::redact::public_url;
use super::tls::{Identity, Trust};

/// How long a whole request may take without `--request-timeout`.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// One API server and one user. The files that it names are read when it is dialled, and its plugin
/// runs at the first request. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub(super) server: Uri,
    pub(super) namespace: String,
    pub(super) trust: Trust,
    pub(super) identity: Option<Identity>,
    pub(super) auth: Auth,
    pub(super) proxy: Option<Proxy>,
    pub(super) impersonation: HeaderMap,
    pub(super) timeout: Option<Duration>,
    /// Whether the user has said how long a request may take.
    pub(super) is_timeout_given: bool,
    pub(super) compression: bool,
}

impl Endpoint {
    /// The server's URL.
    pub fn server(&self) -> &Uri {
        &self.server
    }

    /// Host and port, as messages show them.
    pub fn host(&self) -> &str {
        self.server.authority().map_or("", uri::Authority::as_str)
    }

    /// Host and port of its proxy, if it is reached through one.
    pub(super) fn proxy(&self) -> Option<&str> {
        self.proxy.as_ref()?.uri().authority().map(uri::Authority::as_str)
    }

    /// The namespace for commands that name none.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
}

impl Kubeconfig {
    /// Resolves a context (the current one, if none is named) and the flags to a server and a user.
    /// If neither names a server and this process runs in a cluster, the server is that cluster's.
    ///
    /// # Errors
    /// [`Error::NoContext`] for a context that does not exist, if it is named.
    /// [`Error::Configuration`], in kubectl's words where it has some: for a context, cluster or
    /// user that does not exist, a server that is not a URL, fields that exclude each other, and
    /// when nothing leads to a server. Unlike kubectl, a context whose cluster or user is missing
    /// is refused; kubectl asks localhost, or asks without credentials.
    ///
    /// [`Error::Kubeconfig`] for an entry that is used and cannot be read.
    pub fn endpoint(
        &self,
        context: Option<&str>,
        overrides: &Overrides,
    ) -> Result<Endpoint, Error> {
        let named = filled(context);
        let current = self.current_context();
        let nothing = Context::default();
        let context = match (named, current) {
            (Some(name), _) => {
                self.context(name)?.ok_or_else(|| Error::NoContext { context: name.to_owned() })?
            }
            (None, Some(name)) => self.context(name)?.ok_or_else(|| {
                Error::configuration(format!("context was not found for specified context: {name}"))
            })?,
            (None, None) => &nothing,
        };
        let name = named.or(current).unwrap_or_default();
        let (cluster_name, mut cluster) = self.context_cluster(name, context, overrides)?;
        let (user_name, mut user) = self.context_user(name, context, overrides)?;
        override_cluster(&mut cluster, overrides);
        override_user(&mut user, overrides);

        if filled(cluster.server.as_deref()).is_none() {
            if cluster_name.is_empty() && name.is_empty() {
                return self.in_cluster(&user, overrides);
            }
            let cause = if cluster_name.is_empty() {
                format!("context {name:?} names no cluster")
            } else {
                format!("no server found for cluster {cluster_name:?}")
            };
            return Err(Error::configuration(cause));
        }
        let namespace =
            filled(overrides.namespace.as_deref()).or(filled(context.namespace.as_deref()));
        self.resolve(
            &cluster_name,
            &cluster,
            &user_name,
            user,
            namespace.unwrap_or("default"),
            overrides,
        )
    }

    fn context_cluster(
        &self,
        context_name: &str,
        context: &Context,
        flags: &Overrides,
    ) -> Result<(String, Cluster), Error> {
        let flag = filled(flags.cluster.as_deref());
        let Some(name) = flag.or(filled(context.cluster.as_deref())) else {
            return Ok((String::new(), Cluster::default()));
        };
        match self.cluster(name)? {
            Some(cluster) => Ok((name.to_owned(), cluster.clone())),
            None if flag.is_some() => {
                Err(Error::configuration(format!("cluster {name:?} does not exist")))
            }
            None if filled(flags.server.as_deref()).is_some() => {
                Ok((name.to_owned(), Cluster::default()))
            }
            None => Err(Error::configuration(format!(
                "context {context_name:?} names the cluster {name:?}, which no kubeconfig file has"
            ))),
        }
    }

    fn context_user(
        &self,
        context_name: &str,
        context: &Context,
        flags: &Overrides,
    ) -> Result<(String, User), Error> {
        let flag = filled(flags.user.as_deref());
        let Some(name) = flag.or(filled(context.user.as_deref())) else {
            return Ok((String::new(), User::default()));
        };
        let brings_own = flags.token.is_some() || flags.client_certificate.is_some();
        match self.user(name)? {
            Some(user) => Ok((name.to_owned(), user.clone())),
            None if flag.is_some() => {
                Err(Error::configuration(format!("auth info {name:?} does not exist")))
            }
            None if brings_own => Ok((name.to_owned(), User::default())),
            None => Err(Error::configuration(format!(
                "context {context_name:?} names the user {name:?}, whom no kubeconfig file has"
            ))),
        }
    }

    /// The cluster that this process runs in, with its service account.
    fn in_cluster(&self, user: &User, overrides: &Overrides) -> Result<Endpoint, Error> {
        let folder = Path::new(SERVICE_ACCOUNT);
        let environment = &self.environment;
        let (Some(host), Some(port), true) = (
            filled(environment.service_host.as_deref()),
            filled(environment.service_port.as_deref()),
            folder.join("token").is_file(),
        ) else {
            return Err(Error::configuration(
                "no configuration has been provided: no kubeconfig file has a current context; \
                name a context with \
                 --context, or a file with --kubeconfig or KUBECONFIG",
            ));
        };
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let mut cluster =
            Cluster { server: Some(format!("https://{host}:{port}")), ..Cluster::default() };
        cluster.certificate_authority = Some(folder.join("ca.crt"));
        override_cluster(&mut cluster, overrides);
        let mut user = user.clone();
        if user.token.is_none() {
            user.token_file = Some(folder.join("token"));
        }
        let own = std::fs::read_to_string(folder.join("namespace"))
            .ok()
            .map(|text| text.trim().to_owned());
        let namespace = filled(overrides.namespace.as_deref())
            .or(filled(environment.pod_namespace.as_deref()))
            .or(filled(own.as_deref()))
            .unwrap_or("default")
            .to_owned();
        self.resolve("in-cluster", &cluster, "in-cluster", user, &namespace, overrides)
    }

    fn resolve(
        &self,
        cluster_name: &str,
        cluster: &Cluster,
        user_name: &str,
        user: User,
        namespace: &str,
        overrides: &Overrides,
    ) -> Result<Endpoint, Error> {
        let trust = trust(cluster_name, cluster)?;
        let identity = identity(user_name, &user)?;
        let (server, login) = server_url(cluster.server.as_deref().unwrap_or_default())?;
        let impersonation = impersonation(user_name, &user)?;
        let mut auth = auth(user_name, user, identity.is_some(), &server, cluster)?;
        if let (Auth::None, Some((username, password))) = (&auth, login) {
            auth = Auth::Basic { username, password };
        }
        if server.scheme_str() != Some("https") {
            // As in kubectl, no secret goes over a connection that anyone can read.
            auth = Auth::None;
        }
        let given = filled(overrides.request_timeout.as_deref());
        let timeout = match given {
            Some(text) => request_timeout(text)?,
            None => Some(REQUEST_TIMEOUT),
        };
        Ok(Endpoint {
            proxy: proxy::choose(&server, cluster.proxy_url.as_deref(), &self.environment)?,
            server,
            namespace: namespace.to_owned(),
            trust,
            identity,
            auth,
            impersonation,
            timeout,
            is_timeout_given: given.is_some(),
            compression: !(cluster.disable_compression.unwrap_or(false)
                || overrides.disable_compression),
        })
    }
}

/// Puts the flags in place of the file's values. A flag about verification replaces all that the
/// file says about it.
fn override_cluster(cluster: &mut Cluster, flags: &Overrides) {
    if let Some(server) = filled(flags.server.as_deref()) {
        cluster.server = Some(server.to_owned());
    }
    if filled(flags.server.as_deref()).is_some()
        || filled(flags.tls_server_name.as_deref()).is_some()
    {
        cluster.tls_server_name.clone_from(&flags.tls_server_name);
    }
    if flags.insecure_skip_tls_verify || some_path(flags.certificate_authority.as_ref()).is_some() {
        cluster.insecure_skip_tls_verify = Some(flags.insecure_skip_tls_verify);
        cluster.certificate_authority.clone_from(&flags.certificate_authority);
        cluster.certificate_authority_data = None;
    }
}

/// Reads `https://host[:port][/path]`, or `host[:port]`, which is plain HTTP as in kubectl,
/// whatever the other fields say. Before the host there may be a user and a password, as Go takes
/// them: they are given apart, and no URL with them is kept.
fn server_url(text: &str) -> Result<(Uri, Option<(String, SecretString)>), Error> {
    let shown = public_url(text);
    let fault =
        || Error::configuration(format!("host must be a URL or a host:port pair: {shown:?}"));
    let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let parsed: Uri = url.parse().map_err(|_| fault())?;
    if !matches!(parsed.scheme_str(), Some("https" | "http")) {
        return Err(Error::configuration(format!(
            "the server {shown:?} is neither http nor https"
        )));
    }
    let authority = parsed.authority().ok_or_else(fault)?;
    let (user, place) = match authority.as_str().rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, authority.as_str()),
    };
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let login = user.map(|user| {
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        (decoded(name), decoded(password).into())
    });
    if authority.host().is_empty() {
        return Err(fault());
    }
    let path = parsed.path().trim_end_matches('/');
    let path = if path.is_empty() { "/" } else { path };
    let server = Uri::builder()
        .scheme(parsed.scheme_str().unwrap_or("https"))
        .authority(place)
        .path_and_query(path)
        .build();
    Ok((server.map_err(|_| fault())?, login))
}

fn trust(name: &str, cluster: &Cluster) -> Result<Trust, Error> {
    if filled(cluster.certificate_authority_data.as_deref()).is_some()
        && some_path(cluster.certificate_authority.as_ref()).is_some()
    {
        return Err(Error::configuration(format!(
            "certificate-authority-data and certificate-authority are both specified for {name}. \
             certificate-authority-data will override."
        )));
    }
    let ca = material(
        cluster.certificate_authority_data.as_deref(),
        cluster.certificate_authority.as_ref(),
        &format!("certificate-authority-data of cluster {name:?}"),
    )?;
    let insecure = cluster.insecure_skip_tls_verify.unwrap_or(false);
    if insecure && ca.is_some() {
        return Err(Error::configuration(
            "specifying a root certificates file with the insecure flag is not allowed",
        ));
    }
    Ok(Trust {
        ca,
        insecure,
        server_name: filled(cluster.tls_server_name.as_deref()).map(str::to_owned),
    })
}
