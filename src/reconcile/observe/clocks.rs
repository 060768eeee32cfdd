//! The clocks of the clusters. A start time is its member's, and what it is compared with must not
//! be the clock of whoever runs the command.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::cluster::Connection;

/// Differences of clocks up to this are ignored: they change from one measurement to the next, and
/// no deadline of a Job is that exact.
pub const TOLERATED_SKEW: SignedDuration = SignedDuration::from_secs(30);

/// A `Date` that is further off is not believed: certificates and tokens would not work with such a
/// local clock, so something between here and the server has made it up.
const PLAUSIBLE_SKEW: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How many seconds the clocks of members are ahead of the host's, negative where they are behind.
/// Members whose clocks differ by [`TOLERATED_SKEW`] or less are not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clocks {
    ahead: BTreeMap<String, i64>,
    /// The members that have answered, and whose clocks are not known all the same.
    unknown: BTreeSet<String>,
    is_host_unknown: bool,
}

impl Clocks {
    /// One member whose clock is ahead by so many seconds.
    #[cfg(test)]
    pub(in crate::reconcile) fn of_one(cluster: &str, ahead: i64) -> Self {
        let ahead = [(cluster.to_owned(), ahead)].into();
        Self { ahead, ..Self::default() }
    }

    /// One member that has answered, and whose clock is not known.
    #[cfg(test)]
    pub(in crate::reconcile) fn without(cluster: &str) -> Self {
        Self { unknown: [cluster.to_owned()].into(), ..Self::default() }
    }

    /// Nothing is known: the host has not said what its time is, or nobody believes it.
    pub fn unknown() -> Self {
        Self { is_host_unknown: true, ..Self::default() }
    }

    /// Whether the present time by the host's clock is not known.
    pub fn is_host_unknown(&self) -> bool {
        self.is_host_unknown
    }

    /// The clocks by what was measured: how far the host's clock is ahead of the local one, and how
    /// far each member's is; none for one that does not say it.
    pub(super) fn measured<'a>(
        host: SignedDuration,
        members: impl Iterator<Item = (&'a str, Option<SignedDuration>)>,
    ) -> Self {
        let mut clocks = Self::default();
        for (name, skew) in members {
            match skew.map(|skew| skew - host) {
                None => drop(clocks.unknown.insert(name.to_owned())),
                Some(ahead) if ahead.abs() > TOLERATED_SKEW => {
                    clocks.ahead.insert(name.to_owned(), ahead.as_secs());
                }
                Some(_) => {}
            }
        }
        clocks
    }

    /// Whether it is not known what a time of a member that has answered is by the host's clock.
    pub fn is_unknown(&self, cluster: &str) -> bool {
        self.is_host_unknown || self.unknown.contains(cluster)
    }

    /// A time of a member's clock, in seconds since 1970, as the host's clock has it.
    pub fn host_time(&self, cluster: &str, at: i64) -> i64 {
        at.saturating_sub(self.ahead.get(cluster).copied().unwrap_or(0))
    }

    /// A time of the host's clock, in seconds since 1970, as a member's clock has it.
    pub fn member_time(&self, cluster: &str, at: i64) -> i64 {
        at.saturating_add(self.ahead.get(cluster).copied().unwrap_or(0))
    }

    /// Whether a member's clock differs from the host's.
    pub fn is_skewed(&self, cluster: &str) -> bool {
        self.ahead.contains_key(cluster)
    }

    /// The members whose clocks differ from the host's, and by how many seconds they are ahead.
    pub fn skewed(&self) -> impl Iterator<Item = (&str, i64)> {
        self.ahead.iter().map(|(name, ahead)| (name.as_str(), *ahead))
    }
}

/// A time of a member's clock, in seconds since 1970, as the host's clock has it. It is the same
/// where the two differ by no more than [`TOLERATED_SKEW`], or it is not known how far they differ.
pub fn host_time(host: &Connection, member: &Connection, at: i64) -> i64 {
    let (Some(host), Some(member)) = (plausible_skew(host), plausible_skew(member)) else {
        return at;
    };
    Clocks::measured(host, std::iter::once(("", Some(member)))).host_time("", at)
}

/// The time by the clock of a server, from the local time. It is the local time before the server's
/// first answer.
pub fn server_time(server: &Connection, local: Timestamp) -> Timestamp {
    let skew = plausible_skew(server).unwrap_or(SignedDuration::ZERO);
    local.checked_add(skew).unwrap_or(local)
}

/// How far a server's clock is ahead of the local one. None before its first answer, and where the
/// difference is larger than `PLAUSIBLE_SKEW`.
pub fn plausible_skew(server: &Connection) -> Option<SignedDuration> {
    server.clock_skew().filter(|skew| skew.abs() <= PLAUSIBLE_SKEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clocks_that_differ_much_from_the_hosts_are_corrected() {
        let seconds = SignedDuration::from_secs;
        let measured = [("a", 3600), ("b", 3620), ("c", 0)];
        let measured = measured.map(|(name, skew)| (name, Some(seconds(skew))));
        let measured = measured.into_iter().chain([("d", None)]);
        let clocks = Clocks::measured(seconds(3600), measured);
        let unknown = ["a", "b", "c", "d", "e"].map(|name| clocks.is_unknown(name));
        assert_eq!(unknown, [false, false, false, true, false]);
        assert_eq!(clocks.skewed().collect::<Vec<_>>(), [("c", -3600)]);
        let host_times = ["a", "b", "c"].map(|name| clocks.host_time(name, 1000));
        assert_eq!(host_times, [1000, 1000, 4600]);
        let member_times = ["a", "b", "c"].map(|name| clocks.member_time(name, 4600));
        assert_eq!(member_times, [4600, 4600, 1000]);
    }
}
