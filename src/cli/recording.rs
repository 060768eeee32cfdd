//! Whether a change is recorded on the host: what is said where the user ends a command early.

use crate::{
    error::{Error, Exit, words},
    state::Record,
};

/// How far the last change of a command has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Recording {
    /// Nothing has been written for it, or it is finished.
    #[default]
    None,
    /// Its record is being written: the namespace and the name of the Job.
    Begun(String, String),
    /// Its record is written, and the members are being brought to it.
    Done(String, String),
}

impl Recording {
    /// The record of a Job is about to be written.
    pub fn begun(record: &Record) -> Self {
        Self::Begun(record.namespace().to_owned(), record.name().to_owned())
    }

    /// The record of a Job is written.
    pub fn done(record: &Record) -> Self {
        Self::Done(record.namespace().to_owned(), record.name().to_owned())
    }

    /// What a command ends with if the user ends it now: what is to be known of each Job.
    pub fn interrupted<'r>(all: impl IntoIterator<Item = &'r Self>) -> Error {
        let errors = all.into_iter().filter_map(Self::error);
        let error = errors.reduce(Error::and);
        let code = Exit::Interrupted.code();
        error.unwrap_or_else(|| Error::silent(code)).exit(code)
    }

    fn error(&self) -> Option<Error> {
        match self {
            Self::None => None,
            Self::Begun(namespace, name) => {
                let text = "interrupted, and it is not known whether the change is recorded";
                let error = Error::new(format!("job.batch/{name}: {text}"));
                Some(error.hint(words::maybe_recorded(namespace, name)))
            }
            Self::Done(namespace, name) => {
                let text = "interrupted. The change is recorded";
                let error = Error::new(format!("job.batch/{name}: {text}"));
                Some(error.hint(words::finish_begun(namespace, name)))
            }
        }
    }
}
