//! `kubectl federate job get --watch`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::Value;

use super::{Get, Session};
use crate::{
    cli::job::not_found,
    cli::rounds::{About, Key, Rounds, View, interruptible, key},
    error::{Error, Result},
    print::Format,
    reconcile::{Status, preview},
    state::Record,
};

/// Shows the Jobs, and each again whenever it changes, until Ctrl-C or until the output is closed.
///
/// As in kubectl: the headers once, then a row or an object for each change, and one more when a
/// Job is deleted. Nothing is written to any cluster.
pub(super) async fn watch(get: &Get, session: &Session<'_>) -> Result<()> {
    interruptible(session, show(get, session)).await
}

async fn show(get: &Get, session: &Session<'_>) -> Result<()> {
    let namespace = if get.all_namespaces { None } else { Some(session.namespace()?) };
    let rounds = Rounds::begin(session, About { names: &get.names, namespace }).await?;
    let mut watching = Watching {
        get,
        session,
        rounds,
        shown: BTreeMap::new(),
        told: BTreeSet::new(),
        widths: Vec::new(),
        printed: false,
    };
    loop {
        watching.round().await?;
        if session.output().is_closed() {
            return Ok(());
        }
        watching.rounds.pause(Duration::MAX).await;
    }
}

/// One watch, between rounds.
struct Watching<'a, 's> {
    get: &'a Get,
    session: &'a Session<'s>,
    rounds: Rounds<'a, 's>,
    /// What was shown last of each Job.
    shown: BTreeMap<Key, (Record, Status)>,
    /// The errors that were told.
    told: BTreeSet<String>,
    /// Of the columns of the table.
    widths: Vec<usize>,
    /// Whether anything was printed to stdout.
    printed: bool,
}

impl Watching<'_, '_> {
    async fn round(&mut self) -> Result<()> {
        let Some(View { records, absent, errors }) = self.rounds.read().await? else {
            return Ok(());
        };
        let mut errors = errors;
        for key in absent {
            match self.shown.remove(&key) {
                Some((record, status)) => self.print(&[(&record, &status)]),
                None => errors.push(not_found(&key.1)),
            }
        }
        let all: Vec<_> = records.iter().collect();
        let observed = self.rounds.observe(&all).await;
        let mut looked = Vec::new();
        for (record, observations) in records.into_iter().zip(observed) {
            let now = self.session.now();
            let (record, observations) =
                preview(&record, observations, &self.rounds.members, now).await;
            let status = Status::of(&record, &observations);
            looked.push((record, status));
        }
        let changed: Vec<_> = looked
            .iter()
            .filter(|(record, status)| {
                let before = self.shown.get(&key(record));
                before
                    .is_none_or(|(before, was)| self.seen(before, was) != self.seen(record, status))
            })
            .map(|(record, status)| (record, status))
            .collect();
        self.print(&changed);
        self.rounds.tell_troubles(looked.iter().map(|(record, status)| (record, status)));
        let named = !self.get.names.is_empty() && !self.printed;
        self.shown.extend(looked.into_iter().map(|seen| (key(&seen.0), seen)));
        // Where none of what was named is there, there is nothing to watch.
        if named {
            return Error::all(errors);
        }
        for error in errors {
            if self.told.insert(error.to_string()) {
                self.session.output().error(&error);
            }
        }
        Ok(())
    }

    /// What would be printed of a Job, times that pass aside.
    fn seen(&self, record: &Record, status: &Status) -> Value {
        match self.get.output {
            Some(Format::Json | Format::Yaml | Format::Name) => status.to_job(record),
            None | Some(Format::Wide) => {
                let mut row = self.get.row(self.session, record, status);
                let ages = row.len() - 2 - usize::from(self.get.output == Some(Format::Wide));
                row.drain(ages..ages + 2);
                row.into()
            }
        }
    }

    fn print(&mut self, rows: &[(&Record, &Status)]) {
        let output = self.session.output();
        let mut table = self.get.table().no_headers(self.get.no_headers || self.printed);
        for (record, status) in rows {
            let object = status.to_job(record);
            match self.get.output.and_then(|format| format.text(&object, "job.batch")) {
                Some(text) => {
                    if self.get.output == Some(Format::Yaml) && self.printed {
                        output.line("---");
                    }
                    output.block(&text);
                }
                None => table.row(self.get.row(self.session, record, status)),
            }
            self.printed = true;
        }
        if !table.is_empty() {
            output.block(&table.render_below(&mut self.widths));
        }
    }
}
