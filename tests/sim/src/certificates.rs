//! Certificates for servers on loopback. Keys are made once in a process.

use std::sync::{Arc, OnceLock};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::CipherSuite::TLS13_AES_128_GCM_SHA256;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, SupportedCipherSuite};

/// What servers are known by: the authority's certificate, and the settings that every server
/// shares.
pub(crate) struct Identity {
    pub(crate) ca_pem: String,
    pub(crate) tls: Arc<ServerConfig>,
}

/// The identity of all servers of this process.
pub(crate) fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| make().expect("the certificates are made of constants"))
}

fn make() -> Result<Identity, Box<dyn std::error::Error>> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.distinguished_name.push(DnType::CommonName, "simulated cluster CA");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let mut leaf = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    leaf.distinguished_name.push(DnType::CommonName, "simulated cluster");
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let leaf = leaf.signed_by(&key, &authority)?;
    // An API server chooses the cipher suite, and Go prefers this one.
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    let is_last = |suite: &SupportedCipherSuite| suite.suite() != TLS13_AES_128_GCM_SHA256;
    provider.cipher_suites.sort_by_key(is_last);
    let private = PrivateKeyDer::try_from(key.serialize_der())?;
    let mut tls = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], private)?;
    tls.ignore_client_order = true;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Identity { ca_pem: authority.pem(), tls: Arc::new(tls) })
}
