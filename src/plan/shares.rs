//! Exact shares of a whole, each between two limits, and their rounding.
//!
//! All numbers are integers. A share is a numerator over a denominator that all shares have in
//! common, so that nothing is lost before the one rounding at the end. With totals and limits below
//! 2³¹, weights below 2³² and at most 2²⁰ lines, a first division has a denominator below 2⁵², and
//! a division by its shares has products below 2¹¹⁵: `i128` holds them.

use std::cmp::{Ordering, Reverse};

/// What one member may get: `base + λ·weight`, but at least `floor` and at most `ceiling`.
///
/// `0 ≤ base ≤ floor ≤ ceiling`, and `0 ≤ weight`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub base: i128,
    pub weight: i128,
    pub floor: i128,
    pub ceiling: i128,
}

impl Line {
    /// The largest value of the line, for any λ.
    pub fn most(&self) -> i128 {
        if self.weight > 0 { self.ceiling } else { self.floor }
    }
}

/// Shares of `whole`, one per line and in the lines' order.
#[derive(Debug)]
pub(super) struct Exact {
    whole: i128,
    shares: Vec<Share>,
}

/// A numerator over the denominator that all shares have in common, which is `below` and a
/// remainder.
#[derive(Debug, Clone, Copy)]
struct Share {
    numerator: i128,
    below: i128,
    remainder: i128,
}

/// Where one line begins to rise, at λ = `rise / slope`, or ceases to, at λ = `rise / -slope`; the
/// slope of all lines together changes by `slope`. It is small because it is moved about.
struct Bend {
    rise: i128,
    slope: i128,
}

impl Bend {
    fn compare(&self, other: &Self) -> Ordering {
        (self.rise * other.slope.abs()).cmp(&(other.rise * self.slope.abs()))
    }

    /// Level and slope of all lines together above this bend, given those below it.
    fn pass((level, slope): (i128, i128), bend: &Self) -> (i128, i128) {
        (level - bend.rise * bend.slope.signum(), slope + bend.slope)
    }
}

impl Exact {
    fn new(whole: i128, denominator: i128, numerators: impl Iterator<Item = i128>) -> Self {
        let share = |numerator| {
            let below = numerator / denominator;
            Share { numerator, below, remainder: numerator - below * denominator }
        };
        Self { whole, shares: numerators.map(share).collect() }
    }

    /// Divides `whole` with the one λ at which the lines sum to it; where the floors alone sum to
    /// more, by [`Exact::in_order`]. The lines must reach it: `whole ≤ Σ most`.
    ///
    /// The sum of the lines, `level + λ·slope`, is piecewise linear in λ and never falls. Halving
    /// its bends finds the piece that holds `whole`: at the middle bend it shows which half to look
    /// at next, and the bends need not be sorted for that.
    pub fn divide(whole: i128, lines: &[Line]) -> Self {
        let mut level: i128 = lines.iter().map(|line| line.floor).sum();
        if level >= whole {
            return Self::in_order(whole, lines);
        }
        let mut slope = 0;
        let mut bends = Vec::new();
        for &Line { base, weight, floor, ceiling } in lines.iter().filter(|line| line.weight > 0) {
            if floor > base {
                bends.push(Bend { rise: floor - base, slope: weight });
            } else {
                slope += weight;
            }
            // A ceiling as high as the whole is not reached before the sum is.
            if ceiling < whole {
                bends.push(Bend { rise: ceiling - base, slope: -weight });
            }
        }
        let mut rest = &mut bends[..];
        while !rest.is_empty() {
            let (before, middle, after) =
                rest.select_nth_unstable_by(rest.len() / 2, Bend::compare);
            let at_middle = before.iter().fold((level, slope), Bend::pass);
            let weight = middle.slope.abs();
            // Far beyond the whole the sum may saturate, which is beyond it too.
            let sum = at_middle.0.saturating_mul(weight).saturating_add(at_middle.1 * middle.rise);
            if sum >= whole * weight {
                rest = before;
            } else {
                (level, slope) = Bend::pass(at_middle, middle);
                rest = after;
            }
        }
        // λ = (whole - level) / slope. The sum is below the whole at the last bend passed, so here
        // it rises: slope > 0.
        let share = |line: &Line| match line.weight {
            0 => line.floor * slope,
            weight => (line.base * slope + (whole - level) * weight)
                .clamp(line.floor * slope, line.ceiling * slope),
        };
        Self::new(whole, slope, lines.iter().map(share))
    }

    /// Serves the lines one after the other while the whole lasts: first every base, then every
    /// floor.
    fn in_order(whole: i128, lines: &[Line]) -> Self {
        let mut left = whole;
        let mut take = |wanted: i128| {
            let taken = wanted.min(left);
            left -= taken;
            taken
        };
        let mut numerators: Vec<i128> = lines.iter().map(|line| take(line.base)).collect();
        for (share, line) in numerators.iter_mut().zip(lines) {
            *share += take(line.floor - *share);
        }
        Self::new(whole, 1, numerators.into_iter())
    }

    /// Divides another whole in the proportion of these shares. `kept` has what each member keeps:
    /// no member gets less if the whole suffices, and none gets more if it does not. Each gets at
    /// least `least`, which is 1 or more.
    ///
    /// Every share must be above 0, and the whole at least their number times `least`.
    pub fn rescale(&self, whole: i128, kept: &[i128], least: i128) -> Self {
        let kept = || kept.iter().map(|&kept| kept.max(least));
        let suffices = kept().sum::<i128>() <= whole;
        let line = |(share, kept): (&Share, i128)| {
            let (floor, ceiling) = if suffices { (kept, whole) } else { (least, kept) };
            Line { base: 0, weight: share.numerator, floor, ceiling }
        };
        let lines: Vec<Line> = self.shares.iter().zip(kept()).map(line).collect();
        Self::divide(whole, &lines)
    }

    /// The shares as integers, rounded by largest remainder: all are rounded down, and the shares
    /// with the largest remainders get one more until the sum is right. Of equal remainders the
    /// first wins. Each result is less than one away from its share, and within any integer limits
    /// of the share.
    pub fn round(&self) -> Vec<i128> {
        let mut rounded: Vec<i128> = self.shares.iter().map(|share| share.below).collect();
        let mut by_remainder: Vec<(Reverse<i128>, usize)> =
            self.shares.iter().map(|share| Reverse(share.remainder)).zip(0..).collect();
        let left = (self.whole - rounded.iter().sum::<i128>()) as usize;
        if left > 0 {
            by_remainder.select_nth_unstable(left - 1);
        }
        for &(_, i) in &by_remainder[..left] {
            rounded[i] += 1;
        }
        rounded
    }

    /// Numbers that compare as the shares do.
    pub fn compared(&self) -> Vec<i128> {
        self.shares.iter().map(|share| share.numerator).collect()
    }

    /// The integers below and above each share; both are the share if it is an integer.
    pub fn neighbours(&self) -> impl Iterator<Item = (i128, i128)> {
        self.shares.iter().map(|share| (share.below, share.below + i128::from(share.remainder > 0)))
    }
}
