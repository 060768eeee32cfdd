//! A file per verb: arguments, the call, the printing.

pub mod files;

/// Runs the command line and gives its exit code.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
