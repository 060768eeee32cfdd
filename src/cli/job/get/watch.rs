//! `kubectl federate job get --watch`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::Value;

use super::columns::Columns;
use crate::{
    cli::Session,
    error::{Error, Result},
    federation::{self, Federation, Key, Rounds, Scope, View, key},
    print::Format,
    reconcile::{Status, preview},
    state::Record,
};

/// Shows the Jobs, and each again whenever something of it has changed, until nobody reads on.
///
/// As kubectl's: a row or an object for each change, one more where the Job is deleted, the headers
/// once. Nothing is written, anywhere.
pub(super) async fn watch(
    session: &Session<'_>,
    mut federation: Federation<'_>,
    scope: Scope<'_>,
    format: Option<Format>,
    columns: Columns,
) -> Result<()> {
    let rounds = Rounds::begin(&mut federation, scope.names, scope.namespace)?;
    let mut watching = Watching {
        session,
        format,
        columns,
        named: !scope.names.is_empty(),
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
struct Watching<'s, 'f, 'a> {
    session: &'s Session<'s>,
    format: Option<Format>,
    columns: Columns,
    /// Whether the Jobs were named.
    named: bool,
    rounds: Rounds<'f, 'a>,
    /// What was shown last of each Job.
    shown: BTreeMap<Key, (Record, Status)>,
    /// The errors that were told.
    told: BTreeSet<String>,
    /// Of the columns of the table.
    widths: Vec<usize>,
    /// Whether anything was printed to stdout.
    printed: bool,
}

impl Watching<'_, '_, '_> {
    async fn round(&mut self) -> Result<()> {
        let Some(View { records, absent, mut errors }) = self.rounds.read().await? else {
            return Ok(());
        };
        for key in absent {
            match self.shown.remove(&key) {
                Some((record, status)) => self.print(&[(&record, &status)]),
                None => errors.push(federation::Error::NotFound { name: key.1 }),
            }
        }
        let all: Vec<_> = records.iter().collect();
        let observed = self.rounds.observe(&all).await;
        let mut looked = Vec::new();
        for (record, observations) in records.into_iter().zip(observed) {
            let now = self.session.now();
            let (record, observations) =
                preview(&record, observations, &self.rounds.members, now).await;
            let status = Status::new(&record, &observations);
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
        self.rounds.tell_failures(looked.iter().map(|(record, status)| (record, status)));
        self.shown.extend(looked.into_iter().map(|seen| (key(&seen.0), seen)));
        // Where none of what was named is there, there is nothing to watch.
        if self.named && !self.printed {
            return Ok(federation::Error::all(errors)?);
        }
        for error in errors {
            let error = Error::from(error);
            if self.told.insert(error.to_string()) {
                self.session.output().error(&error.to_string(), error.hints());
            }
        }
        Ok(())
    }

    /// What would be printed of a Job, times that pass aside.
    fn seen(&self, record: &Record, status: &Status) -> Value {
        match self.format {
            Some(Format::Json | Format::Yaml | Format::Name) => status.to_job(record),
            None | Some(Format::Wide) => self.columns.timeless(record, status).into(),
        }
    }

    fn print(&mut self, rows: &[(&Record, &Status)]) {
        let output = self.session.output();
        let columns = Columns { headers: self.columns.headers && !self.printed, ..self.columns };
        let mut table = columns.table();
        for (record, status) in rows {
            let object = status.to_job(record);
            match self.format.and_then(|format| format.text(&object, "job.batch")) {
                Some(text) => {
                    if self.format == Some(Format::Yaml) && self.printed {
                        output.line("---");
                    }
                    output.block(&text);
                }
                None => table.row(columns.row(self.session, record, status)),
            }
            self.printed = true;
        }
        if !table.is_empty() {
            output.block(&table.render_below(&mut self.widths));
        }
    }
}
