//! The command line as clap knows it, dressed as kubectl's: its help, its switches, and what is
//! said of mistakes.

use std::{error::Error as _, ffi::OsString, num::ParseIntError};

use clap::{
    Arg, ArgAction, Command, CommandFactory,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::{World, arguments::Cli, groups, suggest, topics::TOPICS};
use crate::{
    error::{Error, Exit},
    print::{Output, UnknownColour},
};

/// What users type.
const NAME: &str = "kubectl federate";

/// The line at the end of each help text, as kubectl's.
const SEE_OPTIONS: &str = "Use \"kubectl federate options\" for a list of global command-line \
options (applies to all commands).";

/// The most columns of a help text.
const WIDTH: usize = 100;

/// Prints the flags that the help of a verb leaves out.
pub(super) fn print_options(world: &World) {
    let all = wrapped(Cli::command(), &world.output)
        .disable_help_flag(true)
        .mut_args(switch)
        .help_template("The following options can be passed to any command:\n\n{options}\n");
    world.output.block(&{ all }.render_long_help().to_string());
}

/// The whole command line with its help, which is as wide as the terminal, and at most 100 columns.
pub fn command(output: &Output) -> Command {
    let hidden = |arg: Arg| if arg.is_global_set() { arg.hide(true) } else { arg };
    dressed(wrapped(Cli::command(), output).mut_args(hidden), NAME)
}

/// The whole command line as it is completed in a shell: with all flags.
pub(super) fn completed() -> Command {
    dressed(Cli::command(), NAME)
}

fn wrapped(command: Command, output: &Output) -> Command {
    command.term_width(if output.is_terminal() { output.width().min(WIDTH) } else { WIDTH })
}

fn dressed(command: Command, path: &str) -> Command {
    let end = if command.has_subcommands() {
        format!(
            "Use \"{path} <command> --help\" for more information about a given \
            command.\n{SEE_OPTIONS}"
        )
    } else {
        SEE_OPTIONS.to_owned()
    };
    let end = if path == NAME {
        let topics = TOPICS.map(|(topic, _)| format!("\"{NAME} help {topic}\""));
        format!("{end}\nUse {} for what holds of all commands.", topics.join(" and "))
    } else {
        end
    };
    let examples = command.get_after_long_help();
    let end = examples.map_or(end.clone(), |examples| format!("{examples}\n\n{end}"));
    let help = Arg::new("help").short('h').long("help").action(ArgAction::HelpLong).hide(true);
    groups::grouped(command)
        .mut_args(switch)
        .disable_help_flag(true)
        .arg(help)
        // The last one wins, as in kubectl.
        .args_override_self(true)
        .after_help(&end)
        .after_long_help(&end)
        .mut_subcommands(|below| {
            let path = format!("{path} {}", below.get_name());
            dressed(below, &path)
        })
}

/// A flag without a value also takes one, as all of kubectl's do: `--no-headers=false`. A negative
/// number after a flag that takes a value is its value, and no flag.
fn switch(arg: Arg) -> Arg {
    if matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) && !arg.is_positional() {
        return arg.allow_negative_numbers(true);
    }
    if !matches!(arg.get_action(), ArgAction::SetTrue) {
        return arg;
    }
    arg.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .default_value("false")
        .hide_default_value(true)
        .value_name("BOOL")
        .value_parser(boolean)
}

/// What Go's `strconv.ParseBool` reads.
fn boolean(text: &str) -> Result<bool, &'static str> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("must be true or false"),
    }
}

/// The command line with `help VERB…` as `VERB… --help`: kubectl has both.
pub(super) fn without_help_verb(args: &[OsString]) -> Vec<OsString> {
    match args {
        [program, help, verb @ ..] if help == "help" => {
            [program].into_iter().chain(verb).cloned().chain(["--help".into()]).collect()
        }
        args => args.to_vec(),
    }
}

/// What clap says against a command line, in kubectl's words.
pub(super) fn mistake(args: &[OsString], error: &clap::Error) -> Error {
    let root = Cli::command();
    // What follows an unknown command is no command below the one before it: `get jobs`.
    let unknown = said(error, ContextKind::InvalidSubcommand).into_iter().next();
    let is_unknown =
        |arg: &OsString| unknown.as_ref().is_some_and(|unknown| arg == unknown.as_str());
    let known = args.iter().position(is_unknown).unwrap_or(args.len());
    let typed = Typed::new(&args[..known], &root);
    // 1 would mean that there are differences.
    let is_diff = typed.path == format!("{NAME} job diff");
    let exit = if is_diff { Exit::DiffFailed } else { Exit::Failed };
    explain(args, &root, &typed, error).exit(exit.code())
}

fn explain(
    args: &[OsString],
    root: &Command,
    Typed { path, command }: &Typed<'_>,
    error: &clap::Error,
) -> Error {
    // A value that is refused in kubectl's words stays so.
    if let Some(refused) = error.source().and_then(refused) {
        return refused;
    }
    let first = |kind| said(error, kind).into_iter().next().unwrap_or_default();
    let argument = first(ContextKind::InvalidArg);
    let flag = flag_name(&argument);
    let value = first(ContextKind::InvalidValue);
    let known = || command.get_arguments().chain(root.get_arguments());
    let short_of =
        |long: &str| known().find(|arg| arg.get_long() == long.strip_prefix("--"))?.get_short();
    let both = match short_of(flag) {
        Some(short) => format!("-{short}, {flag}"),
        None => name(&argument).to_owned(),
    };
    let (sentence, meant) = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let typed = first(ContextKind::InvalidSubcommand);
            let meant = suggest::lines(command, path, args, &typed).into_iter();
            let meant = meant.map(|line| format!("\"{line}\"")).collect();
            (format!("unknown command {typed:?} for {path:?}"), meant)
        }
        ErrorKind::UnknownArgument if flag.starts_with("--") => {
            // It would choose another host, not the clusters of a Job.
            let is_other = |long: &&str| flag == "--clusters" && *long == "cluster";
            let longs = known().filter_map(Arg::get_long).filter(|long| !is_other(long));
            let meant = suggest::flags(longs, args, flag);
            (format!("unknown flag: {flag}"), meant)
        }
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            (shorthand(args, &argument), Vec::new())
        }
        ErrorKind::UnknownArgument => (format!("unexpected argument {argument:?}"), Vec::new()),
        ErrorKind::MissingRequiredArgument => {
            let missing = said(error, ContextKind::InvalidArg);
            let required = missing.iter().map(|argument| required(argument, short_of));
            (required.collect::<Vec<_>>().join("; "), Vec::new())
        }
        ErrorKind::ArgumentConflict => {
            let (one, other) = (name(&argument), first(ContextKind::PriorArg));
            (format!("cannot specify {one} and {} together", name(&other)), Vec::new())
        }
        ErrorKind::InvalidValue if value.is_empty() => {
            (needs_argument(args, flag, short_of(flag)), Vec::new())
        }
        ErrorKind::InvalidValue => {
            let valid = said(error, ContextKind::ValidValue).join(", ");
            (refused_value(&value, &both, &format!("must be one of {valid}")), Vec::new())
        }
        ErrorKind::ValueValidation => {
            (refused_value(&value, &both, &invalid_because(error)), Vec::new())
        }
        _ => return Error::verbatim(error.render().to_string()),
    };
    let mistake = Error::new(format!("{sentence}\nSee '{path} --help' for usage."));
    if meant.is_empty() {
        mistake
    } else {
        mistake.hint(format!("Did you mean {}?", meant.join(" or ")))
    }
}

/// What clap says of one aspect of a mistake.
fn said(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

/// A flag without its value and the like, as in `--weight=<N>`. Nothing of what is no flag.
fn flag_name(argument: &str) -> &str {
    let name = argument.split([' ', '[', '=']).next().unwrap_or_default();
    if name.starts_with('-') { name } else { "" }
}

/// What is no flag without its marks, as in `<NAMES>...`.
fn argument_name(argument: &str) -> &str {
    argument.trim_matches(['<', '>', '[', ']', '.'])
}

/// A flag or an argument without its value and its marks.
fn name(argument: &str) -> &str {
    let flag = flag_name(argument);
    if flag.is_empty() { argument_name(argument) } else { flag }
}

/// A flag at the end of the command line that has no value.
fn needs_argument(args: &[OsString], flag: &str, short: Option<char>) -> String {
    let last = args.last().and_then(|arg| arg.to_str()).unwrap_or_default();
    match short {
        Some(short) if !last.starts_with("--") => {
            format!("flag needs an argument: '{short}' in -{short}")
        }
        _ => format!("flag needs an argument: {flag}"),
    }
}

/// A value that the flag or the argument of this name does not take.
fn refused_value(value: &str, name: &str, why: &str) -> String {
    let flag = if name.starts_with('-') { " flag" } else { "" };
    format!("invalid argument {value:?} for {name:?}{flag}: {why}")
}

/// Why a value is refused.
fn invalid_because(error: &clap::Error) -> String {
    match error.source() {
        Some(source) if source.is::<ParseIntError>() => "must be a whole number".to_owned(),
        source => source.map(ToString::to_string).unwrap_or_default(),
    }
}

/// The error of a value that a type of ours refused, as that type words it.
fn refused(source: &(dyn std::error::Error + 'static)) -> Option<Error> {
    if let Some(colour) = source.downcast_ref::<UnknownColour>() {
        return Some(Error::new(colour));
    }
    source.downcast_ref::<Error>().cloned()
}

/// Of an unknown `-x`: the flags that it was typed among, from it on, as pflag says it.
fn shorthand(args: &[OsString], argument: &str) -> String {
    let unknown = argument.trim_start_matches('-');
    let mut clusters = args
        .iter()
        .filter_map(|arg| arg.to_str()?.strip_prefix('-'))
        .filter(|arg| !arg.starts_with('-'));
    let rest =
        clusters.find_map(|flags| flags.find(unknown).map(|at| &flags[at..])).unwrap_or(unknown);
    format!("unknown shorthand flag: '{unknown}' in -{rest}")
}

/// What is said where this argument is missing, such as `<NAMES>...` or `--filename <FILE>`.
fn required(argument: &str, short_of: impl Fn(&str) -> Option<char>) -> String {
    let flag = flag_name(argument);
    if let Some(name) = flag.strip_prefix("--") {
        return match short_of(flag) {
            Some(short) => format!("must specify -{short}"),
            None => format!("required flag(s) {name:?} not set"),
        };
    }
    let name = argument_name(argument);
    if argument.ends_with("...") {
        format!("at least one {name} is required, got 0")
    } else {
        format!("exactly one {name} is required, got 0")
    }
}

/// The verb that was typed, as far as it is one.
struct Typed<'a> {
    /// As users type it, from `kubectl federate` on.
    path: String,
    command: &'a Command,
}

impl<'a> Typed<'a> {
    fn new(args: &[OsString], root: &'a Command) -> Self {
        let (mut path, mut command) = (NAME.to_owned(), root);
        for arg in args.iter().skip(1).filter_map(|arg| arg.to_str()) {
            if let Some(below) = command.find_subcommand(arg) {
                path.push(' ');
                path.push_str(below.get_name());
                command = below;
            }
        }
        Self { path, command }
    }
}
