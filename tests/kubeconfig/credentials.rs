//! As whom the servers see us: certificates, tokens, passwords, impersonation.

use libtest_mimic::Trial;
use serde_json::json;

use super::front::{AUTHORITY, Authority, Manner, base64};
use super::scene::Scene;

pub fn trials() -> Vec<Trial> {
    super::trials(&[
        ("credentials: client certificates, in files and inline", certificates),
        ("credentials: client keys on P-521, and RSA keys of 8192 bits", large_keys),
        ("credentials: client certificates that cannot be used", bad_certificates),
        ("credentials: tokens, and token files that are renewed", tokens),
        ("credentials: a name and a password", passwords),
        ("credentials: precedence among all methods", precedence),
        ("credentials: a refused credential", refused),
        ("credentials: impersonation, of the flags and of the file", impersonation),
        ("credentials: an auth-provider is refused with what to do", auth_provider),
    ])
}

fn certificates() {
    let scene = Scene::new();
    let (jane, john) = (AUTHORITY.user("jane"), AUTHORITY.user("john"));
    let certificate = scene.file("jane.pem", &jane.certificate);
    let key = scene.file("jane-key.pem", &jane.key);
    let inline = json!({
        "client-certificate-data": base64(&john.certificate), "client-key-data": base64(&john.key),
    });
    scene.user(&json!({"client-certificate": certificate, "client-key": key}));
    assert_eq!(scene.both(&[]).agree_on_one().certificate.as_deref(), Some("jane"));
    scene.user(&inline);
    assert_eq!(scene.both(&[]).agree_on_one().certificate.as_deref(), Some("john"));
    let flags = [&format!("--client-certificate={certificate}"), &format!("--client-key={key}")];
    assert_eq!(
        scene.both(&flags.map(String::as_str)).agree_on_one().certificate.as_deref(),
        Some("jane")
    );
    // A token goes along with a certificate.
    let mut all = inline.clone();
    all["token"] = "t".into();
    scene.user(&all);
    let caller = scene.both(&[]).agree_on_one();
    assert_eq!(
        (caller.certificate.as_deref(), caller.authorization.as_deref()),
        (Some("john"), Some("Bearer t"))
    );
    // The flags make what is inline void; the file itself may not have both.
    let caller = scene.both(&flags.map(String::as_str)).agree_on_one();
    assert_eq!(caller.certificate.as_deref(), Some("jane"));
    all["client-certificate"] = certificate.into();
    scene.user(&all);
    scene.both(&[]).fail_alike("client-cert-data and client-cert are both specified for east.");
    all["client-certificate"] = "".into();
    all["client-key"] = key.into();
    scene.user(&all);
    scene.both(&[]).fail_alike("client-key-data and client-key are both specified for east;");
}

fn large_keys() {
    let scene = Scene::new();
    for (name, key) in [("p521", super::front::p521()), ("rsa8192", super::front::rsa8192())] {
        let user = AUTHORITY.user_with(name, key);
        scene.user(&json!({
            "client-certificate-data": base64(&user.certificate),
            "client-key-data": base64(&user.key),
        }));
        assert_eq!(scene.both(&[]).agree_on_one().certificate.as_deref(), Some(name));
    }
}

fn bad_certificates() {
    let scene = Scene::new();
    let (jane, john) = (AUTHORITY.user("jane"), AUTHORITY.user("john"));
    let inline = |certificate: &str, key: &str| json!({"client-certificate-data": base64(certificate), "client-key-data": base64(key)});
    scene.user(&json!({"client-certificate-data": base64(&jane.certificate)}));
    scene.both(&[]).fail_alike(
        "client-key-data or client-key must be specified for east to use the clientCert",
    );
    scene.user(&inline(&jane.certificate, &john.key));
    scene.both(&[]).fail(
        "tls: private key does not match public key",
        "tls: private key does not match public key",
    );
    scene.user(&inline("nonsense", &jane.key));
    scene.both(&[]).fail(
        "failed to find any PEM data in certificate input",
        "the client certificate holds no certificate in PEM",
    );
    scene.user(&json!({"client-certificate": "/no/such.pem", "client-key": "/no/such.key"}));
    scene.both(&[]).fail(
        "unable to read client-cert /no/such.pem for east due to open /no/such.pem: no such file or directory",
        "unable to read client certificate /no/such.pem: no such file or directory",
    );
    scene.user(&json!({"client-certificate-data": "%%", "client-key-data": "%%"}));
    scene
        .both(&[])
        .fail("illegal base64 data", "client-certificate-data of user \"east\" is not base64");
    // The server's alert may come after the connection is closed for our side.
    let stranger = Authority::new("somebody else").user("mallory");
    scene.user(&inline(&stranger.certificate, &stranger.key));
    scene.both(&[]).fail("remote error: tls:", "Unable to connect to the server: ");
}

fn tokens() {
    let scene = Scene::new();
    let path = scene.file("token", "first\n");
    scene.user(&json!({"tokenFile": path}));
    assert_eq!(scene.both(&[]).agree_on_one().authorization.as_deref(), Some("Bearer first"));
    scene.file("token", "second");
    assert_eq!(scene.both(&[]).agree_on_one().authorization.as_deref(), Some("Bearer second"));
    // The file wins over what is inline.
    scene.user(&json!({"tokenFile": path, "token": "inline"}));
    assert_eq!(scene.both(&[]).agree_on_one().authorization.as_deref(), Some("Bearer second"));
    // For kubectl over the flag as well: we do as the flag says.
    let both = scene.both(&["--token=flag"]);
    let tokens = [&both.kubectl, &both.ours]
        .map(|run| run.callers().pop_first().and_then(|c| c.authorization));
    assert_eq!(
        tokens.each_ref().map(Option::as_deref),
        [Some("Bearer second"), Some("Bearer flag")]
    );
    scene.user(&json!({"tokenFile": "/no/such/token"}));
    scene.both(&[]).fail(
        "open /no/such/token: no such file or directory",
        "/no/such/token: no such file or directory",
    );
}

fn passwords() {
    let scene = Scene::new();
    scene.user(&json!({"username": "jane", "password": "p:w"}));
    let basic = format!("Basic {}", base64("jane:p:w"));
    assert_eq!(scene.both(&[]).agree_on_one().authorization, Some(basic));
    scene.user(&json!({"username": "jane"}));
    assert_eq!(
        scene.both(&[]).agree_on_one().authorization,
        Some(format!("Basic {}", base64("jane:")))
    );
    scene.user(&json!({"username": "jane", "password": "p", "token": "t"}));
    scene.both(&[]).fail_alike(
        "more than one authentication method found for east; found [token basicAuth], only one is allowed",
    );
}

/// Every subset of the methods that a user can have: both programs send the same, or both refuse.
fn precedence() {
    let scene = Scene::new();
    let (jane, john) = (AUTHORITY.user("jane"), AUTHORITY.user("john"));
    let answer = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {
            "token": "of-plugin", "clientCertificateData": john.certificate,
            "clientKeyData": john.key,
        },
    });
    let plugin = scene.script("plugin", &format!("cat <<'END'\n{answer}\nEND"));
    let methods = [
        json!({"token": "inline"}),
        json!({"tokenFile": scene.file("token", "of-file")}),
        json!({"username": "jane", "password": "p"}),
        json!({
            "client-certificate-data": base64(&jane.certificate),
            "client-key-data": base64(&jane.key),
        }),
        json!({"exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "command": plugin,
            "interactiveMode": "Never",
        }}),
    ];
    // Without any method, kubectl asks for a name and a password.
    for chosen in 1..1_u32 << methods.len() {
        let mut user = serde_json::Map::new();
        for (place, method) in methods.iter().enumerate() {
            if chosen & (1 << place) != 0 {
                user.extend(method.as_object().expect("a mapping").clone());
            }
        }
        let fields: Vec<_> = user.keys().cloned().collect();
        scene.user(&user.into());
        let both = scene.both(&[]);
        assert_eq!(both.kubectl.ok, both.ours.ok, "{fields:?}: {both:#?}");
        assert_eq!(both.kubectl.callers(), both.ours.callers(), "{fields:?}: {both:#?}");
        // A token or a password in a header, and a certificate, exclude none but each other.
        let exclusive = chosen & 0b100 != 0 && chosen & 0b011 != 0;
        assert_eq!(both.ours.ok, !exclusive, "{fields:?}: {both:#?}");
    }
}

fn refused() {
    let scene = Scene::in_manner(&Manner { wants: Some("Bearer right"), ..Manner::default() });
    scene.user(&json!({"token": "wrong"}));
    scene.both(&[]).fail(
        "error: You must be logged in to the server (the server has asked for the client to provide credentials)",
        "error: You must be logged in to the server (Unauthorized)",
    );
    assert_eq!(
        scene.both(&["--token=right"]).agree_on_one().authorization.as_deref(),
        Some("Bearer right")
    );
}

fn impersonation() {
    let scene = Scene::new();
    scene.config(&scene.plain());
    let one = |name: &str, value: &str| (format!("impersonate-{name}"), value.to_owned());
    let flags = ["--as=system:serviceaccount:a:b", "--as-group=g1", "--as-group=g2", "--as-uid=u"];
    let all = [
        one("group", "g1"),
        one("group", "g2"),
        one("uid", "u"),
        one("user", "system:serviceaccount:a:b"),
    ];
    assert_eq!(scene.both(&flags).agree_on_one().impersonation, all);
    scene.user(&json!({
        "token": "t", "as": "jane", "as-uid": "7", "as-groups": ["x", "y"],
        "as-user-extra": {"Scopes": ["a", "b"], "example.com/Odd key%": ["c"]},
    }));
    let caller = scene.both(&[]).agree_on_one();
    assert_eq!(caller.impersonation.len(), 7, "{caller:?}");
    let caller = scene.both(&["--as=john"]).agree_on_one();
    assert!(caller.impersonation.contains(&one("user", "john")), "{caller:?}");
    scene.config(&scene.plain());
    scene
        .both(&["--as-group=g"])
        .fail_alike("requesting uid, groups or user-extra for east without impersonating a user");
    scene
        .both(&["--as-uid=u"])
        .fail_alike("requesting uid, groups or user-extra for east without impersonating a user");
}

fn auth_provider() {
    let scene = Scene::new();
    for (name, advice) in
        [("gcp", "gke-gcloud-auth-plugin"), ("azure", "kubelogin"), ("oidc", "exec plugin")]
    {
        scene.user(&json!({"auth-provider": {"name": name, "config": {"id-token": "s3cret"}}}));
        let run = scene.ours(&["version"]);
        assert!(!run.ok && run.error().contains(advice), "{run:#?}");
        assert!(run.arrived.is_empty() && !run.said().contains("s3cret"), "{run:#?}");
    }
}
