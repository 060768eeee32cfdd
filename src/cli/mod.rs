//! A file per verb: arguments, the call, the printing.

mod arguments;
mod cluster;
mod config;
mod dry_run;
mod editor;
mod events;
mod files;
mod flags;
mod init;
mod job;
mod job_name;
mod logging;
mod options;
mod reconcile;
mod selector;
mod session;
mod suggest;
mod usage;
mod version;
mod warnings;
mod world;

use std::{ffi::OsString, process::ExitCode};

use clap::{FromArgMatches, error::ErrorKind};

use self::arguments::{Cli, Verb};

pub use config::{Config, Host};
pub use dry_run::DryRunFlag;
pub use files::{Document, Filenames};
pub use flags::ConnectionFlags;
pub use selector::Selector;
pub use session::Session;
pub use usage::command;
pub use world::World;

use crate::{
    error::{Error, Result},
    os_error,
    print::{Colour, Output},
};

/// Runs the command line of this process and gives its exit code.
pub fn main() -> ExitCode {
    let args: Vec<OsString> = usage::without_help_verb(&std::env::args_os().collect::<Vec<_>>());
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

/// The exit code of a process that Ctrl-C ended: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// Waits for Ctrl-C. Before the first call, Ctrl-C ends the process as usual. After it, a task of
/// its own listens, because the thread that waits may be blocked by a pager that does not read. A
/// Ctrl-C for which nobody waits any longer, and each after the first, ends the process at once.
async fn interrupted() {
    let (pressed, waits) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_err() {
            return std::future::pending().await;
        }
        if pressed.send(()).is_err() || tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(INTERRUPTED);
        }
    });
    if waits.await.is_err() {
        std::future::pending::<()>().await;
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
    match parse(&args, &world.output) {
        Ok(cli) => Box::pin(finish(world, dispatch(world, cli))).await,
        Err(usage) => explain(world, &args, &usage),
    }
}

fn parse(args: &[OsString], output: &Output) -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&usage::command(output).try_get_matches_from(args)?)
}

async fn dispatch(world: &World, cli: Cli) -> Result<()> {
    let session = || Session::new(world, &cli.connection);
    match cli.verb {
        Verb::Init(verb) => verb.run(&session()?).await,
        Verb::Cluster(verb) => verb.run(&session()?).await,
        Verb::Job(verb) => {
            let failed = verb.failure();
            Box::pin(verb.run(&session().map_err(|error| error.exit(failed))?)).await
        }
        Verb::Reconcile(verb) => verb.run(&session()?).await,
        Verb::Options(_) => {
            usage::print_options(world);
            Ok(())
        }
        Verb::Version(verb) => verb.run(world, &cli.connection).await,
    }
}

async fn finish(world: &World, command: impl Future<Output = Result<()>>) -> u8 {
    let done = command.await;
    match done.and(world.output.finish().map_err(Error::from)) {
        Ok(()) => 0,
        Err(error) => fail(world, &error),
    }
}

fn fail(world: &World, error: &Error) -> u8 {
    world.output.error(&error.to_string(), error.hints());
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
        _ => fail(world, &usage::mistake(args, usage)),
    }
}
