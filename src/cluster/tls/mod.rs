//! Certificates and keys, and the TLS configuration that is made of them.
//!
//! | module | what it holds |
//! |---|---|
//! | `verify` | which servers are trusted |
//! | `chain` | which authorities may sign it, as in Go |
//! | `explain` | why a server is not trusted, in words for a user |

mod chain;
mod explain;
mod verify;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use secrecy::{ExposeSecret as _, SecretSlice};

pub(super) use self::explain::Distrusted;
use self::explain::KEYS;
use self::verify::{Unverified, Verifier};
use crate::os_error;

/// PEM text, inline or in a file. The file is read when the text is needed.
#[derive(Debug, Clone)]
pub(super) enum Material {
    Inline(SecretSlice<u8>),
    File(PathBuf),
}

/// How the server is verified.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    /// The trusted certificates. `None` means the authorities of the operating system.
    pub ca: Option<Material>,
    /// Whether the server is not verified at all.
    pub insecure: bool,
    /// The name that the certificate must have, in place of the host in the URL.
    pub server_name: Option<String>,
}

/// A client certificate and its key.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// The name of the user in the kubeconfig, for messages.
    pub user: String,
    pub certificate: Material,
    pub key: Material,
}

/// What all TLS configurations of a process share: the cryptography, and the authorities of the
/// operating system. Loading these takes milliseconds and memory, and kube-client 5.0 loads them
/// for each client.
pub(super) struct Tls {
    provider: Arc<CryptoProvider>,
    system: OnceLock<Arc<dyn ServerCertVerifier>>,
}

impl Tls {
    pub fn new() -> Self {
        Self {
            provider: Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
            system: OnceLock::new(),
        }
    }

    /// The configuration of a client. Errors are sentences that show no key.
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
        let mut config = match certificate {
            // A resolver, because `with_client_auth_cert` of rustls 0.23 parses the certificate and
            // refuses X.509 version 1, which servers accept.
            Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
            None => builder.with_no_client_auth(),
        };
        // It is for one server. Of the 32 for which rustls makes room, each takes half a KB.
        config.resumption = Resumption::in_memory_sessions(1);
        Ok(config)
    }

    /// The client certificate and key of a user.
    pub fn certified(&self, identity: &Identity) -> Result<CertifiedKey, String> {
        let read = || {
            let chain = identity.certificate.read("client certificate")?;
            let key = identity.key.read("client key")?;
            self.certified_pem(chain.expose_secret(), key.expose_secret())
        };
        read().map_err(|cause| format!("user {:?}: {cause}", identity.user))
    }

    /// The client certificate and key in PEM texts.
    pub fn certified_pem(&self, chain: &[u8], key: &[u8]) -> Result<CertifiedKey, String> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| "the client certificate is not PEM".to_owned())?;
        if chain.is_empty() {
            return Err("the client certificate holds no certificate in PEM".into());
        }
        let key = match PrivateKeyDer::from_pem_slice(key) {
            Ok(private) if !is_encrypted(key) => private,
            _ => return Err(no_key(key).to_owned()),
        };
        let key = self.provider.key_provider.load_private_key(key).map_err(|_| {
            format!("the client key is not of a supported kind: use a certificate for {KEYS}")
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

    pub(super) fn verifier(&self, trust: &Trust) -> Result<Arc<dyn ServerCertVerifier>, String> {
        if trust.insecure {
            return Ok(Arc::new(Unverified(self.provider.clone())));
        }
        let Some(ca) = &trust.ca else { return self.system() };
        let pem = ca.read("certificate-authority")?;
        let certificates =
            CertificateDer::pem_slice_iter(pem.expose_secret()).filter_map(Result::ok).collect();
        Ok(Arc::new(Verifier::trusting(certificates, self.provider.clone())?))
    }

    fn system(&self) -> Result<Arc<dyn ServerCertVerifier>, String> {
        if let Some(verifier) = self.system.get() {
            return Ok(verifier.clone());
        }
        let verifier = Arc::new(Verifier::of_system(self.provider.clone())?);
        Ok(self.system.get_or_init(|| verifier).clone())
    }
}

/// Whether a text in PEM has an encrypted private key, in the form of PKCS#8 or of OpenSSL.
fn is_encrypted(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
}

/// What is there in place of a private key.
fn no_key(text: &[u8]) -> &'static str {
    // A sequence, as every key and certificate is in DER.
    const SEQUENCE: u8 = 0x30;
    if text.trim_ascii().is_empty() {
        "the client key is empty"
    } else if is_encrypted(text) {
        "the client key is encrypted: use one that is not, as `openssl pkey` writes it"
    } else if text.first() == Some(&SEQUENCE) {
        "the client key is in DER: it has to be in PEM"
    } else if CertificateDer::from_pem_slice(text).is_ok() {
        "the client key holds a certificate in place of a private key"
    } else {
        "the client key holds no private key in PEM"
    }
}

impl Material {
    /// The bytes. `what` names them in the error.
    pub fn read(&self, what: &str) -> Result<SecretSlice<u8>, String> {
        match self {
            Self::Inline(bytes) => Ok(bytes.clone()),
            Self::File(path) => std::fs::read(path).map(Into::into).map_err(|error| {
                format!("unable to read {what} {}: {}", path.display(), os_error::words(&error))
            }),
        }
    }
}
