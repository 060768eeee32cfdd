//! The section "Next" of `job describe`: the commands that do what is left to do.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::{
    federation::Look,
    print::{Table, federate_line},
    reconcile::decide,
    state::Phase,
};

/// Commands, each with what it does. Empty if nothing can be done but to wait.
pub(super) fn table(look: &Look, now: Timestamp) -> Table {
    let record = &look.record;
    let mut table = Table::new(["Command", "What It Does"]).no_headers(true);
    for (verb, flag, what) in steps(look, now) {
        let job = [record.name(), "-n", record.namespace()].into_iter();
        table.row([federate_line(verb, job.chain(flag)), what]);
    }
    table
}

type Step = (&'static str, Option<&'static str>, String);

fn steps(look: &Look, now: Timestamp) -> Vec<Step> {
    let Look { stored, record, observations, status } = look;
    let reconcile = |what: &str| ("reconcile", None, what.to_owned());
    if record.state.deleting.is_some() {
        return vec![reconcile("finishes the deletion")];
    }
    let mut steps = Vec::new();
    if !decide(record, observations, now).actions.is_empty() {
        steps.push(reconcile("does what is left to do"));
    } else if let Some(what) = unmade(look) {
        steps.push(reconcile(&what));
    } else if stored.state.outcome.is_none() && record.state.outcome.is_some() {
        steps.push(reconcile("records the outcome for good"));
    }
    let held = status.unplaced - status.waiting;
    if record.state.outcome.is_none() && held > 0 && record.holds_back() {
        let what = format!("runs the {held} unplaced completions in other shards");
        steps.push(("reconcile", Some("--reopen"), what));
    }
    if record.state.outcome.is_none() && status.waiting > 0 {
        let what = format!("starts the {} waiting completions as pods finish", status.waiting);
        steps.push(("reconcile", Some("--watch"), what));
    }
    if stored.state.outcome.is_some() && status.end.is_some() {
        steps.push((
            "job delete",
            Some("--cascade=background"),
            "deletes it and its shards".to_owned(),
        ));
    }
    steps
}

/// What a reconcile will do for members that do not answer and have no shard yet, if there are any.
fn unmade(Look { record, status, .. }: &Look) -> Option<String> {
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
