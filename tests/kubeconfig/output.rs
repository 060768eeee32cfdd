//! What is told, and what never is.

use std::os::unix::fs::PermissionsExt as _;

use bytes::Bytes;
use http::Response;
use libtest_mimic::Trial;
use serde_json::json;
use sim::{Verdict, When};

use super::scene::Scene;

pub fn trials() -> Vec<Trial> {
    super::trials(&[
        ("output: -v=6 tells of each request what kubectl's does", requests),
        ("output: a warning is shown once with the cluster's name", warnings),
        ("output: control bytes do not come through", control_bytes),
        ("output: what we write is its owner's alone", modes),
        ("output: requests say who we are", agent),
    ])
}

fn requests() {
    let scene = Scene::new();
    scene.config(&scene.plain());
    let line = format!("GET {}/version", scene.east.url());
    for level in ["-v=6", "-v=7", "-v=8", "-v=9"] {
        let kubectl = scene.kubectl(&["get", "--raw=/version", level]);
        let ours = scene.ours(&["version", level]);
        assert!(kubectl.ok && ours.ok, "{kubectl:#?} {ours:#?}");
        assert!(ours.stderr.contains(&line), "{level}: {ours:#?}");
        let told = ours.stderr.lines().find(|text| text.contains(&line)).expect("it was found");
        assert!(told.contains("200 OK in ") && told.contains("milliseconds"), "{told}");
        let count = ours.stderr.lines().filter(|text| text.contains("200 OK in ")).count();
        assert_eq!(count, ours.arrived.len(), "{ours:#?}");
    }
    for args in [&["version"][..], &["version", "-v=5"], &["version", "-v=0"]] {
        let ours = scene.ours(args);
        assert_eq!(ours.stderr, "", "{args:?}");
    }
    // Headers from 7 on, those of answers and bodies from 8 on, as kubectl has it.
    for (level, headers, bodies) in
        [("-v=6", false, false), ("-v=7", true, false), ("-v=8", true, true), ("-v=9", true, true)]
    {
        let ours = scene.ours(&["version", level]).stderr.to_lowercase();
        let kubectl = scene.kubectl(&["get", "--raw=/version", level]).stderr.to_lowercase();
        for told in [&ours, &kubectl] {
            assert_eq!(told.contains("user-agent"), headers, "{level}: {told}");
            assert_eq!(told.contains("content-type"), bodies, "{level}: {told}");
        }
        // kubectl has no body to tell of a raw answer.
        assert_eq!(ours.contains("gitversion"), bodies, "{level}: {ours}");
        // Of what we do, and not of what libraries do.
        assert!(ours.lines().all(|line| line.contains("z [east] ")), "{level}: {ours}");
    }
    let ours = scene.ours(&["version", "-v=6", "--server=https://127.0.0.1:1"]);
    assert!(ours.stderr.contains("GET https://127.0.0.1:1/"), "{ours:#?}");
    assert!(!ours.stderr.contains("Os {") && !ours.stderr.contains("Error("), "{ours:#?}");
}

/// Clusters of its own, for a scene whose servers are told how to answer; both are hosts, and
/// `west` is a member.
pub fn own() -> Scene {
    let (east, west) = (sim::Cluster::new("east"), sim::Cluster::new("west"));
    let scene = Scene::on(&east, &west);
    scene.config(&scene.plain());
    for args in [&["init"][..], &["cluster", "register", "west"]] {
        let run = scene.ours(args);
        assert!(run.ok, "{run:#?}");
    }
    scene
}

fn warnings() {
    let scene = own();
    let says =
        |text: &'static str| move |_: &sim::RequestInfo| Verdict::Warn(vec![text.to_owned()]);
    scene.east.cluster.on_request(says("this API is old"));
    scene.west.cluster.on_request(says("this API is \"old\" too"));
    let kubectl = scene.kubectl(&["get", "configmaps", "-A"]);
    assert_eq!(kubectl.stderr.matches("Warning: this API is old\n").count(), 1, "{kubectl:#?}");
    let ours = scene.ours(&["cluster", "list"]);
    assert!(ours.ok && ours.arrived.len() > 3, "{ours:#?}");
    let mut lines: Vec<_> = ours.stderr.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        ["Warning: [east] this API is old", "Warning: [west] this API is \"old\" too"]
    );
    // The same words from two clusters are two warnings.
    scene.west.cluster.on_request(says("this API is old"));
    let ours = scene.ours(&["cluster", "list"]);
    assert_eq!(ours.stderr.lines().count(), 2, "{ours:#?}");
}

/// The text as a terminal gets it: what may move its cursor or change its colour.
fn harmful(said: &str) -> bool {
    said.chars().any(|c| c.is_control() && c != '\n')
}

fn control_bytes() {
    let scene = own();
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[2J\r\u{8}\u{9b}31m";
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403, "reason": "Forbidden",
        "message": format!("no {evil}"),
    })
    .to_string();
    let evil_reason = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 418, "reason": evil,
        "message": evil, "details": {"kind": evil, "name": evil, "causes": [{"field": evil, "message": evil}]},
    })
    .to_string();
    let version = json!({"gitVersion": format!("v1{evil}")}).to_string();
    let answer = |code: u16, text: &str| {
        let mut response = Response::new(Bytes::from(text.to_owned()));
        *response.status_mut() = http::StatusCode::from_u16(code).expect("a code");
        response
    };
    let answers = [
        answer(403, &status),
        answer(418, &evil_reason),
        answer(200, &version),
        answer(200, evil),
        answer(502, evil),
    ];
    for response in answers {
        for (place, cluster) in [("host", &scene.east.cluster), ("member", &scene.west.cluster)] {
            let told = response.clone();
            cluster.on_request(move |info| {
                let only_versions = told.status() == 200 && info.path != "/version";
                if only_versions {
                    Verdict::Pass
                } else {
                    Verdict::Answer(When::Before, told.clone())
                }
            });
            for args in [
                &["cluster", "list"][..],
                &["version", "-v=9"],
                &["cluster", "list", "-o", "json"],
                &["job", "get", "-v=8"],
            ] {
                let run = scene.ours(args);
                assert!(!harmful(&run.said()), "{place}, {args:?}: {run:#?}");
            }
            cluster.clear_hook();
        }
    }
    // A warning's header may hold any byte but line feeds.
    scene.east.cluster.on_request(|_| {
        let mut response = Response::new(Bytes::from_static(br#"{"gitVersion":"v1"}"#));
        let warning = http::HeaderValue::from_bytes("299 - \"a\tb \u{9b}31m\"".as_bytes())
            .expect("a header's value");
        response.headers_mut().append("warning", warning);
        Verdict::Answer(When::Before, response)
    });
    let run = scene.ours(&["version", "-v=9"]);
    assert!(
        run.stderr.contains("Warning: ") && !harmful(&run.said().replace('\t', "")),
        "{run:#?}"
    );
}

fn modes() {
    let scene = own();
    let folder = scene.path("home/.kube");
    let mode = |name: &str| {
        let path = format!("{folder}/{name}");
        std::fs::metadata(&path)
            .unwrap_or_else(|error| panic!("{path}: {error}"))
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode("federate.yaml"), 0o600);
    // One that others could read is theirs no more once it is written again.
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(format!("{folder}/federate.yaml"), open).expect("it is ours");
    let run = scene.ours(&["init", "--context=west"]);
    assert!(run.ok, "{run:#?}");
    assert_eq!(mode("federate.yaml"), 0o600);
    let names = std::fs::read_dir(&folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
    names.sort();
    assert_eq!(names, ["config", "federate.yaml"], "nothing else is left in the folder");
}

fn agent() {
    let scene = Scene::new();
    scene.config(&scene.plain());
    let run = scene.ours(&["cluster", "list"]);
    let ours = concat!("kubectl-federate/", env!("CARGO_PKG_VERSION"));
    assert!(
        run.ok && run.arrived.iter().all(|arrived| arrived.agent.starts_with(ours)),
        "{run:#?}"
    );
}
