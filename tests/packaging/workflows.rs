//! The workflows and the Containerfile, which no test runs: what they name is there, and pinned.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::Value;

use crate::ROOT;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(name)).unwrap()
}

/// The version behind a word, up to the first character that is in none.
fn version_after<'t>(text: &'t str, word: &str) -> &'t str {
    let (_, rest) = text.split_once(word).unwrap_or_else(|| panic!("{word} is not in {text}"));
    let ends = |c: char| !(c.is_ascii_digit() || c == '.');
    rest.trim_start_matches(['"', ' ']).split(ends).next().unwrap()
}

/// Each job has a machine and a limit, each action a version, and each script is one that can run.
pub fn name_what_is_there() {
    for name in ["ci.yml", "release.yml"] {
        let workflow: Value =
            serde_yaml::from_str(&read(&format!(".github/workflows/{name}"))).unwrap();
        assert_eq!(workflow["permissions"]["contents"], "read", "{name}: no more by default");
        let jobs = workflow["jobs"].as_object().unwrap();
        for (id, job) in jobs {
            assert!(job["runs-on"].is_string() && job["timeout-minutes"].is_u64(), "{name}: {id}");
            if let Some(needed) = job["needs"].as_str() {
                assert!(jobs.contains_key(needed), "{name}: {id} needs {needed}");
            }
            for step in job["steps"].as_array().unwrap() {
                check(step, &format!("{name}: {id}"));
            }
        }
    }
}

fn check(step: &Value, place: &str) {
    let Some(script) = step["run"].as_str() else {
        let action = step["uses"].as_str().unwrap();
        let (owner, version) = action.split_once('@').unwrap();
        let is_pinned = version.strip_prefix('v').is_some_and(|it| it.parse::<u8>().is_ok());
        assert!(owner.starts_with("actions/") && is_pinned, "{place}: {action}");
        return;
    };
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '(' | ')' | ';' | '$');
    for word in script.split(ends).filter(|word| is_script(word)) {
        let permissions = fs::metadata(Path::new(ROOT).join(word)).map(|it| it.permissions());
        let can_run = permissions.is_ok_and(|it| it.mode() & 0o111 == 0o111);
        assert!(can_run, "{place}: {word}");
    }
    for line in script.lines().filter(|line| line.contains("cargo install")) {
        assert!(line.contains("--locked") && line.contains("--version "), "{place}: {line}");
    }
}

fn is_script(word: &str) -> bool {
    [".ci/", "krew/"].iter().any(|folder| word.starts_with(folder))
}

/// The versions of the compilers are those that the sources ask for, and tools have one at all.
pub fn pin_versions() {
    let rust = read("Cargo.toml");
    let rust = version_after(&rust, "rust-version =");
    let go = read("tests/real/kubernetes/v1.37.2/go.mod");
    let go = version_after(&go, "\ngo ");
    for name in ["ci.yml", "release.yml"] {
        let workflow = read(&format!(".github/workflows/{name}"));
        for line in workflow.lines().filter(|line| line.contains("rustup toolchain install")) {
            assert_eq!(line.matches(&format!(" {rust}")).count(), 2, "{name}: {line}");
        }
        let own = version_after(&workflow, "go-version:");
        assert!(go == own || go.starts_with(&format!("{own}.")), "{name}: Go {own}, not {go}");
    }
    let container = read("Containerfile");
    assert!(container.contains(&format!("/rust:{rust}-")), "the Containerfile has Rust {rust}");
    for line in container.lines().filter(|line| line.starts_with("FROM ")) {
        let image = line.split_whitespace().nth(1).unwrap();
        assert!(image.contains(':') && !image.ends_with(":latest"), "{line}");
    }
    for line in read("krew/requirements.txt").lines().filter(|line| !line.starts_with('#')) {
        assert!(line.contains("=="), "krew/requirements.txt: {line}");
    }
}
