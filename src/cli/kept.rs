//! What is said of Jobs that stay in clusters while their federated Job is forgotten.

use std::collections::BTreeSet;

use super::orphans::clean_all;
use crate::{
    federation::{Kept, Place},
    job::labels,
    print::{Output, kubectl_line},
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
    let selector = format!("--selector={}={}", labels::JOB, record.state.uid);
    let namespace = format!("--namespace={}", record.namespace());
    let clean = clean_all(output, [&*namespace, &selector]);
    let (name, places) = (record.name(), &kept.places);
    let unknown = clusters(&mut places.iter().filter(|place| place.context.is_none()));
    let elsewhere = if unknown.is_empty() {
        String::new()
    } else {
        let delete = kubectl_line(Some("CONTEXT"), &[&*namespace, "delete", "jobs", &selector]);
        format!(", and those in {unknown} by `{delete}`")
    };
    let stay = if kept.run_on { "stay and run on" } else { "stay" };
    let is_unasked = |place: &&Place| kept.unasked.contains(&place.cluster);
    let seen = clusters(&mut places.iter().filter(|place| !is_unasked(place)));
    let unseen = clusters(&mut places.iter().filter(is_unasked));
    let asked = match (seen.as_str(), unseen.as_str()) {
        (seen, "") => format!("The jobs of {name} in {seen} {stay}."),
        ("", unseen) => format!(
            "The jobs of {name} in {unseen} {stay}, if they are there: {unseen} could not be \
             asked."
        ),
        (seen, unseen) => format!(
            "The jobs of {name} in {seen} {stay}. {unseen} could not be asked: what is there \
             stays, too."
        ),
    };
    format!("{asked} Delete them by {clean}{elsewhere}.")
}
