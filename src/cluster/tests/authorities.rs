//! Which authorities may sign a server's certificate: those that Go takes, and no others.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::tls::{UNVERIFIED, for_this_host, greeting_of};

type Change = fn(&mut CertificateParams);

/// An authority of this name, with changed parameters.
fn authority(name: &str, change: Change) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    change(&mut params);
    params
}

const PLAIN: Change = |_| {};
const NO_AUTHORITY: Change = |p| p.is_ca = IsCa::NoCa;
const FOR_LISTS: Change = |p| p.key_usages = vec![KeyUsagePurpose::CrlSign];
const FOR_CERTIFICATES: Change = |p| p.key_usages = vec![KeyUsagePurpose::KeyCertSign];
const EXPIRED: Change = |p| p.not_after = rcgen::date_time_ymd(2000, 1, 1);
const EARLY: Change = |p| p.not_before = rcgen::date_time_ymd(2990, 1, 1);
const FOR_CLIENTS: Change = |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
const FOR_SERVERS: Change = |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
const FOR_ANY: Change = |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any];
const PATH_OF_0: Change = |p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
const PATH_OF_1: Change = |p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));

/// What a client gets from a server whose certificate was signed by the last of these authorities,
/// each of which signed the next. The first is trusted, and called 0.
async fn signed_by(authorities: &[Change], leaf: Change) -> String {
    let mut chain = Vec::new();
    let mut trusted = String::new();
    let mut issuer: Option<Issuer<'_, KeyPair>> = None;
    for (place, change) in authorities.iter().enumerate() {
        let (params, key) = (authority(&place.to_string(), *change), KeyPair::generate().unwrap());
        match &issuer {
            None => trusted = params.self_signed(&key).unwrap().pem(),
            Some(issuer) => {
                let signed = params.signed_by(&key, issuer).unwrap();
                chain.insert(0, CertificateDer::from(signed));
            }
        }
        issuer = Some(Issuer::new(params, key));
    }
    let key = KeyPair::generate().unwrap();
    let own = for_this_host(leaf).signed_by(&key, &issuer.expect("an authority")).unwrap();
    chain.insert(0, own.into());
    greeting_of(chain, PrivateKeyDer::try_from(key.serialize_der()).unwrap(), &trusted).await
}

#[tokio::test]
async fn authorities_may_sign_where_they_may_in_go() {
    let said = |place: usize, what: &str| Some(format!("\"CN={place}\" {what}"));
    let anew = "have it reissued, and put the new one into the cluster's certificate-authority";
    let send = "have it reissued, and let the server send the new one";
    let no_authority = "is not marked as an authority: have it reissued with `CA:TRUE`, or put ";
    let for_lists = "is not for signing certificates: have it reissued with the key usage `key";
    let for_others = "is for other certificates than those of servers: have it reissued with ";
    let long = |permitted: u32, below: usize| {
        format!("permits {permitted} authorities below it, and there are {below}: have the ")
    };
    let early =
        |what: &str| format!("is not valid yet: set the clock of this machine right, or {what}");
    let cases: [(&[Change], Option<String>); 27] = [
        (&[PLAIN], None),
        (&[NO_AUTHORITY], said(0, no_authority)),
        (&[FOR_LISTS], said(0, for_lists)),
        (&[FOR_CERTIFICATES], None),
        (&[EXPIRED], said(0, &format!("has expired: {anew}"))),
        (&[EARLY], said(0, &early(anew))),
        (&[FOR_CLIENTS], said(0, for_others)),
        (&[FOR_SERVERS], None),
        (&[FOR_ANY], None),
        (&[PATH_OF_0], None),
        (&[PLAIN, PLAIN], None),
        (&[PLAIN, PLAIN, PLAIN], None),
        (&[PLAIN, NO_AUTHORITY], said(1, no_authority)),
        (&[PLAIN, FOR_LISTS], said(1, for_lists)),
        (&[PLAIN, FOR_CERTIFICATES], None),
        (&[PLAIN, EXPIRED], said(1, &format!("has expired: {send}"))),
        (&[PLAIN, EARLY], said(1, &early(send))),
        (&[PLAIN, FOR_CLIENTS], said(1, for_others)),
        (&[FOR_CLIENTS, FOR_SERVERS], said(0, for_others)),
        (&[FOR_SERVERS, FOR_ANY], None),
        (&[PATH_OF_0, PLAIN], said(0, &long(0, 1))),
        (&[PATH_OF_1, PLAIN], None),
        (&[PATH_OF_1, PLAIN, PLAIN], said(0, &long(1, 2))),
        (&[PLAIN, PATH_OF_0, PLAIN], said(1, &long(0, 1))),
        (&[PATH_OF_1, PATH_OF_0], None),
        (&[EXPIRED, PLAIN], said(0, &format!("has expired: {anew}"))),
        (&[PLAIN, FOR_LISTS, PLAIN], said(1, for_lists)),
    ];
    let marked: Change = |p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    for (place, (authorities, fault)) in cases.iter().enumerate() {
        for leaf in [PLAIN, marked] {
            let found = signed_by(authorities, leaf).await;
            match fault {
                None => assert_eq!(found, "HTTP/2.0 0", "case {place}"),
                Some(fault) => {
                    let sentence = format!("{UNVERIFIED}the certificate of the authority {fault}");
                    assert!(found.starts_with(&sentence), "case {place}: {found}");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_authority_that_was_made_anew_with_its_key_may_sign() {
    let (root, between, key) =
        (KeyPair::generate().unwrap(), KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let issuer = Issuer::new(authority("0", PLAIN), &root);
    let signed = |change| authority("1", change).signed_by(&between, &issuer).unwrap();
    let leaf = for_this_host(PLAIN)
        .signed_by(&key, &Issuer::new(authority("1", PLAIN), &between))
        .unwrap();
    for (old, new) in [(EXPIRED, PLAIN), (PLAIN, FOR_LISTS), (FOR_CLIENTS, FOR_SERVERS)] {
        let roots = [old, new].map(|change| authority("0", change).self_signed(&root).unwrap());
        let chain = vec![leaf.der().clone(), signed(old).into(), signed(new).into()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let found = greeting_of(chain, key, &(roots[0].pem() + &roots[1].pem())).await;
        assert_eq!(found, "HTTP/2.0 0");
    }
}
