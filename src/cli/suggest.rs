//! What somebody who mistyped a command or a flag may have meant.

use std::ffi::OsString;

use clap::{Arg, Command};

use super::flags::{TOKEN, without_login};
use crate::print;

/// Words that users of kubectl and of other tools know for the verbs of this program.
const SYNONYMS: [(&str, &[&str]); 9] = [
    ("apply", &["replace"]),
    ("get", &["list", "ls", "show", "status"]),
    ("list", &["get", "ls", "show"]),
    ("describe", &["info", "inspect"]),
    ("delete", &["remove", "rm"]),
    ("unregister", &["remove", "rm", "delete", "unjoin", "deregister"]),
    ("register", &["add", "join", "create"]),
    ("suspend", &["pause", "stop"]),
    ("resume", &["unpause", "continue", "start"]),
];

/// Kinds of Kubernetes that users may ask this program for, and that it does not know: plural, and
/// short where kubectl has a short name.
const OTHER_KINDS: [&str; 34] = [
    "all",
    "configmaps",
    "cm",
    "cronjobs",
    "cj",
    "daemonsets",
    "ds",
    "deployments",
    "deploy",
    "endpoints",
    "ep",
    "events",
    "ev",
    "ingresses",
    "ing",
    "namespaces",
    "ns",
    "nodes",
    "no",
    "persistentvolumes",
    "pv",
    "persistentvolumeclaims",
    "pvc",
    "pods",
    "po",
    "replicasets",
    "rs",
    "roles",
    "secrets",
    "services",
    "svc",
    "serviceaccounts",
    "statefulsets",
    "sts",
];

/// The command lines that may have been meant by one with an unknown command in it, each from
/// `kubectl federate` on, with all other arguments that were typed. Secrets among them are not
/// repeated.
///
/// `command` is the command that does not know `typed`, and `path` is how users type it.
pub(super) fn lines(command: &Command, path: &str, args: &[OsString], typed: &str) -> Vec<String> {
    let words = without_secrets(args.iter().skip(1).map(|arg| arg.to_string_lossy().into_owned()));
    let at = words.iter().position(|word| word == typed).unwrap_or(words.len());
    let (before, after) = words.split_at(at);
    let after = after.get(1..).unwrap_or_default();
    let first = operand(command, after);
    let meant = Meant::new(command, typed, first.map(|at| after[at].as_str()));
    let known: Vec<_> = path.split(' ').chain(command.get_all_aliases()).collect();
    let before = before.iter().filter(|word| !known.contains(&word.as_str())).cloned();
    let is_noun_alone =
        |at: usize| meant.noun.is_some() && first == Some(at) && !after[at].contains('/');
    let after = after.iter().enumerate().filter(|(at, _)| !is_noun_alone(*at));
    let after = after.map(|(_, word)| meant.noun.map_or(word.as_str(), |group| bare(group, word)));
    let rest: Vec<_> = before.chain(after.map(str::to_owned)).collect();
    let line = |verb: &String| {
        let verb = format!("{path} {verb}");
        print::command(verb.split(' ').map(str::to_owned).chain(rest.iter().cloned()))
    };
    meant.verbs.iter().map(line).collect()
}

/// The command line with this flag in place of the one that was typed, from `kubectl federate` on.
/// Secrets in it are not repeated.
fn with_flag(args: &[OsString], typed: &str, meant: &str) -> String {
    let mut words: Vec<_> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    if let Some(word) = words.iter_mut().find(|word| word.split('=').next() == Some(typed)) {
        *word = word.replacen(typed, meant, 1);
    }
    let program = ["kubectl", "federate"].map(str::to_owned);
    print::command(program.into_iter().chain(without_secrets(words.into_iter().skip(1))))
}

/// The words with upper-case words in place of secrets.
fn without_secrets(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut flag = String::new();
    let show = |word: String| {
        let before = std::mem::replace(&mut flag, word.clone());
        match (before.as_str(), word.split_once('=')) {
            ("--token", _) => TOKEN.to_owned(),
            (_, Some(("--token", _))) => format!("--token={TOKEN}"),
            (_, Some(("--server", url))) => format!("--server={}", without_login(url)),
            ("--server" | "-s", _) => without_login(&word),
            _ if word.contains("://") => without_login(&word),
            _ => match word.strip_prefix("-s") {
                Some(url) => format!("-s{}", without_login(url)),
                None => word,
            },
        }
    };
    words.map(show).collect()
}

/// The place of the first word that is neither a flag nor the value of one.
fn operand(command: &Command, words: &[String]) -> Option<usize> {
    let mut is_value = false;
    words.iter().position(|word| {
        let is_flag = word.starts_with('-');
        let is_operand = !is_flag && !is_value;
        is_value = is_flag && takes_next(command, word);
        is_operand
    })
}

/// Whether the word after this flag is its value, in the command or in one below it.
fn takes_next(command: &Command, flag: &str) -> bool {
    let is_it = |arg: &Arg| match (flag.strip_prefix("--"), flag.strip_prefix('-')) {
        (Some(long), _) => arg.get_long() == Some(long),
        // A value may follow at once, as in `-nwork`.
        (None, Some(short)) => arg.get_short().is_some_and(|name| short.chars().eq([name])),
        (None, None) => false,
    };
    let takes = |arg: &Arg| is_it(arg) && arg.get_action().takes_values();
    command.get_arguments().any(takes)
        || command.get_subcommands().any(|below| takes_next(below, flag))
}

/// A name as it is typed after a verb of the group: `pi` of `job.batch/pi`.
fn bare<'w>(group: &Command, word: &'w str) -> &'w str {
    match word.split_once('/') {
        Some((kind, name)) if is_noun(group, kind) => name,
        _ => word,
    }
}

/// What an unknown command may have meant.
struct Meant<'c> {
    /// The paths of verbs below the command: `get`, or `job get`.
    verbs: Vec<String>,
    /// The group whose noun the word after it begins with, as in `get jobs` and `get job/pi`.
    noun: Option<&'c Command>,
}

impl<'c> Meant<'c> {
    /// What may be meant by `typed`, with this word after it. First come the names that are like
    /// it, as kubectl suggests them. Then come verbs further down that have just this name or
    /// another word for it: `job create` for `create`.
    fn new(command: &'c Command, typed: &str, next: Option<&str>) -> Self {
        let below = || command.get_subcommands().filter(|below| !below.is_hide_set());
        let names = below().map(Command::get_name);
        let like: Vec<_> = names.filter(|name| alike(typed, name)).map(str::to_owned).collect();
        if !like.is_empty() {
            return Self { verbs: like, noun: None };
        }
        if below().all(|below| !below.has_subcommands()) {
            return Self { verbs: synonyms(command, typed), noun: None };
        }
        let groups = || below().filter(|below| below.has_subcommands());
        let noun = next.and_then(|next| groups().find(|group| is_noun(group, next)));
        if noun.is_none() && next.is_some_and(is_of_other_kind) {
            return Self { verbs: Vec::new(), noun };
        }
        let groups: Vec<_> = noun.map_or_else(|| groups().collect(), |group| vec![group]);
        let paths = |verbs: &dyn Fn(&Command) -> Vec<String>| {
            let path = |group: &Command, verb| format!("{} {verb}", group.get_name());
            let paths = groups.iter().flat_map(|group| {
                verbs(group).into_iter().map(|verb| path(group, verb)).collect::<Vec<_>>()
            });
            paths.collect::<Vec<_>>()
        };
        let mut verbs = paths(&|group| {
            let verb = group.find_subcommand(typed);
            verb.map(|verb| verb.get_name().to_owned()).into_iter().collect()
        });
        if verbs.is_empty() {
            verbs = paths(&|group| synonyms(group, typed));
        }
        if verbs.is_empty() {
            verbs = paths(&|group| {
                let names = group.get_subcommands().map(Command::get_name);
                names.filter(|name| alike(typed, name)).map(str::to_owned).collect()
            });
        }
        Self { verbs, noun }
    }
}

/// The verbs of a group for which this is another word.
fn synonyms(group: &Command, typed: &str) -> Vec<String> {
    let meant = SYNONYMS.iter().filter(|(_, words)| words.contains(&typed));
    let verbs = meant.map(|(verb, _)| *verb).filter(|verb| group.find_subcommand(verb).is_some());
    verbs.map(str::to_owned).collect()
}

/// Whether a word begins with a group's noun in one of the forms that kubectl takes: `job`, `jobs`,
/// `jobs.batch`, `job/pi`, `jobs.v1.batch/pi`.
fn is_noun(group: &Command, word: &str) -> bool {
    let noun = kind(word);
    group.get_name() == noun || group.get_all_aliases().any(|alias| alias == noun)
}

/// Whether a word is a kind of Kubernetes that this program does not know, or begins with it.
fn is_of_other_kind(word: &str) -> bool {
    let kind = kind(word);
    let is_it = |other: &&str| *other == kind || other.strip_suffix('s') == Some(kind.as_str());
    OTHER_KINDS.iter().any(is_it)
}

/// The kind in `KIND`, `KIND.GROUP`, `KIND/NAME` and `KIND.VERSION.GROUP/NAME`, in lower case.
fn kind(word: &str) -> String {
    word.split(['/', '.']).next().unwrap_or_default().to_lowercase()
}

/// What may have been meant by an unknown flag: the whole command line with the flag that is like
/// it, or, where several are, these flags. `known` has no dashes.
pub(super) fn flags<'a>(
    known: impl Iterator<Item = &'a str>,
    args: &[OsString],
    typed: &str,
) -> Vec<String> {
    let like = known.filter(|name| alike(typed.trim_start_matches('-'), name));
    let like: Vec<_> = like.map(|name| format!("--{name}")).collect();
    match &like[..] {
        [one] => vec![format!("\"{}\"", with_flag(args, typed, one))],
        _ => like,
    }
}

/// Whether one is the beginning of the other, or a slip of the fingers away from it: one in a short
/// name, two in a longer one.
fn alike(typed: &str, name: &str) -> bool {
    let typed = typed.to_lowercase();
    let slips = if name.len() <= 4 { 1 } else { 2 };
    typed.len() > 1 && name.starts_with(&typed) || strsim::osa_distance(&typed, name) <= slips
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::arguments::Cli;

    #[test]
    fn only_what_is_near_is_meant() {
        for (typed, name, meant) in [
            ("jbo", "job", true),
            ("foo", "job", false),
            ("rec", "reconcile", true),
            ("config", "reconcile", false),
            ("Job", "job", true),
            ("unregsiter", "unregister", true),
            ("regist", "register", true),
            ("j", "job", false),
            ("outptu", "output", true),
        ] {
            assert_eq!(alike(typed, name), meant, "{typed} {name}");
        }
    }

    fn root() -> Command {
        let flag = |name: &'static str, short| Arg::new(name).long(name).short(short);
        let verbs = |name: &'static str, verbs: &[&'static str]| {
            let verb = |verb: &&'static str| Command::new(*verb).arg(flag("output", 'o'));
            Command::new(name).subcommands(verbs.iter().map(verb))
        };
        Command::new("root")
            .args([flag("namespace", 'n'), flag("token", 't'), flag("server", 's')])
            .subcommand(verbs("job", &["get", "create", "delete"]).alias("jobs"))
            .subcommand(verbs("cluster", &["list", "register", "unregister"]).alias("clusters"))
    }

    #[test]
    fn the_whole_line_that_was_meant_is_given() {
        let root = root();
        for (typed, line, meant) in [
            ("create", "create -f pi.yaml", &["job create -f pi.yaml"][..]),
            ("cluter", "cluter list", &["cluster list"]),
            ("config", "config", &[]),
            ("get", "get jobs", &["job get"]),
            ("get", "get clusters", &["cluster list"]),
            ("get", "get jobs.batch -o json", &["job get -o json"]),
            ("delete", "delete job pi", &["job delete pi"]),
            ("delete", "-n work delete job/pi", &["job delete -n work pi"]),
            ("get", "get -n jobs jobs pi", &["job get -n jobs pi"]),
            ("get", "get -o name jobs", &["job get -o name"]),
            ("get", "get pi", &["job get pi"]),
            ("delete", "delete cluster/east", &["cluster unregister east"]),
            ("get", "get job --token s3cret", &["job get --token TOKEN"]),
            ("get", "--token=s3cret get job", &["job get --token=TOKEN"]),
            ("get", "-s https://u:p@h get job", &["job get -s https://USER:PASSWORD@h"]),
            ("get", "-s https://t0ken@h get job", &["job get -s https://USER@h"]),
            ("get", "-shttps://u:p@h get job", &["job get -shttps://USER:PASSWORD@h"]),
            ("get", "-s=https://u:p@h get job", &["job get -s=https://USER:PASSWORD@h"]),
            ("get", "-su:p@h get job", &["job get -sUSER:PASSWORD@h"]),
            ("get", "-s=t0ken@h get job", &["job get -s=USER@h"]),
            ("get", "--server=https://t0ken@h get job", &["job get --server=https://USER@h"]),
            ("get", "--server t0ken@h get job", &["job get --server USER@h"]),
            ("create", "create -f https://t@h/pi.yaml", &["job create -f https://USER@h/pi.yaml"]),
            ("create", "create -f pi@2.yaml", &["job create -f pi@2.yaml"]),
            ("delete", "delete job 'p i'", &["job delete 'p i'"]),
            ("remove", "remove x", &["job delete x", "cluster unregister x"]),
            ("list", "list", &["cluster list"]),
            ("delte", "delte pi", &["job delete pi"]),
            ("delte", "delte job pi", &["job delete pi"]),
            ("crea", "crea -f pi.yaml", &["job create -f pi.yaml"]),
        ] {
            let args = shlex::split(line).expect("it is quoted well");
            let args: Vec<_> = [String::new()].into_iter().chain(args).map(Into::into).collect();
            let meant: Vec<_> = meant.iter().map(|line| format!("root {line}")).collect();
            assert_eq!(lines(&root, "root", &args, typed), meant, "{line}");
        }
    }

    #[test]
    fn the_whole_line_with_the_flag_that_was_meant_is_given() {
        for (line, typed, meant, whole) in [
            ("job get --outptu json", "--outptu", "--output", "job get --output json"),
            (
                "job get -n x --outptu=json pi",
                "--outptu",
                "--output",
                "job get -n x --output=json pi",
            ),
            ("job get --tokn s3cret", "--tokn", "--token", "job get --token TOKEN"),
            ("job get --tokn=s3cret", "--tokn", "--token", "job get --token=TOKEN"),
            ("job get --servr=u:p@h", "--servr", "--server", "job get --server=USER:PASSWORD@h"),
            ("job wait pi --fro 'a b'", "--fro", "--for", "job wait pi --for 'a b'"),
        ] {
            let words = shlex::split(line).expect("it is quoted well");
            let args: Vec<_> = [String::new()].into_iter().chain(words).map(Into::into).collect();
            assert_eq!(with_flag(&args, typed, meant), format!("kubectl federate {whole}"));
        }
    }

    #[test]
    fn each_verb_of_a_group_is_meant_where_it_is_typed_without_its_noun() {
        let root = Cli::command();
        for group in root.get_subcommands().filter(|group| group.has_subcommands()) {
            let verbs = group.get_subcommands().map(Command::get_name);
            for verb in verbs.filter(|verb| root.find_subcommand(verb).is_none()) {
                let noun = group.get_name();
                for line in [format!("{verb} pi"), format!("{verb} {noun} pi")] {
                    let words = [""].into_iter().chain(line.split(' '));
                    let args: Vec<_> = words.map(Into::into).collect();
                    let meant = lines(&root, "root", &args, verb);
                    assert!(meant.contains(&format!("root {noun} {verb} pi")), "{line}: {meant:?}");
                }
            }
        }
    }

    #[test]
    fn no_name_is_lost_whatever_form_it_has() {
        let root = root();
        for verb in ["get", "delete"] {
            for kind in ["job", "jobs", "job.batch", "jobs.batch", "jobs.v1.batch", "Job"] {
                for names in [&["pi"][..], &["pi", "euler"], &["a", "b", "c"]] {
                    let joined = names.iter().map(|name| format!("{kind}/{name}"));
                    let joined = joined.collect::<Vec<_>>().join(" ");
                    let names = names.join(" ");
                    for operands in [format!("{kind} {names}"), joined] {
                        let line = format!("{verb} {operands} -n x");
                        let words = [""].into_iter().chain(line.split(' '));
                        let args: Vec<_> = words.map(Into::into).collect();
                        let meant = [format!("root job {verb} {names} -n x")];
                        assert_eq!(lines(&root, "root", &args, verb), meant, "{line}");
                    }
                }
            }
        }
    }

    #[test]
    fn other_kinds_are_not_taken_for_jobs() {
        let root = root();
        for line in [
            "get pods",
            "get nodes",
            "get cronjobs",
            "get po/x",
            "delete pod x",
            "get deployments.apps",
            "get Pods -n x",
        ] {
            let verb = line.split(' ').next().unwrap_or_default();
            let args: Vec<_> = [""].into_iter().chain(line.split(' ')).map(Into::into).collect();
            assert_eq!(lines(&root, "root", &args, verb), Vec::<String>::new(), "{line}");
        }
    }

    #[test]
    fn other_words_for_a_verb_are_known() {
        let root = root();
        for (line, path, meant) in [
            ("job list", "root job", &["root job get"][..]),
            ("job remove pi", "root job", &["root job delete pi"]),
            ("cluster remove east", "root cluster", &["root cluster unregister east"]),
            ("cluster add east", "root cluster", &["root cluster register east"]),
            ("job fly", "root job", &[]),
        ] {
            let words: Vec<_> = line.split(' ').collect();
            let command = root.find_subcommand(words[0]).expect("a group");
            let args: Vec<_> = [""].iter().chain(&words).map(Into::into).collect();
            assert_eq!(lines(command, path, &args, words[1]), meant, "{line}");
        }
    }
}
