//! Verifies servers, by the same rules as Go where certificates are common that rustls refuses.
//!
//! webpki 0.103, on which rustls builds, refuses what Go takes: a server's certificate that is
//! marked as an authority (as `openssl req -x509` makes it), if it is trusted itself or signed by a
//! trusted one, and the purpose `anyExtendedKeyUsage`. It takes what Go refuses: authorities that
//! may not sign, for which see [`chain`](super::chain). Its errors say nothing to a user: see
//! [`explain`].

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use webpki::{
    EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeId, KeyPurposeIdIter, RawPublicKeyEntity,
    VerifiedPath, anchor_from_trusted_cert,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::chain::{Chains, fault, is_for_certificates, own_fault};
use super::explain::{explain, explain_handshake};

/// The purpose of a server's certificate, 1.3.6.1.5.5.7.3.1 in DER.
const SERVER_AUTH: KeyPurposeId<'static> = KeyPurposeId::new(&[43, 6, 1, 5, 5, 7, 3, 1]);

/// The purpose that stands for all, `anyExtendedKeyUsage`, 2.5.29.37.0 in DER.
const ANY: KeyPurposeId<'static> = KeyPurposeId::new(&[85, 29, 37, 0]);

/// Verifies a server by certificates that are trusted.
#[derive(Debug)]
pub(super) struct Verifier {
    /// The verifier of the operating system; none where certificates are given.
    system: Option<Arc<dyn ServerCertVerifier>>,
    provider: Arc<CryptoProvider>,
    /// The trusted certificates; empty where only the operating system knows them. A server may
    /// show each of them as its own.
    trusted: Vec<CertificateDer<'static>>,
    /// The same, as webpki takes them.
    roots: RootCertStore,
}

impl Verifier {
    /// A verifier that trusts these certificates, or an error for what is none.
    pub fn trusting(
        trusted: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        if roots.add_parsable_certificates(trusted.iter().cloned()).0 == 0 {
            return Err("unable to load root certificates: the certificate-authority holds no \
                        certificate in PEM"
                .into());
        }
        Ok(Self { system: None, provider, trusted, roots })
    }

    /// A verifier that trusts the authorities of the operating system.
    pub fn of_system(provider: Arc<CryptoProvider>) -> Result<Self, String> {
        let system = rustls_platform_verifier::Verifier::new(provider.clone()).map_err(
            |_| "no certificate authority is known: the cluster names none and the system has none",
        )?;
        let (trusted, roots) = (Vec::new(), RootCertStore::empty());
        Ok(Self { system: Some(Arc::new(system)), provider, trusted, roots })
    }

    /// Verifies a certificate by the authorities that are trusted.
    fn verify_issued(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<(), Error> {
        let Some(system) = &self.system else {
            return self.verify_chain(certificate, intermediates, server_name, now);
        };
        let signing = intermediates.iter().filter(|der| is_for_certificates(der));
        let signing: Vec<_> = signing.cloned().collect();
        system.verify_server_cert(certificate, &signing, server_name, ocsp_response, now).map(drop)
    }

    /// Verifies a certificate by the certificates that are given as trusted.
    fn verify_chain(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let refused = |error| Error::InvalidCertificate(cause(error));
        EndEntityCert::try_from(certificate)
            .map_err(refused)?
            .verify_for_usage(
                self.provider.signature_verification_algorithms.all,
                &self.roots.roots,
                intermediates,
                now,
                ServerOrAny,
                None,
                Some(&|path| self.verify_authorities(path, now)),
            )
            .map_err(refused)?;
        verify_server_name(&ParsedCertificate::try_from(certificate)?, server_name)
    }

    /// Whether the authorities of a chain that webpki found may sign what they signed.
    fn verify_authorities(
        &self,
        path: &VerifiedPath<'_>,
        now: UnixTime,
    ) -> Result<(), webpki::Error> {
        let may_sign = |der: &CertificateDer<'_>, is_trusted, below| {
            X509Certificate::from_der(der)
                .is_ok_and(|(_, parsed)| fault(&parsed, is_trusted, below, now).is_none())
        };
        let between: Vec<_> = path.intermediate_certificates().map(webpki::Cert::der).collect();
        let is_anchor = |der: &&CertificateDer<'_>| {
            anchor_from_trusted_cert(der).is_ok_and(|anchor| anchor == *path.anchor())
        };
        // An authority may be given several times, such as with its key and another time.
        let mut anchors = self.trusted.iter().filter(is_anchor);
        let all_sign = between.iter().enumerate().all(|(below, der)| may_sign(der, false, below))
            && anchors.any(|der| may_sign(der, true, between.len()));
        if all_sign { Ok(()) } else { Err(webpki::Error::UnknownIssuer) }
    }
}

/// The cause as rustls has it, where it has one.
fn cause(error: webpki::Error) -> CertificateError {
    use webpki::Error as E;
    match error {
        // The answer of [`ServerOrAny`].
        E::EmptyEkuExtension => CertificateError::InvalidPurpose,
        E::UnknownIssuer => CertificateError::UnknownIssuer,
        E::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        E::CertExpired { .. } | E::InvalidCertValidity => CertificateError::Expired,
        E::CertNotValidYet { .. } => CertificateError::NotValidYet,
        E::BadDer | E::BadDerTime | E::TrailingData(_) => CertificateError::BadEncoding,
        E::UnsupportedSignatureAlgorithmContext(context) => {
            CertificateError::UnsupportedSignatureAlgorithmContext {
                signature_algorithm_id: context.signature_algorithm_id,
                supported_algorithms: context.supported_algorithms,
            }
        }
        E::UnsupportedSignatureAlgorithmForPublicKeyContext(context) => {
            CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
                signature_algorithm_id: context.signature_algorithm_id,
                public_key_algorithm_id: context.public_key_algorithm_id,
            }
        }
        error => CertificateError::Other(OtherError(Arc::new(error))),
    }
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
    match own_fault(&x509, now) {
        Some(cause) => Err(cause.into()),
        None => verify_server_name(&parsed, server_name),
    }
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
        let chains = Chains {
            trusted: &self.trusted,
            intermediates,
            algorithms: self.provider.signature_verification_algorithms.all,
            now,
        };
        let verified = if self.trusted.contains(end_entity) {
            verify_content(end_entity, server_name, now)
        } else {
            let issued =
                self.verify_issued(end_entity, intermediates, server_name, ocsp_response, now);
            issued.or_else(|error| {
                if is_marked_as_authority(&error) && chains.search(end_entity).is_found {
                    verify_content(end_entity, server_name, now)
                } else {
                    Err(error)
                }
            })
        };
        verified
            .map(|()| ServerCertVerified::assertion())
            .map_err(|error| explain(error, end_entity, &chains))
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
