//! Where one API server is, and as whom we speak to it: a context and the flags, resolved as
//! kubectl does.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Uri, uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};

use super::auth::Auth;
use super::error::Error;
use super::exec::Plugin;
use super::flags::{Overrides, request_timeout};
use super::kubeconfig::{Cluster, Context, Kubeconfig, User};
use super::proxy::{self, Proxy};
use super::tls::{Identity, Material, Trust};

/// How long a whole request may take where `--request-timeout` says nothing.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// One API server and one user. Files that it names are read when it is dialled, its plugin runs at
/// the first request; its `Debug` shows no secret.
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

    /// The proxy before it, by host and port; none where it is reached without.
    pub(super) fn proxy(&self) -> Option<&str> {
        self.proxy.as_ref()?.uri().authority().map(uri::Authority::as_str)
    }

    /// The namespace that holds where a command names none.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
}

impl Kubeconfig {
    /// Resolves a context (the current one, if none is named) and the flags to a server and a user.
    /// Where neither says anything and this process runs in a cluster, it is that cluster.
    ///
    /// # Errors
    /// [`Error::Configuration`], in kubectl's words where it has some: for a context, cluster or
    /// user that does not exist, a server that is no URL, fields that exclude each other, or when
    /// nothing leads to a server. Other than kubectl, a context whose cluster or user is missing is
    /// refused, and not sent to localhost or anonymously.
    pub fn endpoint(
        &self,
        context: Option<&str>,
        overrides: &Overrides,
    ) -> Result<Endpoint, Error> {
        let named = filled(context);
        let current = self.current_context();
        let nothing = Context::default();
        let context = match (named, current) {
            (Some(name), _) => self
                .context(name)?
                .ok_or_else(|| Error::configuration(format!("context {name:?} does not exist")))?,
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

    /// The cluster that this process runs in, by its service account.
    fn in_cluster(&self, user: &User, overrides: &Overrides) -> Result<Endpoint, Error> {
        let folder = Path::new(SERVICE_ACCOUNT);
        let environment = &self.environment;
        let (Some(host), Some(port), true) = (
            filled(environment.service_host.as_deref()),
            filled(environment.service_port.as_deref()),
            folder.join("token").is_file(),
        ) else {
            return Err(Error::configuration(
                "no configuration has been provided: no kubeconfig file has a current context; name a context with \
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
        let server = server_url(cluster.server.as_deref().unwrap_or_default())?;
        let impersonation = impersonation(user_name, &user)?;
        let mut auth = auth(user_name, user, &server, cluster)?;
        if server.scheme_str() != Some("https") {
            // As in kubectl, no secret goes over a connection that anyone can read.
            auth = Auth::None;
        }
        if identity.is_some() && matches!(auth, Auth::Exec(_)) {
            // As in client-go, a plugin is not run for a user who has another credential.
            auth = Auth::None;
        }
        let timeout = match filled(overrides.request_timeout.as_deref()) {
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
            compression: !(cluster.disable_compression.unwrap_or(false)
                || overrides.disable_compression),
        })
    }
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn some_path(path: Option<&PathBuf>) -> Option<&PathBuf> {
    path.filter(|path| !path.as_os_str().is_empty())
}

/// The flags win; one that says how to verify the server replaces all that the file says about it.
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

/// The flags win; each replaces the file's value of its kind, also where that is inline.
fn override_user(user: &mut User, flags: &Overrides) {
    if let Some(token) = flags.token.as_ref().filter(|token| !token.expose_secret().is_empty()) {
        user.token = Some(token.clone());
        user.token_file = None;
    }
    if let Some(path) = some_path(flags.client_certificate.as_ref()) {
        user.client_certificate = Some(path.clone());
        user.client_certificate_data = None;
    }
    if let Some(path) = some_path(flags.client_key.as_ref()) {
        user.client_key = Some(path.clone());
        user.client_key_data = None;
    }
    if let Some(name) = filled(flags.as_user.as_deref()) {
        user.impersonate = Some(name.to_owned());
    }
    if let Some(uid) = filled(flags.as_uid.as_deref()) {
        user.impersonate_uid = Some(uid.to_owned());
    }
    if !flags.as_groups.is_empty() {
        user.impersonate_groups.clone_from(&flags.as_groups);
    }
}

/// `https://host[:port][/path]`, or `host[:port]`, which is plain HTTP as for kubectl, whatever the
/// other fields say.
fn server_url(text: &str) -> Result<Uri, Error> {
    // What stands before an `@` may be a password.
    let shown =
        text.rsplit_once('@').map_or_else(|| text.to_owned(), |(_, place)| format!("…@{place}"));
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
    if authority.as_str().contains('@') {
        return Err(Error::configuration(
            "a server's URL may not hold a user: put credentials under users",
        ));
    }
    if authority.host().is_empty() {
        return Err(fault());
    }
    let path = parsed.path().trim_end_matches('/');
    let path = if path.is_empty() { "/" } else { path };
    Uri::builder()
        .scheme(parsed.scheme_str().unwrap_or("https"))
        .authority(authority.as_str())
        .path_and_query(path)
        .build()
        .map_err(|_| fault())
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

fn identity(name: &str, user: &User) -> Result<Option<Identity>, Error> {
    let what = |field: &str| format!("{field} of user {name:?}");
    if filled(user.client_certificate_data.as_deref()).is_some()
        && some_path(user.client_certificate.as_ref()).is_some()
    {
        return Err(Error::configuration(format!(
            "client-cert-data and client-cert are both specified for {name}. client-cert-data will override."
        )));
    }
    let inline_key =
        user.client_key_data.as_ref().is_some_and(|data| !data.expose_secret().is_empty());
    if inline_key && some_path(user.client_key.as_ref()).is_some() {
        return Err(Error::configuration(format!(
            "client-key-data and client-key are both specified for {name}; client-key-data will override"
        )));
    }
    let certificate = material(
        user.client_certificate_data.as_deref(),
        user.client_certificate.as_ref(),
        &what("client-certificate-data"),
    )?;
    let key = material(
        user.client_key_data.as_ref().map(SecretString::expose_secret),
        user.client_key.as_ref(),
        &what("client-key-data"),
    )?;
    match (certificate, key) {
        (None, _) => Ok(None),
        (Some(certificate), Some(key)) => {
            Ok(Some(Identity { user: name.to_owned(), certificate, key }))
        }
        (Some(_), None) => Err(Error::configuration(format!(
            "client-key-data or client-key must be specified for {name} to use the clientCert authentication method."
        ))),
    }
}

/// Inline data, or a file.
fn material(
    data: Option<&str>,
    file: Option<&PathBuf>,
    what: &str,
) -> Result<Option<Material>, Error> {
    if let Some(data) = filled(data) {
        let compact: String = data.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(compact)
            .map_err(|_| Error::configuration(format!("{what} is not base64")))?;
        return Ok(Some(Material::Inline(bytes.into())));
    }
    Ok(some_path(file).map(|path| Material::File(path.clone())))
}

fn auth(name: &str, user: User, server: &Uri, cluster: &Cluster) -> Result<Auth, Error> {
    let token = user.token.filter(|token| !token.expose_secret().is_empty());
    let file = user.token_file.filter(|path| !path.as_os_str().is_empty());
    let basic = filled(user.username.as_deref()).is_some()
        || user.password.as_ref().is_some_and(|password| !password.expose_secret().is_empty());
    if basic && (token.is_some() || file.is_some()) {
        return Err(Error::configuration(format!(
            "more than one authentication method found for {name}; found [token basicAuth], only one is allowed"
        )));
    }
    if user.exec.is_some() && user.auth_provider.is_some() {
        return Err(Error::configuration(format!(
            "authProvider cannot be provided in combination with an exec plugin for {name}"
        )));
    }
    // A plugin's description is checked also where another method takes precedence.
    let plugin = user.exec.map(|exec| Plugin::new(name, exec, server, cluster)).transpose()?;
    if let Some(path) = file {
        return Ok(Auth::TokenFile { path, fallback: token });
    }
    if let Some(token) = token {
        return Ok(Auth::Token(token));
    }
    if basic {
        return Ok(Auth::Basic {
            username: user.username.unwrap_or_default(),
            password: user.password.unwrap_or_default(),
        });
    }
    if let Some(plugin) = plugin {
        return Ok(Auth::Exec(Arc::new(plugin)));
    }
    if let Some(provider) = user.auth_provider {
        let provider = provider.name.unwrap_or_default();
        let plugin = match provider.as_str() {
            "gcp" => {
                "run `gke-gcloud-auth-plugin`'s set-up (gcloud container clusters get-credentials), which writes an exec plugin"
            }
            "azure" => "run `kubelogin convert-kubeconfig`, which writes an exec plugin",
            _ => "put an exec plugin in its place, such as `kubectl oidc-login`",
        };
        return Err(Error::configuration(format!(
            "the user {name:?} has an auth-provider ({}), which is not supported: {plugin}",
            super::redact::printable(&provider)
        )));
    }
    Ok(Auth::None)
}

fn impersonation(name: &str, user: &User) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    let (groups, extra) = (&user.impersonate_groups, &user.impersonate_extra);
    let Some(as_user) = filled(user.impersonate.as_deref()) else {
        if groups.is_empty()
            && extra.is_empty()
            && filled(user.impersonate_uid.as_deref()).is_none()
        {
            return Ok(headers);
        }
        return Err(Error::configuration(format!(
            "requesting uid, groups or user-extra for {name} without impersonating a user"
        )));
    };
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|_| {
            Error::configuration(format!("cannot impersonate {text:?}: not a header's value"))
        })
    };
    headers.insert("impersonate-user", value(as_user)?);
    if let Some(uid) = filled(user.impersonate_uid.as_deref()) {
        headers.insert("impersonate-uid", value(uid)?);
    }
    for group in groups {
        headers.append("impersonate-group", value(group)?);
    }
    for (key, values) in extra {
        let header = HeaderName::try_from(format!("impersonate-extra-{}", header_key(key)))
            .map_err(|_| {
                Error::configuration(format!("cannot impersonate the extra key {key:?}"))
            })?;
        for text in values {
            headers.append(header.clone(), value(text)?);
        }
    }
    Ok(headers)
}

/// The bytes that client-go encodes in the key of an `Impersonate-Extra-` header: those that the
/// name of a header may not have (RFC 9110 section 5.6.2), and `%`.
const NOT_IN_HEADER_KEY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'*')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

fn header_key(key: &str) -> String {
    utf8_percent_encode(key, NOT_IN_HEADER_KEY).to_string().to_ascii_lowercase()
}
