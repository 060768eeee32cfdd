//! Why a server is not trusted, in one sentence: what is wrong with whose certificate, and what to
//! do about it.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, Error, OtherError};
use x509_parser::asn1_rs::oid;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_PKCS1_MD5WITHRSAENC,
    OID_PKCS1_SHA1WITHRSA, Oid,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::chain::{Chains, own_fault};

/// The kinds of keys that aws-lc-rs 1.19 can sign with and verify. Go takes more, which are rare:
/// RSA keys of 1024 to 2047 bits, and ECDSA keys on P-224.
pub(super) const KEYS: &str = "an RSA key of 2048 to 8192 bits, an ECDSA key on P-256, P-384 or \
                               P-521, or an Ed25519 key";

/// `ecdsa-with-SHA1` of RFC 3279, which the registry lacks.
const ECDSA_WITH_SHA1: Oid<'static> = oid!(1.2.840.10045.4.1);

/// The sentence about a certificate that is not trusted.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(in crate::cluster) struct Distrusted(String);

/// The error with a sentence for the user, where rustls has none.
pub(super) fn explain(error: Error, end_entity: &CertificateDer<'_>, chains: &Chains<'_>) -> Error {
    let Error::InvalidCertificate(cause) = &error else { return error };
    let parse = |der: &&CertificateDer<'_>| X509Certificate::from_der(der).is_ok();
    let issuers: Vec<_> = chains.intermediates.iter().chain(chains.trusted).filter(parse).collect();
    let unsupported = || unsupported(end_entity, &issuers, chains.trusted);
    let of_authority = || chains.search(end_entity).fault;
    let sentence = match cause {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            of_authority().or_else(unsupported)
        }
        cause if is_about_one(cause) && is_sound(end_entity, chains.now) => of_authority(),
        cause if is_algorithm(cause) => Some(unsupported().unwrap_or_else(|| {
            format!("a certificate is signed in a way that is not supported: {}", reissue())
        })),
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
            inner.downcast_ref::<webpki::Error>().map(|error| match error {
                error if is_about_authorities(error) => {
                    of_authority().unwrap_or_else(|| structure(error).to_owned())
                }
                error => structure(error).to_owned(),
            })
        }
        _ => None,
    };
    sentence.map_or(error, distrusted)
}

/// The error of a signature by which the server proves that it has the key of its certificate.
pub(super) fn explain_handshake(error: Error, certificate: &X509Certificate<'_>) -> Error {
    let Error::InvalidCertificate(cause) = &error else { return error };
    distrusted(match unsupported_key(certificate) {
        Some(key) => {
            format!("the server's certificate has {key}, which is not supported: {}", reissue())
        }
        None if *cause == CertificateError::BadEncoding => {
            format!("the key of the server's certificate cannot be read: {}", reissue())
        }
        None => "the server does not prove that it has the key of its certificate".to_owned(),
    })
}

fn distrusted(sentence: String) -> Error {
    CertificateError::Other(OtherError(Arc::new(Distrusted(sentence)))).into()
}

/// Whether it is about one certificate of the chain, and does not say which.
fn is_about_one(cause: &CertificateError) -> bool {
    matches!(
        cause,
        CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
            | CertificateError::InvalidPurpose
            | CertificateError::InvalidPurposeContext { .. }
    )
}

/// Whether time and purpose of the server's own certificate are right.
fn is_sound(end_entity: &CertificateDer<'_>, now: UnixTime) -> bool {
    X509Certificate::from_der(end_entity)
        .is_ok_and(|(_, certificate)| own_fault(&certificate, now).is_none())
}

/// Whether it may be about what an authority of the chain may not do.
fn is_about_authorities(error: &webpki::Error) -> bool {
    matches!(
        error,
        webpki::Error::CaUsedAsEndEntity
            | webpki::Error::EndEntityUsedAsCa
            | webpki::Error::PathLenConstraintViolated
    )
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

/// What to do about a certificate with a key or a signature that cannot be verified.
fn reissue() -> String {
    format!("have it reissued with {KEYS}, and signed with SHA-256 or better")
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
/// or by the key of its issuer. Nobody verifies the signature of an authority that is trusted, or
/// that has signed itself.
fn unsupported(
    end_entity: &[u8],
    issuers: &[&CertificateDer<'_>],
    trusted: &[CertificateDer<'_>],
) -> Option<String> {
    let (_, mut certificate) = X509Certificate::from_der(end_entity).ok()?;
    let mut whose = "the server's certificate".to_owned();
    let mut is_root = false;
    // A chain that leads in a circle ends, too.
    for _ in 0..8 {
        let algorithm = certificate.signature_algorithm.oid();
        if let Some(name) = broken_signature(algorithm).filter(|_| !is_root) {
            let fault = format!("{whose} is signed with {name}, which is not secure");
            return Some(format!("{fault}: {}", reissue()));
        }
        if let Some(key) = unsupported_key(&certificate) {
            return Some(format!("{whose} has {key}, which is not supported: {}", reissue()));
        }
        if is_root || has_signed_itself(&certificate) {
            return None;
        }
        let (der, issuer) = issuers.iter().find_map(|der| {
            let (_, issuer) = X509Certificate::from_der(der).ok()?;
            let is_it = issuer.subject().as_raw() == certificate.issuer().as_raw();
            is_it.then_some((*der, issuer))
        })?;
        whose = format!("the certificate of the authority \"{}\"", issuer.subject());
        is_root = trusted.contains(der) || has_signed_itself(&issuer);
        certificate = issuer;
    }
    None
}

fn has_signed_itself(certificate: &X509Certificate<'_>) -> bool {
    certificate.subject().as_raw() == certificate.issuer().as_raw()
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
            let supported = [OID_EC_P256, OID_NIST_EC_P384, OID_NIST_EC_P521].contains(&curve);
            let bits = point.key_size();
            (!supported).then(|| format!("an ECDSA key of {bits} bits on an unusual curve"))
        }
        PublicKey::DSA(_) => Some("a DSA key".to_owned()),
        _ => None,
    }
}
