//! Credential plugins.

use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::front::{AUTHORITY, Manner};
use super::scene::Scene;

pub fn trials() -> Vec<Trial> {
    super::trials(&[
        ("exec: a token, a certificate, arguments, environment and cluster", gives),
        ("exec: a plugin is waited for", slow),
        ("exec: what a failing plugin says is heard, and the hint of a missing one", fails),
        ("exec: answers that are none", wrong_answers),
        ("exec: descriptions that are refused", wrong_descriptions),
        ("exec: an answer that has expired, or is refused", expires),
        ("exec: who must ask cannot without a terminal", interactive),
        ("exec: a terminal is lent to who must ask", terminal),
        ("exec: one run for many clusters", once),
    ])
}

fn plugin(command: &str, version: &str) -> Value {
    json!({"exec": {
        "apiVersion": format!("client.authentication.k8s.io/{version}"), "command": command,
        "interactiveMode": "IfAvailable",
    }})
}

/// A script that counts its runs in a file, and gives this status.
fn giving(scene: &Scene, status: &Value) -> String {
    let answer = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status,
    });
    scene.script(
        "plugin",
        &format!("echo run >> {}\ncat <<'END'\n{answer}\nEND", scene.path("runs")),
    )
}

fn runs(scene: &Scene) -> usize {
    let count = scene.read("runs").lines().count();
    scene.file("runs", "");
    count
}

fn gives() {
    let scene = Scene::new();
    let path = giving(&scene, &json!({"token": "given"}));
    scene.user(&plugin(&path, "v1"));
    assert_eq!(scene.both(&[]).agree_on_one().authorization.as_deref(), Some("Bearer given"));
    // A path is relative to the file, and a bare name is found in PATH.
    scene.script("home/.kube/bin/helper", "cat ../plugin-answer 2>/dev/null || exec ./plugin");
    scene.user(&plugin("bin/helper", "v1"));
    assert_eq!(scene.both(&[]).agree_on_one().authorization.as_deref(), Some("Bearer given"));

    let jane = AUTHORITY.user("jane");
    let path = giving(
        &scene,
        &json!({
            "clientCertificateData": jane.certificate, "clientKeyData": jane.key,
            "expirationTimestamp": "2999-01-01T00:00:00Z",
        }),
    );
    scene.user(&plugin(&path, "v1"));
    assert_eq!(scene.both(&[]).agree_on_one().certificate.as_deref(), Some("jane"));

    // The token is made of what the plugin gets.
    let told = scene.script(
        "told",
        &format!(
            "echo \"$KUBERNETES_EXEC_INFO\" >> {}\n\
         echo '{{\"apiVersion\":\"client.authentication.k8s.io/v1beta1\",\"kind\":\"ExecCredential\",\
         \"status\":{{\"token\":\"'$1-$2-$COLOUR-$HOME_SET'\"}}}}'",
            scene.path("info")
        ),
    );
    let mut user = plugin(&told, "v1beta1");
    user["exec"]["args"] = json!(["one", "two"]);
    user["exec"]["env"] = json!([{"name": "COLOUR", "value": "red"}]);
    user["exec"]["provideClusterInfo"] = true.into();
    let mut cluster = scene.cluster("east");
    cluster["extensions"] =
        json!([{"name": "client.authentication.k8s.io/exec", "extension": {"audience": "a"}}]);
    scene.entries(&cluster, &user);
    assert_eq!(
        scene.both(&[]).agree_on_one().authorization.as_deref(),
        Some("Bearer one-two-red-")
    );
    let told = scene.read("info");
    let told = told.lines().filter(|line| !line.is_empty());
    let infos: Vec<Value> = told.map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(infos.len() >= 2 && infos.iter().all(|info| *info == infos[0]), "{infos:#?}");
}

fn slow() {
    let scene = Scene::new();
    giving(&scene, &json!({"token": "late"}));
    let path = scene.script("slow", "sleep 1.5; exec ./plugin");
    scene.user(&plugin(&path, "v1"));
    // The time that a request may take does not begin before there is something to send.
    assert_eq!(
        scene.both(&["--request-timeout=1s"]).agree_on_one().authorization.as_deref(),
        Some("Bearer late")
    );
}

fn fails() {
    let scene = Scene::new();
    let path = scene.script("failing", "echo 'please log in first' >&2; echo s3cret; exit 7");
    scene.user(&plugin(&path, "v1"));
    let both = scene.both(&[]);
    both.fail_alike(&format!(
        "getting credentials: exec: executable {path} failed with exit code 7"
    ));
    assert!(both.ours.stderr.contains("please log in first"), "{both:#?}");
    assert!(!both.ours.said().contains("s3cret"), "{both:#?}");

    let mut user = plugin("no-such-plugin", "v1");
    let missing = "getting credentials: exec: executable no-such-plugin not found";
    scene.user(&user);
    scene.both(&[]).fail(missing, missing);
    let usual =
        "It looks like you are trying to use a client-go credential plugin that is not installed.";
    scene.both(&[]).fail(usual, usual);
    user["exec"]["installHint"] = "get it at https://plugin.example".into();
    scene.user(&user);
    scene.both(&[]).fail("get it at https://plugin.example", "get it at https://plugin.example");
    let plain = scene.file("not-executable", "");
    scene.user(&plugin(&plain, "v1"));
    scene.both(&[]).fail("permission denied", "permission denied");
}

fn wrong_answers() {
    let scene = Scene::new();
    let answer = |version: &str, kind: &str, status: &str| {
        format!(
            "{{\"apiVersion\":\"client.authentication.k8s.io/{version}\",\"kind\":\"{kind}\",\"status\":{status}}}"
        )
    };
    for (text, kubectl, ours) in [
        ("s3cret".to_owned(), "decoding stdout", "gave no credential"),
        (
            String::new(),
            "plugin returned version client.authentication.k8s.io/__internal",
            "gave no credential",
        ),
        (
            answer("v1beta1", "ExecCredential", r#"{"token":"s3cret"}"#),
            "exec plugin is configured to use API version client.authentication.k8s.io/v1, plugin returned version client.authentication.k8s.io/v1beta1",
            "exec plugin is configured to use API version client.authentication.k8s.io/v1, plugin returned version client.authentication.k8s.io/v1beta1",
        ),
        (
            answer("v1", "Pod", r#"{"token":"s3cret"}"#),
            "decoding stdout",
            "is not an ExecCredential",
        ),
        (
            answer("v1", "ExecCredential", "{}"),
            "exec plugin didn't return a token or cert/key pair",
            "neither a token nor a certificate",
        ),
        (
            answer("v1", "ExecCredential", "null"),
            "exec plugin didn't return a status field",
            "neither a token nor a certificate",
        ),
        (
            answer("v1", "ExecCredential", r#"{"clientKeyData":"s3cret"}"#),
            "exec plugin returned only certificate or key, not both",
            "only together",
        ),
        (
            answer("v1", "ExecCredential", r#"{"token":"s3cret","expirationTimestamp":"noon"}"#),
            "decoding stdout",
            "not a time",
        ),
    ] {
        let path = scene.script("plugin", &format!("cat <<'END'\n{text}\nEND"));
        scene.user(&plugin(&path, "v1"));
        let both = scene.both(&[]);
        both.fail(kubectl, ours);
        assert!(!both.ours.said().contains("s3cret"), "{both:#?}");
    }
    // YAML is an answer too.
    let path = scene.script("plugin", "echo 'apiVersion: client.authentication.k8s.io/v1'; echo 'kind: ExecCredential'; echo 'status: {token: yaml}'");
    scene.user(&plugin(&path, "v1"));
    assert_eq!(scene.both(&[]).agree_on_one().authorization.as_deref(), Some("Bearer yaml"));
}

fn wrong_descriptions() {
    let scene = Scene::new();
    for (change, words) in [
        (
            json!({"command": ""}),
            "command must be specified for east to use exec authentication plugin",
        ),
        (
            json!({"apiVersion": ""}),
            "apiVersion must be specified for east to use exec authentication plugin",
        ),
        (
            json!({"interactiveMode": ""}),
            "interactiveMode must be specified for east to use exec authentication plugin",
        ),
        (
            json!({"env": [{"value": "v"}]}),
            "env variable name must be specified for east to use exec authentication plugin",
        ),
        (json!({"interactiveMode": "Maybe"}), "invalid interactiveMode for east: \"Maybe\""),
    ] {
        let mut user = plugin("p", "v1");
        for (field, value) in change.as_object().expect("a map") {
            user["exec"][field] = value.clone();
        }
        scene.user(&user);
        scene.both(&[]).fail_alike(words);
    }
    scene.user(&plugin("p", "v1alpha1"));
    scene.both(&[]).fail(
        "invalid apiVersion \"client.authentication.k8s.io/v1alpha1\"",
        "invalid apiVersion \"client.authentication.k8s.io/v1alpha1\"",
    );
    let mut user = plugin("p", "v1");
    user["auth-provider"] = json!({"name": "oidc"});
    scene.user(&user);
    scene
        .both(&[])
        .fail_alike("authProvider cannot be provided in combination with an exec plugin for east");
    // Without a version that needs it, the mode may be left out.
    let path = giving(&scene, &json!({"token": "t"}));
    let mut user = plugin(&path, "v1");
    user["exec"]["interactiveMode"] = "Never".into();
    scene.user(&user);
    scene.both(&[]).agree();
}

fn expires() {
    let scene = Scene::new();
    // An answer that has expired already is sent all the same: the server judges.
    let path =
        giving(&scene, &json!({"token": "old", "expirationTimestamp": "2001-01-01T00:00:00Z"}));
    scene.user(&plugin(&path, "v1"));
    assert_eq!(scene.both(&[]).agree_on_one().authorization.as_deref(), Some("Bearer old"));

    // Plugins that know no end say the last second of the last year.
    for end in ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-10:00"] {
        let path = giving(&scene, &json!({"token": "never", "expirationTimestamp": end}));
        scene.user(&plugin(&path, "v1"));
        let caller = scene.both(&[]).agree_on_one();
        assert_eq!(caller.authorization.as_deref(), Some("Bearer never"));
    }

    // The first run's token is refused; the second run's is right.
    let mut scene = Scene::in_manner(&Manner { wants: Some("Bearer second"), ..Manner::default() });
    let path = scene.script("plugin",
        "echo run >> \"$RUNS\"; [ $(wc -l < \"$RUNS\") = 1 ] && t=first || t=second\n\
         echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"'$t'\"}}'");
    scene.user(&plugin(&path, "v1"));
    let runs = scene.path("refused");
    scene.var("RUNS", runs);
    let ours = scene.ours(&["version"]);
    assert!(ours.ok, "{ours:#?}");
    assert_eq!(scene.read("refused").lines().count(), 2);
    let tokens: Vec<_> =
        ours.arrived.iter().filter_map(|a| a.caller.authorization.as_deref()).collect();
    let refused = tokens.iter().filter(|token| **token == "Bearer first").count();
    assert!((1..=2).contains(&refused), "the first requests are sent at once: {tokens:?}");
    assert!(tokens.len() > 1);

    // One that gives the same again is asked once more, and then the server's word is passed on.
    let scene = Scene::in_manner(&Manner { wants: Some("Bearer right"), ..Manner::default() });
    let path = giving(&scene, &json!({"token": "wrong"}));
    scene.user(&plugin(&path, "v1"));
    let ours = scene.ours(&["version"]);
    assert_eq!(
        ours.error(),
        "error: You must be logged in to the server (Unauthorized)",
        "{ours:#?}"
    );
    assert_eq!(self::runs(&scene), 2);
}

fn interactive() {
    let scene = Scene::new();
    let path = giving(&scene, &json!({"token": "t"}));
    let mut user = plugin(&path, "v1");
    scene.user(&user);
    scene.both(&[]).agree();
    user["exec"]["interactiveMode"] = "Always".into();
    scene.user(&user);
    runs(&scene);
    scene.both(&[]).fail_alike(
        "exec plugin cannot support interactive mode: standard input is not a terminal",
    );
    assert_eq!(runs(&scene), 0);
}

/// Both on a terminal, where the plugin asks for a word.
fn terminal() {
    let scene = Scene::new();
    let path = scene.script("asking",
        "read word\n\
         echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"'$word'\"}}'");
    for mode in ["Always", "IfAvailable"] {
        let mut user = plugin(&path, "v1");
        user["exec"]["interactiveMode"] = mode.into();
        scene.user(&user);
        for (program, args) in Scene::questions() {
            let run = scene.on_terminal(&program, &args, "word");
            let tokens: Vec<_> =
                run.arrived.iter().map(|a| a.caller.authorization.as_deref()).collect();
            assert!(!tokens.is_empty(), "{program}: {run:#?}");
            assert!(
                tokens.iter().all(|token| *token == Some("Bearer word")),
                "{program}: {run:#?}"
            );
        }
    }
}

fn once() {
    let scene = Scene::new();
    let path = giving(&scene, &json!({"token": "t"}));
    let mut config = scene.plain();
    config["users"] = json!([{"name": "east", "user": plugin(&path, "v1")}, {"name": "west", "user": plugin(&path, "v1")}]);
    scene.config(&config);
    let run = scene.ours(&["cluster", "list"]);
    assert!(run.ok && run.callers().len() == 2, "{run:#?}");
    assert_eq!(runs(&scene), 1);
}
