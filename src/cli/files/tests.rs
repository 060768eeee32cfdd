use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::print::Output;

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    directory
}

fn read(filenames: &[&str], recursive: bool, stdin: &[u8]) -> Result<Vec<Document>> {
    let filenames = filenames.iter().map(ToString::to_string).collect();
    let filenames = Filenames { filenames, recursive, kustomize: None };
    let world = world(stdin, "");
    filenames.read("create", &world).now_or_never().expect("files are read at once")
}

fn world(stdin: &[u8], path: &str) -> World {
    World {
        output: Arc::new(Output::captured().0),
        vars: [("PATH".to_owned(), path.to_owned())].into(),
        stdin: Mutex::new(Box::new(io::Cursor::new(stdin.to_vec()))),
        now: Box::new(jiff::Timestamp::now),
        interrupt: Box::new(|| Box::pin(std::future::pending())),
        left: std::sync::Arc::default(),
        wires: None,
    }
}

fn stdin(text: &str) -> Result<Vec<(String, String)>> {
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    Ok(read(&["-"], false, text.as_bytes())?
        .into_iter()
        .map(|d| (d.source, name(&d.object)))
        .collect())
}

fn refusal(text: &str) -> String {
    read(&["-"], false, text.as_bytes()).expect_err("refused").to_string()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(source, name)| ((*source).to_owned(), (*name).to_owned())).collect()
}

#[test]
fn a_directory_gives_its_manifests_in_order() {
    let files = directory(&[
        ("b.yaml", "kind: B"),
        ("a.json", r#"{"kind": "A"}"#),
        ("c.yml", "kind: C"),
        ("notes.txt", "kind: Notes"),
        ("deep/d.yaml", "kind: D"),
    ]);
    let path = files.path().to_str().expect("UTF-8");
    let kinds = |recursive| {
        let documents = read(&[path], recursive, b"").expect("manifests");
        documents
            .iter()
            .map(|d| d.object["kind"].as_str().unwrap_or("").to_owned())
            .collect::<String>()
    };
    assert_eq!(kinds(false), "ABC");
    assert_eq!(kinds(true), "ABCD");
    let single = files.path().join("notes.txt");
    assert_eq!(
        read(&[single.to_str().expect("UTF-8")], false, b"").expect("named itself").len(),
        1
    );
}

#[test]
fn commas_and_repeats_are_the_same() {
    let files = directory(&[("a.yaml", "kind: A"), ("b.yaml", "kind: B")]);
    let path = |name: &str| files.path().join(name).display().to_string();
    let (a, b) = (path("a.yaml"), path("b.yaml"));
    let apart = read(&[&a, "-", &b], false, b"kind: S").expect("manifests");
    let together = read(&[&format!("{a},-,{b}")], false, b"kind: S").expect("manifests");
    assert_eq!(apart, together);
    assert_eq!(apart.iter().map(|d| d.source.as_str()).collect::<Vec<_>>(), [&a, "STDIN", &b]);
}

#[test]
fn documents_of_a_stream_are_numbered() {
    let text = "\u{feff}# first\nkind: Job\r\nmetadata: {name: a}\r\n---\n---\n# empty\n---\nkind: \
    Job\nmetadata:\n  name: b\n---\n";
    assert_eq!(
        stdin(text).expect("two"),
        pairs(&[("STDIN: document 1", "a"), ("STDIN: document 2", "b")])
    );
}

/// A Job's manifest in flow style.
fn job(name: &str) -> String {
    format!("apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}}}\n")
}

#[test]
fn each_document_may_have_a_byte_order_mark_or_be_in_utf_16() {
    let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        format!("\u{feff}{text}").encode_utf16().flat_map(bytes).collect()
    };
    let encodings = [
        job("pi").into_bytes(),
        format!("\u{feff}{}", job("pi")).into_bytes(),
        utf16(job("pi").trim_end(), u16::to_le_bytes),
        utf16(&job("pi").replace('\n', "\r\n"), u16::to_be_bytes),
    ];
    for first in &encodings {
        for second in &encodings {
            let stream = [first.as_slice(), second.as_slice()].join(&b"\n---\n"[..]);
            let documents = read(&["-"], false, &stream).expect("two Jobs");
            let names = documents.iter().map(|document| &document.object["metadata"]["name"]);
            assert_eq!(names.collect::<Vec<_>>(), ["pi", "pi"], "{stream:?}");
        }
    }
    let json = utf16(r#"{"kind": "Job", "metadata": {"name": "pi"}}"#, u16::to_le_bytes);
    assert_eq!(read(&["-"], false, &json).expect("JSON").len(), 1);
}

#[test]
fn json_may_hold_several_objects() {
    let object = |name: &str| json!({ "kind": "Job", "metadata": { "name": name } }).to_string();
    let two = pairs(&[("STDIN: document 1", "a"), ("STDIN: document 2", "b")]);
    assert_eq!(stdin(&format!("  {}{}\n", object("a"), object("b"))).expect("concatenated"), two);
    assert_eq!(stdin(&format!("{}\n---\n{}\n", object("a"), object("b"))).expect("separated"), two);
    let floats = read(&["-"], false, br#"{"kind": "Job", "spec": {"completions": 1e3}}"#);
    assert_eq!(floats.expect("JSON")[0].object["spec"], json!({ "completions": 1000 }));
    assert_eq!(stdin("{kind: Job, metadata: {name: a},}").expect("YAML"), pairs(&[("STDIN", "a")]));
}

#[test]
fn lists_are_taken_apart() {
    let text = "
kind: List
apiVersion: v1
items:
- kind: Job
  metadata: {name: a}
- kind: JobList
  apiVersion: batch/v1
  items:
  - metadata: {name: b}
";
    let documents = read(&["-"], false, text.as_bytes()).expect("items");
    assert_eq!(documents[0].source, "STDIN: item 1");
    assert_eq!(
        documents[1],
        Document {
            source: "STDIN: item 2: item 1".to_owned(),
            object: json!({ "kind": "Job", "apiVersion": "batch/v1", "metadata": { "name": "b" } }),
        }
    );
    assert_eq!(refusal("kind: List\nitems: []"), "error: no objects passed to create");
}

#[test]
fn errors_name_the_place() {
    assert_eq!(
        refusal("kind: Job\nspec: [a"),
        "error: error parsing STDIN: error converting YAML to JSON: \
         unclosed bracket '[' at line 2, column 7"
    );
    assert_eq!(
        refusal("{\"kind\": \"Job\"\n \"spec\": 1}"),
        "error: error parsing STDIN: invalid JSON: expected `,` or `}` at line 2 column 2"
    );
    assert_eq!(refusal(""), "error: no objects passed to create");
    assert_eq!(refusal("---\n# nothing\n"), "error: no objects passed to create");
    assert_eq!(refusal("a: 1"), "error: unable to decode \"STDIN\": Object 'Kind' is missing");
    assert_eq!(
        refusal("just text"),
        "error: unable to decode \"STDIN\": a document must be an object with apiVersion and kind"
    );
}

#[test]
fn what_cannot_be_read_is_one_clear_error() {
    let error =
        |filenames: &[&str], stdin: &[u8]| read(filenames, false, stdin).expect_err("refused");
    assert_eq!(
        error(&["no/x.yaml"], b"").to_string(),
        "error: the path \"no/x.yaml\" does not exist"
    );
    assert_eq!(error(&[], b"").to_string(), "error: must specify one of -f and -k");
    assert_eq!(
        error(&["-", "-"], b"kind: A").to_string(),
        "error: standard input cannot be used for multiple arguments"
    );
    assert_eq!(
        error(&["-"], b"kind: \xff").to_string(),
        "error: error parsing STDIN: it is not text in UTF-8"
    );
    let large = vec![b'#'; MAX_BYTES as usize + 1];
    assert_eq!(error(&["-"], &large).to_string(), "error: STDIN is larger than 16 MiB");
    let files = directory(&[("notes.txt", "")]);
    let path = files.path().to_str().expect("UTF-8");
    assert_eq!(
        error(&[path], b"").to_string(),
        format!("error: error reading [{path}]: recognized file extensions are [.json .yaml .yml]")
    );
}

/// Reads what a program that stands for kubectl makes of a directory.
async fn kustomize(script: &str) -> Result<Vec<Document>> {
    use std::os::unix::fs::PermissionsExt as _;

    let files = directory(&[("kubectl", &format!("#!/bin/sh\n{script}\n"))]);
    let program = files.path().join("kubectl");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a program");
    let world = world(b"", &format!("{}:/bin:/usr/bin", files.path().display()));
    let kustomize = Some("overlays/prod".to_owned());
    Filenames { kustomize, ..Filenames::default() }.read("create", &world).await
}

#[tokio::test]
async fn kubectl_builds_a_kustomization() {
    let script = r#"[ "$*" = "kustomize -- overlays/prod" ] && echo '{kind: Job}'"#;
    let documents = kustomize(script).await.expect("a Job");
    let source = "kustomize overlays/prod".to_owned();
    assert_eq!(documents, [Document { source, object: json!({ "kind": "Job" }) }]);
    let error = kustomize("echo 'error: no kustomization.yaml' >&2; exit 1").await;
    assert_eq!(
        error.expect_err("it failed").to_string(),
        "error: kubectl kustomize overlays/prod failed: no kustomization.yaml"
    );
    let error = kustomize("head -c 17000000 /dev/zero").await.expect_err("it is too much");
    assert_eq!(error.to_string(), "error: kustomize overlays/prod makes more than 16 MiB");
}

#[tokio::test]
async fn without_kubectl_there_is_no_kustomization() {
    let filenames = Filenames { kustomize: Some(".".to_owned()), ..Filenames::default() };
    let error = filenames.read("create", &world(b"", "/nowhere")).await.expect_err("no kubectl");
    assert_eq!(error.to_string(), "error: -k needs kubectl, which is not on the PATH");
}
