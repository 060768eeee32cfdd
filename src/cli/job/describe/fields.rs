//! The fields of the Job as a whole, in the order and the words of `kubectl describe job`.

use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;

use crate::{
    cli::{Session, warnings},
    federation::Look,
    print::{age, counted},
    reconcile::Status,
    state::Record,
};

/// What is said of a deadline where clusters decide when shards run.
const QUEUED_TIME: &str =
    "it runs from the first start on, and the time that shards wait in queues counts";

/// Prints a label and its value on each line, the values below each other.
pub(super) fn print(session: &Session<'_>, look: &Look) {
    let fields = fields(look, session.now());
    let width = fields.iter().map(|(label, _)| label.len()).max().unwrap_or(0) + 3;
    for (label, values) in fields {
        let mut label = format!("{label}:");
        for value in values {
            session.output().line(format!("{label:<width$}{value}").trim_end());
            label.clear();
        }
    }
}

type Field = (&'static str, Vec<String>);

fn fields(look: &Look, now: Timestamp) -> Vec<Field> {
    let Look { record, status, .. } = look;
    let (manifest, object) = (&record.manifest, record.manifest.object());
    let size = manifest.size();
    let number = |value: i32| vec![value.to_string()];
    let mut fields: Vec<Field> = vec![
        ("Name", vec![record.name().to_owned()]),
        ("Namespace", vec![record.namespace().to_owned()]),
        ("UID", vec![record.state.uid.clone()]),
        ("Labels", map(&object["metadata"]["labels"], '=')),
        ("Annotations", map(&object["metadata"]["annotations"], ':')),
        ("Status", vec![status.word().to_owned()]),
        ("Parallelism", number(size.parallelism)),
        ("Completions", vec![size.completions.map_or("<unset>".to_owned(), |n| n.to_string())]),
        (
            "Completion Mode",
            vec![if manifest.indexed() { "Indexed" } else { "NonIndexed" }.to_owned()],
        ),
        ("Suspend", vec![manifest.suspended().to_string()]),
    ];
    if let Some(pods) = manifest.gang() {
        fields.push(("Gang", vec![format!("{} scheduled together", counted(pods, "pod"))]));
    }
    fields.extend(limits(look));
    if let Some(start) = status.start {
        fields.push(("Start Time", vec![time(start)]));
        if let Some(end) = status.end {
            let label = if status.completion.is_some() { "Completed At" } else { "Failed At" };
            fields.push((label, vec![time(end)]));
        }
        fields.push(("Duration", vec![age::age(status.end.unwrap_or(now), start)]));
    }
    fields.push(("Pods Statuses", vec![pods(look)]));
    for (label, indexes) in [
        ("Completed Indexes", &status.completed_indexes),
        ("Failed Indexes", &status.failed_indexes),
    ] {
        if let Some(indexes) = indexes {
            let text = if indexes.is_empty() { "<none>".to_owned() } else { indexes.to_string() };
            fields.push((label, vec![text]));
        }
    }
    let twice = &status.ran_twice;
    if twice.count > 0 {
        let text = if twice.indexes.is_empty() {
            counted(twice.count, "completion")
        } else {
            format!("the indexes {}", twice.indexes)
        };
        fields.push(("Ran Twice", vec![text]));
    }
    let unplaced = unplaced(&look.record, status);
    if !unplaced.is_empty() {
        fields.push(("Unplaced", unplaced));
    }
    fields
}

/// The limits that the Job has, with what is used of each.
fn limits(look: &Look) -> Vec<Field> {
    let Look { record, status, .. } = look;
    let (manifest, spec) = (&record.manifest, &record.manifest.object()["spec"]);
    let mut fields: Vec<Field> = Vec::new();
    if let Some(limit) = manifest.backoff_limit() {
        fields.push(("Backoff Limit", vec![budget(limit, status.failed)]));
    }
    if let Some(limit) = spec["backoffLimitPerIndex"].as_i64() {
        fields.push(("Backoff Limit Per Index", vec![limit.to_string()]));
    }
    if let Some(limit) = manifest.max_failed_indexes() {
        let failed = status.failed_indexes.as_ref().map_or(0, crate::job::Indexes::len);
        fields.push(("Max Failed Indexes", vec![budget(limit, failed)]));
    }
    if let Some(seconds) = manifest.active_deadline_seconds() {
        let ends = status.start.map(|start| start.as_second().saturating_add(seconds));
        let ends = ends.and_then(|at| Timestamp::from_second(at).ok());
        let ends = ends
            .filter(|_| status.end.is_none())
            .map_or(String::new(), |at| format!(" (until {})", time(at)));
        let mut lines = vec![format!("{seconds}s{ends}")];
        if record.shards.values().any(|shard| shard.queued && !shard.is_over()) {
            lines.push(QUEUED_TIME.to_owned());
        }
        fields.push(("Active Deadline Seconds", lines));
    }
    fields
}

/// The unplaced completions, a line for each reason.
pub(in crate::cli::job) fn unplaced(record: &Record, status: &Status) -> Vec<String> {
    let untaken = warnings::untaken(&status.idle_members);
    let held = match record.held_back() {
        Some(held) => warnings::held(held),
        None => untaken.as_str(),
    };
    let waits = if record.manifest.suspended() {
        "the job is suspended"
    } else {
        "running pods come first"
    };
    let reasons = [(status.held_back(), held), (status.waiting, waits)].into_iter();
    let lines = reasons.filter(|(count, _)| *count > 0);
    lines.map(|(count, why)| format!("{}: {why}", counted(count, "completion"))).collect()
}

fn pods(look: &Look) -> String {
    let status = &look.status;
    let ending = match status.terminating {
        0 => String::new(),
        count => format!(" / {count} Terminating"),
    };
    format!(
        "{} Active ({} Ready){ending} / {} Succeeded / {} Failed",
        status.active, status.ready, status.succeeded, status.failed
    )
}

/// A limit of the whole Job, and how much of it is spent.
fn budget(limit: i32, spent: i32) -> String {
    format!("{limit} ({spent} spent, {} left)", limit.saturating_sub(spent).max(0))
}

/// As kubectl prints times, in UTC.
fn time(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S %z").to_string()
}

/// As kubectl prints labels (`a=b`) and annotations (`a: b`), one on each line.
fn map(map: &Value, between: char) -> Vec<String> {
    let space = if between == ':' { " " } else { "" };
    let text = |value: &Value| {
        value.as_str().map_or_else(|| value.to_string(), |text| text.trim_end().to_owned())
    };
    let entries = map.as_object().into_iter().flatten();
    let lines: Vec<_> =
        entries.map(|(key, value)| format!("{key}{between}{space}{}", text(value))).collect();
    if lines.is_empty() { vec!["<none>".to_owned()] } else { lines }
}
