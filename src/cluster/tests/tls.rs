//! Real TLS on loopback.

use std::net::SocketAddr;

use base64::Engine as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;

use super::*;
use crate::cluster::tls::Tls;

/// A certificate authority and what it issues.
pub(super) struct Authority(pub CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// One with changed parameters.
    pub fn with(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(&mut params);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn data(&self) -> String {
        base64(&self.0.pem())
    }

    /// A certificate for these names and its key; `years` are those it ends in.
    fn issue(&self, names: &[&str], end: i32) -> (CertificateDer<'static>, KeyPair, String) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(1999, 1, 1);
        params.not_after = rcgen::date_time_ymd(end, 1, 1);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let pem = certificate.pem();
        (certificate.into(), key, pem)
    }

    /// A user's certificate and key as a kubeconfig has them inline.
    fn user(&self) -> Value {
        let (_, key, pem) = self.issue(&["jane"], 2999);
        json!({"client-certificate-data": base64(&pem),
            "client-key-data": base64(&key.serialize_pem())})
    }
}

fn base64(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// A server that answers with the protocol and the number of certificates the client showed.
pub(super) async fn serve(
    authority: &Authority,
    names: &[&str],
    end: i32,
    protocols: &[&str],
) -> SocketAddr {
    let (certificate, key, _) = authority.issue(names, end);
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    serve_as(authority, vec![certificate], key, protocols).await
}

/// A server that shows these certificates, and takes client certificates of the authority.
pub(super) async fn serve_as(
    authority: &Authority,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    protocols: &[&str],
) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let shown = CertifiedKey::new(chain, provider.key_provider.load_private_key(key).unwrap());
    let mut roots = RootCertStore::empty();
    roots.add(authority.0.der().clone()).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        // It takes a certificate of any version of X.509.
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(tls) = acceptor.accept(tcp).await else { return };
                let shown = tls.get_ref().1.peer_certificates().map_or(0, <[_]>::len);
                let service = hyper::service::service_fn(
                    move |request: Request<hyper::body::Incoming>| async move {
                        let version = format!("{:?} {shown}", request.version());
                        let body = json!({ "gitVersion": version }).to_string();
                        Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::from(body)))
                    },
                );
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(tls), service).await;
            });
        }
    });
    address
}

pub(super) async fn version(cluster: &Value, user: &Value) -> Result<String, Error> {
    let endpoint = endpoint(cluster, user, &Overrides::default());
    Dialer::new(DialerOptions::default()).dial("east", &endpoint)?.server_version().await
}

#[tokio::test]
async fn the_protocol_is_the_best_that_both_speak() {
    let authority = Authority::new();
    for (protocols, expected) in [
        (&["h2", "http/1.1"][..], "HTTP/2.0 0"),
        (&["http/1.1"], "HTTP/1.1 0"),
        (&[], "HTTP/1.1 0"),
    ] {
        let address = serve(&authority, &["127.0.0.1"], 2999, protocols).await;
        let cluster = json!({
            "server": format!("https://{address}"), "certificate-authority-data": authority.data(),
        });
        assert_eq!(version(&cluster, &json!({})).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_certificate_must_be_by_the_authority_for_the_name_and_in_time() {
    let authority = Authority::new();
    let (data, other) = (authority.data(), Authority::new().data());
    let unknown = "Unable to connect to the server: tls: failed to verify certificate: x509: \
    certificate signed by unknown authority";
    let no_address = "Unable to connect to the server: tls: failed to verify certificate: x509: \
    cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs";
    let wrong_address = "Unable to connect to the server: tls: failed to verify certificate: x509: \
    certificate is valid for 10.0.0.1, not 127.0.0.1";
    let wrong_name = "Unable to connect to the server: tls: failed to verify certificate: x509: \
    certificate is valid for api.example, not b.example";
    let expired = "Unable to connect to the server: tls: failed to verify certificate: x509: \
    certificate has expired";
    let here: &[&str] = &["127.0.0.1"];
    let elsewhere: &[&str] = &["api.example"];
    for (names, end, trust, expected) in [
        (here, 2999, json!({"certificate-authority-data": data}), Ok("HTTP/2.0 0")),
        (here, 2999, json!({"certificate-authority-data": other}), Err(unknown)),
        (here, 2000, json!({"certificate-authority-data": data}), Err(expired)),
        (elsewhere, 2999, json!({"certificate-authority-data": data}), Err(no_address)),
        (
            &["api.example", "10.0.0.1"],
            2999,
            json!({"certificate-authority-data": data}),
            Err(wrong_address),
        ),
        (
            elsewhere,
            2999,
            json!({"certificate-authority-data": data, "tls-server-name": "b.example"}),
            Err(wrong_name),
        ),
        (
            elsewhere,
            2999,
            json!({"certificate-authority-data": data, "tls-server-name": "api.example"}),
            Ok("HTTP/2.0 0"),
        ),
        (elsewhere, 2000, json!({"insecure-skip-tls-verify": true}), Ok("HTTP/2.0 0")),
    ] {
        let address = serve(&authority, names, end, &["h2"]).await;
        let mut cluster = trust.clone();
        cluster["server"] = format!("https://{address}").into();
        let found = version(&cluster, &json!({})).await.map_err(|error| error.report());
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{trust}");
    }
}

/// The parameters of a certificate for this host.
pub(super) fn for_this_host(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(1999, 1, 1);
    params.not_after = rcgen::date_time_ymd(2999, 1, 1);
    change(&mut params);
    params
}

/// What a client gets from a server with this certificate, which trusts these certificates in PEM.
pub(super) async fn greeting(
    certificate: &rcgen::Certificate,
    key: &KeyPair,
    trusted: &str,
) -> String {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    greeting_of(vec![certificate.der().clone()], key, trusted).await
}

pub(super) async fn greeting_of(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    trusted: &str,
) -> String {
    let address = serve_as(&Authority::new(), chain, key, &["h2"]).await;
    let cluster = json!({"server": format!("https://{address}"),
        "certificate-authority-data": base64(trusted)});
    match version(&cluster, &json!({})).await {
        Ok(version) => version,
        Err(error) => error.to_string(),
    }
}

pub(super) const UNVERIFIED: &str =
    "Unable to connect to the server: tls: failed to verify certificate: ";

#[tokio::test]
async fn a_certificate_that_is_trusted_itself_needs_no_authority() {
    let purposes = |purpose| move |p: &mut CertificateParams| p.extended_key_usages = vec![purpose];
    let authority = |p: &mut CertificateParams| {
        p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    };
    let ok = "HTTP/2.0 0";
    let for_servers = format!("{UNVERIFIED}the server's certificate is not for servers: ");
    let expired = format!("{UNVERIFIED}x509: certificate has expired");
    let early = format!("{UNVERIFIED}x509: certificate is not valid yet");
    let named = format!("{UNVERIFIED}x509: cannot validate certificate for 127.0.0.1 because ");
    let cases: [(CertificateParams, &str); 8] = [
        (for_this_host(|_| {}), ok),
        (for_this_host(authority), ok),
        (for_this_host(purposes(ExtendedKeyUsagePurpose::ServerAuth)), ok),
        (for_this_host(purposes(ExtendedKeyUsagePurpose::Any)), ok),
        (for_this_host(purposes(ExtendedKeyUsagePurpose::ClientAuth)), &for_servers),
        (for_this_host(|p| p.not_after = rcgen::date_time_ymd(2000, 1, 1)), &expired),
        (for_this_host(|p| p.not_before = rcgen::date_time_ymd(2990, 1, 1)), &early),
        (CertificateParams::new(vec!["a.example".to_owned()]).unwrap(), &named),
    ];
    for (params, expected) in cases {
        let key = KeyPair::generate().unwrap();
        let own = params.clone().self_signed(&key).unwrap();
        let found = greeting(&own, &key, &own.pem()).await;
        assert!(found.starts_with(expected), "{params:?}: {found}");
        // The same, issued by an authority that is not trusted.
        let issued = params.signed_by(&key, &Authority::new().0).unwrap();
        let found = greeting(&issued, &key, &issued.pem()).await;
        assert!(found.starts_with(expected), "{found}");
        let found = greeting(&issued, &key, &own.pem()).await;
        assert!(found.starts_with(UNVERIFIED), "another certificate is trusted: {found}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_said_in_a_sentence() {
    let authority = Authority::new();
    let key = KeyPair::generate().unwrap();
    let issue = |change: fn(&mut CertificateParams)| {
        for_this_host(change).signed_by(&key, &authority.0).unwrap()
    };
    let any = issue(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any]);
    assert_eq!(greeting(&any, &key, &authority.0.pem()).await, "HTTP/2.0 0");
    let unknown = format!("{UNVERIFIED}x509: certificate signed by unknown authority");
    assert_eq!(greeting(&any, &key, &Authority::new().0.pem()).await, unknown);
    let other = for_this_host(|_| {}).self_signed(&key).unwrap();
    let client = issue(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let trusted = authority.0.pem() + &other.pem();
    let sentence = "the server's certificate is not for servers: have it reissued with the \
                    extended key usage `serverAuth`";
    assert_eq!(greeting(&client, &key, &trusted).await, format!("{UNVERIFIED}{sentence}"));
}

#[tokio::test]
async fn a_certificate_that_cannot_be_verified_is_named() {
    for (authority, leaf, sentence) in [
        (
            include_str!("keys/secp256k1-ca.crt"),
            include_bytes!("keys/secp256k1-leaf.crt").as_slice(),
            "the certificate of the authority \"CN=secp256k1\" has an ECDSA key of 256 bits on an \
             unusual curve, which is not supported: have it reissued with ",
        ),
        (
            include_str!("keys/rsa1024-ca.crt"),
            include_bytes!("keys/rsa1024-leaf.crt"),
            "the certificate of the authority \"CN=rsa1024\" has an RSA key of 1024 bits, which is \
             not supported: have it reissued with ",
        ),
        (
            include_str!("keys/sha1-ca.crt"),
            include_bytes!("keys/sha1-leaf.crt"),
            "the server's certificate is signed with SHA-1, which is not secure: have it reissued",
        ),
    ] {
        let found = greeting_of_leaf(leaf, authority).await;
        assert!(found.starts_with(&format!("{UNVERIFIED}{sentence}")), "{found}");
    }
}

#[tokio::test]
async fn the_signature_of_a_trusted_authority_on_itself_is_not_blamed() {
    // The authority was made anew: it has its old name, another key, and signed itself with SHA-1.
    let authority = include_str!("keys/sha1-root.crt");
    let found = greeting_of_leaf(include_bytes!("keys/p521-leaf.crt"), authority).await;
    assert!(found.starts_with(UNVERIFIED) && !found.contains("SHA-1"), "{found}");
}

#[tokio::test]
async fn an_authority_with_a_key_on_p_521_is_verified() {
    let authority = include_str!("keys/p521-ca.crt");
    let found = greeting_of_leaf(include_bytes!("keys/p521-leaf.crt"), authority).await;
    assert_eq!(found, "HTTP/2.0 0");
}

/// What a client gets that trusts `authority`, from a server with this certificate in PEM for
/// `keys/leaf.key`.
async fn greeting_of_leaf(certificate: &[u8], authority: &str) -> String {
    let chain = vec![CertificateDer::from_pem_slice(certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("keys/leaf.key")).unwrap();
    greeting_of(chain, key, authority).await
}

#[tokio::test]
async fn a_client_certificate_is_shown_from_the_kubeconfig_or_a_plugin() {
    let authority = Authority::new();
    let address = serve(&authority, &["127.0.0.1"], 2999, &["h2"]).await;
    let cluster = json!({
        "server": format!("https://{address}"), "certificate-authority-data": authority.data(),
    });
    assert_eq!(version(&cluster, &authority.user()).await.unwrap(), "HTTP/2.0 1");

    let (_, key, pem) = authority.issue(&["plugin"], 2999);
    let answer = json!({"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1",
        "status": {"clientCertificateData": pem, "clientKeyData": key.serialize_pem()}});
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("answer");
    std::fs::write(&file, answer.to_string()).unwrap();
    let user = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "cat",
        "args": [file],
        "interactiveMode": "Never"}});
    assert_eq!(version(&cluster, &user).await.unwrap(), "HTTP/2.0 1");
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_by_the_server() {
    let authority = Authority::new();
    let address = serve(&authority, &["127.0.0.1"], 2999, &["h2"]).await;
    let cluster = json!({
        "server": format!("https://{address}"), "certificate-authority-data": authority.data(),
    });
    let error = version(&cluster, &Authority::new().user()).await.unwrap_err();
    assert!(
        error.report().starts_with("Unable to connect to the server: remote error: tls: "),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_no_tls_server_is_said_to_be_none() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let _ =
                tokio::io::AsyncWriteExt::write_all(&mut tcp, b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    .await;
        }
    });
    let cluster = json!({"server": format!("https://{address}"), "insecure-skip-tls-verify": true});
    let error = version(&cluster, &json!({})).await.unwrap_err();
    assert_eq!(
        error.report(),
        "Unable to connect to the server: the server does not speak TLS, or not on this port"
    );
}

#[tokio::test]
async fn nobody_at_a_port_and_no_such_name() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = version(&json!({"server": format!("https://{port}")}), &json!({})).await;
    // Without authorities in the system, that is said before anything is sent.
    if let Err(Error::Unreachable { .. }) = &error {
        assert_eq!(
            error.unwrap_err().report(),
            format!(
                "The connection to the server {port} was refused - did you specify the right host \
                or port?"
            )
        );
    }
    // A label this long is refused before any name server is asked.
    let cluster = json!({"server": format!("http://{}.invalid", "a".repeat(64))});
    let error = version(&cluster, &json!({})).await.unwrap_err();
    assert!(error.is_unreachable());
    assert!(error.to_string().contains("dial tcp: lookup "), "{error}");
}

#[test]
fn keys_and_certificates_of_old_forms_are_taken() {
    let tls = Tls::new();
    let rsa = (include_bytes!("keys/rsa.crt"), include_bytes!("keys/rsa.key"));
    let p384 = (include_bytes!("keys/secp384r1.crt"), include_bytes!("keys/secp384r1.key"));
    let p521 = (include_bytes!("keys/secp521r1.crt"), include_bytes!("keys/secp521r1.key"));
    // All certificates are of X.509 version 1; the keys are PKCS#1 and, after their
    // parameters, SEC1.
    assert!(tls.certified_pem(rsa.0, rsa.1).is_ok());
    assert!(tls.certified_pem(p384.0, p384.1).is_ok());
    assert!(tls.certified_pem(p521.0, p521.1).is_ok());
    let rsa1024 = include_bytes!("keys/rsa1024.key");
    assert!(tls.certified_pem(rsa.0, rsa1024).unwrap_err().contains("2048 to 8192 bits"));
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let certificate = CertificateParams::default().self_signed(&ed25519).unwrap().pem();
    assert!(tls.certified_pem(certificate.as_bytes(), ed25519.serialize_pem().as_bytes()).is_ok());
    let other = KeyPair::generate().unwrap().serialize_pem();
    let mismatch = tls.certified_pem(certificate.as_bytes(), other.as_bytes()).unwrap_err();
    assert_eq!(mismatch, "tls: private key does not match public key");
    assert_eq!(
        tls.certified_pem(b"", b"").unwrap_err(),
        "the client certificate holds no certificate in PEM"
    );
    let der = PrivateKeyDer::from_pem_slice(rsa.1).unwrap();
    let block = |label: &str, head: &str| {
        format!("-----BEGIN {label}-----\n{head}AAAA\n-----END {label}-----\n").into_bytes()
    };
    let encrypted = "the client key is encrypted: use one that is not, as `openssl pkey` writes it";
    let headers = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n";
    for (key, why) in [
        (b"x".to_vec(), "the client key holds no private key in PEM"),
        (Vec::new(), "the client key is empty"),
        (block("ENCRYPTED PRIVATE KEY", ""), encrypted),
        (block("RSA PRIVATE KEY", headers), encrypted),
        (der.secret_der().to_vec(), "the client key is in DER: it has to be in PEM"),
        (rsa.0.to_vec(), "the client key holds a certificate in place of a private key"),
    ] {
        assert_eq!(tls.certified_pem(rsa.0, &key).unwrap_err(), why);
    }
}

#[tokio::test]
async fn files_that_cannot_be_read_are_named() {
    for (cluster, user, words) in [
        (
            json!({"certificate-authority": "/no/ca"}),
            json!({}),
            "unable to read certificate-authority /no/ca: no such file",
        ),
        (json!({"certificate-authority-data": "Q0E="}), json!({}), "holds no certificate in PEM"),
        (
            json!({"insecure-skip-tls-verify": true, "tls-server-name": "a b"}),
            json!({}),
            "neither a DNS name nor an IP",
        ),
        (
            json!({"insecure-skip-tls-verify": true}),
            json!({"client-certificate": "/no/c", "client-key": "/no/k"}),
            "unable to read client certificate /no/c: no such file",
        ),
    ] {
        let mut cluster = cluster.clone();
        cluster["server"] = "https://127.0.0.1:1".into();
        let error = version(&cluster, &user).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}
