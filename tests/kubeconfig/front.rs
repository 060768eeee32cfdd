//! API servers as the two clients see them: a simulated cluster behind a TLS end that writes down
//! who came.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tower::Service as _;

/// Servers and proxies run here, beside the tests, which block.
pub static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Runtime::new().expect("a runtime needs only threads"));

/// The authority that most servers and users have their certificates of.
pub static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new("kubeconfig tests"));

/// A test that panicked while it held a lock must not hide why behind another panic.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

/// A certificate authority and whom it issued certificates.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    users: Mutex<Vec<(CertificateDer<'static>, String)>>,
}

/// A certificate and its key, as PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        Self::with(name, |_| {})
    }

    /// One with changed parameters.
    pub fn with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        Self { issuer, users: Mutex::default() }
    }

    /// Its own certificate, as PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Its own certificate, as kubeconfigs have it inline.
    pub fn data(&self) -> String {
        base64(&self.pem())
    }

    /// A certificate for these names that ends with the year before `end`.
    fn issue(&self, names: &[&str], end: i32) -> (rcgen::Certificate, KeyPair) {
        self.issue_for(names, end, KeyPair::generate().expect("a key"))
    }

    fn issue_for(&self, names: &[&str], end: i32, key: KeyPair) -> (rcgen::Certificate, KeyPair) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names.clone()).expect("names");
        params.distinguished_name.push(DnType::CommonName, names[0].clone());
        params.not_before = rcgen::date_time_ymd(1999, 1, 1);
        params.not_after = rcgen::date_time_ymd(end, 1, 1);
        params.use_authority_key_identifier_extension = true;
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate, key)
    }

    /// A user's certificate; servers that know this authority call the user by name.
    pub fn user(&self, name: &str) -> Pair {
        self.user_with(name, KeyPair::generate().expect("a key"))
    }

    /// A user's certificate for this key.
    pub fn user_with(&self, name: &str, key: KeyPair) -> Pair {
        let (certificate, key) = self.issue_for(&[name], 2999, key);
        lock(&self.users).push((certificate.der().clone(), name.to_owned()));
        Pair { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A certificate for 127.0.0.1 with changed parameters: self-signed, or issued by this
    /// authority.
    pub fn certify(
        &self,
        self_signed: bool,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (rcgen::Certificate, KeyPair) {
        self.certify_for(self_signed, change, KeyPair::generate().expect("a key"))
    }

    /// The same for this key.
    pub fn certify_for(
        &self,
        self_signed: bool,
        change: impl FnOnce(&mut CertificateParams),
        key: KeyPair,
    ) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("names");
        change(&mut params);
        let certificate = if self_signed {
            params.self_signed(&key)
        } else {
            params.signed_by(&key, &self.issuer)
        };
        (certificate.expect("a certificate"), key)
    }

    fn name_of(&self, certificate: &CertificateDer<'_>) -> Option<String> {
        lock(&self.users)
            .iter()
            .find(|(known, _)| known == certificate)
            .map(|(_, name)| name.clone())
    }
}

/// A key on P-521.
pub fn p521() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).expect("a key")
}

/// An RSA key of 8192 bits; to generate one takes minutes.
pub fn rsa8192() -> KeyPair {
    KeyPair::from_pem(include_str!("keys/rsa8192.key")).expect("a key")
}

/// Who came, and where to: what must be the same for kubectl and for us.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller {
    /// The name of the server that was reached.
    pub server: String,
    /// The name that TLS was asked for.
    pub sni: Option<String>,
    /// The user of the client certificate that was shown.
    pub certificate: Option<String>,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The `Impersonate-…` headers, sorted.
    pub impersonation: Vec<(String, String)>,
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub caller: Caller,
    pub agent: String,
}

/// How a server shows itself, and what it wants.
pub struct Manner<'a> {
    pub authority: &'a Authority,
    pub names: &'a [&'a str],
    /// The year before which its certificate ends.
    pub end: i32,
    /// The `Authorization` header without which it answers 401.
    pub wants: Option<&'a str>,
    /// The certificate that it shows, in place of one of the authority's.
    pub own: Option<&'a (rcgen::Certificate, KeyPair)>,
}

impl Default for Manner<'_> {
    fn default() -> Self {
        Self {
            authority: &AUTHORITY,
            names: &["127.0.0.1", "localhost", "api.example"],
            end: 2999,
            wants: None,
            own: None,
        }
    }
}

/// A server on loopback; it takes any client certificate of its authority's, and none as well.
pub struct Front {
    pub address: SocketAddr,
    pub cluster: sim::Cluster,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

impl Front {
    /// Serves a cluster; the cluster's name is what callers are told to have reached.
    pub fn serve(cluster: &sim::Cluster, manner: &Manner<'_>) -> Self {
        let issued = manner.authority.issue(manner.names, manner.end);
        let (certificate, key) = manner.own.unwrap_or(&issued);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(AUTHORITY.issuer.der().clone()).expect("an authority");
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .allow_unauthenticated()
                .build()
                .expect("a verifier");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let mut tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a certificate and its key");
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(tls));

        let arrived = Arc::new(Mutex::default());
        let (service, wants) = (cluster.clone(), manner.wants.map(str::to_owned));
        let log = arrived.clone();
        let address = listen(move |tcp| {
            connection(service.clone(), tcp, acceptor.clone(), wants.clone(), log.clone())
        });
        Self { address, cluster: cluster.clone(), arrived }
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// What arrived since this was asked last.
    pub fn take(&self) -> Vec<Arrived> {
        std::mem::take(&mut *lock(&self.arrived))
    }
}

/// Handles each connection to a free port of 127.0.0.1, as long as the tests run.
pub fn listen<F>(handle: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = RUNTIME.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    RUNTIME.spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(handle(tcp));
        }
    });
    address
}

async fn connection(
    cluster: sim::Cluster,
    tcp: TcpStream,
    acceptor: TlsAcceptor,
    wants: Option<String>,
    arrived: Arc<Mutex<Vec<Arrived>>>,
) {
    // A client that does not trust us goes away here.
    let Ok(tls) = acceptor.accept(tcp).await else { return };
    let session = tls.get_ref().1;
    let sni = session.server_name().map(str::to_owned);
    let shown = session.peer_certificates().and_then(<[_]>::first);
    let certificate =
        shown.map(|shown| AUTHORITY.name_of(shown).unwrap_or_else(|| "a stranger".to_owned()));
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let caller = Caller {
            server: cluster.name().to_owned(),
            sni: sni.clone(),
            certificate: certificate.clone(),
            authorization: header(request.headers(), "authorization"),
            impersonation: impersonation(request.headers()),
        };
        let refused = wants.is_some() && caller.authorization != wants;
        lock(&arrived).push(Arrived {
            caller,
            agent: header(request.headers(), "user-agent").unwrap_or_default(),
        });
        let mut service = cluster.service();
        async move {
            if refused {
                return Ok(unauthorized().map(Either::Left));
            }
            service.call(request).await.map(|answer| answer.map(Either::Right))
        }
    });
    let _ =
        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(tls), service).await;
}

fn unauthorized() -> Response<Full<Bytes>> {
    let status = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;
    let mut response = Response::new(Full::new(Bytes::from_static(status.as_bytes())));
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response
        .headers_mut()
        .insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn impersonation(headers: &HeaderMap) -> Vec<(String, String)> {
    let ours = headers.iter().filter(|(name, _)| name.as_str().starts_with("impersonate-"));
    let mut all: Vec<_> = ours
        .map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    all.sort();
    all
}
