//! Watches: a stream of changes, one JSON object a line.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::Response;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use super::request::RequestInfo;
use super::{SimBody, answer, respond};
use crate::api::{Selection, State};
use crate::cluster::Cluster;
use crate::object;
use crate::resource::Resource;
use crate::status::Status;
use crate::store::{Change, Key};

/// How long a watch lasts that does not say; a real server picks a time between 30 and 60 minutes.
const LONGEST: Duration = Duration::from_mins(30);

struct Watch {
    cluster: Cluster,
    changed: Receiver<u64>,
    resource: &'static Resource,
    selection: Selection,
    /// Changes up to here were sent.
    version: u64,
    ready: VecDeque<Value>,
    deadline: Instant,
    bookmarks: bool,
    done: bool,
}

/// Answers a watch.
pub(super) fn watch(
    cluster: &Cluster,
    info: &RequestInfo,
    resource: &'static Resource,
) -> Response<SimBody> {
    let selection = match answer::selection(info, resource) {
        Ok(selection) => selection,
        Err(refusal) => return respond::refusal(&refusal),
    };
    let initial = info.parameter("sendInitialEvents") == Some("true");
    let from = info.parameter("resourceVersion").unwrap_or_default();
    let from = match from.parse::<u64>() {
        Ok(version) => version,
        Err(_) if from.is_empty() => 0,
        Err(_) => {
            let why = format!(
                "resourceVersion: Invalid value: {from:?}: strconv.ParseUint: parsing {from:?}: \
                 invalid syntax"
            );
            return respond::refusal(&Status::bad_request(why));
        }
    };
    let seconds = info.parameter("timeoutSeconds").and_then(|s| s.parse().ok()).filter(|s| *s > 0);
    let mut watch = Watch {
        cluster: cluster.clone(),
        changed: cluster.subscribe(),
        resource,
        selection,
        version: from,
        ready: VecDeque::new(),
        deadline: Instant::now() + seconds.map_or(LONGEST, Duration::from_secs),
        bookmarks: info.parameter("allowWatchBookmarks").is_some_and(|b| b == "true" || b == "1"),
        done: false,
    };
    if from == 0 || initial {
        let (objects, version) =
            cluster.with(|state| (state.store.list(resource, ""), state.store.version()));
        for object in objects {
            if watch.selection.selects(&Key::of(&object), &object) {
                watch.ready.push_back(event("ADDED", &object));
            }
        }
        watch.version = version;
        if initial {
            let mut mark = watch.bookmark();
            mark["object"]["metadata"]["annotations"] =
                json!({"k8s.io/initial-events-end": "true"});
            watch.ready.push_back(mark);
        }
    }
    respond::stream(SimBody::stream(stream::unfold(watch, next)))
}

async fn next(mut watch: Watch) -> Option<(Bytes, Watch)> {
    loop {
        if let Some(event) = watch.ready.pop_front() {
            let mut line = event.to_string();
            line.push('\n');
            return Some((Bytes::from(line), watch));
        }
        if watch.done || watch.cluster.is_away() {
            return None;
        }
        watch.changed.mark_unchanged();
        watch.collect();
        if !watch.ready.is_empty() {
            continue;
        }
        // A server that goes away ends what is open.
        tokio::select! {
            changed = watch.changed.changed() => watch.done = changed.is_err(),
            () = tokio::time::sleep_until(watch.deadline) => {
                watch.done = true;
                if watch.bookmarks {
                    let mark = watch.bookmark();
                    watch.ready.push_back(mark);
                }
            }
        }
    }
}

impl Watch {
    /// Takes over what has changed since the last look.
    fn collect(&mut self) {
        let cluster = self.cluster.clone();
        cluster.with(|state: &mut State| {
            let current = state.store.version();
            if let Some(changes) = state.store.since(self.version) {
                for change in changes.filter(|c| c.resource.plural == self.resource.plural) {
                    self.ready.extend(seen(&self.selection, change));
                }
                self.version = current;
                return;
            }
            let why = format!("too old resource version: {} ({current})", self.version);
            let refusal = Status::expired(&why).body();
            self.ready.push_back(json!({"type": "ERROR", "object": refusal}));
            self.done = true;
        });
    }

    fn bookmark(&self) -> Value {
        json!({"type": "BOOKMARK", "object": {
            "kind": self.resource.kind, "apiVersion": self.resource.api_version(),
            "metadata": {"resourceVersion": self.version.to_string()},
        }})
    }
}

/// A change as a client sees that watches a selection.
fn seen(selection: &Selection, change: &Change) -> Option<Value> {
    let selected = |object: &Option<std::sync::Arc<Value>>| {
        object.as_ref().filter(|object| selection.selects(&change.key, object)).cloned()
    };
    match (selected(&change.before), selected(&change.after)) {
        (None, None) => None,
        (None, Some(after)) => Some(event("ADDED", &after)),
        (Some(_), Some(after)) => Some(event("MODIFIED", &after)),
        (Some(before), None) => {
            let mut gone = (*before).clone();
            object::put(&mut gone, &["metadata", "resourceVersion"], change.version.to_string());
            Some(event("DELETED", &gone))
        }
    }
}

fn event(kind: &str, object: &Value) -> Value {
    json!({"type": kind, "object": object})
}
