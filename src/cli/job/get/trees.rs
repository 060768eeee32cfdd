//! `kubectl federate job get --tree --watch`.

use std::time::Duration;

use super::watch::Asked;
use crate::{
    cli::{Session, job::tree::tree},
    error::Result,
    federation::{self, Federation, Rounds, View},
    print::{Drawing, Live, Tree, Trees},
    reconcile::{Inspection, Status, inspect, preview},
    state::Record,
};

/// Shows the Jobs as trees until they have ended, or nobody reads on.
///
/// On a terminal they are drawn in place, and once more at the end, to stay. Elsewhere they are
/// printed whenever something of them has changed. Nothing is written, anywhere.
pub(super) async fn watch_trees(
    session: &Session<'_>,
    mut federation: Federation<'_>,
    asked: Asked<'_>,
    drawing: Drawing,
) -> Result<()> {
    let rounds = Rounds::begin(&mut federation, &asked.selection.names, asked.namespace)?;
    let shown = Shown { session, drawing, live: None, drawn: Vec::new(), printed: Vec::new() };
    let mut watching = Watching { asked, rounds, shown, is_known: false };
    let watched = session.world().interruptible(Box::pin(watching.until_over())).await;
    watching.shown.stay();
    watched
}

/// One watch, between rounds.
struct Watching<'s, 'f, 'a> {
    asked: Asked<'s>,
    rounds: Rounds<'f, 'a>,
    shown: Shown<'s>,
    /// Whether there was a Job in any round.
    is_known: bool,
}

/// What the user sees.
struct Shown<'s> {
    session: &'s Session<'s>,
    drawing: Drawing,
    live: Option<Live>,
    /// What was drawn last.
    drawn: Vec<Tree>,
    /// What was printed last.
    printed: Vec<String>,
}

impl Watching<'_, '_, '_> {
    /// Looks again and again until the Jobs have ended, or nobody reads on.
    async fn until_over(&mut self) -> Result<()> {
        loop {
            if self.round().await? || self.shown.session.output().is_closed() {
                return Ok(());
            }
            self.rounds.pause(Duration::MAX).await;
        }
    }

    /// Looks at the Jobs once, and gives whether all have ended.
    async fn round(&mut self) -> Result<bool> {
        let Some(View { mut records, absent, mut errors }) = self.rounds.read().await? else {
            return Ok(false);
        };
        if !self.is_known && !self.asked.ignore_not_found {
            let missing = absent.iter().map(|key| federation::Error::not_found(&key.0, &key.1));
            errors.extend(missing);
        }
        federation::Error::all(errors)?;
        if !self.is_known {
            let clusters = self.asked.clusters.names();
            self.rounds.federation.check_registered(&clusters, &records)?;
        }
        records.retain(|record| {
            self.asked.selection.matches(&record.manifest.object()["metadata"]["labels"])
        });
        let mut looked = self.look(records).await;
        looked.retain(|(record, status, _)| self.asked.fields.matches(&status.to_job(record)));
        self.is_known |= !looked.is_empty();
        let names = self.asked.columns.namespace;
        let trees = looked.iter().map(|(record, status, seen)| tree(record, status, seen, names));
        let has_ended = looked.iter().all(|(_, status, _)| status.end.is_some());
        let is_over = has_ended && self.is_known;
        self.shown.show(trees.collect(), is_over);
        self.rounds.tell_failures(looked.iter().map(|(record, status, _)| (record, status)));
        Ok(is_over)
    }

    async fn look(&mut self, records: Vec<Record>) -> Vec<(Record, Status, Inspection)> {
        let all: Vec<_> = records.iter().collect();
        let observed = self.rounds.observe(&all).await;
        let (members, now) = (&self.rounds.members, self.shown.session.now());
        let mut looked = Vec::new();
        for (record, observations) in records.into_iter().zip(observed) {
            let (record, observations) = preview(&record, observations, members, now).await;
            let mut status = Status::new(&record, &observations);
            self.asked.clusters.narrow(&mut status);
            let inspection = inspect(&record, members, now).await;
            looked.push((record, status, inspection));
        }
        looked
    }
}

impl Shown<'_> {
    fn show(&mut self, trees: Vec<Tree>, is_over: bool) {
        let output = self.session.output();
        if output.is_terminal() && output.draws() && !is_over {
            self.drawn.clone_from(&trees);
            output.draw(&mut self.live, Trees { what: "watching".to_owned(), trees });
            return;
        }
        self.live = None;
        self.print(&trees);
    }

    /// Prints what is drawn, so that it can be read afterwards.
    fn stay(&mut self) {
        if self.live.take().is_some() {
            let drawn = std::mem::take(&mut self.drawn);
            self.print(&drawn);
        }
    }

    fn print(&mut self, trees: &[Tree]) {
        let output = self.session.output();
        let lines = self.drawing.lines(trees);
        if lines == self.printed || trees.is_empty() {
            return;
        }
        if !self.printed.is_empty() {
            output.line("");
        }
        output.block(&lines.join("\n"));
        self.printed = lines;
    }
}
