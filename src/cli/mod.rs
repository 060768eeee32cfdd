//! A file per verb: arguments, the call, the printing.

mod arguments;
mod backup;
mod changing;
mod cluster;
mod complete;
mod completion;
mod config;
mod confirm;
mod dry_run;
mod duration;
mod editor;
mod events;
mod fields;
mod files;
mod flags;
mod groups;
mod in_clusters;
mod init;
mod internal_error;
mod job;
mod job_name;
mod kept;
mod kubectl;
mod left;
mod left_records;
mod left_shards;
mod logging;
mod named;
mod number;
mod options;
mod orphans;
mod other_host;
mod output;
mod private_file;
mod progress;
mod reconcile;
mod recording;
mod selection;
mod selector;
mod session;
mod states;
mod suggest;
mod topics;
mod turns;
mod unknown;
mod unmarked;
mod usage;
mod validate;
mod version;
mod warnings;
mod world;

use std::{
    ffi::OsString,
    io,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use clap::{FromArgMatches, error::ErrorKind};
use tokio::sync::oneshot;

use self::arguments::{Cli, Verb};

pub use config::{Config, Host};
pub use confirm::Confirmation;
pub use dry_run::DryRunFlag;
pub use files::{Document, Filenames};
pub use flags::ConnectionFlags;
pub use in_clusters::InClusters;
pub use output::{ChangeFlags, ListFlags, OutputFlags, PrintFlags, TableFlags};
pub use selection::{Selection, Selectors};
pub use selector::Selector;
pub use session::Session;
pub use topics::{TOPICS, Topic, VARIABLES};
pub use usage::command;
pub use validate::ValidateFlag;
pub use world::World;

use crate::{
    error::{Error, Exit, Result},
    os_error,
    print::{self, Colour, Output},
};

/// Runs the command line of this process and gives its exit code.
pub fn main() -> ExitCode {
    internal_error::explained();
    let args: Vec<OsString> = usage::without_help_verb(&std::env::args_os().collect::<Vec<_>>());
    if complete::ran_in_process(&args) {
        return ExitCode::SUCCESS;
    }
    let parsed = parse(&args, &Output::process(Colour::Auto));
    let colour = parsed.as_ref().map_or(Colour::Auto, |cli| cli.color);
    let mut world = World::process(Output::process(colour));
    world.interrupt = Box::new(|| Box::pin(interrupted()));
    let code = match parsed {
        Ok(cli) => start(&world, cli),
        Err(usage) => explain(&world, &args, &usage),
    };
    ExitCode::from(code)
}

/// Who waits for Ctrl-C or the like, from the first call of [`interrupted`] on.
static WAITING: Mutex<Option<Vec<oneshot::Sender<()>>>> = Mutex::new(None);

/// Whether one of them has heard of it.
static IS_HEARD: AtomicBool = AtomicBool::new(false);

/// How long a Ctrl-C may go unheard before it ends the process by itself.
const DEAF: Duration = Duration::from_secs(1);

/// Somebody asks this process to end: with Ctrl-C, or with the signal that a supervisor sends.
async fn asked_to_end() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let terminated = async {
            // At a question the terminal is left as it was first, and that ends the process.
            while terminate.recv().await.is_some() && print::is_terminal_changed() {}
        };
        tokio::select! {
            heard = ctrl_c() => heard,
            () = terminated => Ok(()),
        }
    }
    #[cfg(not(unix))]
    ctrl_c().await
}

/// Waits for a Ctrl-C that is not meant for an editor.
async fn ctrl_c() -> io::Result<()> {
    loop {
        tokio::signal::ctrl_c().await?;
        if !editor::has_ctrl_c() {
            return Ok(());
        }
    }
}

/// Waits for Ctrl-C. Before the first call, Ctrl-C ends the process as usual. After it, a task of
/// its own listens, because the thread that waits may be blocked by a pager that does not read. A
/// Ctrl-C for which nobody waits any longer, and each after the first, ends the process at once;
/// the first does if nobody hears of it soon.
async fn interrupted() {
    let (pressed, waits) = oneshot::channel();
    let listens = {
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        let listens = waiting.is_some();
        waiting.get_or_insert_default().push(pressed);
        listens
    };
    if !listens {
        // The signal is taken from now on, and not only once the task runs.
        let mut first = Box::pin(asked_to_end());
        if futures::poll!(&mut first).is_pending() {
            tokio::spawn(listen(first));
        }
    }
    if waits.await.is_err() {
        std::future::pending::<()>().await;
    }
    IS_HEARD.store(true, Ordering::SeqCst);
}

/// Becomes ready if nobody hears of a Ctrl-C, because the thread that waits is blocked.
async fn unheard() {
    tokio::time::sleep(DEAF).await;
    if IS_HEARD.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
}

/// Hears each Ctrl-C, `first` the first.
async fn listen(first: impl Future<Output = io::Result<()>>) {
    let mut is_first = true;
    let mut heard = first.await;
    while heard.is_ok() {
        let waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner).replace(Vec::new());
        let told = waiting.into_iter().flatten().filter_map(|waits| waits.send(()).ok()).count();
        if told == 0 || !is_first {
            std::process::exit(Exit::Interrupted.code().into());
        }
        is_first = false;
        heard = tokio::select! {
            again = asked_to_end() => again,
            () = unheard() => std::process::exit(Exit::Interrupted.code().into()),
        };
    }
}

/// Only what a command does needs threads: help and mistakes are told without them.
fn start(world: &World, cli: Cli) -> u8 {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            logging::start(cli.v, &world.output);
            let code = runtime.block_on(finish(world, dispatch(world, cli)));
            // Dropping the runtime would wait for name look-ups that are still under way.
            runtime.shutdown_background();
            code
        }
        Err(cause) => {
            fail(world, &Error::new(format!("cannot start: {}", os_error::words(&cause))))
        }
    }
}

/// Runs one command line in a world of its own and gives its exit code.
pub async fn run(world: &World, args: &[OsString]) -> u8 {
    let args = usage::without_help_verb(args);
    if let Some(words) = complete::words(&args) {
        Box::pin(complete::answer(world, words)).await;
        return 0;
    }
    match parse(&args, &world.output) {
        Ok(cli) => Box::pin(finish(world, dispatch(world, cli))).await,
        Err(usage) => explain(world, &args, &usage),
    }
}

fn parse(args: &[OsString], output: &Output) -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&usage::command(output).try_get_matches_from(args)?)
}

async fn dispatch(world: &World, cli: Cli) -> Result<()> {
    let flags = cli.connection.repeated();
    let verb = world.until_interrupted(Box::pin(run_verb(world, cli)));
    print::repeating(flags, Box::pin(verb)).await
}

async fn run_verb(world: &World, cli: Cli) -> Result<()> {
    let only_looks = cli.verb.only_looks();
    let session = || Session::new(world, &cli.connection, only_looks);
    match cli.verb {
        Verb::Init(verb) => Box::pin(verb.run(&session()?)).await,
        Verb::Cluster(verb) => verb.run(&session()?).await,
        Verb::Job(verb) => {
            let failed = verb.failure();
            let session = &session().map_err(|error| error.exit(failed))?;
            let verb = left_shards::hinting_recovery(session, verb.run(session));
            offering_match(session, verb).await
        }
        Verb::Reconcile(verb) => {
            let session = &session()?;
            let verb = left_shards::hinting_recovery(session, verb.run(session));
            offering_match(session, verb).await
        }
        Verb::Orphans(verb) => {
            let session = &session()?;
            offering_match(session, verb.run(session)).await
        }
        Verb::Backup(verb) => verb.run(&session()?).await,
        Verb::Restore(verb) => Box::pin(verb.run(&session()?)).await,
        Verb::Options(_) => {
            usage::print_options(world);
            Ok(())
        }
        Verb::Version(verb) => verb.run(world, &cli.connection).await,
        Verb::Completion(verb) => verb.run(world),
    }
}

/// Carries out a verb, and then, on a terminal, offers to look for other contexts where the user's
/// did not lead to members.
///
/// # Errors
/// Those of the verb, or the user presses Ctrl-C at the question.
async fn offering_match(
    session: &Session<'_>,
    verb: impl Future<Output = Result<()>>,
) -> Result<()> {
    let done = Box::pin(verb).await;
    let offered = Box::pin(offer_match(session)).await;
    done.and(offered)
}

/// On a terminal, where the user's contexts did not lead to members, offers to look for others that
/// do.
///
/// # Errors
/// The user presses Ctrl-C.
async fn offer_match(session: &Session<'_>) -> Result<()> {
    let (output, astray) = (session.output(), session.astray());
    if astray.is_empty() || !output.can_ask() {
        return Ok(());
    }
    let question = format!("Look for contexts of yours that lead to {}?", astray.join(", "));
    let unchanged = "nothing was looked for";
    if confirm::choose_on_terminal(session.world(), &question, &["yes"], unchanged).await?.is_none()
    {
        output.note(format!("cancelled: {unchanged}"));
        return Ok(());
    }
    session.world().left.stands("no context was remembered");
    match cluster::match_contexts::match_contexts(session, &astray).await {
        Ok(()) => output.note("Run the command again."),
        Err(error) => output.error(&error.to_string(), &error.hints()),
    }
    Ok(())
}

async fn finish(world: &World, command: impl Future<Output = Result<()>>) -> u8 {
    let done = command.await;
    match done.and(world.output.finish().map_err(Error::from)) {
        Ok(()) => 0,
        Err(error) => fail(world, &error),
    }
}

fn fail(world: &World, error: &Error) -> u8 {
    world.output.error(&error.to_string(), &error.hints());
    error.exit_code()
}

/// Prints what clap has to say: help is an answer, everything else a mistake, which exits with 1 as
/// kubectl's do.
fn explain(world: &World, args: &[OsString], usage: &clap::Error) -> u8 {
    match usage.kind() {
        ErrorKind::DisplayHelp => {
            world.output.block(&usage.render().to_string());
            0
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            world.output.block(&usage.render().to_string());
            // Nothing at all is a question for help, a verb that is not finished is a mistake.
            u8::from(args.len() > 1)
        }
        _ => match topics::asked(args) {
            Some(text) => {
                world.output.block(&text);
                0
            }
            None => fail(world, &usage::mistake(args, usage)),
        },
    }
}
