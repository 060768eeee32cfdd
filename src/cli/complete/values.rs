//! Which arguments take names that only a kubeconfig or the host knows; pure.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use clap::{Arg, Command};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};

use super::names::Names;

/// What the values of an argument are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Contexts of the kubeconfig.
    Contexts,
    /// Members of the federation.
    Clusters,
    /// Federated Jobs.
    Jobs,
    /// Namespaces of federated Jobs.
    Namespaces,
    /// Words that are always the same.
    Words(Vec<&'static str>),
    /// Files or folders, which the shell knows better.
    Files,
}

/// The values of `-o` that are whole words.
const FORMATS: [&str; 6] = ["json", "kyaml", "name", "svg", "wide", "yaml"];

/// The kinds of values that were asked for.
pub(super) type Asked = Arc<Mutex<BTreeSet<Kind>>>;

/// The command line whose arguments offer these names. What is asked for is noted.
pub(super) fn with_values(command: Command, names: &Arc<Names>, asked: &Asked) -> Command {
    below(command, &[], names, asked)
}

fn below(command: Command, path: &[&str], names: &Arc<Names>, asked: &Asked) -> Command {
    let name = command.get_name().to_owned();
    let path: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
    command
        .mut_args(|arg| match kind(&path, &arg) {
            Some(kind) => {
                let (names, asked) = (names.clone(), asked.clone());
                arg.add(ArgValueCandidates::new(move || {
                    asked.lock().unwrap_or_else(PoisonError::into_inner).insert(kind.clone());
                    candidates(&kind, &names)
                }))
            }
            None => arg,
        })
        .mut_subcommands(|verb| below(verb, &path, names, asked))
}

fn candidates(kind: &Kind, names: &Names) -> Vec<CompletionCandidate> {
    let new = |name: &String| CompletionCandidate::new(name);
    match kind {
        Kind::Contexts => names.contexts.iter().map(new).collect(),
        Kind::Clusters => names.clusters.iter().map(new).collect(),
        Kind::Jobs => names.jobs.iter().map(new).collect(),
        Kind::Namespaces => names.namespaces.iter().map(new).collect(),
        Kind::Words(words) => words.iter().map(CompletionCandidate::new).collect(),
        Kind::Files => Vec::new(),
    }
}

/// What the values of an argument are, if clap does not know that by itself. The path has the
/// program's name and the verbs.
fn kind(path: &[&str], arg: &Arg) -> Option<Kind> {
    let verbs = path.get(1..).unwrap_or_default();
    let values = arg.get_value_names().unwrap_or_default();
    if values.iter().any(|value| value == "FILE" || value == "DIR") {
        return Some(Kind::Files);
    }
    let Some(flag) = arg.get_long() else {
        return positional(verbs).filter(|_| values.iter().any(|value| value == "NAME"));
    };
    Some(match flag {
        "context" | "cluster-context" | "from" => Kind::Contexts,
        "clusters" | "manifest-of" => Kind::Clusters,
        "namespace" => Kind::Namespaces,
        "output" => Kind::Words(formats(arg)),
        "dry-run" => Kind::Words(vec!["client", "none", "server"]),
        "for" => Kind::Words(vec!["condition=complete", "condition=failed", "delete"]),
        "validate" => Kind::Words(vec!["ignore", "strict", "warn"]),
        "color" => Kind::Words(vec!["always", "auto", "never"]),
        _ => return None,
    })
}

/// The formats without a template that a verb prints: its help names them.
fn formats(output: &Arg) -> Vec<&'static str> {
    let help = output.get_help().map(ToString::to_string).unwrap_or_default();
    let is_named = |format: &&str| {
        help.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == *format)
    };
    FORMATS.into_iter().filter(is_named).collect()
}

fn positional(verbs: &[&str]) -> Option<Kind> {
    match verbs {
        ["cluster", "register"] => Some(Kind::Contexts),
        ["cluster", _] => Some(Kind::Clusters),
        // The Jobs that these name have no record.
        ["job", "adopt" | "recover" | "create"] => None,
        ["job", _] | ["reconcile"] => Some(Kind::Jobs),
        _ => None,
    }
}
