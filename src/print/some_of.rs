//! Numbers of things, as sentences have them.

/// `1 of 3 clusters`; where there is one at all, `1 cluster`.
pub fn some_of(some: usize, all: usize, what: &str) -> String {
    if all == 1 { format!("{some} {what}") } else { format!("{some} of {all} {what}s") }
}
