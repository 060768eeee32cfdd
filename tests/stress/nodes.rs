//! The nodes of one Job, played as fast as requests can be sent, and what they saw.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use kubectl_federate::job::Indexes;
use libtest_mimic::Failed;
use real::Pod;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::place::Place;
use crate::random::Random;

/// When pods end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Each as soon as it runs.
    AtOnce,
    /// Many together, once no pod is left that does not run.
    Bursts,
}

/// What the nodes of a Job saw. A pod runs only if it was not being deleted when it was started, and has
/// succeeded only if it was not being deleted when it ended: this is what really happened, whatever a status says.
#[derive(Debug, Default)]
pub struct Seen {
    ran: BTreeMap<String, Option<i32>>,
    succeeded: BTreeSet<String>,
}

impl Seen {
    /// How many pods succeeded.
    pub fn successes(&self) -> i32 {
        self.succeeded.len() as i32
    }

    /// The indexes that succeeded, and how often one of them did so again.
    pub fn succeeded_indexes(&self) -> (Indexes, i32) {
        let indexes: Indexes = self.succeeded.iter().filter_map(|name| self.ran[name]).collect();
        let again = self.successes() - indexes.len();
        (indexes, again)
    }

    /// The indexes of pods that ran, to whatever end.
    pub fn indexes_that_ran(&self) -> Indexes {
        self.ran.values().copied().flatten().collect()
    }

    /// Pods that ran and did not get to their end.
    pub fn killed(&self) -> Vec<&str> {
        self.ran.keys().filter(|name| !self.succeeded.contains(*name)).map(String::as_str).collect()
    }
}

/// Plays the nodes of a Job until `over`; what the pods that run then come to is no longer waited for. `ended` counts the
/// successes as they come.
pub async fn play(
    place: &Place,
    job: &str,
    pace: Pace,
    random: &mut Random,
    ended: &watch::Sender<i32>,
    over: &watch::Receiver<bool>,
) -> Result<Seen, Failed> {
    let mut seen = Seen::default();
    while !*over.borrow() {
        let mut pods = place.pods(job).await?;
        pods.retain(|pod| pod.is_live() && !pod.terminating);
        let (pending, running): (Vec<Pod>, Vec<Pod>) =
            pods.into_iter().partition(|pod| !seen.ran.contains_key(&pod.name));
        let started = join_all(pending.iter().map(|pod| start(place, pod))).await;
        for (pod, started) in pending.iter().zip(started) {
            if started? {
                seen.ran.insert(pod.name.clone(), pod.index.and_then(|index| i32::try_from(index).ok()));
            }
        }
        let mut ending: Vec<&str> = match pace {
            Pace::AtOnce => {
                seen.ran.keys().map(String::as_str).filter(|name| !seen.succeeded.contains(*name)).collect()
            }
            Pace::Bursts if pending.is_empty() => running.iter().map(|pod| pod.name.as_str()).collect(),
            Pace::Bursts => Vec::new(),
        };
        if pace == Pace::Bursts && !ending.is_empty() {
            let count = 1 + random.below(ending.len() as u64) as usize;
            ending.truncate(count);
        }
        let outcomes = join_all(ending.iter().map(|name| end(place, name))).await;
        let mut successes = Vec::new();
        for (name, succeeded) in ending.into_iter().zip(outcomes) {
            if succeeded? {
                successes.push(name.to_owned());
            }
        }
        seen.succeeded.extend(successes);
        ended.send_replace(seen.successes());
    }
    Ok(seen)
}

async fn start(place: &Place, pod: &Pod) -> Result<bool, Failed> {
    let ready = json!([{"type": "Ready", "status": "True"}]);
    report(place, &pod.name, json!({"phase": "Running", "conditions": ready})).await
}

async fn end(place: &Place, pod: &str) -> Result<bool, Failed> {
    let ready = json!([{"type": "Ready", "status": "False"}]);
    report(place, pod, json!({"phase": "Succeeded", "conditions": ready})).await
}

/// Writes the status of a pod, as its node would, and says whether nobody had deleted it.
async fn report(place: &Place, pod: &str, status: Value) -> Result<bool, Failed> {
    match place.api.patch(&format!("{}/status", place.pod_path(pod)), &json!({"status": status})).await {
        Ok(pod) => Ok(pod["metadata"].get("deletionTimestamp").is_none()),
        Err(error) if error.code() == Some(404) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
