//! A watch: a server says at once what changes in a collection.

use std::collections::VecDeque;
use std::time::Duration;

use futures::stream::{self, BoxStream};
use serde::Deserialize;
use tokio::time::{Instant, timeout};

use super::connection::Connection;
use super::lines::Lines;
use super::stream::Stream;
use super::verbs::with_query;

/// How long a server may take until it begins to watch.
const BEGIN: Duration = Duration::from_secs(30);

/// After which silence a watch is gone on with anew. A server sends a bookmark each minute.
const SILENCE: Duration = Duration::from_mins(10);

/// How long a watch lasts at least that is gone on with where its server has ended it. A server
/// that ends it sooner would be asked again and again.
const LEAST: Duration = Duration::from_secs(30);

/// One object of a collection that is watched, as an event has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `metadata.namespace`; empty for objects without one.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// Whether the object is gone, or is not selected any more.
    pub is_gone: bool,
}

/// What a watch says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// The server watches: it has said something. It says first what there is. A proxy that holds
    /// back what a server says does not get so far.
    Begun,
    /// An object that there is, or that has changed.
    Changed(Change),
    /// Nothing more is said: the server has ended it, refuses, or cannot be reached.
    Ended,
}

/// Which objects of a collection are watched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchedPath {
    /// The path of the collection, such as `/apis/batch/v1/namespaces/ns/jobs`.
    pub path: String,
    /// The label selector; empty for all.
    pub labels: String,
    /// The name of the only object; empty for all.
    pub name: String,
}

impl WatchedPath {
    /// What the server is asked for: all that there is and what changes, or what has changed since
    /// a resourceVersion.
    fn request(&self, since: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        // A proxy between must not take a long silence for the end.
        query.append_pair("watch", "true").append_pair("allowWatchBookmarks", "true");
        if !self.labels.is_empty() {
            query.append_pair("labelSelector", &self.labels);
        }
        if !self.name.is_empty() {
            query.append_pair("fieldSelector", &format!("metadata.name={}", self.name));
        }
        if !since.is_empty() {
            query.append_pair("resourceVersion", since);
        }
        with_query(&self.path, &query.finish())
    }
}

impl Connection {
    /// Watches objects until the server refuses or cannot be reached. It begins with what there is:
    /// no resourceVersion is given, so the server is at its newest state then ("Get State and Start
    /// at Most Recent"). A server ends each watch after 30 to 60 minutes. It is gone on with then
    /// at the last resourceVersion, so that nothing is missed.
    ///
    /// Nothing is sent before the stream is polled. The last item is [`Watched::Ended`]. Where few
    /// files can be open, it is the only one: each watch would keep a connection open.
    pub fn watch(&self, what: &WatchedPath) -> BoxStream<'static, Watched> {
        if !self.is_kept() {
            return Box::pin(stream::iter([Watched::Ended]));
        }
        let (lines, read, version, has_begun) = Default::default();
        let (connection, what) = (self.clone(), what.clone());
        let (stream, begun) = (None, Instant::now());
        let watch = Watch { connection, what, stream, begun, lines, read, version, has_begun };
        Box::pin(stream::unfold(Some(watch), next))
    }
}

struct Watch {
    connection: Connection,
    what: WatchedPath,
    /// None before the server has answered.
    stream: Option<Stream>,
    /// When the present stream was asked for.
    begun: Instant,
    lines: Lines,
    read: VecDeque<Event>,
    /// The last resourceVersion; empty before the first.
    version: String,
    has_begun: bool,
}

/// What a watch says next, and the watch unless it has ended.
async fn next(watch: Option<Watch>) -> Option<(Watched, Option<Watch>)> {
    let mut watch = watch?;
    Some(match watch.next().await {
        Some(watched) => (watched, Some(watch)),
        None => (Watched::Ended, None),
    })
}

impl Watch {
    /// What it says next; none where it ends.
    async fn next(&mut self) -> Option<Watched> {
        loop {
            if let Some(event) = self.read.front() {
                if !event.is_known() {
                    return None;
                }
                if !std::mem::replace(&mut self.has_begun, true) {
                    return Some(Watched::Begun);
                }
            }
            if let Some(Event { kind, object }) = self.read.pop_front() {
                let Metadata { namespace, name, resource_version } = object.metadata;
                self.version.clone_from(&resource_version);
                if kind != BOOKMARK {
                    let is_gone = kind == DELETED;
                    let change = Change { namespace, name, resource_version, is_gone };
                    return Some(Watched::Changed(change));
                }
                continue;
            }
            let Some(stream) = &mut self.stream else {
                let request = self.what.request(&self.version);
                self.begun = Instant::now();
                let begins = timeout(BEGIN, self.connection.stream(&request, true)).await;
                self.stream = Some(begins.ok()?.ok()?);
                continue;
            };
            if let Ok(Ok(Some(bytes))) = timeout(SILENCE, stream.next()).await {
                let read = &mut self.read;
                self.lines.push(&bytes, |piece| {
                    // An object may be larger than what is kept of a line.
                    let is_whole = piece.is_ended && piece.number == 0;
                    let event = is_whole.then(|| serde_json::from_slice(piece.text).ok());
                    read.push_back(event.flatten().unwrap_or_default());
                });
                continue;
            }
            // It breaks off where a connection is closed for its age, as load balancers do.
            if self.version.is_empty() || self.begun.elapsed() < LEAST {
                return None;
            }
            (self.stream, self.lines) = Default::default();
        }
    }
}

/// The kinds of events that say something. Any other is an error, such as 410.
const KNOWN: [&str; 4] = ["ADDED", "MODIFIED", DELETED, BOOKMARK];
const DELETED: &str = "DELETED";
const BOOKMARK: &str = "BOOKMARK";

/// An event of a watch (`WatchEvent` of `meta/v1`).
#[derive(Default, Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    object: Object,
}

impl Event {
    fn is_known(&self) -> bool {
        KNOWN.contains(&self.kind.as_str())
    }
}

#[derive(Default, Deserialize)]
struct Object {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    namespace: String,
    name: String,
    resource_version: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_what_is_watched() {
        let mut what = WatchedPath {
            path: "/apis/batch/v1/jobs".to_owned(),
            labels: "a=b,c".to_owned(),
            name: String::new(),
        };
        let begin = "/apis/batch/v1/jobs?watch=true&allowWatchBookmarks=true";
        assert_eq!(what.request(""), format!("{begin}&labelSelector=a%3Db%2Cc"));
        (what.labels, what.name) = (String::new(), "pi".to_owned());
        let expected = format!("{begin}&fieldSelector=metadata.name%3Dpi&resourceVersion=7");
        assert_eq!(what.request("7"), expected);
    }
}
