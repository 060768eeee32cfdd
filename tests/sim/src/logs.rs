//! What containers wrote, and how a kubelet gives it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use futures::stream;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch::Receiver;

use crate::cluster::Cluster;
use crate::http::SimBody;

/// A line that a container wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// Without its line feed.
    pub text: String,
}

/// What a container wrote.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    lines: Vec<LogLine>,
    /// What its previous instance wrote.
    previous: Option<Vec<LogLine>>,
}

/// The logs of a cluster.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    /// By namespace, pod and container.
    all: BTreeMap<[String; 3], Log>,
    /// How often all streams were ended.
    cuts: u64,
}

/// What is asked of a log (`PodLogOptions`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogRequest {
    /// Whether lines that are written later are asked for, too.
    pub follow: bool,
    /// Whether the previous instance of the container is meant.
    pub previous: bool,
    timestamps: bool,
    since: Option<Timestamp>,
    tail: Option<usize>,
    limit: Option<usize>,
}

impl LogRequest {
    /// Reads it from the parameters of a query.
    pub fn read(parameter: impl Fn(&str) -> Option<String>, now: Timestamp) -> Self {
        let is = |name: &str| parameter(name).is_some_and(|value| value == "true");
        let number = |name: &str| parameter(name).and_then(|value| value.parse::<usize>().ok());
        let ago = number("sinceSeconds")
            .and_then(|seconds| now.checked_sub(SignedDuration::from_secs(seconds as i64)).ok());
        let time = parameter("sinceTime").and_then(|time| time.parse::<Timestamp>().ok());
        // An API server passes it on without fractions of a second.
        let time = time.and_then(|time| Timestamp::from_second(time.as_second()).ok());
        Self {
            follow: is("follow"),
            previous: is("previous"),
            timestamps: is("timestamps"),
            since: time.or(ago),
            tail: number("tailLines"),
            limit: number("limitBytes"),
        }
    }

    fn text(&self, lines: &[LogLine]) -> Vec<u8> {
        let mut text = String::new();
        for line in lines {
            if self.since.is_some_and(|since| line.at < since) {
                continue;
            }
            if self.timestamps {
                let _ = write!(text, "{:.9} ", line.at);
            }
            text += &line.text;
            text.push('\n');
        }
        let mut text = text.into_bytes();
        text.truncate(self.limit.unwrap_or(usize::MAX));
        text
    }

    /// The log, of which `written` gives the lines from a place on, and whether there will be no
    /// more. `changed` tells of each change. An answer that follows begins with the first line.
    pub fn body<W>(self, written: W, changed: Receiver<u64>) -> SimBody
    where
        W: Fn(usize) -> (Vec<LogLine>, bool) + Send + 'static,
    {
        let (lines, is_over) = written(0);
        let place = lines.len() - self.tail.unwrap_or(lines.len()).min(lines.len());
        if !self.follow || is_over {
            return SimBody::whole(self.text(&lines[place..]));
        }
        let following = (self, written, changed, place);
        SimBody::late(stream::unfold(following, async |(request, written, mut changed, place)| {
            loop {
                changed.mark_unchanged();
                let (lines, is_over) = written(place);
                let text = request.text(&lines);
                if !text.is_empty() {
                    let place = place + lines.len();
                    return Some((Bytes::from(text), (request, written, changed, place)));
                }
                if is_over || changed.changed().await.is_err() {
                    return None;
                }
            }
        }))
    }
}

impl Cluster {
    /// Has a container of a pod write a line.
    pub fn write_log(&self, namespace: &str, pod: &str, container: &str, text: &str) {
        let key = [namespace, pod, container].map(str::to_owned);
        self.with(|state| {
            let line = LogLine { at: state.now(), text: text.to_owned() };
            state.logs.all.entry(key).or_default().lines.push(line);
        });
        self.announce();
    }

    /// Has a container of a pod begin again: what it wrote is that of its previous instance.
    pub fn restart_log(&self, namespace: &str, pod: &str, container: &str) {
        let key = [namespace, pod, container].map(str::to_owned);
        self.with(|state| {
            let log = state.logs.all.entry(key).or_default();
            log.previous = Some(std::mem::take(&mut log.lines));
        });
    }

    /// Ends all streams of logs, as a server does that loses its nodes.
    pub fn cut_logs(&self) {
        self.with(|state| state.logs.cuts += 1);
        self.announce();
    }

    pub(crate) fn log_cuts(&self) -> u64 {
        self.with(|state| state.logs.cuts)
    }

    /// What a container wrote, from a place on; none where there is no such instance.
    pub(crate) fn log_of(
        &self,
        key: &[String; 3],
        previous: bool,
        place: usize,
    ) -> Option<Vec<LogLine>> {
        let from = |lines: &[LogLine]| lines.get(place..).unwrap_or_default().to_vec();
        self.with(|state| match state.logs.all.get(key) {
            None => (!previous).then(Vec::new),
            Some(log) if previous => log.previous.as_deref().map(from),
            Some(log) => Some(from(&log.lines)),
        })
    }
}
