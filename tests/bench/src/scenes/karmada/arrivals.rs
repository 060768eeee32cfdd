//! When Jobs are in all members: each tells of its new Jobs by a watch, and nobody asks meanwhile.

use std::{
    collections::BTreeSet,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use real::{Cluster, Events};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::Error;

/// How long Jobs may take to be in all members.
const WITHIN: Duration = Duration::from_mins(2);

/// The watches, one of each member.
pub(super) struct Arrivals(Vec<JoinHandle<Result<Instant, Error>>>);

impl Arrivals {
    /// Begins to wait for so many new Jobs in a namespace of each member.
    pub fn new(
        runtime: &Runtime,
        members: &[Cluster],
        namespace: &str,
        jobs: usize,
    ) -> Result<Self, Error> {
        let path = format!("/apis/batch/v1/namespaces/{namespace}/jobs");
        let watch = |member: &Cluster| {
            let list = runtime.block_on(member.get(&path))?;
            let since = list["metadata"]["resourceVersion"].as_str().unwrap_or_default();
            let events: Events = member.api().watch(&path, since, WITHIN)?;
            Ok(thread::spawn(move || arrival(events, jobs)))
        };
        members.iter().map(watch).collect::<Result<_, Error>>().map(Self)
    }

    /// The moment when the last of them was in the last member.
    pub fn last(self) -> Result<Instant, Error> {
        let moments = self.0.into_iter().map(|watch| match watch.join() {
            Ok(moment) => moment,
            Err(_) => Err("a watch broke off".into()),
        });
        let moments = moments.collect::<Result<Vec<_>, Error>>()?;
        moments.into_iter().max().ok_or_else(|| "there are no members".into())
    }
}

/// The moment when so many Jobs had been added.
fn arrival<E>(
    events: impl IntoIterator<Item = Result<Value, E>>,
    jobs: usize,
) -> Result<Instant, Error>
where
    Error: From<E>,
{
    let mut names = BTreeSet::new();
    for event in events {
        let event = event?;
        if event["type"] == "ADDED" {
            names.extend(event["object"]["metadata"]["name"].as_str().map(str::to_owned));
        }
        if names.len() == jobs {
            return Ok(Instant::now());
        }
    }
    Err(format!("only {} of {jobs} Jobs came to a member", names.len()).into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn jobs_arrive_once_each_and_only_when_they_are_added() {
        let events = || {
            ["ADDED a", "MODIFIED a", "MODIFIED b", "ADDED a", "ADDED b"].map(|event| {
                let (kind, name) = event.split_once(' ').unwrap_or_default();
                Ok::<_, Error>(json!({"type": kind, "object": {"metadata": {"name": name}}}))
            })
        };
        assert!(arrival(events(), 2).is_ok());
        let missing = arrival(events(), 3).map_err(|error| error.to_string());
        assert_eq!(missing.err().as_deref(), Some("only 2 of 3 Jobs came to a member"));
    }
}
