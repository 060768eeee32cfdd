//! Which lines of a log were read, so that a stream that begins again neither loses nor repeats
//! one; pure.
//!
//! A server gives a log from a whole second on. So the stream that begins again has lines that were
//! read: they are known by their time and a hash of their bytes. Lines of one container's stdout
//! and stderr may be a little out of the order of their times. So it is asked for a second more,
//! and of the last lines each is remembered.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use jiff::{SignedDuration, Timestamp};

/// How many of the last lines are remembered one by one.
const RECENT: usize = 2048;

/// How much more is asked for than was not read.
const OVERLAP: SignedDuration = SignedDuration::from_secs(1);

/// A line as it is remembered.
type Mark = (Timestamp, u64);

/// What was read of a log.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    recent: VecDeque<Mark>,
    newest: Option<Timestamp>,
    /// All lines before this time were read; so many with this time are not remembered one by one.
    floor: Option<(Timestamp, u64)>,
    /// What a stream that began again is still to repeat.
    repeated: HashMap<Mark, u32>,
    /// Whether it has repeated a line. What comes before the first that it repeats was read, or was
    /// not asked for.
    is_met: bool,
    /// How many lines with the time of the floor it is still to repeat.
    below: u64,
    /// The time of the newest line that it may repeat.
    until: Option<Timestamp>,
    /// The time of the line of which pieces come.
    line: Option<Timestamp>,
    /// How many lines were read, or pieces of lines.
    count: u64,
    /// How many more bytes are wanted; none for all.
    left: Option<u64>,
}

impl Cursor {
    /// The cursor of a log of which so many bytes are wanted at most.
    pub fn limited(bytes: Option<u64>) -> Self {
        Self { left: bytes, ..Self::default() }
    }

    /// Whether all bytes that are wanted were read.
    pub fn is_full(&self) -> bool {
        self.left == Some(0)
    }

    /// What is wanted of a new piece of a line, and whether its end is.
    pub fn within<'t>(&mut self, text: &'t [u8], is_ended: bool) -> (&'t [u8], bool) {
        let Some(left) = &mut self.left else { return (text, is_ended) };
        let room = usize::try_from(*left).unwrap_or(usize::MAX);
        let text = &text[..text.len().min(room)];
        let is_ended = is_ended && text.len() < room;
        *left -= text.len() as u64 + u64::from(is_ended);
        (text, is_ended)
    }

    /// From when on the log is to be asked for; none where nothing was read.
    pub fn since(&self) -> Option<Timestamp> {
        let before = self.newest?.checked_sub(OVERLAP).ok()?;
        Timestamp::from_second(before.as_second()).ok()
    }

    /// The stream begins again.
    pub fn again(&mut self) {
        self.repeated.clear();
        for mark in &self.recent {
            *self.repeated.entry(*mark).or_default() += 1;
        }
        self.below = self.floor.map_or(0, |(_, count)| count);
        self.until = self.newest;
        self.is_met = false;
        self.line = None;
    }

    /// Whether a piece of a line is new, which is read then. A first piece has the line's time.
    pub fn take(&mut self, time: Option<Timestamp>, number: u64, text: &[u8]) -> bool {
        if number == 0 {
            // What the server says itself has no time: it counts as written now.
            self.line = time.or(self.newest);
        }
        let Some(time) = self.line else { return true };
        let mark = (time, hash(number, text));
        if self.until.is_some_and(|until| time <= until) && self.repeats(mark) {
            return false;
        }
        self.newest = self.newest.max(Some(time));
        if self.recent.len() == RECENT {
            self.forget();
        }
        self.recent.push_back(mark);
        self.count += 1;
        true
    }

    /// How much was read: it grows with each line.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether a line was read before the stream began again.
    fn repeats(&mut self, mark: Mark) -> bool {
        if let Some(count) = self.repeated.get_mut(&mark).filter(|count| **count > 0) {
            *count -= 1;
            self.is_met = true;
            return true;
        }
        match self.floor {
            Some((floor, _)) if mark.0 == floor && self.below > 0 => {
                self.below -= 1;
                true
            }
            Some((floor, _)) if mark.0 < floor => true,
            _ => !self.is_met,
        }
    }

    fn forget(&mut self) {
        let Some((time, _)) = self.recent.pop_front() else { return };
        self.floor = Some(match self.floor {
            Some((floor, count)) if floor == time => (floor, count + 1),
            Some((floor, count)) if floor > time => (floor, count),
            _ => (time, 1),
        });
    }
}

fn hash(number: u64, text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (number, text).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(nanoseconds: i64) -> Timestamp {
        Timestamp::from_nanosecond(i128::from(nanoseconds) + 10_000_000_000_000_000)
            .expect("a time")
    }

    type Line = (Timestamp, String);

    /// What a server gives of a log.
    fn served(log: &[Line], since: Option<Timestamp>) -> impl Iterator<Item = &Line> {
        log.iter().filter(move |(time, _)| since.is_none_or(|since| *time >= since))
    }

    /// What is new of streams that each break off after so many lines.
    fn read(log: &[Line], breaks: &[usize]) -> Vec<Line> {
        let (mut cursor, mut all) = (Cursor::default(), Vec::new());
        for lines in breaks.iter().copied().chain([usize::MAX]) {
            let since = cursor.since();
            cursor.again();
            let stream = served(log, since).take(lines);
            all.extend(
                stream.filter(|(t, text)| cursor.take(Some(*t), 0, text.as_bytes())).cloned(),
            );
        }
        all
    }

    #[test]
    fn a_stream_that_begins_again_repeats_nothing_also_within_one_moment() {
        let same: Vec<_> = (0..5000).map(|n| (at(0), (n % 3).to_string())).collect();
        assert_eq!(read(&same, &[1, 3, 4000, 4999, 2]), same);
        let fast: Vec<_> = (0..9000).map(|n| (at(n / 7), format!("line {n}"))).collect();
        assert_eq!(read(&fast, &[8999, 0, 8999]), fast);
    }

    #[test]
    fn what_is_before_the_last_lines_that_were_asked_for_is_not_read_later() {
        let mut cursor = Cursor::default();
        assert!(cursor.take(Some(at(5)), 0, b"five"));
        cursor.again();
        let taken: Vec<_> = (3..7).filter(|n| cursor.take(Some(at(*n)), 0, b"five")).collect();
        assert_eq!(taken, [6]);
        let mut cursor = Cursor::default();
        assert!(cursor.take(Some(at(5)), 0, b"two"));
        cursor.again();
        let lines: [&[u8]; 3] = [b"one", b"two", b"three"];
        assert_eq!(lines.map(|line| cursor.take(Some(at(5)), 0, line)), [false, false, true]);
    }

    #[test]
    fn the_pieces_of_a_line_go_on_where_they_broke_off() {
        let mut cursor = Cursor::default();
        assert!(cursor.take(Some(at(1)), 0, b"a"));
        cursor.again();
        assert!(!cursor.take(Some(at(1)), 0, b"a"));
        assert!(cursor.take(None, 1, b"a"));
        cursor.again();
        assert!(!cursor.take(Some(at(1)), 0, b"a") && !cursor.take(None, 1, b"a"));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_repeated_though_times_are_out_of_order(
            steps in prop::collection::vec((0i64..600_000_000, 0i64..3), 1..60),
            breaks in prop::collection::vec(0usize..60, 0..6),
        ) {
            let mut now = 0;
            let log: Vec<_> = steps.iter().enumerate().map(|(n, (step, back))| {
                now += step;
                // The first line is the oldest: nothing comes before what was asked for.
                let late = if n == 0 { 0 } else { (back * 1000).min(now) };
                (at(now - late), format!("{}", n % 4))
            }).collect();
            prop_assert_eq!(read(&log, &breaks), log);
        }
    }

    #[test]
    fn of_a_limited_log_no_more_bytes_are_taken() {
        let mut cursor = Cursor::limited(Some(7));
        assert_eq!(cursor.within(b"abc", true), (&b"abc"[..], true));
        assert!(!cursor.is_full());
        assert_eq!(cursor.within(b"def", true), (&b"def"[..], false));
        assert!(cursor.is_full());
        let mut all = Cursor::limited(None);
        assert_eq!(all.within(b"abc", true), (&b"abc"[..], true));
        assert!(!all.is_full());
    }
}
