//! `job events` and `job edit` of a Job that is in one cluster alone, beside what kubectl does there.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use libtest_mimic::Failed;
use serde_json::Value;

use crate::machine::{Machine, text};

/// The annotation that sends a Job to one cluster.
const EAST_ALONE: &str = "metadata:\n  annotations:\n    federation.kubernetes.io/job-preferences: \
                          '{\"clusters\": {\"east\": {\"weight\": 1}}}'\n";

/// How often lines are compared whose ages change meanwhile.
const ATTEMPTS: usize = 5;

/// The words after `events --for job/pi` and after `job events pi`. What follows a tab is one. With
/// `-o name` kubectl prints nothing.
const EVENTS: [&str; 15] = [
    "",
    "--no-headers",
    "--types=Normal",
    "--types=normal,Warning --no-headers",
    "--types=Warning",
    "--types=other",
    "--chunk-size=1 --types=Normal",
    "-o yaml",
    "-o yaml --show-managed-fields",
    "-o json",
    "-o json --types=Warning",
    "-o wide",
    "-o\tjsonpath={.kind} {.items[*].reason}{\"\\n\"}",
    "-o\tgo-template={{range .items}}{{.reason}} {{end}}",
    "-o jsonpath={",
];

/// An editor, as the commands of a shell, of which `$1` is the file; and the flags of `edit`.
const EDITS: [(&str, &str); 14] = [
    ("", ":"),
    ("-o json", ":"),
    ("-o kyaml", ":"),
    ("--validate=false", ": >\"$1\""),
    ("", "sed -i 's/parallelism: .*/parallelism: 2/' \"$1\""),
    ("-o yaml", "sed -i 's/parallelism: .*/parallelism: 3/' \"$1\""),
    ("-o json", "sed -i 's/\"parallelism\": [0-9]*/\"parallelism\": 2/' \"$1\""),
    ("--save-config --validate=strict", "sed -i 's/parallelism: .*/parallelism: 3/' \"$1\""),
    ("--validate=false", "grep -q BAD \"$1\" || echo 'BAD: [' >>\"$1\""),
    ("", "sed -i 's/parallelism: .*/parallelism: -1/' \"$1\""),
    ("", "sed -i 's/^  name: pi/  name: phi/' \"$1\""),
    ("-o name", ":"),
    ("--validate=x", ":"),
    ("", "exit 3"),
];

/// The lines above a file that is edited, before what is wrong with it.
const HEADER: usize = 4;

struct Beside {
    kubectl: PathBuf,
    machine: Machine,
}

impl Beside {
    /// A federation with a Job whose work is all in one cluster.
    fn new() -> Result<Self, Failed> {
        let kubectl = real::available(real::Version::NEWEST)?.kubectl();
        let machine = Machine::federation()?;
        let manifest = fs::read_to_string("pi.yaml")?.replacen("metadata:\n", EAST_ALONE, 1);
        fs::write(machine.path("pi.yaml"), manifest)?;
        machine.succeeds(&format!("job create -f {}", machine.path("pi.yaml").display()))?;
        assert_eq!(machine.jobs("pi"), 1, "it is in one cluster");
        Ok(Self { kubectl, machine })
    }

    fn theirs(&self) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.env_clear().env("HOME", self.machine.path("")).arg("--context=east");
        command.stdin(Stdio::null());
        command
    }

    fn ours(&self) -> Command {
        let mut command = self.machine.command("job");
        command.env("PATH", self.kubectl.parent().unwrap_or(Path::new("")));
        command
    }
}

fn words(line: &str) -> Vec<&str> {
    let (before, last) = line.split_once('\t').map_or((line, None), |(a, b)| (a, Some(b)));
    before.split_whitespace().chain(last).collect()
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let stderr = text(&output.stderr);
    let stderr = stderr.lines().filter(|line| !line.starts_with("hint: "));
    let stderr = stderr.fold(String::new(), |all, line| all + line + "\n");
    (output.status.code(), text(&output.stdout), stderr)
}

/// The events of the Job, apart from our column.
pub fn events() -> Result<(), Failed> {
    let beside = Beside::new()?;
    for line in EVENTS {
        let words = words(line);
        let mut compared = (None, None);
        for _ in 0..ATTEMPTS {
            let theirs =
                beside.theirs().args(["events", "--for", "job/pi"]).args(&words).output()?;
            let ours = beside.ours().args(["events", "pi"]).args(&words).output()?;
            let (code, stdout, stderr) = said(&ours);
            let is_whole = words.contains(&"json") || words.contains(&"yaml");
            let theirs = said(&theirs);
            let is_table = !words.iter().any(|word| word.starts_with("-o") || word.contains("{{"));
            let stdout = if is_table { without_cluster(&stdout) } else { stdout };
            compared = (Some((code, stdout, stderr)), Some(theirs));
            if is_whole {
                compared = (compared.0.map(parsed), compared.1.map(parsed));
            }
            if compared.0 == compared.1 {
                break;
            }
        }
        assert_eq!(compared.0, compared.1, "{line}");
    }
    Ok(())
}

/// A table without its first column.
fn without_cluster(table: &str) -> String {
    let width = "east      ".len().max("CLUSTER   ".len());
    let width = if table.starts_with("east") { "east   ".len() } else { width };
    let lines = table.lines().map(|line| line.get(width..).unwrap_or_default());
    lines.fold(String::new(), |all, line| all + line + "\n")
}

/// The same list however it is written, without our annotation, and without what is null. Nothing
/// is printed of no events.
fn parsed((code, stdout, stderr): (Option<i32>, String, String)) -> (Option<i32>, String, String) {
    if stdout.is_empty() {
        return (code, stdout, stderr);
    }
    let mut list: Value = serde_yaml::from_str(&stdout).expect("YAML, or JSON, which is YAML");
    for item in list["items"].as_array_mut().expect("a list") {
        item["metadata"].as_object_mut().expect("an object").remove("annotations");
        item.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    }
    (code, list.to_string(), stderr)
}

/// What `edit` says, and how the file begins that the editor gets.
pub fn edits() -> Result<(), Failed> {
    let beside = Beside::new()?;
    for (flags, script) in EDITS {
        let told = |mut command: Command, name: &str| -> Result<_, Failed> {
            let folder = beside.machine.path(name);
            fs::create_dir_all(&folder)?;
            let editor = folder.join("editor");
            let copies = format!("#!/bin/sh\ncp \"$1\" {}/seen\n{script}\n", folder.display());
            fs::write(&editor, copies)?;
            fs::set_permissions(&editor, fs::Permissions::from_mode(0o755))?;
            command.args(["pi"]).args(words(flags)).env("KUBE_EDITOR", &editor);
            command.env("TMPDIR", &folder).env("PATH", "/usr/bin:/bin");
            let (code, stdout, stderr) = said(&command.output()?);
            let file = stderr.split('"').find(|word| word.contains("edit-")).unwrap_or("FILE");
            let stderr = stderr.replace(file, "FILE");
            let stderr = stderr.replace(&*editor.display().to_string(), "EDITOR");
            // What is wrong with the file, we say also where nobody sees the file.
            let beside =
                ["The edited file had a syntax error: ", "jobs.batch \"pi\" was not", "* "];
            let is_told = |line: &&str| !beside.iter().any(|begin| line.starts_with(begin));
            let stderr: Vec<_> = stderr.lines().filter(is_told).map(str::to_owned).collect();
            let seen = fs::read_to_string(folder.join("seen")).unwrap_or_default();
            fs::remove_dir_all(&folder)?;
            let head = seen.lines().take_while(|line| line.starts_with('#'));
            let head: Vec<_> = head.map(str::to_owned).collect();
            let first = seen.lines().nth(head.len()).map(str::to_owned);
            let head: Vec<_> = head.into_iter().take(HEADER).collect();
            // What is printed is the Job of one cluster there, and of all here.
            let printed = if flags.starts_with("-o") && code == Some(0) {
                let is_whole = stdout.contains("parallelism") == script.contains("parallelism");
                format!("{:?} {is_whole}", stdout.lines().next())
            } else {
                // What changed where, we say beside.
                let ours = |line: &&str| !line.contains(" changed in ") && !line.contains(" → ");
                stdout.lines().filter(ours).fold(String::new(), |all, line| all + line + "\n")
            };
            Ok((code, printed, stderr, head, first))
        };
        let mut theirs = beside.theirs();
        theirs.args(["edit", "job"]);
        let theirs = told(theirs, "theirs")?;
        let mut ours = beside.ours();
        ours.arg("edit");
        assert_eq!(told(ours, "ours")?, theirs, "{flags} {script}");
    }
    Ok(())
}
