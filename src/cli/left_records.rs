//! What is said of records on a host whose registry is gone: no verb shows their Jobs.

use super::{Session, orphans::take_over};
use crate::{federation::Federation, print::counted, state::Store};

/// Says which Jobs on this host have lost their registry, and what makes them count again. Whoever
/// may not list the records is told nothing. `in_use` says that the host's own federation has Jobs.
pub async fn name_left_records(session: &Session<'_>, store: &Store, own: &str, in_use: bool) {
    let left = store.left_behind(Some(own)).await.unwrap_or_default();
    for (federation, jobs) in left.jobs {
        session.output().note(about(&federation, jobs, in_use));
    }
}

/// Says that no Job was found; and whose Jobs the host has that may be looked for.
pub async fn name_none_found(
    session: &Session<'_>,
    federation: &Federation<'_>,
    namespace: Option<&str>,
) {
    session.output().note(none_found(namespace));
    federation.name_left_to_take_over().await;
}

/// That the host has the records of so many Jobs of another federation, and what to do about them.
pub fn about(federation: &str, jobs: usize, in_use: bool) -> String {
    let has = format!(
        "This host has the records of {} of another federation, {federation}, whose registry is \
         gone. If that federation has another host by now, use that one, and leave these records \
         as they are.",
        counted(jobs, "job")
    );
    let take_over = take_over(in_use, None, federation);
    if in_use {
        format!(
            "{has} The federation here has jobs, and takes over no others: {take_over} rebuilds \
             these."
        )
    } else {
        format!(
            "{has} Register its clusters, and create no job before: a federation that has jobs \
             takes over no others. Then {take_over} makes these jobs count again."
        )
    }
}

/// What kubectl says where there is nothing to show.
pub fn none_found(namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) => format!("No resources found in {namespace} namespace."),
        None => "No resources found".to_owned(),
    }
}
