//! Watches of what the rounds read, so that the next round comes when something has changed.
//!
//! A watch says only that something is to be read. What counts is what a round reads then, so a
//! watch that lies, or that ends unnoticed, makes a round late and nothing else.

use std::{collections::BTreeMap, time::Duration};

use futures::{
    StreamExt as _,
    stream::{AbortHandle, BoxStream, SelectAll, abortable},
};
use tokio::time::Instant;

use crate::cluster::{Change, Connection, Watched, WatchedPath};

/// How long after it was begun a watch is begun again that a server refused or ended.
const AGAIN: Duration = Duration::from_mins(1);

/// A collection that is watched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    /// The name of the member; none for the host.
    pub member: Option<String>,
    /// The objects.
    pub what: WatchedPath,
}

/// The watches of one command.
#[derive(Default)]
pub(super) struct Watches {
    streams: SelectAll<BoxStream<'static, (u64, Watched)>>,
    lines: BTreeMap<Target, Line>,
    /// How many were begun.
    begun: u64,
}

/// One watch.
struct Line {
    /// Its number among those that were begun.
    number: u64,
    begun: Instant,
    state: State,
    close: AbortHandle,
}

enum State {
    /// The server has not answered yet.
    Asked,
    /// The server watches, since this round.
    Open(u64),
    /// The server has ended it, or does not watch.
    Ended,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.close.abort();
    }
}

impl Watches {
    /// Watches these collections from now on, and no others. What has ended is tried again after
    /// a while.
    pub fn aim(&mut self, targets: BTreeMap<Target, Connection>) {
        let is_kept = |line: &Line| match line.state {
            State::Ended => line.begun.elapsed() < AGAIN,
            State::Asked | State::Open(_) => true,
        };
        self.lines.retain(|target, line| targets.contains_key(target) && is_kept(line));
        for (target, connection) in targets {
            if self.lines.contains_key(&target) {
                continue;
            }
            self.begun += 1;
            let number = self.begun;
            let (stream, close) = abortable(connection.watch(&target.what));
            self.streams.push(stream.map(move |watched| (number, watched)).boxed());
            let (begun, state) = (Instant::now(), State::Asked);
            self.lines.insert(target, Line { number, begun, state, close });
        }
    }

    /// Whether everything is watched since a round before this one. Then this round has read what
    /// the watches could not tell.
    pub fn hold_since_before(&self, round: u64) -> bool {
        let holds = |line: &Line| matches!(line.state, State::Open(since) if since < round);
        !self.lines.is_empty() && self.lines.values().all(holds)
    }

    /// Waits for the next change, and gives the member that it is in; none for the host. None
    /// where a watch has ended. `round` is the one that was made last.
    pub async fn next(&mut self, round: u64) -> Option<(Option<String>, Change)> {
        loop {
            let Some((number, watched)) = self.streams.next().await else {
                return std::future::pending().await;
            };
            let line = self.lines.iter_mut().find(|(_, line)| line.number == number);
            // What was closed may still say something.
            let Some((target, line)) = line else { continue };
            match watched {
                Watched::Begun => line.state = State::Open(round),
                Watched::Changed(change) => return Some((target.member.clone(), change)),
                Watched::Ended => {
                    line.state = State::Ended;
                    return None;
                }
            }
        }
    }
}
