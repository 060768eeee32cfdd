//! What clusters say against what is about to be written.

use std::collections::{BTreeMap, BTreeSet};

/// A place where a command can be typed: a member, and the context that leads there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The member.
    pub cluster: String,
    /// The kubeconfig context by which this user reaches it; none where none is known to.
    pub context: Option<String>,
    /// The namespace.
    pub namespace: String,
    /// The name of the Job there.
    pub job: String,
}

/// A Job that has the name of a shard that was to be created.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InTheWay {
    /// Where it is.
    pub place: Place,
    /// Whose it is.
    pub owner: Owner,
}

/// Whose Job it is that has the name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// It carries no labels of a federation: nothing of ours.
    Nobody,
    /// It is a shard of a federated Job that is recorded in this federation.
    Recorded,
    /// It is a shard of a federated Job of this federation that has no record.
    Forgotten(Forgotten),
    /// It is a shard of a federated Job of another federation.
    AnotherFederation,
    /// It could not be read.
    Unknown,
}

/// A federated Job that has no record: it was deleted while its shards stayed, or the record was
/// lost.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Forgotten {
    /// Its namespace.
    pub namespace: String,
    /// Its uid.
    pub uid: String,
    /// The name by which `job recover` rebuilds its record; none if it cannot.
    pub rebuilt_as: Option<String>,
}

/// What clusters say against what is about to be written; the same answer of several clusters is
/// there once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusals {
    /// What was not done: `created`, `changed`, `applied`.
    pub what: &'static str,
    /// Whether the request can have missing namespaces made.
    pub makes_namespaces: bool,
    /// The members that lack the namespace.
    pub without_namespace: BTreeSet<Place>,
    /// The Jobs that have a name that is needed.
    pub in_the_way: BTreeSet<InTheWay>,
    /// The federated Jobs without a record that have such Jobs, and all Jobs that are left of them
    /// in the clusters that answer: their names, and the clusters of each.
    pub forgotten: BTreeMap<Forgotten, BTreeMap<String, BTreeSet<String>>>,
    /// Whether a cluster refuses to change a template in place. The request can have new shards
    /// made.
    pub is_template_refused: bool,
    pub(super) asked: BTreeSet<String>,
    refused: BTreeSet<String>,
    answers: BTreeMap<String, BTreeSet<String>>,
}

impl Refusals {
    pub(super) fn new(what: &'static str, makes_namespaces: bool) -> Self {
        Self { what, makes_namespaces, ..Self::default() }
    }

    /// What was said, each with the clusters that said it.
    pub fn sentences(&self) -> impl Iterator<Item = String> {
        self.answers.iter().map(|(text, clusters)| in_clusters(text, clusters))
    }

    /// `2 of 3 clusters`.
    pub(super) fn count(&self) -> String {
        some_clusters(self.refused.len(), self.asked.len())
    }

    /// Adds an answer of one member.
    pub(super) fn add(&mut self, answer: String, cluster: String) {
        self.answers.entry(answer).or_default().insert(cluster.clone());
        self.refused.insert(cluster);
    }
}

/// The text with the clusters that said it at the end of its first line.
fn in_clusters(text: &str, clusters: &BTreeSet<String>) -> String {
    let names: Vec<_> = clusters.iter().map(String::as_str).collect();
    let what = if names.len() == 1 { "cluster" } else { "clusters" };
    let who = format!(" ({what} {})", names.join(", "));
    match text.split_once(": \n") {
        Some((first, rest)) => format!("{first}{who}:\n{rest}"),
        None => format!("{text}{who}"),
    }
}

/// `1 of 3 clusters`; where there is one at all, `1 cluster`.
pub fn some_clusters(some: usize, all: usize) -> String {
    if all == 1 { format!("{some} cluster") } else { format!("{some} of {all} clusters") }
}
