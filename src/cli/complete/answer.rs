//! What can follow the words that were typed, in the protocol of kubectl's plugins.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fmt::Write as _,
    sync::{Arc, PoisonError},
};

use clap::FromArgMatches as _;
use clap_complete::engine::{CompletionCandidate, complete};

use super::{
    names::{self, Names},
    values::{Asked, Kind, with_values},
};
use crate::cli::{ConnectionFlags, Session, TOPICS, World, usage};

/// The first word of a process that asks the host, for those who complete later.
pub const REFRESH: &str = "__refresh";

/// Cobra's directive for a word that goes on: the shell adds no space.
const NO_SPACE: u8 = 2;

/// Cobra's directive for what is no file: the shell completes no file names.
const NO_FILES: u8 = 4;

/// Prints what can follow these words, the last of which is the one that is completed: a line for
/// each, the word, and a description behind a tab. The last line is a directive of cobra's. Says
/// whether the host should be asked again, for the next time.
///
/// It is silent about what fails: whoever presses TAB has asked for no error.
pub async fn answer(world: &World, words: &[OsString]) -> bool {
    let flags = connection(words);
    let Ok(session) = Session::new(world, &flags, true) else {
        print(world, &Candidates::new(words, Names::default()));
        return false;
    };
    let local = Candidates::new(words, Names::local(&session));
    let needs_host = [Kind::Clusters, Kind::Jobs, Kind::Namespaces];
    if !needs_host.iter().any(|kind| local.asked.contains(kind)) {
        print(world, &local);
        return false;
    }
    let (names, is_old) = Names::soon(&session).await;
    print(world, &Candidates::new(words, names));
    is_old
}

/// Asks the host for the names of a command line like this, and keeps them.
pub async fn refresh(world: &World, words: &[OsString]) {
    let flags = connection(words);
    if let Ok(session) = Session::new(world, &flags, true) {
        names::refresh(&session).await;
    }
}

/// The flags that lead to the host, as far as they are typed.
fn connection(words: &[OsString]) -> ConnectionFlags {
    let program = OsString::from("kubectl-federate");
    // The word that is completed is none yet.
    let typed = words.split_last().map_or(words, |(_, typed)| typed);
    let typed = [&program].into_iter().chain(typed);
    let matches = usage::completed().ignore_errors(true).try_get_matches_from(typed);
    let flags = matches.ok().and_then(|it| ConnectionFlags::from_arg_matches(&it).ok());
    flags.unwrap_or_default()
}

/// What can follow some words.
struct Candidates {
    found: Vec<CompletionCandidate>,
    /// Which kinds of values can.
    asked: BTreeSet<Kind>,
}

impl Candidates {
    fn new(words: &[OsString], names: Names) -> Self {
        if let Some(found) = of_help(words) {
            return Self { found, asked: BTreeSet::new() };
        }
        let asked = Asked::default();
        let mut command = with_values(usage::completed(), &Arc::new(names), &asked);
        let line = [OsString::from("kubectl-federate")].into_iter().chain(words.to_vec()).collect();
        let last = words.last();
        let mut found = complete(&mut command, line, words.len(), None).unwrap_or_default();
        // Verbs and names come before flags, which whoever wants one begins with a dash.
        let is_flag = |word: &OsStr| word.as_encoded_bytes().starts_with(b"-");
        let wants_flag = last.is_some_and(|word| is_flag(word));
        let is_typed = |word: &OsStr| {
            words.split_last().is_some_and(|(_, typed)| typed.iter().any(|it| it == word))
        };
        found.retain(|it| {
            let word = it.get_value();
            !it.is_hide_set()
                && (wants_flag || !is_flag(word))
                && !is_typed(word)
                && !repeats_itself(word)
        });
        let found = match last.and_then(|word| flag_of_value(word)) {
            Some(flag) => found.into_iter().map(|it| without(flag, it)).collect(),
            None => found,
        };
        let asked = asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { found, asked }
    }
}

/// Whether the last name of a list with commas stands before it, too.
fn repeats_itself(word: &OsStr) -> bool {
    let word = word.to_string_lossy();
    let list = word.rsplit_once('=').map_or(&*word, |(_, list)| list);
    let named = list.rsplit_once(',');
    named.is_some_and(|(before, last)| before.split(',').any(|name| name == last))
}

/// The flag and the sign before a value that is typed behind them, as in `--for=delete`.
fn flag_of_value(word: &OsStr) -> Option<&str> {
    let word = word.to_str().filter(|word| word.starts_with('-'))?;
    word.find('=').map(|at| &word[..=at])
}

/// The value alone: what kubectl's code in a shell completes is what stands behind the sign.
fn without(flag: &str, candidate: CompletionCandidate) -> CompletionCandidate {
    let word = candidate.get_value().to_string_lossy();
    let Some(value) = word.strip_prefix(flag) else { return candidate };
    CompletionCandidate::new(value).help(candidate.get_help().cloned())
}

/// What can follow `help`: verbs, and at first topics. None where the words do not begin with it.
fn of_help(words: &[OsString]) -> Option<Vec<CompletionCandidate>> {
    let (help, words) = words.split_first()?;
    let (last, typed) = words.split_last().filter(|_| help == "help")?;
    let root = usage::completed();
    let mut command = Some(&root);
    for word in typed {
        command = command.and_then(|above| above.find_subcommand(word));
    }
    let below = command.into_iter().flat_map(clap::Command::get_subcommands);
    let below = below
        .filter(|verb| !verb.is_hide_set())
        .map(|verb| CompletionCandidate::new(verb.get_name()).help(verb.get_about().cloned()));
    let topics = TOPICS.iter().filter(|_| typed.is_empty());
    let found = below.chain(topics.map(|(topic, _)| CompletionCandidate::new(topic)));
    let begins = |it: &CompletionCandidate| {
        it.get_value().as_encoded_bytes().starts_with(last.as_encoded_bytes())
    };
    Some(found.filter(begins).collect())
}

fn print(world: &World, Candidates { found, asked }: &Candidates) {
    let mut text = String::new();
    let mut directive = if asked.contains(&Kind::Files) { 0 } else { NO_FILES };
    for candidate in found {
        let word = candidate.get_value().to_string_lossy();
        if word.ends_with('=') {
            directive |= NO_SPACE;
        }
        let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
        match help.lines().next() {
            Some(line) if !line.is_empty() => drop(writeln!(text, "{word}\t{line}")),
            _ => drop(writeln!(text, "{word}")),
        }
    }
    let _ = writeln!(text, ":{directive}");
    world.output.block(&text);
}
