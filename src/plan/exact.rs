//! Exact shares: a whole divided along lines that rise, each between two limits; and their rounding.
//!
//! Everything is an integer. A share is a numerator over a denominator that all shares have in common, so nothing is
//! lost before the one rounding at the end. With totals and limits below 2³¹, weights below 2³² and at most 2²⁰ lines, a first
//! division has a denominator below 2⁵², and a division by its shares has products below 2¹¹⁵: `i128` holds them.

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
    /// The most that this line reaches, however large λ is.
    pub fn most(&self) -> i128 {
        if self.weight > 0 { self.ceiling } else { self.floor }
    }
}

/// Shares of `whole`, one per line and in the lines' order: `numerators[i] / denominator`.
#[derive(Debug)]
pub(super) struct Exact {
    whole: i128,
    numerators: Vec<i128>,
    denominator: i128,
}

/// A value of λ, `numerator / denominator`, at which one line begins or ceases to rise, and how that changes the sum
/// `level + λ·slope` of all lines.
struct Bend {
    numerator: i128,
    denominator: i128,
    level: i128,
    slope: i128,
}

impl Exact {
    /// Divides `whole` with the one λ at which the lines sum to it; where the floors alone sum to more, by
    /// [`Exact::in_order`]. The lines must reach it: `whole ≤ Σ most`.
    ///
    /// The sum of the lines is piecewise linear in λ and never falls. Sorting its bends and walking up finds the piece that
    /// holds `whole`, in n log n.
    pub fn divide(whole: i128, lines: &[Line]) -> Self {
        let mut level: i128 = lines.iter().map(|line| line.floor).sum();
        if level >= whole {
            return Self::in_order(whole, lines);
        }
        let mut bends = Vec::with_capacity(2 * lines.len());
        for &Line { base, weight, floor, ceiling } in lines.iter().filter(|line| line.weight > 0) {
            bends.push(Bend {
                numerator: floor - base,
                denominator: weight,
                level: base - floor,
                slope: weight,
            });
            bends.push(Bend {
                numerator: ceiling - base,
                denominator: weight,
                level: ceiling - base,
                slope: -weight,
            });
        }
        bends.sort_unstable_by(|a, b| (a.numerator * b.denominator).cmp(&(b.numerator * a.denominator)));
        let mut slope = 0;
        for bend in bends {
            if level * bend.denominator + slope * bend.numerator >= whole * bend.denominator {
                break;
            }
            level += bend.level;
            slope += bend.slope;
        }
        // λ = (whole - level) / slope. The sum was below the whole at the bend before, so here it rises: slope > 0.
        let share = |line: &Line| match line.weight {
            0 => line.floor * slope,
            weight => {
                (line.base * slope + (whole - level) * weight).clamp(line.floor * slope, line.ceiling * slope)
            }
        };
        Self { whole, numerators: lines.iter().map(share).collect(), denominator: slope }
    }

    /// Serves the lines one after the other while the whole lasts: first every base, then every floor.
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
        Self { whole, numerators, denominator: 1 }
    }

    /// Divides another whole in the proportion of these shares, and leaves each what it `had`: nobody gets less than that
    /// if the whole suffices, and nobody more if it does not. Each gets at least 1.
    ///
    /// Every share must be above 0, and the whole at least their number.
    pub fn rescale(&self, whole: i128, had: &[i128]) -> Self {
        let had = || had.iter().map(|&had| had.max(1));
        let suffices = had().sum::<i128>() <= whole;
        let line = |(&weight, had)| {
            let (floor, ceiling) = if suffices { (had, whole) } else { (1, had) };
            Line { base: 0, weight, floor, ceiling }
        };
        let lines: Vec<Line> = self.numerators.iter().zip(had()).map(line).collect();
        Self::divide(whole, &lines)
    }

    /// The whole numbers below the shares, and then one more for those with the largest remainders until the sum is right; of
    /// equal remainders the first. So each is less than one away from its share, and within any whole limits that the share is in.
    pub fn round(&self) -> Vec<i128> {
        let mut rounded: Vec<i128> = self.numerators.iter().map(|share| share / self.denominator).collect();
        let left = self.whole - rounded.iter().sum::<i128>();
        let mut by_remainder: Vec<usize> = (0..rounded.len()).collect();
        by_remainder.sort_by_key(|&i| std::cmp::Reverse(self.numerators[i] % self.denominator));
        for &i in by_remainder.iter().take(left as usize) {
            rounded[i] += 1;
        }
        rounded
    }

    /// The whole numbers on both sides of each share, equal where it is whole.
    pub fn neighbours(&self) -> impl Iterator<Item = (i128, i128)> {
        self.numerators.iter().map(|share| {
            let below = share / self.denominator;
            (below, below + i128::from(share % self.denominator > 0))
        })
    }
}
