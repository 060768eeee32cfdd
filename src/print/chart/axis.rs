//! Where times are on an axis, and which are written there; pure.

/// The seconds between two times that are written, from least to most.
const STEPS: [i64; 22] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
    172_800, 604_800, 2_592_000, 31_536_000,
];

/// The seconds from the beginning on that are written on an axis so long: the first, and at most
/// `most` others.
pub(super) fn ticks(span: i64, most: i64) -> Vec<i64> {
    let fits = |step: &&i64| span / **step <= most;
    let longest = STEPS[STEPS.len() - 1];
    let step = STEPS.iter().find(fits).copied().unwrap_or_else(|| longest.max(span / most.max(1)));
    (0..=span / step).map(|n| n * step).collect()
}
