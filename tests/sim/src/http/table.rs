//! Tables, as kubectl asks for them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::request::RequestInfo;
use crate::object::{self, items, moment, number, text};
use crate::resource::Resource;

/// Whether a table is what the client would like best.
pub(super) fn wanted(accept: &str) -> bool {
    accept.split(',').next().is_some_and(|first| first.contains("as=Table"))
}

/// The table of a list.
pub(super) fn of_list(
    resource: &Resource,
    list: &Value,
    now: Timestamp,
    info: &RequestInfo,
) -> Value {
    table(resource, items(list, "/items"), &list["metadata"], now, info)
}

/// The table of one object.
pub(super) fn of_object(
    resource: &Resource,
    object: &Value,
    now: Timestamp,
    info: &RequestInfo,
) -> Value {
    let version = json!({"resourceVersion": text(object, "/metadata/resourceVersion")});
    table(resource, std::slice::from_ref(object), &version, now, info)
}

fn table(
    resource: &Resource,
    objects: &[Value],
    metadata: &Value,
    now: Timestamp,
    info: &RequestInfo,
) -> Value {
    let columns = columns(resource.kind);
    let definitions: Vec<Value> = columns
        .iter()
        .map(|(name, kind, priority)| {
            let format = if *name == "Name" { "name" } else { "" };
            json!({"name": name, "type": kind, "format": format, "description": name,
                "priority": priority})
        })
        .collect();
    let whole = info.parameter("includeObject") == Some("Object");
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let cells: Vec<Value> =
                columns.iter().map(|(name, ..)| cell(object, name, now)).collect();
            let shown = if whole {
                object.clone()
            } else {
                json!({
                    "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                    "metadata": object["metadata"],
                })
            };
            json!({"cells": cells, "object": shown})
        })
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": definitions, "rows": rows,
    })
}

type Column = (&'static str, &'static str, i32);

fn columns(kind: &str) -> Vec<Column> {
    let name = ("Name", "string", 0);
    let age = ("Age", "string", 0);
    match kind {
        "Job" => vec![
            name,
            ("Status", "string", 0),
            ("Completions", "string", 0),
            ("Duration", "string", 0),
            age,
            ("Containers", "string", 1),
            ("Images", "string", 1),
            ("Selector", "string", 1),
        ],
        "Pod" => vec![
            name,
            ("Ready", "string", 0),
            ("Status", "string", 0),
            ("Restarts", "string", 0),
            age,
            ("IP", "string", 1),
            ("Node", "string", 1),
            ("Nominated Node", "string", 1),
            ("Readiness Gates", "string", 1),
        ],
        "Namespace" => vec![name, ("Status", "string", 0), age],
        "ConfigMap" => vec![name, ("Data", "string", 0), age],
        "Secret" => vec![name, ("Type", "string", 0), ("Data", "string", 0), age],
        "Event" => vec![
            ("Last Seen", "string", 0),
            ("Type", "string", 0),
            ("Reason", "string", 0),
            ("Object", "string", 0),
            ("Message", "string", 0),
            ("Name", "string", 1),
        ],
        _ => vec![name, age],
    }
}

fn cell(object: &Value, column: &str, now: Timestamp) -> Value {
    let kind_is_job = object["spec"]["template"].is_object();
    match column {
        "Name" => object::name(object).into(),
        "Age" => age(object, "/metadata/creationTimestamp", now).into(),
        "Last Seen" => age(object, "/lastTimestamp", now).into(),
        "Status" if kind_is_job => job_status(object).into(),
        "Status" if object::deleting(object) => "Terminating".into(),
        "Status" => text(object, "/status/phase").into(),
        "Completions" => completions(object).into(),
        "Duration" => duration(object, now).into(),
        "Containers" | "Images" => {
            let field = if column == "Containers" { "/name" } else { "/image" };
            let all: Vec<&str> = items(object, "/spec/template/spec/containers")
                .iter()
                .map(|c| text(c, field))
                .collect();
            all.join(",").into()
        }
        "Selector" => {
            let all: Vec<String> = object::strings(object, "/spec/selector/matchLabels")
                .map(|(k, v)| format!("{k}={v}"))
                .collect();
            all.join(",").into()
        }
        "Ready" => {
            let ready = object::has_condition(object, "Ready", "True");
            let count = items(object, "/spec/containers").len();
            format!("{}/{count}", if ready { count } else { 0 }).into()
        }
        "Restarts" => "0".into(),
        "IP" => or_none(text(object, "/status/podIP")),
        "Node" => or_none(text(object, "/spec/nodeName")),
        "Nominated Node" | "Readiness Gates" => "<none>".into(),
        "Data" => {
            let count = |field: &str| object[field].as_object().map_or(0, serde_json::Map::len);
            (count("data") + count("binaryData")).to_string().into()
        }
        "Type" => text(object, "/type").into(),
        "Reason" => text(object, "/reason").into(),
        "Message" => text(object, "/message").into(),
        "Object" => {
            let kind = text(object, "/involvedObject/kind").to_lowercase();
            format!("{kind}/{}", text(object, "/involvedObject/name")).into()
        }
        _ => Value::Null,
    }
}

fn or_none(value: &str) -> Value {
    if value.is_empty() { "<none>".into() } else { value.into() }
}

fn job_status(job: &Value) -> &'static str {
    let truth = |kind: &str| object::has_condition(job, kind, "True");
    if truth("Complete") {
        "Complete"
    } else if truth("Failed") {
        "Failed"
    } else if object::deleting(job) {
        "Terminating"
    } else if truth("Suspended") {
        "Suspended"
    } else if truth("FailureTarget") {
        "FailureTarget"
    } else if truth("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    }
}

fn completions(job: &Value) -> String {
    let succeeded = number(job, "/status/succeeded").unwrap_or_default();
    match (number(job, "/spec/completions"), number(job, "/spec/parallelism").unwrap_or(1)) {
        (Some(completions), _) => format!("{succeeded}/{completions}"),
        (None, parallelism @ 2..) => format!("{succeeded}/1 of {parallelism}"),
        (None, _) => format!("{succeeded}/1"),
    }
}

fn duration(job: &Value, now: Timestamp) -> String {
    let Some(start) = moment(job, "/status/startTime") else { return String::new() };
    let end = moment(job, "/status/completionTime").unwrap_or(now);
    print_seconds(end.as_second() - start.as_second())
}

fn age(object: &Value, pointer: &str, now: Timestamp) -> String {
    moment(object, pointer).map_or_else(
        || "<unknown>".to_owned(),
        |at| print_seconds(now.as_second() - at.as_second()),
    )
}

/// A time as kubectl prints it: two units at most, and the smaller one only while it matters.
fn print_seconds(seconds: i64) -> String {
    let two = |large: i64, unit: char, small: i64, small_unit: char| {
        if small == 0 {
            format!("{large}{unit}")
        } else {
            format!("{large}{unit}{small}{small_unit}")
        }
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, 'm', seconds % 60, 's'),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, 'h', minutes % 60, 'm'),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, 'd', hours % 24, 'h'),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => two(days / 365, 'y', days % 365, 'd'),
        _ => format!("{}y", days / 365),
    }
}
