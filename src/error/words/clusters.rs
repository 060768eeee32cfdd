//! What to do about clusters that have not done their part or whose work is to go to others, and
//! about hosts that are left.

use super::hosts::{about_host, delete_records};
use crate::{
    error::{Error, Hint, OfJobs},
    federation::{self, InUse, Unfinished},
    print::{federate, federate_on_host},
};

/// What to do about a cluster that cannot be registered or unregistered, or whose work has not all
/// gone to others, or has long gone there; and about a federation that cannot be moved to another
/// host yet.
pub(super) fn about_leaving(error: &federation::Error) -> Error {
    use federation::Error as E;
    let said = Error::new(error);
    match error {
        E::NameTaken { name, .. } => said.hint(format!(
            "Take another name, or {} first. If the cluster was built anew, {} gives its work to \
             others and makes room for the new one.",
            federate("cluster unregister", [name]),
            federate("cluster lost", [name])
        )),
        E::DrainTimedOut { name } | E::StaysDraining { name, .. } => said.hint(format!(
            "The drain goes on with each reconcile; {} waits for it again, {} ends it.",
            federate("cluster drain", [name]),
            federate("cluster uncordon", [name])
        )),
        E::LeftRecords { host, context, jobs } => said.hint(format!(
            "That host has the jobs: --context={context}. Only if it is gone for good, restore a \
             backup of it. Without one, delete the records of these jobs here, and rebuild them: \
             {}, {}. What jobs did that are gone by then runs again.",
            delete_records(host, jobs),
            federate("job recover", ["--all", "--all-namespaces"])
        )),
        E::Host(error) => about_host(error),
        E::InTheWay { moved: Some(context), .. } => said.hint(format!(
            "The federation has moved there already, and only the registry is gone. Make another \
             one, register the clusters again, and rebuild the federation with it: {}, {}, {}",
            federate_on_host("init", [] as [&str; 0], context),
            federate_on_host("cluster register", ["NAME"], context),
            federate_on_host("job recover", ["--all", "--all-namespaces"], context)
        )),
        E::InTheWay { moved: None, .. } => said.hint(
            "It is on the new host. If no federation uses that host, delete its configmap there, \
             and run it again.",
        ),
        E::OtherJob { namespace, name } => said.hint(format!(
            "If nobody needs that one, delete it, and run this command again: {} shows it.",
            federate("job get", [name, "-n", namespace])
        )),
        E::NotGivenUp { .. } => said.hint(format!(
            "{} gives it to others. Then register the new one.",
            federate("reconcile", ["--all-namespaces"])
        )),
        E::CarriesShards { name, silent: true, .. } => said.hint(format!(
            "It does not answer, and cannot be drained. Only if it is gone for good: {} has others \
             do its work and takes it out. What it has done unseen runs twice.",
            federate("cluster unregister", [name.as_str(), "--force"])
        )),
        E::CarriesShards { name, jobs, .. } => said.hint(format!(
            "If its shards have ended, {} records that. {} gives their work to \
             others first; --force gives it up, as `cluster lost` does. Or delete the jobs, with \
             all that they have done: {}",
            federate("reconcile", ["--all-namespaces"]),
            federate("cluster drain", [name]),
            deletions(jobs)
        )),
        E::FederationInUse { by: InUse::AnotherHost, .. } => said.hint(format!(
            "If nothing needs what it left here, {} makes another federation of it. Then run this \
             again.",
            federate("init", ["--replace-moved"])
        )),
        E::FederationInUse { by: InUse::Orphans, .. } => said.hint(format!(
            "{} rebuilds their records, {} deletes them. Or make another host with {}.",
            federate("job recover", ["--all", "--all-namespaces"]),
            federate("orphans clean", ["-A"]),
            federate("init", ["--context=CONTEXT"])
        )),
        E::FederationInUse { .. } => said.hint(format!(
            "Make another host with {}. Or run it again once this federation has no jobs.",
            federate("init", ["--context=CONTEXT"])
        )),
        E::DeclaredLost { name } => said.hint(format!(
            "{} gives the cluster new work again. Then it can be drained.",
            federate("cluster uncordon", [name])
        )),
        E::NobodyTakes { name, .. } => said.hint(format!(
            "Register or uncordon another cluster, or change the preferences of the jobs, and \
             repeat the drain. {} ends it.",
            federate("cluster uncordon", [name])
        )),
        // The sentence says it all.
        _ => said,
    }
}

/// What to do where nothing, or not only one thing, can be recovered.
pub(super) fn about_recovery(error: &federation::Error) -> Error {
    use federation::Error as E;
    let said = Error::new(error);
    match error {
        E::SeveralFederations { .. } => said.hint("Choose one of them with --federation=UID."),
        E::NoShardsOf { found, .. } if !found.is_empty() => {
            said.hint(format!("There are jobs of {}.", found.join(", ")))
        }
        E::NothingToRecover { name, damaged_in: Some(namespace), .. } => {
            let forget = federate("job delete", [name, "-n", namespace, "--cascade=orphan"]);
            said.hint(format!("{forget} forgets the record, and what it has counted."))
        }
        _ => said,
    }
}

/// The commands that delete these Jobs, by namespace and name, and their shards.
fn deletions(jobs: &[(String, String)]) -> String {
    let deletions = jobs.iter().map(|(namespace, name)| {
        federate("job delete", [name, "-n", namespace, "--cascade=background"])
    });
    deletions.collect::<Vec<_>>().join(", ")
}

/// The hint where what is left of a Job is done by whoever reconciles it next.
pub(super) fn finish_left(namespace: &str, name: &str) -> Hint {
    OfJobs::reconcile(namespace, name, ["{} finishes what is left."; 2]).into()
}

/// The hint where clusters did not do their part: when the rest can be done, and what does it.
pub(super) fn finish_unfinished(Unfinished { namespace, name, unknown, .. }: &Unfinished) -> Hint {
    if *unknown == 0 {
        return finish_left(namespace, name);
    }
    let sentences = [
        "Once all its clusters answer, {} finishes what is left.",
        "Once all their clusters answer, {} finishes what is left.",
    ];
    OfJobs::reconcile(namespace, name, sentences).into()
}

/// How clusters become members again that have shards, and are none.
pub(super) fn register_again(clusters: &[String]) -> Option<String> {
    let register =
        |name: &String| federate("cluster register", [name.as_str(), "--cluster-context=CONTEXT"]);
    let commands: Vec<_> = clusters.iter().map(register).collect();
    let registers = if clusters.len() == 1 { "registers it" } else { "register them" };
    (!clusters.is_empty()).then(|| format!("{} {registers} again.", commands.join(", ")))
}
