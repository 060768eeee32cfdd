//! Watches of what the rounds read, so that the next round comes when something has changed.
//!
//! A watch says only that something is to be read. What counts is what a round reads then, so a
//! watch that lies, or that ends unnoticed, makes a round late and nothing else.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{StreamExt as _, stream::BoxStream};
use tokio::{
    sync::Notify,
    task::{JoinHandle, coop::consume_budget},
    time::Instant,
};

use super::known::Known;
use crate::cluster::{Change, Connection, Watched, WatchedPath};

/// How long after it was begun a watch is begun again that a server refused or ended.
const AGAIN: Duration = Duration::from_mins(1);

/// Of how many objects it is kept that they have changed. Where there are more, that is news.
const MOST_CHANGES: usize = 4096;

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
    lines: BTreeMap<Target, Line>,
    /// Rung each time that a watch has said something.
    bell: Arc<Notify>,
}

/// One watch. A task reads what it says: what nobody reads would keep other answers of the same
/// connection back.
struct Line {
    heard: Arc<Mutex<Heard>>,
    begun: Instant,
    /// The round after which it was first known that the server watches.
    since: Option<u64>,
    reads: JoinHandle<()>,
}

/// What a watch has said that was not looked at.
#[derive(Default)]
struct Heard {
    is_open: bool,
    /// Whether it ended, and nobody was told.
    is_over: bool,
    /// The last change of each object, by namespace and name.
    changes: BTreeMap<(String, String), Change>,
    /// Whether there were too many changes.
    is_full: bool,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.reads.abort();
    }
}

impl Watches {
    /// Whether something is watched, or tried to be.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Watches these collections from now on, and no others. What has ended is tried again after
    /// a while.
    pub fn aim(&mut self, targets: BTreeMap<Target, Connection>) {
        let is_kept = |line: &Line| !line.reads.is_finished() || line.begun.elapsed() < AGAIN;
        self.lines.retain(|target, line| targets.contains_key(target) && is_kept(line));
        for (target, connection) in targets {
            let bell = self.bell.clone();
            self.lines.entry(target).or_insert_with_key(|target| {
                let heard = Arc::<Mutex<Heard>>::default();
                let reads = listen(connection.watch(&target.what), heard.clone(), bell);
                Line { heard, begun: Instant::now(), since: None, reads: tokio::spawn(reads) }
            });
        }
    }

    /// Whether everything is watched since a round before this one. Then this round has read what
    /// the watches could not tell. `round` is the one that was made last.
    pub fn hold_since_before(&mut self, round: u64) -> bool {
        let mut hold = !self.lines.is_empty();
        for line in self.lines.values_mut() {
            line.since = line.since.or(Some(round)).filter(|_| heard(&line.heard).is_open);
            hold &= line.since.is_some_and(|since| since < round);
        }
        hold
    }

    /// Whether a watch has said what is not known, or has ended. All that was said is forgotten.
    pub fn have_news(&mut self, known: &Known) -> bool {
        let mut have = false;
        for (Target { member, .. }, line) in &mut self.lines {
            let mut heard = heard(&line.heard);
            have |= std::mem::take(&mut heard.is_over) | std::mem::take(&mut heard.is_full);
            let changes = std::mem::take(&mut heard.changes);
            have |= changes.into_values().any(|change| known.is_news(member.as_deref(), &change));
        }
        have
    }

    /// Waits until a watch says what is not known, or ends.
    pub async fn news(&mut self, known: &Known) {
        while !self.have_news(known) {
            self.bell.clone().notified().await;
            consume_budget().await;
        }
    }
}

/// Takes in what a watch says, until it ends.
async fn listen(
    mut stream: BoxStream<'static, Watched>,
    line: Arc<Mutex<Heard>>,
    bell: Arc<Notify>,
) {
    while let Some(watched) = stream.next().await {
        heard(&line).hear(watched);
        bell.notify_one();
        consume_budget().await;
    }
}

impl Heard {
    fn hear(&mut self, watched: Watched) {
        match watched {
            Watched::Begun => self.is_open = true,
            Watched::Ended => (self.is_open, self.is_over) = (false, true),
            Watched::Changed(change) => {
                let object = (change.namespace.clone(), change.name.clone());
                self.changes.insert(object, change);
                if self.changes.len() > MOST_CHANGES {
                    self.changes.clear();
                    self.is_full = true;
                }
            }
        }
    }
}

fn heard(line: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_watch_is_bounded() {
        let mut heard = Heard::default();
        for n in 0..3 * MOST_CHANGES {
            let (namespace, resource_version) = ("ns".to_owned(), n.to_string());
            let change =
                Change { namespace, name: format!("pi-{n}"), resource_version, is_gone: false };
            heard.hear(Watched::Changed(change));
            assert!(heard.changes.len() <= MOST_CHANGES);
        }
        assert!(heard.is_full);
    }
}
