//! What is said of orphans whose records may have been lost.

use std::collections::BTreeSet;

use super::{clean_all, scope};
use crate::{
    error::kubectl::selector_of_job,
    federation::Orphan,
    print::{Output, counted, federate},
};

/// What becomes of the orphans that something is said of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The user is asked.
    Asked,
    /// They stay.
    Stay,
}

/// How many these are, what rebuilds their records, and, where they stay, what deletes them; none
/// where there are none. They were looked for in a namespace, or in all, and in all clusters or
/// those that a flag says.
pub(super) fn recordless<'o>(
    output: &Output,
    (namespace, clusters): (Option<&str>, Option<&str>),
    orphans: impl IntoIterator<Item = &'o Orphan>,
    then: Then,
) -> Option<String> {
    let (mut count, mut run_on) = (0, false);
    let (mut federated, mut rebuilt) = (BTreeSet::new(), BTreeSet::new());
    for orphan in orphans {
        let Orphan { namespace, owner, rebuilt_as, .. } = orphan;
        count += 1;
        run_on |= orphan.progress().is_unfinished();
        federated.insert((namespace.as_str(), owner.job.as_str()));
        rebuilt.extend(rebuilt_as.iter().map(|name| (namespace.as_str(), name.as_str())));
    }
    let (own, uid) = *federated.first()?;
    let is_one = federated.len() == 1;
    let scope = &*scope(if is_one { Some(own) } else { namespace });
    let mut said = vec![format!(
        "{} no record: the federated job was deleted, or its record was lost.",
        have(count).0
    )];
    said.extend(rebuilt.first().map(|(_, name)| {
        let which = if is_one { name } else { "--all" };
        let recover = federate("job recover", [which, scope]);
        format!("If it was lost, first try {recover}, which rebuilds it: the job goes on then.")
    }));
    if then == Then::Stay {
        let (stay, done) = if count == 1 {
            ("It stays", "it, with what it has done.")
        } else {
            ("They stay", "them, with what they have done.")
        };
        let selector = &*selector_of_job(if is_one { uid } else { "UID" });
        let words = [scope].into_iter().chain(clusters).chain([selector]);
        let clean = clean_all(output, words, run_on);
        said.push(if is_one {
            format!("{stay}: {clean} deletes {done}")
        } else {
            let list = federate("orphans list", [scope, "-o", "wide"]);
            format!(
                "{stay}: {clean} deletes those of one federated job, with what they have done. \
                 {list} shows UID, in the column JOB."
            )
        });
    }
    Some(said.join(" "))
}

/// `1 job has`, `it`; `3 jobs have`, `them`.
pub(super) fn have(count: usize) -> (String, &'static str) {
    let (have, them) = if count == 1 { ("has", "it") } else { ("have", "them") };
    (format!("{} {have}", counted(count, "job")), them)
}
