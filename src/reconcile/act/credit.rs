//! Work is taken off a Job that may be running: a credit. The rules are those of [`crate::job::credit`].

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{ATTEMPTS, Performed, Target, failed, job_path};
use crate::{
    cluster::{Connection, Error},
    job::{Indexes, Observed, Pod, credit as rules, labels},
    reconcile::{Answer, decide::has_lost_credit, observe::shard_id},
    state::Record,
};

/// What was read of a Job and its pods must not be older than this when a credit is sent.
const FRESH: Duration = Duration::from_secs(1);

/// How it is measured what may be taken off a Job. The default is [`crate::job::credit`]; a stress test puts in careless
/// ones, to show that it finds them out.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    /// How many completions; the flag says whether nothing has changed for [`rules::STILL`].
    pub room: fn(&Observed, &[Pod], bool) -> i32,
    /// Which indexes, of an Indexed Job.
    pub free_indexes: fn(&Observed, &[Pod]) -> Indexes,
}

impl Default for Measure {
    fn default() -> Self {
        Self { room: rules::room, free_indexes: rules::free_indexes }
    }
}

/// What is to be taken off a Job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// How many completions more.
    pub count: i32,
    /// Of an Indexed Job, those that it may be: first those that come first here, each from its end.
    pub from: Vec<Indexes>,
}

/// What a credit came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The Job as it is now.
    pub job: Observed,
    /// How many completions were taken off it.
    pub count: i32,
    /// How many more were wanted, and have started or may be about to.
    pub kept: i32,
    /// Indexes that were credited, and that a pod was found on afterwards: they may run twice.
    pub doubled: Indexes,
}

/// Takes completions off a Job, as many of those wanted as can be without touching what runs. `wanted` is asked of the Job as
/// it is read, each time it is. None where the Job is not there or has another uid.
///
/// # Errors
/// The cluster's. A conflict where the Job changes faster than it can be read.
pub async fn credit(
    connection: &Connection,
    namespace: &str,
    name: &str,
    uid: &str,
    wanted: impl Fn(&Observed) -> Wanted,
    measure: &Measure,
) -> Result<Option<Taken>, Error> {
    let path = job_path(namespace, name);
    let mut attempt = 0;
    let mut looks = Looks::default();
    loop {
        attempt += 1;
        let read = Instant::now();
        let job = match connection.get(&path).await {
            Ok(job) => Observed::of(&job),
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        if job.uid != uid {
            return Ok(None);
        }
        let wanted = wanted(&job);
        let pods = if wanted.count > 0 && job.takes_credit() {
            pods(connection, namespace, uid).await?
        } else {
            Vec::new()
        };
        let still = looks.were_still(&job, &pods, read);
        let (count, indexes) = takable(&job, &pods, &wanted, measure, still);
        // Once: they may never be.
        if takable(&job, &pods, &wanted, measure, true).0 > count && !looks.waited {
            looks.waited = true;
            tokio::time::sleep(rules::STILL).await;
            continue;
        }
        let patch = if job.indexed { credit_indexes(&job, &indexes) } else { credit_count(&job, count) };
        let taken = |job, count, doubled| Taken { job, count, kept: (wanted.count - count).max(0), doubled };
        if count <= 0 {
            return Ok(Some(taken(job, 0, Indexes::default())));
        }
        if read.elapsed() > FRESH {
            if attempt < ATTEMPTS {
                continue;
            }
            return Ok(Some(taken(job, 0, Indexes::default())));
        }
        match connection.patch(&format!("{path}/status"), &patch).await {
            Ok(job) => {
                let doubled = if indexes.is_empty() {
                    indexes
                } else {
                    occupied(&self::pods(connection, namespace, uid).await?).both(&indexes)
                };
                return Ok(Some(taken(Observed::of(&job), count, doubled)));
            }
            Err(error) if error.is_conflict() && attempt < ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
}

/// What a Job and its pods looked like, so that it shows whether they stay so.
#[derive(Default)]
struct Looks {
    first: Option<(Instant, String, Vec<Pod>)>,
    waited: bool,
}

impl Looks {
    /// Whether they look as they did [`rules::STILL`] before `read`, when they began to be read.
    fn were_still(&mut self, job: &Observed, pods: &[Pod], read: Instant) -> bool {
        let same = |seen: &&(Instant, String, Vec<Pod>)| seen.1 == job.resource_version && seen.2 == pods;
        match self.first.as_ref().filter(same) {
            Some((since, ..)) => read.duration_since(*since) >= rules::STILL,
            None => {
                self.first = Some((Instant::now(), job.resource_version.clone(), pods.to_vec()));
                false
            }
        }
    }
}

/// Takes off a shard what its ledger says is to be.
pub(super) async fn take_off(target: &Target<'_>) -> Performed {
    let wanted = |job: &Observed| wanted(target.record, target.id, job);
    let (record, uid) = (target.record, target.uid.unwrap_or_default());
    let (namespace, name) = (record.namespace(), record.job_name(target.id));
    match credit(target.connection, namespace, name, uid, wanted, &Measure::default()).await {
        Ok(None) => (Answer::Gone, None),
        Ok(Some(taken)) => {
            let what = (taken.count > 0).then(|| named(taken.count));
            let job = Box::new(taken.job);
            let why = match (taken.kept, taken.doubled.is_empty()) {
                (0, true) => return (Answer::Job(job), what),
                (_, false) => format!(
                    "its indexes {} were credited while they started: they may run twice",
                    taken.doubled
                ),
                (kept, true) => format!("{} more to be taken off, which may have started", completions(kept)),
            };
            (Answer::Waiting(job, why), what)
        }
        Err(error) if error.is_conflict() => match target.look().await {
            Answer::Job(job) => (Answer::Waiting(job, "its Job keeps changing".to_owned()), None),
            other => (other, None),
        },
        Err(error) => (failed(&error), None),
    }
}

/// What the ledger says is to be taken off a shard's Job.
pub(in crate::reconcile) fn wanted(record: &Record, id: u32, job: &Observed) -> Wanted {
    let shard = &record.shards[&id];
    match &shard.indexes {
        _ if shard_id(record, job) != Some(id) || has_lost_credit(shard, job) => Wanted::default(),
        None => Wanted { count: shard.credit - shard.credited.max(job.credited_count()), from: Vec::new() },
        Some(own) => {
            let own = own.without(&job.credited_indexes());
            let taken = shard.completions.unwrap_or(0) - own.len();
            let asked = Indexes::all(record.manifest.size().completions.unwrap_or(0));
            Wanted { count: shard.credit - taken, from: vec![own.without(&asked), own.both(&asked)] }
        }
    }
}

/// How much of what is wanted can be taken off a Job now, given its pods, and whether both have been as they are for
/// [`rules::STILL`]; and, of an Indexed one, which indexes.
pub(in crate::reconcile) fn takable(
    job: &Observed,
    pods: &[Pod],
    wanted: &Wanted,
    measure: &Measure,
    still: bool,
) -> (i32, Indexes) {
    if job.indexed {
        let indexes = choose(&(measure.free_indexes)(job, pods), wanted);
        return (indexes.len(), indexes);
    }
    ((measure.room)(job, pods, still).min(wanted.count), Indexes::default())
}

/// What a credit is called.
pub(in crate::reconcile) fn named(count: i32) -> String {
    format!("credited {}", completions(count))
}

fn completions(count: i32) -> String {
    format!("{count} {}", if count == 1 { "completion" } else { "completions" })
}

/// The pods of a Job, whoever else has pods with its name.
pub(in crate::reconcile) async fn pods(
    connection: &Connection,
    namespace: &str,
    uid: &str,
) -> Result<Vec<Pod>, Error> {
    let selector = format!("batch.kubernetes.io/controller-uid={uid}");
    let pods = connection.list(&format!("/api/v1/namespaces/{namespace}/pods"), &selector).await?;
    Ok(pods.iter().map(Pod::of).collect())
}

fn occupied(pods: &[Pod]) -> Indexes {
    pods.iter().filter_map(|pod| pod.index).collect()
}

fn choose(free: &Indexes, wanted: &Wanted) -> Indexes {
    wanted.from.iter().fold(Indexes::default(), |chosen, from| {
        chosen.with(&free.both(from).tail(wanted.count - chosen.len()))
    })
}

/// The write that credits a number, with `startTime` where a suspended Job would need one to be Complete.
pub(super) fn credit_count(job: &Observed, count: i32) -> Value {
    let succeeded = job.succeeded + count;
    let status = json!({ "succeeded": succeeded });
    written(job, status, (job.credited_count() + count).to_string(), Some(succeeded) >= job.completions)
}

/// The write that credits indexes, likewise.
pub(super) fn credit_indexes(job: &Observed, indexes: &Indexes) -> Value {
    let completed = job.completed_indexes.with(indexes);
    let all = Some(completed.with(&job.failed_indexes).len()) >= job.completions;
    let status = json!({ "completedIndexes": completed, "succeeded": completed.len() });
    written(job, status, job.credited_indexes().with(indexes).to_string(), all)
}

/// This moment as the API writes times: to the second.
pub(super) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn written(job: &Observed, mut status: Value, credited: String, all: bool) -> Value {
    if all && job.start.is_none() {
        status["startTime"] = now().into();
    }
    json!({
        "metadata": {
            "uid": job.uid,
            "resourceVersion": job.resource_version,
            "annotations": { labels::CREDITED: credited },
        },
        "status": status,
    })
}
