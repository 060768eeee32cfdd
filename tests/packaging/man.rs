//! The man pages of a release.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use kubectl_federate::{cli, print::Output};

use crate::pages::pages;

/// Each command has a page, which says what its help says, and in which no line is taken for a
/// request that it is not.
pub fn every_command() {
    let pages = pages();
    let mut names = vec!["kubectl-federate.1".to_owned()];
    names_below(&cli::command(&Output::captured().0), "kubectl-federate", &mut names);
    names.sort_unstable();
    assert_eq!(pages.keys().collect::<Vec<_>>(), names.iter().collect::<Vec<_>>());
    let text = |name: &str| String::from_utf8(pages[name].clone()).unwrap();
    let create = text("kubectl-federate-job-create.1");
    for words in [".TH kubectl-federate-job-create 1", "kustomization", ".SH EXAMPLES"] {
        assert!(create.contains(words), "{words}: {create}");
    }
    let top = text("kubectl-federate.1");
    for words in [".SH \"EXIT STATUS\"", "KUBECTL_FEDERATE_CONFIG", "\\fB"] {
        assert!(top.contains(words), "{words}: {top}");
    }
    if Command::new("groff").arg("--version").output().is_err() {
        return;
    }
    for (name, page) in &pages {
        let mut groff = Command::new("groff");
        groff.args(["-Kutf8", "-man", "-Tutf8", "-ww", "-z"]);
        groff.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = groff.spawn().unwrap();
        child.stdin.take().unwrap().write_all(page).unwrap();
        let said = child.wait_with_output().unwrap().stderr;
        assert!(said.is_empty(), "{name}: {}", String::from_utf8_lossy(&said));
    }
}

fn names_below(command: &clap::Command, path: &str, names: &mut Vec<String>) {
    for below in command.get_subcommands() {
        let path = format!("{path}-{}", below.get_name());
        names_below(below, &path, names);
        names.push(format!("{path}.1"));
    }
}
