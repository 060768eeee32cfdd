//! The one error that reaches the user: a message, perhaps hints, and an exit code.
//!
//! Each layer has an error type of its own. They become this one here and nowhere else: [`words`]
//! says what is printed for each, and what the user can do about it: a [`Hint`]. Where that is a
//! command of kubectl, [`kubectl`] has it. [`exit`] has the exit codes.

pub mod exit;
mod hint;
pub mod kubectl;
pub mod words;

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
    sync::Arc,
};

pub use exit::Exit;
pub use hint::{Hint, OfJobs};

/// What a command ends with when it did not do all it was asked to.
///
/// It prints as kubectl's errors do: `error: …`, or, for an answer of an API server,
/// `Error from server (Reason): …`. A hint, where there is one, says what to type next. The error
/// that it was made of stays its source.
#[derive(Debug, Clone)]
pub struct Error {
    kind: Kind,
    message: String,
    hints: Vec<Hint>,
    exit: u8,
    absent: BTreeSet<(String, String)>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// Who says what is wrong: it decides what stands before the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// This program: `error: MESSAGE`.
    Own,
    /// An API server, with a reason: `Error from server (REASON): MESSAGE`.
    Server(String),
    /// The message is complete as it is.
    Complete,
}

/// The result of everything a verb does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of ours: it prints as `error: MESSAGE` and exits with 1, as kubectl's do.
    pub fn new(message: impl fmt::Display) -> Self {
        Self::of_kind(Kind::Own, message.to_string())
    }

    /// An API server's answer: it prints as `Error from server (REASON): MESSAGE`.
    pub fn server(reason: &str, message: impl fmt::Display) -> Self {
        Self::of_kind(Kind::Server(reason.to_owned()), message.to_string())
    }

    /// A sentence that is complete as it is, such as `The Job "pi" is invalid: …`.
    pub fn verbatim(text: impl Into<String>) -> Self {
        Self::of_kind(Kind::Complete, text.into())
    }

    fn of_kind(kind: Kind, message: String) -> Self {
        let (hints, exit, absent) = (Vec::new(), Exit::Failed.code(), BTreeSet::new());
        Self { kind, message, hints, exit, absent, source: None }
    }

    /// An exit code that says it all, as that of `diff` where there are differences.
    pub fn silent(code: u8) -> Self {
        Self::verbatim("").exit(code)
    }

    /// The same error with a sentence that tells the user what to do, in place of what it said
    /// before.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Hint>) -> Self {
        self.hints = vec![hint.into()];
        self
    }

    /// The same error with one more such sentence, unless one that it has says that too.
    #[must_use]
    pub fn and_hint(mut self, hint: impl Into<Hint>) -> Self {
        let rest = self.hints.iter_mut().try_fold(hint.into(), |next, hint| hint.join(next));
        self.hints.extend(rest);
        self
    }

    /// The same error with another exit code.
    #[must_use]
    pub fn exit(mut self, code: u8) -> Self {
        self.exit = code;
        self
    }

    /// The same error about a federated Job that was named and has no record.
    #[must_use]
    pub fn of_absent(mut self, namespace: &str, name: &str) -> Self {
        self.absent.insert((namespace.to_owned(), name.to_owned()));
        self
    }

    /// The same error in other words of ours.
    #[must_use]
    pub fn reworded(self, message: impl fmt::Display) -> Self {
        Self { kind: Kind::Own, message: message.to_string(), ..self }
    }

    /// The federated Jobs that were named and have no record, by namespace and name.
    pub fn absent(&self) -> &BTreeSet<(String, String)> {
        &self.absent
    }

    /// The sentences that say what to do: none, one, or, of several errors, those of each.
    pub fn hints(&self) -> Vec<String> {
        self.hints.iter().map(|hint| hint.text().to_owned()).collect()
    }

    /// The exit code of the process, 1 unless said otherwise.
    pub fn exit_code(&self) -> u8 {
        self.exit
    }

    /// What is wrong, with nothing before it.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Who says it.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The error that this one was made of, if it is of this type.
    pub fn cause<E: std::error::Error + 'static>(&self) -> Option<&E> {
        self.source.as_ref()?.downcast_ref()
    }

    /// One result of several.
    ///
    /// # Errors
    /// All of theirs, as [`Self::and`] puts them together.
    pub fn all(results: impl IntoIterator<Item = Result<()>>) -> Result<()> {
        results.into_iter().filter_map(Result::err).reduce(Self::and).map_or(Ok(()), Err)
    }

    /// This error and another: their lines one after another, and then their hints, each once.
    #[must_use]
    pub fn and(mut self, next: Self) -> Self {
        if self.kind != Kind::Complete {
            (self.kind, self.message) = (Kind::Complete, self.to_string());
        }
        // Of many, each is copied once.
        let _ = write!(self.message, "\n{next}");
        let exit = self.exit.max(next.exit);
        self.absent.extend(next.absent);
        Self { exit, ..next.hints.into_iter().fold(self, Self::and_hint) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Own => write!(f, "error: {}", self.message),
            Kind::Server(reason) => {
                write!(f, "Error from server ({reason}): {}", self.message)
            }
            Kind::Complete => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}
