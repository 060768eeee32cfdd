//! Whether a change is recorded on the host: what is said where the user ends a command early.

use std::collections::{BTreeMap, BTreeSet};

use super::named::named;
use crate::{
    error::{Error, Exit, words},
    federation::Key,
    print::counted,
    state::Record,
};

/// How far the changes of a command have come.
#[derive(Debug, Default)]
pub(super) struct Recordings {
    /// The Jobs that the command changes, by their places.
    jobs: Vec<Key>,
    settled: BTreeSet<usize>,
    /// By the places of the Jobs, where several are settled side by side.
    last: BTreeMap<Option<usize>, Recording>,
}

impl Recordings {
    /// What follows changes these Jobs. One that could not be read has no name.
    pub fn begin(&mut self, jobs: &[Key]) {
        *self = Self { jobs: jobs.to_vec(), ..Self::default() };
    }

    /// How far the change of the Job at a place is.
    pub fn note(&mut self, place: Option<usize>, recording: Recording) {
        self.last.insert(place, recording);
    }

    /// Nothing more happens to the Job at a place.
    pub fn settled(&mut self, place: usize) {
        self.last.remove(&Some(place));
        self.settled.insert(place);
    }

    /// What a command ends with if the user ends it now: what is to be known of each Job. `what`
    /// says what becomes of Jobs, such as `scaled`. `again` says what does the rest.
    pub fn interrupted(&self, what: &str, again: impl FnOnce() -> String) -> Error {
        let errors = self.last.values().filter_map(Recording::error);
        let error = errors.chain(self.not_begun(what, again)).reduce(Error::and);
        let code = Exit::Interrupted.code();
        error.unwrap_or_else(|| Error::silent(code)).exit(code)
    }

    /// Which of several Jobs were not begun.
    fn not_begun(&self, what: &str, again: impl FnOnce() -> String) -> Option<Error> {
        let is_open = |place: &usize| {
            let is_begun = self.last.get(&Some(*place)).is_some_and(|it| *it != Recording::None);
            !self.settled.contains(place) && !is_begun
        };
        let open = self.jobs.iter().enumerate().filter(|(place, _)| is_open(place));
        let open = open.map(|(_, (namespace, name))| (namespace.as_str(), name.as_str()));
        let open: Vec<_> = open.filter(|(_, name)| !name.is_empty()).collect();
        if self.jobs.len() < 2 || open.is_empty() {
            return None;
        }
        let were = if open.len() == 1 { "was" } else { "were" };
        let (jobs, names) = (counted(open.len(), "job"), named(&open));
        let error = Error::new(format!("interrupted before {jobs} {were} {what}: {names}"));
        Some(error.hint(again()))
    }
}

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
                Some(error.hint(words::finish_begun_of(namespace, name)))
            }
        }
    }
}
