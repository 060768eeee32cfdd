//! The table of federated Jobs, and what has a row in it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    cli::{Session, TableFlags, output::is_table},
    print::{Format, Table, age},
    reconcile::{JobTimes, ShardStatus, Status},
    state::Record,
};

/// Behind so many columns, and the namespace, stand those that say times that pass.
const TIMES: usize = 4;

/// Which columns the table has beside those that it always has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns<'f> {
    /// The first says the namespace.
    pub namespace: bool,
    /// Each shard has a row, and each Job none.
    pub by_cluster: bool,
    /// The last ones say more: of a Job what each cluster did of its share, of a shard what its
    /// pods did.
    pub wide: bool,
    /// Whether they have names, and which labels have one.
    pub flags: &'f TableFlags,
}

/// What has a row: a Job, or a shard of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'j> {
    record: &'j Record,
    status: &'j Status,
    shard: Option<&'j ShardStatus>,
}

impl Columns<'_> {
    /// An empty table of these columns.
    pub fn table(self) -> Table {
        let mut headers = Vec::new();
        headers.extend(self.namespace.then_some("NAMESPACE"));
        headers.extend(self.by_cluster.then_some("CLUSTER"));
        headers.extend(["NAME", "STATUS", "COMPLETIONS"]);
        headers.extend((!self.by_cluster).then_some("CLUSTERS"));
        headers.extend(["DURATION", "AGE"]);
        headers.extend(match (self.wide, self.by_cluster) {
            (false, _) => &[][..],
            (true, false) => &["SHARDS"],
            (true, true) => &["ACTIVE", "FAILED", "MESSAGE"],
        });
        self.flags.dressed(Table::new(headers))
    }

    /// What a Job has in the table: a row, or one for each shard, by cluster.
    pub fn items<'j>(self, record: &'j Record, status: &'j Status) -> Vec<Item<'j>> {
        if !self.by_cluster {
            return vec![Item { record, status, shard: None }];
        }
        let mut shards: Vec<_> = status.shards.iter().collect();
        shards.sort_by_key(|shard| (&shard.cluster, shard.id));
        shards.into_iter().map(|shard| Item { record, status, shard: Some(shard) }).collect()
    }

    /// The row of a Job or a shard.
    pub fn row(self, session: &Session<'_>, item: Item<'_>) -> Vec<String> {
        let mut row = self.timeless(item);
        let at = usize::from(self.namespace) + TIMES;
        row.splice(at..at, item.times(session));
        row
    }

    /// The same without the columns that say times that pass.
    fn timeless(self, item: Item<'_>) -> Vec<String> {
        let Item { record, status, shard } = item;
        let mut row = Vec::new();
        row.extend(self.namespace.then(|| record.namespace().to_owned()));
        match shard {
            None => {
                let (known, clusters) = status.clusters();
                row.extend([
                    record.name().to_owned(),
                    status.word().to_owned(),
                    status.completions(),
                    format!("{known}/{clusters}"),
                ]);
                row.extend(self.wide.then(|| shards(status)));
            }
            Some(shard) => {
                let ShardStatus { cluster, name, state, .. } = shard;
                row.extend([cluster, name, *state].map(str::to_owned));
                row.push(shard.completions());
                if self.wide {
                    row.extend([shard.seen.active, shard.seen.failed].map(|n| n.to_string()));
                    row.push(shard.message().unwrap_or_default().to_owned());
                }
            }
        }
        row.extend(self.flags.label_cells(&record.manifest.object()["metadata"]["labels"]));
        row
    }

    /// What would be printed in this format, times that pass aside.
    pub fn seen(self, item: Item<'_>, format: Option<&Format>) -> Value {
        if is_table(format) { self.timeless(item).into() } else { item.object() }
    }
}

impl Item<'_> {
    /// It as a batch/v1 Job.
    pub fn object(&self) -> Value {
        match self.shard {
            None => self.status.to_job(self.record),
            Some(shard) => shard.to_job(self.record),
        }
    }

    /// By which it is the same item at another time: the id of its shard.
    pub fn id(&self) -> Option<u32> {
        self.shard.map(|shard| shard.id)
    }

    /// How long it ran, and its age.
    fn times(&self, session: &Session<'_>) -> [String; 2] {
        let Self { record, status, shard } = self;
        let now = session.now();
        match shard {
            None => {
                let duration = duration(status.start, status.end, now);
                [duration, session.age(record.state.created)]
            }
            Some(shard) => {
                let JobTimes { created, start, end } = shard.times;
                let unknown = || age::UNKNOWN.to_owned();
                [duration(start, end, now), created.map_or_else(unknown, |at| age::age(now, at))]
            }
        }
    }
}

fn duration(start: Option<Timestamp>, end: Option<Timestamp>, now: Timestamp) -> String {
    match start {
        None => String::new(),
        Some(start) => age::age(end.unwrap_or(now), start),
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
        if status.counts_completions() {
            *completions = Some(completions.unwrap_or(0) + totals.carried);
        }
    }
    let each = shards.into_iter().map(|((cluster, state), (achieved, completions))| {
        let of = completions.map_or(String::new(), |completions| format!("/{completions}"));
        let state = if state.is_empty() { String::new() } else { format!("({state})") };
        format!("{cluster}:{achieved}{of}{state}")
    });
    each.collect::<Vec<_>>().join(",")
}
