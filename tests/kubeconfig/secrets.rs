//! No secret is told at any level, in an error, or in anything that is written: the state on the
//! host, Jobs, files, requests.

use std::path::Path;

use bytes::Bytes;
use http::{HeaderValue, Response};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use sim::{CONFIG_MAPS, EVENTS, JOBS, NAMESPACES, SECRETS, Verdict, When};

use super::front::{AUTHORITY, Manner, base64};
use super::proxy::Proxy;
use super::scene::Scene;

pub fn trials() -> Vec<Trial> {
    super::trials(&[
        ("secrets: none is told at any level", levels),
        ("secrets: none is told when something fails", failures),
        ("secrets: none is told or written by a verb with -v=9", verbs),
        ("secrets: none is told of those that a server quotes", quoted),
        ("secrets: none is told of a manifest's address", addresses),
    ])
}

/// Users with all kinds of secrets, and the texts that must not be told.
fn users(scene: &Scene) -> Vec<(Value, Vec<String>)> {
    let jane = AUTHORITY.user("jane");
    let answer = |status: &Value| json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status});
    let plugin = |name: &str, status: &Value| {
        let path = scene.script(name, &format!("cat <<'END'\n{}\nEND", answer(status)));
        json!({"exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "command": path, "interactiveMode": "Never",
            "env": [{"name": "PLUGIN_PASSWORD", "value": "s3cret-of-environment"}],
        }})
    };
    let token = scene.file("token", "s3cret-of-file");
    let key_lines = |key: &str| {
        key.lines().filter(|line| !line.starts_with("---")).map(str::to_owned).collect()
    };
    let environment = "s3cret-of-environment".to_owned();
    vec![
        (json!({"token": "s3cret-of-token"}), vec!["s3cret-of-token".to_owned()]),
        (json!({"tokenFile": token}), vec!["s3cret-of-file".to_owned()]),
        (
            json!({"username": "jane", "password": "s3cret-word"}),
            vec!["s3cret-word".to_owned(), base64("jane:s3cret-word")],
        ),
        (
            json!({"client-certificate-data": base64(&jane.certificate), "client-key-data": base64(&jane.key)}),
            [key_lines(&jane.key), vec![base64(&jane.key)]].concat(),
        ),
        (
            plugin("gives-token", &json!({"token": "s3cret-of-plugin"})),
            vec!["s3cret-of-plugin".to_owned(), environment.clone()],
        ),
        (
            plugin(
                "gives-key",
                &json!({"clientCertificateData": jane.certificate, "clientKeyData": jane.key}),
            ),
            [key_lines(&jane.key), vec![environment]].concat(),
        ),
    ]
}

#[track_caller]
fn keeps(said: &str, secrets: &[String]) {
    for secret in secrets {
        assert!(!said.contains(secret.as_str()), "{secret:?} is told:\n{said}");
    }
}

fn levels() {
    let mut scene = Scene::new();
    let proxy = Proxy::http(scene.east.address);
    scene.var("HTTPS_PROXY", format!("http://jane:s3cret-of-proxy@{}", proxy.address));
    for (user, mut secrets) in users(&scene) {
        secrets.extend([
            "s3cret-of-proxy".to_owned(),
            base64("jane:s3cret-of-proxy"),
            "s3cret-of-flag".to_owned(),
        ]);
        scene.user(&user);
        for level in ["-v=6", "-v=7", "-v=8", "-v=9", "-v=10", "-v=99"] {
            for more in
                [&[][..], &["--server=https://api.example:6443"], &["--token=s3cret-of-flag"]]
            {
                // A name and a password exclude a token.
                let run = scene.ours(&[&["version", level], more].concat());
                assert!(run.ok || user["username"] == "jane", "{run:#?}");
                keeps(&run.said(), &secrets);
            }
        }
        let run = scene.ours(&["cluster", "list", "-v=9"]);
        assert!(run.ok, "{run:#?}");
        keeps(&run.said(), &secrets);
        keeps(&run.said(), &["of-west".to_owned()]);
    }
}

fn failures() {
    let refusing =
        Scene::in_manner(&Manner { wants: Some("Bearer nobody has it"), ..Manner::default() });
    for (user, secrets) in users(&refusing) {
        refusing.user(&user);
        for args in [
            &["version", "-v=9"][..],
            &["cluster", "list", "-v=9"],
            &["version", "-v=9", "--server=https://127.0.0.1:1"],
            &["version", "-v=9", "--tls-server-name=other.example"],
            &["version", "-v=9", "--server=https://jane:s3cret-of-url@127.0.0.1:1"],
            &["version", "-v=9", "--server=https://jane:s3cret-of-url@exa mple"],
        ] {
            let run = refusing.ours(args);
            assert!(!run.ok, "{args:?}: {run:#?}");
            keeps(&run.said(), &secrets);
            keeps(&run.said(), &["s3cret-of-url".to_owned()]);
        }
    }
    let scene = Scene::new();
    let mut cluster = scene.cluster("east");
    for proxy in [
        "http://jane:s3cret@127.0.0.1:1",
        "ftp://jane:s3cret@proxy",
        "http://jane:s3cret@exa mple",
        "socks5://jane:s3cret@127.0.0.1:1",
    ] {
        cluster["proxy-url"] = proxy.into();
        scene.entries(&cluster, &json!({"token": "t"}));
        let run = scene.ours(&["version", "-v=9"]);
        assert!(!run.ok, "{run:#?}");
        keeps(&run.said(), &["s3cret".to_owned(), base64("jane:s3cret")]);
    }
}

/// What all contexts have besides users: a proxy with a login, and an address with one.
const PLACES: [&str; 3] = ["s3cret-of-proxy", "s3cret-of-url", "s3cret-of-query"];

/// The main job and what else is written, each with what comes before it.
const VERBS: [&str; 30] = [
    "init",
    "cluster register east",
    "cluster register west --label=zone=a",
    "cluster list -o yaml",
    "cluster check",
    "cluster match",
    "job create -f pi.yaml --dry-run=server",
    "job create -f pi.yaml",
    "job apply -f pi.yaml",
    "job diff -f pi.yaml",
    "job get -o yaml",
    "job get pi --tree",
    "job describe pi",
    "job logs pi",
    "job events pi",
    "job timeline pi",
    "job edit pi",
    "job scale pi --parallelism=2",
    "job suspend pi",
    "job resume pi",
    "reconcile",
    "backup saved.yaml",
    "job delete pi",
    "orphans list -A",
    "job recover --all --yes",
    "job delete pi",
    "restore saved.yaml --yes",
    "job delete pi",
    "orphans clean -A --yes --running",
    "cluster unregister west",
];

/// The folder with one cluster for each server, and nothing in them.
fn empty() -> Scene {
    Scene::on(&sim::Cluster::new("east"), &sim::Cluster::new("west"))
}

fn verbs() {
    // A token in a header, a password, and a key of a plugin: others are sent as one of these.
    for kind in [0, 2, 5] {
        let mut scene = empty();
        let (user, mut secrets) = users(&scene).swap_remove(kind);
        secrets.extend(PLACES.map(str::to_owned));
        secrets.extend(PLACES[..2].iter().map(|secret| base64(&format!("jane:{secret}"))));
        let proxy = Proxy::http(scene.east.address);
        let mut config = scene.plain();
        config["clusters"][0]["cluster"]["proxy-url"] =
            format!("http://jane:s3cret-of-proxy@{}", proxy.address).into();
        config["clusters"][1]["cluster"]["server"] =
            format!("https://jane:s3cret-of-url@{}/?t=s3cret-of-query", scene.west.address).into();
        for at in 0..2 {
            config["users"][at]["user"] = user.clone();
        }
        scene.config(&config);
        scene.file("pi.yaml", MANIFEST);
        scene.file("tmp/.keep", "");
        scene.var("TMPDIR", scene.path("tmp"));
        let editor = scene.script("editor", "cat \"$1\" > edited.yaml");
        scene.var("KUBE_EDITOR", editor);
        for verb in VERBS {
            let args: Vec<_> = verb.split(' ').chain(["-v=9"]).collect();
            let run = scene.ours(&args);
            assert!(run.ok, "{verb}: {run:#?}");
            assert!(run.stderr.contains(" request header "), "{verb}: {run:#?}");
            keeps(&run.said(), &secrets);
            for front in [&scene.east, &scene.west] {
                keeps(&stored(&front.cluster), &secrets);
                keeps(&stored(&front.cluster), &["127.0.0.1".to_owned()]);
                write_logs(&front.cluster);
            }
        }
        for front in [&scene.east, &scene.west] {
            for sent in front.cluster.requests() {
                let body = String::from_utf8_lossy(&sent.body);
                keeps(&format!("{} {:?} {body}", sent.path, sent.query), &secrets);
            }
        }
        let files = files(Path::new(&scene.path("")));
        for written in ["federate.yaml", "saved.yaml", "edited.yaml"] {
            assert!(files.iter().any(|(path, _)| path.ends_with(written)), "{files:#?}");
        }
        let own = ["/home/.kube/config", "/token", "/gives-token", "/gives-key"];
        for (path, text) in files {
            let is_left = path.starts_with(&scene.path("tmp/")) && !path.ends_with("/.keep");
            assert!(!is_left, "{path} is left");
            if !own.iter().any(|own| path == scene.path(&own[1..])) {
                keeps(&text, &secrets);
            }
        }
    }
}

const MANIFEST: &str = "\
apiVersion: batch/v1
kind: Job
metadata:
  name: pi
spec:
  parallelism: 4
  completions: 6
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: pi
        image: perl:5.34.0
";

/// All that a cluster has stored.
fn stored(cluster: &sim::Cluster) -> String {
    let kinds = [&CONFIG_MAPS, &EVENTS, &JOBS, &NAMESPACES, &SECRETS];
    let all = kinds.into_iter().flat_map(|kind| cluster.list(kind, ""));
    all.map(|object| object.to_string()).collect()
}

/// Has the pods of the Job write something.
fn write_logs(cluster: &sim::Cluster) {
    cluster.settle();
    for pod in cluster.pods_of("default", "pi") {
        let name = pod["metadata"]["name"].as_str().expect("a name");
        cluster.bind_pod("default", name);
        cluster.run_pod("default", name);
        cluster.write_log("default", name, "pi", "3.14159");
    }
}

/// The files in a folder and below it, with what they have.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            let text = std::fs::read(&path).expect("a file");
            files.push((path.display().to_string(), String::from_utf8_lossy(&text).into_owned()));
        }
    }
    files
}

/// A server may say what it was told, in a message, a header or a warning.
fn quoted() {
    let scene = super::output::own();
    let refusals = [(403, "Forbidden"), (401, "Unauthorized"), (422, "Invalid")];
    for (number, (user, secrets)) in users(&scene).into_iter().enumerate() {
        let mut config = scene.plain();
        for at in 0..2 {
            config["users"][at]["user"] = user.clone();
        }
        scene.config(&config);
        // A server is told neither keys nor the environment of a plugin.
        let told: Vec<_> = secrets.iter().filter(|it| it.len() < 40).cloned().collect();
        let (code, reason) = refusals[number % 3];
        for cluster in [&scene.east.cluster, &scene.west.cluster] {
            let words = told.iter().filter(|it| !it.contains("environment"));
            let words = format!("you say {}", words.cloned().collect::<Vec<_>>().join(", "));
            cluster.on_request(move |_| Verdict::Answer(When::Before, quote(&words, code, reason)));
            for args in [
                &["version", "-v=9"][..],
                &["cluster", "list", "-v=9"],
                &["cluster", "check", "-v=9"],
                &["job", "get"],
                &["job", "recover", "--all", "--yes"],
                &["orphans", "list", "-A"],
            ] {
                keeps(&scene.ours(args).said(), &secrets);
            }
            cluster.clear_hook();
        }
    }
}

fn quote(words: &str, code: u16, reason: &str) -> Response<Bytes> {
    let causes = json!([{"field": words, "message": words}]);
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason, "message": words,
        "details": {"kind": "Job", "name": words, "causes": causes}});
    let mut answer = Response::new(Bytes::from(status.to_string()));
    *answer.status_mut() = http::StatusCode::from_u16(code).expect("a code");
    let header = |text: String| HeaderValue::from_str(&text).expect("a header's value");
    answer.headers_mut().insert("x-told", header(words.to_owned()));
    answer.headers_mut().insert("warning", header(format!("299 - \"{words}\"")));
    answer
}

/// A link to a manifest may have a password, or a signature.
fn addresses() {
    let scene = Scene::new();
    scene.config(&scene.plain());
    let server = super::front::listen(async |mut tcp| {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut request = [0; 4096];
        let size = tcp.read(&mut request).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&request[..size]).into_owned();
        let (code, body) = if text.contains("/gone") { (404, "") } else { (200, "kind: [Job") };
        let head = format!("HTTP/1.1 {code} X\r\ncontent-length: {}\r\n\r\n", body.len());
        let _ = tcp.write_all(format!("{head}{body}").as_bytes()).await;
    });
    for path in ["gone.yaml", "pi.yaml"] {
        let url = format!("http://jane:s3cret-of-url@{server}/{path}?sig=s3cret-of-query");
        for args in [&["job", "create", "-f", &url, "-v=9"][..], &["creat", "-f", &url]] {
            let run = scene.ours(args);
            assert!(!run.ok && run.stderr.contains(path), "{run:#?}");
            keeps(&run.said(), &PLACES.map(str::to_owned));
        }
    }
}
