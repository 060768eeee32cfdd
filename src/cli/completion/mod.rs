//! `kubectl federate completion`.
//!
//! | file | what it holds |
//! |---|---|
//! | [`install`] | the program that kubectl runs to complete the arguments of this plugin |
//! | [`script`] | what completes `kubectl-federate` in a shell without kubectl |

mod install;
mod script;

use clap::Subcommand;

use super::World;
use crate::error::Result;

/// The first word of a command line that asks for completion, as in programs made with cobra.
pub const WORD: &str = "__complete";

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
/// up (kubectl completion --help). Names of clusters and jobs are asked of the host, and are kept
/// for a while in ~/.kube/cache/federate.
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
        let script = match self {
            Self::Install(verb) => return verb.run(world),
            Self::Bash(_) => script::BASH,
            Self::Zsh(_) => script::ZSH,
            Self::Fish(_) => script::FISH,
        };
        script::print(world, script);
        Ok(())
    }
}
