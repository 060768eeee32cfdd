//! Verifies servers, by the same rules as Go where certificates are common that rustls refuses.
//!
//! webpki 0.103, on which rustls builds, refuses what Go takes: a server's certificate that is
//! marked as an authority (as `openssl req -x509` makes it), if it is trusted itself or signed by a
//! trusted one, and the purpose `anyExtendedKeyUsage`. Its errors say nothing to a user: see
//! [`explain`]. It also lets any certificate that is given as trusted sign others; Go lets only
//! authorities.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use webpki::{
    EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeId, KeyPurposeIdIter, RawPublicKeyEntity,
};
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Version};

use super::explain::{explain, explain_handshake};
use super::issued::is_signed_by_trusted;

/// The purpose of a server's certificate, 1.3.6.1.5.5.7.3.1 in DER.
const SERVER_AUTH: KeyPurposeId<'static> = KeyPurposeId::new(&[43, 6, 1, 5, 5, 7, 3, 1]);

/// The purpose that stands for all, `anyExtendedKeyUsage`, 2.5.29.37.0 in DER.
const ANY: KeyPurposeId<'static> = KeyPurposeId::new(&[85, 29, 37, 0]);

/// Verifies a server by certificates that are trusted.
#[derive(Debug)]
pub(super) struct Verifier {
    /// None where no trusted certificate may sign others.
    inner: Option<Arc<dyn ServerCertVerifier>>,
    provider: Arc<CryptoProvider>,
    /// The trusted certificates; empty where only the operating system knows them. A server may
    /// show each of them as its own.
    trusted: Vec<CertificateDer<'static>>,
    /// Those of them that may sign others.
    roots: RootCertStore,
}

impl Verifier {
    /// A verifier that trusts these certificates, or an error for what is none.
    pub fn trusting(
        trusted: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let all = RootCertStore::empty().add_parsable_certificates(trusted.iter().cloned());
        if all.0 == 0 {
            return Err("unable to load root certificates: the certificate-authority holds no \
                        certificate in PEM"
                .into());
        }
        let mut roots = RootCertStore::empty();
        let signing = trusted.iter().filter(|certificate| may_sign_others(certificate));
        roots.add_parsable_certificates(signing.cloned());
        let verifier = |roots| {
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(|_| "the certificate-authority cannot be used".to_owned())
        };
        let inner: Option<Arc<dyn ServerCertVerifier>> =
            if roots.is_empty() { None } else { Some(verifier(roots.clone())?) };
        Ok(Self { inner, provider, trusted, roots })
    }

    /// A verifier that trusts the authorities of the operating system.
    pub fn of_system(provider: Arc<CryptoProvider>) -> Result<Self, String> {
        let inner = rustls_platform_verifier::Verifier::new(provider.clone()).map_err(
            |_| "no certificate authority is known: the cluster names none and the system has none",
        )?;
        let (trusted, roots) = (Vec::new(), RootCertStore::empty());
        Ok(Self { inner: Some(Arc::new(inner)), provider, trusted, roots })
    }

    /// Verifies a certificate by the authorities that are trusted, as rustls does.
    fn verify_issued(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<(), Error> {
        match &self.inner {
            Some(inner) => inner
                .verify_server_cert(certificate, intermediates, server_name, ocsp_response, now)
                .map(drop),
            // It says what else is wrong, or that the issuer is unknown.
            None => self.verify_any_purpose(certificate, intermediates, server_name, now),
        }
    }

    /// Verifies a certificate whose only fault is that it is for any purpose.
    fn verify_any_purpose(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let refused = |error| {
            let cause = match error {
                // The answer of [`ServerOrAny`].
                webpki::Error::EmptyEkuExtension => CertificateError::InvalidPurpose,
                webpki::Error::UnknownIssuer => CertificateError::UnknownIssuer,
                webpki::Error::InvalidSignatureForPublicKey => CertificateError::BadSignature,
                error => CertificateError::Other(OtherError(Arc::new(error))),
            };
            Error::InvalidCertificate(cause)
        };
        EndEntityCert::try_from(certificate)
            .map_err(refused)?
            .verify_for_usage(
                self.provider.signature_verification_algorithms.all,
                &self.roots.roots,
                intermediates,
                now,
                ServerOrAny,
                None,
                None,
            )
            .map_err(refused)?;
        verify_server_name(&ParsedCertificate::try_from(certificate)?, server_name)
    }
}

/// Whether a trusted certificate may sign those of others, as Go has it: an authority whose key is
/// for certificates, if it says what its key is for, or a certificate of X.509 version 1, which
/// cannot say that it is one.
fn may_sign_others(certificate: &CertificateDer<'_>) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return false };
    let is_authority = certificate.version() != X509Version::V3
        || matches!(certificate.basic_constraints(), Ok(Some(basic)) if basic.value.ca);
    let signs = match certificate.key_usage() {
        Ok(usage) => usage.is_none_or(|usage| usage.value.key_cert_sign()),
        Err(_) => false,
    };
    is_authority && signs
}

/// Takes a certificate without purposes, one for servers, and one for any purpose.
struct ServerOrAny;

impl ExtendedKeyUsageValidator for ServerOrAny {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        let mut none = true;
        for purpose in purposes {
            let purpose = purpose?;
            if purpose == SERVER_AUTH || purpose == ANY {
                return Ok(());
            }
            none = false;
        }
        if none { Ok(()) } else { Err(webpki::Error::EmptyEkuExtension) }
    }
}

/// Verifies what a certificate says itself, whoever signed it: time, purpose and name, as in Go.
/// Whether it is marked as an authority does not matter.
fn verify_content(
    certificate: &CertificateDer<'_>,
    server_name: &ServerName<'_>,
    now: UnixTime,
) -> Result<(), Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    let (_, x509) =
        X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = x509.validity();
    if seconds > validity.not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    if seconds < validity.not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    let usage = x509.extended_key_usage().map_err(|_| CertificateError::BadEncoding)?;
    if usage.is_some_and(|usage| !usage.value.server_auth && !usage.value.any) {
        return Err(CertificateError::InvalidPurpose.into());
    }
    verify_server_name(&parsed, server_name)
}

/// Whether the fault that was found is that the server's certificate is marked as an authority.
fn is_marked_as_authority(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) = error else {
        return false;
    };
    matches!(cause.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = if self.trusted.contains(end_entity) {
            verify_content(end_entity, server_name, now)
        } else {
            let issued =
                self.verify_issued(end_entity, intermediates, server_name, ocsp_response, now);
            issued.or_else(|error| match error {
                Error::InvalidCertificate(
                    CertificateError::InvalidPurpose
                    | CertificateError::InvalidPurposeContext { .. },
                ) => self.verify_any_purpose(end_entity, intermediates, server_name, now),
                error if is_marked_as_authority(&error) => {
                    let algorithms = self.provider.signature_verification_algorithms.all;
                    if is_signed_by_trusted(end_entity, &self.trusted, algorithms, now) {
                        verify_content(end_entity, server_name, now)
                    } else {
                        Err(error)
                    }
                }
                error => Err(error),
            })
        };
        verified
            .map(|()| ServerCertVerified::assertion())
            .map_err(|error| explain(error, end_entity, intermediates, &self.trusted))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_handshake(message, cert, dss, &self.provider)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_handshake_13(message, cert, dss, &self.provider)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Verifies that the server has the key of its certificate, in TLS 1.2. The certificate may be of
/// any version of X.509: only its key is read.
fn verify_handshake(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
    provider: &CryptoProvider,
) -> Result<HandshakeSignatureValid, Error> {
    with_key(certificate, |key| {
        let schemes = provider.signature_verification_algorithms.mapping.iter();
        let algorithms = schemes.filter(|(scheme, _)| *scheme == dss.scheme);
        let key = RawPublicKeyEntity::try_from(key).map_err(|_| CertificateError::BadEncoding)?;
        // In TLS 1.2 a scheme does not say the curve of the key.
        let is_signed = algorithms
            .flat_map(|(_, algorithms)| *algorithms)
            .any(|algorithm| key.verify_signature(*algorithm, message, dss.signature()).is_ok());
        if is_signed {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    })
}

/// The same in TLS 1.3.
fn verify_handshake_13(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
    provider: &CryptoProvider,
) -> Result<HandshakeSignatureValid, Error> {
    let algorithms = &provider.signature_verification_algorithms;
    with_key(certificate, |key| verify_tls13_signature_with_raw_key(message, key, dss, algorithms))
}

/// Does something with the key of a certificate; says of the error what is wrong with the key.
fn with_key<T>(
    certificate: &CertificateDer<'_>,
    verify: impl FnOnce(&SubjectPublicKeyInfoDer<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let key = SubjectPublicKeyInfoDer::from(parsed.public_key().raw);
    verify(&key).map_err(|error| explain_handshake(error, &parsed))
}

/// Accepts any certificate, because the user said so (`insecure-skip-tls-verify`). Signatures of
/// the handshake are still checked.
#[derive(Debug)]
pub(super) struct Unverified(pub Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_handshake(message, cert, dss, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_handshake_13(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
