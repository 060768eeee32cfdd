//! Counts in sentences.

/// `1 of 3 clusters`, or `1 cluster` if there is only one.
pub fn some_of(some: usize, all: usize, what: &str) -> String {
    if all == 1 { format!("{some} {what}") } else { format!("{some} of {all} {what}s") }
}
