//! `kubectl federate options`.

use clap::Args;

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Print the flags that every command takes
  kubectl federate options";

/// Print the list of flags inherited by all commands
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Options {}
