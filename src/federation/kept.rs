//! What stays in clusters of a federated Job that is forgotten; pure.

use std::collections::BTreeSet;

use super::refusals::Place;

/// The Jobs that stay of a federated Job that is forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Where they are, or may be.
    pub places: Vec<Place>,
    /// Whether some of them run on, as far as that is known.
    pub run_on: bool,
    /// The clusters that could not be asked, or did not show a Job that was recorded last: what
    /// they have is what was recorded.
    pub unknown: BTreeSet<String>,
}
