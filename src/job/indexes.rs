//! Sets of completion indexes, as the Job API writes them.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use range_set_blaze::RangeSetBlaze;
use serde::{Deserialize, Serialize};

/// A set of completion indexes of an Indexed Job. Its text has the form of
/// `status.completedIndexes`: numbers and ranges in ascending order, such as `1,3-5,7`. Two
/// neighbours are written as two numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Indexes(RangeSetBlaze<i32>);

/// A text that is not a set of indexes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no set of indexes such as \"1,3-5,7\"")]
pub struct InvalidIndexes(String);

impl Indexes {
    /// All indexes of a Job with this number of completions: 0 to `completions` − 1.
    pub fn all(completions: i32) -> Self {
        if completions > 0 { Self::from(0..=completions - 1) } else { Self::default() }
    }

    /// The number of indexes.
    pub fn len(&self) -> i32 {
        i32::try_from(self.0.len()).unwrap_or(i32::MAX)
    }

    /// One more than the largest index: the completions that a Job needs to have them all. 0 for an
    /// empty set.
    pub fn end(&self) -> i32 {
        self.0.last().map_or(0, |last| last.saturating_add(1))
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the set has an index.
    pub fn contains(&self, index: i32) -> bool {
        self.0.contains(index)
    }

    /// The indexes in ascending order.
    pub fn each(&self) -> impl Iterator<Item = i32> {
        self.0.iter()
    }

    /// The union of many sets.
    pub fn union<'s>(sets: impl IntoIterator<Item = &'s Self>) -> Self {
        Self(sets.into_iter().flat_map(|set| set.0.ranges()).collect())
    }

    /// Whether the set has all of `others`.
    pub fn contains_all(&self, others: &Self) -> bool {
        others.0.is_subset(&self.0)
    }

    /// The union.
    #[must_use]
    pub fn with(&self, others: &Self) -> Self {
        Self(&self.0 | &others.0)
    }

    /// The difference: the indexes that are not in `others`.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        Self(&self.0 - &others.0)
    }

    /// Those that are not in a run of so many, or more, one after another.
    #[must_use]
    pub fn without_runs(&self, length: u32) -> Self {
        let mut rest = RangeSetBlaze::new();
        for run in self.0.ranges().filter(|run| run.end().abs_diff(*run.start()) + 1 < length) {
            rest.ranges_insert(run);
        }
        Self(rest)
    }

    /// The intersection.
    #[must_use]
    pub fn both(&self, others: &Self) -> Self {
        Self(&self.0 & &others.0)
    }

    /// The `count` smallest indexes, or all if there are fewer, and the remaining ones.
    pub fn split(&self, count: i32) -> (Self, Self) {
        let mut head = RangeSetBlaze::new();
        let mut left = i64::from(count.max(0));
        for range in self.0.ranges() {
            let (first, last) = (*range.start(), *range.end());
            let taken = left.min(i64::from(last) - i64::from(first) + 1);
            if taken == 0 {
                break;
            }
            let end = i32::try_from(i64::from(first) + taken - 1).unwrap_or(last);
            head.ranges_insert(first..=end);
            left -= taken;
        }
        let tail = &self.0 - &head;
        (Self(head), Self(tail))
    }

    /// The `count` largest indexes, or all if there are fewer.
    #[must_use]
    pub fn tail(&self, count: i32) -> Self {
        self.split(self.len() - count.clamp(0, self.len())).1
    }
}

impl From<RangeInclusive<i32>> for Indexes {
    fn from(range: RangeInclusive<i32>) -> Self {
        Self(RangeSetBlaze::from_iter([range]))
    }
}

impl FromIterator<i32> for Indexes {
    fn from_iter<I: IntoIterator<Item = i32>>(indexes: I) -> Self {
        Self(indexes.into_iter().collect())
    }
}

impl fmt::Display for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, range) in self.0.ranges().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            match (*range.start(), *range.end()) {
                (first, last) if first == last => write!(f, "{comma}{first}")?,
                (first, last) if first + 1 == last => write!(f, "{comma}{first},{last}")?,
                (first, last) => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Indexes {
    type Err = InvalidIndexes;

    fn from_str(text: &str) -> Result<Self, InvalidIndexes> {
        let invalid = || InvalidIndexes(text.to_owned());
        let number = |digits: &str| match digits.parse::<i32>() {
            Ok(number) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok(number),
            _ => Err(invalid()),
        };
        let mut set = RangeSetBlaze::new();
        let mut after = -1;
        for part in text.split(',').filter(|_| !text.is_empty()) {
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => (number(first)?, number(last)?),
                None => (number(part)?, number(part)?),
            };
            if first <= after || last < first {
                return Err(invalid());
            }
            set.ranges_insert(first..=last);
            after = last;
        }
        Ok(Self(set))
    }
}

impl From<Indexes> for String {
    fn from(indexes: Indexes) -> Self {
        indexes.to_string()
    }
}

impl TryFrom<String> for Indexes {
    type Error = InvalidIndexes;

    fn try_from(text: String) -> Result<Self, InvalidIndexes> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(text: &str) -> Indexes {
        text.parse().expect("valid")
    }

    #[test]
    fn the_text_is_that_of_the_job_api() {
        for text in ["", "0", "0,1", "0-2", "1,3-5,7", "0-2147483647"] {
            assert_eq!(set(text).to_string(), text);
        }
        assert_eq!(
            set("0-1,2").to_string(),
            "0-2",
            "what is read in another form is written in this one"
        );
        assert_eq!(Indexes::all(18).to_string(), "0-17");
        assert_eq!(Indexes::all(0), Indexes::default());
    }

    #[test]
    fn malformed_and_unordered_texts_are_refused() {
        for text in ["x", "1,", ",", "-1", "3-1", "5,3", "1-3,3", "+1", " 1", "2147483648"] {
            assert!(text.parse::<Indexes>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn sets_are_split_by_number() {
        let indexes = set("0,1,5-8");
        assert_eq!(indexes.split(3), (set("0,1,5"), set("6-8")));
        assert_eq!(indexes.split(9), (indexes.clone(), set("")));
        assert_eq!(indexes.tail(2), set("7,8"));
        assert_eq!(
            (indexes.tail(0), indexes.tail(-1), indexes.tail(99)),
            (set(""), set(""), indexes.clone())
        );
    }

    proptest! {
        #[test]
        fn the_operations_are_those_of_sets(
            a in prop::collection::btree_set(0..40, 0..20),
            b in prop::collection::btree_set(0..40, 0..20),
        ) {
            let left: Indexes = a.iter().copied().collect();
            let right: Indexes = b.iter().copied().collect();
            prop_assert_eq!(left.with(&right), a.union(&b).copied().collect());
            prop_assert_eq!(left.without(&right), a.difference(&b).copied().collect());
            prop_assert_eq!(left.both(&right), a.intersection(&b).copied().collect());
            prop_assert_eq!(left.contains_all(&right), b.is_subset(&a));
            prop_assert_eq!(left.to_string().parse::<Indexes>(), Ok(left));
        }
    }
}
