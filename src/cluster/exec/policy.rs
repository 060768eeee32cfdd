//! Which credential plugins may run, by the user's kuberc.

use std::fs;
use std::path::{Path, PathBuf};

use super::CredentialError;
use crate::cluster::redact::printable;
use crate::os_error;

/// Which credential plugins may run: kuberc's `credentialPluginPolicy`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PluginPolicy {
    /// All of them.
    #[default]
    AllowAll,
    /// None.
    DenyAll,
    /// Those that are named, by a path or by a name that is looked for in `PATH`.
    Allowlist(Vec<String>),
}

impl PluginPolicy {
    /// The policy of this name, with this list of commands if there is one.
    ///
    /// # Errors
    /// What does not fit together, in kubectl's words.
    pub fn new(name: &str, allowlist: Option<Vec<String>>) -> Result<Self, String> {
        match (name, allowlist) {
            ("" | "AllowAll", None) => Ok(Self::AllowAll),
            ("DenyAll", None) => Ok(Self::DenyAll),
            ("" | "AllowAll" | "DenyAll", Some(_)) => Err(format!(
                "misconfigured credential plugin allowlist: plugin policy is {name:?} but \
                 allowlist is non-nil"
            )),
            ("Allowlist", None) => Err(format!(
                "credential plugin policy set to {name:?}, but allowlist is unspecified"
            )),
            ("Allowlist", Some(commands)) => {
                check(&commands)?;
                Ok(Self::Allowlist(commands))
            }
            _ => Err(format!("unknown plugin policy: {name:?}")),
        }
    }

    /// The program to run for a command of a kubeconfig, if it may run. `path` is the variable
    /// `PATH`.
    pub(super) fn permit(&self, command: &str, path: &str) -> Result<PathBuf, CredentialError> {
        let command = clean(command);
        match self {
            Self::AllowAll => Ok(command.into()),
            Self::DenyAll => Err(CredentialError::new(format!(
                "plugin {:?} not allowed: policy set to \"DenyAll\"",
                printable(&command)
            ))),
            Self::Allowlist(commands) => permitted(commands, &command, path),
        }
    }
}

fn check(commands: &[String]) -> Result<(), String> {
    if commands.is_empty() {
        return Err("credential plugin policy set to \"Allowlist\", but allowlist is empty; use \
                    \"DenyAll\" policy instead"
            .to_owned());
    }
    for (at, command) in commands.iter().enumerate() {
        if command.is_empty() {
            let number = at + 1;
            return Err(format!(
                "misconfigured credential plugin allowlist: empty allowlist entry #{number}"
            ));
        }
        let cleaned = clean(command);
        if cleaned != *command {
            return Err(format!("non-normalized file path: {command:?} vs {cleaned:?}"));
        }
    }
    Ok(())
}

/// What runs is what was found on the list, and not looked for again.
fn permitted(commands: &[String], command: &str, path: &str) -> Result<PathBuf, CredentialError> {
    let is_listed = |program: &str| commands.iter().any(|listed| listed == program);
    let found = look_up(command, path);
    let program = found.as_deref().unwrap_or(command);
    if is_listed(command) || is_listed(program) {
        return Ok(program.into());
    }
    let shown = printable(program);
    if let Err(why) = &found {
        return Err(CredentialError::new(format!(
            "plugin path {shown:?} cannot be resolved for credential plugin allowlist check: {}",
            printable(why)
        )));
    }
    let name = |path: &str| path.rsplit('/').next().map(str::to_owned);
    let mut namesakes = commands.iter().filter(|listed| name(listed) == name(program));
    if namesakes.any(|listed| look_up(listed, path).is_ok_and(|found| found == program)) {
        return Ok(program.into());
    }
    Err(CredentialError::new(format!(
        "plugin path {shown:?} is not permitted by the credential plugin allowlist"
    )))
}

/// The program that a command runs, as Go's `exec.LookPath` finds it.
fn look_up(command: &str, path: &str) -> Result<String, String> {
    if command.contains('/') {
        return executable(command)
            .map(|()| command.to_owned())
            .map_err(|why| format!("exec: {command:?}: {why}"));
    }
    for folder in std::env::split_paths(path) {
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        let candidate = clean(&folder.join(command).to_string_lossy());
        if executable(&candidate).is_err() {
            continue;
        }
        if Path::new(&candidate).is_absolute() {
            return Ok(candidate);
        }
        let why = "cannot run executable found relative to current directory";
        return Err(format!("exec: {command:?}: {why}"));
    }
    Err(format!("exec: {command:?}: executable file not found in $PATH"))
}

/// Whether a file can be run, or why not.
fn executable(file: &str) -> Result<(), String> {
    let metadata =
        fs::metadata(file).map_err(|error| format!("stat {file}: {}", os_error::words(&error)))?;
    if metadata.is_dir() {
        return Err("is a directory".to_owned());
    }
    if may_run(&metadata) { Ok(()) } else { Err("permission denied".to_owned()) }
}

#[cfg(unix)]
fn may_run(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;

    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn may_run(_: &fs::Metadata) -> bool {
    true
}

/// A path as Go's `filepath.Clean` writes it: without `.`, `..` after a name, and doubled slashes.
fn clean(path: &str) -> String {
    let is_absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match (part, parts.last()) {
            ("..", Some(last)) if *last != ".." => drop(parts.pop()),
            ("..", None) if is_absolute => {}
            _ => parts.push(part),
        }
    }
    match (is_absolute, parts.join("/")) {
        (true, rest) => format!("/{rest}"),
        (false, rest) if rest.is_empty() => ".".to_owned(),
        (false, rest) => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_cleans_them() {
        for (path, cleaned) in [
            ("", "."),
            ("a", "a"),
            ("./a", "a"),
            ("a//b/", "a/b"),
            ("a/./b/../c", "a/c"),
            ("../a/../..", "../.."),
            ("/..", "/"),
            ("/../a", "/a"),
            ("//a/b", "/a/b"),
        ] {
            assert_eq!(clean(path), cleaned, "{path}");
        }
    }

    #[test]
    fn a_list_is_needed_where_it_counts_and_refused_elsewhere() {
        let list = |commands: &[&str]| Some(commands.iter().map(|&c| c.to_owned()).collect());
        for (name, commands, said) in [
            ("", None, None),
            ("AllowAll", None, None),
            ("DenyAll", None, None),
            ("Allowlist", list(&["aws", "/usr/bin/gke"]), None),
            ("denyall", None, Some("unknown plugin policy: \"denyall\"")),
            ("DenyAll", list(&[]), Some("plugin policy is \"DenyAll\" but allowlist is non-nil")),
            ("Allowlist", None, Some("but allowlist is unspecified")),
            ("Allowlist", list(&[]), Some("but allowlist is empty; use \"DenyAll\"")),
            ("Allowlist", list(&["a", ""]), Some("empty allowlist entry #2")),
            (
                "Allowlist",
                list(&["/a//b"]),
                Some("non-normalized file path: \"/a//b\" vs \"/a/b\""),
            ),
        ] {
            let policy = PluginPolicy::new(name, commands);
            match said {
                None => assert!(policy.is_ok(), "{policy:?}"),
                Some(said) => assert!(policy.clone().unwrap_err().contains(said), "{policy:?}"),
            }
        }
    }
}
