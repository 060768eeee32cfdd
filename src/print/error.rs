//! Why something could not be printed or asked.

/// Why something could not be printed or asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nobody answered a question.
    #[error("{why}; nothing was changed")]
    Unanswered {
        /// Why.
        why: &'static str,
        /// The flag that answers it on the command line.
        flag: String,
    },
    /// Standard output took not all that was printed.
    #[error("writing to standard output: {0}")]
    Write(String),
}
