//! A shell that reads command lines as users paste them. Its `kubectl` hands `kubectl federate` on
//! to the product, and carries out the few other commands that hints name.

use std::{fs, process::Command};

use serde_json::{Value, json};

use crate::stage::Stage;

/// Writes its arguments, each with a NUL after it, and a line feed after the last.
const KUBECTL: &str = "printf '%s\\0' \"$@\" >>\"$CALLS\"\necho >>\"$CALLS\"\n";

/// The exit code of a command that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// The words of each call of kubectl that a shell makes of a line.
fn calls(stage: &Stage, line: &str) -> Vec<Vec<String>> {
    stage.write("bin/kubectl", KUBECTL);
    stage.write("calls", "");
    // A shell reads it. To execute what was just written may fail: a process that another test has
    // begun meanwhile may hold it open.
    let script = format!("kubectl() {{ sh \"$SCRIPT\" \"$@\"; }}\n{line}");
    let status = Command::new("sh")
        .args(["-euc", &script])
        .env("SCRIPT", stage.path("bin/kubectl"))
        .env("CALLS", stage.path("calls"))
        .status()
        .expect("there is a shell");
    assert!(status.success(), "the shell does not understand {line}");
    let calls = fs::read_to_string(stage.path("calls")).expect("it was written");
    let words = |call: &str| call.split_terminator('\0').map(str::to_owned).collect::<Vec<_>>();
    let calls: Vec<_> = calls.split_terminator("\0\n").map(words).collect();
    assert!(!calls.is_empty(), "{line}");
    calls
}

/// Runs a line, which must succeed. Gives what the last call printed.
pub async fn run(stage: &mut Stage, line: &str) -> (u8, String, String) {
    let said = run_any(stage, line, None).await;
    assert_eq!(said.0, 0, "{line}\n{}\n{}", said.1, said.2);
    said
}

/// Runs a line that may last until Ctrl-C.
pub async fn run_interrupted(stage: &mut Stage, line: &str) {
    let said = run_any(stage, line, None).await;
    assert!([0, INTERRUPTED].contains(&said.0), "{line}\n{}\n{}", said.1, said.2);
}

/// Runs a line, which must succeed, and answers what it asks.
pub async fn run_answering(stage: &mut Stage, line: &str, answer: &str) {
    let said = run_any(stage, line, Some(answer)).await;
    assert_eq!(said.0, 0, "{line}\n{}\n{}", said.1, said.2);
}

async fn run_any(stage: &mut Stage, line: &str, answer: Option<&str>) -> (u8, String, String) {
    let mut said = (0, String::new(), String::new());
    for call in calls(stage, line) {
        assert_eq!(said.0, 0, "{line}\n{}\n{}", said.1, said.2);
        match call.split_first() {
            Some((first, rest)) if first == "federate" => {
                let quoted: Vec<_> = rest.iter().map(|word| format!("'{word}'")).collect();
                said = stage.run_exactly(&quoted.join(" "), answer).await;
            }
            _ => kubectl(stage, &call).await,
        }
    }
    said
}

/// Carries out one command of kubectl.
async fn kubectl(stage: &Stage, call: &[String]) {
    let flag = |name: &str| call.iter().find_map(|word| word.strip_prefix(name));
    let words: Vec<_> = call.iter().filter(|word| !word.starts_with("--")).collect();
    let words: Vec<_> = words.iter().map(|word| word.as_str()).collect();
    let context = flag("--context=").unwrap_or("east");
    let jobs = flag("--namespace=").map(|ns| format!("/apis/batch/v1/namespaces/{ns}/jobs"));
    let job = |name: &str| format!("{}/{name}", jobs.as_deref().expect("a namespace is given"));
    match words.as_slice() {
        ["config", "get-contexts", "-o", "name"] => {}
        ["create", "namespace", name] => {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": name}});
            stage.request(context, "POST", "/api/v1/namespaces", Some(&namespace)).await;
        }
        ["delete", "job", name] => {
            stage.request(context, "DELETE", &job(name), None).await;
        }
        ["delete", "jobs"] => {
            let selector = flag("--selector=").expect("which jobs").replace('=', "%3D");
            let list = format!("{}?labelSelector={selector}", jobs.as_deref().expect("where"));
            let list = stage.request(context, "GET", &list, None).await;
            let items = list["items"].as_array().cloned().unwrap_or_default();
            assert!(!items.is_empty(), "No resources found");
            for item in items {
                let name = item["metadata"]["name"].as_str().unwrap_or_default();
                stage.request(context, "DELETE", &job(name), None).await;
            }
        }
        ["patch", "job", name] => {
            let patch: Value =
                serde_json::from_str(flag("--patch=").expect("a patch")).expect("a patch is JSON");
            stage.request(context, "PATCH", &job(name), Some(&patch)).await;
        }
        // Tests name workloads after the uids of their Jobs.
        ["patch", "workload", uid] => {
            assert_eq!(flag("--patch="), Some(r#"{"spec":{"active":true}}"#));
            stage.cluster(context).activate(uid, true);
        }
        ["label", "job", name, labels @ ..] => {
            assert!(call.iter().any(|word| word == "--overwrite"), "{call:?}");
            let pairs = labels.iter().map(|label| label.split_once('=').expect("KEY=VALUE"));
            let labels: Value = pairs
                .map(|(key, value)| (key.to_owned(), value.into()))
                .collect::<serde_json::Map<_, Value>>()
                .into();
            let patch = json!({"metadata": {"labels": labels}});
            stage.request(context, "PATCH", &job(name), Some(&patch)).await;
        }
        _ => panic!("this kubectl does not know {call:?}"),
    }
    stage.cluster(context).settle();
}
