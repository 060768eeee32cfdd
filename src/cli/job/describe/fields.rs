//! The fields of the Job as a whole, in the order and the words of `kubectl describe job`.

use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;

use crate::{cli::Session, federation::Look, print::age};

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
    let unplaced = unplaced(look);
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
        let ends =
            status.start.and_then(|start| Timestamp::from_second(start.as_second() + seconds).ok());
        let ends = ends
            .filter(|_| status.end.is_none())
            .map_or(String::new(), |at| format!(" (until {})", time(at)));
        fields.push(("Active Deadline Seconds", vec![format!("{seconds}s{ends}")]));
    }
    fields
}

/// The work that no cluster carries, a line for each reason.
fn unplaced(look: &Look) -> Vec<String> {
    let status = &look.status;
    match (status.unplaced - status.waiting, status.waiting) {
        (0, 0) => vec![],
        (unplaced, 0) => vec![format!("{unplaced} completions that no cluster carries")],
        (0, waiting) => vec![waits(waiting)],
        (unplaced, waiting) => {
            vec![format!("{unplaced} completions that no cluster carries"), waits(waiting)]
        }
    }
}

fn waits(completions: i32) -> String {
    format!("{completions} completions that start as pods finish, at the next reconcile")
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
