//! Hints that offer commands of kubectl, and what to do about Jobs that are in the way.

use std::collections::BTreeSet;

use crate::{
    federation::{InTheWay, Owner, Place},
    job::{Ownership, labels},
    print::{self, federate},
};

/// What to do about Jobs that have a name that is needed: it depends on whose they are.
pub(super) fn about_what_is_in_the_way(all: &BTreeSet<InTheWay>) -> Option<String> {
    let owned = |owner| all.iter().filter(move |job| job.owner == owner).map(|job| &job.place);
    let listed = |owner| {
        let names = owned(owner).map(|place| place.cluster.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    let mut hints = Vec::new();
    for (owner, hint) in [
        (
            Owner::AnotherFederation,
            "The job in {} is a shard of another federation: take another name.",
        ),
        (
            Owner::Recorded,
            "The job in {} is a shard of another federated job, or somebody else edits this one: \
             take another name, or run the command again.",
        ),
        (Owner::Unknown, "It could not be read whose job it is in {}: take another name."),
    ] {
        let clusters = listed(owner);
        hints.extend((!clusters.is_empty()).then(|| hint.replace("{}", &clusters)));
    }
    let forgotten: Vec<_> = owned(Owner::Forgotten).collect();
    if let [first, ..] = forgotten.as_slice() {
        let names: BTreeSet<_> = forgotten.iter().map(|place| place.job.clone()).collect();
        let namespace = format!("--namespace={}", first.namespace);
        let clusters = format!("--clusters={}", listed(Owner::Forgotten).replace(", ", ","));
        let recover = federate("job recover", names.iter().chain([&namespace]));
        let list = federate("orphans list", names.iter().chain([&namespace, &clusters]));
        let clean = federate("orphans clean", names.iter().chain([&namespace, &clusters]));
        hints.push(format!(
            "What is there is a shard of a federated job that has no record. If the record was \
             lost, {recover} rebuilds it. If the job was deleted, its shards may still run, and \
             another name would run its work once more: {list} shows what they do. {clean} deletes \
             them, with what they have done."
        ));
    }
    let delete = |place: &Place| {
        let namespace = format!("--namespace={}", place.namespace);
        kubectl(place, &[&namespace, "delete", "job", &place.job])
    };
    let commands: Vec<_> = owned(Owner::Nobody).filter_map(delete).collect();
    if !commands.is_empty() {
        hints.push(format!(
            "What is there is no shard of a federated job: take another name, or delete it: \
             {}",
            commands.join(", ")
        ));
    }
    if hints.is_empty() { None } else { Some(hints.join("\n")) }
}

/// `kubectl`, in the cluster that a context leads to, between backticks.
pub(super) fn kubectl(place: &Place, words: &[&str]) -> Option<String> {
    Some(format!("`{}`", kubectl_line(place, words)?))
}

fn kubectl_line(place: &Place, words: &[&str]) -> Option<String> {
    Some(print::kubectl_line(Some(place.context.as_deref()?), words))
}

/// The command line that puts the labels of a shard back on its Job. None if no context is known.
pub fn label_again(place: &Place, ownership: &Ownership) -> Option<String> {
    let namespace = format!("--namespace={}", place.namespace);
    let labels = [
        format!("{}={}", labels::FEDERATION, ownership.federation),
        format!("{}={}", labels::JOB, ownership.job),
        format!("{}={}", labels::SHARD, ownership.shard),
    ];
    let [federation, job, shard] = &labels;
    let words = [&namespace, "label", "job", &place.job, federation, job, shard, "--overwrite"];
    kubectl_line(place, &words)
}

/// The command line that resumes the Job of a shard that somebody suspended in its cluster. None if
/// no context is known.
pub fn unsuspend(place: &Place) -> Option<String> {
    let namespace = format!("--namespace={}", place.namespace);
    let patch = r#"--patch={"spec":{"suspend":false}}"#;
    kubectl_line(place, &[&namespace, "patch", "job", &place.job, patch])
}

/// The command line that lets Kueue admit the Job of a shard whose `Workload` was deactivated. None
/// if no context is known.
pub fn activate(place: &Place, workload: &str) -> Option<String> {
    let namespace = format!("--namespace={}", place.namespace);
    let patch = r#"--patch={"spec":{"active":true}}"#;
    kubectl_line(place, &[&namespace, "patch", "workload", workload, "--type=merge", patch])
}
