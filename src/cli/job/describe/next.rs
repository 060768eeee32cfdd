//! The section "Next" of `job describe`: the commands that do what is left to do.

use std::collections::BTreeSet;

use crate::{
    error::kubectl,
    federation::{Described, Look},
    print::{Table, counted, federate_line},
    reconcile::{Meddling, ShardStatus},
    state::{HeldBack, Phase, Record, Verdict},
};

/// Commands, each with what it does. Empty if nothing can be done but to wait.
pub(super) fn table(described: &Described) -> Table {
    let record = &described.look.record;
    let mut table = Table::new(["Command", "Effect"]).no_headers(true);
    for (verb, flag, what) in steps(described) {
        let job = [record.name(), "-n", record.namespace()].into_iter();
        table.row([federate_line(verb, job.chain(flag)), what]);
    }
    let status = &described.look.status;
    if status.all_members_closed() {
        let what = format!("lets a cluster take {}", unplaced(status.held_back()));
        table.row([federate_line("cluster uncordon", ["NAME"]), what]);
    }
    for (line, what) in in_clusters(described) {
        table.row([line, what]);
    }
    let is_open = record.state.outcome.is_none() && record.state.deleting.is_none();
    for cluster in status.silent_clusters().into_iter().filter(|_| is_open) {
        let what = "has others do its work, only if it is gone for good: some may run twice";
        table.row([federate_line("cluster lost", [&cluster]), what.to_owned()]);
    }
    table
}

type Step = (&'static str, Option<&'static str>, String);

fn steps(described: &Described) -> Vec<Step> {
    let look = &described.look;
    let Look { stored, record, status, .. } = look;
    let reconcile = |what: &str| ("reconcile", None, what.to_owned());
    if record.state.deleting.is_some() {
        let abandon = "leaves behind what is in clusters that do not answer".to_owned();
        let abandon = ("job delete", Some("--cascade=orphan"), abandon);
        let is_silent = status.shards.iter().any(|shard| shard.silent);
        let finish = reconcile("finishes the deletion");
        return [finish].into_iter().chain(is_silent.then_some(abandon)).collect();
    }
    let mut steps = Vec::new();
    if described.reconcile_acts {
        let refused = status.shards.iter().any(|shard| shard.refused.is_some());
        let what = if refused { "tries again what was refused" } else { "does what is left to do" };
        steps.push(reconcile(what));
    } else if let Some(what) = unmade(look) {
        steps.push(reconcile(&what));
    } else if stored.state.outcome.is_none() && record.state.outcome.is_some() {
        steps.push(reconcile("records the outcome for good"));
    }
    if record.state.outcome.is_none() {
        steps.extend(go_on(look));
    }
    if stored.state.outcome.is_some() && status.end.is_some() {
        if is_retriable(record) {
            steps.push(("job retry", None, "runs what did not succeed as a new job".to_owned()));
        }
        steps.push((
            "job delete",
            Some("--cascade=background"),
            "deletes it and its shards".to_owned(),
        ));
    }
    steps
}

/// Whether a Job failed, and `job retry` has something to do.
fn is_retriable(record: &Record) -> bool {
    let failed =
        record.state.outcome.as_ref().is_some_and(|outcome| outcome.verdict == Verdict::Failed);
    failed && record.manifest.size().completions.is_none_or(|asked| record.achieved() < asked)
}

/// What undoes, in a cluster, what somebody did to a shard's Job there.
fn in_clusters(described: &Described) -> Vec<(String, String)> {
    let Described { look, places, .. } = described;
    let Look { record, status, .. } = look;
    let line = |shard: &ShardStatus| {
        let place = places.get(&shard.id)?;
        if let Some(workload) = deactivated(described, shard).filter(|_| is_to_run(look, shard)) {
            let line = kubectl::activate(place, workload)?;
            let what = format!("lets its queue admit the job in cluster {}", shard.cluster);
            return Some((line, what));
        }
        // A reconcile may be about to change its template: it must not start before.
        let is_left_to_users = !described.reconcile_acts;
        let (line, what) = match shard.meddling? {
            Meddling::LabelsRemoved => {
                (kubectl::label_again(place, &record.ownership(shard.id)), "puts the labels back")
            }
            Meddling::Suspended if is_left_to_users => {
                (kubectl::unsuspend(place), "resumes the job")
            }
            Meddling::Paused if is_left_to_users => {
                let line = kubectl::set_parallelism(place, shard.share.parallelism);
                (line, "lets the job run its pods")
            }
            Meddling::Suspended | Meddling::Paused | Meddling::MadeAgain => return None,
        };
        Some((line?, format!("{what} in cluster {}", shard.cluster)))
    };
    status.shards.iter().filter_map(line).collect()
}

/// The `Workload` of a shard that its queue does not admit before somebody says so.
fn deactivated<'d>(described: &'d Described, shard: &ShardStatus) -> Option<&'d str> {
    let finding = described.inspection.shards.get(&shard.id)?;
    finding.queueing.as_ref()?.deactivated.as_deref()
}

/// Whether a shard is to run: nothing stops it, nor the whole Job.
fn is_to_run(Look { record, .. }: &Look, shard: &ShardStatus) -> bool {
    let entry = &record.shards[&shard.id];
    let is_stopped = record.state.outcome.is_some() || record.manifest.suspended();
    !is_stopped && !entry.is_lost() && !entry.retired
}

/// What places unplaced completions, and what lets a Job go on that a user has stopped.
fn go_on(Look { record, status, .. }: &Look) -> Vec<Step> {
    let mut steps = Vec::new();
    let held = status.held_back();
    if let Some(held_back) = record.held_back().filter(|_| held > 0) {
        let what = match held_back {
            HeldBack::Undone => format!("places {} in other shards", unplaced(held)),
            HeldBack::MayBeDone => format!("asks, and runs {} again", unplaced(held)),
        };
        steps.push(("reconcile", Some("--reopen"), what));
    }
    if record.manifest.suspended() {
        steps.push(("job resume", None, "lets it go on".to_owned()));
    } else if record.manifest.size().parallelism == 0 {
        let what = "lets it go on, with one pod at a time";
        steps.push(("job scale", Some("--parallelism=1"), what.to_owned()));
    } else if status.waiting > 0 {
        let what = format!("places {} as pods end", unplaced(status.waiting));
        steps.push(("reconcile", Some("--watch"), what));
    }
    steps
}

/// `1 unplaced completion`.
fn unplaced(count: i32) -> String {
    counted(count, "unplaced completion")
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
