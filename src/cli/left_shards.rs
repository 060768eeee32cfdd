//! What is said of a Job that was named and has no record, although clusters have shards of it.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::{Session, orphans::take_over};
use crate::{
    cluster::{self, Connection, Dialer},
    error::{Error, OfJobs, Result},
    federation::{Access, Federation},
    state::Member,
};

/// How long the clusters are asked: only a hint depends on them.
const BRIEFLY: Duration = Duration::from_secs(3);

/// How the record of a Job is rebuilt.
const RECOVER: [&str; 2] = [
    "Clusters have shards of it. If its record was lost, {} rebuilds it.",
    "Clusters have shards of them. If their records were lost, {} rebuilds them.",
];

/// Carries out a verb. Where it found no record of a Job that was named, looks for shards of it,
/// and says what rebuilds the record.
///
/// # Errors
/// Those of the verb.
pub async fn hinting_recovery(
    session: &Session<'_>,
    verb: impl Future<Output = Result<()>>,
) -> Result<()> {
    match Box::pin(verb).await {
        Err(error) => Err(Box::pin(hinted(session, error)).await),
        Ok(()) => Ok(()),
    }
}

/// The error, with the hint if it is about Jobs without a record, as far as the clusters answer
/// soon.
pub async fn hinted(session: &Session<'_>, mut error: Error) -> Error {
    if error.absent().is_empty() {
        return error;
    }
    let end = Instant::now() + BRIEFLY;
    let access = Unasking { session, dialer: session.unasking_dialer() };
    let Ok(host) = session.host().cloned() else { return error };
    let opened = Federation::open(host, session.remembered_host(), [], &access, &());
    let Ok(Ok(federation)) = timeout_at(end, opened).await else { return error };
    for ((namespace, name), owners) in federation.left_shards(error.absent(), end).await {
        let own = &federation.registry.uid;
        if owners.contains(own) {
            let recover = OfJobs::of("job recover", &namespace, &name, RECOVER);
            error = error.and_hint(recover);
            continue;
        }
        for owner in owners {
            error = error.and_hint(about_another(&federation, &owner, end).await);
        }
    }
    error
}

/// The way to the members for a look that ends soon: a credential plugin that asked somebody would
/// be ended with the question.
struct Unasking<'s, 'w> {
    session: &'s Session<'w>,
    dialer: Dialer,
}

impl Access for Unasking<'_, '_> {
    fn dial(&self, name: &str, member: &Member) -> Result<Connection, cluster::Error> {
        let connection = self.session.dial_member(&self.dialer, name, member)?;
        connection.wait_briefly();
        Ok(connection)
    }

    fn context<'m>(&'m self, name: &str, member: &'m Member) -> &'m str {
        self.session.context_of(name, member)
    }

    fn now(&self) -> Timestamp {
        self.session.now()
    }
}

/// What is said of shards that belong to another federation, whose host may be gone.
async fn about_another(federation: &Federation<'_>, owner: &str, end: Instant) -> String {
    let in_use = timeout_at(end, federation.is_in_use()).await.unwrap_or(true);
    format!(
        "Clusters have shards of it that belong to another federation, {owner}. If its host is \
         gone for good, {} rebuilds its records.",
        take_over(in_use, None, owner)
    )
}
