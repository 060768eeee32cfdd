//! The table of federated Jobs.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    cli::{Session, TableFlags},
    print::{Table, age},
    reconcile::Status,
    state::Record,
};

/// Behind so many columns, and the namespace, stand those that say times that pass.
const TIMES: usize = 4;

/// Which columns the table has beside those that it always has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns<'f> {
    /// The first says the namespace.
    pub namespace: bool,
    /// The last says what each cluster did of its share.
    pub shards: bool,
    /// Whether they have names, and which labels have one.
    pub flags: &'f TableFlags,
}

impl Columns<'_> {
    /// An empty table of these columns.
    pub fn table(self) -> Table {
        let mut headers = Vec::new();
        headers.extend(self.namespace.then_some("NAMESPACE"));
        headers.extend(["NAME", "STATUS", "COMPLETIONS", "CLUSTERS", "DURATION", "AGE"]);
        headers.extend(self.shards.then_some("SHARDS"));
        self.flags.dressed(Table::new(headers))
    }

    /// The row of one Job.
    pub fn row(self, session: &Session<'_>, record: &Record, status: &Status) -> Vec<String> {
        let mut row = self.timeless(record, status);
        let times = [duration(status, session.now()), session.age(record.state.created)];
        let at = usize::from(self.namespace) + TIMES;
        row.splice(at..at, times);
        row
    }

    /// The same without the columns that say times that pass.
    pub fn timeless(self, record: &Record, status: &Status) -> Vec<String> {
        let (known, clusters) = status.clusters();
        let mut row = Vec::new();
        row.extend(self.namespace.then(|| record.namespace().to_owned()));
        row.extend([
            record.name().to_owned(),
            status.word().to_owned(),
            status.completions(),
            format!("{known}/{clusters}"),
        ]);
        row.extend(self.shards.then(|| shards(status)));
        row.extend(self.flags.label_cells(&record.manifest.object()["metadata"]["labels"]));
        row
    }
}

fn duration(status: &Status, now: Timestamp) -> String {
    match status.start {
        None => String::new(),
        Some(start) => age::age(status.end.unwrap_or(now), start),
    }
}

/// What each cluster did of its share; of shards that neither run nor are Complete, what they are
/// instead. The share of a lost shard is that of others by now.
fn shards(status: &Status) -> String {
    let mut shards: BTreeMap<(&str, &str), (i32, Option<i32>)> = BTreeMap::new();
    for shard in &status.shards {
        let state = if matches!(shard.state, "Running" | "Complete") { "" } else { shard.state };
        let (achieved, completions) = shards.entry((&shard.cluster, state)).or_default();
        *achieved += shard.achieved;
        let share = if shard.is_lost() { None } else { shard.share.completions };
        *completions = share.map(|own| completions.unwrap_or(0) + own);
    }
    for (cluster, totals) in &status.folded.clusters {
        let (achieved, completions) = shards.entry((cluster.as_str(), "")).or_default();
        *achieved += totals.achieved;
        *completions = Some(completions.unwrap_or(0) + totals.carried);
    }
    let each = shards.into_iter().map(|((cluster, state), (achieved, completions))| {
        let of = completions.map_or(String::new(), |completions| format!("/{completions}"));
        let state = if state.is_empty() { String::new() } else { format!("({state})") };
        format!("{cluster}:{achieved}{of}{state}")
    });
    each.collect::<Vec<_>>().join(",")
}
