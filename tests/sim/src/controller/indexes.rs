//! Completion indexes in their short form, such as `1,3-5,7`.

use std::fmt;

/// Intervals of indexes, in order, with gaps between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Intervals(Vec<(i64, i64)>);

impl Intervals {
    /// Reads a list as the Job controller does: what is broken is left out, and what is at or above
    /// the completions.
    pub(crate) fn parse(text: &str, completions: i64) -> Self {
        let mut intervals: Vec<(i64, i64)> = Vec::new();
        for part in text.split(',').filter(|_| !text.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (Ok(first), Ok(last)) = (first.parse::<i64>(), last.parse::<i64>()) else {
                continue;
            };
            if first >= completions {
                break;
            }
            let last = last.min(completions - 1);
            match intervals.last_mut() {
                Some(before) if before.1 == first - 1 => before.1 = last,
                _ => intervals.push((first, last)),
            }
        }
        Self(intervals)
    }

    /// The same with more indexes.
    pub(crate) fn with(&self, indexes: impl IntoIterator<Item = i64>) -> Self {
        let mut all = self.0.clone();
        all.extend(indexes.into_iter().map(|index| (index, index)));
        all.sort_unstable();
        let mut merged: Vec<(i64, i64)> = Vec::new();
        for (first, last) in all {
            match merged.last_mut() {
                Some(before) if first <= before.1 + 1 => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    /// The indexes of both.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let mut all = self.clone();
        all.0.extend(&other.0);
        all.with([])
    }

    /// How many indexes there are.
    pub(crate) fn total(&self) -> i64 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Whether an index is among them.
    pub(crate) fn has(&self, index: i64) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&index))
    }

    /// The indexes, in order.
    pub(crate) fn indexes(&self) -> impl Iterator<Item = i64> + '_ {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// The first so many indexes below the completions that are not among them.
    pub(crate) fn first_missing(&self, count: usize, completions: i64) -> Vec<i64> {
        (0..completions).filter(|index| !self.has(*index)).take(count).collect()
    }
}

impl fmt::Display for Intervals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            match last - first {
                0 => write!(f, "{first}")?,
                1 => write!(f, "{first},{last}")?,
                _ => write!(f, "{first}-{last}")?,
            }
        }
        Ok(())
    }
}

/// Checks a list as the API server does, which is stricter than the controller.
pub(crate) fn check(text: &str, completions: i64) -> Result<(), String> {
    let mut before: Option<i64> = None;
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let limits: Vec<&str> = part.split('-').collect();
        if limits.len() > 2 {
            return Err(format!(
                "the fragment {part:?} violates the requirement that an index interval can have at \
                 most two parts separated by '-'"
            ));
        }
        let mut numbers = Vec::new();
        for limit in &limits {
            let number: i64 = limit
                .parse()
                .map_err(|_| format!("cannot convert string to integer for index: {limit:?}"))?;
            if number >= completions {
                return Err(format!("too large index: {limit:?}"));
            }
            numbers.push(number);
        }
        let (first, last) = (numbers[0], *numbers.last().unwrap_or(&numbers[0]));
        let order = |previous, current| {
            Err(format!("non-increasing order, previous: {previous}, current: {current}"))
        };
        if numbers.len() == 2 && first >= last {
            return order(first, last);
        }
        match before {
            Some(previous) if previous >= first => return order(previous, first),
            _ => before = Some(last),
        }
    }
    Ok(())
}
