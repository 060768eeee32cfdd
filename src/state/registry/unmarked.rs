//! Hosts that took no part in what was done since the federation was restored on another one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::SavedRegistry;

/// A host that could not be marked as moved when the federation was restored on another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object")]
pub struct Unmarked {
    /// The kubeconfig context by which whoever restored the federation would reach it: a hint.
    /// Empty where they knew none.
    pub context: String,
}

/// How often the federation was restored on each host, and moved there, by the uid of the host. The
/// clocks of two hosts may differ; a count only grows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Restores(BTreeMap<String, u32>);

/// What stands before the uid of a host where moves are counted, and not restores.
const MOVE: &str = "move:";

/// Since which version of the state restores are counted.
const COUNTED_SINCE: u32 = 7;

impl Restores {
    /// What a registry of this version counts. An older program counted none. If its registry knows
    /// hosts that were not marked, the federation was restored on its host: that counts once.
    #[must_use]
    pub fn since(
        mut self,
        version: u32,
        host: &str,
        unmarked: &BTreeMap<String, Unmarked>,
    ) -> Self {
        if version < COUNTED_SINCE && self.is_empty() && !unmarked.is_empty() {
            self.count(host);
        }
        self
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all that these others count was restored here, too.
    pub fn include(&self, others: &Self) -> bool {
        let restores = others.0.iter().filter(|(host, _)| !host.starts_with(MOVE));
        restores.into_iter().all(|(host, count)| self.has(host, *count))
    }

    /// The same of moves and restores.
    pub fn include_moves(&self, others: &Self) -> bool {
        others.0.iter().all(|(host, count)| self.has(host, *count))
    }

    fn has(&self, host: &str, count: u32) -> bool {
        self.0.get(host).is_some_and(|own| *own >= count)
    }

    /// Adds what others count.
    pub fn join(&mut self, others: &Self) {
        for (host, count) in &others.0 {
            let own = self.0.entry(host.clone()).or_default();
            *own = (*own).max(*count);
        }
    }

    /// Counts one more move to this host.
    pub fn count_move(&mut self, host: &str) {
        self.count(&format!("{MOVE}{host}"));
    }

    /// Counts one more on this host.
    pub fn count(&mut self, host: &str) {
        let own = self.0.entry(host.to_owned()).or_default();
        *own = own.saturating_add(1);
    }
}

impl SavedRegistry {
    /// Whether the host of this registry was left for the one of another registry of the same
    /// federation, without being marked as moved, and knows nothing of what was done there since:
    /// what it has is as old as a backup. It knows that once a backup of the other host was
    /// restored on it.
    pub fn is_left_for(&self, other: &Self) -> bool {
        self.uid == other.uid
            && self.host != other.host
            && other.unmarked.contains_key(&self.host)
            && !self.restores.include(&other.restores)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_left_until_a_backup_of_the_other_one_was_restored_there() {
        let registry = |host: &str, unmarked: &str| {
            let unmarked = (unmarked.to_owned(), Unmarked { context: "c".into() });
            let host = host.to_owned();
            SavedRegistry { host, unmarked: [unmarked].into(), ..SavedRegistry::new("f") }
        };
        let (mut old, mut new) = (registry("o", "x"), registry("n", "o"));
        new.restores.count("n");
        assert!(old.is_left_for(&new) && !new.is_left_for(&old));
        assert!(!SavedRegistry { uid: "g".into(), ..old.clone() }.is_left_for(&new));
        // A backup of its own says nothing of the other host.
        old.restores.count("o");
        old.restores.count("o");
        assert!(old.is_left_for(&new));
        old.restores.join(&new.restores);
        old.restores.count("o");
        assert!(!old.is_left_for(&new));
        old.unmarked = [("n".to_owned(), Unmarked { context: "c".into() })].into();
        assert!(new.is_left_for(&old), "both have left each other: the last restore counts");
        new.restores.count("n");
        assert!(old.is_left_for(&new) && new.is_left_for(&old), "neither knows of the other");
    }
}
