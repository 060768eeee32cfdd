//! `kubectl federate job get --watch`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::columns::{Columns, Item};
use crate::{
    cli::{
        InClusters, Selection, Session,
        fields::Fields,
        output::{is_table, print_below},
    },
    error::{Error, Result},
    federation::{self, Federation, Key, Rounds, View, key},
    print::{Format, Tabs, sort::Listing},
    reconcile::{Status, preview},
    state::Record,
};

/// Which Jobs are shown, and how.
pub(super) struct Asked<'g> {
    pub selection: &'g Selection,
    pub clusters: &'g InClusters,
    pub fields: Fields,
    /// None for all namespaces.
    pub namespace: Option<&'g str>,
    pub format: Option<&'g Format>,
    pub columns: Columns<'g>,
    /// Whether nothing is said of Jobs that are not there.
    pub ignore_not_found: bool,
}

/// Shows the Jobs, and each again whenever something of it has changed, until nobody reads on.
///
/// As kubectl's: a row or an object for each change, one more where the Job is deleted, the headers
/// once. Nothing is written, anywhere.
pub(super) async fn watch(
    session: &Session<'_>,
    mut federation: Federation<'_>,
    asked: Asked<'_>,
) -> Result<()> {
    let rounds = Rounds::begin(&mut federation, &asked.selection.names, asked.namespace)?;
    let rounds = rounds.at_length();
    let mut watching = Watching {
        session,
        asked,
        rounds,
        shown: BTreeMap::new(),
        told: BTreeSet::new(),
        widths: Vec::new(),
        tabs: Tabs::default(),
        printed: false,
        is_begun: false,
    };
    loop {
        watching.round().await?;
        if session.output().is_closed() {
            return Ok(());
        }
        watching.rounds.rest(Duration::MAX).await;
    }
}

/// One watch, between rounds.
struct Watching<'s, 'f, 'a> {
    session: &'s Session<'s>,
    asked: Asked<'s>,
    rounds: Rounds<'f, 'a>,
    /// What was shown last of each Job.
    shown: BTreeMap<Key, (Record, Status)>,
    /// The errors that were told.
    told: BTreeSet<String>,
    /// Of the columns of the table.
    widths: Vec<usize>,
    /// The same, of columns that the user chose.
    tabs: Tabs,
    /// Whether anything was printed to stdout.
    printed: bool,
    /// Whether there was a round.
    is_begun: bool,
}

impl Watching<'_, '_, '_> {
    async fn round(&mut self) -> Result<()> {
        let Some(View { records, absent, mut errors }) = self.rounds.read().await? else {
            return Ok(());
        };
        if !std::mem::replace(&mut self.is_begun, true) {
            self.rounds.federation.check_registered(&self.asked.clusters.names(), &records)?;
        }
        for key in absent {
            match self.shown.remove(&key) {
                Some((record, status)) => {
                    self.print(self.asked.columns.items(&record, &status)).await?;
                }
                None if self.asked.ignore_not_found => {}
                None => errors.push(federation::Error::not_found(&key.0, &key.1)),
            }
        }
        let may_show =
            |record: &Record| self.is_labelled(record) || self.shown.contains_key(&key(record));
        let records: Vec<_> = records.into_iter().filter(may_show).collect();
        let all: Vec<_> = records.iter().collect();
        let observed = self.rounds.observe(&all).await;
        let mut looked = Vec::new();
        for (record, observations) in records.into_iter().zip(observed) {
            let now = self.session.now();
            let (record, observations) =
                preview(&record, observations, &self.rounds.members, now).await;
            let mut status = Status::new(&record, &observations);
            self.asked.clusters.narrow(&mut status);
            looked.push((record, status));
        }
        let news = looked.iter().flat_map(|(record, status)| self.news(record, status));
        let news = self.in_order(news.collect())?;
        self.print(news).await?;
        for (record, status) in looked {
            let key = key(&record);
            if self.is_selected(&record, &status) {
                self.shown.insert(key, (record, status));
            } else {
                self.shown.remove(&key);
            }
        }
        self.rounds.tell_failures(self.shown.values().map(|(record, status)| (record, status)));
        // Where none of what was named is there, there is nothing to watch.
        if !self.asked.selection.names.is_empty() && !self.printed {
            return Ok(federation::Error::all(errors)?);
        }
        for error in errors {
            let error = Error::from(error);
            if self.told.insert(error.to_string()) {
                self.session.output().error(&error.to_string(), &error.hints());
            }
        }
        Ok(())
    }

    /// What is to be shown of a Job: what changed or is new, or all of it if the Job is not
    /// selected any more.
    fn news<'j>(&self, record: &'j Record, status: &'j Status) -> Vec<Item<'j>> {
        let Asked { columns, format, .. } = self.asked;
        let (mut items, is_selected) =
            (columns.items(record, status), self.is_selected(record, status));
        match self.shown.get(&key(record)) {
            None if is_selected => {}
            None => items.clear(),
            Some((before, was)) if is_selected => {
                let before = columns.items(before, was);
                items.retain(|item| {
                    let same = before.iter().find(|before| before.id() == item.id());
                    same.is_none_or(|same| {
                        columns.seen(*same, format) != columns.seen(*item, format)
                    })
                });
            }
            Some(_) => {}
        }
        items
    }

    /// The rows of the first table are in the order that is asked for.
    fn in_order<'j>(&self, items: Vec<Item<'j>>) -> Result<Vec<Item<'j>>> {
        if self.printed || !is_table(self.asked.format) {
            return Ok(items);
        }
        self.asked.columns.flags.sorted(items, Item::object, Listing::Table)
    }

    fn is_selected(&self, record: &Record, status: &Status) -> bool {
        self.is_labelled(record) && self.asked.fields.matches(&status.to_job(record))
    }

    fn is_labelled(&self, record: &Record) -> bool {
        self.asked.selection.matches(&record.manifest.object()["metadata"]["labels"])
    }

    async fn print(&mut self, items: Vec<Item<'_>>) -> Result<()> {
        let output = self.session.output();
        let Asked { format, columns, .. } = self.asked;
        let mut table = columns.table();
        for item in items {
            if is_table(format) {
                table.row(columns.row(self.session, item));
                continue;
            }
            if format == Some(&Format::Yaml) && self.printed {
                output.line("---");
            }
            let object = item.object();
            let below = (&mut self.tabs, !self.printed);
            print_below(self.session.world(), format, || object, "job.batch", below).await?;
            self.printed = true;
        }
        if !table.is_empty() {
            let table = if self.printed { table.no_headers(true) } else { table };
            output.block(&table.render_below(&mut self.widths));
            self.printed = true;
        }
        Ok(())
    }
}
