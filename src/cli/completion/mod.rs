//! `kubectl federate completion`, and the answers to shells that complete a command line.
//!
//! | file | what it holds |
//! |---|---|
//! | [`answer`] | what can follow the words that were typed, in the protocol of kubectl's plugins |
//! | [`values`] | which arguments take names that only a kubeconfig or the host knows |
//! | [`names`] | these names, from the host or from a short-lived cache |
//! | [`install`] | the program that kubectl runs to complete the arguments of this plugin |
//! | [`script`] | what completes `kubectl-federate` in a shell without kubectl |

mod answer;
mod install;
mod names;
mod script;
mod values;

use std::{
    ffi::OsString,
    process::{Command, Stdio},
};

use clap::Subcommand;

pub use self::answer::answer;
use self::answer::{REFRESH, WORD, refresh};
use super::World;
use crate::{
    error::Result,
    print::{Colour, Output},
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Complete the arguments of kubectl federate
  kubectl federate completion install";

/// Complete commands in a shell
///
/// kubectl completes the arguments of a plugin by a program: kubectl_complete-federate. `completion
/// install` writes it beside kubectl-federate. From then on TAB completes verbs, flags and their
/// values, clusters, jobs, namespaces, contexts and files, wherever kubectl's own completion is set
/// up (kubectl completion --help). Names of clusters and jobs are asked of the host, and are kept for
/// a while in ~/.kube/cache/federate.
///
/// The other verbs print code for shells in which kubectl-federate is typed directly.
#[derive(Debug, Subcommand)]
#[command(after_long_help = EXAMPLES)]
pub enum Completion {
    Install(install::Install),
    Bash(script::Bash),
    Zsh(script::Zsh),
    Fish(script::Fish),
}

impl Completion {
    /// Runs the verb.
    pub fn run(self, world: &World) -> Result<()> {
        match self {
            Self::Install(verb) => verb.run(world),
            Self::Bash(_) => script::print(world, script::BASH),
            Self::Zsh(_) => script::print(world, script::ZSH),
            Self::Fish(_) => script::print(world, script::FISH),
        }
    }
}

/// The words that are completed, if a command line asks for that.
pub fn words(args: &[OsString]) -> Option<&[OsString]> {
    let (word, words) = args.get(1..)?.split_first()?;
    (word == WORD).then_some(words)
}

/// Completes a command line, or asks the host for those who complete later, if this process is to
/// do that. Says whether it was.
pub fn ran_in_process(args: &[OsString]) -> bool {
    let Some((word, words)) = args.get(1..).and_then(<[_]>::split_first) else { return false };
    if word != WORD && word != REFRESH {
        return false;
    }
    let world = World::process(Output::process(Colour::Never));
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return true;
    };
    if word == REFRESH {
        runtime.block_on(refresh(&world, words));
    } else if runtime.block_on(answer(&world, words)) {
        refresh_later(words);
    }
    // A shell reads what there is, or nothing.
    let _ = world.output.finish();
    runtime.shutdown_background();
    true
}

/// Starts a process for which nobody waits: a shell waits until all that it started has closed its
/// output.
fn refresh_later(words: &[OsString]) {
    let Ok(program) = std::env::current_exe() else { return };
    let mut process = Command::new(program);
    process.arg(REFRESH).args(words);
    process.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let _ = process.spawn();
}
