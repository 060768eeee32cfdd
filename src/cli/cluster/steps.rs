//! What is left of a change of clusters where the user ends it early.

use crate::{cli::Session, federation::Became, print::federate};

/// The registry's entry of a cluster is about to be changed, and then those of `rest`. `done` says
/// what a cluster then is, such as `cordoned`.
pub(super) fn begin<'n>(
    session: &Session<'_>,
    name: &'n str,
    rest: impl IntoIterator<Item = &'n str>,
    done: &str,
) {
    begin_all(session, &[name], &rest.into_iter().collect::<Vec<_>>(), done);
}

/// The registry's entries of clusters are about to be written together. `done` says what the
/// clusters then are, such as `registered`.
pub(super) fn begin_together<'n>(
    session: &Session<'_>,
    names: impl IntoIterator<Item = &'n str>,
    done: &str,
) {
    begin_all(session, &names.into_iter().collect::<Vec<_>>(), &[], done);
}

/// The entries of these clusters are about to be written together, and then those of `rest`.
fn begin_all(session: &Session<'_>, names: &[&str], rest: &[&str], done: &str) {
    let list = federate("cluster list", [""; 0]);
    let (which, were) = clusters(names);
    let open = if rest.is_empty() { String::new() } else { format!(", and {}", not(rest, done)) };
    session.left().begin(
        not(&[names, rest].concat(), done),
        format!("it is not known whether {which} {were} {done}{open}. {list} shows it"),
    );
}

/// It is recorded what became of a cluster.
pub fn became(session: &Session<'_>, name: &str, what: Became) {
    let standing = match what {
        Became::Draining => format!(
            "cluster {name} is Draining, and every reconcile goes on with that. {} waits for it \
             again. {} ends it.",
            federate("cluster drain", [name]),
            federate("cluster uncordon", [name])
        ),
        Became::Lost => format!("cluster {name} {}", is_lost()),
        // Nothing is left of it.
        Became::Drained => return,
    };
    session.left().stands(standing);
}

/// A cluster that is Lost is about to be unregistered.
pub(super) fn unregister_lost(session: &Session<'_>, name: &str) {
    unregister(session, name, &is_lost());
}

/// A cluster that was drained is about to be unregistered.
pub(super) fn unregister_drained(session: &Session<'_>, name: &str) {
    let uncordon = federate("cluster uncordon", [name]);
    unregister(session, name, &format!("is Cordoned, and gets no work. {uncordon} ends that."));
}

/// A cluster is about to be unregistered. `is` says what it is until then, behind its name.
fn unregister(session: &Session<'_>, name: &str, is: &str) {
    let list = federate("cluster list", [""; 0]);
    session.left().begin(
        format!("{}. It {is}", not(&[name], "unregistered")),
        format!(
            "it is not known whether cluster {name} was unregistered. {list} shows it. If it was \
             not, it {is}"
        ),
    );
}

/// What is said of a cluster that is Lost, behind its name.
fn is_lost() -> String {
    format!(
        "is Lost, and every reconcile gives its work to others. {} goes on with that.",
        federate("reconcile", ["--all-namespaces"])
    )
}

/// `cluster west was not cordoned`.
fn not(names: &[&str], done: &str) -> String {
    let (which, were) = clusters(names);
    format!("{which} {were} not {done}")
}

/// `cluster west`, `was`; `clusters west, north`, `were`.
fn clusters(names: &[&str]) -> (String, &'static str) {
    let (clusters, were) = if names.len() == 1 { ("cluster", "was") } else { ("clusters", "were") };
    (format!("{clusters} {}", names.join(", ")), were)
}
