//! Servers' certificates that are marked as authorities and signed by another one.

use super::tls::{Authority, UNVERIFIED, for_this_host, greeting};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};

/// A certificate for this host that is marked as an authority, with changed parameters.
fn marked(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    for_this_host(|params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        change(params);
    })
}

const UNSIGNED: &str = "the server's certificate is marked as an authority, and no trusted \
                        certificate has signed it that may do so now: ";

#[tokio::test]
async fn a_certificate_marked_as_an_authority_must_be_signed_by_one_that_may() {
    let names = |names: &str| rcgen::NameConstraints {
        permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName(names.to_owned())],
        excluded_subtrees: vec![],
    };
    let issuers: [(&str, Authority, bool); 9] = [
        ("plain", Authority::with(|_| {}), true),
        (
            "of no path",
            Authority::with(|p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))),
            true,
        ),
        (
            "for certificates",
            Authority::with(|p| p.key_usages = vec![KeyUsagePurpose::KeyCertSign]),
            true,
        ),
        (
            "for servers",
            Authority::with(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
            true,
        ),
        ("expired", Authority::with(|p| p.not_after = rcgen::date_time_ymd(2000, 1, 1)), false),
        ("early", Authority::with(|p| p.not_before = rcgen::date_time_ymd(2990, 1, 1)), false),
        ("for lists", Authority::with(|p| p.key_usages = vec![KeyUsagePurpose::CrlSign]), false),
        (
            "for clients",
            Authority::with(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
            false,
        ),
        ("of other names", Authority::with(|p| p.name_constraints = Some(names("example"))), false),
    ];
    let key = KeyPair::generate().unwrap();
    let unsigned = format!("{UNVERIFIED}{UNSIGNED}");
    let fault = format!("{UNVERIFIED}the certificate of the authority \"CN=rcgen self signed cert");
    for (kind, issuer, may) in &issuers {
        let leaf = marked(|_| {}).signed_by(&key, &issuer.0).unwrap();
        let found = greeting(&leaf, &key, &issuer.0.pem()).await;
        let said = match *kind {
            _ if *may => "HTTP/2.0 0",
            "of other names" => &unsigned,
            _ => &fault,
        };
        assert!(found.starts_with(said), "{kind}: {found}");
        // Another authority of the same name.
        let found = greeting(&leaf, &key, &Authority::with(|_| {}).0.pem()).await;
        assert!(found.starts_with(&unsigned), "{kind}: {found}");
    }
    let no_authority = for_this_host(|_| {});
    let own = KeyPair::generate().unwrap();
    let trusted = no_authority.self_signed(&own).unwrap().pem();
    let leaf = marked(|_| {}).signed_by(&key, &rcgen::Issuer::new(no_authority, own)).unwrap();
    assert!(greeting(&leaf, &key, &trusted).await.starts_with(&fault));
}

#[tokio::test]
async fn a_certificate_marked_as_an_authority_is_for_the_name_the_purpose_and_the_time() {
    let authority = Authority::new();
    let key = KeyPair::generate().unwrap();
    for (params, expected) in [
        (
            marked(|p| p.not_after = rcgen::date_time_ymd(2000, 1, 1)),
            "x509: certificate has expired",
        ),
        (
            marked(|p| p.not_before = rcgen::date_time_ymd(2990, 1, 1)),
            "x509: certificate is not valid yet",
        ),
        (
            marked(|p| p.subject_alt_names = vec![]),
            "x509: cannot validate certificate for 127.0.0.1 ",
        ),
        (
            marked(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
            "the server's certificate is not for servers: ",
        ),
    ] {
        let leaf = params.signed_by(&key, &authority.0).unwrap();
        let found = greeting(&leaf, &key, &authority.0.pem()).await;
        assert!(found.starts_with(&format!("{UNVERIFIED}{expected}")), "{found}");
    }
}
