//! Command lines that are typed once with kubectl and its `job` operands, on one cluster, and once
//! with the plugin, over three. They print the same, and end with the same code.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use libtest_mimic::Failed;
use sim::{Cluster, Kubelet, User};
use tokio::runtime::Runtime;

use crate::machine::{Machine, TOKEN, text};

/// What differs: the words before the operands, in kubectl's line and in ours.
type Verb = (&'static str, &'static str);

const CREATE: Verb = ("create job", "job create");

/// What is compared of what a command says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// All of it.
    All,
    /// What it prints on stdout: on stderr we say how the Job is divided.
    Stdout,
}

/// Lines, of which a word with blanks comes after a tab.
const LINES: [(Verb, &str, Said); 17] = [
    (CREATE, "a --image=x --dry-run=client", Said::Stdout),
    (CREATE, "a --image=x --dry-run=client -o yaml", Said::Stdout),
    (
        CREATE,
        "a --image=x -n work --dry-run=client -o yaml -- sh -c\techo 'hi there'",
        Said::Stdout,
    ),
    (CREATE, "--image=x a.b --dry-run=client -oyaml -- -x", Said::Stdout),
    (CREATE, "a --image=x --dry-run=client -o name", Said::Stdout),
    (
        CREATE,
        "a --image=x --dry-run=client -o\tjsonpath={.spec.template.spec}{\"\\n\"}",
        Said::Stdout,
    ),
    (CREATE, "a", Said::All),
    (CREATE, "a b --image=x", Said::All),
    (CREATE, "--image=x -- a b", Said::All),
    (CREATE, "a --image=x b -- c", Said::All),
    (CREATE, "a --image=", Said::All),
    (CREATE, "a --image=x --from=cronjob/b", Said::All),
    (CREATE, "a --from=cronjob/b -- date", Said::All),
    (CREATE, "a --image=x --dry-run=client -o wide", Said::All),
    (CREATE, "a --image=x --restart=Never", Said::All),
    (CREATE, "a --image", Said::All),
    (CREATE, "a --image=x -n none --dry-run=client", Said::Stdout),
];

/// The words of a line. What follows a tab is one.
fn words(line: &str) -> Vec<&str> {
    let (before, last) = line.split_once('\t').map_or((line, None), |(a, b)| (a, Some(b)));
    before.split_whitespace().chain(last).collect()
}

/// One cluster, and three that are federated.
pub fn kubectl() -> Result<(), Failed> {
    let kubectl = real::available(real::Version::NEWEST)?.kubectl();
    let machine = Machine::federation()?;
    let runtime = Runtime::new()?;
    let lone = Cluster::builder("lone").user(User::admin("admin", TOKEN)).build();
    let server = runtime.block_on(async {
        lone.run_by_itself(Kubelet::default());
        lone.serve().await
    })?;
    fs::write(machine.path("lone"), sim::kubeconfig([&server]))?;
    for ((theirs, ours), line, said) in LINES {
        let expected = run_kubectl(&kubectl, &machine, theirs, line)?;
        let printed = machine.command(ours).args(words(line)).output()?;
        let told = |output: &Output| {
            let shown = |bytes: &[u8]| in_our_words(&text(bytes), theirs, ours);
            let stderr = if said == Said::All { shown(&output.stderr) } else { String::new() };
            (output.status.code(), shown(&output.stdout), stderr)
        };
        let all = (text(&expected.stderr), text(&printed.stderr));
        assert_eq!(told(&printed), told(&expected), "{theirs} {line}\n{all:?}");
    }
    Ok(())
}

/// A sentence of kubectl about the same of the plugin, which has all formats but one.
fn in_our_words(text: &str, theirs: &str, ours: &str) -> String {
    text.replace(&format!("kubectl {theirs}"), &format!("kubectl federate {ours}"))
        .replace(",kyaml,", ",")
}

fn run_kubectl(
    kubectl: &Path,
    machine: &Machine,
    verb: &str,
    line: &str,
) -> std::io::Result<Output> {
    Command::new(kubectl)
        .args(verb.split_whitespace())
        .args(words(line))
        .env_clear()
        .env("HOME", machine.path(""))
        .env("KUBECONFIG", machine.path("lone"))
        .stdin(Stdio::null())
        .output()
}
