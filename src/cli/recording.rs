//! Whether a change is recorded on the host: what is said where the user ends a command early.

use std::collections::{BTreeMap, BTreeSet};

use super::named::{are_apart, named_among};
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
        let are_apart = self.are_apart();
        let each = || self.last.values();
        let done: Vec<_> = each().filter_map(Recording::as_done).collect();
        let begun: Vec<_> = each().filter_map(Recording::as_begun).collect();
        let errors = [
            recorded(&done, are_apart),
            maybe_recorded(&begun, are_apart),
            self.not_begun(what, are_apart, again),
        ];
        let error = errors.into_iter().flatten().reduce(Error::and);
        error.unwrap_or_else(|| Error::silent(code)).exit(code)
    }

    /// Whether the Jobs of the command are in several namespaces.
    fn are_apart(&self) -> bool {
        let last = self.last.values().flat_map(|it| it.as_begun().into_iter().chain(it.as_done()));
        let jobs = self.jobs.iter().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
        are_apart(jobs.filter(|(_, name)| !name.is_empty()).chain(last))
    }

    /// Which Jobs were not begun.
    fn not_begun(
        &self,
        what: &str,
        are_apart: bool,
        again: impl FnOnce() -> String,
    ) -> Option<Error> {
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
        let (jobs, names) = (counted(open.len(), "job"), named_among(&open, are_apart));
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
fn recorded(jobs: &[(&str, &str)], are_apart: bool) -> Option<Error> {
    let text = match jobs {
        [] => return None,
        [one] => format!("{}: interrupted. The change is recorded", this(one, are_apart)),
        several => {
            format!("interrupted. The changes of {} are recorded", these(several, are_apart))
        }
    };
    let hints = jobs.iter().map(|(namespace, name)| words::finish_begun_of(namespace, name));
    Some(hints.fold(Error::new(text), Error::and_hint))
}

/// It is not known whether the change of these Jobs is recorded.
fn maybe_recorded(jobs: &[(&str, &str)], are_apart: bool) -> Option<Error> {
    let unknown = "interrupted, and it is not known whether the";
    match jobs {
        [] => None,
        [one @ (namespace, name)] => {
            let this = this(one, are_apart);
            let error = Error::new(format!("{this}: {unknown} change is recorded"));
            Some(error.hint(words::maybe_recorded(namespace, name)))
        }
        several => {
            let text = format!("{unknown} changes of {} are recorded", these(several, are_apart));
            let hints = several
                .iter()
                .map(|(namespace, name)| OfJobs::reconcile(namespace, name, [IF_RECORDED; 2]));
            Some(hints.fold(Error::new(text), Error::and_hint))
        }
    }
}

/// `job.batch/pi`, with its namespace where the Jobs of the command are in several.
fn this((namespace, name): &(&str, &str), are_apart: bool) -> String {
    let place = if are_apart { format!(" in namespace {namespace}") } else { String::new() };
    format!("job.batch/{name}{place}")
}

/// `3 jobs (a, b, c)`.
fn these(jobs: &[(&str, &str)], are_apart: bool) -> String {
    format!("{} ({})", counted(jobs.len(), "job"), named_among(jobs, are_apart))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(namespace: &str) -> (String, String) {
        (namespace.to_owned(), "pi".to_owned())
    }

    fn said(jobs: &[&str], last: [Option<Recording>; 3]) -> String {
        let mut recordings = Recordings::default();
        recordings.begin(&jobs.iter().map(|namespace| of(namespace)).collect::<Vec<_>>());
        for (place, recording) in last.into_iter().enumerate() {
            if let Some(it) = recording {
                recordings.note(Some(place), it);
            }
        }
        recordings.interrupted("scaled", || "Again.".to_owned()).to_string()
    }

    #[test]
    fn jobs_of_one_name_are_told_apart_by_their_namespaces() {
        let done = |namespace| Some(Recording::Done(of(namespace).0, of(namespace).1));
        let begun = |namespace| Some(Recording::Begun(of(namespace).0, of(namespace).1));
        let apart = said(&["a", "b", "c"], [done("a"), begun("b"), None]);
        assert_eq!(
            apart,
            "error: job.batch/pi in namespace a: interrupted. The change is recorded\n\
             error: job.batch/pi in namespace b: interrupted, and it is not known whether the \
             change is recorded\n\
             error: interrupted before 1 job was scaled: c/pi"
        );
        let several = said(&["a", "b", "c"], [done("a"), done("b"), None]);
        let both = "error: interrupted. The changes of 2 jobs (a/pi, b/pi) are recorded\n";
        assert!(several.starts_with(both), "{several}");
        let one = said(&["a"], [done("a"), None, None]);
        assert_eq!(one, "error: job.batch/pi: interrupted. The change is recorded");
    }
}
