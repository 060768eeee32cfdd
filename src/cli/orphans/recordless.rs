//! What is said of orphans whose records may have been lost.

use std::collections::BTreeSet;

use super::{clean::have, clean_all, recover_of, scope};
use crate::{
    error::kubectl::selector_of_job,
    federation::Orphan,
    print::{Output, federate},
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
/// where there are none. They were looked for in a namespace, or in all.
pub(super) fn recordless<'o>(
    output: &Output,
    namespace: Option<&str>,
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
    let first = federated.first()?;
    let only = (federated.len() == 1).then_some(first);
    let mut said = vec![format!(
        "{} no record: the federated job was deleted, or its record was lost.",
        have(count).0
    )];
    let recover = match (only, rebuilt.first()) {
        (_, None) => None,
        (Some(_), Some((namespace, name))) => {
            Some(federate("job recover", [*name, &scope(Some(namespace))]))
        }
        (None, Some(_)) => Some(recover_of(namespace, None)),
    };
    said.extend(recover.map(|recover| {
        format!("If it was lost, first try {recover}, which rebuilds it: the job goes on then.")
    }));
    if then == Then::Stay {
        said.push(match only {
            Some((namespace, uid)) => {
                let clean =
                    clean_all(output, [&*scope(Some(namespace)), &selector_of_job(uid)], run_on);
                format!("They stay: {clean} deletes them, with what they have done.")
            }
            None => {
                let scope = scope(namespace);
                let clean = clean_all(output, [&*scope, &selector_of_job("UID")], run_on);
                let list = federate("orphans list", [&*scope, "-o", "wide"]);
                format!(
                    "They stay: {clean} deletes those of one federated job, with what they have \
                     done. {list} shows UID, in the column JOB."
                )
            }
        });
    }
    Some(said.join(" "))
}
