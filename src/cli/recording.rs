//! Whether a change is recorded on the host: what is said where the user ends a command early.

use std::collections::{BTreeMap, BTreeSet};

use super::named::named;
use crate::{
    error::{Error, Exit, OfJobs, words},
    federation::Key,
    print::counted,
    state::Record,
};

/// What finishes those changes that are recorded.
const IF_RECORDED: &str = "{} finishes what was begun of those that are recorded.";

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
        let code = Exit::Interrupted.code();
        if self.jobs.is_empty() && self.last.is_empty() {
            return Error::new(format!("interrupted before any job was {what}")).exit(code);
        }
        let each = || self.last.values();
        let done: Vec<_> = each().filter_map(Recording::as_done).collect();
        let begun: Vec<_> = each().filter_map(Recording::as_begun).collect();
        let errors = [recorded(&done), maybe_recorded(&begun), self.not_begun(what, again)];
        let error = errors.into_iter().flatten().reduce(Error::and);
        error.unwrap_or_else(|| Error::silent(code)).exit(code)
    }

    /// Which Jobs were not begun.
    fn not_begun(&self, what: &str, again: impl FnOnce() -> String) -> Option<Error> {
        let is_open = |place: &usize| {
            // One that is finished is there, too, until it is settled.
            !self.settled.contains(place) && !self.last.contains_key(&Some(*place))
        };
        let open = self.jobs.iter().enumerate().filter(|(place, _)| is_open(place));
        let open = open.map(|(_, (namespace, name))| (namespace.as_str(), name.as_str()));
        let open: Vec<_> = open.filter(|(_, name)| !name.is_empty()).collect();
        // A change without a place is that of the one Job.
        if open.is_empty() || self.last.contains_key(&None) {
            return None;
        }
        let were = if open.len() == 1 { "was" } else { "were" };
        let (jobs, names) = (counted(open.len(), "job"), named(&open));
        let error = Error::new(format!("interrupted before {jobs} {were} {what}: {names}"));
        Some(if self.jobs.len() < 2 { error } else { error.hint(again()) })
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

    fn as_begun(&self) -> Option<(&str, &str)> {
        match self {
            Self::Begun(namespace, name) => Some((namespace, name)),
            Self::None | Self::Done(..) => None,
        }
    }

    fn as_done(&self) -> Option<(&str, &str)> {
        match self {
            Self::Done(namespace, name) => Some((namespace, name)),
            Self::None | Self::Begun(..) => None,
        }
    }
}

/// The change of these Jobs is recorded.
fn recorded(jobs: &[(&str, &str)]) -> Option<Error> {
    let text = match jobs {
        [] => return None,
        [(_, name)] => format!("job.batch/{name}: interrupted. The change is recorded"),
        several => format!("interrupted. The changes of {} are recorded", these(several)),
    };
    let hints = jobs.iter().map(|(namespace, name)| words::finish_begun_of(namespace, name));
    Some(hints.fold(Error::new(text), Error::and_hint))
}

/// It is not known whether the change of these Jobs is recorded.
fn maybe_recorded(jobs: &[(&str, &str)]) -> Option<Error> {
    let unknown = "interrupted, and it is not known whether the";
    match jobs {
        [] => None,
        [(namespace, name)] => {
            let error = Error::new(format!("job.batch/{name}: {unknown} change is recorded"));
            Some(error.hint(words::maybe_recorded(namespace, name)))
        }
        several => {
            let text = format!("{unknown} changes of {} are recorded", these(several));
            let hints = several
                .iter()
                .map(|(namespace, name)| OfJobs::reconcile(namespace, name, [IF_RECORDED; 2]));
            Some(hints.fold(Error::new(text), Error::and_hint))
        }
    }
}

/// `3 jobs (a, b, c)`.
fn these(jobs: &[(&str, &str)]) -> String {
    format!("{} ({})", counted(jobs.len(), "job"), named(jobs))
}
