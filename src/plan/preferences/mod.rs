//! The preferences that a user of Kubernetes Federation v1 wrote into an annotation, read strictly.
//!
//! v1 ran a Job everywhere after a typing error and nowhere for `{}`. It ignored unknown fields and
//! unknown clusters, and took `MINREPLICAS` for `minReplicas`. Here everything that v1 guessed at
//! is an error that names the place. Field names are case-sensitive, as in every other Kubernetes
//! object.

mod strict;

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

/// The annotation on a federated Job that holds its preferences.
pub const PREFERENCES: &str = "federation.kubernetes.io/job-preferences";

/// The entry for each cluster that has no entry of its own.
const DEFAULT: &str = "*";

/// Where and how much a user would like a Job to run: v1's `ReplicaAllocationPreferences`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Preferences {
    /// Whether an edit may move work that members already have.
    pub rebalance: bool,
    /// The preference for each cluster, by its name; `*` is for those without an entry. An entry
    /// hides all fields of `*`, also those that it does not set.
    #[serde(deserialize_with = "strict::unique_keys")]
    pub clusters: BTreeMap<String, ClusterPreference>,
}

/// How many pods at once a user would like in one cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterPreference {
    /// Pods that the cluster gets before weights count; 0 or more.
    #[serde(deserialize_with = "strict::count")]
    pub min_replicas: i32,
    /// The most pods that the cluster may have; 0 or more. `None` is no limit.
    #[serde(deserialize_with = "strict::limit")]
    pub max_replicas: Option<i32>,
    /// The cluster's share of the pods that are left once all minima are met, relative to the other
    /// weights; 0 or more. A cluster of weight 0 gets none of them.
    #[serde(deserialize_with = "strict::count")]
    pub weight: i32,
}

/// What is wrong with the annotation, and where. It prints as a sentence without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPreferences {
    /// The path inside the annotation, such as `clusters.east.minReplicas`; empty for the whole
    /// annotation.
    pub place: String,
    /// What is wrong there.
    pub problem: String,
}

impl InvalidPreferences {
    fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }
}

impl std::error::Error for InvalidPreferences {}

impl fmt::Display for InvalidPreferences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, problem } = self;
        write!(f, "metadata.annotations[{PREFERENCES}]: ")?;
        if !place.is_empty() {
            write!(f, "{place}: ")?;
        }
        f.write_str(problem)
    }
}

impl Preferences {
    /// Reads the annotation's value. `registered` are the names of all members, also of those that
    /// cannot take work now.
    ///
    /// # Errors
    /// Text that is not JSON, a key that occurs twice, an unknown field, a wrong type, a number
    /// that is not an integer from 0 to 2³¹ - 1, a minimum above its maximum, a cluster that is not
    /// registered, and preferences by which no registered cluster gets a pod.
    pub fn parse(annotation: &str, registered: &[&str]) -> Result<Self, InvalidPreferences> {
        let preferences: Self = strict::parse(annotation)?;
        for (name, preference) in &preferences.clusters {
            let place = format!("clusters.{name}");
            if name != DEFAULT && !registered.contains(&name.as_str()) {
                let hint = did_you_mean(name, registered.iter().copied());
                let problem = format!("no cluster of that name is registered{hint}");
                return Err(InvalidPreferences::new(place, problem));
            }
            if let Some(max) = preference.max_replicas.filter(|max| preference.min_replicas > *max)
            {
                let min = preference.min_replicas;
                let problem = format!("must be at most maxReplicas ({max}), is {min}");
                return Err(InvalidPreferences::new(format!("{place}.minReplicas"), problem));
            }
        }
        if registered
            .iter()
            .any(|name| preferences.for_cluster(name).is_some_and(ClusterPreference::takes_any))
            || registered.is_empty()
        {
            return Ok(preferences);
        }
        let problem = "no registered cluster gets anything: one needs a weight or minReplicas \
                       above 0, by its name or by *";
        Err(InvalidPreferences::new("clusters", problem))
    }

    /// The preference for a member: its own entry, or else `*`. A member with neither gets nothing.
    pub fn for_cluster(&self, cluster: &str) -> Option<&ClusterPreference> {
        self.clusters.get(cluster).or_else(|| self.clusters.get(DEFAULT))
    }
}

impl ClusterPreference {
    /// Whether a cluster with this preference can get a pod.
    fn takes_any(&self) -> bool {
        self.max_replicas != Some(0) && (self.weight > 0 || self.min_replicas > 0)
    }
}

/// A question that is added to an error: the most similar known name, if there is one.
pub fn did_you_mean<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let lower = name.to_lowercase();
    let slips = |known: &str| strsim::osa_distance(&lower, &known.to_lowercase());
    match known.into_iter().map(|known| (slips(known), known)).min() {
        // More than one slip would make north of south.
        Some((edits, known)) if edits <= 1 && edits < known.chars().count() => {
            format!("; did you mean {known}?")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
