//! All logs as they are now, one after another.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;

use super::{
    ahead::Ahead,
    cursor::Cursor,
    error::LogsError,
    pods::{Found, find},
    stream::{Ask, drain, open},
    targets::{Target, check},
    terms::{LogReader, LogTerms, LogsRead},
};
use crate::{
    cluster::{Connection, Error, Stream},
    federation::open::Federation,
    reconcile::Members,
    state::Record,
};

/// How often a log is asked for at most that breaks off.
const ATTEMPTS: u32 = 5;

/// The pause before it is looked again whether there is a pod.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The pause before a log is asked for again.
const PAUSE: Duration = Duration::from_millis(500);

impl Federation<'_> {
    /// Reads the logs of a Job as they are now, one after another: by cluster, and by pod. Some are
    /// asked for ahead.
    ///
    /// # Errors
    /// The Job cannot be read, or does not have what is asked for. Who gets the lines is told of a
    /// log that cannot be read.
    pub async fn read_logs(
        &self,
        terms: &LogTerms,
        reader: &dyn LogReader,
    ) -> Result<LogsRead, LogsError> {
        let record = self.record(&terms.namespace, &terms.name).await?;
        check(self, terms, &record)?;
        let members = self.members_of(&[&record]).await;
        let Found { targets, silent } = first(&record, &members, terms, reader).await?;
        let (ask, namespace) = (Ask::new(terms), terms.namespace.as_str());
        let mut read = LogsRead { logs: targets.len(), some_unread: !silent.is_empty() };
        let opening = targets.into_iter().map(async |(connection, target)| {
            let cursor = Cursor::default();
            let opened = open(&connection, namespace, &target.source, ask, &cursor).await;
            (connection, target, opened)
        });
        let mut ahead = Ahead::new(opening, terms.most.max(1));
        let mut lost = BTreeSet::new();
        while let Some((connection, target, opened)) = ahead.next().await {
            let cluster = &target.source.cluster;
            if lost.contains(cluster) {
                continue;
            }
            let log = Log { connection, target: &target, namespace, ask, limit: terms.limit };
            if let Err(error) = ahead.beside(log.read(opened, reader)).await {
                read.some_unread = true;
                reader.unread(cluster, Some(&target.source.pod), &error);
                // Each further log would be waited for as long.
                if matches!(error, Error::Unreachable { .. }) {
                    lost.insert(cluster.clone());
                }
            }
            if reader.is_closed() {
                break;
            }
        }
        Ok(read)
    }
}

/// Finds the logs once there is a pod, for which a Job that may still get one is waited a while.
async fn first(
    record: &Record,
    members: &Members,
    terms: &LogTerms,
    reader: &dyn LogReader,
) -> Result<Found, LogsError> {
    let may_come = record.state.outcome.is_none()
        && !record.manifest.suspended()
        && !(terms.failed || terms.previous || terms.index.is_some());
    let patience = if may_come { terms.patience } else { Duration::ZERO };
    let end = Instant::now().checked_add(patience);
    loop {
        let found = find(record, members, terms, reader).await?;
        let is_over = end.is_some_and(|end| Instant::now() >= end);
        if is_over || !found.targets.is_empty() || !found.silent.is_empty() {
            return Ok(found);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// A log that is read as it is now.
struct Log<'l> {
    connection: Connection,
    target: &'l Target,
    namespace: &'l str,
    ask: Ask,
    /// How many bytes are wanted at most.
    limit: Option<u64>,
}

impl Log<'_> {
    /// Reads it to its end, also where it breaks off in between.
    async fn read(
        &self,
        mut opened: Result<Stream, Error>,
        reader: &dyn LogReader,
    ) -> Result<(), Error> {
        let source = &self.target.source;
        let mut cursor = Cursor::limited(self.limit);
        let mut attempts = 1;
        loop {
            let before = cursor.count();
            let broke_off = match drain(opened?, source, &mut cursor, true, reader).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            attempts = if cursor.count() > before { 1 } else { attempts + 1 };
            if attempts > ATTEMPTS {
                return Err(broke_off);
            }
            tokio::time::sleep(PAUSE).await;
            opened = open(&self.connection, self.namespace, source, self.ask, &cursor).await;
        }
    }
}
