//! Why something could not be printed.

/// Why something could not be printed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Standard output took not all that was printed.
    #[error("writing to standard output: {0}")]
    Write(String),
}
