//! The tables of a description: conditions, the ledger, and what is not as it should be.

use jiff::Timestamp;

use super::section;
use crate::{
    cli::Session,
    cluster::Denial,
    federation::{Described, Look},
    print::{Table, federate},
    reconcile::{Finding, Meddling, Queueing},
    state::Acceptance,
};

/// Prints each table that has something to say; the one of the shards always.
pub(super) fn print(session: &Session<'_>, described: &Described) {
    section::print(session, "Conditions", conditions(&described.look));
    if described.look.status.shards.is_empty() {
        session.output().line("Shards:  <none>");
    }
    section::print(session, "Shards", shards(&described.look));
    for (title, what, may_repeat) in
        [("Accepted", "What May Run Twice", true), ("Asked For", "Work", false)]
    {
        section::print(session, title, accepted(session, &described.look, what, may_repeat));
    }
    section::print(session, "Shards Whose Jobs Are Gone", folded(&described.look));
    section::print(session, "Given Up Before They Were Listed", missed(&described.look));
    for (title, denial) in [
        ("Unreachable", None),
        ("Forbidden", Some(Denial::Forbidden)),
        ("Unauthorized", Some(Denial::Unauthorized)),
    ] {
        section::print(session, title, unknown(session, &described.look, denial));
    }
    let mut drift = findings(described, "Difference", |finding| finding.drift.clone());
    let again = Meddling::MadeAgain;
    let shards = described.look.status.shards.iter();
    for shard in shards.filter(|shard| shard.meddling == Some(again)) {
        drift.row([shard.cluster.clone(), shard.name.clone(), again.as_str().to_owned()]);
    }
    section::print(session, "Drift", drift);
    section::print(
        session,
        "Dropped Fields",
        findings(described, "Field", |finding| finding.dropped.clone()),
    );
    section::print(session, "Queues", queues(described));
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
pub(in crate::cli::job) fn shards(look: &Look) -> Table {
    let Look { record, status, .. } = look;
    let credits = record.shards.values().any(|shard| shard.credit_target > 0 || shard.credited > 0);
    let mut headers = vec!["Cluster", "Job", "State", "Parallelism", "Completions"];
    headers.extend(["Credited", "To Credit"].into_iter().filter(|_| credits));
    headers.extend(["Active", "Succeeded", "Failed"]);
    let leases = status.shards.iter().any(|shard| shard.lease_until.is_some());
    headers.extend(leases.then_some("Lease Until"));
    headers.extend(record.manifest.indexed().then_some("Indexes"));
    let mut table = Table::new(headers);
    for seen in &status.shards {
        let shard = &record.shards[&seen.id];
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
        if leases {
            let until = seen.lease_until.and_then(|until| Timestamp::from_second(until).ok());
            row.push(until.map_or(String::new(), |until| until.to_string()));
        }
        row.extend(seen.indexes.as_ref().map(ToString::to_string));
        table.row(row);
    }
    table
}

/// What users accepted although it may run work twice; or what they asked for without that risk.
fn accepted(session: &Session<'_>, look: &Look, title: &str, may_repeat: bool) -> Table {
    let mut table = Table::new(["Command", "Age", "User", title]);
    let accepted = look.record.state.accepted.iter();
    for Acceptance { what, detail, who, when } in
        accepted.filter(|acceptance| acceptance.what.may_repeat() == may_repeat)
    {
        table.row([what.command().to_owned(), session.age(*when), who.clone(), detail.clone()]);
    }
    table
}

/// What shards did that are not in the ledger any more, in each member.
fn folded(look: &Look) -> Table {
    let mut table = Table::new(["Cluster", "Shards", "Succeeded", "Failed"]);
    for (cluster, totals) in &look.status.folded.clusters {
        let counts = [totals.shards, totals.achieved, totals.failed].map(|n| n.to_string());
        table.row([cluster.clone()].into_iter().chain(counts));
    }
    table
}

/// The clusters that may have shards which the ledger lacks, and how these are stopped.
fn missed(look: &Look) -> Table {
    let mut table = Table::new(["Cluster", "UID", "Message"]);
    let places = &look.observations.places;
    for (uid, name) in &look.status.missed {
        let is_member = places.values().any(|place| place.uid == *uid);
        let register = match places.get(name) {
            Some(_) => federate("cluster register", ["NAME", "--cluster-context=CONTEXT"]),
            None => federate("cluster register", [name]),
        };
        let once = if is_member {
            "it answers".to_owned()
        } else {
            format!("it is registered again with {register}")
        };
        let may = "it may have shards that are not listed here, and these may run work twice";
        let message = format!("{may}. Reconcile counts and stops them once {once}");
        table.row([name.clone(), uid.clone(), message]);
    }
    table
}

/// The shards of which nothing is known because their clusters do not answer, or keep the user out
/// so.
fn unknown(session: &Session<'_>, look: &Look, denial: Option<Denial>) -> Table {
    let mut table = Table::new(["Cluster", "Job", "Known As Of", "Message"]);
    for shard in look.status.shards.iter().filter(|shard| shard.denial == denial) {
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

/// The shards whose clusters decide when they run, and what the clusters say about it.
fn queues(described: &Described) -> Table {
    let mut table = Table::new(["Cluster", "Job", "Queue", "State", "Message"]);
    for (id, finding) in &described.inspection.shards {
        let Some(queueing) = &finding.queueing else { continue };
        let Queueing { queue, state, message, .. } = queueing;
        let [cluster, job] = place(described, *id);
        table.row([cluster, job, queue.clone(), state.clone(), message.clone()]);
    }
    table
}

fn stalls(session: &Session<'_>, described: &Described) -> Table {
    let mut table = Table::new(["Cluster", "Job", "Pods", "Reason", "Message"]);
    for (id, finding) in &described.inspection.shards {
        for stall in &finding.stalls {
            let [cluster, job] = place(described, *id);
            let clocks = &described.look.observations.clocks;
            let host_time = |at: Timestamp| clocks.host_time(&cluster, at.as_second());
            let ago = stall
                .at
                .map(|at| format!(" ({} ago)", session.age(host_time(at))))
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
