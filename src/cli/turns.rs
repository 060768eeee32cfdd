//! What is said of Jobs that are settled side by side: each Job has its turn, in their order.

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
}

impl Turns {
    /// Gives what is said of the Job at a place back if that is to be heard now.
    pub fn say(&mut self, place: usize, said: Said) -> Option<Said> {
        if place == self.front {
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
            now.extend(self.later.remove(&self.front).into_iter().flatten());
        }
        now
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
    fn what_has_not_been_heard_is_heard_at_the_end() {
        let mut turns = Turns::default();
        assert_eq!(say(&mut turns, 2, "c") + &say(&mut turns, 1, "b"), "");
        assert_eq!(words(turns.settled(1)), "");
        assert_eq!(words(turns.end()), "bc");
        assert_eq!(say(&mut turns, 0, "a"), "a", "the next Jobs begin anew");
    }
}
