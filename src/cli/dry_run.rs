//! `--dry-run`.

use clap::{Args, ValueEnum, builder::PossibleValue};

use crate::federation::DryRun;

/// The flag.
#[derive(Debug, Clone, Copy, Args)]
pub struct DryRunFlag {
    /// none, client (print what would be done) or server (have every cluster check it too)
    #[arg(long = "dry-run", value_name = "STRATEGY", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "none", default_missing_value = "client", hide_possible_values = true)]
    pub strategy: DryRun,
}

/// The values of kubectl's `--dry-run`.
impl ValueEnum for DryRun {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::None, Self::Client, Self::Server]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::None => "none",
            Self::Client => "client",
            Self::Server => "server",
        }))
    }
}

/// What kubectl appends to the lines that say what was done.
pub(super) fn suffix(dry_run: DryRun) -> &'static str {
    match dry_run {
        DryRun::None => "",
        DryRun::Client => " (dry run)",
        DryRun::Server => " (server dry run)",
    }
}
