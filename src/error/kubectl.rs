//! Hints that offer commands of kubectl, and what to do about Jobs that are in the way.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    federation::{Forgotten, Owner, Place, Refusals},
    job::{Ownership, labels},
    print::{self, federate, listed},
};

/// What to do about Jobs that have a name that is needed: it depends on whose they are.
pub(super) fn about_what_is_in_the_way(refusals: &Refusals) -> Option<String> {
    let all = &refusals.in_the_way;
    let owned = |owner| all.iter().filter(move |job| job.owner == owner).map(|job| &job.place);
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
        let clusters: Vec<_> = owned(owner).map(|place| place.cluster.as_str()).collect();
        let clusters = (!clusters.is_empty()).then(|| clusters.join(", "));
        hints.extend(clusters.map(|clusters| hint.replace("{}", &clusters)));
    }
    hints.extend(refusals.forgotten.iter().map(|(job, left)| about_forgotten(job, left)));
    let delete = |place: &Place| {
        let namespace = format!("--namespace={}", place.namespace);
        kubectl(place, &[&namespace, "delete", "job", &place.job])
    };
    let commands: Vec<_> = owned(Owner::Nobody).filter_map(delete).collect();
    if !commands.is_empty() {
        let mut there: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for place in owned(Owner::Nobody) {
            let job = (place.namespace.as_str(), place.job.as_str());
            there.entry(job).or_default().push(&place.cluster);
        }
        let adopt = |((namespace, job), clusters): (&(&str, &str), &Vec<&str>)| {
            let clusters = format!("--clusters={}", clusters.join(","));
            let namespace = format!("--namespace={namespace}");
            federate("job adopt", [job, clusters.as_str(), namespace.as_str()])
        };
        let adopted: Vec<_> = there.iter().map(adopt).collect();
        hints.push(format!(
            "What is there is no shard of a federated job: take another name, make shards of it: \
             {}, or delete it: {}",
            adopted.join(", "),
            commands.join(", ")
        ));
    }
    if hints.is_empty() { None } else { Some(hints.join("\n")) }
}

/// What to do about the Jobs that are left of a federated Job without a record.
fn about_forgotten(job: &Forgotten, left: &BTreeMap<String, BTreeSet<String>>) -> String {
    let in_clusters = |(name, clusters): (&String, &BTreeSet<String>)| {
        let clusters: Vec<_> = clusters.iter().map(String::as_str).collect();
        format!("{name} in {}", listed(&clusters))
    };
    let jobs: Vec<_> = left.iter().map(in_clusters).collect();
    let namespace = format!("--namespace={}", job.namespace);
    let rebuilds = job.rebuilt_as.as_ref().map(|name| {
        let recover = federate("job recover", [name, &namespace]);
        format!(" If the record was lost, {recover} rebuilds it.")
    });
    // All Jobs of it, and no others of their names.
    let words = [namespace, selector_of_job(&job.uid)];
    let (list, clean) = (federate("orphans list", &words), federate("orphans clean", &words));
    format!(
        "What is there is a shard of a federated job that has no record. Its jobs are {}.{} If the \
         federated job was deleted, they may still run, and another name would run its work once \
         more: {list} shows what they do. {clean} deletes them, with what they have done.",
        jobs.join("; "),
        rebuilds.unwrap_or_default()
    )
}

/// The flag that selects all Jobs of the federated Job with this uid, and no others of their names.
pub fn selector_of_job(uid: &str) -> String {
    format!("--selector={}={uid}", labels::JOB)
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

/// The command line that sets back the parallelism of a shard's Job that somebody changed in its
/// cluster. None if no context is known.
pub fn set_parallelism(place: &Place, pods: i32) -> Option<String> {
    let namespace = format!("--namespace={}", place.namespace);
    let patch = format!(r#"--patch={{"spec":{{"parallelism":{pods}}}}}"#);
    kubectl_line(place, &[&namespace, "patch", "job", &place.job, &patch])
}

/// The command line that lets Kueue admit the Job of a shard whose `Workload` was deactivated. None
/// if no context is known.
pub fn activate(place: &Place, workload: &str) -> Option<String> {
    let namespace = format!("--namespace={}", place.namespace);
    let patch = r#"--patch={"spec":{"active":true}}"#;
    kubectl_line(place, &[&namespace, "patch", "workload", workload, "--type=merge", patch])
}
