//! The nodes of one Job, played as fast as requests can be sent, and what they saw.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use kubectl_federate::job::{Indexes, Observed, Pod};
use libtest_mimic::Failed;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::place::Place;
use crate::random::Random;

/// How soon the nodes look again.
const BEAT: Duration = Duration::from_millis(20);

/// When pods end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Each as soon as it runs.
    AtOnce,
    /// Many together, once no pod is left that does not run.
    Bursts,
}

/// What the nodes of a Job saw. A pod runs only if it was not being deleted when it was started,
/// and has succeeded only if it was not being deleted when it ended: this is what really happened,
/// whatever a status says.
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

/// Plays the nodes of a Job until it has ended, and gives it as it is then. `ended` counts the
/// successes as they come.
pub async fn play(
    place: &Place,
    job: &str,
    pace: Pace,
    random: &mut Random,
    ended: &watch::Sender<i32>,
) -> Result<(Seen, Observed), Failed> {
    let finish = async |name: &str| {
        let succeeded = end(place, name).await?;
        if succeeded {
            ended.send_modify(|ended| *ended += 1);
        }
        Ok::<_, Failed>(succeeded.then(|| name.to_owned()))
    };
    let mut seen = Seen::default();
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let live = place.live(job).await?;
        let (running, pending): (Vec<Pod>, Vec<Pod>) =
            live.into_iter().partition(|pod| seen.ran.contains_key(&pod.name));
        if running.is_empty() && pending.is_empty() {
            let job = place.job(job).await?;
            if job.end.is_some() {
                return Ok((seen, job));
            }
        }
        let all_run = pending.is_empty();
        let started = join_all(pending.iter().map(async |pod| {
            let started = start(place, pod).await?;
            let ended =
                if started && pace == Pace::AtOnce { finish(&pod.name).await? } else { None };
            Ok::<_, Failed>((started, ended))
        }));
        for (pod, result) in pending.iter().zip(started.await) {
            let (started, ended) = result?;
            if started {
                seen.ran.insert(pod.name.clone(), pod.index);
            }
            seen.succeeded.extend(ended);
        }
        if pace == Pace::Bursts && all_run && !running.is_empty() {
            let count = 1 + random.below(running.len() as u64) as usize;
            for ended in
                join_all(running.iter().take(count).map(async |pod| finish(&pod.name).await)).await
            {
                seen.succeeded.extend(ended?);
            }
        }
    }
}

/// Runs pods, none of which anybody deletes.
pub async fn start_all(place: &Place, pods: &[Pod]) -> Result<(), Failed> {
    all(join_all(pods.iter().map(|pod| start(place, pod))).await)
}

/// Lets pods succeed, none of which anybody deletes.
pub async fn end_all(place: &Place, pods: &[Pod]) -> Result<(), Failed> {
    all(join_all(pods.iter().map(|pod| end(place, &pod.name))).await)
}

fn all(untouched: Vec<Result<bool, Failed>>) -> Result<(), Failed> {
    for untouched in untouched {
        if !untouched? {
            return Err("a pod was deleted".into());
        }
    }
    Ok(())
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
    match place
        .api
        .patch(&format!("{}/status", place.pod_path(pod)), &json!({"status": status}))
        .await
    {
        Ok(pod) => Ok(pod["metadata"].get("deletionTimestamp").is_none()),
        Err(error) if error.code() == Some(404) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
