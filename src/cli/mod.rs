//! A file per verb: arguments, the call, the printing.

mod cluster;
mod config;
mod files;
mod flags;
mod init;
mod job;
mod reconcile;
mod session;
mod version;
mod world;

use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub use config::{Config, Host};
pub use files::Filenames;
pub use flags::ConnectionFlags;
pub use session::Session;
pub use world::World;

use crate::error::{Error, Result};

/// Run one Kubernetes Job over many clusters: divided exactly, remembered, and reconciled.
#[derive(Debug, Parser)]
#[command(name = "kubectl-federate", bin_name = "kubectl federate", version, disable_help_subcommand = true)]
#[command(disable_version_flag = true, arg_required_else_help = true, subcommand_required = true)]
struct Cli {
    #[command(flatten)]
    connection: ConnectionFlags,
    /// How much is told of what is done: 6 shows requests, 8 more of them
    #[arg(short, long, global = true, value_name = "LEVEL", default_value_t = 0)]
    #[arg(help_heading = flags::HEADING)]
    v: u8,
    /// When to use colour: auto, always or never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = flags::HEADING)]
    color: crate::print::ColorChoice,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Init(init::Init),
    #[command(subcommand, alias = "clusters")]
    Cluster(cluster::Cluster),
    #[command(subcommand, alias = "jobs")]
    Job(job::Job),
    Reconcile(reconcile::Reconcile),
    Version(version::Version),
}

/// Runs the command line of this process and gives its exit code.
pub fn main() -> ExitCode {
    let world = World::process();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let code = match runtime {
        Ok(runtime) => runtime.block_on(run(&world, std::env::args_os())),
        Err(cause) => {
            world.output.error(&Error::new(format!("cannot start: {cause}")));
            1
        }
    };
    ExitCode::from(code)
}

/// Runs one command line in a world of its own and gives its exit code; nothing else of the process is
/// touched.
pub async fn run(world: &World, args: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> u8 {
    match parse(world, args) {
        Err(code) => code,
        Ok(cli) => match dispatch(world, cli).await {
            Ok(()) => 0,
            Err(error) => {
                world.output.error(&error);
                error.exit_code()
            }
        },
    }
}
