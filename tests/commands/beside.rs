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

const FILES: Verb = ("create --validate=false", "job create");

const MANIFEST: Verb = ("create", "job create");

const WAIT: Verb = ("wait job", "job wait");

const OF_FILES: Verb = ("wait", "job wait");

const DELETE: Verb = ("delete job", "job delete");

/// What is compared of what a command says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// All of it.
    All,
    /// What it prints on stdout: on stderr we say how the Job is divided, or what else is wrong.
    Stdout,
    /// That, and the errors and warnings of servers.
    Servers,
}

/// Lines, of which a word with blanks comes after a tab.
const LINES: [(Verb, &str, Said); 75] = [
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
    (("create", "job create"), "-f pi.yaml --dry-run=client -o yaml", Said::Stdout),
    (("create", "job create"), "-f several --dry-run=client -o json", Said::Stdout),
    // Ours takes a file too.
    (CREATE, "a", Said::Stdout),
    (CREATE, "a b --image=x", Said::All),
    (CREATE, "--image=x -- a b", Said::All),
    (CREATE, "a --image=x b -- c", Said::All),
    (CREATE, "a --image=", Said::Stdout),
    (CREATE, "a --image=x --from=cronjob/b", Said::All),
    (CREATE, "a --from=cronjob/b -- date", Said::All),
    (CREATE, "a --image=x --dry-run=client -o wide", Said::All),
    (CREATE, "a --image=x --restart=Never", Said::All),
    (CREATE, "a --image", Said::All),
    (CREATE, "a --image=x -n none --dry-run=client", Said::Stdout),
    (MANIFEST, "-f unknown-field.yaml --dry-run=server", Said::Servers),
    (MANIFEST, "-f unknown-field.yaml --validate --dry-run=server", Said::Servers),
    (MANIFEST, "-f unknown-field.yaml --validate=true --dry-run=server", Said::Servers),
    (MANIFEST, "-f unknown-field.yaml --validate=warn --dry-run=server", Said::Servers),
    (MANIFEST, "-f unknown-field.yaml --validate=ignore --dry-run=server", Said::Servers),
    (MANIFEST, "-f unknown-field.yaml --validate=0 --dry-run=server", Said::Servers),
    (MANIFEST, "-f unknown-field.yaml --validate=no --dry-run=server", Said::All),
    (FILES, "-f pi.yaml -f several", Said::Stdout),
    (WAIT, "--for=create", Said::All),
    (WAIT, "pi --for=create", Said::All),
    (WAIT, "pi phi --for=create -o name", Said::All),
    (WAIT, "pi --all --for=create", Said::All),
    (WAIT, "pi -l team=math --for=create", Said::All),
    (WAIT, "pi -A --for=create", Said::All),
    (WAIT, "-l team=none --for=condition=failed", Said::All),
    (WAIT, "-l team=none --for=delete", Said::All),
    (WAIT, "--field-selector=metadata.name=pi --for=create", Said::All),
    (WAIT, "--field-selector=spec.x=1 --for=create", Said::All),
    (WAIT, "phi pi --for=condition=failed --timeout=0", Said::All),
    (WAIT, "phi --for=condition=failed --timeout=0", Said::All),
    (WAIT, "phi --for=create -o wide", Said::All),
    (WAIT, "none --for=condition=failed", Said::All),
    (OF_FILES, "-f pi.yaml -f several --for=create", Said::All),
    (OF_FILES, "-f several -f pi.yaml --for=condition=failed --timeout=0", Said::All),
    (WAIT, "pi -f pi.yaml --for=create", Said::All),
    (WAIT, "phi --for=create -o\tjsonpath={.metadata.name}{\"\\n\"}", Said::All),
    (DELETE, "", Said::All),
    (DELETE, "pi --all", Said::All),
    (DELETE, "pi -l app=a", Said::All),
    (DELETE, "--all -l app=a", Said::All),
    (DELETE, "--all --field-selector=metadata.name=a", Said::All),
    (DELETE, "pi -A", Said::All),
    (DELETE, "-l team=none", Said::All),
    (DELETE, "--all -n none", Said::All),
    (DELETE, "--field-selector=spec.x=1", Said::All),
    (DELETE, "none", Said::All),
    (DELETE, "none --ignore-not-found", Said::All),
    (DELETE, "pi phi -i --cascade=background", Said::All),
    (DELETE, "--all --interactive --cascade=background -o name", Said::All),
    (DELETE, "-l team=none -i", Said::All),
    (DELETE, "pi --force --grace-period=5", Said::All),
    (DELETE, "pi --now --grace-period=3", Said::All),
    (DELETE, "pi --cascade=x", Said::All),
    (DELETE, "pi -o yaml", Said::All),
    (DELETE, "pi phi --cascade=background --dry-run=client", Said::All),
    (DELETE, "--all --cascade=background --dry-run=client -o name", Said::All),
    (DELETE, "pi --cascade=background --dry-run=server", Said::All),
    (DELETE, "pi --cascade=background --force --dry-run=client", Said::All),
    (DELETE, "pi none --cascade=background --ignore-not-found --now", Said::All),
    (DELETE, "--field-selector=metadata.name!=phi --cascade=background", Said::All),
    (DELETE, "phi --cascade=background --grace-period=0 --timeout=1m -o name", Said::All),
    (FILES, "-f pi.yaml -f several", Said::Stdout),
    (DELETE, "pi none --cascade=background", Said::All),
    (DELETE, "--all -A --cascade=background --wait=false --force", Said::All),
    (DELETE, "--all -A --cascade=background", Said::All),
    (("delete", "job delete"), "-f pi.yaml --ignore-not-found", Said::All),
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
            let stderr = match said {
                Said::All => shown(&output.stderr),
                Said::Stdout => String::new(),
                Said::Servers => of_servers(&text(&output.stderr)),
            };
            (output.status.code(), shown(&output.stdout), stderr)
        };
        let all = (text(&expected.stderr), text(&printed.stderr));
        assert_eq!(told(&printed), told(&expected), "{theirs} {line}\n{all:?}");
    }
    Ok(())
}

/// What servers say, without the clusters that say it. What refuses a Job is an error of one.
fn of_servers(text: &str) -> String {
    let is_theirs = |line: &&str| line.starts_with("Warning: ") || line.starts_with("Error from ");
    let lines = text.lines().filter(is_theirs);
    lines.fold(String::new(), |all, line| {
        let said = line.split(" (cluster").next().unwrap_or(line);
        all + said + "\n"
    })
}

/// A sentence of kubectl about the same of the plugin.
fn in_our_words(text: &str, theirs: &str, ours: &str) -> String {
    text.replace(&format!("kubectl {theirs}"), &format!("kubectl federate {ours}"))
        .lines()
        // What we say beside.
        .filter(|line| !line.starts_with("hint: "))
        .fold(String::new(), |all, line| all + line + "\n")
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
