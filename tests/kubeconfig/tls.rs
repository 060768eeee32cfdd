//! Whether it is the right server: authorities, names, dates.

use libtest_mimic::Trial;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};
use serde_json::json;

use super::front::{AUTHORITY, Authority, Manner};
use super::scene::Scene;

pub fn trials() -> Vec<Trial> {
    super::trials(&[
        ("tls: the name that is asked for and compared", names),
        ("tls: a certificate for other names", other_names),
        ("tls: an authority that did not sign", other_authority),
        ("tls: an authority that is none", no_authority),
        ("tls: an authority that may not sign", may_not_sign),
        ("tls: a certificate that has expired", expired),
        ("tls: a certificate that is trusted itself, and purposes", trusted_itself),
        ("tls: servers with a key on P-521, and with an RSA key of 8192 bits", large_keys),
        ("tls: nothing is verified where that was said", insecure),
        ("tls: a server that speaks no TLS", no_tls),
    ])
}

fn names() {
    let scene =
        Scene::in_manner(&Manner { names: &["inner.example", "localhost"], ..Manner::default() });
    let mut cluster = scene.cluster("east");
    cluster["tls-server-name"] = "inner.example".into();
    let user = json!({"token": "t"});
    scene.entries(&cluster, &user);
    assert_eq!(scene.both(&[]).agree_on_one().sni.as_deref(), Some("inner.example"));
    cluster["server"] = format!("https://localhost:{}", scene.east.address.port()).into();
    cluster["tls-server-name"] = "".into();
    scene.entries(&cluster, &user);
    assert_eq!(scene.both(&[]).agree_on_one().sni.as_deref(), Some("localhost"));
    assert_eq!(
        scene.both(&["--tls-server-name=inner.example"]).agree_on_one().sni.as_deref(),
        Some("inner.example")
    );
    // --server makes what the file says about the name void.
    cluster["tls-server-name"] = "wrong.example".into();
    scene.entries(&cluster, &user);
    let server = format!("--server=https://localhost:{}", scene.east.address.port());
    assert_eq!(scene.both(&[&server]).agree_on_one().sni.as_deref(), Some("localhost"));
    // An address is no name to ask for.
    let scene = Scene::new();
    scene.config(&scene.plain());
    assert_eq!(scene.both(&[]).agree_on_one().sni, None);
    scene.both(&["--tls-server-name=un known"]).fail("", "");
}

fn other_names() {
    let scene = Scene::in_manner(&Manner { names: &["inner.example"], ..Manner::default() });
    scene.config(&scene.plain());
    scene.both(&["--tls-server-name=other.example"]).fail_alike(
        "tls: failed to verify certificate: x509: certificate is valid for inner.example, not other.example",
    );
    scene.both(&[]).fail_alike(
        "tls: failed to verify certificate: x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs",
    );
}

fn other_authority() {
    let other = Authority::new("somebody else");
    let alike = Authority::new("kubeconfig tests");
    let scene = Scene::new();
    let unknown =
        "tls: failed to verify certificate: x509: certificate signed by unknown authority";
    for authority in [&other, &alike] {
        let mut cluster = scene.cluster("east");
        cluster["certificate-authority-data"] = authority.data().into();
        scene.entries(&cluster, &json!({"token": "t"}));
        scene.both(&[]).fail(unknown, unknown);
        // The right one from the command line, also beside inline data.
        let ca = scene.file("ca.pem", AUTHORITY.pem());
        scene.both(&[&format!("--certificate-authority={ca}")]).agree();
    }
    // Several in one file.
    let bundle = scene.file("bundle.pem", other.pem() + &AUTHORITY.pem());
    scene.entries(
        &json!({"server": scene.east.url(), "certificate-authority": bundle}),
        &json!({"token": "t"}),
    );
    scene.both(&[]).agree();
    // Those of the system do not know it.
    scene.entries(&json!({"server": scene.east.url()}), &json!({"token": "t"}));
    scene.both(&[]).fail(unknown, "x509:");
}

fn no_authority() {
    let scene = Scene::new();
    let server = scene.east.url();
    let user = json!({"token": "t"});
    scene.entries(&json!({"server": server, "certificate-authority": "/no/ca.pem"}), &user);
    scene.both(&[]).fail(
        "unable to read certificate-authority /no/ca.pem for east due to open /no/ca.pem: no such file or directory",
        "unable to read certificate-authority /no/ca.pem: no such file or directory",
    );
    let mut twice = scene.cluster("east");
    twice["certificate-authority"] = scene.file("ca.pem", AUTHORITY.pem()).into();
    scene.entries(&twice, &user);
    scene.both(&[]).fail_alike(
        "certificate-authority-data and certificate-authority are both specified for east.",
    );
    let text = scene.file("text", "nonsense");
    scene.entries(&json!({"server": server, "certificate-authority": text}), &user);
    scene.both(&[]).fail("unable to load root certificates", "unable to load root certificates");
    scene.entries(&json!({"server": server, "certificate-authority-data": "%%"}), &user);
    scene.both(&[]).fail(
        "illegal base64 data",
        "certificate-authority-data of cluster \"east\" is not base64",
    );
}

fn may_not_sign() {
    type Change = fn(&mut CertificateParams);
    let untimely = "certificate has expired or is not yet valid";
    let cases: [(Change, &str, &str); 4] = [
        (|p| p.not_after = rcgen::date_time_ymd(2001, 1, 1), untimely, "has expired: "),
        (|p| p.not_before = rcgen::date_time_ymd(2990, 1, 1), untimely, "is not valid yet: "),
        (
            |p| p.key_usages = vec![KeyUsagePurpose::CrlSign],
            "certificate signed by unknown authority",
            "is not for signing certificates: ",
        ),
        (
            |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
            "certificate specifies an incompatible key usage",
            "is for other certificates than those of servers: ",
        ),
    ];
    for (change, kubectl, ours) in cases {
        let authority = Authority::with("strict", change);
        let scene = Scene::in_manner(&Manner { authority: &authority, ..Manner::default() });
        let mut cluster = scene.cluster("east");
        cluster["certificate-authority-data"] = authority.data().into();
        scene.entries(&cluster, &json!({"token": "t"}));
        let ours = format!("the certificate of the authority \"CN=strict\" {ours}");
        scene.both(&[]).fail(kubectl, &ours);
    }
    for change in [
        (|p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))) as Change,
        |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any],
        |p| p.key_usages = Vec::new(),
    ] {
        let authority = Authority::with("strict", change);
        let scene = Scene::in_manner(&Manner { authority: &authority, ..Manner::default() });
        let mut cluster = scene.cluster("east");
        cluster["certificate-authority-data"] = authority.data().into();
        scene.entries(&cluster, &json!({"token": "t"}));
        scene.both(&[]).agree();
    }
}

fn expired() {
    let scene = Scene::in_manner(&Manner { end: 2001, ..Manner::default() });
    scene.config(&scene.plain());
    let words = "tls: failed to verify certificate: x509: certificate has expired";
    scene.both(&[]).fail(words, words);
}

fn trusted_itself() {
    let authority = |p: &mut CertificateParams| {
        p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    };
    let purpose = |purpose| move |p: &mut CertificateParams| p.extended_key_usages = vec![purpose];
    let plain = |_: &mut CertificateParams| {};
    for (own, trusts_itself) in [
        (AUTHORITY.certify(true, authority), true),
        (AUTHORITY.certify(true, plain), true),
        (AUTHORITY.certify(false, plain), true),
        (AUTHORITY.certify(false, purpose(ExtendedKeyUsagePurpose::Any)), true),
        (AUTHORITY.certify(false, purpose(ExtendedKeyUsagePurpose::Any)), false),
        (AUTHORITY.certify(false, authority), false),
    ] {
        let scene = Scene::in_manner(&Manner { own: Some(&own), ..Manner::default() });
        let mut cluster = scene.cluster("east");
        if trusts_itself {
            cluster["certificate-authority-data"] = super::front::base64(&own.0.pem()).into();
        }
        scene.entries(&cluster, &json!({"token": "t"}));
        scene.both(&[]).agree();
    }
    let own = AUTHORITY.certify(false, purpose(ExtendedKeyUsagePurpose::ClientAuth));
    let scene = Scene::in_manner(&Manner { own: Some(&own), ..Manner::default() });
    scene.config(&scene.plain());
    scene.both(&[]).fail(
        "certificate specifies an incompatible key usage",
        "tls: failed to verify certificate: the server's certificate is not for servers",
    );
}

fn large_keys() {
    for key in [super::front::p521, super::front::rsa8192] {
        for self_signed in [true, false] {
            let own = AUTHORITY.certify_for(self_signed, |_| {}, key());
            let scene = Scene::in_manner(&Manner { own: Some(&own), ..Manner::default() });
            let mut cluster = scene.cluster("east");
            if self_signed {
                cluster["certificate-authority-data"] = super::front::base64(&own.0.pem()).into();
            }
            scene.entries(&cluster, &json!({"token": "t"}));
            scene.both(&[]).agree();
        }
    }
}

fn insecure() {
    let other = Authority::new("somebody else");
    let scene = Scene::in_manner(&Manner {
        authority: &other,
        names: &["x"],
        end: 2001,
        ..Manner::default()
    });
    let jane = AUTHORITY.user("jane");
    let user = json!({
        "token": "t", "client-certificate-data": super::front::base64(&jane.certificate),
        "client-key-data": super::front::base64(&jane.key),
    });
    scene.entries(&json!({"server": scene.east.url(), "insecure-skip-tls-verify": true}), &user);
    let caller = scene.both(&[]).agree_on_one();
    assert_eq!(
        (caller.authorization.as_deref(), caller.certificate.as_deref()),
        (Some("Bearer t"), Some("jane"))
    );
    // The flag makes the file's authority void, the file itself may not have both.
    scene.entries(&scene.cluster("east"), &user);
    scene.both(&["--insecure-skip-tls-verify"]).agree();
    scene.both(&["--insecure-skip-tls-verify=true"]).agree();
    scene.both(&["--insecure-skip-tls-verify=false"]).fail("x509:", "x509:");
    let mut cluster = scene.cluster("east");
    cluster["insecure-skip-tls-verify"] = true.into();
    scene.entries(&cluster, &user);
    scene
        .both(&[])
        .fail_alike("specifying a root certificates file with the insecure flag is not allowed");
    let ca = scene.file("ca.pem", other.pem());
    scene
        .both(&["--insecure-skip-tls-verify", &format!("--certificate-authority={ca}")])
        .fail_alike("specifying a root certificates file with the insecure flag is not allowed");
}

fn no_tls() {
    let scene = Scene::new();
    let plain = super::front::listen(async |mut tcp| {
        use tokio::io::AsyncWriteExt as _;
        let _ = tcp.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    });
    let mut cluster = scene.cluster("east");
    cluster["server"] = format!("https://{plain}").into();
    scene.entries(&cluster, &json!({"token": "t"}));
    scene.both(&[]).fail(
        "http: server gave HTTP response to HTTPS client",
        "the server does not speak TLS, or not on this port",
    );
}
