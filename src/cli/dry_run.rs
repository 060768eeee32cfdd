//! `--dry-run`.

use clap::ValueEnum;

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
