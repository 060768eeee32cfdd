//! A server's certificate that is marked as an authority and signed by another one.
//!
//! `openssl req -x509 -CA` makes such certificates, and Go takes them. webpki 0.103 never lets an
//! authority end a chain, so that the one step from the trusted certificate is verified here, by
//! the rules of RFC 5280, section 6.1. A longer chain is refused: its certificates may limit one
//! another.

use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::EndEntityCert;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Whether a trusted certificate that may sign others now has signed this one.
pub(super) fn is_signed_by_trusted(
    certificate: &CertificateDer<'_>,
    trusted: &[CertificateDer<'_>],
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    now: UnixTime,
) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, certificate)| {
        trusted.iter().any(|issuer| {
            may_sign(issuer, &certificate, now) && has_signed(issuer, &certificate, algorithms)
        })
    })
}

/// Whether the certificate names this issuer, and the issuer may sign certificates of servers now.
/// An issuer that constrains names may not: they would have to be compared.
fn may_sign(issuer: &CertificateDer<'_>, certificate: &X509Certificate<'_>, now: UnixTime) -> bool {
    let Ok((_, issuer)) = X509Certificate::from_der(issuer) else { return false };
    let is_authority = matches!(issuer.basic_constraints(), Ok(Some(basic)) if basic.value.ca);
    let signs = matches!(issuer.key_usage(), Ok(usage) if usage.as_ref()
        .is_none_or(|usage| usage.value.key_cert_sign()));
    let for_servers = matches!(issuer.extended_key_usage(), Ok(usage) if usage.as_ref()
        .is_none_or(|usage| usage.value.server_auth || usage.value.any));
    certificate.issuer().as_raw() == issuer.subject().as_raw()
        && is_current(&issuer, now)
        && is_authority
        && signs
        && for_servers
        && matches!(issuer.name_constraints(), Ok(None))
}

fn is_current(certificate: &X509Certificate<'_>, now: UnixTime) -> bool {
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = certificate.validity();
    (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&seconds)
}

/// Whether the issuer's key made the signature, by the algorithm that the certificate names.
fn has_signed(
    issuer: &CertificateDer<'_>,
    certificate: &X509Certificate<'_>,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
) -> bool {
    // webpki refuses other versions than 3 and critical extensions that nobody here understands.
    let Ok(issuer) = EndEntityCert::try_from(issuer) else { return false };
    let signed = certificate.tbs_certificate.as_ref();
    let signature = certificate.signature_value.as_ref();
    algorithms
        .iter()
        .filter(|algorithm| is_named(certificate, **algorithm))
        .any(|algorithm| issuer.verify_signature(*algorithm, signed, signature).is_ok())
}

/// Whether the certificate names this algorithm: its object identifier in DER, and for RSA the
/// parameter NULL. RSASSA-PSS has other parameters and is not taken.
fn is_named(
    certificate: &X509Certificate<'_>,
    algorithm: &dyn SignatureVerificationAlgorithm,
) -> bool {
    let identifier = algorithm.signature_alg_id();
    let oid = certificate.signature_algorithm.oid().as_bytes();
    match identifier.as_ref() {
        [6, length, rest @ ..] => {
            usize::from(*length) == oid.len()
                && rest.strip_prefix(oid).is_some_and(|rest| matches!(rest, [] | [5, 0]))
        }
        _ => false,
    }
}
