//! `--dry-run`.

use clap::{Args, ValueEnum};

/// The flag.
#[derive(Debug, Clone, Copy, Args)]
pub struct DryRunFlag {
    /// none, client (print what would be done) or server (have every cluster check it too)
    #[arg(long = "dry-run", value_name = "STRATEGY", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "none", default_missing_value = "client", hide_possible_values = true)]
    pub strategy: DryRun,
}

/// The values of kubectl's `--dry-run`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    /// Do it.
    None,
    /// Say what would be done.
    Client,
    /// Have the servers check it too; they keep nothing.
    Server,
}

impl DryRun {
    /// What kubectl appends to the lines that say what was done.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Client => " (dry run)",
            Self::Server => " (server dry run)",
        }
    }
}
