//! All logs as they are now, one after another.

use std::{collections::BTreeSet, pin::pin, time::Duration};

use futures::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::{Instant, sleep};

use super::{
    ahead::Ahead,
    cursor::Cursor,
    error::LogsError,
    pods::{Found, find},
    stream::{Ask, drain, open},
    targets::{Lacking, Target, check},
    terms::{LogReader, LogTerms, LogsRead, Source},
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

/// How long a log is read until the next one is read beside it. One whose server says nothing more
/// has been given up by then.
const ALONE: Duration = Duration::from_secs(45);

impl Federation<'_> {
    /// Reads the logs of a Job as they are now, one after another: by cluster, and by pod. Some are
    /// asked for ahead. One that takes long goes on beside the others, so that they come, too.
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
        let mut found = first(&record, &members, terms, reader).await;
        found.check()?;
        let Found { targets, lacking, silent } = found;
        let some_unread = !silent.is_empty() || !lacking.is_empty();
        let read = LogsRead { logs: targets.len(), some_unread };
        for Lacking { source, why } in &lacking {
            reader.unread(&source.cluster, Some(&source.pod), why);
        }
        let mut reading = Reading { reader, read, lost: BTreeSet::new() };
        let (ask, namespace) = (Ask::new(terms), terms.namespace.as_str());
        let opening = targets.into_iter().map(async |(connection, target)| {
            let cursor = Cursor::default();
            let opened = open(&connection, namespace, &target.source, ask, &cursor).await;
            (connection, target, opened)
        });
        let most = terms.most.max(1);
        let mut ahead = Ahead::new(opening, most);
        let mut logs = FuturesUnordered::new();
        loop {
            let next = tokio::select! {
                Some(ended) = logs.next() => {
                    reading.ended(ended);
                    continue;
                }
                next = ahead.next() => next,
            };
            let Some((connection, Target { source, .. }, opened)) = next else { break };
            if reading.lost.contains(&source.cluster) {
                continue;
            }
            let log = Log { connection, source, namespace, ask, limit: terms.limit };
            logs.push(log.read(opened, reader));
            let mut alone = pin!(seconds(ALONE));
            let beside = async {
                // Those that take long go on beside the next one, as far as so many may be open.
                while !logs.is_empty() {
                    tokio::select! {
                        Some(ended) = logs.next() => reading.ended(ended),
                        () = &mut alone, if logs.len() < most => break,
                    }
                }
            };
            ahead.beside(beside).await;
            if reader.is_closed() {
                return Ok(reading.read);
            }
        }
        while let Some(ended) = logs.next().await {
            reading.ended(ended);
        }
        Ok(reading.read)
    }
}

/// Waits for so many seconds. A second in which the reader took nothing counts once, however long
/// it was: a pager stands still for as long as somebody reads.
async fn seconds(time: Duration) {
    for _ in 0..time.as_secs() {
        sleep(Duration::from_secs(1)).await;
    }
}

/// What became of the logs so far.
struct Reading<'r> {
    reader: &'r dyn LogReader,
    read: LogsRead,
    /// The clusters that have not answered: each further log would be waited for as long.
    lost: BTreeSet<String>,
}

impl Reading<'_> {
    fn ended(&mut self, (source, result): (Source, Result<(), Error>)) {
        let Err(error) = result else { return };
        self.read.some_unread = true;
        self.reader.unread(&source.cluster, Some(&source.pod), &error);
        if matches!(error, Error::Unreachable { .. }) {
            self.lost.insert(source.cluster);
        }
    }
}

/// Finds the logs once there is a pod, for which a Job that may still get one is waited a while.
async fn first(
    record: &Record,
    members: &Members,
    terms: &LogTerms,
    reader: &dyn LogReader,
) -> Found {
    let may_come = record.state.outcome.is_none()
        && !record.manifest.suspended()
        && !(terms.failed || terms.previous || terms.index.is_some());
    let patience = if may_come { terms.patience } else { Duration::ZERO };
    let end = Instant::now().checked_add(patience);
    loop {
        let found = find(record, members, terms, reader).await;
        let is_over = end.is_some_and(|end| Instant::now() >= end);
        let Found { targets, lacking, silent } = &found;
        if is_over || !(targets.is_empty() && lacking.is_empty() && silent.is_empty()) {
            return found;
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// A log that is read as it is now.
struct Log<'l> {
    connection: Connection,
    source: Source,
    namespace: &'l str,
    ask: Ask,
    /// How many bytes are wanted at most.
    limit: Option<u64>,
}

impl Log<'_> {
    /// Reads it to its end, also where it breaks off in between. Gives whose it is.
    async fn read(
        self,
        opened: Result<Stream, Error>,
        reader: &dyn LogReader,
    ) -> (Source, Result<(), Error>) {
        let result = self.read_to_end(opened, reader).await;
        (self.source, result)
    }

    async fn read_to_end(
        &self,
        mut opened: Result<Stream, Error>,
        reader: &dyn LogReader,
    ) -> Result<(), Error> {
        let mut cursor = Cursor::limited(self.limit);
        let mut attempts = 1;
        loop {
            let before = cursor.count();
            let broke_off = match drain(opened?, &self.source, &mut cursor, true, reader).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            attempts = if cursor.count() > before { 1 } else { attempts + 1 };
            // A server that says nothing more would be waited for as long again.
            if attempts > ATTEMPTS || broke_off.is_timeout() {
                return Err(broke_off);
            }
            sleep(PAUSE).await;
            opened = open(&self.connection, self.namespace, &self.source, self.ask, &cursor).await;
        }
    }
}
