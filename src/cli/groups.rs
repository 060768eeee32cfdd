//! The groups of flags in the help of a verb.

use clap::{Arg, Command};

/// The groups, and the flags that are in each whatever verb has them. [`OWN`] has the others.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Files", &["filename", "kustomize", "patch-file", "recursive"]),
    (
        "Selection",
        &[
            "all",
            "all-containers",
            "all-contexts",
            "all-namespaces",
            "all-pods",
            "clusters",
            "container",
            "failed",
            "field-selector",
            "ignore-not-found",
            "index",
            "limit-bytes",
            "previous",
            "running",
            "selector",
            "since",
            "since-time",
            "tail",
            "types",
        ],
    ),
    (
        "Waiting",
        &[
            "follow",
            "logs",
            "max-log-requests",
            "no-reconcile",
            "pod-running-timeout",
            "timeout",
            "wait",
            "watch",
        ],
    ),
    (
        "Safety",
        &[
            "dry-run",
            "force",
            "grace-period",
            "ignore-errors",
            "interactive",
            "now",
            "overwrite",
            "recreate",
            "reopen",
            "replace-moved",
            "replace-newer",
            "validate",
            "yes",
        ],
    ),
    (
        "Output",
        &[
            "allow-missing-template-keys",
            "by-cluster",
            "chunk-size",
            "label-columns",
            "no-headers",
            "output",
            "prefix",
            "show-events",
            "show-labels",
            "show-managed-fields",
            "sort-by",
            "template",
            "timestamps",
            "tree",
        ],
    ),
];

/// The flags that verbs themselves are about. They stand before all groups.
#[cfg(test)]
const OWN: [&str; 26] = [
    "cascade",
    "client",
    "cluster-context",
    "completions",
    "create-namespace",
    "dir",
    "federation",
    "for",
    "forget",
    "from",
    "host",
    "image",
    "label",
    "lease",
    "manifest-of",
    "name",
    "parallelism",
    "patch",
    "pods",
    "print-rbac",
    "rebalance",
    "replicas",
    "save-config",
    "type",
    "weight",
    "help",
];

/// The command with its flags in groups.
pub(super) fn grouped(command: Command) -> Command {
    command.mut_args(|arg| match heading(&arg) {
        Some(heading) => arg.help_heading(heading),
        None => arg,
    })
}

fn heading(arg: &Arg) -> Option<&'static str> {
    let flag = arg.get_long()?;
    GROUPS.iter().find(|(_, flags)| flags.contains(&flag)).map(|(heading, _)| *heading)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cli::usage::completed;

    /// More flags than this are not seen at a glance.
    const GLANCE: usize = 6;

    fn verbs(command: &Command) -> Vec<&Command> {
        if command.has_subcommands() {
            return command.get_subcommands().flat_map(verbs).collect();
        }
        vec![command]
    }

    #[test]
    fn every_verb_has_a_sentence_examples_and_its_flags_in_groups() {
        let root = completed();
        let mut used = BTreeSet::new();
        for verb in verbs(&root) {
            let name = verb.get_name();
            let about = verb.get_about().unwrap_or_default().to_string();
            let starts = about.starts_with(|c: char| c.is_ascii_uppercase());
            assert!(starts && !about.ends_with('.'), "{name}: {about:?}");
            let end = verb.get_after_long_help().unwrap_or_default().to_string();
            assert!(name == "options" || end.contains("Examples:\n  # "), "{name}: {end}");
            let flags = || verb.get_arguments().filter(|arg| !arg.is_positional());
            let shown = flags().filter(|arg| !arg.is_hide_set() && !arg.is_global_set());
            let shown: Vec<_> = shown.collect();
            let groups: BTreeSet<_> = shown.iter().map(|arg| arg.get_help_heading()).collect();
            assert!(shown.len() <= GLANCE || groups.len() > 1, "{name}: {groups:?}");
            used.extend(flags().filter_map(Arg::get_long).map(str::to_owned));
            for arg in shown {
                assert!(arg.get_help().is_some(), "{name}: {arg} says nothing");
                let flag = arg.get_long().unwrap_or_default();
                let is_own = OWN.contains(&flag);
                assert_eq!(is_own, heading(arg).is_none(), "{name}: where is --{flag}?");
            }
        }
        let known = GROUPS.iter().flat_map(|(_, flags)| flags.iter()).chain(&OWN);
        let unused: Vec<_> = known.filter(|flag| !used.contains(**flag)).collect();
        assert!(unused.is_empty(), "no verb has {unused:?}");
    }
}
