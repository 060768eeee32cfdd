//! What `version -o json` says of how this binary was built: the compiler, and in a release the
//! commit and its date.
//!
//! Nothing of the machine or the hour goes in, so that one commit makes one binary.
//! `SOURCE_DATE_EPOCH` is a date in place of the commit's, `KUBECTL_FEDERATE_COMMIT` the commit where
//! the source is in no repository.

use std::{env, fs, path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rerun-if-env-changed=KUBECTL_FEDERATE_COMMIT");
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let rustc = variable("RUSTC").unwrap_or_else(|| "rustc".to_owned());
    tell("COMPILER", printed(&rustc, &["--version"]));
    // Other builds would be made again at every commit.
    let is_release = variable("PROFILE").is_some_and(|profile| profile == "release");
    let here = if is_release { from_repository().or_else(from_package) } else { None };
    let (commit, date) = here.unwrap_or_default();
    tell("COMMIT", variable("KUBECTL_FEDERATE_COMMIT").or(commit));
    tell("DATE", variable("SOURCE_DATE_EPOCH").or(date));
}

/// Has the code see something as `BUILT_WITH_…`, if it is known.
fn tell(what: &str, known: Option<String>) {
    if let Some(known) = known {
        println!("cargo::rustc-env=BUILT_WITH_{what}={known}");
    }
}

/// The commit that is checked out, if this folder is the top of a repository, and when it was made,
/// in seconds since 1970.
fn from_repository() -> Option<(Option<String>, Option<String>)> {
    let top = printed("git", &["rev-parse", "--show-toplevel"])?;
    let here = fs::canonicalize(".").ok()?;
    if fs::canonicalize(top).ok()? != here {
        return None;
    }
    // It changes with every commit and every checkout.
    let log = printed("git", &["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&log).exists() {
        println!("cargo::rerun-if-changed={log}");
    }
    let commit = printed("git", &["rev-parse", "HEAD"]);
    Some((commit, printed("git", &["log", "-1", "--format=%ct"])))
}

/// The commit that a package of crates.io was made from.
fn from_package() -> Option<(Option<String>, Option<String>)> {
    let text = fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = text.split_once("\"sha1\": \"")?;
    Some((rest.split('"').next().map(str::to_owned), None))
}

/// The line that a program prints.
fn printed(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let line = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}
