//! What a server proves in the handshake, and what it may send in place of it.

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose};
use rustls::DigitallySignedStruct;
use rustls::client::danger::ServerCertVerifier;
use rustls::internal::msgs::codec::{Codec as _, Reader};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;

use super::tls::{Authority, UNVERIFIED, for_this_host, greeting, serve_as, version};
use super::*;
use crate::cluster::tls::{Material, Tls, Trust};
use crate::cluster::tls_words;

/// A verifier that takes this certificate in PEM: because it is trusted, or any is.
fn verifier(trusted: &str, insecure: bool) -> Arc<dyn ServerCertVerifier> {
    let ca = Some(Material::Inline(trusted.as_bytes().to_vec().into()));
    Tls::new().verifier(&Trust { ca, insecure, server_name: None }).unwrap()
}

#[test]
fn a_key_of_the_server_that_is_not_supported_is_named_whether_or_not_it_is_verified() {
    for (pem, key) in [
        (include_str!("keys/rsa1024-ca.crt"), "an RSA key of 1024 bits"),
        (include_str!("keys/secp256k1-ca.crt"), "an ECDSA key of 256 bits on an unusual curve"),
    ] {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        // The scheme, the length of the signature, and the signature. 1.2 and 1.3 sign with it.
        for scheme in [[4, 1], [8, 4], [4, 3]] {
            let signed = [&scheme[..], &[0, 2, 1, 2]].concat();
            let signed = DigitallySignedStruct::read(&mut Reader::init(&signed)).unwrap();
            for insecure in [false, true] {
                let verifier = verifier(pem, insecure);
                let old = verifier.verify_tls12_signature(b"hello", &certificate, &signed);
                let new = verifier.verify_tls13_signature(b"hello", &certificate, &signed);
                for found in [old, new] {
                    let why = tls_words::of(&found.unwrap_err());
                    let expected = format!("the server's certificate has {key}, which is not supp");
                    // 1.3 has no scheme with PKCS#1.
                    assert!(why.contains(&expected) || scheme == [4, 1], "{why}");
                    assert!(!why.contains("unknown authority"), "{why}");
                }
            }
        }
    }
    let key = KeyPair::generate().unwrap();
    let own = for_this_host(|_| {}).self_signed(&key).unwrap();
    let signed = DigitallySignedStruct::read(&mut Reader::init(&[4, 3, 0, 2, 1, 2])).unwrap();
    for insecure in [false, true] {
        let found = verifier(&own.pem(), insecure).verify_tls12_signature(b"x", own.der(), &signed);
        let why = tls_words::of(&found.unwrap_err());
        assert!(why.ends_with("does not prove that it has the key of its certificate"), "{why}");
    }
}

#[tokio::test]
async fn a_certificate_of_x509_version_1_is_taken_where_none_is_verified() {
    for (pem, key) in [
        (&include_bytes!("keys/rsa.crt")[..], &include_bytes!("keys/rsa.key")[..]),
        (include_bytes!("keys/secp384r1.crt"), include_bytes!("keys/secp384r1.key")),
    ] {
        let chain = vec![CertificateDer::from_pem_slice(pem).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key).unwrap();
        let address = serve_as(&Authority::new(), chain, key, &["h2"]).await;
        let mut cluster = json!({"server": format!("https://{address}")});
        cluster["insecure-skip-tls-verify"] = true.into();
        assert_eq!(version(&cluster, &json!({})).await.unwrap(), "HTTP/2.0 0");
    }
}

#[tokio::test]
async fn only_an_authority_may_sign_other_certificates() {
    let key = KeyPair::generate().unwrap();
    let usages = |usages: &[KeyUsagePurpose]| {
        let usages = usages.to_vec();
        move |p: &mut CertificateParams| {
            p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            p.key_usages = usages;
        }
    };
    let signing = KeyUsagePurpose::KeyCertSign;
    for (kind, issuer, may) in [
        ("no authority", for_this_host(|_| {}), false),
        ("explicitly none", for_this_host(|p| p.is_ca = IsCa::ExplicitNoCa), false),
        ("an authority", for_this_host(usages(&[])), true),
        ("for certificates", for_this_host(usages(&[signing])), true),
        ("for lists", for_this_host(usages(&[KeyUsagePurpose::CrlSign])), false),
    ] {
        let own = KeyPair::generate().unwrap();
        let trusted = issuer.self_signed(&own).unwrap();
        let leaf =
            for_this_host(|_| {}).signed_by(&key, &rcgen::Issuer::new(issuer, &own)).unwrap();
        let another = Authority::new().0.pem();
        for pem in [trusted.pem(), trusted.pem() + &another] {
            let found = greeting(&leaf, &key, &pem).await;
            let fault = format!("{UNVERIFIED}the certificate of the authority \"CN=rcgen self");
            assert!(found.starts_with(if may { "HTTP/2.0 0" } else { &fault }), "{kind}: {found}");
            // As its own, a server may show it.
            assert_eq!(greeting(&trusted, &own, &pem).await, "HTTP/2.0 0", "{kind}");
        }
    }
}

/// What is said of a server that answers the first bytes with these.
async fn said_of(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let _ = tokio::io::AsyncReadExt::read(&mut tcp, &mut [0; 4096]).await;
            let _ = tokio::io::AsyncWriteExt::write_all(&mut tcp, answer).await;
        }
    });
    let cluster = json!({"server": format!("https://{address}"), "insecure-skip-tls-verify": true});
    version(&cluster, &json!({})).await.unwrap_err().report()
}

#[tokio::test]
async fn what_a_server_sends_that_breaks_a_handshake_is_said_in_a_sentence() {
    // A ServerHello of TLS 1.0 without extensions, in a record of its own.
    const OLD: &[u8] = &[
        22, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
        7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 0, 47, 0,
    ];
    for (answer, words) in [
        (&[21, 3, 3, 0, 2, 2, 48][..], "remote error: tls: unknown certificate authority"),
        (&[21, 3, 3, 0, 2, 2, 70], "remote error: tls: protocol version not supported"),
        (&[21, 3, 3, 0, 2, 2, 200], "remote error: tls: alert(200)"),
        (&[23, 3, 3, 0, 1, 0], "tls: the server sent an unexpected message"),
        (&[22, 3, 3, 0, 4, 14, 0, 0, 0], "tls: the server sent an unexpected message"),
        (OLD, "tls: server selected unsupported protocol version: TLS 1.2 or 1.3 is needed"),
        (b"SSH-2.0-x\r\n", "the server does not speak TLS, or not on this port"),
    ] {
        let found = said_of(answer).await;
        assert_eq!(found, format!("Unable to connect to the server: {words}"), "{answer:?}");
    }
}
