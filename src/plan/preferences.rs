//! The preferences that a user of Kubernetes Federation v1 wrote into an annotation, read strictly.
//!
//! v1 ran a Job everywhere after a typo and nowhere for `{}`, ignored fields and clusters that it
//! did not know, and took `MINREPLICAS` for `minReplicas`. Here whatever it would have guessed at
//! is an error that says where it is. Field names are spelt exactly, as in every other Kubernetes
//! object; a near miss is told the right one.

mod json;

use std::collections::BTreeMap;
use std::fmt;

use json::Value;

/// The annotation on a federated Job that holds its preferences.
pub const PREFERENCES: &str = "federation.kubernetes.io/job-preferences";

/// The entry for each cluster that has none of its own.
const DEFAULT: &str = "*";

/// Where and how much a user would like a Job to run: v1's `ReplicaAllocationPreferences`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preferences {
    /// Whether an edit may move what members have already.
    pub rebalance: bool,
    /// By cluster; `*` is for those that are not named. An entry of its own hides `*` entirely,
    /// field by field.
    pub clusters: BTreeMap<String, ClusterPreference>,
}

/// How many pods at once a user would like in one cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClusterPreference {
    /// Pods that it is to have before any weight counts; 0 or more.
    pub min_replicas: i32,
    /// Pods that it is never to exceed; 0 or more. `None` is no limit.
    pub max_replicas: Option<i32>,
    /// Its part of what is left once all minima are met, relative to the other weights; 0 or more,
    /// and 0 for none.
    pub weight: i32,
}

/// What is wrong with the annotation, and where. It prints as a sentence without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPreferences {
    /// The place inside of the annotation, such as `clusters.east.minReplicas`; empty for all of
    /// it.
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
    /// Reads the annotation's value. `registered` are the names of all members, whether or not they
    /// can take work now.
    ///
    /// Refused are: what is not JSON, a key that is there twice, an unknown field, a wrong type, a
    /// number that is not whole, negative or above 2³¹ - 1, a minimum above its maximum, a cluster
    /// that is not registered, and preferences by which no registered cluster gets anything.
    pub fn parse(annotation: &str, registered: &[&str]) -> Result<Self, InvalidPreferences> {
        let value: Value = serde_json::from_str(annotation)
            .map_err(|error| InvalidPreferences::new("", format!("is not valid JSON: {error}")))?;
        let mut preferences = Self::default();
        for (field, value) in value.object("", &["rebalance", "clusters"])? {
            match field.as_str() {
                "rebalance" => preferences.rebalance = value.boolean("rebalance")?,
                _ => {
                    for (name, value) in value.object("clusters", &[])? {
                        let place = format!("clusters.{name}");
                        if name != DEFAULT && !registered.contains(&name.as_str()) {
                            let hint = did_you_mean(name, registered);
                            return Err(InvalidPreferences::new(
                                place,
                                format!("no cluster of that name is registered{hint}"),
                            ));
                        }
                        preferences
                            .clusters
                            .insert(name.clone(), ClusterPreference::parse(value, &place)?);
                    }
                }
            }
        }
        if registered
            .iter()
            .any(|name| preferences.of(name).is_some_and(ClusterPreference::takes_any))
            || registered.is_empty()
        {
            return Ok(preferences);
        }
        let problem = "no registered cluster gets anything: one needs a weight or minReplicas above 0, by its name or by *";
        Err(InvalidPreferences::new("clusters", problem))
    }

    /// The preference for a member: its own, else that of `*`. A member with neither gets nothing.
    pub fn of(&self, cluster: &str) -> Option<&ClusterPreference> {
        self.clusters.get(cluster).or_else(|| self.clusters.get(DEFAULT))
    }
}

impl ClusterPreference {
    fn parse(value: &Value, place: &str) -> Result<Self, InvalidPreferences> {
        let mut preference = Self::default();
        for (field, value) in value.object(place, &["minReplicas", "maxReplicas", "weight"])? {
            let number = value.count(&format!("{place}.{field}"))?;
            match field.as_str() {
                "minReplicas" => preference.min_replicas = number,
                "maxReplicas" => preference.max_replicas = Some(number),
                _ => preference.weight = number,
            }
        }
        match preference.max_replicas {
            Some(max) if preference.min_replicas > max => {
                let problem =
                    format!("must be at most maxReplicas ({max}), is {}", preference.min_replicas);
                Err(InvalidPreferences::new(format!("{place}.minReplicas"), problem))
            }
            _ => Ok(preference),
        }
    }

    /// Whether it lets a cluster have a pod.
    fn takes_any(&self) -> bool {
        self.max_replicas != Some(0) && (self.weight > 0 || self.min_replicas > 0)
    }
}

/// A question to add to an error: the known name that is nearest, if one is near.
fn did_you_mean(name: &str, known: &[&str]) -> String {
    let lower = name.to_lowercase();
    let nearest = known.iter().map(|known| (edits(&lower, &known.to_lowercase()), known)).min();
    match nearest {
        Some((edits, known)) if edits <= 2 && edits < known.chars().count() => {
            format!("; did you mean {known}?")
        }
        _ => String::new(),
    }
}

/// The characters to insert, delete or replace to make one string of the other (Levenshtein's
/// distance).
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests;
