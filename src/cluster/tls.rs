//! Certificates and keys, and the TLS configuration made of them.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crate::os_error;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use secrecy::{ExposeSecret as _, SecretSlice};

/// PEM text, inline or in a file that is read when it is needed.
#[derive(Debug, Clone)]
pub(super) enum Material {
    Inline(SecretSlice<u8>),
    File(PathBuf),
}

/// How the server is verified.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    /// The authorities; none means those of the operating system.
    pub ca: Option<Material>,
    /// Verify nothing.
    pub insecure: bool,
    /// The name that the certificate must have, in place of the URL's host.
    pub server_name: Option<String>,
}

/// A client certificate and its key.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub certificate: Material,
    pub key: Material,
}

/// What all TLS configurations of a process share: the cryptography, and the operating system's
/// authorities, whose loading takes milliseconds and memory.
pub(super) struct Tls {
    provider: Arc<CryptoProvider>,
    system: OnceLock<Arc<dyn ServerCertVerifier>>,
}

impl Tls {
    pub fn new() -> Self {
        Self {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            system: OnceLock::new(),
        }
    }

    /// A client's configuration. Errors are sentences that show no key.
    pub fn config(
        &self,
        trust: &Trust,
        certificate: Option<Arc<CertifiedKey>>,
    ) -> Result<ClientConfig, String> {
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier(trust)?);
        Ok(match certificate {
            // A resolver, because the usual way parses the certificate and refuses X.509 version 1,
            // which servers accept.
            Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
            None => builder.with_no_client_auth(),
        })
    }

    /// The certificate chain and key for the server to know us by.
    pub fn certified(&self, identity: &Identity) -> Result<CertifiedKey, String> {
        let chain = identity.certificate.read("client certificate")?;
        let key = identity.key.read("client key")?;
        self.certified_pem(chain.expose_secret(), key.expose_secret())
    }

    /// The same from PEM texts.
    pub fn certified_pem(&self, chain: &[u8], key: &[u8]) -> Result<CertifiedKey, String> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| "the client certificate is not PEM".to_owned())?;
        if chain.is_empty() {
            return Err("the client certificate holds no certificate in PEM".into());
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| "the client key holds no private key in PEM".to_owned())?;
        let key = self.provider.key_provider.load_private_key(key).map_err(|_| {
            "the client key is of a kind that is not supported: RSA, ECDSA on P-256 or P-384, and Ed25519 are".to_owned()
        })?;
        let certified = CertifiedKey::new(chain, key);
        if matches!(
            certified.keys_match(),
            Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch))
        ) {
            return Err("tls: private key does not match public key".into());
        }
        Ok(certified)
    }

    fn verifier(&self, trust: &Trust) -> Result<Arc<dyn ServerCertVerifier>, String> {
        if trust.insecure {
            return Ok(Arc::new(Unverified(self.provider.clone())));
        }
        let Some(ca) = &trust.ca else { return self.system() };
        let pem = ca.read("certificate-authority")?;
        let mut roots = RootCertStore::empty();
        let certificates: Vec<_> =
            CertificateDer::pem_slice_iter(pem.expose_secret()).filter_map(Result::ok).collect();
        let (added, _) = roots.add_parsable_certificates(certificates);
        if added == 0 {
            return Err(
                "unable to load root certificates: the certificate-authority holds no certificate in PEM"
                    .into(),
            );
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone())
                .build()
                .map_err(|error| error.to_string())?;
        Ok(verifier)
    }

    fn system(&self) -> Result<Arc<dyn ServerCertVerifier>, String> {
        if let Some(verifier) = self.system.get() {
            return Ok(verifier.clone());
        }
        let verifier =
            rustls_platform_verifier::Verifier::new(self.provider.clone()).map_err(|_| {
                "no certificate authority is known: the cluster names none and the system has none"
                    .to_owned()
            })?;
        Ok(self.system.get_or_init(|| Arc::new(verifier)).clone())
    }
}

impl Material {
    /// The bytes; `what` names them in the error.
    pub fn read(&self, what: &str) -> Result<SecretSlice<u8>, String> {
        match self {
            Self::Inline(bytes) => Ok(bytes.clone()),
            Self::File(path) => std::fs::read(path).map(Into::into).map_err(|error| {
                format!("unable to read {what} {}: {}", path.display(), os_error::words(&error))
            }),
        }
    }
}

/// Accepts any certificate, because the user said so (`insecure-skip-tls-verify`); signatures are
/// still checked.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
