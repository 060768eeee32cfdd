//! Which state of several shards is shown for their cluster; pure.

/// The states of shards, from what matters most to somebody who waits to what matters least.
const BY_INTEREST: [&str; 15] = [
    "Unknown",
    "Forbidden",
    "Unauthorized",
    "Failed",
    "Expired",
    "Evicted",
    "Running",
    "Queued",
    "Pending",
    "Foreseen",
    "Suspended",
    "Lost",
    "Deleted",
    "Stopped",
    "Complete",
];

/// The one of these states that matters most.
pub(super) fn foremost(states: impl IntoIterator<Item = &'static str>) -> &'static str {
    states.into_iter().map(rank).min().map_or("", |rank| BY_INTEREST[rank])
}

fn rank(state: &'static str) -> usize {
    BY_INTEREST.iter().position(|known| *known == state).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_states_the_one_that_matters_most_is_shown() {
        assert_eq!(foremost(["Complete", "Running", "Queued"]), "Running");
        assert_eq!(foremost(["Lost", "Unknown"]), "Unknown");
        assert_eq!(foremost([]), "");
    }
}
