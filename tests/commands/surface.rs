//! kubectl's flags: each verb of ours has those of the real kubectl, but for what `docs/jobs.md` lists.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::{Command, Stdio},
};

use libtest_mimic::Failed;

use crate::machine::{BINARY, text};

const PAGE: &str = include_str!("../../docs/jobs.md");

/// Verbs of kubectl, and ours that do the same with a federated Job.
const VERBS: [(&str, &str); 15] = [
    ("create", "job create"),
    ("create job", "job create"),
    ("apply", "job apply"),
    ("get", "job get"),
    ("describe", "job describe"),
    ("delete", "job delete"),
    ("scale", "job scale"),
    ("patch", "job patch"),
    ("edit", "job edit"),
    ("wait", "job wait"),
    ("logs", "job logs"),
    ("events", "job events"),
    ("diff", "job diff"),
    ("version", "version"),
    ("options", "options"),
];

/// What is left out is what the page says.
pub fn left_out() -> Result<(), Failed> {
    let kubectl = real::available(real::Version::NEWEST)?.kubectl();
    let mut listed = listed();
    for (theirs, ours) in VERBS {
        let known = flags(BINARY.as_ref(), ours)?;
        let missing: BTreeSet<_> = flags(&kubectl, theirs)?.difference(&known).cloned().collect();
        let (verb, said) = listed.remove(theirs).unwrap_or((ours.to_owned(), BTreeSet::new()));
        assert_eq!((verb.as_str(), said), (ours, missing), "{theirs}: docs/jobs.md");
    }
    assert!(listed.is_empty(), "docs/jobs.md: {listed:?}");
    Ok(())
}

/// The flags in a help text. kubectl begins each line with one, and so do we.
fn flags(program: &Path, verb: &str) -> std::io::Result<BTreeSet<String>> {
    let mut command = Command::new(program);
    command.args(verb.split(' ')).env_clear().stdin(Stdio::null());
    if verb != "options" {
        command.arg("--help");
    }
    let help = text(&command.output()?.stdout);
    let flag = |line: &str| {
        let line = line.strip_prefix("  ")?.trim_start();
        let long = line.strip_prefix('-')?.split_whitespace().find_map(|word| {
            word.strip_prefix("--").or(word.strip_prefix('-')).filter(|name| !name.is_empty())
        })?;
        let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
        Some(format!("--{}", long.split(ends).next()?))
    };
    Ok(help.lines().filter_map(flag).collect())
}

/// The table: our verb and the flags that are left out, by kubectl's verb.
fn listed() -> BTreeMap<&'static str, (String, BTreeSet<String>)> {
    let (_, table) = PAGE.split_once("| kubectl | here | flags ").expect("the table is there");
    let mut found: BTreeMap<_, (String, BTreeSet<String>)> = BTreeMap::new();
    let mut verb = "";
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        if !cells[1].is_empty() {
            verb = cells[1].trim_matches('`');
            cells[2].trim_matches('`').clone_into(&mut found.entry(verb).or_default().0);
        }
        let flags = cells[3].split(", ").map(|flag| flag.trim_matches('`').to_owned());
        found.entry(verb).or_default().1.extend(flags);
    }
    found
}
