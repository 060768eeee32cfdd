//! What is printed for the errors of each layer, and what the user can do about them.

mod again;
mod clusters;
mod hosts;

use std::sync::Arc;

pub use self::again::Again;
use self::again::{about_apply, about_generated};
use self::clusters::{
    about_leaving, about_recovery, finish_left, finish_unfinished, register_again,
};
use super::{
    Error, Hint, OfJobs,
    kubectl::{about_what_is_in_the_way, kubectl},
};
use crate::{
    cluster,
    federation::{self, Existing, NotRetriable, Owner, Place, Refusals},
    job::Manifest,
    print::{self, federate},
    reconcile::{EditError, Idle, NewRecordError},
    state::{self, HeldBack, Record, Verdict},
};

const NAMESPACE_HINT: &str = "--create-namespace makes the namespace wherever it is missing.";

const IDENTITY_HINT: &str = "\
    A cluster is known by the uid of this namespace. An administrator of the cluster grants the \
    right to get it, by a context that leads there: `kubectl --context=CONTEXT create clusterrole \
    kubectl-federate-identity --verb=get --resource=namespaces --resource-name=kube-system`, \
    `kubectl --context=CONTEXT create clusterrolebinding kubectl-federate-identity \
    --clusterrole=kubectl-federate-identity --user=USER`";

/// Words that kubectl takes before the names of Jobs.
const NOUNS: [&str; 4] = ["job", "jobs", "job.batch", "jobs.batch"];

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

    fn hinted_too(self, hint: Option<impl Into<Hint>>) -> Self {
        match hint {
            Some(hint) => self.and_hint(hint),
            None => self,
        }
    }

    fn hinted(self, hint: Option<impl Into<Hint>>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }
}

fn of_cluster(error: &cluster::Error) -> Error {
    let identity = error.hides_identity().then_some(IDENTITY_HINT);
    Error::verbatim(error.report()).hinted(error.hint()).hinted(identity)
}

/// An error of the host. Who names the host in no command may not know that it was asked.
fn of_host(error: &cluster::Error) -> Error {
    let hint = error.cluster().filter(|_| error.is_unreachable()).map(|context| {
        format!(
            "It is the host cluster, by the context {context:?}. --context names another context \
             that leads to it. If it is gone for good, {} makes another host of a backup.",
            federate("restore", ["FILE", "--context=CONTEXT"])
        )
    });
    of_cluster(error).hinted(hint)
}

fn of_state(error: &state::Error) -> Error {
    let hint = match error {
        state::Error::Cluster(error) => return of_host(error),
        state::Error::Replaced { .. } => return Error::server("Conflict", error),
        state::Error::Restless { .. } => return Error::new(error),
        state::Error::NoRegistry { .. } | state::Error::Moved { .. } => {
            return hosts::about_registry(error);
        }
        state::Error::Newer { .. } => "Install a newer kubectl-federate.",
        state::Error::Damaged { key, .. }
            if ["member.", "former."].iter().any(|prefix| key.starts_with(prefix)) =>
        {
            return Error::new(error).hint(format!(
                "Put back what was there, or restore a backup: {}. Without a backup, remove the \
                 annotation, and register the cluster again before any other command: what it runs \
                 is not known until then.",
                federate("restore", ["FILE", "--context=CONTEXT"])
            ));
        }
        state::Error::Damaged { object, .. } => match Record::job_of(object) {
            Some((namespace, name)) => return Error::new(error).hint(recover(namespace, name)),
            None => {
                return Error::new(error).hint(format!(
                    "Put back what was there, or restore a backup: {}. Without a backup, delete \
                     the ConfigMap, make a new one with {}, register the clusters again, and take \
                     over their jobs with {}.",
                    federate("restore", ["FILE", "--context=CONTEXT"]),
                    federate("init", ["--context=CONTEXT"]),
                    federate("job recover", ["--all", "--all-namespaces"])
                ));
            }
        },
        state::Error::TooLarge { .. } => {
            "Make its manifest smaller, divide it over fewer clusters, or make several jobs of it."
        }
        state::Error::NoRecord { .. } => {
            "It may be a record that has lost its label, which job recover puts back. If somebody \
             else made it and nobody needs it, delete or rename it."
        }
        state::Error::OtherFederation { federation, .. } => {
            return Error::new(error).hint(format!(
                "Its own host or registry knows it; see --context. If that registry was lost, {} \
                 makes its jobs count again.",
                hosts::take_over(federation)
            ));
        }
    };
    Error::new(error).hint(hint)
}

fn of_federation(error: &federation::Error) -> Error {
    use federation::Error as E;
    match error {
        E::State(error) => of_state(error),
        E::Cluster(error) => of_cluster(error),
        E::WrongHost { error, remembered } => of_cluster(error).hint(if *remembered {
            "The host was another cluster when it was remembered: name the host with --context."
        } else {
            "The registry was made in another cluster: name the host with --context."
        }),
        E::OldHost { context, error } => hosts::about_old_host(context, error, of_federation),
        E::NotFound { namespace, name } => {
            let noun = NOUNS.contains(&name.as_str()).then(about_nouns);
            Error::server("NotFound", error).hinted(noun).of_absent(namespace, name)
        }
        E::AlreadyExists { source_file, namespace, name, there } => {
            let hint = there.map(|there| about_existing(there, namespace, name));
            // As kubectl, which adds the reason to what a file asked for.
            let is_read = !source_file.is_empty();
            let said =
                if is_read { Error::server("AlreadyExists", error) } else { Error::new(error) };
            said.hinted(hint)
        }
        E::HostRefused { error: refusal, .. } => {
            let text = error.host_report().unwrap_or_else(|| refusal.report());
            Error::verbatim(text).hinted(refusal.is_not_found().then_some(NAMESPACE_HINT))
        }
        E::NotEditable { error: why, from_file, may_recreate, namespace, name, .. } => {
            let mut hints: Vec<_> =
                about_edit(why, *from_file, namespace, name).into_iter().collect();
            hints.extend(may_recreate.then(|| RECREATE_HINT.to_owned()));
            Error::new(error).hinted((!hints.is_empty()).then(|| hints.join(" ")))
        }
        E::Refused(refusals) => of_refusals(error, refusals),
        E::NothingDone { what, errors, .. } => {
            let said = errors.iter().map(of_federation).reduce(Error::and);
            let nothing = Error::new(error);
            let said = said.map_or_else(|| nothing.clone(), |said| said.and(nothing.clone()));
            // Those that are there keep the others from being created.
            let goes_on = *what == "created" && errors.iter().any(E::is_in_use);
            said.hinted_too(goes_on.then(about_apply))
        }
        E::StaysDraining { error: why, .. } => of_federation(why).and(about_leaving(error)),
        E::Unfinished(unfinished) => {
            let said = Error::new(error).hint(finish_unfinished(unfinished));
            let said = said.hinted_too(register_again(&unfinished.unregistered));
            let silent: Vec<_> =
                unfinished.silent.iter().chain(&unfinished.unregistered).cloned().collect();
            let lost = Hint::about_silent(silent.clone(), unfinished.is_deletion);
            said.hinted_too((!silent.is_empty()).then_some(lost))
        }
        E::Interrupted { error, namespace, name } => of_federation(error).hint(OfJobs::reconcile(
            namespace,
            name,
            [
                "It is recorded: {} finishes what was begun.",
                "They are recorded: {} finishes what was begun.",
            ],
        )),
        E::MaybeRecorded { error, namespace, name } => {
            of_federation(error).hint(maybe_recorded(namespace, name))
        }
        E::DeletedAlready { namespace, name } => {
            Error::new(error).hint(about_deletion(namespace, name))
        }
        E::DeletionRefused { cluster, error } => {
            Error::verbatim(format!("{} (cluster {cluster})", error.report()))
        }
        E::Idle { namespace, name, idle, held_back, .. } => {
            Error::new(error).hint(about_idle(*idle, *held_back, namespace, name))
        }
        E::Failed { namespace, name, .. } => {
            let describe = federate("job describe", [name, "-n", namespace]);
            Error::new(error).hint(format!("{describe} shows what failed."))
        }
        E::NotRetriable { .. } | E::NotAdoptable { .. } => about_unfit(error),
        E::NotDivisible { error: NewRecordError::NoMembers, .. } => {
            Error::new(error).hint(format!(
                "{} registers one.",
                federate("cluster register", ["NAME", "--cluster-context=CONTEXT"])
            ))
        }
        E::NotRegistered { .. } => {
            let list = federate("cluster list", None::<&str>);
            Error::new(error).hint(format!("{list} shows those that are."))
        }
        E::GenerateName { .. } => Error::new(error).hint(about_generated()),
        E::SeveralFederations { .. } | E::NoShardsOf { .. } | E::NothingToRecover { .. } => {
            about_recovery(error)
        }
        E::NotRecovered { error: why, .. } => {
            of_federation(why).hints.into_iter().fold(Error::new(error), Error::and_hint)
        }
        // As kubectl, which says each in a line.
        E::Several(errors) if errors.iter().all(E::is_of_time) => {
            let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
            Error::verbatim(lines.join("\n"))
        }
        E::Several(errors) => {
            errors.iter().map(of_federation).reduce(Error::and).unwrap_or_else(|| Error::new(error))
        }
        _ => about_leaving(error),
    }
}

/// How a deletion that was begun goes on.
fn about_deletion(namespace: &str, name: &str) -> String {
    let finish = reconcile(namespace, name, &[]);
    let orphan = federate("job delete", [name, "-n", namespace, "--cascade=orphan"]);
    format!(
        "{finish} goes on with that. {orphan} leaves behind what is in clusters that do not answer."
    )
}

/// What to do where a word of kubectl stands before the names.
fn about_nouns() -> String {
    let get = federate("job get", None::<&str>);
    format!("Names follow the verb, without the word \"job\": {get} lists them.")
}

/// What to do about a Job that cannot be edited as asked. `from_file` says that a file was applied.
fn about_edit(error: &EditError, from_file: bool, namespace: &str, name: &str) -> Option<String> {
    let job = [name, "-n", namespace];
    match error {
        EditError::Immutable { while_suspended: true, .. } => Some(format!(
            "{} suspends the job. Then the field can change, if the servers of all its clusters \
             allow it.",
            federate("job suspend", job)
        )),
        EditError::Finished(_) if from_file => {
            Some("Delete it first, or give the new one another name.".to_owned())
        }
        EditError::Finished(verdict) if *verdict == Verdict::Failed.as_str() => {
            Some(format!("{} makes a new job of what did not succeed.", federate("job retry", job)))
        }
        _ => None,
    }
}

/// What to do about the federated Job that has the name already.
fn about_existing(there: Existing, namespace: &str, name: &str) -> Hint {
    let job = |verb, sentences| OfJobs::of(verb, namespace, name, sentences);
    match there {
        Existing::OfAnotherFederation { in_use: true } => format!(
            "It belongs to another federation: take another name. If the registry of that one was \
             lost, make another host by {}, register its clusters there, and recover its jobs.",
            federate("init", ["--context=CONTEXT"])
        )
        .into(),
        Existing::OfAnotherFederation { in_use: false } => format!(
            "It belongs to another federation. If the registry of that one was lost, {} makes its \
             jobs count again. Else take another name.",
            federate("job recover", ["--all", "--all-namespaces"])
        )
        .into(),
        Existing::Deleting => job(
            "reconcile",
            ["It is being deleted: {} finishes that.", "They are being deleted: {} finishes that."],
        )
        .into(),
        Existing::Ended => {
            let room = [
                "It has ended: {} makes room for a new one.",
                "They have ended: {} makes room for new ones.",
            ];
            OfJobs { flags: &["--cascade=background"], ..job("job delete", room) }.into()
        }
        Existing::Damaged => format!("Its record is damaged: {}", recover(namespace, name)).into(),
        Existing::Unfinished => finish_begun_of(namespace, name),
        Existing::Running => {
            job("job get", ["{} shows how far it is.", "{} shows how far they are."]).into()
        }
    }
}

/// What members said, each with their names, and what to do about it.
fn of_refusals(error: &federation::Error, refusals: &Refusals) -> Error {
    let said = refusals.sentences().collect::<Vec<_>>().join("\n");
    let hint = if refusals.is_template_refused {
        Some(RECREATE_HINT.to_owned())
    } else if refusals.without_namespace.is_empty() {
        about_what_is_in_the_way(refusals)
    } else if refusals.makes_namespaces {
        Some(NAMESPACE_HINT.to_owned())
    } else {
        let create = |place: &Place| kubectl(place, &["create", "namespace", &place.namespace]);
        let commands: Vec<_> = refusals.without_namespace.iter().filter_map(create).collect();
        Some(format!("The namespace is missing there: {}", commands.join(", ")))
    };
    Error::verbatim(format!("{said}\nerror: {error}")).hinted(hint)
}

/// An error in lines that stand alone: what is wrong, and, at the end, what to do about it.
pub fn in_lines(error: &federation::Error) -> Vec<String> {
    let hints = of_federation(error).hints().join(" ");
    let one = std::slice::from_ref(error);
    let each = if let federation::Error::Several(each) = error { each.as_slice() } else { one };
    let messages = each.iter().map(|error| of_federation(error).message().to_owned());
    let mut lines: Vec<_> =
        messages.flat_map(|it| it.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    if let Some(last) = lines.last_mut().filter(|_| !hints.is_empty()) {
        *last = format!("{}. {hints}", last.trim_end_matches('.'));
    }
    lines
}

/// What lets a Job go on that goes no further by itself.
fn about_idle(idle: Idle, held_back: Option<HeldBack>, namespace: &str, name: &str) -> String {
    let job = |more: &[&'static str]| {
        [name, "-n", namespace].into_iter().chain(more.iter().copied()).collect::<Vec<_>>()
    };
    match idle {
        Idle::Suspended => format!("{} lets it go on.", federate("job resume", job(&[]))),
        Idle::Paused => {
            format!("{} lets it go on.", federate("job scale", job(&["--parallelism=1"])))
        }
        Idle::HaltedThere => {
            format!("{} names what resumes them.", federate("job describe", job(&[])))
        }
        Idle::Stopped => match held_back {
            Some(held_back) => reopen(held_back, namespace, name),
            None => format!("{} shows what happened.", federate("job describe", job(&[]))),
        },
    }
}

/// How work that is held back is done by others.
pub fn reopen(held_back: HeldBack, namespace: &str, name: &str) -> String {
    let command = reconcile(namespace, name, &["--reopen"]);
    match held_back {
        HeldBack::Undone => {
            format!("{command} places what is left of deleted shards in other shards.")
        }
        HeldBack::MayBeDone => format!("{command} asks, and runs them again."),
    }
}

/// Why completions are unplaced that only wait for pods to end, and what places them.
pub fn about_waiting(manifest: &Manifest, namespace: &str, name: &str) -> (&'static str, String) {
    if manifest.suspended() {
        let resume = about_idle(Idle::Suspended, None, namespace, name);
        return ("while the job is suspended", resume);
    }
    let watch = reconcile(namespace, name, &["--watch"]);
    ("until running pods end", format!("{watch} places them then."))
}

/// What gives completions a place that no member takes. `are_closed` says that no member takes work
/// of any Job.
pub fn about_untaken(are_closed: bool) -> String {
    if !are_closed {
        return format!("{} shows their states.", federate("cluster list", None::<&str>));
    }
    let register = federate("cluster register", ["NAME", "--cluster-context=CONTEXT"]);
    let uncordon = federate("cluster uncordon", ["NAME"]);
    format!("{uncordon} lets a cluster take work again. {register} adds another one.")
}

/// What can be done with a Job that cannot be retried or adopted.
fn about_unfit(error: &federation::Error) -> Error {
    use federation::Error as E;
    let hint = match error {
        E::NotRetriable { namespace, name, why } => Some(match why {
            NotRetriable::Deleting | NotRetriable::NotStopped => finish_left(namespace, name),
            NotRetriable::NotFailed => Hint::from(format!(
                "If a job of it has failed in its cluster, {} records that first.",
                reconcile(namespace, name, &[])
            )),
            NotRetriable::Succeeded => about_idle(Idle::Stopped, None, namespace, name).into(),
        }),
        E::NotAdoptable { namespace, owner, .. } => match &**owner {
            Owner::Forgotten(job) => job.rebuilt_as.as_deref().map(|name| {
                let recover = federate("job recover", [name, "-n", namespace]);
                Hint::from(format!("{recover} rebuilds its record."))
            }),
            Owner::Recorded => {
                let get = federate("job get", ["-n", namespace]);
                Some(format!("{get} lists the job that it is a shard of.").into())
            }
            _ => None,
        },
        _ => None,
    };
    Error::new(error).hinted(hint)
}

/// The hint where it is not known whether a change is recorded.
pub fn maybe_recorded(namespace: &str, name: &str) -> String {
    let get = federate("job get", [name, "-n", namespace, "-o", "yaml"]);
    let finish = finish_begun(namespace, name);
    format!("It may be recorded, as {get} shows. If it is, {finish}")
}

/// The hint where the record says what is to be done, and it is not known how much of it was.
pub fn finish_begun(namespace: &str, name: &str) -> String {
    finish_begun_of(namespace, name).text().to_owned()
}

/// The same, to be joined with those of other Jobs.
pub fn finish_begun_of(namespace: &str, name: &str) -> Hint {
    OfJobs::reconcile(namespace, name, ["{} finishes what was begun."; 2]).into()
}

fn recover(namespace: &str, name: &str) -> String {
    let command = federate("job recover", [name, "-n", namespace]);
    format!(
        "{command} rebuilds the record from the jobs in the clusters. Or put back what was there."
    )
}

fn reconcile(namespace: &str, name: &str, flags: &[&str]) -> String {
    federate("reconcile", [name, "-n", namespace].into_iter().chain(flags.iter().copied()))
}
