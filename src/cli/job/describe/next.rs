//! The section "Next" of `job describe`: the commands that do what is left to do.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Described;
use crate::{print::Table, reconcile::decide, state::Phase};

/// Commands, each with what it does. Empty if nothing can be done but to wait.
pub(super) fn table(described: &Described, now: Timestamp) -> Table {
    let record = &described.record;
    let job = format!("{} -n {}", record.name(), record.namespace());
    let mut table = Table::new(["Command", "What It Does"]).no_headers(true);
    for (verb, flag, what) in steps(described, now) {
        table.row([format!("kubectl federate {verb} {job}{flag}"), what]);
    }
    table
}

type Step = (&'static str, &'static str, String);

fn steps(described: &Described, now: Timestamp) -> Vec<Step> {
    let Described { stored, record, observations, status, .. } = described;
    let reconcile = |what: &str| ("reconcile", "", what.to_owned());
    if record.state.deleting.is_some() {
        return vec![reconcile("finishes the deletion")];
    }
    let mut steps = Vec::new();
    if !decide(record, observations, now).actions.is_empty() {
        steps.push(reconcile("does what is left to do"));
    } else if let Some(what) = unmade(described) {
        steps.push(reconcile(&what));
    } else if stored.state.outcome.is_none() && record.state.outcome.is_some() {
        steps.push(reconcile("records the outcome for good"));
    }
    let held = status.unplaced - status.waiting;
    if record.state.outcome.is_none() && held > 0 && record.holds_back() {
        let what = format!("runs the {held} unplaced completions in other shards");
        steps.push(("reconcile", " --reopen", what));
    }
    if record.state.outcome.is_none() && status.waiting > 0 {
        let what = format!("starts the {} waiting completions as pods finish", status.waiting);
        steps.push(("reconcile", " --watch", what));
    }
    if stored.state.outcome.is_some() && status.end.is_some() {
        steps.push(("job delete", " --cascade=background", "deletes it and its shards".to_owned()));
    }
    steps
}

/// What a reconcile will do for members that do not answer and have no shard yet, if there are any.
fn unmade(Described { record, status, .. }: &Described) -> Option<String> {
    let queue_succeeded = record.manifest.size().completions.is_none() && status.succeeded > 0;
    if record.state.outcome.is_some() || queue_succeeded {
        return None;
    }
    let shards = record.shards.values().zip(&status.shards);
    let waits = shards.filter(|(shard, seen)| {
        shard.phase == Phase::Planned && !shard.retired && seen.unknown.is_some()
    });
    let clusters: BTreeSet<_> = waits.map(|(shard, _)| shard.cluster.as_str()).collect();
    if clusters.is_empty() {
        return None;
    }
    let names: Vec<_> = clusters.into_iter().collect();
    let (what, answer) =
        if names.len() == 1 { ("cluster", "it answers") } else { ("clusters", "they answer") };
    Some(format!("creates the shard of {what} {} once {answer}", names.join(", ")))
}
