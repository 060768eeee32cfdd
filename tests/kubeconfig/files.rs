//! Which files are read, how they are merged, and which context, cluster and namespace are meant.

use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::scene::Scene;

pub fn trials() -> Vec<Trial> {
    super::trials(&[
        ("files: the first file wins for each name, and missing ones are skipped", first_wins),
        ("files: an empty current-context does not hide a later one", empty_current_context),
        ("files: an explicit file is the only one, and must be there", explicit),
        ("files: paths are relative to their own file", relative_paths),
        ("files: names may hold any character", odd_names),
        ("files: a context, a cluster or a user that does not exist", missing_names),
        ("files: nothing to go by", nothing),
        ("files: what cannot be read", broken),
        ("files: what is read all the same", lenient),
        (
            "files: flags replace the host's cluster, user, server and token, not a member's",
            overrides,
        ),
        ("files: the namespace is the flag's, or the context's, or default", namespace),
    ])
}

/// The config with only what has this name.
fn only(config: &Value, name: &str) -> Value {
    let mut config = config.clone();
    for list in ["clusters", "users", "contexts"] {
        config[list].as_array_mut().expect("a list").retain(|entry| entry["name"] == name);
    }
    config["current-context"] = name.into();
    config
}

fn first_wins() {
    let mut scene = Scene::new();
    let plain = scene.plain();
    let mut other = plain.clone();
    other["current-context"] = "west".into();
    // Nothing of this entry may be mixed into the first file's.
    other["users"][0]["user"] = json!({"username": "jane", "password": "p"});
    other["clusters"][0]["cluster"]["tls-server-name"] = "no.such.name".into();
    let east = scene.file("a/east", only(&plain, "east").to_string());
    let other = scene.file("b/other", other.to_string());
    let empty = scene.file("empty", "");
    let none = scene.path("none");
    for (list, server, token) in [
        (format!("{east}:{other}"), "east", "Bearer of-east"),
        (format!("{none}:{empty}::{east}:{other}:{east}"), "east", "Bearer of-east"),
        (format!("{other}:{east}"), "west", "Bearer of-west"),
        (format!(":{east}"), "east", "Bearer of-east"),
        (east.clone(), "east", "Bearer of-east"),
    ] {
        scene.var("KUBECONFIG", &list);
        let caller = scene.both(&[]).agree_on_one();
        assert_eq!(
            (caller.server.as_str(), caller.authorization.as_deref()),
            (server, Some(token)),
            "{list}"
        );
    }
    // A context of the first file whose cluster only the second one has.
    let mut split = only(&plain, "east");
    split["clusters"] = json!([]);
    let split = scene.file("split", split.to_string());
    let rest = scene.file("rest", only(&plain, "east").to_string());
    scene.var("KUBECONFIG", format!("{split}:{rest}"));
    assert_eq!(scene.both(&[]).agree_on_one().server, "east");
}

fn empty_current_context() {
    let mut scene = Scene::new();
    let mut first = only(&scene.plain(), "east");
    first["current-context"] = "".into();
    let first = scene.file("first", first.to_string());
    let second = scene.file("second", only(&scene.plain(), "west").to_string());
    scene.var("KUBECONFIG", format!("{first}:{second}"));
    assert_eq!(scene.both(&[]).agree_on_one().server, "west");
    assert_eq!(scene.both(&["--context=east"]).agree_on_one().server, "east");
}

fn explicit() {
    let mut scene = Scene::new();
    scene.config(&only(&scene.plain(), "east"));
    assert_eq!(scene.both(&[]).agree_on_one().server, "east");
    // An empty KUBECONFIG counts as none.
    scene.var("KUBECONFIG", "");
    assert_eq!(scene.both(&[]).agree_on_one().server, "east");
    let west = scene.file("west", only(&scene.plain(), "west").to_string());
    scene.var("KUBECONFIG", scene.path("none"));
    assert_eq!(scene.both(&[&format!("--kubeconfig={west}")]).agree_on_one().server, "west");
    assert_eq!(scene.both(&["--kubeconfig=west"]).agree_on_one().server, "west");
    scene.both(&["--kubeconfig=/no/such/file"]).fail(
        "error: stat /no/such/file: no such file or directory",
        "error: error loading config file \"/no/such/file\": no such file or directory",
    );
    scene
        .both(&[&format!("--kubeconfig={west}"), "--context=east"])
        .fail_alike("context \"east\" does not exist");
}

fn relative_paths() {
    let mut scene = Scene::new();
    let jane = super::front::AUTHORITY.user("jane");
    let mut config = only(&scene.plain(), "east");
    config["clusters"][0]["cluster"] =
        json!({"server": scene.east.url(), "certificate-authority": "pki/ca.pem"});
    config["users"][0]["user"] = json!({
        "client-certificate": "../jane.pem", "client-key": "./jane-key.pem", "tokenFile": "token",
    });
    let path = scene.file("deep/er/config", config.to_string());
    scene.file("deep/er/pki/ca.pem", super::front::AUTHORITY.pem());
    scene.file("deep/jane.pem", jane.certificate);
    scene.file("deep/er/jane-key.pem", jane.key);
    scene.file("deep/er/token", "from-file\n");
    for list in [path, "deep/er/config".to_owned()] {
        scene.var("KUBECONFIG", &list);
        let caller = scene.both(&[]).agree_on_one();
        assert_eq!(caller.certificate.as_deref(), Some("jane"));
        assert_eq!(caller.authorization.as_deref(), Some("Bearer from-file"));
    }
}

fn odd_names() {
    let scene = Scene::new();
    for name in [
        "arn:aws:eks:eu-west-1:1234:cluster/blue",
        "kubernetes-admin@kind",
        "default/api-example:6443/system:admin",
        "with space",
        "-dash",
        "é",
    ] {
        let mut config = scene.plain();
        for (list, inner) in [("clusters", "cluster"), ("users", "user")] {
            config[list][1]["name"] = format!("{list} {name}").into();
            config["contexts"][1]["context"][inner] = format!("{list} {name}").into();
        }
        config["contexts"][1]["name"] = name.into();
        scene.config(&config);
        let caller = scene.both(&[&format!("--context={name}")]).agree_on_one();
        assert_eq!(caller.server, "west", "{name}");
        config["current-context"] = name.into();
        scene.config(&config);
        assert_eq!(scene.both(&[]).agree_on_one().server, "west", "{name}");
    }
}

fn missing_names() {
    let scene = Scene::new();
    let mut config = scene.plain();
    scene.config(&config);
    scene.both(&["--context=nowhere"]).fail_alike("context \"nowhere\" does not exist");
    scene.both(&["--cluster=nowhere"]).fail_alike("cluster \"nowhere\" does not exist");
    scene.both(&["--user=nobody"]).fail_alike("auth info \"nobody\" does not exist");
    config["current-context"] = "nowhere".into();
    scene.config(&config);
    scene.both(&[]).fail_alike("context was not found for specified context: nowhere");
    // kubectl goes to localhost then, or without credentials: we do not guess.
    config["current-context"] = "east".into();
    config["contexts"][0]["context"] = json!({"user": "east"});
    scene.config(&config);
    scene.both(&[]).fail("localhost:8080", "context \"east\" names no cluster");
    config["contexts"][0]["context"] = json!({"cluster": "gone", "user": "east"});
    scene.config(&config);
    scene
        .both(&[])
        .fail("localhost:8080", "names the cluster \"gone\", which no kubeconfig file has");
    config["contexts"][0]["context"] = json!({"cluster": "east"});
    scene.config(&config);
    // kubectl asks for a name and a password where it has no credentials; we go without.
    assert!(scene.kubectl(&["get", "pods"]).stdout.contains("Please enter Username"));
    assert!(scene.ours(&["version"]).callers().iter().all(|caller| caller.authorization.is_none()));
}

fn nothing() {
    let mut scene = Scene::new();
    scene.both(&[]).fail("localhost:8080", "error: no configuration has been provided");
    // Half of what a pod has: no service account is mounted here.
    scene.var("KUBERNETES_SERVICE_HOST", "127.0.0.1").var("KUBERNETES_SERVICE_PORT", "1");
    scene.both(&[]).fail("localhost:8080", "error: no configuration has been provided");
    // A server from the command line needs no file.
    let ca = scene.file("ca.pem", super::front::AUTHORITY.pem());
    let flags = [
        &format!("--server={}", scene.east.url()),
        &format!("--certificate-authority={ca}"),
        "--token=t",
    ];
    assert_eq!(scene.both(&flags).agree_on_one().authorization.as_deref(), Some("Bearer t"));
}

fn broken() {
    let scene = Scene::new();
    let path = scene.file("home/.kube/config", "clusters:\n- name: [a\n  cluster: {\n");
    let both = scene.both(&[]);
    both.fail(
        &format!("error loading config file \"{path}\""),
        &format!("error loading config file \"{path}\": "),
    );
    scene.user(&json!({"token": ["s3cret"]}));
    let both = scene.both(&[]);
    both.fail(
        &format!("error loading config file \"{path}\""),
        &format!("error loading config file \"{path}\": users: \"east\": token: "),
    );
    assert!(!both.ours.said().contains("s3cret"));
    scene.file("home/.kube/config", "apiVersion: v1\nkind: Pod\n");
    scene.both(&[]).fail("no kind \"Pod\" is registered", "its kind is Pod, not Config");
    scene.file("home/.kube/config", [0xff, 0xfe, 0x00]);
    scene.both(&[]).fail(
        &format!("error loading config file \"{path}\""),
        &format!("error loading config file \"{path}\""),
    );
    // Fields and entries that nobody knows do no harm.
    let mut config = scene.plain();
    config["preferences"] = json!({"colors": true});
    config["extensions"] = json!([{"name": "x", "extension": {"a": 1}}]);
    config["clusters"][0]["cluster"]["colour"] = "red".into();
    scene.config(&config);
    scene.both(&[]).agree();
}

/// Forms of a file that kubectl takes.
fn lenient() {
    let scene = Scene::new();
    let config = scene.plain();
    let text = format!("{config:#}\n");
    let utf16 = |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes).collect()
    };
    let broken = "---\n{[broken";
    for bytes in [
        format!("\u{feff}{text}").into_bytes(),
        format!("---\n{text}---\n").into_bytes(),
        format!("{text}{broken}").into_bytes(),
        format!("{text}...\n{broken}").into_bytes(),
        utf16(u16::to_le_bytes),
        utf16(u16::to_be_bytes),
    ] {
        scene.file("home/.kube/config", &bytes);
        assert_eq!(scene.both(&[]).agree_on_one().authorization.as_deref(), Some("Bearer of-east"));
    }
    // After the start of the document, a mark belongs to the first key.
    let yaml = "---\n\u{feff}apiVersion: v1\nkind: Config\ncurrent-context: east\n";
    let lists = ["clusters", "users", "contexts"].map(|list| format!("{list}: {}\n", config[list]));
    scene.file("home/.kube/config", format!("{yaml}{}", lists.concat()));
    scene.both(&[]).agree();
    // `null` is the zero value, in the entry that is used and in those that are not.
    let mut config = scene.plain();
    for (list, field, content) in [
        ("clusters", "cluster", json!({"server": null, "extensions": [null]})),
        ("users", "user", json!({"token": null, "as-groups": [null], "exec": {"env": [null]}})),
        ("contexts", "context", json!(null)),
    ] {
        let entries = config[list].as_array_mut().expect("a list");
        entries.push(json!(null));
        entries.push(json!({"name": "unused", field: content}));
        entries.push(json!({"name": "unused too"}));
    }
    config["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = Value::Null;
    config["clusters"][0]["cluster"]["extensions"] = json!([null, {"extension": {"a": 1}}]);
    config["users"][0]["user"]["exec"] = Value::Null;
    config["users"][0]["user"]["as-user-extra"] = json!({"a": null});
    config["users"][0]["user"]["as"] = "jane".into();
    config["contexts"][0]["context"]["namespace"] = Value::Null;
    config["preferences"] = Value::Null;
    scene.config(&config);
    scene.both(&[]).agree();
    // kubectl refuses the whole file for an entry that nobody uses; we do not.
    config["users"][1]["user"]["token"] = 5.into();
    scene.config(&config);
    assert!(!scene.kubectl(&["get", "jobs"]).ok);
    assert!(scene.ours(&["version"]).ok);
}

fn overrides() {
    let scene = Scene::new();
    scene.config(&scene.plain());
    for (flags, server, token) in [
        (&["--cluster=west"][..], "west", "Bearer of-east"),
        (&["--user=west"], "east", "Bearer of-west"),
        (&["--token=other"], "east", "Bearer other"),
        (&["--server", &scene.west.url()], "west", "Bearer of-east"),
        (&["-s", &scene.west.url(), "--token", "other"], "west", "Bearer other"),
        (&["--context=west", "--token="], "west", "Bearer of-west"),
    ] {
        let caller = scene.both(flags).agree_on_one();
        assert_eq!(
            (caller.server.as_str(), caller.authorization.as_deref()),
            (server, Some(token)),
            "{flags:?}"
        );
    }
    // The member is reached by its own context whatever the flags say about the host, as kubectl
    // reaches it there.
    let run = scene.ours(&["cluster", "list", "--token=other", "--user=east", "--cluster=east"]);
    assert!(run.ok, "{run:#?}");
    let west = scene.kubectl(&["get", "--raw=/version", "--context=west"]).callers();
    let host = scene.kubectl(&["get", "--raw=/version", "--token=other"]).callers();
    assert_eq!(run.callers(), &west | &host);
    // What holds everywhere does.
    let flags = ["--as=jane", "--as-group=a", "--as-group=b", "--as-uid=7"];
    let run = scene.ours(&[&["cluster", "list"][..], &flags].concat());
    let west = scene
        .kubectl(&[&["get", "--raw=/version", "--context=west"][..], &flags].concat())
        .callers();
    let host = scene.kubectl(&[&["get", "--raw=/version"][..], &flags].concat()).callers();
    assert_eq!(run.callers(), &west | &host);
    assert!(run.callers().iter().all(|caller| caller.impersonation.len() == 4), "{run:#?}");
}

fn namespace() {
    let scene = Scene::new();
    let mut config = scene.plain();
    let asked = |config: &Value, flags: &[&str]| {
        scene.config(config);
        let kubectl = scene.kubectl(&[&["get", "jobs"][..], flags].concat());
        let ours = scene.ours(&[&["job", "get"][..], flags].concat());
        assert!(kubectl.ok && ours.ok, "{kubectl:#?} {ours:#?}");
        assert!(kubectl.stderr.starts_with("No resources found in "), "{kubectl:#?}");
        assert_eq!(kubectl.stderr, ours.stderr);
        ours.stderr.trim().rsplit(' ').nth(1).expect("words").to_owned()
    };
    assert_eq!(asked(&config, &[]), "default");
    assert_eq!(asked(&config, &["-n", "flag"]), "flag");
    config["contexts"][0]["context"]["namespace"] = "own".into();
    assert_eq!(asked(&config, &[]), "own");
    assert_eq!(asked(&config, &["--namespace=flag"]), "flag");
    assert_eq!(asked(&config, &["--namespace="]), "own");
    assert_eq!(asked(&config, &["--context=west"]), "default");
}
