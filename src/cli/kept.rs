//! What is said of Jobs that stay in clusters while their federated Job is forgotten.

use std::collections::BTreeSet;

use super::orphans::clean_all;
use crate::{
    error::kubectl::selector_of_job,
    federation::{Kept, Key, Place},
    print::{Output, federate, kubectl_line},
    state::Record,
};

/// In which clusters the Jobs of a record that is gone stay, and the command that deletes them, on
/// one line. It selects by label, so that no Job of the same name that somebody else made is
/// deleted.
pub(super) fn stay(output: &Output, record: &Record, kept: &Kept) -> String {
    let clusters = |places: &mut dyn Iterator<Item = &Place>| {
        let names: BTreeSet<_> = places.map(|place| place.cluster.as_str()).collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    };
    let selector = selector_of_job(&record.state.uid);
    let namespace = format!("--namespace={}", record.namespace());
    let clean = clean_all(output, [&*namespace, &selector], true);
    let (name, places) = (record.name(), &kept.places);
    let without = clusters(&mut places.iter().filter(|place| place.context.is_none()));
    let elsewhere = if without.is_empty() {
        String::new()
    } else {
        let delete = kubectl_line(Some("CONTEXT"), &[&*namespace, "delete", "jobs", &selector]);
        format!(", and those in {without} by `{delete}`")
    };
    let stay = if kept.run_on { "stay and run on" } else { "stay" };
    let is_unknown = |place: &&Place| kept.unknown.contains(&place.cluster);
    let known = clusters(&mut places.iter().filter(|place| !is_unknown(place)));
    let unknown = clusters(&mut places.iter().filter(is_unknown));
    let where_they_are = match (known.as_str(), unknown.as_str()) {
        (known, "") => format!("The jobs of {name} in {known} {stay}."),
        ("", unknown) => {
            format!("The jobs of {name} in {unknown} {stay}, if they are there: that is not known.")
        }
        (known, unknown) => format!(
            "The jobs of {name} in {known} {stay}. What is in {unknown} is not known, and stays, \
             too."
        ),
    };
    format!("{where_they_are} Delete them by {clean}{elsewhere}.")
}

/// What is said of a Job whose record was damaged, and is gone: what stays of it is not known.
pub(super) fn stay_unread((namespace, name): &Key) -> String {
    let list = federate("orphans list", [format!("--namespace={namespace}")]);
    format!(
        "The record of {name} was damaged, so it is not known which jobs of it clusters have. They \
         stay, and {list} shows them."
    )
}
