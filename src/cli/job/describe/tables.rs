//! The tables of a description: conditions, the ledger, and what is not as it should be.

use super::section;
use crate::{
    cli::Session,
    federation::{Described, Look},
    print::Table,
    reconcile::Finding,
};

/// Prints each table that has something to say; the one of the shards always.
pub(super) fn print(session: &Session<'_>, described: &Described) {
    section::print(session, "Conditions", conditions(&described.look));
    if described.look.status.shards.is_empty() {
        session.output().line("Shards:  <none>");
    }
    section::print(session, "Shards", shards(&described.look));
    section::print(session, "Unreachable", unreachable(session, &described.look));
    section::print(
        session,
        "Drift",
        findings(described, "Difference", |finding| finding.drift.clone()),
    );
    section::print(
        session,
        "Dropped Fields",
        findings(described, "Field", |finding| finding.dropped.clone()),
    );
    section::print(session, "Stalls", stalls(session, described));
}

fn conditions(look: &Look) -> Table {
    let mut table = Table::new(["Type", "Status", "Reason", "Message"]);
    for condition in look.status.conditions() {
        let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
        table.row(["type", "status", "reason", "message"].map(text));
    }
    table
}

/// What each shard was given, what was taken off it, and what it did. Columns that would be empty
/// are left out.
fn shards(look: &Look) -> Table {
    let Look { record, status, .. } = look;
    let credits = record.shards.values().any(|shard| shard.credit_target > 0 || shard.credited > 0);
    let mut headers = vec!["Cluster", "Job", "State", "Parallelism", "Completions"];
    headers.extend(["Credited", "To Credit"].into_iter().filter(|_| credits));
    headers.extend(["Active", "Succeeded", "Failed"]);
    headers.extend(record.manifest.indexed().then_some("Indexes"));
    let mut table = Table::new(headers);
    for (seen, shard) in status.shards.iter().zip(record.shards.values()) {
        let mut row = vec![
            seen.cluster.clone(),
            seen.name.clone(),
            seen.state.to_owned(),
            seen.share.parallelism.to_string(),
            seen.share.completions.map_or(String::new(), |completions| completions.to_string()),
        ];
        if credits {
            // What has ended is credited no more.
            let left = if shard.phase.ended() { 0 } else { shard.credit_target - shard.credited };
            row.extend([shard.credited, left.max(0)].map(|count| count.to_string()));
        }
        row.extend(
            [seen.seen.active, seen.achieved, seen.seen.failed].map(|count| count.to_string()),
        );
        row.extend(seen.indexes.as_ref().map(ToString::to_string));
        table.row(row);
    }
    table
}

fn unreachable(session: &Session<'_>, look: &Look) -> Table {
    let mut table = Table::new(["Cluster", "Job", "Known As Of", "Reason"]);
    for shard in &look.status.shards {
        let Some(why) = &shard.unknown else { continue };
        let age = match shard.seen.at {
            0 => String::new(),
            at => format!("{} ago", session.age(at)),
        };
        table.row([shard.cluster.clone(), shard.name.clone(), age, why.clone()]);
    }
    table
}

/// A row for each text that the findings have.
fn findings(described: &Described, what: &str, of: fn(&Finding) -> Vec<String>) -> Table {
    let mut table = Table::new(["Cluster", "Job", what]);
    for (id, finding) in &described.inspection.shards {
        for text in of(finding) {
            let [cluster, job] = place(described, *id);
            table.row([cluster, job, text]);
        }
    }
    table
}

fn stalls(session: &Session<'_>, described: &Described) -> Table {
    let mut table = Table::new(["Cluster", "Job", "Pods", "Reason", "Message"]);
    for (id, finding) in &described.inspection.shards {
        for stall in &finding.stalls {
            let [cluster, job] = place(described, *id);
            let ago = stall
                .at
                .map(|at| format!(" ({} ago)", session.age(at.as_second())))
                .unwrap_or_default();
            let message = format!("{}{ago}", stall.message);
            table.row([cluster, job, stall.pods.to_string(), stall.reason.clone(), message]);
        }
    }
    table
}

fn place(described: &Described, id: u32) -> [String; 2] {
    let record = &described.look.record;
    let cluster = record.shards.get(&id).map(|shard| shard.cluster.clone());
    [cluster.unwrap_or_default(), record.job_name(id).to_owned()]
}
