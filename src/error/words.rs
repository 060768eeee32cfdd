//! What is printed for the errors of each layer, and what the user can do about them.

use std::{collections::BTreeSet, sync::Arc};

use super::Error;
use crate::{
    cluster,
    federation::{self, Existing, InTheWay, Owner, Place, Refusals},
    print::{self, command, federate},
    reconcile::{EditError, Idle},
    state,
};

const NAMESPACE_HINT: &str = "--create-namespace makes the namespace wherever it is missing.";

const LIST_HINT: &str = "`kubectl federate cluster list` shows those that are.";

const RECREATE_HINT: &str =
    "--recreate stops the jobs in the clusters, keeps what has succeeded, and runs the rest anew.";

impl From<cluster::Error> for Error {
    fn from(error: cluster::Error) -> Self {
        Self { source: Some(Arc::new(error.clone())), ..of_cluster(&error) }
    }
}

impl From<state::Error> for Error {
    fn from(error: state::Error) -> Self {
        Self { source: None, ..of_state(&error) }.with_source(error)
    }
}

impl From<federation::Error> for Error {
    fn from(error: federation::Error) -> Self {
        of_federation(&error).with_source(error)
    }
}

impl From<print::Error> for Error {
    fn from(error: print::Error) -> Self {
        Self::new(&error).with_source(error)
    }
}

impl Error {
    fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    fn hinted(self, hint: Option<impl Into<String>>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }
}

fn of_cluster(error: &cluster::Error) -> Error {
    Error::verbatim(error.report()).hinted(error.hint())
}

fn of_state(error: &state::Error) -> Error {
    let hint = match error {
        state::Error::Cluster(error) => return of_cluster(error),
        state::Error::Replaced { .. } => return Error::server("Conflict", error),
        state::Error::NoRegistry { .. } => {
            "`kubectl federate init` makes one; --context names the host if there is one elsewhere."
        }
        state::Error::Newer { .. } => "Install a newer kubectl-federate.",
        state::Error::Damaged { key, .. } if key.starts_with("member.") => {
            "Put back what was there, or remove the annotation and register the cluster again."
        }
        state::Error::Damaged { key, .. } if key.ends_with("/settings") => {
            "Put back what was there."
        }
        state::Error::Damaged { .. } => {
            "Put back what was there, or delete the configmap to have the job forgotten; its jobs \
            in the clusters stay."
        }
        state::Error::TooLarge { .. } => {
            "Make its manifest smaller, divide it over fewer clusters, or make several jobs of it."
        }
        state::Error::OtherFederation { .. } => "Its own host or registry knows it; see --context.",
    };
    Error::new(error).hint(hint)
}

fn of_federation(error: &federation::Error) -> Error {
    use federation::Error as E;
    match error {
        E::State(error) => of_state(error),
        E::Cluster(error) => of_cluster(error),
        E::WrongHost { error, remembered } => of_cluster(error).hint(if *remembered {
            "`kubectl federate init` remembered another cluster under this context: name the host \
            with --context."
        } else {
            "The registry was made in another cluster: name the host with --context."
        }),
        E::NotFound { .. } => Error::server("NotFound", error),
        E::AlreadyExists { namespace, name, there, .. } => {
            let hint = there.map(|there| about_existing(there, namespace, name));
            Error::server("AlreadyExists", error).hinted(hint)
        }
        E::HostRefused { error: refusal, .. } => {
            let text = error.host_report().unwrap_or_else(|| refusal.report());
            Error::verbatim(text).hinted(refusal.is_not_found().then_some(NAMESPACE_HINT))
        }
        E::NotEditable { error: why, may_recreate, .. } => {
            Error::new(error).hinted(about_edit(why, *may_recreate))
        }
        E::Refused(refusals) => of_refusals(error, refusals),
        E::Unfinished(unfinished) => {
            let finish = reconcile(&unfinished.namespace, &unfinished.name, &[]);
            Error::new(error).hint(format!("{finish} finishes what is left."))
        }
        E::Interrupted { error, namespace, name } => {
            of_federation(error).hint(finish_begun(namespace, name))
        }
        E::DeletedAlready { namespace, name } => Error::new(error).hint(format!(
            "{} goes on with that; `job delete --cascade=orphan` leaves behind what is in clusters \
            that do not answer.",
            reconcile(namespace, name, &[])
        )),
        E::DeletionRefused { cluster, error } => {
            Error::verbatim(format!("{} (cluster {cluster})", error.report()))
        }
        E::Idle { namespace, name, idle, reopens, .. } => {
            Error::new(error).hint(about_idle(*idle, *reopens, namespace, name))
        }
        E::Failed { namespace, name, .. } => {
            let describe = federate("job describe", [name, "-n", namespace]);
            Error::new(error).hint(format!("{describe} shows what failed."))
        }
        E::NotRegistered { .. } => Error::new(error).hint(LIST_HINT),
        E::NameTaken { name, .. } => Error::new(error).hint(format!(
            "Take another name, or {} first.",
            federate("cluster unregister", [name])
        )),
        E::CarriesShards { jobs, .. } => Error::new(error).hint(format!(
            "Wait until these jobs have ended, and `kubectl federate reconcile -A` has recorded \
                 that. Or delete them, with all that they have done: {}",
            deletions(jobs)
        )),
        E::Several(errors) => {
            errors.iter().map(of_federation).reduce(Error::and).unwrap_or_else(|| Error::new(error))
        }
        // The sentence says it all.
        _ => Error::new(error),
    }
}

/// What to do about a Job that cannot be edited as asked.
fn about_edit(error: &EditError, may_recreate: bool) -> Option<&'static str> {
    match error {
        _ if may_recreate => Some(RECREATE_HINT),
        EditError::Finished(_) => Some("Delete it first, or give the new one another name."),
        _ => None,
    }
}

/// The commands that delete these Jobs, by namespace and name, and their shards.
fn deletions(jobs: &[(String, String)]) -> String {
    let deletions = jobs.iter().map(|(namespace, name)| {
        federate("job delete", [name, "-n", namespace, "--cascade=background"])
    });
    deletions.collect::<Vec<_>>().join(", ")
}

/// What to do about the federated Job that has the name already.
fn about_existing(there: Existing, namespace: &str, name: &str) -> String {
    let job = [name, "-n", namespace];
    match there {
        Existing::OfAnotherFederation => {
            "It belongs to another federation: take another name.".to_owned()
        }
        Existing::Deleting => {
            format!("It is being deleted: {} finishes that.", federate("reconcile", job))
        }
        Existing::Ended => {
            let delete = federate("job delete", job.into_iter().chain(["--cascade=background"]));
            format!("It has ended: {delete} makes room for a new one.")
        }
        Existing::Unfinished => finish_begun(namespace, name),
        Existing::Running => format!("{} shows how far it is.", federate("job get", job)),
    }
}

/// What members said, each with their names, and what to do about it.
fn of_refusals(error: &federation::Error, refusals: &Refusals) -> Error {
    let said = refusals.sentences().collect::<Vec<_>>().join("\n");
    let hint = if refusals.without_namespace.is_empty() {
        about_what_is_in_the_way(&refusals.in_the_way)
    } else if refusals.makes_namespaces {
        Some(NAMESPACE_HINT.to_owned())
    } else {
        let create = |place: &Place| kubectl(place, &["create", "namespace", &place.namespace]);
        let commands = refusals.without_namespace.iter().filter_map(create);
        Some(format!("The namespace is missing there: {}", joined(commands)))
    };
    Error::verbatim(format!("{said}\nerror: {error}")).hinted(hint)
}

/// What to do about Jobs that have a name that is needed: it depends on whose they are.
fn about_what_is_in_the_way(all: &BTreeSet<InTheWay>) -> Option<String> {
    let owned = |owner| all.iter().filter(move |job| job.owner == owner).map(|job| &job.place);
    let listed = |owner| {
        let names = owned(owner).map(|place| place.cluster.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    let mut hints = Vec::new();
    if owned(Owner::AnotherFederation).next().is_some() {
        hints.push(format!(
            "The job in {} is a shard of another federation: take another name.",
            listed(Owner::AnotherFederation)
        ));
    }
    if owned(Owner::Recorded).next().is_some() {
        hints.push(format!(
            "The job in {} is a shard of another federated job, or somebody else edits this one: \
            take another name, or \
             run the command again.",
            listed(Owner::Recorded)
        ));
    }
    if owned(Owner::Unknown).next().is_some() {
        hints.push(format!(
            "It could not be read whose job it is in {}: take another name.",
            listed(Owner::Unknown)
        ));
    }
    let delete = |place: &Place| {
        let namespace = format!("--namespace={}", place.namespace);
        kubectl(place, &[&namespace, "delete", "job", &place.job])
    };
    for (owner, what) in [
        (
            Owner::Forgotten,
            "What is there is a shard that stayed when its federated job was deleted",
        ),
        (Owner::Nobody, "What is there is no shard of a federated job"),
    ] {
        let commands = joined(owned(owner).filter_map(delete));
        if !commands.is_empty() {
            hints.push(format!("{what}: take another name, or delete it: {commands}"));
        }
    }
    if hints.is_empty() { None } else { Some(hints.join("\n")) }
}

/// `kubectl`, in the cluster that a context leads to, between backticks.
fn kubectl(place: &Place, words: &[&str]) -> Option<String> {
    let context = format!("--context={}", place.context.as_deref()?);
    let words = ["kubectl", &context].into_iter().chain(words.iter().copied());
    Some(format!("`{}`", command(words)))
}

fn joined(commands: impl Iterator<Item = String>) -> String {
    commands.collect::<Vec<_>>().join(", ")
}

/// What lets a Job go on that goes no further by itself.
fn about_idle(idle: Idle, reopens: bool, namespace: &str, name: &str) -> String {
    let job = |more: &[&'static str]| {
        [name, "-n", namespace].into_iter().chain(more.iter().copied()).collect::<Vec<_>>()
    };
    match idle {
        Idle::Suspended => format!("{} lets it go on.", federate("job resume", job(&[]))),
        Idle::Paused => {
            format!("{} lets it go on.", federate("job scale", job(&["--parallelism=1"])))
        }
        Idle::Stopped if reopens => reopen(namespace, name),
        Idle::Stopped => {
            format!("{} shows what happened.", federate("job describe", job(&[])))
        }
    }
}

/// How what is left of deleted shards is done by others.
pub fn reopen(namespace: &str, name: &str) -> String {
    let command = reconcile(namespace, name, &["--reopen"]);
    format!("{command} runs what is left of deleted shards in other shards.")
}

/// The hint where the record says what is to be done, and it is not known how much of it was.
pub fn finish_begun(namespace: &str, name: &str) -> String {
    format!("{} finishes what was begun.", reconcile(namespace, name, &[]))
}

fn reconcile(namespace: &str, name: &str, flags: &[&str]) -> String {
    federate("reconcile", [name, "-n", namespace].into_iter().chain(flags.iter().copied()))
}
