//! A federated Job as a tree: below it its clusters, below each what keeps it from going on.

use std::collections::BTreeMap;

use super::describe::unplaced;
use crate::{
    cli::states::foremost,
    print::{Branch, Share, Tree, counted},
    reconcile::{Finding, Inspection, ShardStatus, Status},
    state::{Record, Shard, Verdict},
};

/// The state of a shard that somebody deleted: what it left is nowhere.
const DELETED: &str = "Deleted";

/// The state of a queued shard that may run.
const ADMITTED: &str = "Admitted";

/// The tree of a Job. `named` says whether its namespace is part of its name.
pub fn tree(record: &Record, status: &Status, inspection: &Inspection, named: bool) -> Tree {
    let namespace = if named { format!("{}/", record.namespace()) } else { String::new() };
    let asked = record.manifest.size().completions.unwrap_or(0);
    let root = Branch {
        name: format!("{namespace}{}", record.name()),
        word: status.word().to_owned(),
        share: share(status.succeeded, status.active, status.failed, asked),
        completions: status.completions(),
        notes: notes(record, status),
    };
    let mut clusters: BTreeMap<&str, Cluster<'_>> = BTreeMap::new();
    for shard in &status.shards {
        clusters.entry(&shard.cluster).or_default().shards.push(shard);
    }
    for (name, totals) in &status.folded.clusters {
        let cluster = clusters.entry(name).or_default();
        cluster.ended = (totals.achieved, totals.failed, totals.carried);
    }
    let branches = clusters.into_iter();
    let branches = branches.map(|(name, cluster)| cluster.branch(name, record, inspection));
    Tree { root, branches: branches.collect() }
}

/// What is done of so much.
fn share(done: i32, running: i32, failed: i32, asked: i32) -> Share {
    let count = |number: i32| u64::from(number.unsigned_abs());
    let left = asked.saturating_sub(done).saturating_sub(running).max(0);
    let [done, running, failed] = [done, running, failed].map(|number| number.max(0));
    Share { done: count(done), running: count(running), failed: count(failed), left: count(left) }
}

/// What keeps a Job as a whole from going on.
fn notes(record: &Record, status: &Status) -> Vec<String> {
    let outcome = record.state.outcome.as_ref();
    let failed = outcome.filter(|outcome| outcome.verdict == Verdict::Failed);
    let mut notes: Vec<_> = failed
        .map(|outcome| format!("{}: {}", outcome.reason, outcome.message))
        .into_iter()
        .collect();
    if outcome.is_none() {
        notes.extend(unplaced(record, status).into_iter().map(|text| format!("Unplaced: {text}")));
    }
    notes
        .extend(status.unlisted.iter().map(|(cluster, why)| format!("Unlisted: {cluster}: {why}")));
    notes
}

/// The shards of a Job in one cluster.
#[derive(Default)]
struct Cluster<'s> {
    shards: Vec<&'s ShardStatus>,
    /// What was achieved by shards that are not in the ledger any more, what failed, and what they
    /// carried.
    ended: (i32, i32, i32),
}

impl Cluster<'_> {
    fn branch(&self, name: &str, record: &Record, inspection: &Inspection) -> Branch {
        let (achieved, failed, carried) = self.ended;
        let sum = |of: fn(&ShardStatus) -> i32| {
            self.shards.iter().map(|shard| of(shard)).fold(0, i32::saturating_add)
        };
        let done = achieved.saturating_add(sum(|shard| shard.achieved));
        let carries = self.shards.iter().map(|shard| carries(record, shard));
        let asked = carries.fold(carried, i32::saturating_add);
        let running = sum(|shard| shard.seen.active);
        let failed = failed.saturating_add(sum(|shard| shard.seen.failed));
        let counts = record.manifest.size().completions.is_some();
        let states = self.shards.iter().map(|shard| shard.state);
        let has_several = self.shards.len() > 1;
        let notes = self.shards.iter().flat_map(|shard| {
            let finding = inspection.shards.get(&shard.id);
            let of_job = if has_several { format!("{}: ", shard.name) } else { String::new() };
            let notes = why(shard, finding).into_iter();
            notes.map(move |note| format!("{of_job}{note}"))
        });
        Branch {
            name: name.to_owned(),
            word: match () {
                () if !self.shards.is_empty() => foremost(states),
                () if record.state.deleting.is_some() => DELETED,
                () => "Complete",
            }
            .to_owned(),
            share: share(done, running, failed, asked),
            completions: if counts { format!("{done}/{asked}") } else { done.to_string() },
            notes: notes.collect(),
        }
    }
}

/// How many completions a shard has, or had: what a lost or a deleted one did not do is left to
/// others.
fn carries(record: &Record, shard: &ShardStatus) -> i32 {
    let is_replaced = record.shards.get(&shard.id).is_some_and(Shard::is_replaced);
    match shard.share.completions {
        Some(own) if !is_replaced && shard.state != DELETED => own,
        _ => shard.achieved,
    }
}

/// What keeps a shard from going on, in the words of `job describe`.
fn why(shard: &ShardStatus, finding: Option<&Finding>) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(shard.unknown.clone());
    notes.extend(shard.refused.clone());
    notes.extend(shard.waiting.clone());
    notes.extend(shard.meddling.map(|how| how.as_str().to_owned()));
    let Some(finding) = finding else { return notes };
    let queueing = finding.queueing.as_ref().filter(|queueing| queueing.state != ADMITTED);
    notes.extend(queueing.map(ToString::to_string));
    notes.extend(finding.stalls.iter().map(|stall| {
        let pods = counted(stall.pods, "pod");
        format!("{pods}: {}: {}", stall.reason, stall.message)
    }));
    notes
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::{
        job::{Manifest, Size},
        reconcile::Observations,
        state::{Phase, Seen},
    };

    #[test]
    fn what_is_left_of_a_lost_cluster_is_no_part_of_its_bar_also_once_that_is_back() {
        let branch = |phase, given_up| {
            let job = json!({
                "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "pi"},
                "spec": {"completions": 6},
            });
            let manifest = Manifest::new(job, "work", "").expect("valid");
            let seen = Some(Seen { succeeded: 2, ..Seen::default() });
            let planned = Shard::planned("west", Size { parallelism: 2, completions: Some(6) });
            let shard = Shard { phase, given_up, seen, uid: Some("u".into()), ..planned };
            let record = Record::new("f", manifest, vec![shard], Timestamp::UNIX_EPOCH);
            let status = Status::new(&record, &Observations::default());
            let tree = tree(&record, &status, &Inspection::default(), false);
            (tree.branches[0].completions.clone(), tree.branches[0].share.left)
        };
        for phase in [Phase::Started, Phase::Failed] {
            assert_eq!(branch(phase, Some(4)), ("2/2".to_owned(), 0), "{phase:?}");
            assert_eq!(branch(phase, None), ("2/6".to_owned(), 4), "{phase:?}");
        }
    }
}
