//! All logs side by side, also those of pods that start later, until the Job has ended.
//!
//! Two things go on at the same time. One looks at the Job and its pods again and again. The other
//! reads the logs that were found. A stream that ends or breaks off is opened again at the next
//! look, from where it was read on: a server in between may have ended it, or the container may run
//! again. A log is done when a stream that was opened after its container's end has come to its
//! own end.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::sync::{Notify, Semaphore, mpsc};

use super::{
    cursor::Cursor,
    error::LogsError,
    pods::{Found, find},
    stream::{Ask, drain, open},
    targets::{Lacking, Target, check},
    terms::{LogReader, LogTerms, LogsRead, Source},
};
use crate::{
    cluster::{Connection, Error},
    federation::{
        error,
        open::Federation,
        rounds::{Rounds, View},
    },
    reconcile::{Status, preview},
};

/// How often in a row it is tried at most to read the end of a log.
const ATTEMPTS: u32 = 4;

/// After how many failures in a row somebody is told.
const TOLD: u32 = 2;

impl Federation<'_> {
    /// Reads the logs of a Job until it has ended, also those of pods that start later.
    ///
    /// # Errors
    /// The Job cannot be read, or does not have what is asked for; or more logs are to be followed
    /// from the beginning than may be.
    pub async fn follow_logs(
        &mut self,
        terms: &LogTerms,
        reader: &dyn LogReader,
    ) -> Result<LogsRead, LogsError> {
        let names = std::slice::from_ref(&terms.name);
        let rounds = Rounds::begin(self, names, Some(&terms.namespace))?;
        let (tell, told) = mpsc::channel(1);
        let wake = Notify::new();
        let following = Following::new(terms, reader, &wake);
        tokio::select! {
            looked = look(rounds, terms, reader, tell, &wake) => {
                looked.map(|()| LogsRead::default())
            }
            read = following.run(told) => read,
        }
    }
}

/// What one look found.
struct Look {
    found: Found,
    has_ended: bool,
}

/// Looks until nobody wants to know.
async fn look(
    mut rounds: Rounds<'_, '_>,
    terms: &LogTerms,
    reader: &dyn LogReader,
    tell: mpsc::Sender<Look>,
    wake: &Notify,
) -> Result<(), LogsError> {
    let mut is_known = false;
    loop {
        if let Some(look) = look_once(&mut rounds, terms, reader, is_known).await? {
            is_known = true;
            if tell.send(look).await.is_err() {
                return Ok(());
            }
        }
        tokio::select! {
            () = rounds.pause(Duration::MAX) => {}
            () = wake.notified() => {
                rounds.soon();
                rounds.pause(Duration::MAX).await;
            }
        }
    }
}

/// Looks once; none where the host does not answer. A Job that is gone, and `is_known`, has ended.
async fn look_once(
    rounds: &mut Rounds<'_, '_>,
    terms: &LogTerms,
    reader: &dyn LogReader,
    is_known: bool,
) -> Result<Option<Look>, LogsError> {
    let Some(View { mut records, errors, .. }) = rounds.read().await? else { return Ok(None) };
    error::Error::all(errors)?;
    let Some(record) = records.pop() else {
        if !is_known {
            return Err(error::Error::not_found(&terms.namespace, &terms.name).into());
        }
        return Ok(Some(Look { found: Found::default(), has_ended: true }));
    };
    check(rounds.federation, terms, &record)?;
    let observations = rounds.observe(&[&record]).await.pop().unwrap_or_default();
    let now = rounds.federation.now();
    let (record, observations) = preview(&record, observations, &rounds.members, now).await;
    let status = Status::new(&record, &observations);
    rounds.tell_failures([(&record, &status)]);
    let found = find(&record, &rounds.members, terms, reader).await;
    Ok(Some(Look { found, has_ended: status.end.is_some() }))
}

/// How far the reading of a log is.
enum State {
    /// A stream is open, or waits for its turn.
    Reads,
    /// No stream is open.
    Rests(Box<Log>),
    /// All was read, or cannot be.
    Done,
}

/// A log that is not read to its end.
struct Log {
    cursor: Cursor,
    /// How often in a row it could not be read.
    failures: u32,
    /// Whether it was there from the beginning, so that only its end may be asked for.
    is_early: bool,
}

/// A stream that ended.
struct Ended {
    source: Source,
    log: Log,
    /// Whether its container had ended before it was opened.
    is_last: bool,
    result: Result<(), Error>,
}

/// The reading of all logs.
struct Following<'r> {
    terms: &'r LogTerms,
    reader: &'r dyn LogReader,
    wake: &'r Notify,
    /// Those of logs to which more is written.
    turns: Arc<Semaphore>,
    /// Those of logs that have ended, which do not keep others waiting.
    turns_of_ended: Arc<Semaphore>,
    /// How many streams of the former kind are open, or wait for their turns.
    followed: usize,
    logs: BTreeMap<Source, State>,
    streams: FuturesUnordered<BoxFuture<'r, Ended>>,
    /// Whether there was a look already.
    is_begun: bool,
    has_ended: bool,
    told_waits: bool,
    read: LogsRead,
}

impl<'r> Following<'r> {
    fn new(terms: &'r LogTerms, reader: &'r dyn LogReader, wake: &'r Notify) -> Self {
        Self {
            terms,
            reader,
            wake,
            turns: Arc::new(Semaphore::new(terms.most.max(1))),
            turns_of_ended: Arc::new(Semaphore::new(terms.most.max(1))),
            followed: 0,
            logs: BTreeMap::new(),
            streams: FuturesUnordered::new(),
            is_begun: false,
            has_ended: false,
            told_waits: false,
            read: LogsRead::default(),
        }
    }

    /// Reads until the Job has ended and all its logs are done, or nobody reads on.
    async fn run(mut self, mut told: mpsc::Receiver<Look>) -> Result<LogsRead, LogsError> {
        loop {
            tokio::select! {
                look = told.recv() => match look {
                    Some(look) => self.seen(look)?,
                    None => break,
                },
                Some(ended) = self.streams.next() => self.ended(ended),
            }
            let is_done = |state: &State| matches!(state, State::Done);
            if self.reader.is_closed() || (self.has_ended && self.logs.values().all(is_done)) {
                break;
            }
        }
        Ok(LogsRead { logs: self.logs.len(), ..self.read })
    }

    /// Opens a stream for each log that is there and is not read.
    fn seen(&mut self, Look { mut found, has_ended }: Look) -> Result<(), LogsError> {
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        self.has_ended = has_ended;
        if is_first {
            found.check()?;
        }
        if is_first && !self.terms.waits {
            let running = found.targets.iter().filter(|(_, it)| it.is_started && !it.is_over);
            let (asked, most) = (running.count(), self.terms.most);
            if asked > 1 && asked > most {
                return Err(LogsError::TooMany { asked, most });
            }
        }
        for Lacking { source, why } in found.lacking {
            if !self.logs.contains_key(&source) {
                self.reader.unread(&source.cluster, Some(&source.pod), &why);
                self.read.some_unread = true;
                self.logs.insert(source, State::Done);
            }
        }
        let rests = self.logs.iter().filter(|(_, state)| matches!(state, State::Rests(_)));
        let mut gone: Vec<Source> = rests.map(|(source, _)| source.clone()).collect();
        for (connection, target) in found.targets {
            gone.retain(|source| *source != target.source);
            let cursor = Cursor::limited(self.terms.limit);
            let new = Log { cursor, failures: 0, is_early: is_first };
            let state =
                self.logs.entry(target.source.clone()).or_insert(State::Rests(Box::new(new)));
            if !target.is_started {
                if has_ended {
                    *state = State::Done;
                }
            } else if let State::Rests(_) = state
                && let State::Rests(log) = std::mem::replace(state, State::Reads)
            {
                self.begin(connection, target, *log);
            }
        }
        for source in gone {
            let is_silent = found.silent.contains(&source.cluster);
            if !is_silent || has_ended {
                self.logs.insert(source, State::Done);
            }
        }
        self.read.some_unread |= has_ended && !found.silent.is_empty();
        Ok(())
    }

    fn begin(&mut self, connection: Connection, target: Target, mut log: Log) {
        let Target { source, is_over, .. } = target;
        // Of the previous instance of a container nothing more comes.
        let is_last = is_over || self.terms.previous;
        let most = self.terms.most;
        if !is_last && self.followed >= most && !std::mem::replace(&mut self.told_waits, true) {
            self.reader.waits(most);
        }
        self.followed += usize::from(!is_last);
        let mut ask = Ask { follow: !is_last, ..Ask::new(self.terms) };
        if !log.is_early {
            (ask.tail, ask.since) = (None, ask.since.filter(|since| since.is_time()));
        }
        let turns = if is_last { &self.turns_of_ended } else { &self.turns };
        let (turns, reader) = (turns.clone(), self.reader);
        let namespace = self.terms.namespace.as_str();
        let read = async move {
            // Nobody closes it.
            let _turn = turns.acquire_owned().await;
            let before = log.cursor.count();
            let result = match open(&connection, namespace, &source, ask, &log.cursor).await {
                Ok(stream) => drain(stream, &source, &mut log.cursor, is_last, reader).await,
                Err(error) => Err(error),
            };
            if result.is_ok() || log.cursor.count() > before {
                log.failures = 0;
            }
            Ended { source, log, is_last, result }
        };
        self.streams.push(read.boxed());
    }

    fn ended(&mut self, Ended { source, mut log, is_last, result }: Ended) {
        self.followed -= usize::from(!is_last);
        let state = match result {
            Ok(()) if is_last || log.cursor.is_full() => State::Done,
            Ok(()) => State::Rests(Box::new(log)),
            Err(error) if error.is_not_found() => State::Done,
            Err(error) => {
                log.failures += 1;
                // A container that is not there yet is a bad request.
                let waits = error.reason() == "BadRequest" && !is_last;
                let passes = waits || error.is_unreachable();
                let is_given_up = !passes || (is_last && log.failures >= ATTEMPTS);
                if is_given_up || (log.failures == TOLD && !waits) {
                    self.reader.unread(&source.cluster, Some(&source.pod), &error);
                }
                self.read.some_unread |= is_given_up;
                if is_given_up { State::Done } else { State::Rests(Box::new(log)) }
            }
        };
        self.logs.insert(source, state);
        self.wake.notify_one();
    }
}
