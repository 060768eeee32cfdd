//! `kubectl federate help TOPIC`: what holds of all commands.

use std::{ffi::OsString, fmt::Write as _};

use crate::error::Exit;

/// The variables of the environment that are read, and what each says.
pub const VARIABLES: [(&str, &str); 26] = [
    ("EDITOR", "The editor of `job edit`, if KUBE_EDITOR names none; without both it is vi"),
    ("HOME", "The home directory: .kube/config, .kube/kuberc and .kube/federate.yaml are in it"),
    ("HTTPS_PROXY", "The proxy to servers with https, also as https_proxy"),
    ("HTTP_PROXY", "The proxy to servers with http, also as http_proxy"),
    ("KUBECONFIG", "The kubeconfig files, a list with colons, if --kubeconfig names none"),
    ("KUBECTL_EXTERNAL_DIFF", "The program, with its flags, that shows what `job diff` finds"),
    ("KUBECTL_FEDERATE_CONFIG", "Your own settings, in place of ~/.kube/federate.yaml"),
    ("KUBECTL_KUBERC", "If it is false, no kuberc is read"),
    (
        "KUBECTL_PATH",
        "The kubectl that is run for -k and -o go-template; kubectl sets it since 1.37",
    ),
    ("KUBERC", "The kuberc file, if --kuberc names none; off means that none is read"),
    ("KUBERNETES_SERVICE_HOST", "In a pod without a kubeconfig: the address of its API server"),
    ("KUBERNETES_SERVICE_PORT", "In a pod without a kubeconfig: the port of its API server"),
    ("KUBE_EDITOR", "The editor of `job edit`"),
    ("NO_COLOR", "If it is set, nothing is coloured, unless --color says so"),
    ("NO_PROXY", "The servers that are reached without a proxy, also as no_proxy"),
    ("PATH", "Where credential plugins, editors and kubectl are found"),
    ("POD_NAMESPACE", "In a pod without a kubeconfig: the namespace, if -n names none"),
    ("RUST_BACKTRACE", "With 1 a defect of this program says all it knows, which may quote values"),
    ("SHELL", "The shell that runs an editor whose name has more than one word"),
    ("TERM", "What the terminal can do; with dumb nothing is coloured or drawn anew"),
    ("TMPDIR", "Where `job edit` keeps the file that is edited"),
    ("USERPROFILE", "The home directory, where HOME is not set"),
    (
        "XTERM_VERSION",
        "Xterm sets it, which does not wrap lines anew when its window changes its width",
    ),
    ("http_proxy", "The same as HTTP_PROXY, which comes first"),
    ("https_proxy", "The same as HTTPS_PROXY, which comes first"),
    ("no_proxy", "The same as NO_PROXY, which comes first"),
];

/// The name of a topic, and what says it all.
pub type Topic = (&'static str, fn() -> String);

/// The topics.
pub const TOPICS: [Topic; 2] = [("environment", environment), ("exit-codes", exit_codes)];

/// What a command line asks for, if that is a topic: `TOPIC --help`, which `help TOPIC` is made of.
pub(super) fn asked(args: &[OsString]) -> Option<String> {
    let [_, topic, help] = args else { return None };
    let (_, text) = TOPICS.iter().find(|(name, _)| topic == name && help == "--help")?;
    Some(text())
}

fn environment() -> String {
    let mut text = String::from("The variables of the environment that are read:\n");
    for (name, meaning) in VARIABLES {
        entry(name, meaning, &mut text);
    }
    text
}

fn exit_codes() -> String {
    let mut text = String::from("The exit codes, which kubectl passes on:\n");
    for exit in Exit::ALL {
        entry(&exit.code().to_string(), exit.meaning(), &mut text);
    }
    text
}

/// A name and what is said of it, as flags stand in the help of a command.
fn entry(name: &str, meaning: &str, text: &mut String) {
    const INDENT: usize = 10;
    const WIDTH: usize = 100;

    let _ = write!(text, "\n  {name}");
    let mut column = WIDTH;
    for word in meaning.split(' ') {
        let length = word.chars().count();
        if column + 1 + length > WIDTH {
            let _ = write!(text, "\n{:INDENT$}{word}", "");
            column = INDENT + length;
        } else {
            let _ = write!(text, " {word}");
            column += 1 + length;
        }
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    /// The names of variables that code reads: a text that is given to a function which reads one,
    /// or that is kept as a constant for it.
    fn read(folder: &Path, names: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("tests") {
                    read(&path, names);
                }
                continue;
            }
            if path.ends_with("tests.rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            // What a child process gets is not read here.
            let code = code.replace(".env(", "");
            for read in ["var(", "var_os(", "set(", "env(", "either(", "_PROXY\", ", ": &str = "] {
                for rest in code.split(&format!("{read}\"")).skip(1) {
                    let name = rest.split('"').next().unwrap_or_default();
                    let is_name = |c: char| c.is_ascii_alphabetic() || c == '_';
                    let is_constant = read.ends_with("= ");
                    let counts = !is_constant || name.starts_with("KUBECTL_");
                    names.extend((counts && name.chars().all(is_name)).then(|| name.to_owned()));
                }
            }
        }
    }

    #[test]
    fn every_variable_that_is_read_is_told_and_no_other() {
        let mut names = BTreeSet::new();
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut names);
        let told: BTreeSet<_> = VARIABLES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(told, names);
        assert!(VARIABLES.is_sorted(), "they are looked for by their names");
    }
}
