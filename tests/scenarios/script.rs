//! A CI script of kubectl lines over Jobs: once as it is, on one cluster, and once with `kubectl
//! federate job` in place of `kubectl` and its `job` operands, over three. Both print the same on
//! stdout, and fail with the same words and codes.

use std::process::Stdio;

use libtest_mimic::Failed;
use serde_json::json;
use tokio::process::Command;

use crate::scenarios::{Outcome, Scenarios};
use crate::site::Site;
use crate::stage::{Stage, job};

pub fn scenarios() -> Scenarios {
    Scenarios::of("script")
        .newest("a script of kubectl lines over jobs runs unchanged over clusters", script)
}

/// The lines after `kubectl`, one word in single quotes each where it has blanks.
const LINES: [&str; 30] = [
    "create -f pi.yaml",
    "create job hello --image=busybox --dry-run=client -o yaml -- echo 'hello world'",
    "create job hello --image=busybox -- echo hello",
    "create job hello --image=busybox -- echo hello",
    "get job pi -o jsonpath={.spec.parallelism}/{.spec.completions}",
    "get jobs -o custom-columns=NAME:.metadata.name,IMAGE:.spec.template.spec.containers[*].image",
    "get jobs -l team=math -o name",
    "get job nothing",
    "get job nothing --ignore-not-found",
    "patch job pi --type=merge -p {\"metadata\":{\"labels\":{\"step\":\"two\"}}} -o name",
    "wait job pi --for=create",
    "wait job/pi --for=condition=complete --timeout=0",
    PODS_SUCCEED,
    "wait job/pi --for=condition=complete --timeout=1m",
    "wait job -l step=two --for=condition=complete -o name",
    "get job pi -o jsonpath={.status.succeeded}",
    "get job pi -o 'jsonpath={.status.conditions[?(@.type==\"Complete\")].status}'",
    "get jobs --field-selector=status.successful=3 -o custom-columns=DONE:.status.succeeded",
    "logs job/pi --all-pods --tail=1",
    "logs job/nothing",
    "apply -f late.yaml -o name",
    "get jobs --field-selector=metadata.name!=pi --sort-by=.metadata.name -o name",
    "delete job -l step=two --cascade=background",
    "delete job pi --cascade=background",
    "delete job pi --cascade=background --ignore-not-found",
    "delete -f late.yaml --cascade=foreground --timeout=1m",
    "delete jobs --field-selector=metadata.name=hello --cascade=background -o name",
    "delete jobs --all --cascade=background",
    "get jobs",
    "get jobs -o jsonpath={.items[*].metadata.name}",
];

/// In place of a line: the pods of `pi` write a line each, and succeed.
const PODS_SUCCEED: &str = "";

/// What a line came to.
type Said = (Option<i32>, String, String);

async fn script(stage: &Stage) -> Outcome {
    let mut pi = job("pi", Some(3), Some(3));
    pi["metadata"]["labels"] = json!({"team": "math"});
    stage.write("pi.yaml", &pi)?;
    stage.write("late.yaml", &job("late", Some(1), Some(1)))?;
    let config = std::fs::read_to_string(stage.path("kubeconfig"))?;
    let mut config: serde_json::Value = serde_json::from_str(&config)?;
    config["current-context"] = "west".into();
    stage.write("west", &config)?;
    let west = [(stage.site("west"), 3)];
    let expected = run(stage, ("west", &west), |words| words).await?;
    let members: Vec<_> = stage.members().map(|site| (site, 1)).collect();
    let printed = run(stage, ("kubeconfig", &members), with_the_plugin).await?;
    for ((line, expected), printed) in LINES.iter().zip(&expected).zip(&printed) {
        if !line.starts_with("logs job/pi") {
            assert_eq!(printed, expected, "{line}");
            continue;
        }
        // Pods have names of their own.
        assert_eq!(texts(printed), texts(expected), "{line}");
        assert_eq!(texts(printed), ["done"; 3], "{line}");
    }
    Ok(())
}

/// The lines of logs without their pods.
fn texts((_, stdout, _): &Said) -> Vec<&str> {
    stdout
        .lines()
        .filter_map(|line| Some(line.split_once("pod/pi-")?.1.split_once("] ")?.1))
        .collect()
}

/// Runs all lines on the clusters of a kubeconfig, in which so many pods of `pi` run.
async fn run(
    stage: &Stage,
    (kubeconfig, sites): (&str, &[(&Site, usize)]),
    written: impl Fn(Vec<String>) -> Vec<String>,
) -> Result<Vec<Said>, Failed> {
    let mut all = Vec::new();
    for line in LINES {
        if line == PODS_SUCCEED {
            for (site, pods) in sites {
                site.run("pi", *pods).await?;
                for pod in site.live_pods("pi").await? {
                    site.write(&pod, "begun");
                    site.write(&pod, "done");
                }
                site.succeed("pi", *pods).await?;
            }
            all.push((None, String::new(), String::new()));
            continue;
        }
        all.push(kubectl(stage, kubeconfig, written(words(line))).await?);
    }
    Ok(all)
}

/// The words of a line.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    let words = parts.flat_map(|(n, part)| match n % 2 {
        1 => vec![part.to_owned()],
        _ => part.split_whitespace().map(str::to_owned).collect(),
    });
    words.collect()
}

/// The line with the plugin's name in place of kubectl's `job` operand.
fn with_the_plugin(words: Vec<String>) -> Vec<String> {
    let (verb, operands) = words.split_first().expect("a verb");
    let mut operands = operands.to_vec();
    match operands[0].as_str() {
        "job" | "jobs" => drop(operands.remove(0)),
        operand => {
            if let Some(name) = operand.strip_prefix("job/") {
                let name = name.to_owned();
                operands[0] = name;
            }
        }
    }
    let plugin = ["federate", "job", verb].map(str::to_owned);
    plugin.into_iter().chain(operands).collect()
}

/// Runs kubectl. What it says on stderr counts where it fails, without our hints.
async fn kubectl(stage: &Stage, kubeconfig: &str, words: Vec<String>) -> Result<Said, Failed> {
    let kubectl = real::available(real::Version::NEWEST)?.kubectl();
    let plugin = std::path::Path::new(env!("CARGO_BIN_EXE_kubectl-federate"));
    let folders = [plugin, &kubectl].map(|file| file.parent().unwrap_or(file));
    let words = words.into_iter().map(|word| {
        if std::path::Path::new(&word).extension().is_some_and(|it| it == "yaml") {
            stage.path(&word).into_os_string()
        } else {
            word.into()
        }
    });
    let output = Command::new(&kubectl)
        .args(words)
        .env_clear()
        .env("PATH", std::env::join_paths(folders)?)
        .env("HOME", stage.path(""))
        .env("KUBECONFIG", stage.path(kubeconfig))
        .env("KUBECTL_FEDERATE_CONFIG", stage.path("federate.yaml"))
        .stdin(Stdio::null())
        .output()
        .await?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let stderr = text(&output.stderr);
    let why = stderr.lines().filter(|line| !line.starts_with("hint: ")).collect::<Vec<_>>();
    let why = if output.status.success() { String::new() } else { why.join("\n") };
    Ok((output.status.code(), text(&output.stdout), why))
}
