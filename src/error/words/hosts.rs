//! What to do about a host that has no federation, or not the one that is meant.

use std::collections::BTreeMap;

use crate::{
    error::Error,
    federation::{self, HostError},
    print::{self, federate, federate_on_host, kubectl_line},
    state::{self, LeftBehind, REGISTRY_NAME, REGISTRY_NAMESPACE, Record},
};

/// What to do about a host without a registry, or with one whose federation was moved away.
pub(super) fn about_registry(error: &state::Error) -> Error {
    let said = Error::new(error);
    match error {
        state::Error::NoRegistry { host } => said.hint(format!(
            "{} makes one; --context names the host if there is one elsewhere. If this one was \
             lost, restore a backup there, or register the clusters again and recover its jobs.",
            federate_on_host("init", [] as [&str; 0], host)
        )),
        state::Error::Moved { host, context, .. } => {
            let to = format!("--context={}", new_host(context));
            said.hint(format!(
                "{} uses the new host. {} finishes a move that was interrupted. If the new host is \
                 lost, restore a backup, here or on another cluster: {}. {} makes another \
                 federation here.",
                federate("init", [to.as_str()]),
                federate("init", [format!("--from={host}"), to.clone()]),
                federate("restore", ["FILE", "--context=CONTEXT"]),
                federate_on_host("init", ["--replace-moved"], host)
            ))
        }
        // The sentence says it all.
        _ => said,
    }
}

/// What to do about the host that a federation is to be moved from. Its context is not the one that
/// the command repeats.
pub(super) fn about_old_host(
    context: &str,
    error: &federation::Error,
    say: fn(&federation::Error) -> Error,
) -> Error {
    let said = print::about_host_of(context, || say(error));
    match error {
        federation::Error::WrongHost { .. } => {
            said.hint("The registry was made in another cluster: name the host with --from.")
        }
        _ if error.is_host_unreachable() => said.hint(format!(
            "It is the host to move from, by the context {context:?}. --from names another context \
             that leads to it. If it is gone for good, {} makes another host of a backup.",
            federate("restore", ["FILE"])
        )),
        _ => said,
    }
}

/// What to do about a host that cannot be what it was asked to be.
pub(super) fn about_host(error: &HostError) -> Error {
    let said = Error::new(error);
    match error {
        HostError::LostRegistry { host, left } => said.hint(about_lost(host, left)),
        HostError::NothingToMove { from, left, .. } if !left.is_empty() => {
            said.hint(about_lost(from, left))
        }
        HostError::NothingToMove { context, is_host: true, .. } => said.hint(format!(
            "The cluster of {context:?} has a federation already: {} uses it.",
            federate("init", [format!("--context={context}")])
        )),
        HostError::NothingToMove { context, .. } => said.hint(format!(
            "--from names the context of the host that has the federation. Where there is none \
             yet, leave it out: {} makes one.",
            federate("init", [format!("--context={context}")])
        )),
        HostError::NotNamed { federation, host, typed, is_agreed, .. } => {
            let named = [format!("--federation={federation}")];
            let yes = is_agreed.then(|| "--yes".to_owned());
            let words = typed.iter().cloned().chain(named).chain(yes);
            said.hint(format!(
                "If that federation has another host, use that one in place of this. If it was \
                 lost, {} goes on: nothing is to use the old host then.",
                federate_on_host("job recover", words, host)
            ))
        }
        HostError::ActsElsewhere { context, .. } => said.hint(format!(
            "{} uses that host. Two hosts of one federation would both give out its work. If the \
             federation was restored on another host since, restore a backup of that one: {}.",
            federate("init", [format!("--context={context}")]),
            federate("restore", ["FILE", "--context=CONTEXT"])
        )),
        HostError::StillActs { name, host } => said.hint(format!(
            "{} marks it as moved, and forgets it. Nothing can use it then.",
            federate_on_host("init", [format!("--from={name}")], host)
        )),
        HostError::LacksJobs { .. } | HostError::LacksClusters { .. } => about_lacking(error),
        HostError::StaleHost { from, context, .. } => said.hint(format!(
            "Mark it as moved first, then move the federation there: {}, {}",
            federate("init", [format!("--from={context}"), format!("--context={from}")]),
            federate_on_host("init", [format!("--from={from}")], context)
        )),
        HostError::BothLeft { from, context, .. } => said.hint(format!(
            "Save a backup of the one, and restore it on the other: {}, {}. That marks the first \
             as moved, and lists all clusters before any work is opened.",
            federate("backup", ["FILE", &format!("--context={from}")]),
            federate_on_host("restore", ["FILE"], context)
        )),
        HostError::Unfinished { host, context, is_marked, .. } => {
            let to = format!("--context={}", new_host(context));
            let finish = federate("init", [format!("--from={host}"), to]);
            let finish = format!("{finish} finishes the move.");
            if !is_marked {
                return said.hint(finish);
            }
            let registry = ["delete", "configmap", REGISTRY_NAME, "-n", REGISTRY_NAMESPACE];
            said.hint(format!(
                "{finish} Only if nothing is needed of what is left here, delete the registry, and \
                 make another one: `{}`, {}",
                kubectl_line(Some(host), &registry),
                federate_on_host("init", [] as [&str; 0], host)
            ))
        }
        HostError::LeftDamaged { job, host, context, .. } => {
            let to = format!("--context={}", new_host(context));
            let (namespace, name) = job;
            said.hint(format!(
                "Put back what was there. Or delete the record, finish the move, and rebuild the \
                 record on the new host from the jobs in the clusters: {}, {}, {}",
                delete_records(host, std::slice::from_ref(job)),
                federate("init", [format!("--from={host}"), to.clone()]),
                federate("job recover", [name.as_str(), "-n", namespace, &to])
            ))
        }
        HostError::NotThere { host, context, jobs, .. } => {
            let (namespace, name) = one_of(jobs);
            said.hint(format!(
                "If there is a backup that has them, restore it on the new host: {}. Only if they \
                 were deleted there since the move, delete their records here: {}",
                federate("restore", ["FILE", &format!("--context={}", new_host(context))]),
                delete_records(host, &[(namespace.to_owned(), name.to_owned())])
            ))
        }
        HostError::NotRestored { error, .. } => {
            let hints = super::of_state(error).hints;
            hints.into_iter().fold(said, Error::and_hint).and_hint(
                "What was restored can be used. Once nothing keeps the rest from being written, \
                 the same command writes it. Or take these jobs out of the file first.",
            )
        }
        // The sentence says it all.
        HostError::SameHost { .. } | HostError::PartlyRestored { .. } => said,
    }
}

/// What to do about a host that has the federation already, and lacks what an old one has.
fn about_lacking(error: &HostError) -> Error {
    let said = Error::new(error);
    match error {
        HostError::LacksJobs { from, context, jobs, .. } => {
            let (namespace, name) = one_of(jobs);
            let namespace = format!("--namespace={namespace}");
            let at = format!("--context={from}");
            said.hint(format!(
                "Save a backup of the old host, and restore it on the new one first: {}, {}. That \
                 also brings back the jobs that were deleted on the new host since. If it lacks \
                 one for that reason, remove its record from the old host before: {}",
                federate("backup", ["FILE", &at]),
                federate_on_host("restore", ["FILE"], context),
                federate("job delete", [name, &namespace, "--cascade=orphan", &at])
            ))
        }
        HostError::LacksClusters { from, context, clusters, .. } => {
            let register = |(name, at): &(String, String)| {
                let at = format!("--cluster-context={at}");
                federate_on_host("cluster register", [name.as_str(), &at], context)
            };
            let register: Vec<_> = clusters.iter().map(register).collect();
            let lost = if let [(name, _)] = clusters.as_slice() { name } else { "NAME" };
            said.hint(format!(
                "What they run is not known on the new host until they are registered there, by \
                 these names or others: {}. Or declare one that is gone for good lost on the old \
                 host: {}. Then run it again.",
                register.join(", "),
                federate("cluster lost", [lost, &format!("--context={from}")])
            ))
        }
        _ => said,
    }
}

/// The context of the host to which a federation was moved, which may have been named by its
/// address.
fn new_host(context: &str) -> &str {
    if context.is_empty() { "CONTEXT" } else { context }
}

/// The commands of kubectl that delete the records of these Jobs, by namespace and name, on a host.
pub(super) fn delete_records(host: &str, jobs: &[(String, String)]) -> String {
    let mut named: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (namespace, name) in jobs {
        named.entry(namespace).or_default().push(Record::config_map_name(name));
    }
    let delete = |(namespace, names): (&str, Vec<String>)| {
        let names = names.iter().map(String::as_str);
        let words: Vec<_> =
            ["delete", "configmap"].into_iter().chain(names).chain(["-n", namespace]).collect();
        format!("`{}`", kubectl_line(Some(host), &words))
    };
    named.into_iter().map(delete).collect::<Vec<_>>().join(", ")
}

/// The namespace and the name of the Job that is meant: of several, only the user knows which.
fn one_of(jobs: &[(String, String)]) -> (&str, &str) {
    match jobs {
        [(namespace, name)] => (namespace, name),
        _ => ("NAMESPACE", "NAME"),
    }
}

/// The command that makes the Jobs of another federation count again.
pub(super) fn take_over(federation: &str) -> String {
    let federation = format!("--federation={federation}");
    federate("job recover", ["--all", "--all-namespaces", &federation])
}

/// How a host gets its registry back.
fn about_lost(host: &str, left: &LeftBehind) -> String {
    let Some((federation, _)) = left.jobs.first_key_value() else {
        let context = left.moved.keys().find(|context| !context.is_empty());
        let context = context.map_or("CONTEXT", String::as_str);
        let init = federate("init", [format!("--context={context}")]);
        return format!("The federation has another host: {init} uses that one.");
    };
    let recover = ["--all", "--all-namespaces", &format!("--federation={federation}")];
    format!(
        "If there is a backup, {} makes the registry again. Without one: {}, then for each of its \
         clusters {}, and before any job is created {}.",
        federate_on_host("restore", ["FILE"], host),
        federate_on_host("init", [] as [&str; 0], host),
        federate_on_host("cluster register", ["NAME", "--cluster-context=CONTEXT"], host),
        federate_on_host("job recover", recover, host)
    )
}
