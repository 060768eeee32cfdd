//! The one error that reaches the user: a message, perhaps a hint, and an exit code.

use std::fmt;

use crate::{cluster, state};

/// What a command ends with when it did not do all it was asked to.
///
/// It prints as kubectl's errors do: `error: …`, or, for an answer of an API server,
/// `Error from server (Reason): …`. A hint, where there is one, says what to type next.
#[derive(Debug, Clone)]
pub struct Error {
    text: String,
    hints: Vec<String>,
    exit: u8,
}

/// The result of everything a verb does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of ours: it prints as `error: MESSAGE` and exits with 1, as kubectl's do.
    pub fn new(message: impl fmt::Display) -> Self {
        Self::verbatim(format!("error: {message}"))
    }

    /// An API server's answer: it prints as `Error from server (REASON): MESSAGE`.
    pub fn server(reason: &str, message: impl fmt::Display) -> Self {
        Self::verbatim(format!("Error from server ({reason}): {message}"))
    }

    /// A sentence that is complete as it is, such as `The Job "pi" is invalid: …`.
    pub fn verbatim(text: impl Into<String>) -> Self {
        Self { text: text.into(), hints: Vec::new(), exit: 1 }
    }

    /// An exit code that says it all, as that of `diff` where there are differences.
    pub fn silent(code: u8) -> Self {
        Self::verbatim("").exit(code)
    }

    /// The same error with a sentence that tells the user what to do, in place of what it said
    /// before.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints = vec![hint.into()];
        self
    }

    /// The same error with another exit code.
    #[must_use]
    pub fn exit(mut self, code: u8) -> Self {
        self.exit = code;
        self
    }

    /// The sentences that say what to do: none, one, or, of several errors, those of each.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The exit code of the process, 1 unless said otherwise.
    pub fn exit_code(&self) -> u8 {
        self.exit
    }
}

impl Error {
    /// One error of several: none is success, one is itself, more are their lines one after
    /// another, and then their hints, each once.
    pub fn all(errors: Vec<Self>) -> Result<()> {
        errors.into_iter().reduce(Self::and).map_or(Ok(()), Err)
    }

    fn and(mut self, next: Self) -> Self {
        self.text.push('\n');
        self.text.push_str(&next.text);
        for hint in next.hints {
            if !self.hints.contains(&hint) {
                self.hints.push(hint);
            }
        }
        Self { exit: self.exit.max(next.exit), ..self }
    }
}

impl From<cluster::Error> for Error {
    fn from(error: cluster::Error) -> Self {
        let hints = error.hint().map(str::to_owned).into_iter().collect();
        Self { hints, ..Self::verbatim(error.report()) }
    }
}

impl From<state::Error> for Error {
    fn from(error: state::Error) -> Self {
        let hint = match &error {
            state::Error::Cluster(_) => None,
            state::Error::NoRegistry { .. } => Some(
                "`kubectl federate init` makes one; --context names the host if there is one elsewhere.",
            ),
            state::Error::Newer { .. } => Some("Install a newer kubectl-federate."),
            state::Error::Damaged { key, .. } if key.starts_with("member.") => Some(
                "Put back what was there, or remove the annotation and register the cluster again.",
            ),
            state::Error::Damaged { key, .. } if key.ends_with("/settings") => {
                Some("Put back what was there.")
            }
            state::Error::Damaged { .. } => Some(
                "Put back what was there, or delete the configmap to have the job forgotten; its jobs in the clusters stay.",
            ),
            state::Error::TooLarge { .. } => Some(
                "Make its manifest smaller, divide it over fewer clusters, or make several jobs of it.",
            ),
            state::Error::OtherFederation { .. } => {
                Some("Its own host or registry knows it; see --context.")
            }
        };
        match error {
            state::Error::Cluster(error) => error.into(),
            error => {
                Self { hints: hint.map(str::to_owned).into_iter().collect(), ..Self::new(error) }
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}
