//! How verbs that read print objects: formats, orders, labels and selectors.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode};
use libtest_mimic::Failed;
use serde_json::{Value, json};
use sim::{Cluster, RequestInfo, Server, User, Verdict, When};
use tokio::runtime::Runtime;

use crate::{
    machine::{Machine, TOKEN, text},
    stage::Stage,
};

/// What the formats and flags print.
pub async fn formats(snapshot: String) {
    let mut stage = Stage::federation().await;
    stage.types("job get -o custom-columns=NAME:.metadata.name").await;
    stage.types("job get --ignore-not-found -o json").await;
    let pi = std::fs::read_to_string("pi.yaml").expect("it is there");
    for (name, labels) in [("pi", ""), ("tau", "  labels: {team: math}\n"), ("phi", "")] {
        let name = format!("  name: {name}\n{labels}");
        stage.write("job.yaml", &pi.replace("  name: pi\n", &name));
        stage.pass(Duration::from_mins(1));
        stage.quietly("job create -f ~/job.yaml").await;
    }
    stage.write("columns.txt", "NAME DONE\n.metadata.name .status.succeeded\n");
    stage.write("path.txt", "{range .items[*]}{.metadata.name}{\"\\n\"}{end}");
    for command in [
        "job get -o 'jsonpath={range .items[*]}{.metadata.name}{\"\\n\"}{end}'",
        "job get -o jsonpath-file=~/path.txt",
        "job get pi -o jsonpath-as-json={.spec.completions}",
        "job get -o custom-columns=NAME:.metadata.name,TEAM:.metadata.labels.team",
        "job get --no-headers -o custom-columns=NAME:.metadata.name,DONE:.status.succeeded",
        "job get -o custom-columns-file=~/columns.txt",
        "job get -L team,example.com/none",
        "job get -o wide --show-labels --no-headers",
        "job get --sort-by=.metadata.creationTimestamp",
        "job get --sort-by=metadata.name -o name",
        "job get --sort-by=.spec.none",
        "job get --sort-by=.spec.none[",
        "job get --sort-by='{.x' -o name",
        "job get --field-selector=metadata.name!=pi -o name",
        "job get --field-selector=status.successful=3",
        "job get --field-selector=spec.completions=18 -l team",
        "job get pi --field-selector=metadata.name=pi",
        "job get nothing --ignore-not-found",
        "job get pi nothing --ignore-not-found -o name",
        "job get -l team=none --ignore-not-found",
        "job get --chunk-size=2 -o name",
        "job get --show-labels -o json",
        "job get -L team -o custom-columns=A:.b",
        "job get pi -o 'jsonpath={.spec.completions[1]}'",
        "job get pi -o jsonpath={.none",
        "job get pi -o 'jsonpath={.none}' --allow-missing-template-keys=false",
        "job get pi -o jsonpath",
        "job get pi -o custom-columns",
        "job get pi -o custom-columns=A",
        "job get pi -o jsonpath-file=no-such-file",
        "job get pi --template={{.kind}}",
        "job get pi -o json=x",
    ] {
        stage.types(command).await;
    }
    stage.about("clusters").quietly("cluster label west region=eu").await;
    for command in [
        "cluster list -o custom-columns=NAME:.metadata.name,UID:.spec.uid --sort-by=.metadata.name",
        "cluster list -L region --sort-by=.spec.weight",
        "cluster list --show-labels --no-headers",
        "cluster check -o 'jsonpath={.items[*].metadata.name}{\"\\n\"}'",
        "orphans list -o custom-columns=NAME:.metadata.name",
        "orphans list --field-selector=spec.x=1",
    ] {
        stage.types(command).await;
    }
    stage.end(&snapshot);
}

/// What verbs that change Jobs print with `-o`.
pub async fn changed(snapshot: String) {
    let mut stage = Stage::federation().await;
    for command in [
        "job create -f several --dry-run=client -o name",
        "job create -f pi.yaml -o yaml",
        "job create -f several --dry-run=client -o kyaml",
        "job apply -f pi.yaml -o name",
        "job apply -f several -o 'jsonpath={.items[*].metadata.name}{\"\\n\"}'",
        "job scale pi --parallelism=3 -o 'jsonpath={.spec.parallelism}{\"\\n\"}'",
        "job suspend pi phi -o name",
        "job suspend pi nothing -o yaml",
        "job resume pi -o wide",
        "job patch pi -p '{\"spec\":{\"backoffLimit\":2}}' -o json",
        "job patch pi -p '{\"spec\":{\"backoffLimit\":2}}' -o custom-columns=A:.b",
        "job delete pi nothing -o name --cascade=background",
        "job delete phi -o yaml",
        "job delete --all -A --dry-run=client --cascade",
    ] {
        stage.types(command).await;
    }
    stage.end(&snapshot);
}

/// Lines that are typed with `kubectl get jobs` and with `kubectl federate job get`. Templates come
/// after a blank that is a tab here. Where a table has no such order, kubectl says that there are no
/// resources; we say what is wrong.
const LINES: [&str; 46] = [
    "-o json",
    "-o yaml",
    "-o kyaml",
    "-o KYAML --sort-by=.metadata.name",
    "pi -o kyaml",
    "-o name",
    "-o\tjsonpath={.items[*].metadata.name}",
    "-o\tjsonpath={range .items[*]}{.metadata.name}{\"\\t\"}{.spec}{\"\\n\"}{end}",
    "-o\tjsonpath-as-json={.items[*].status}",
    "-o\tjsonpath={.items[9]}",
    "-o jsonpath={",
    "-o jsonpath",
    "-o x",
    "-o\tcustom-columns=NAME:.metadata.name,LABELS:.metadata.labels,COUNT:.spec.completions",
    "-o\tcustom-columns=NAME:metadata.name,C:{.spec.template.spec.containers[*].name},X:.none",
    "--no-headers -o custom-columns=NAME:.metadata.name,KIND:kind",
    "-o custom-columns=NAME:.metadata.name,BAD:.x[",
    "-o custom-columns=NAME:.metadata.name,BAD:.metadata.name[0]",
    "-o custom-columns=NAME",
    "-o custom-columns=NAME:{x",
    "-o custom-columns=",
    "-o\tgo-template={{range .items}}{{.metadata.name}} {{end}}",
    "-o\tgo-template={{.none}}",
    "-o\tgo-template={{.none.none.none}}",
    "-o go-template={{",
    "--template={{.kind}}",
    "-o\tjsonpath --template={.kind}",
    "-o jsonpath={.none} --allow-missing-template-keys=false",
    "-o name --sort-by=.metadata.name",
    "-o name --sort-by={.metadata.name}",
    "-o name --sort-by=spec.completions",
    "-o name --sort-by=.metadata.labels.rank",
    "-o name --sort-by=.metadata.labels.team",
    "-o name --sort-by=.none",
    "-o name --sort-by={.x",
    "-o name --sort-by=.x[",
    "-o json --sort-by=.metadata.name",
    "--show-labels -o json",
    "-L team -o custom-columns=A:.b",
    "pi -o json",
    "pi -o\tjsonpath={.metadata.name} {.spec.completions}",
    "pi -o custom-columns=NAME:.metadata.name",
    "pi tau -o\tjsonpath={.items[*].metadata.name}",
    "nothing -o json",
    "nothing --ignore-not-found -o json",
    "pi nothing -o name",
];

/// The words of a line. What follows a tab is one.
fn words(line: &str) -> Vec<&str> {
    match line.split_once('\t') {
        Some((before, template)) if !template.starts_with("jsonpath --") => {
            before.split_whitespace().chain([template]).collect()
        }
        _ => line.split_whitespace().collect(),
    }
}

/// The same lines print the same bytes, and end with the same code, where kubectl gets the objects
/// that we print.
pub fn beside_kubectl() -> Result<(), Failed> {
    let kubectl = real::available(real::Version::NEWEST)?.kubectl();
    let machine = Machine::federation()?;
    let pi = std::fs::read_to_string("pi.yaml")?;
    for (name, rank, completions) in [("pi", "10", 18), ("tau", "9", 6), ("a-longer-name", "x", 12)]
    {
        let labels = format!("  name: {name}\n  labels: {{rank: \"{rank}\", team: math}}\n");
        let manifest = pi.replace("  name: pi\n", &labels);
        let spec = format!("  suspend: true\n  completions: {completions}\n");
        let manifest = manifest.replace("  completions: 18\n", &spec);
        let file = machine.path("job.yaml");
        std::fs::write(&file, manifest)?;
        machine.succeeds(&format!("job create -f {}", file.display()))?;
    }
    let objects = at_rest(&machine)?;
    let runtime = Runtime::new()?;
    let server = runtime.block_on(serving(objects))?;
    std::fs::write(machine.path("beside"), sim::kubeconfig([&server]))?;
    let folder = kubectl.parent().ok_or("a binary is in a folder")?.to_owned();
    for line in LINES {
        let theirs = run_kubectl(&kubectl, &machine, &words(line))?;
        let ours = machine.command("job get").args(words(line)).env("PATH", &folder).output()?;
        let told =
            |output: &Output| (output.status.code(), text(&output.stdout), text(&output.stderr));
        assert_eq!(told(&ours), told(&theirs), "{line}");
    }
    Ok(())
}

fn run_kubectl(kubectl: &Path, machine: &Machine, words: &[&str]) -> std::io::Result<Output> {
    Command::new(kubectl)
        .args(["get", "jobs"])
        .args(words)
        .env_clear()
        .env("HOME", machine.path(""))
        .env("KUBECONFIG", machine.path("beside"))
        .stdin(Stdio::null())
        .output()
}

/// The Jobs once nothing changes any more.
fn at_rest(machine: &Machine) -> Result<Vec<Value>, Failed> {
    let mut before = Value::Null;
    for _ in 0..60 {
        let list = machine.succeeds("job get -o json")?;
        let list: Value = serde_json::from_slice(&list.stdout)?;
        if list == before {
            return Ok(list["items"].as_array().ok_or("no list")?.clone());
        }
        before = list;
        std::thread::sleep(Duration::from_secs(1));
    }
    Err("the jobs do not come to rest".into())
}

/// An API server that has these Jobs and no others.
async fn serving(jobs: Vec<Value>) -> std::io::Result<Server> {
    let cluster = Cluster::builder("beside").user(User::admin("admin", TOKEN)).build();
    cluster.on_request(move |info| {
        if info.resource != "jobs" || info.verb.starts_with("watch") {
            return Verdict::Pass;
        }
        let (status, answer) = answer(info, &jobs);
        let mut response = Response::new(Bytes::from(answer.to_string()));
        *response.status_mut() = status;
        let json = http::HeaderValue::from_static("application/json");
        response.headers_mut().insert(http::header::CONTENT_TYPE, json);
        Verdict::Answer(When::Before, response)
    });
    cluster.serve().await
}

fn answer(info: &RequestInfo, jobs: &[Value]) -> (StatusCode, Value) {
    let named = jobs.iter().find(|job| job["metadata"]["name"] == *info.name);
    if info.accept.contains("as=Table") {
        let rows =
            jobs.iter().filter(|job| info.name.is_empty() || job["metadata"]["name"] == *info.name);
        let rows = rows.map(|job| json!({"cells": [job["metadata"]["name"]], "object": job}));
        return (
            StatusCode::OK,
            json!({
                "kind": "Table", "apiVersion": "meta.k8s.io/v1",
                "metadata": {"resourceVersion": "1"},
                "columnDefinitions": [{"name": "Name", "type": "string", "format": "name"}],
                "rows": rows.collect::<Vec<_>>(),
            }),
        );
    }
    match named {
        Some(job) => (StatusCode::OK, job.clone()),
        None if info.name.is_empty() => (
            StatusCode::OK,
            json!({
                "kind": "JobList", "apiVersion": "batch/v1", "metadata": {"resourceVersion": "1"},
                "items": jobs,
            }),
        ),
        None => (
            StatusCode::NOT_FOUND,
            json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": format!("jobs.batch {:?} not found", info.name), "reason": "NotFound",
                "details": {"name": info.name, "group": "batch", "kind": "jobs"}, "code": 404,
            }),
        ),
    }
}
