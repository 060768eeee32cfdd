//! How far a request is carried out.

/// How far a request is carried out, as kubectl's `--dry-run` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DryRun {
    /// It is carried out.
    None,
    /// It is only foreseen: nothing is written, no member is asked whether it would take it.
    Client,
    /// It is foreseen, and the servers check it too; they keep nothing.
    Server,
}
