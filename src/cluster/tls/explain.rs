//! Why a server is not trusted, in one sentence: what is wrong with whose certificate, and what to
//! do about it.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, Error, OtherError};
use x509_parser::asn1_rs::oid;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_NIST_EC_P384, OID_PKCS1_MD5WITHRSAENC, OID_PKCS1_SHA1WITHRSA, Oid,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;

/// What a certificate needs, so that it can be verified by *ring* 0.17.
const REISSUE: &str = "have it reissued with an RSA key of 2048 to 8192 bits, an ECDSA key on \
                       P-256 or P-384, or an Ed25519 key, and signed with SHA-256 or better";

/// `ecdsa-with-SHA1` of RFC 3279, which the registry lacks.
const ECDSA_WITH_SHA1: Oid<'static> = oid!(1.2.840.10045.4.1);

/// The sentence about a certificate that is not trusted.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(in crate::cluster) struct Distrusted(String);

/// The error with a sentence for the user, where rustls has none.
pub(super) fn explain(
    error: Error,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    trusted: &[CertificateDer<'_>],
) -> Error {
    let Error::InvalidCertificate(cause) = &error else { return error };
    let parse = |der: &&CertificateDer<'_>| X509Certificate::from_der(der).is_ok();
    let issuers: Vec<_> = intermediates.iter().chain(trusted).filter(parse).collect();
    let sentence = match cause {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            unsupported(end_entity, &issuers)
        }
        cause if is_algorithm(cause) => {
            Some(unsupported(end_entity, &issuers).unwrap_or_else(|| {
                format!("a certificate is signed in a way that is not supported: {REISSUE}")
            }))
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => Some(
            "the server's certificate is not for servers: have it reissued with the extended key \
             usage `serverAuth`"
                .to_owned(),
        ),
        CertificateError::BadEncoding => Some(
            "the server's certificate, or one that signed it, cannot be decoded: have it reissued"
                .to_owned(),
        ),
        CertificateError::Other(OtherError(inner)) => {
            inner.downcast_ref::<webpki::Error>().map(|error| structure(error).to_owned())
        }
        _ => None,
    };
    match sentence {
        Some(text) => CertificateError::Other(OtherError(Arc::new(Distrusted(text)))).into(),
        None => error,
    }
}

fn is_algorithm(cause: &CertificateError) -> bool {
    #[expect(deprecated, reason = "the verifier of an operating system may still give it")]
    let old = matches!(cause, CertificateError::UnsupportedSignatureAlgorithm);
    old || matches!(
        cause,
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
    )
}

/// What is wrong with the structure of a certificate.
fn structure(error: &webpki::Error) -> &'static str {
    match error {
        webpki::Error::CaUsedAsEndEntity => {
            "the server's certificate is marked as an authority, and no trusted certificate has \
             signed it that may do so now: put the server's own certificate into the cluster's \
             certificate-authority, or have it reissued without `CA:TRUE`"
        }
        webpki::Error::EndEntityUsedAsCa => {
            "the certificate that signed the server's is not marked as an authority: put the \
             server's own certificate into the cluster's certificate-authority, or have the \
             signing certificate reissued with `CA:TRUE`"
        }
        webpki::Error::UnsupportedCertVersion => {
            "the server's certificate, or one that signed it, is not of X.509 version 3: have it \
             reissued"
        }
        webpki::Error::UnsupportedCriticalExtension => {
            "the server's certificate, or one that signed it, has a critical extension that is not \
             supported: have it reissued without"
        }
        webpki::Error::NameConstraintViolation => {
            "the server's certificate has a name that its authority may not certify: have it \
             reissued by another authority, or with other names"
        }
        webpki::Error::PathLenConstraintViolated | webpki::Error::MaximumPathDepthExceeded => {
            "the chain of the server's certificate is longer than an authority in it permits: have \
             it reissued by another authority"
        }
        _ => {
            "the server's certificate, or one that signed it, does not follow the rules of X.509: \
             have it reissued"
        }
    }
}

/// Looks for a certificate in the chain of the server's that cannot be verified: by its signature,
/// or by the key of its issuer.
fn unsupported(end_entity: &[u8], issuers: &[&CertificateDer<'_>]) -> Option<String> {
    let (_, mut certificate) = X509Certificate::from_der(end_entity).ok()?;
    let mut whose = "the server's certificate".to_owned();
    // A chain that leads in a circle ends, too.
    for _ in 0..8 {
        let algorithm = certificate.signature_algorithm.oid();
        if let Some(name) = broken_signature(algorithm) {
            return Some(format!("{whose} is signed with {name}, which is not secure: {REISSUE}"));
        }
        if let Some(key) = unsupported_key(&certificate) {
            return Some(format!("{whose} has {key}, which is not supported: {REISSUE}"));
        }
        if certificate.subject().as_raw() == certificate.issuer().as_raw() {
            return None;
        }
        let issuer = issuers.iter().find_map(|der| {
            let (_, issuer) = X509Certificate::from_der(der).ok()?;
            (issuer.subject().as_raw() == certificate.issuer().as_raw()).then_some(issuer)
        })?;
        whose = format!("the certificate of the authority \"{}\"", issuer.subject());
        certificate = issuer;
    }
    None
}

fn broken_signature(algorithm: &Oid<'_>) -> Option<&'static str> {
    if *algorithm == OID_PKCS1_SHA1WITHRSA || *algorithm == ECDSA_WITH_SHA1 {
        Some("SHA-1")
    } else if *algorithm == OID_PKCS1_MD5WITHRSAENC {
        Some("MD5")
    } else {
        None
    }
}

fn unsupported_key(certificate: &X509Certificate<'_>) -> Option<String> {
    let key = certificate.public_key();
    match key.parsed().ok()? {
        PublicKey::RSA(rsa) => {
            let bits = rsa.key_size();
            (!(2048..=8192).contains(&bits)).then(|| format!("an RSA key of {bits} bits"))
        }
        PublicKey::EC(point) => {
            let curve = key.algorithm.parameters.as_ref()?.as_oid().ok()?;
            let supported = curve == OID_EC_P256 || curve == OID_NIST_EC_P384;
            (!supported).then(|| match point.key_size() {
                528 | 521 => "an ECDSA key on P-521".to_owned(),
                bits => format!("an ECDSA key of {bits} bits on an unusual curve"),
            })
        }
        PublicKey::DSA(_) => Some("a DSA key".to_owned()),
        _ => None,
    }
}
