//! What is said of Jobs that are settled side by side: each Job has its turn, in their order. A Job
//! that is slow is passed over by those that are settled, because what was done is to be known.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::print::Table;

/// Something that is said.
pub(super) enum Said {
    /// A line on stdout.
    Line(String),
    /// A line on stderr.
    Note(String),
    /// A warning, of a cluster if it is about one.
    Warning(Option<String>, String),
    /// A table on stderr.
    Table(Table),
    /// A Job that is printed as an object.
    Job(Value),
}

/// Whose turn it is, and what is said of those whose turn comes later.
#[derive(Default)]
pub(super) struct Turns {
    /// The first Job that is not settled.
    front: usize,
    settled: BTreeSet<usize>,
    later: BTreeMap<usize, Vec<Said>>,
    /// Whether nothing was heard since [`Turns::goes_on`] was called last.
    is_quiet: bool,
}

impl Turns {
    /// Gives what is said of the Job at a place back if that is to be heard now.
    pub fn say(&mut self, place: usize, said: Said) -> Option<Said> {
        if place == self.front {
            self.is_quiet = false;
            return Some(said);
        }
        self.later.entry(place).or_default().push(said);
        None
    }

    /// Nothing more is said of the Job at a place. Gives what is to be heard now.
    pub fn settled(&mut self, place: usize) -> Vec<Said> {
        self.settled.insert(place);
        let mut now = Vec::new();
        while self.settled.remove(&self.front) {
            self.front += 1;
            self.is_quiet = false;
            now.extend(self.later.remove(&self.front).into_iter().flatten());
        }
        now
    }

    /// Is called again and again. Gives what is said of all that are settled, if nothing was heard
    /// from one call to the next.
    pub fn goes_on(&mut self) -> Vec<Said> {
        if !std::mem::replace(&mut self.is_quiet, true) {
            return Vec::new();
        }
        let settled = self.settled.iter().filter_map(|place| self.later.remove(place));
        settled.flatten().collect()
    }

    /// Begins anew. Gives what has not been heard.
    pub fn end(&mut self) -> Vec<Said> {
        std::mem::take(self).later.into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(said: impl IntoIterator<Item = Said>) -> String {
        let word = |said| match said {
            Said::Line(text) => text,
            _ => String::new(),
        };
        said.into_iter().map(word).collect()
    }

    fn say(turns: &mut Turns, place: usize, text: &str) -> String {
        words(turns.say(place, Said::Line(text.to_owned())))
    }

    #[test]
    fn the_front_job_is_heard_at_once_and_the_others_in_their_turn() {
        let mut turns = Turns::default();
        assert_eq!(say(&mut turns, 2, "c"), "");
        assert_eq!(say(&mut turns, 0, "a"), "a");
        assert_eq!(say(&mut turns, 1, "b"), "");
        assert_eq!(words(turns.settled(2)), "");
        assert_eq!(words(turns.settled(0)), "b");
        assert_eq!(say(&mut turns, 1, "b"), "b");
        assert_eq!(words(turns.settled(1)), "c");
    }

    #[test]
    fn a_front_job_that_says_nothing_is_passed_over_by_those_that_are_settled() {
        let mut turns = Turns::default();
        assert_eq!(say(&mut turns, 0, "a") + &say(&mut turns, 2, "c"), "a");
        assert_eq!(say(&mut turns, 1, "b") + &say(&mut turns, 3, "d"), "");
        assert_eq!(words(turns.settled(3)) + &words(turns.settled(2)), "");
        assert_eq!(words(turns.goes_on()), "", "it may have said something just now");
        assert_eq!(say(&mut turns, 0, "a"), "a");
        assert_eq!(words(turns.goes_on()), "", "it has");
        assert_eq!(words(turns.goes_on()), "cd", "b may have more to say");
        assert_eq!(words(turns.goes_on()), "", "all is said once");
        assert_eq!(words(turns.settled(0)), "b");
        assert_eq!(words(turns.settled(1)) + &say(&mut turns, 4, "e"), "e");
    }

    #[test]
    fn what_has_not_been_heard_is_heard_at_the_end() {
        let mut turns = Turns::default();
        assert_eq!(say(&mut turns, 2, "c") + &say(&mut turns, 1, "b"), "");
        assert_eq!(words(turns.settled(1)), "");
        assert_eq!(words(turns.end()), "bc");
        assert_eq!(say(&mut turns, 0, "a"), "a", "the next Jobs begin anew");
    }
}
