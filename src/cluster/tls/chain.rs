//! The authorities between a server's certificate and a trusted one, by the rules of Go.
//!
//! webpki 0.103 asks less of them than Go (`crypto/x509/verify.go`): of a trusted certificate it
//! takes only the name, the key and the constraints on names, and of no authority it looks at what
//! its key is for. It also never lets a certificate that is marked as an authority end a chain,
//! such as `openssl req -x509 -CA` makes. The chain of such a one is found here.

use rustls::CertificateError;
use rustls::pki_types::{
    CertificateDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, UnixTime,
};
use webpki::{RawPublicKeyEntity, anchor_from_trusted_cert};
use x509_parser::prelude::{BasicExtension, FromDer as _, KeyUsage, X509Certificate, X509Version};

/// How many signatures are verified for one chain, as in Go.
const MAX_SIGNATURES: usize = 100;

/// Why an authority may not sign what it signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Malformed,
    NoAuthority,
    NotForCertificates,
    NotForServers,
    Expired,
    NotValidYet,
    /// It permits so many authorities below it, and there are so many.
    TooLong(u32, usize),
}

/// What is wrong with an authority, `below` of which there are other authorities; none if it may
/// sign now. The rules and their order are those of `CheckSignatureFrom` and `isValid` in Go.
pub(super) fn fault(
    authority: &X509Certificate<'_>,
    is_trusted: bool,
    below: usize,
    now: UnixTime,
) -> Option<Fault> {
    let (Ok(basic), Ok(usage), Ok(purposes)) =
        (authority.basic_constraints(), authority.key_usage(), authority.extended_key_usage())
    else {
        return Some(Fault::Malformed);
    };
    // A certificate of X.509 version 1 cannot say that it is an authority.
    let is_old = is_trusted && authority.version() != X509Version::V3;
    if !basic.as_ref().map_or(is_old, |basic| basic.value.ca) {
        return Some(Fault::NoAuthority);
    }
    if usage.is_some_and(|usage| !signs(usage)) {
        return Some(Fault::NotForCertificates);
    }
    if let Some(fault) = untimely(authority, now) {
        return Some(fault);
    }
    let permitted = basic.and_then(|basic| basic.value.path_len_constraint);
    if let Some(permitted) = permitted.filter(|permitted| below > *permitted as usize) {
        return Some(Fault::TooLong(permitted, below));
    }
    let is_for_others = purposes.is_some_and(|usage| !usage.value.server_auth && !usage.value.any);
    is_for_others.then_some(Fault::NotForServers)
}

/// Whether a certificate has expired or is not valid yet.
fn untimely(certificate: &X509Certificate<'_>, now: UnixTime) -> Option<Fault> {
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = certificate.validity();
    if seconds > validity.not_after.timestamp() {
        Some(Fault::Expired)
    } else if seconds < validity.not_before.timestamp() {
        Some(Fault::NotValidYet)
    } else {
        None
    }
}

/// What is wrong with the time or the purpose of a server's own certificate.
pub(super) fn own_fault(
    certificate: &X509Certificate<'_>,
    now: UnixTime,
) -> Option<CertificateError> {
    match untimely(certificate, now) {
        Some(Fault::Expired) => return Some(CertificateError::Expired),
        Some(_) => return Some(CertificateError::NotValidYet),
        None => {}
    }
    match certificate.extended_key_usage() {
        Ok(Some(usage)) if !usage.value.server_auth && !usage.value.any => {
            Some(CertificateError::InvalidPurpose)
        }
        Ok(_) => None,
        Err(_) => Some(CertificateError::BadEncoding),
    }
}

impl Fault {
    /// A sentence that says whose certificate it is and what to do about it.
    fn sentence(self, authority: &X509Certificate<'_>, is_trusted: bool) -> String {
        let anew = if is_trusted {
            "have it reissued, and put the new one into the cluster's certificate-authority"
        } else {
            "have it reissued, and let the server send the new one"
        };
        let what = match self {
            Self::Malformed => format!("cannot be decoded: {anew}"),
            Self::NoAuthority => {
                "is not marked as an authority: have it reissued with `CA:TRUE`, or put the \
                 server's own certificate into the cluster's certificate-authority"
                    .to_owned()
            }
            Self::NotForCertificates => {
                "is not for signing certificates: have it reissued with the key usage `keyCertSign`"
                    .to_owned()
            }
            Self::NotForServers => {
                "is for other certificates than those of servers: have it reissued with the \
                 extended key usage `serverAuth`, or without any"
                    .to_owned()
            }
            Self::Expired => format!("has expired: {anew}"),
            Self::NotValidYet => {
                format!("is not valid yet: set the clock of this machine right, or {anew}")
            }
            Self::TooLong(permitted, below) => format!(
                "permits {permitted} authorities below it, and there are {below}: have the \
                 server's certificate issued by another authority"
            ),
        };
        format!("the certificate of the authority \"{}\" {what}", authority.subject())
    }
}

/// Whether the key of a certificate may sign others, if it says what it is for.
pub(super) fn is_for_certificates(der: &CertificateDer<'_>) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return false };
    certificate.key_usage().is_ok_and(|usage| usage.is_none_or(signs))
}

fn signs(usage: BasicExtension<&KeyUsage>) -> bool {
    usage.value.flags == 0 || usage.value.key_cert_sign()
}

/// The certificates of which a chain can be made.
pub(super) struct Chains<'a> {
    pub trusted: &'a [CertificateDer<'a>],
    pub intermediates: &'a [CertificateDer<'a>],
    pub algorithms: &'a [&'a dyn SignatureVerificationAlgorithm],
    pub now: UnixTime,
}

/// What was found in search of a chain.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Whether there is one.
    pub is_found: bool,
    /// What is wrong with the first authority that signed, and may not: a sentence.
    pub fault: Option<String>,
    signatures: usize,
}

impl<'a> Chains<'a> {
    /// Looks for a chain from a certificate to a trusted one. Whether the certificate is marked as
    /// an authority does not matter, and what it says itself is not looked at.
    ///
    /// An authority that constrains names is in no chain: they would have to be compared.
    pub fn search(&self, certificate: &CertificateDer<'_>) -> Search {
        let mut search = Search::default();
        if let Ok((_, certificate)) = X509Certificate::from_der(certificate) {
            search.is_found = self.go_on(&certificate, &mut Vec::new(), &mut search);
        }
        search
    }

    fn go_on(
        &self,
        certificate: &X509Certificate<'_>,
        chain: &mut Vec<&'a CertificateDer<'a>>,
        search: &mut Search,
    ) -> bool {
        let candidates = self.trusted.iter().map(|der| (der, true));
        for (der, is_trusted) in candidates.chain(self.intermediates.iter().map(|der| (der, false)))
        {
            let Ok((_, issuer)) = X509Certificate::from_der(der) else { continue };
            let is_named = issuer.subject().as_raw() == certificate.issuer().as_raw();
            if !is_named || chain.contains(&der) || search.signatures == MAX_SIGNATURES {
                continue;
            }
            search.signatures += 1;
            if !has_signed(der, &issuer, certificate, self.algorithms) {
                continue;
            }
            if let Some(fault) = fault(&issuer, is_trusted, chain.len(), self.now) {
                search.fault.get_or_insert_with(|| fault.sentence(&issuer, is_trusted));
                continue;
            }
            if !matches!(issuer.name_constraints(), Ok(None)) {
                continue;
            }
            chain.push(der);
            if is_trusted || self.go_on(&issuer, chain, search) {
                return true;
            }
            chain.pop();
        }
        false
    }
}

/// Whether the issuer's key made the signature, by the algorithm that the certificate names.
fn has_signed(
    der: &CertificateDer<'_>,
    issuer: &X509Certificate<'_>,
    certificate: &X509Certificate<'_>,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
) -> bool {
    // webpki refuses critical extensions that nobody here understands.
    let is_understood = anchor_from_trusted_cert(der).is_ok();
    let key = SubjectPublicKeyInfoDer::from(issuer.public_key().raw);
    let Ok(key) = RawPublicKeyEntity::try_from(&key) else { return false };
    let signed = certificate.tbs_certificate.as_ref();
    let signature = certificate.signature_value.as_ref();
    let mut named = algorithms.iter().filter(|algorithm| is_named(certificate, **algorithm));
    is_understood
        && named.any(|algorithm| key.verify_signature(*algorithm, signed, signature).is_ok())
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
